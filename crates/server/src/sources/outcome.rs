//! What became of a reading of a source, as it is remembered and told.

use serde::{Deserialize, Serialize};

use super::{Applied, ApplyError};

/// What became of a reading of a source.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It was taken over.
    Applied(Applied),
    /// It takes something away, and the source has not rested for long enough to be believed.
    Settling(Settling),
    /// It waits for a person: its digest, and the sentence about it.
    Unconfirmed(String, String),
    /// It was not taken over, for these reasons.
    Rejected(Vec<String>),
}

/// A reading that takes something away, of a source that has not rested for long enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settling {
    /// Its digest; a person who confirms it need not wait.
    pub digest: String,
    /// What it lacks, and when it counts.
    pub reason: String,
}

impl Outcome {
    /// Of a reading that was not taken over.
    pub(super) fn of(error: ApplyError) -> Self {
        let sentence = error.to_string();
        match error {
            ApplyError::Settling { digest, .. } => Self::Settling(Settling {
                digest,
                reason: sentence,
            }),
            ApplyError::Unconfirmed { digest, .. } => Self::Unconfirmed(digest, sentence),
            _ => Self::Rejected(vec![sentence]),
        }
    }

    /// Why it was not taken over, one sentence each.
    pub(super) fn sentences(&self) -> Vec<String> {
        match self {
            Self::Applied(_) => Vec::new(),
            Self::Settling(settling) => vec![settling.reason.clone()],
            Self::Unconfirmed(_, sentence) => vec![sentence.clone()],
            Self::Rejected(sentences) => sentences.clone(),
        }
    }
}
