//! What devices are configured with, case by case. What holds of generated fleets is in
//! `tests/properties`.
//!
//! | Question | Module |
//! |---|---|
//! | How do objects and devices come into a test? | `world` |
//! | What is each section on the wire, byte for byte? | `golden` |
//! | What follows from what a workload needs and does not find? | `failures` |
//! | What follows from faults in a device's own settings, or in its set's? | `settings` |
//! | When does a last good form begin and end, and what is in it? | `last_good` |
//! | What of a pod, a Secret or a device is looked at, and what is shared? | `parts` |
//! | Which selectors are valid, and whom do they select? | `selectors` |
//! | Which playbooks is a device to run? | `playbooks` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking"
)]

mod failures;
mod golden;
mod last_good;
mod parts;
mod playbooks;
mod selectors;
mod settings;
mod world;
