//! Manifests in operation: what becomes of devices when their source, the store or the server fails.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod edits;
mod faulty;
mod fleet;
mod follow;
mod harms;
mod memory;
mod outage;
mod playbooks;
mod reach;
mod review;
mod secrets;
mod servers;
mod sources;
mod wipes;
mod workloads;
mod world;
