//! When pods of namespace `flotta` came, got ready, were told to end and went.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cluster::Cluster;
use http::Method;
use serde_json::Value;
use testkit::kubernetes::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Between two looks: how exact the times are at best.
const LOOK: Duration = Duration::from_millis(100);
const PODS: &str = "/api/v1/namespaces/flotta/pods";

/// What a pod is one of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    EdgeApi,
    Server,
    Other,
}

/// One pod; times are since the start of the look-out.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) role: Role,
    pub(crate) made: Duration,
    pub(crate) ready: Option<Duration>,
    /// Its deletion was recorded, upon which the kubelet sends SIGTERM.
    pub(crate) told_to_end: Option<Duration>,
    /// The look before, when that was not yet so.
    pub(crate) still_wanted: Option<Duration>,
    pub(crate) gone: Option<Duration>,
}

/// One pod of the Edge API in place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restart {
    pub(crate) new_made: Duration,
    pub(crate) new_ready: Duration,
    pub(crate) old_still_wanted: Duration,
    pub(crate) old_told_to_end: Duration,
    pub(crate) old_gone: Duration,
}

impl Restart {
    /// Whether anything of this time was within the restart: from the old container's SIGTERM,
    /// which was sent after the last look that did not see it, until the new one is ready and the
    /// old one has ended.
    pub(crate) fn touches(&self, from: Duration, to: Duration) -> bool {
        from <= self.end() && self.old_still_wanted <= to
    }

    /// The new one is ready and the old one has ended.
    pub(crate) fn end(&self) -> Duration {
        self.new_ready.max(self.old_gone)
    }
}

/// Looks at pods until it is dropped.
#[derive(Debug)]
pub(crate) struct LookOut {
    start: Instant,
    lives: Arc<Mutex<BTreeMap<String, Life>>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl LookOut {
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let start = Instant::now();
        let lives = Arc::default();
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(look(cluster.client().clone(), start, Arc::clone(&lives), stopped));
        Self {
            start,
            lives,
            stop,
            task,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// All that was seen, in the order in which pods were made.
    pub(crate) async fn stop(self) -> Result<Vec<Life>> {
        self.stop.send_replace(true);
        self.task.await.context("the look-out ended with a panic")?;
        let mut lives: Vec<_> = lock(&self.lives).values().cloned().collect();
        lives.sort_by_key(|life| life.made);
        Ok(lives)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn look(
    client: Client,
    start: Instant,
    lives: Arc<Mutex<BTreeMap<String, Life>>>,
    stopped: watch::Receiver<bool>,
) {
    let mut before = Duration::ZERO;
    while !*stopped.borrow() {
        let begun = start.elapsed();
        if let Ok(answer) = client.call(Method::GET, PODS, None).await
            && answer.status == 200
            && let Ok(list) = answer.json()
        {
            note(&mut lock(&lives), &list, before, start.elapsed());
            before = begun;
        }
        sleep(LOOK).await;
    }
}

/// What a look has seen; `before` is when the look before it began.
fn note(lives: &mut BTreeMap<String, Life>, list: &Value, before: Duration, now: Duration) {
    let pods: Vec<_> = list["items"].as_array().into_iter().flatten().collect();
    for pod in &pods {
        let life = lives.entry(uid(pod)).or_insert_with(|| Life {
            role: role(pod),
            made: now,
            ready: None,
            told_to_end: None,
            still_wanted: None,
            gone: None,
        });
        if is_ready(pod) {
            life.ready.get_or_insert(now);
        }
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            life.told_to_end.get_or_insert(now);
            life.still_wanted.get_or_insert(before);
        }
    }
    for (known, life) in lives {
        if !pods.iter().any(|pod| uid(pod) == *known) {
            life.told_to_end.get_or_insert(now);
            life.still_wanted.get_or_insert(before);
            life.gone.get_or_insert(now);
        }
    }
}

fn uid(pod: &Value) -> String {
    let uid = pod.pointer("/metadata/uid").and_then(Value::as_str);
    uid.unwrap_or_default().to_owned()
}

fn role(pod: &Value) -> Role {
    let labels = &pod["metadata"]["labels"];
    if labels["app"] == "flotta-edge-api" {
        Role::EdgeApi
    } else if labels["app.kubernetes.io/name"] == "edge-config-server" {
        Role::Server
    } else {
        Role::Other
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Restarts of the Edge API, oldest first: each pod of it but the first is there in place of the
/// one before.
pub(crate) fn restarts(lives: &[Life]) -> Vec<Restart> {
    let pods: Vec<_> = lives.iter().filter(|life| life.role == Role::EdgeApi).collect();
    let pairs = pods.windows(2).filter_map(|pair| {
        Some(Restart {
            new_made: pair[1].made,
            new_ready: pair[1].ready?,
            old_still_wanted: pair[0].still_wanted?,
            old_told_to_end: pair[0].told_to_end?,
            old_gone: pair[0].gone?,
        })
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, ready: &str, ends: bool) -> Value {
        let mut pod = json!({
            "metadata": {"uid": uid, "labels": {"app": "flotta-edge-api"}},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        });
        if ends {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        pod
    }

    #[test]
    fn a_restart_is_read_from_looks() {
        let second = Duration::from_secs;
        let mut lives = BTreeMap::new();
        for (at, pods) in [
            (1, vec![pod("b-old", "True", false)]),
            (2, vec![pod("b-old", "True", false), pod("a-new", "False", false)]),
            (3, vec![pod("b-old", "True", true), pod("a-new", "True", false)]),
            (4, vec![pod("a-new", "True", false)]),
        ] {
            note(&mut lives, &json!({"items": pods}), second(at - 1), second(at));
        }
        let mut lives: Vec<_> = lives.into_values().collect();
        lives.sort_by_key(|life| life.made);
        let restart = Restart {
            new_made: second(2),
            new_ready: second(3),
            old_still_wanted: second(2),
            old_told_to_end: second(3),
            old_gone: second(4),
        };
        assert_eq!(restarts(&lives), [restart]);
        assert!(!restart.touches(second(1), Duration::from_millis(1900)));
        assert!(restart.touches(second(2), second(3)));
        assert!(restart.touches(second(4), second(9)));
        assert!(!restart.touches(second(5), second(9)));
    }
}
