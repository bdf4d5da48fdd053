//! Load on one operation of one server for a span of time.

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::Method;
use testkit::caller::{Caller, Connections, path};
use testkit::device::quiet_heartbeat;
use tokio::task::JoinSet;

use crate::stage::{DEVICES, Peer, device_id, worker_id};
use crate::times::Times;

/// Clock ticks in a second, in which Linux tells processor times to programs; the same on all its
/// platforms.
const TICKS: f64 = 100.0;

/// What a device asks most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// The control poll.
    Registration,
    /// The data poll of a device without workloads.
    Configuration,
    /// The data poll of a device with workloads.
    Workloads,
    /// A heartbeat that changes nothing but the time.
    Heartbeat,
    /// A heartbeat with an event that was not seen before, so that it has to be durable before it
    /// is answered.
    HeartbeatWithEvent,
}

impl Operation {
    pub(crate) const ALL: [Self; 5] = [
        Self::Registration,
        Self::Configuration,
        Self::Workloads,
        Self::Heartbeat,
        Self::HeartbeatWithEvent,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Registration => "GET registration",
            Self::Configuration => "GET configuration",
            Self::Workloads => "GET configuration, 8 workloads",
            Self::Heartbeat => "PUT heartbeat, time only",
            Self::HeartbeatWithEvent => "PUT heartbeat, with an event",
        }
    }

    fn request(self, id: &str) -> (Method, String, Option<Bytes>) {
        let (method, operation) = match self {
            Self::Registration => (Method::GET, "registration"),
            Self::Configuration | Self::Workloads => (Method::GET, "configuration"),
            Self::Heartbeat | Self::HeartbeatWithEvent => (Method::PUT, "heartbeat"),
        };
        let mut beat = quiet_heartbeat();
        let body = match self {
            Self::Registration | Self::Configuration | Self::Workloads => None,
            Self::Heartbeat => Some(beat.to_string().into()),
            Self::HeartbeatWithEvent => {
                static NUMBER: AtomicU64 = AtomicU64::new(0);
                let message = format!("self-test {} passed", NUMBER.fetch_add(1, Ordering::Relaxed));
                beat["events"] =
                    serde_json::json!([{"type": "info", "reason": "SelfTest", "message": message}]);
                Some(beat.to_string().into())
            }
        };
        (method, path("default", id, operation), body)
    }
}

/// What one measurement gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Requests answered in a second.
    pub(crate) rate: f64,
    /// Median time of a request as its caller sees it, connecting included.
    pub(crate) p50: Duration,
    /// The time that 99 of 100 requests do not exceed.
    pub(crate) p99: Duration,
    /// Processor time of the server's process for a request.
    pub(crate) processor: Duration,
}

/// Has `callers` ask as fast as they get answers for `window`. Any answer but 200 is an error.
pub(crate) async fn measure(
    peer: &Peer,
    operation: Operation,
    connections: Connections,
    callers: usize,
    window: Duration,
) -> Result<Sample> {
    let mut running = JoinSet::new();
    let processor = processor_time(peer.pid)?;
    let begun = Instant::now();
    for number in 0..callers {
        running.spawn(ask(peer.caller(connections)?, number, operation, begun + window));
    }
    let mut times = Vec::new();
    while let Some(ended) = running.join_next().await {
        let of_caller = ended?.with_context(|| format!("{} of {}", operation.name(), peer.name))?;
        times.extend(of_caller);
    }
    let elapsed = begun.elapsed();
    let used = processor_time(peer.pid)?.saturating_sub(processor);
    let silent = || {
        format!(
            "{} of {}: no answer within {window:?}",
            operation.name(),
            peer.name
        )
    };
    let times = Times::of(times).with_context(silent)?;
    let count = u32::try_from(times.calls)?;
    Ok(Sample {
        rate: f64::from(count) / elapsed.as_secs_f64(),
        p50: times.p50,
        p99: times.p99,
        processor: used / count,
    })
}

async fn ask(mut caller: Caller, number: usize, operation: Operation, end: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let ids: Vec<String> = (0..DEVICES)
        .map(|device| match operation {
            Operation::Workloads => worker_id(number, device),
            _ => device_id(number, device),
        })
        .collect();
    for id in ids.iter().cycle() {
        let (method, path, body) = operation.request(id);
        let begun = Instant::now();
        if begun >= end {
            break;
        }
        let answer = caller.call(method, &path, body).await?;
        times.push(begun.elapsed());
        if answer.status != 200 {
            bail!("{} {}", answer.status, answer.text());
        }
    }
    Ok(times)
}

/// User and system time of a process so far, all threads.
pub(crate) fn processor_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses and may contain anything; utime and
    // stime are 14 and 15.
    let (_, rest) = stat
        .rsplit_once(')')
        .context("an entry of /proc names its program")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks =
        |field: usize| -> Result<f64> { Ok(fields.get(field).context("a field is missing")?.parse()?) };
    Ok(Duration::from_secs_f64((ticks(11)? + ticks(12)?) / TICKS))
}
