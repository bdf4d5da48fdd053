//! What can go wrong with a store, in the words of the one who operates it.

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The device, or the documents, have changed since the revision that the write was decided on:
    /// read again, decide again.
    #[error("what is to be written was changed by another request meanwhile")]
    Conflict,
    /// The store does not answer, is full or is closed. Nothing is known about the effect of a
    /// write.
    #[error("the store is not available: {reason}")]
    Unavailable {
        /// What is known of the cause.
        reason: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// What is stored cannot be understood; it is left as it is.
    #[error("{what} in the store cannot be read: {reason}")]
    Corrupt {
        /// Which record.
        what: String,
        /// Why not.
        reason: String,
    },
    /// The store was written by a newer program that this one must not touch.
    #[error(
        "the store needs a program of level {needed} or newer and this one has level {ours}; install a newer edge-config-server"
    )]
    TooNew {
        /// Oldest level that can work on it.
        needed: u32,
        /// Level of this program.
        ours: u32,
    },
    /// The keys that were given do not fit what is stored, so that nothing was written.
    #[error("the store's values cannot be sealed: {reason}")]
    Keys {
        /// Which keys, and what to do.
        reason: String,
    },
    /// It cannot be opened at all.
    #[error("the store {location} cannot be opened: {reason}")]
    Open {
        /// Where it is, without credentials.
        location: String,
        /// Why, and what to do.
        reason: String,
    },
}

impl StoreError {
    /// The store is not available for a reason without a further cause.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable {
            reason: reason.into(),
            source: None,
        }
    }

    /// As a sentence about a device, with what to do.
    pub(crate) fn of_device(&self) -> String {
        format!(
            "{self}; it gets no answers until an administrator replaces it: 'edge-config-server device adopt ID --namespace \
             NAMESPACE', or 'device delete ID', with which it removes its workloads"
        )
    }

    /// What is known of the cause, without the words that every error of its kind begins with.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unavailable { reason, .. }
            | Self::Corrupt { reason, .. }
            | Self::Keys { reason }
            | Self::Open { reason, .. } => reason.clone(),
            Self::Conflict | Self::TooNew { .. } => self.to_string(),
        }
    }
}
