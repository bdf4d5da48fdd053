//! Playbooks, and who gets them. There are none yet.

use crate::{Device, State};

/// Whether a device may ask for playbooks: only an approved one gets an answer.
pub fn may_ask(device: Option<&Device>) -> bool {
    device.is_some_and(|device| matches!(device.life.state, State::Approved { .. }))
}
