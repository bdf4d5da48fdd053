//! The Edge Configuration API of Project Flotta, served from a store of its own.
//!
//! `transport` and `tls` carry requests; `descriptors` sees to it that there are files enough for
//! them, `room` that there is memory; `admission` is the order that says whom the fleet takes in;
//! `settings`, `check`, `ops`, `metrics` and the crate `telemetry` are what an operator sees.

pub mod admin;
pub mod check;
pub mod descriptors;
pub mod device_plane;
mod examination;
mod files;
pub mod intake;
pub mod metrics;
pub mod open;
pub mod ops;
pub mod room;
pub mod run;
pub mod service;
pub mod settings;
pub mod sources;
pub mod tls;
pub mod transport;
pub mod upkeep;

/// Requests are spans that carry operation, namespace and device as fields.
pub use ::telemetry;
