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

/// All that is wrong with one object, so that a person hears of everything at once.
#[derive(Debug, Default)]
pub(crate) struct Troubles(Vec<Trouble>);

impl Troubles {
    /// The value if there is one; else the trouble is noted, and the default stands for it.
    pub(crate) fn note<T: Default>(&mut self, result: Result<T, Trouble>) -> T {
        result.unwrap_or_else(|trouble| {
            self.0.push(trouble);
            T::default()
        })
    }

    /// An error if anything was noted: as one sentence, with the reason of what cannot be read or else of the first.
    pub(crate) fn none(self) -> Result<(), Trouble> {
        let unreadable = self.0.iter().find(|trouble| trouble.unreadable);
        let Some(first) = unreadable.or(self.0.first()) else {
            return Ok(());
        };
        let messages: Vec<_> = self.0.iter().map(|trouble| trouble.message.as_str()).collect();
        Err(Trouble {
            reason: first.reason,
            message: messages.join("; "),
            unreadable: first.unreadable,
        })
    }
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

    /// As a fault of `object`; `follows` says what it means for devices.
    pub(crate) fn fault(&self, object: &Key, follows: &str) -> Fault {
        Fault {
            object: object.clone(),
            reason: self.reason,
            message: format!("{}; {follows}", self.message),
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
