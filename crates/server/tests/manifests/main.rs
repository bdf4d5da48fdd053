//! Manifests in operation: what becomes of devices when their source, the store or the server
//! fails.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod acts;
mod damage;
mod edits;
mod faulty;
mod fleet;
mod follow;
mod harms;
mod memory;
mod motion;
mod outage;
mod owners;
mod parts;
mod playbooks;
mod reach;
mod review;
mod secrets;
mod servers;
mod shown;
mod sources;
mod wipes;
mod workloads;
mod world;
