//! Administration through a Unix socket of the running server, until the admin API takes over.
//!
//! Who may open the socket (mode 0600) may do everything. The server's side calls the same
//! functions that the admin API will call ([`Service::act`](crate::service::Service::act) and its
//! neighbours); the other side is `edge-config-server device`.

use std::time::Duration;

pub mod cli;
mod client;
mod plane;
mod socket;
mod table;

pub use plane::AdminPlane;
pub use socket::{AdminSocket, SocketError};
pub(crate) use socket::{NO_SOCKET, is_other_file};

use crate::transport::Limits;

/// Header in which the caller says who acts. The socket's mode decides who may; this only fills the
/// record.
const AUTHOR: &str = "x-flotta-author";

/// Most devices in one answer.
const PAGE: usize = 500;

/// Longest body: manifests of a whole fleet.
const LONGEST: usize = 64 * 1024 * 1024;

/// Longest request: taking over manifests looks at every device, encrypting anew writes everything.
const PATIENCE: Duration = Duration::from_mins(10);

/// Most connections. They are all the owner's own.
const CONNECTIONS: usize = 64;

/// What the owner of the socket may use.
pub fn limits(device_plane: Limits) -> Limits {
    Limits {
        body: LONGEST,
        bodies: LONGEST,
        request: PATIENCE,
        idle: PATIENCE,
        write: Duration::from_mins(1),
        silent: CONNECTIONS,
        connections: CONNECTIONS,
        ..device_plane
    }
}
