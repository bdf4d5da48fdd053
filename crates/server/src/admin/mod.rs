//! Administration through a Unix socket of the running server, until the admin API takes over.
//!
//! Who may open the socket (mode 0600) may do everything. The server's side calls the same functions that the admin API
//! will call ([`Service::act`](crate::service::Service::act) and its neighbours); the other side is `edge-config-server
//! device`.

pub mod cli;
mod client;
mod plane;
mod socket;
mod table;

pub use plane::AdminPlane;
pub use socket::{AdminSocket, SocketError};

/// Header in which the caller says who acts. The socket's mode decides who may; this only fills the record.
const AUTHOR: &str = "x-flotta-author";

/// Most devices in one answer.
const PAGE: usize = 500;
