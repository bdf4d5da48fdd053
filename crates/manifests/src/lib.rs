//! What users of Flotta write for Kubernetes: its six custom resources, and the core objects that
//! these refer to.
//!
//! A text becomes [`Object`]s as `kubectl` and an API server with Flotta's definitions would make
//! of it: what `kubectl` may read otherwise and unknown fields are refused, defaults are filled in,
//! what admission forbids is a fault with its path. An object's document is then read as one of the
//! types in [`kinds`].
//!
//! None of it judges what is stored: a rule that is new must take nothing from a device that is
//! served.
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
mod file;
pub mod kinds;
mod metadata;
mod metrics_list;
pub mod object;
mod read;
pub mod schema;
pub mod source;
mod text;

pub use fault::{Fault, Place, UnknownFields, Warning};
pub use file::decoded;
pub use metrics_list::metrics_list;
pub use object::{Key, Kind, Object};
pub use read::{Reading, read, read_with};
pub use text::{MAX_BYTES, written};
