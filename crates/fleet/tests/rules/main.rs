//! The rules held against what they promise, one file per question.
//!
//! One program, since a crate this small links longer than it tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the tests share is outside of their functions"
)]

// As the other crates name it.
extern crate flotta_fleet as fleet;

mod world;

mod administration;
mod bounds;
mod clock;
mod connectivity;
mod deletion;
mod delivery;
mod duplicates;
mod enrolment;
mod heartbeats;
mod intake;
mod key_gate;
mod labels;
mod life;
mod playbooks;
mod reported;
mod stored;
