//! Devices at work while something happens to the Edge API and its backend, and what they were
//! told.
//!
//! An agent polls every 5 s and beats every minute; these do it several times a second, so that a
//! gap of a second shows. When pods of the Edge API come and go is watched beside them: a request
//! that fails then is part of a restart, any other failure is a fault.

mod seen;

use std::collections::BTreeSet;
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

pub use self::seen::{Call, Outcome, Request, Seen};
use crate::Cluster;
use crate::flotta::Flotta;

/// Between two rounds of a device's polls.
const PAUSE: Duration = Duration::from_millis(300);
/// Rounds of polls for each heartbeat.
const ROUNDS_PER_BEAT: u32 = 5;
/// A request that has no answer by then has failed. An agent's poll has no limit; a person's
/// patience has.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at the Edge API's pods.
const LOOK: Duration = Duration::from_millis(250);
const EDGE_API_PODS: &str = "/api/v1/namespaces/flotta/pods?labelSelector=app%3Dflotta-edge-api";

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
    /// Enrols and registers devices on the backend that is in force, which must approve by itself,
    /// and sets them to work.
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
