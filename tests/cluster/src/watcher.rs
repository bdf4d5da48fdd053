//! Devices at work while something happens to the Edge API and its backend, and what they were told.
//!
//! An agent polls every 5 s and beats every minute; these do it several times a second, so that a gap of a second shows.
//! When pods of the Edge API come and go is watched beside them: a request that fails then is part of a restart, any
//! other failure is a fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::device::{Device, hardware, is_disconnect, quiet_heartbeat};
use testkit::http_client::Answer;
use testkit::kubernetes::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Cluster;
use crate::flotta::Flotta;

/// Between two rounds of a device's polls.
const PAUSE: Duration = Duration::from_millis(300);
/// Rounds of polls for each heartbeat.
const ROUNDS_PER_BEAT: u32 = 5;
/// A request that has no answer by then has failed. An agent's poll has no limit; a person's patience has.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at the Edge API's pods.
const LOOK: Duration = Duration::from_millis(250);
const EDGE_API_PODS: &str = "/api/v1/namespaces/flotta/pods?labelSelector=app%3Dflotta-edge-api";

/// What a device asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// Its control poll.
    Control,
    /// Its configuration.
    Configuration,
    /// Its heartbeat.
    Heartbeat,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// 200, and no command.
    Served,
    /// The command to disconnect, which makes a device remove all that it runs.
    ToldToDisconnect,
    /// Another status.
    Status(u16),
    /// No answer.
    NoAnswer(String),
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Since the watcher's start.
    pub begun: Duration,
    /// Since the watcher's start.
    pub ended: Duration,
    /// Whose.
    pub device: String,
    /// For what.
    pub call: Call,
    /// And the outcome.
    pub outcome: Outcome,
}

/// Devices at work.
#[derive(Debug)]
pub struct Watcher {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    notes: Arc<Notes>,
}

#[derive(Debug)]
struct Notes {
    start: Instant,
    requests: Mutex<Vec<Request>>,
    pod_changes: Mutex<Vec<Duration>>,
}

impl Watcher {
    /// Enrols and registers devices on the backend that is in force, which must approve by itself, and sets them to work.
    pub async fn start(
        cluster: &Cluster,
        flotta: &Flotta,
        devices: &[&str],
        namespace: &str,
    ) -> Result<Self> {
        let mut ready = Vec::new();
        for id in devices {
            let mut device = Device::new(*id, flotta.provisioning(cluster).await?);
            crate::flotta::enrol_until(&mut device, &[208], namespace).await?;
            let answer = device.register(&hardware(id)).await?;
            ensure!(
                answer.status == 200,
                "the registration of {id} was answered {}: {}",
                answer.status,
                answer.text()
            );
            ready.push(device);
        }
        Ok(Self::of(cluster.client(), ready))
    }

    /// Sets devices to work that are registered already.
    pub fn of(client: &Client, devices: Vec<Device>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let notes = Arc::new(Notes {
            start: Instant::now(),
            requests: Mutex::default(),
            pod_changes: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        for device in devices {
            tasks.spawn(work(device, notes.clone(), stopped.clone()));
        }
        tasks.spawn(look_at_pods(client.clone(), notes.clone(), stopped));
        Self { stop, tasks, notes }
    }

    /// Ends the work after a last round and says what was seen.
    pub async fn stop(mut self) -> Result<Seen> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.context("a device's task ended with a panic")?;
        }
        Ok(self.seen())
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        Seen {
            requests: lock(&self.notes.requests).clone(),
            pod_changes: lock(&self.notes.pod_changes).clone(),
        }
    }

    /// Time since the start, to compare with what was seen.
    pub fn now(&self) -> Duration {
        self.notes.start.elapsed()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn work(mut device: Device, notes: Arc<Notes>, stopped: watch::Receiver<bool>) {
    let mut round = 0;
    loop {
        // Read before the round, so that the last one begins after the word to stop.
        let last = *stopped.borrow();
        ask(&mut device, Call::Control, &notes).await;
        ask(&mut device, Call::Configuration, &notes).await;
        if round % ROUNDS_PER_BEAT == 0 || last {
            ask(&mut device, Call::Heartbeat, &notes).await;
        }
        if last {
            return;
        }
        round += 1;
        sleep(PAUSE).await;
    }
}

async fn ask(device: &mut Device, call: Call, notes: &Notes) {
    let begun = notes.start.elapsed();
    let answer = match call {
        Call::Control => timeout(PATIENCE, device.poll_control()).await,
        Call::Configuration => timeout(PATIENCE, device.poll_data()).await,
        Call::Heartbeat => timeout(PATIENCE, device.heartbeat(quiet_heartbeat())).await,
    };
    let outcome = match answer {
        Ok(Ok(answer)) => outcome(&answer),
        Ok(Err(error)) => Outcome::NoAnswer(format!("{error:#}")),
        Err(_) => Outcome::NoAnswer(format!("none within {PATIENCE:?}")),
    };
    if matches!(outcome, Outcome::NoAnswer(_)) {
        // As yggdrasil does: a connection that failed is not used again.
        device.restart();
    }
    let request = Request {
        begun,
        ended: notes.start.elapsed(),
        device: device.id().to_owned(),
        call,
        outcome,
    };
    lock(&notes.requests).push(request);
}

fn outcome(answer: &Answer) -> Outcome {
    match answer.status {
        200 if is_disconnect(answer) => Outcome::ToldToDisconnect,
        200 => Outcome::Served,
        status => Outcome::Status(status),
    }
}

async fn look_at_pods(client: Client, notes: Arc<Notes>, stopped: watch::Receiver<bool>) {
    let mut known = None;
    while !*stopped.borrow() {
        // An API server that is away says nothing about pods.
        if let Ok(answer) = client.call(http::Method::GET, EDGE_API_PODS, None).await
            && let Ok(list) = answer.json()
        {
            let pods = states(&list);
            if known.as_ref().is_some_and(|known| *known != pods) {
                lock(&notes.pod_changes).push(notes.start.elapsed());
            }
            known = Some(pods);
        }
        sleep(LOOK).await;
    }
}

/// Each pod with what decides whether it is sent requests.
fn states(list: &Value) -> BTreeSet<(String, bool, bool)> {
    let items = list["items"].as_array().into_iter().flatten();
    let state = |pod: &Value| {
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
        let ready = conditions
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        let uid = pod.pointer("/metadata/uid").and_then(Value::as_str);
        let ends = pod.pointer("/metadata/deletionTimestamp").is_some();
        (uid.unwrap_or_default().to_owned(), ready, ends)
    };
    items.map(state).collect()
}

/// What devices were told.
#[derive(Debug, Clone)]
pub struct Seen {
    /// In the order in which they ended.
    pub requests: Vec<Request>,
    /// When the set of the Edge API's pods, or the readiness of one, was seen to have changed.
    pub pod_changes: Vec<Duration>,
}

impl Seen {
    /// How often each call had each outcome.
    pub fn counts(&self) -> BTreeMap<(Call, Outcome), usize> {
        let mut counts = BTreeMap::new();
        for request in &self.requests {
            *counts.entry((request.call, request.outcome.clone())).or_default() += 1;
        }
        counts
    }

    /// Requests that were not served.
    pub fn failures(&self) -> impl Iterator<Item = &Request> {
        self.requests
            .iter()
            .filter(|request| request.outcome != Outcome::Served)
    }

    /// An error when a device was told to disconnect.
    pub fn nobody_was_disconnected(&self) -> Result<()> {
        let told: Vec<_> = self
            .requests
            .iter()
            .filter(|request| request.outcome == Outcome::ToldToDisconnect)
            .collect();
        ensure!(
            told.is_empty(),
            "{} control polls were answered with the command to disconnect, the first by {} at {:.1} s",
            told.len(),
            told[0].device,
            told[0].begun.as_secs_f64()
        );
        Ok(())
    }

    /// An error when a request failed at a time when no pod of the Edge API came or went.
    pub fn served_but_for_restarts(&self, slack: Duration) -> Result<()> {
        self.nobody_was_disconnected()?;
        self.fails_only(|request| {
            self.pod_changes
                .iter()
                .any(|change| request.begun <= *change + slack && *change <= request.ended + slack)
        })
    }

    /// An error when any request failed, or there was none.
    pub fn served_throughout(&self) -> Result<()> {
        self.nobody_was_disconnected()?;
        self.fails_only(|_| false)
    }

    fn fails_only(&self, excused: impl Fn(&Request) -> bool) -> Result<()> {
        ensure!(!self.requests.is_empty(), "no device asked for anything");
        let faults: Vec<_> = self.failures().filter(|request| !excused(request)).collect();
        ensure!(
            faults.is_empty(),
            "{} of {} requests failed while no pod of the Edge API came or went:{}",
            faults.len(),
            self.requests.len(),
            listed(&faults)
        );
        Ok(())
    }

    /// One line for a timeline.
    pub fn summary(&self) -> String {
        let failed = self.failures().count();
        let changes = self.pod_changes.len();
        format!(
            "devices: {} requests, {failed} of them failed; the Edge API's pods changed {changes} times",
            self.requests.len()
        )
    }

    /// Requests that failed, by the second: for a reader.
    pub fn failures_by_second(&self) -> String {
        let mut seconds: BTreeMap<u64, BTreeMap<(Call, &Outcome), usize>> = BTreeMap::new();
        for request in self.failures() {
            let second = seconds.entry(request.begun.as_secs()).or_default();
            *second.entry((request.call, &request.outcome)).or_default() += 1;
        }
        let mut text = String::new();
        for (second, outcomes) in seconds {
            for ((call, outcome), count) in outcomes {
                // Writing to a String does not fail.
                let _ = writeln!(text, "  second {second}: {count} x {call:?} {outcome:?}");
            }
        }
        text
    }
}

/// The first few, for a message.
fn listed(faults: &[&Request]) -> String {
    let mut text = String::new();
    for fault in faults.iter().take(8) {
        let _ = write!(
            text,
            "\n  {:.1} to {:.1} s: {} {:?} of {}",
            fault.begun.as_secs_f64(),
            fault.ended.as_secs_f64(),
            match &fault.outcome {
                Outcome::Served => "served".to_owned(),
                Outcome::ToldToDisconnect => "told to disconnect".to_owned(),
                Outcome::Status(status) => format!("status {status}"),
                Outcome::NoAnswer(reason) => format!("no answer ({reason})"),
            },
            fault.call,
            fault.device,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(outcome: Outcome, at: u64, changes: &[u64]) -> Seen {
        let second = Duration::from_secs;
        let request = Request {
            begun: second(at),
            ended: second(at),
            device: "d".to_owned(),
            call: Call::Control,
            outcome,
        };
        Seen {
            requests: vec![request],
            pod_changes: changes.iter().copied().map(second).collect(),
        }
    }

    #[test]
    fn a_failure_is_excused_near_a_change_of_pods_only() {
        let slack = Duration::from_secs(2);
        assert!(
            seen(Outcome::Status(500), 10, &[11])
                .served_but_for_restarts(slack)
                .is_ok()
        );
        assert!(
            seen(Outcome::Status(500), 10, &[8])
                .served_but_for_restarts(slack)
                .is_ok()
        );
        assert!(
            seen(Outcome::Status(500), 10, &[7, 13])
                .served_but_for_restarts(slack)
                .is_err()
        );
        assert!(seen(Outcome::Status(500), 10, &[10]).served_throughout().is_err());
    }

    #[test]
    fn a_disconnect_is_never_excused() {
        let told = seen(Outcome::ToldToDisconnect, 10, &[10]);
        assert!(told.served_but_for_restarts(Duration::from_secs(2)).is_err());
        assert!(seen(Outcome::Served, 10, &[]).served_throughout().is_ok());
    }

    #[test]
    fn nothing_asked_is_nothing_proven() {
        let mut nothing = seen(Outcome::Served, 0, &[]);
        nothing.requests.clear();
        assert!(nothing.served_throughout().is_err());
    }
}
