//! What the companion decides, in a cluster in memory: lives of a switch, told step by step, and
//! lives in which anything happens at any time.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests share is outside of their functions"
)]

mod back;
mod carried;
mod contest;
mod lives;
mod memory;
mod merge;
mod steady;
mod switch;
mod told;
mod world;
