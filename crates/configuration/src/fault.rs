//! What is wrong with an object, and what follows for a device.

use manifests::Key;

/// Something that an object needs is missing or wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The object that needs it.
    pub object: Key,
    /// In a word, in CamelCase as Kubernetes writes reasons.
    pub reason: &'static str,
    /// What is missing or wrong, where, and what follows from it.
    pub message: String,
}

/// Why a device gets no configuration. It keeps what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In a word, in CamelCase as Kubernetes writes reasons.
    pub reason: &'static str,
    /// What is missing or wrong, and where.
    pub message: String,
    /// The server cannot read what it has stored; nobody has to change an object.
    pub server_fault: bool,
}

/// Why something could not be rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// It is there and cannot be read.
    pub(crate) unreadable: bool,
}

impl Trouble {
    pub(crate) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            unreadable: false,
        }
    }

    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self {
            reason: "SecretUnreadable",
            message: message.into(),
            unreadable: true,
        }
    }

    pub(crate) fn refusal(&self, object: &Key) -> Refusal {
        Refusal {
            reason: self.reason,
            message: format!("{object}: {}", self.message),
            server_fault: self.unreadable,
        }
    }
}
