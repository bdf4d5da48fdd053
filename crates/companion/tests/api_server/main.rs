//! The companion's loop on a real API server without a node: what pods would do is stood in for,
//! calls to them are scripted, everything else is real.
//!
//! With EXHAUSTIVE set every write is disturbed in every way, and not in one way each; with
//! TEST_LOG set to a level the companions' logs are shown.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking"
)]
#![allow(unreachable_pub, reason = "modules of one program")]

mod calls;
mod drift;
mod facts;
mod farewell;
mod kubelet;
mod lease;
mod process;
mod proxy;
mod restore;
mod switch;
mod trouble;
mod world;
