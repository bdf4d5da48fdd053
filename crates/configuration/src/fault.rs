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

    /// An error if anything was noted: as one sentence, with the reason of what cannot be read or
    /// else of the first.
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

    /// An object is not what its kind says, with what serde expected and without the value that it
    /// found: what was typed there may be a password.
    pub(crate) fn misread(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let message = match text.rsplit_once(", expected ") {
            Some((_, expected)) => {
                format!("it is not what its kind says: one of its fields must be {expected}")
            }
            None if text.starts_with("missing field ") => format!("it is not what its kind says: {text}"),
            None => "it is not what its kind says".to_owned(),
        };
        Self::new("ObjectInvalid", message)
    }

    pub(crate) fn unreadable(message: impl Into<String>) -> Self {
        Self {
            reason: "SecretUnreadable",
            message: message.into(),
            unreadable: true,
        }
    }

    /// The same, said of an object that another one needs.
    pub(crate) fn of(mut self, object: &Key) -> Self {
        self.message = format!("{object}: {}", self.message);
        self
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    enum Choice {
        One,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "only read into")]
    struct Object {
        number: u8,
        list: Vec<bool>,
        choice: Choice,
    }

    #[test]
    fn a_misread_object_shows_no_value() {
        let object = |field: &str, value: Value| {
            let mut object = json!({"number": 1, "list": [], "choice": "One"});
            object[field] = value;
            let error = Object::deserialize(object).unwrap_err();
            Trouble::misread(&error).message
        };
        for (field, value, expected) in [
            ("number", json!("marker, expected marker"), "must be u8"),
            ("number", json!(["marker"]), "must be u8"),
            ("list", json!("marker"), "must be a sequence"),
            ("list", json!(["marker"]), "must be a boolean"),
            ("choice", json!("marker"), "must be `One`"),
            ("choice", json!({"marker": 1}), "must be `One`"),
        ] {
            let told = object(field, value);
            assert!(told.ends_with(expected) && !told.contains("marker"), "{told}");
        }
        let error = Object::deserialize(json!({})).unwrap_err();
        assert!(
            Trouble::misread(&error)
                .message
                .ends_with("missing field `number`")
        );
    }
}
