//! Each call against servers that are scripted, one for each fault.
#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod backend;
mod devices;
mod edge_api;
mod report;
mod world;
