//! Whom the fleet takes in now: a standing order from outside, beside the settings, that can change
//! at any time.
//!
//! A switch to this server may be rolled back until it is verified. The backend before it
//! disconnects every device that it does not know, so until then nobody may come to depend on this
//! one: see [`Admission::Hold`]. Before the way back, the devices are counted, so nobody may join
//! any more: see [`Admission::Closed`].
//!
//! Whoever waits for either tries again by itself: the agent repeats its enrolment every ten
//! seconds whatever it was answered, and its registration from the start.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whom the fleet takes in now. Devices that it has are served in each case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Admission {
    /// Whomever the rules let in.
    #[default]
    Open,
    /// Nobody whom the backend before this one lacks: enrolments wait and leave nothing behind,
    /// only devices that were taken over register, and no deleted device is disconnected.
    Hold,
    /// Nobody: enrolments and registrations are refused.
    Closed,
}

impl Admission {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Hold, Self::Closed];

    /// The word as it is written in the admission file and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Hold => "Hold",
            Self::Closed => "Closed",
        }
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request to come in was put off, whatever the rules say of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutOff {
    /// [`Admission::Hold`], and the device was not taken over from the backend before.
    #[error(
        "the server is on hold until its switch is verified; the device will be let in when it tries again"
    )]
    Hold,
    /// [`Admission::Closed`].
    #[error("the fleet is closed for enrolments and registrations; the device may try again")]
    Closed,
    /// There are too many devices already of which nothing is known but that they want to join.
    #[error(
        "too many devices wait for their approval, or are approved by the setting and have not polled since; the device may \
         try again"
    )]
    Full,
}
