//! Proves which backend a pod of the Edge API uses: calls it as a device nobody knows, and looks
//! for that call in our server's pods.

use std::{net::IpAddr, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;
use plan::{
    Observed,
    action::Called,
    names::PROBE_PREFIX,
    observed::{Evidence, PodVerdict, ProbeOutcome},
};
use tokio::time::{Instant, sleep};

use super::{Failed, evidence::dated, secret};
use crate::{
    calls::{Calls, Heard, Probe},
    cluster::observe::address,
};

/// A call has arrived in our server's pods by then. It has been answered before it is looked for.
const ARRIVAL: Duration = Duration::from_secs(3);

/// They are asked again after this time.
const AGAIN: Duration = Duration::from_millis(200);

/// Probes speak for a device of this namespace; none is ever recorded.
const NAMESPACE: &str = "default";

/// An id that nobody has used: sixteen hexadecimal digits, 62 of their bits random.
pub(super) fn nonce() -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    // The half without the digit that says which kind of UUID it is.
    id.split_off(id.len() - 16)
}

/// Calls each pod, all at once.
pub(super) async fn verify(
    calls: &dyn Calls,
    about: &str,
    pods: &[Called],
    server_name: &str,
    observed: &Observed,
    evidence: &mut Evidence,
) -> Result<(), Failed> {
    let prober = Prober {
        calls,
        ca: secret::ca(observed)?,
        host: secret::host(observed)?,
        servers: observed
            .server_pods
            .iter()
            .filter_map(|server| address(&server.pod))
            .collect(),
        server_name,
    };
    let verdicts = pods.iter().map(async |Called { pod, address }| PodVerdict {
        uid: pod.uid().to_owned(),
        name: pod.name().to_owned(),
        outcome: match address.parse() {
            Ok(address) => prober.outcome(address).await.unwrap_or_else(ProbeOutcome::Failed),
            Err(_) => ProbeOutcome::Failed(format!("its address {address:?} is none")),
        },
    });
    let verdicts = join_all(verdicts).await;
    evidence.verification = Some(dated(about, verdicts));
    Ok(())
}

struct Prober<'a> {
    calls: &'a dyn Calls,
    ca: pki::edge_api::Ca,
    host: pki::Identity,
    servers: Vec<IpAddr>,
    server_name: &'a str,
}

impl Prober<'_> {
    async fn outcome(&self, pod: IpAddr) -> Result<ProbeOutcome, String> {
        let nonce = nonce();
        let device = format!("{PROBE_PREFIX}{nonce}");
        let issuer = self.ca.issuer().map_err(|error| error.to_string())?;
        let identity = issuer
            .probe(&device, NAMESPACE, Timestamp::now())
            .map_err(|error| error.to_string())?;
        let heard = self
            .calls
            .probe(&Probe {
                pod,
                server_name: self.server_name.to_owned(),
                certificate: self.host.leaf().clone(),
                identity,
                nonce: nonce.clone(),
            })
            .await?;
        match (heard, self.seen(&nonce, heard == Heard::Remote).await) {
            (Heard::Remote, Some(from)) => Ok(ProbeOutcome::Remote { from }),
            (Heard::Remote, None) => {
                Err("the Edge API's answer was a remote backend's, but none of our server's pods has seen the call; another backend answers".to_owned())
            }
            (Heard::Disconnect, None) => Ok(ProbeOutcome::Crd),
            (Heard::Disconnect, Some(_)) => {
                Err("the Edge API told a device nobody knows to disconnect although our server has seen the call".to_owned())
            }
        }
    }

    /// Whether a pod of our server has seen the call, and from which key. Where it must have, it is
    /// waited for.
    async fn seen(&self, nonce: &str, wait: bool) -> Option<Option<String>> {
        let host = self.host.facts().key.to_string();
        let deadline = Instant::now() + ARRIVAL;
        loop {
            let ask = self
                .servers
                .iter()
                .map(|server| self.calls.probes_seen(*server, nonce));
            let keys = join_all(ask).await.into_iter().flatten().flatten();
            if let Some(from) = proving(keys, &host) {
                return Some(from);
            }
            if !wait || Instant::now() + AGAIN >= deadline {
                return None;
            }
            sleep(AGAIN).await;
        }
    }
}

/// Of the keys that a call came with (none of plain HTTP), the one that is to be proven; another
/// one only where it did not come with that.
#[expect(
    clippy::option_option,
    reason = "the outer level says whether the call was seen, the inner whether it came with a key"
)]
fn proving(keys: impl Iterator<Item = Option<String>>, host: &str) -> Option<Option<String>> {
    keys.max_by_key(|key| key.as_deref() == Some(host))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn only_the_key_that_is_verified_proves_it() {
        let key = |key: &str| Some(key.to_owned());
        let proven = |keys: &[Option<String>]| proving(keys.iter().cloned(), "host");
        assert_eq!(
            proven(&[key("other"), key("host"), key("another")]),
            Some(key("host"))
        );
        assert_eq!(proven(&[key("other")]), Some(key("other")), "to be told");
        assert_eq!(proven(&[None]), Some(None), "plain HTTP");
        assert_eq!(proven(&[]), None);
    }

    #[test]
    fn nonces_are_sixteen_hexadecimal_digits_and_differ() {
        let nonces: BTreeSet<_> = (0..1000).map(|_| nonce()).collect();
        assert_eq!(nonces.len(), 1000);
        for nonce in nonces {
            assert!(
                nonce.len() == 16 && nonce.bytes().all(|digit| digit.is_ascii_hexdigit()),
                "{nonce}"
            );
        }
    }
}
