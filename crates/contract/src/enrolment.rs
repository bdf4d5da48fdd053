//! Enrolment and registration: how a device becomes known, and the answers to that.

use serde::{Deserialize, Serialize};

use crate::absent::{null_or, wire_objects};
use crate::hardware::HardwareInfo;

wire_objects! {
    /// Body of `POST .../enrolment`. A device message without content produces `{}`.
    pub struct EnrolmentInfo {
        /// What the device is.
        features: Option<Features>,
        /// Namespace that the device asks for. The Edge API falls back to `default` in the path
        /// only, not here; the text may be empty.
        target_namespace: Option<String>,
    }

    /// What a device is.
    pub struct Features {
        /// Its hardware.
        hardware: Option<HardwareInfo>,
        /// Model name; the current agent never sets it.
        #[serde(rename = "modelName")]
        model_name: String,
    }

    /// Body of `PUT .../registration`.
    pub struct RegistrationInfo {
        /// Certificate request in PEM. The Edge API has signed it already, without checking its
        /// signature.
        certificate_request: String,
        /// The device's hardware.
        hardware: Option<HardwareInfo>,
    }

    /// Answer to `GET .../registration`, also as an error.
    pub struct RegistrationStatus {
        /// One of the associated constants. Only [`UNREGISTERED`](Self::UNREGISTERED), in exactly
        /// this spelling, has an effect: it disconnects and wipes the device.
        status: String,
        /// The namespace that goes into the device's certificate and into the path of the `PUT`
        /// that may follow. Must not be empty in a success.
        namespace: String,
        /// For a person.
        message: String,
    }
}

/// Body of every other error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorMessage {
    /// For a person; it reaches the Edge API's log, not the device. Written also when it is empty.
    #[serde(deserialize_with = "null_or")]
    pub message: String,
}

impl RegistrationStatus {
    /// The device is approved here.
    pub const REGISTERED: &str = "registered";
    /// The device was deleted here. **Disconnects and wipes it.**
    pub const UNREGISTERED: &str = "unregistered";
    /// Nothing is known, or nothing was decided yet.
    pub const UNKNOWN: &str = "unknown";
}
