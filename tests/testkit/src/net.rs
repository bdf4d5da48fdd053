//! Free TCP ports on 127.0.0.1 for processes that cannot say which port they took.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};

/// Ports are taken from below Linux's ephemeral range (32768 and up): a port from inside it can
/// become the source port of one of our own many connections between being found free and being
/// listened on.
const FIRST: u32 = 11_000;
const COUNT: u32 = 21_000;

/// A port that nothing listens on, given out once per process.
///
/// Test processes that run at the same time start at different places of the range, derived from
/// their process id.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(2_654_435_761) % COUNT;
    for _ in 0..COUNT {
        let offset = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let Ok(port) = u16::try_from(FIRST + offset) else {
            continue;
        };
        // The Edge API listens on all addresses, so the port has to be free on all of them.
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!(
        "no free port between {FIRST} and {}; end some of the processes that listen there",
        FIRST + COUNT
    )
}
