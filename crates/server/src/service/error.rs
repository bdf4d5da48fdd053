//! Why the fleet could not do what it was asked.

use fleet::administration::ActError;
use store::StoreError;

use crate::{admission::NotServing, documents::NotConfigured};

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
    /// An administrator's act is not possible.
    #[error(transparent)]
    Act(#[from] ActError),
    /// The device gets no configuration.
    #[error("the device gets no configuration and keeps what it has: {0}")]
    Refused(String),
    /// A document could not be written as JSON.
    #[error("a document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The decision ended without a result; its effect is unknown.
    #[error("the request was interrupted; repeat it")]
    Interrupted,
}
