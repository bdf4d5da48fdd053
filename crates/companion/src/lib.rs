//! The companion of a Flotta Edge API: observes, asks [`plan`] what to do, does it, and observes
//! again.
//!
//! Nothing is decided here. Every round starts from the cluster as it is, performs at most one
//! action, and can be repeated; what ends the process between two steps, or in one, costs a round.
//! Writes need the Lease and carry the `uid` and the `resourceVersion` that were observed.

pub mod calls;
pub mod cli;
pub mod cluster;
pub mod control;
pub mod definition;
pub mod events;
pub mod farewell;
pub mod lease;
pub mod metrics;
pub mod ops;
pub mod restore;
pub mod rights;
pub mod run;
pub mod show;
pub mod telemetry;
pub mod yaml;
