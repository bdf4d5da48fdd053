//! What an administrator can set about the rules.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// The settings of the rules, the same for the whole fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether a new device is approved without a person. On by default, as in Flotta
    /// (`AUTO_APPROVAL_PROCESS`).
    pub approval: Approval,
    /// How long an administrator's permission keeps the registration gate open.
    pub permission_window: SignedDuration,
    /// What happens to the first key of a device whose keys are not known.
    pub unknown_key: UnknownKey,
    /// A device that is not heard for so many of its heartbeat periods is silent.
    pub silent_after_periods: u32,
    /// How often a playbook is offered before it counts as interrupted.
    pub playbook_offers: u32,
    /// How often a playbook with the strategy `RetryOnFailure` is run again.
    pub playbook_retries: u32,
}

/// Who approves a new device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Nobody: it is approved as it enrols.
    Automatic,
    /// A person.
    Manual,
}

/// What happens to the first key of a device that was taken over from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownKey {
    /// It is accepted, with a warning event.
    AcceptFirst,
    /// It is refused until an administrator permits a registration.
    RequirePermission,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            approval: Approval::Automatic,
            permission_window: SignedDuration::from_hours(1),
            unknown_key: UnknownKey::AcceptFirst,
            silent_after_periods: 3,
            playbook_offers: 3,
            playbook_retries: 3,
        }
    }
}
