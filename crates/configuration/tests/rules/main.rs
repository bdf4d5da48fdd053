//! What devices are configured with, held against what Flotta's sources say and against naive recomputations.
//!
//! | Question | Module |
//! |---|---|
//! | How do objects and devices come into a test? | `world` |
//! | What is each section on the wire, byte for byte? | `golden` |
//! | What follows from each thing that can be missing or wrong? | `failures` |
//! | Which workloads does a device get? | `selection`, `selectors` |
//! | What are generated fleets made of, and what changes in them? | `fleets` |
//! | When does the agent find two configurations equal, and is the version then? | `agent`, `versions` |
//! | Does a change reach exactly the devices that it concerns? | `reach` |
//! | Can anything take a workload or a key from a device? | `wipes`, `last_good` |
//! | Which playbooks is a device to run? | `playbooks` |

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking"
)]

mod golden;
mod world;
