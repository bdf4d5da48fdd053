//! The envelopes between a device and the Edge API, for programs that play a device.
//!
//! A backend never sees them: the Edge API opens a device's message and sends its content on.

use serde_json::Value;

use crate::absent::wire_objects;
use crate::time::DateTime;

wire_objects! {
    /// A message, in both directions.
    pub struct Message {
        /// `connection-status`, `command`, `event` or `data`.
        r#type: String,
        /// Identifier of the message.
        message_id: String,
        /// Identifier of the message that this one answers.
        response_to: String,
        /// Version of the envelope, 1.
        version: i64,
        /// When it was sent.
        sent: DateTime,
        /// What the content is: `enrolment`, `registration`, `heartbeat`, `device`, ...
        directive: String,
        /// More about the message.
        metadata: Option<Value>,
        /// The content.
        content: Option<Value>,
    }

    /// Answer to a registration or a request for playbooks.
    pub struct MessageResponse {
        /// Identifier of the request.
        message_id: String,
        /// Directive of the request.
        directive: String,
        /// The answer.
        content: Option<Value>,
        /// More about the answer.
        metadata: Option<Value>,
    }

    /// Content of the answer to a registration.
    pub struct RegistrationResponse {
        /// The device's certificate in PEM.
        certificate: String,
    }
}

/// Content of a message of type `command`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Command {
    /// The command; the Edge API knows only [`DISCONNECT`](Self::DISCONNECT).
    pub command: String,
    /// Its arguments by name; `null` when there are none.
    #[serde(default)]
    pub arguments: Option<serde_json::Map<String, Value>>,
}

impl Command {
    /// Ends the device's connection until its daemon is started again, after it removed everything.
    pub const DISCONNECT: &str = "disconnect";
}
