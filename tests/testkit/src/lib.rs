//! What the tests, the benchmark and the example fleet share: certificates as Flotta makes them,
//! callers of the Edge Configuration API, devices, and the processes of others (kube-apiserver, the
//! Edge API, PostgreSQL) that a test starts and ends.
//!
//! Each module stands alone; the rough order of use is [`control_plane`] -> [`edge_api`] ->
//! [`server`] -> [`device`]. Nothing here depends on the crates under test: JSON goes over the wire
//! as [`serde_json::Value`], so a mistake in our own types cannot hide itself.

pub mod binary;
pub mod caller;
pub mod control_plane;
pub mod device;
pub mod disk;
pub mod edge_api;
pub mod flotta_kinds;
pub mod go_oracle;
pub mod http_client;
pub mod imports;
pub mod kubernetes;
pub mod net;
pub mod operator;
pub mod peers;
pub mod pki;
pub mod postgres;
pub mod process;
pub mod scripted_backend;
pub mod server;
