//! The admission file: a standing order of whom to take in and which store to serve, replaced while
//! the server runs.
//!
//! Whoever switches an Edge API to this server and back gives it; see
//! `docs/decisions/0020-admission-by-file.md`. What each word means for a device is a rule of the
//! fleet; here are the file, and the two cases in which no device is served at all: there never was
//! an order, or it is about another store.

mod file;
mod keeper;

pub use file::{Fault, Order, read};
pub use keeper::{NotServing, Reloader, Ruling, Status};
