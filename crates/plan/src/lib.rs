//! What the companion decides: one look at the cluster goes in, one action and a status come out.
//!
//! Pure: no input or output, no clock. `observe` and `act` are in crate `flotta-companion`;
//! [`plan`] is the only place that decides. Order of reading: [`api`] (what a person asks for and
//! is told), [`observed`], [`action`], `decide`.

pub mod action;
pub mod api;
pub mod memory;
pub mod names;
pub mod object;
pub mod observed;

mod decide;
mod edge_api;
mod go;
mod managers;
mod material;
mod previous;
mod report;
mod server;
mod settings;
mod url;
mod view;

pub use action::{Action, Plan};
pub use decide::plan;
pub use memory::Memory;
pub use observed::Observed;
