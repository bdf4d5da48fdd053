//! What the companion costs the machine and the API server when nothing happens.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cluster::patience::wait_for;
use cluster::{Cluster, faults};
use rustix::param::clock_ticks_per_second;
use testkit::http_client::get;

const LABEL: &str = "app.kubernetes.io/name=flotta-companion";
const OPS_PORT: u16 = 9090;
const REQUESTS: &str = "flotta_companion_api_requests_total";
const ACTIONS: &str = "flotta_companion_actions_total";
const LAST_LOOK: &str = "flotta_companion_last_success_timestamp_seconds ";
/// After a switch, until it has nothing left to do; by itself it looks twice a minute.
const REST: Duration = Duration::from_mins(3);

/// Taken over a time in which nothing happened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Idle {
    /// How long.
    pub(crate) span: Duration,
    /// Resident memory at its end, in KiB (`VmRSS`).
    pub(crate) resident: u64,
    /// The most that was ever resident, in KiB (`VmHWM`): the switch included.
    pub(crate) peak: u64,
    /// User and system time, all threads; exact to a clock tick (10 ms).
    pub(crate) processor: Duration,
    /// Requests to the API server, by the companion's own count. One that opens a watch counts,
    /// what it brings does not.
    pub(crate) requests: u64,
}

/// Waits until the companion has looked at everything twice and done nothing in between.
pub(crate) async fn at_rest(cluster: &Cluster) -> Result<()> {
    let (_, ops) = companion(cluster).await?;
    let deadline = Instant::now() + REST;
    let mut before = Doings::read(ops).await?;
    loop {
        let after = wait_for("the companion to look again", REST, async || {
            let now = Doings::read(ops).await.ok()?;
            (now.last_look != before.last_look).then_some(now)
        })
        .await?;
        if after.actions == before.actions {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the companion does not come to rest");
        before = after;
    }
}

/// What it has done so far.
struct Doings {
    actions: u64,
    last_look: String,
}

impl Doings {
    async fn read(ops: SocketAddr) -> Result<Self> {
        let text = get(ops, "/metrics").await?.text();
        let look = text.lines().find_map(|line| line.strip_prefix(LAST_LOOK));
        Ok(Self {
            actions: sum(&text, ACTIONS)?,
            last_look: look
                .context("the companion does not say when it has looked")?
                .to_owned(),
        })
    }
}

/// Its one process, by its id on this machine, and where its metrics are.
async fn companion(cluster: &Cluster) -> Result<(i32, SocketAddr)> {
    let pods = faults::pods(cluster, LABEL).await?;
    let running: Vec<_> = pods
        .iter()
        .filter(|pod| {
            pod.pointer("/status/phase")
                .is_some_and(|phase| phase == "Running")
        })
        .collect();
    ensure!(
        running.len() == 1,
        "one companion was to run, there are {}",
        running.len()
    );
    let processes = faults::processes(cluster, running[0])?;
    ensure!(
        processes.len() == 1,
        "the companion was to be one process, it is {}",
        processes.len()
    );
    let process = processes[0].as_raw_nonzero().get();
    let ip = running[0]
        .pointer("/status/podIP")
        .and_then(serde_json::Value::as_str)
        .context("the companion's pod has no address")?;
    Ok((process, SocketAddr::new(ip.parse()?, OPS_PORT)))
}

/// Watches the one companion for this long.
pub(crate) async fn watch(cluster: &Cluster, span: Duration) -> Result<Idle> {
    let (process, ops) = companion(cluster).await?;
    let begun = Instant::now();
    let (processor, requests) = (processor_time(process)?, requests(ops).await?);
    // No wait for something: it is measured over this time.
    tokio::time::sleep(span).await;
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    Ok(Idle {
        processor: processor_time(process)?.saturating_sub(processor),
        requests: self::requests(ops).await?.saturating_sub(requests),
        span: begun.elapsed(),
        resident: kibibytes(&status, "VmRSS")?,
        peak: kibibytes(&status, "VmHWM")?,
    })
}

async fn requests(ops: SocketAddr) -> Result<u64> {
    let text = get(ops, "/metrics").await?.text();
    sum(&text, REQUESTS)
}

/// The sum over all labels of a counter.
fn sum(metrics: &str, name: &str) -> Result<u64> {
    let values = metrics.lines().filter_map(|line| {
        let labelled = line.strip_prefix(name)?.strip_prefix('{')?;
        labelled.rsplit_once("} ").map(|(_, value)| value)
    });
    let mut total = None;
    for value in values {
        let value: u64 = value
            .parse()
            .with_context(|| format!("{name} counts, and says {value}"))?;
        total = Some(total.unwrap_or_default() + value);
    }
    total.with_context(|| format!("the companion's metrics have no {name}"))
}

/// A size from `/proc/<id>/status`.
fn kibibytes(status: &str, field: &str) -> Result<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number
        .with_context(|| format!("the status of a process has no {field}"))?
        .parse()
        .context("not a size")
}

fn processor_time(process: i32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let milliseconds = ticks(&stat)? * 1000 / clock_ticks_per_second();
    Ok(Duration::from_millis(milliseconds))
}

/// User and system time so far, in clock ticks.
fn ticks(stat: &str) -> Result<u64> {
    // The second field is the program's name in parentheses and may contain anything; utime and
    // stime are 14 and 15.
    let (_, rest) = stat
        .rsplit_once(')')
        .context("an entry of /proc names its program")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field =
        |number: usize| -> Result<u64> { Ok(fields.get(number - 3).context("a field is missing")?.parse()?) };
    Ok(field(14)? + field(15)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_among_others() {
        let metrics = "# TYPE a counter\na_total{method=\"GET\"} 40\na_total{method=\"PATCH\"} 2\na_totals{m=\"GET\"} 9\n";
        assert_eq!(sum(metrics, "a_total").unwrap(), 42);
        assert!(sum(metrics, "b_total").is_err());
        assert_eq!(
            kibibytes("VmHWM:\t   20 kB\nVmRSS:\t   12 kB\n", "VmRSS").unwrap(),
            12
        );
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 50 6 7 8 20 0 3 0 100";
        assert_eq!(ticks(stat).unwrap(), 56);
    }
}
