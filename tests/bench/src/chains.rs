//! What a handshake costs the server, by the chain of certificates that its caller presents.
//!
//! The bare program verifies chains as rustls does by itself, and so as the server did before it
//! bounded them: among certificates of one name, each of which looks like the issuer of every
//! other, it looks for a path until it gives up.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::Method;
use testkit::caller::{Connections, path};
use testkit::pki::{Authority, Identity, Profile};
use tokio::time::timeout;

use crate::load::processor_time;
use crate::stage::{Peer, device_id};

/// Longer than any handshake may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cell has no fewer handshakes, however long they take: clock ticks of 10 ms are what processor
/// time is told in.
const FEWEST: usize = 3;

/// A chain to present.
#[derive(Debug)]
pub(crate) struct Chain {
    /// What the row is called.
    name: &'static str,
    certificates: usize,
    /// Whether it gets in.
    pinned: bool,
    presented: Identity,
}

/// The Edge API's certificate, and chains of strangers that lead nowhere.
pub(crate) fn chains(host: &Identity) -> Result<Vec<Chain>> {
    let crowd = Authority::cross_signed("flotta-crowd", 35)?;
    let stranger = crowd[0].issue(&Profile::host())?;
    let of = |name, further: &[Authority]| Chain {
        name,
        certificates: further.len() + 1,
        pinned: false,
        presented: stranger.clone().followed_by_authorities(further),
    };
    Ok(vec![
        Chain {
            name: "the pinned one",
            certificates: 1,
            pinned: true,
            presented: host.clone(),
        },
        of("a stranger's", &[]),
        of("a stranger's", &crowd[..3]),
        of("a stranger's", &crowd),
    ])
}

/// The table's head.
pub(crate) const HEAD: &str = "| Chain | Certificates | Server | Handshakes | Let in | Server CPU ms/handshake |\n|---|--:|---|--:|--:|--:|\n";

/// Connects again and again for `window`, one handshake after the other; a row of the table.
pub(crate) async fn measure(peer: &Peer, chain: &Chain, window: Duration) -> Result<String> {
    let mut caller = peer.caller_as(&chain.presented, Connections::New)?;
    let path = path("default", &device_id(0, 0), "configuration");
    let (processor, begun) = (processor_time(peer.pid)?, Instant::now());
    let (mut handshakes, mut let_in) = (0, 0);
    while handshakes < FEWEST || begun.elapsed() < window {
        let outcome = timeout(PATIENCE, caller.call(Method::GET, &path, None)).await;
        let answer = outcome.with_context(|| format!("{} does not end a handshake", peer.name))?;
        handshakes += 1;
        let_in += usize::from(answer.is_ok());
    }
    let used = processor_time(peer.pid)?.saturating_sub(processor);
    let expected = if chain.pinned { handshakes } else { 0 };
    ensure!(
        let_in == expected,
        "{} let in {let_in} of {handshakes} callers with {} of {} certificates",
        peer.name,
        chain.name,
        chain.certificates
    );
    let mut row = String::new();
    let _ = writeln!(
        row,
        "| {} | {} | {} | {handshakes} | {let_in} | {:.2} |",
        chain.name,
        chain.certificates,
        peer.name,
        used.as_secs_f64() * 1e3 / f64::from(u32::try_from(handshakes)?),
    );
    Ok(row)
}
