//! What users of Flotta write for Kubernetes: its six custom resources, and the core objects that these refer to.
//!
//! A text becomes [`Object`]s as an API server with Flotta's definitions would keep them: unknown fields are taken out and
//! named, defaults are filled in, what admission forbids is a fault with its path. An object's document is then read as one
//! of the types in [`kinds`].
//!
//! | Question | Module |
//! |---|---|
//! | Which kinds are there, and what is one object? | [`object`] |
//! | What does an object say? | [`kinds`] |
//! | How does a text become objects? | [`fn@read`], of `text`, `metadata`, [`schema`] and `admission` |
//! | How are a file or a directory read as one unit? | [`source`] |
//! | How is a person told what is wrong? | [`fault`] |

mod admission;
pub mod fault;
pub mod kinds;
mod metadata;
mod metrics_list;
pub mod object;
mod read;
pub mod schema;
pub mod source;
mod text;

pub use fault::{Fault, Place, Warning};
pub use metrics_list::metrics_list;
pub use object::{Key, Kind, Object};
pub use read::{Reading, read};
