//! Why the fleet could not do what it was asked.

use fleet::administration::ActError;
use store::StoreError;

use crate::{intake::NotServing, sources::NotConfigured};

/// Why a request could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The store could not read or write.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No device is served now.
    #[error(transparent)]
    NotServing(#[from] NotServing),
    /// No device is configured now.
    #[error(transparent)]
    NotConfigured(#[from] NotConfigured),
    /// Where an approved device shall live may be said by a manifest that cannot be read now.
    #[error(
        "where the device shall live may be said by an EdgeDeviceSignedRequest, and the manifests cannot be read ({0}); name its \
         namespace with --namespace"
    )]
    NoPlace(NotConfigured),
    /// An administrator's act is not possible.
    #[error(transparent)]
    Act(#[from] ActError),
    /// An administrator's act would take something from the device.
    #[error("{0}; if the act is meant all the same, repeat it with --confirm")]
    WouldLose(String),
    /// The device gets no configuration.
    #[error("the device gets no configuration and keeps what it has: {0}")]
    Refused(String),
    /// Other requests take the memory that this one needs.
    #[error("there is no room for the request now; try again")]
    Crowded,
    /// Devices that have never polled have said more than there is room for, and this is one.
    #[error(
        "devices that have never polled their configuration say more than there is room for; this one has to poll first"
    )]
    NeverPolled,
    /// A document could not be written as JSON.
    #[error("a document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The decision ended without a result; its effect is unknown.
    #[error("the request was interrupted; repeat it")]
    Interrupted,
}
