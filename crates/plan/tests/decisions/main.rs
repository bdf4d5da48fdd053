//! What the companion decides, in a cluster in memory: lives of a switch, told step by step, and
//! lives in which anything happens at any time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what the tests share is outside of their functions"
)]

mod carried;
mod field_conflict;
mod lives;
mod maintain;
mod memory;
mod merge;
mod rollback;
mod switch;
mod told;
mod world;
