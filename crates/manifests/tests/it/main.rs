//! What users write, and what becomes of it.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod api_server;
mod api_server_core;
mod defaults;
mod definitions;
mod faults;
mod properties;
mod sources;
