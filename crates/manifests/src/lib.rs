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

pub mod kinds;
pub mod object;

pub use object::{Key, Kind, Object};
