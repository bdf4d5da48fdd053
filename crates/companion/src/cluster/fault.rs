//! Errors of the API server, as one sentence each.

use kube::core::Status;

use crate::{rights::Right, telemetry::brief};

/// So many characters of the API server's words are repeated.
const WORDS: usize = 1000;

/// Why a request to the API server came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The companion lacks the right.
    #[error("{}", .0.missing())]
    Forbidden(Right),
    /// What it was decided on has changed since.
    #[error("{right}: it was changed by somebody else meanwhile")]
    Stale {
        /// What was tried.
        right: Right,
    },
    /// There is no such object.
    #[error("{right}: there is none")]
    Gone {
        /// What was tried.
        right: Right,
    },
    /// The API server does not take it.
    #[error("{right}: the API server refused it ({code} {reason})")]
    Refused {
        /// What was tried.
        right: Right,
        /// The HTTP status.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// There was no answer, or none that can be read.
    #[error("{right}: the API server did not answer: {reason}")]
    NoAnswer {
        /// What was tried.
        right: Right,
        /// Why.
        reason: String,
    },
    /// What is to be remembered did not come back.
    #[error(
        "RemoteBackend {name}: the API server does not keep status.memory, since its CustomResourceDefinition is of an older \
         version, and without it nothing is done; bring the definition up to date: 'helm upgrade' of the chart does, or \
         'flotta-companion crd --apply'"
    )]
    Forgotten {
        /// Of the resource.
        name: String,
    },
}

impl Fault {
    /// What came of a request that needed this right.
    pub fn new(right: Right, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(right, &status),
            error => {
                let reason = words(&error);
                Self::NoAnswer { right, reason }
            }
        }
    }

    /// Whether a look at the state as it is now is all that it takes.
    pub fn is_stale(&self) -> bool {
        matches!(self, Self::Stale { .. })
    }

    /// Whether the object is not there.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// Whether trying again will not help before somebody has done something.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Forbidden(_) | Self::Gone { .. } | Self::Forgotten { .. } => true,
            Self::Refused { code, .. } => !matches!(code, 429 | 500..=599),
            Self::Stale { .. } | Self::NoAnswer { .. } => false,
        }
    }

    fn of_status(right: Right, status: &Status) -> Self {
        match status.code {
            403 if !namespace_is_ending(status) => Self::Forbidden(right),
            404 => Self::Gone { right },
            // Another manager's field is no change of the object: the same would happen again.
            409 if !is_conflict_of_managers(status) => Self::Stale { right },
            code => {
                let reason = reason(&right, status);
                Self::Refused { right, code, reason }
            }
        }
    }
}

/// The API server quotes what it refuses; of a Secret nothing is to be quoted.
fn reason(right: &Right, status: &Status) -> String {
    if right.resource == "secrets" || status.message.is_empty() {
        brief(&status.reason, WORDS)
    } else {
        brief(&status.message, WORDS)
    }
}

fn is_conflict_of_managers(status: &Status) -> bool {
    status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .any(|cause| cause.reason == "FieldManagerConflict")
}

/// Creating something in a namespace that is being deleted is answered 403 too.
fn namespace_is_ending(status: &Status) -> bool {
    status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .any(|cause| cause.reason == "NamespaceTerminating")
}

/// Never the answer itself: it may be a Secret.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::SerdeError(error) => format!("its answer cannot be read (line {})", error.line()),
        kube::Error::FromUtf8(_) => "its answer is no text".to_owned(),
        kube::Error::Service(error) => crate::telemetry::chain(&**error).to_string(),
        error => crate::telemetry::chain(error).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(right: Right, status: serde_json::Value) -> Fault {
        let status: Status = serde_json::from_value(status).unwrap();
        Fault::new(right, kube::Error::Api(status.boxed()))
    }

    fn right() -> Right {
        Right::new("patch", "", "configmaps", Some("flotta-edge-api-config"))
    }

    #[test]
    fn a_refused_right_is_named() {
        let fault = fault(
            right(),
            json!({"code": 403, "message": "forbidden: User \"x\" cannot", "reason": "Forbidden"}),
        );
        assert!(
            fault
                .to_string()
                .contains("may not patch configmaps \"flotta-edge-api-config\"")
        );
    }

    #[test]
    fn a_change_meanwhile_is_not_a_conflict_of_managers() {
        let stale = fault(
            right(),
            json!({"code": 409, "reason": "Conflict", "message": "the object has been modified"}),
        );
        assert!(stale.is_stale());
        let managers = fault(
            right(),
            json!({"code": 409, "reason": "Conflict", "message": "conflict with \"kubectl-edit\": .data.BACKEND",
                   "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".data.BACKEND"}]}}),
        );
        assert!(!managers.is_stale());
        assert!(managers.to_string().contains("kubectl-edit"), "{managers}");
    }

    #[test]
    fn nothing_of_a_secret_is_quoted() {
        let right = Right::new("patch", "", "secrets", Some("edge-config-server-tls"));
        let fault = fault(
            right,
            json!({"code": 422, "reason": "Invalid", "message": "Secret is invalid: c2VjcmV0"}),
        );
        assert_eq!(
            fault.to_string(),
            "patch secrets \"edge-config-server-tls\": the API server refused it (422 Invalid)"
        );
    }

    #[test]
    fn an_ending_namespace_is_no_missing_right() {
        let fault = fault(
            right(),
            json!({"code": 403, "reason": "Forbidden", "message": "because it is being terminated",
                   "details": {"causes": [{"reason": "NamespaceTerminating"}]}}),
        );
        assert!(matches!(fault, Fault::Refused { code: 403, .. }));
    }
}
