//! What the companion remembers from one look to the next.
//!
//! It decides by this and by what is in the cluster. What people are told is the rest of the
//! status, and decides nothing.
//!
//! It is kept in `status.memory`, and for one version also in the fields of the status in which the
//! version before kept it: whichever of the two was written last counts. So neither an upgrade nor
//! `helm rollback` loses a proof, a pin or the id of the store.

use serde::{Deserialize, Serialize};

use crate::api::{
    Attempt, ConditionStatus, ConditionType, Contest, Failures, Rejected, RemoteBackendStatus, Verified,
    WriteBack,
};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Memory {
    /// How far the switch has come.
    pub progress: Progress,
    /// The store that this fleet was recorded in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// Switches that were rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// The last value of the retry annotation that was obeyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// Values of ours that somebody else changed lately, latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write_backs: Vec<WriteBack>,
    /// The field that somebody keeps reverting, which ended our writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contest: Option<Contest>,
}

/// How far the switch has come: the states that there are, each with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state")]
#[expect(clippy::large_enum_variant, reason = "there is one of it at a time")]
pub enum Progress {
    /// Nothing was begun, or all of it was rolled back.
    #[default]
    NotSwitched,
    /// A switch is under way and was never verified.
    Switching(Attempt),
    /// A switch that could not be verified is being rolled back.
    RollingBack(Rollback),
    /// A switch was verified once, or found. Only a person's decision rolls it back.
    Switched(Switched),
}

/// The rollback of a switch that could not be verified.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// What is rolled back.
    pub attempt: Attempt,
    /// Why.
    pub why: String,
}

/// A switch that stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Switched {
    /// What was verified last; nothing yet where the switch was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// The restart of the Edge API that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Attempt>,
    /// A change of the settings that could not be verified; those verified last are in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// What the calls through the Edge API's pods have shown lately.
    #[serde(default)]
    pub calls: Calls,
}

/// What calls through the Edge API's pods have shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "show")]
pub enum Calls {
    /// Nothing that counts: pods are being replaced, or were not called yet.
    #[default]
    Nothing,
    /// Each pod uses our server.
    Proof,
    /// One does not.
    Failure {
        /// Since when, RFC 3339.
        since: String,
        /// Why, as told last.
        why: String,
    },
}

/// Why `status.memory` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "status.memory cannot be read ({0}); it was written by another version of the companion: install that version again"
)]
pub struct Unreadable(String);

impl Memory {
    /// What a resource's status remembers.
    pub fn of(status: &RemoteBackendStatus) -> Result<Self, Unreadable> {
        let Some(document) = &status.memory else {
            return Ok(Self::of_fields(status));
        };
        let memory = Self::deserialize(document).map_err(|error| Unreadable(error.to_string()))?;
        let mut written = status.clone();
        memory.write_fields(&mut written);
        // The version before has written since, and knows the fields alone.
        Ok(if written == *status {
            memory
        } else {
            Self::of_fields(status)
        })
    }

    /// Puts it into a status, in both forms.
    pub fn write(&self, status: &mut RemoteBackendStatus) {
        self.write_fields(status);
        // Keys are texts and values are plain: there is nothing that JSON does not have.
        status.memory = serde_json::to_value(self).ok();
    }

    fn of_fields(status: &RemoteBackendStatus) -> Self {
        let attempt = status.attempt.clone();
        let progress = if status.established {
            Progress::Switched(Switched {
                verified: status.verified.clone(),
                restart: attempt,
                rejected: status.rejected.clone(),
                calls: calls(status),
            })
        } else {
            match attempt {
                None => Progress::NotSwitched,
                Some(mut attempt) => match attempt.failed.take() {
                    None => Progress::Switching(attempt),
                    Some(why) => Progress::RollingBack(Rollback { attempt, why }),
                },
            }
        };
        Self {
            progress,
            store_id: status.store_id.clone(),
            failures: status.failures.clone(),
            retry: status.retry.clone(),
            write_backs: status.write_backs.clone(),
            contest: status.contest.clone(),
        }
    }

    fn write_fields(&self, status: &mut RemoteBackendStatus) {
        status.established = false;
        status.attempt = None;
        status.verified = None;
        status.rejected = None;
        match &self.progress {
            Progress::NotSwitched => {}
            Progress::Switching(attempt) => status.attempt = Some(attempt.clone()),
            Progress::RollingBack(Rollback { attempt, why }) => {
                let failed = Some(why.clone());
                status.attempt = Some(Attempt {
                    failed,
                    ..attempt.clone()
                });
            }
            Progress::Switched(switched) => {
                status.established = true;
                status.attempt.clone_from(&switched.restart);
                status.verified.clone_from(&switched.verified);
                status.rejected.clone_from(&switched.rejected);
            }
        }
        status.store_id.clone_from(&self.store_id);
        status.failures.clone_from(&self.failures);
        status.retry.clone_from(&self.retry);
        status.write_backs.clone_from(&self.write_backs);
        status.contest.clone_from(&self.contest);
    }

    /// The switch that stays, if one does.
    pub fn switched(&self) -> Option<&Switched> {
        match &self.progress {
            Progress::Switched(switched) => Some(switched),
            _ => None,
        }
    }

    /// The same, to change it.
    pub(crate) fn switched_mut(&mut self) -> Option<&mut Switched> {
        match &mut self.progress {
            Progress::Switched(switched) => Some(switched),
            _ => None,
        }
    }

    /// What was verified last.
    pub fn verified(&self) -> Option<&Verified> {
        self.switched()?.verified.as_ref()
    }

    /// The switch that is under way and was never verified, to change it.
    pub(crate) fn switching_mut(&mut self) -> Option<&mut Attempt> {
        match &mut self.progress {
            Progress::Switching(attempt) => Some(attempt),
            _ => None,
        }
    }

    /// As it was before, and what was found out since: the store, and what calls have proven. While
    /// nothing may be changed, nothing else is remembered.
    pub(crate) fn found_out(before: &Self, after: &Self) -> Self {
        let mut memory = before.clone();
        memory.store_id.clone_from(&after.store_id);
        if let (Some(switched), Some(after)) = (memory.switched_mut(), after.switched()) {
            switched.verified.clone_from(&after.verified);
            switched.calls.clone_from(&after.calls);
        }
        memory
    }
}

/// The version before read this from what it had told.
fn calls(status: &RemoteBackendStatus) -> Calls {
    let told = status
        .conditions
        .iter()
        .find(|told| told.type_ == ConditionType::Verified.as_str());
    match told {
        Some(told) if told.status == ConditionStatus::True.as_str() => Calls::Proof,
        Some(told) if told.status == ConditionStatus::False.as_str() => Calls::Failure {
            since: told.last_transition_time.0.to_string(),
            why: told.message.clone(),
        },
        _ => Calls::Nothing,
    }
}
