//! What devices at work were told, and what must hold of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Result, ensure};

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
