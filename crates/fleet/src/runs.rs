//! Runs of playbooks on a device: what is kept of each, and how heartbeats move it.
//!
//! A run belongs to an EdgeConfig and a playbook's content; the same content twice in one
//! EdgeConfig is one run, since nothing would tell the two apart in a list whose order may change.
//! A run ends once. It is begun again, under a new name, only by an administrator or by its
//! strategy: agents refuse a name that they have finished and forget all names when they restart,
//! so an offer too many may run a playbook twice.

use std::collections::BTreeMap;

use contract::{DeviceId, PlaybookExecutionStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Digest, Policy, clock, heartbeat::COPIES_WITHIN};

/// How many runs are kept of a device. Those that are wanted are never dropped for others.
pub const MAX_RUNS: usize = 128;

/// How many of the latest changes of state are kept of a run.
const HISTORY: usize = 16;

/// Longest part of a run's name that is the EdgeConfig's, in bytes.
const LONGEST_CONFIG: usize = 63;

/// The runs of one device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Runs {
    /// Oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<Run>,
    /// Wanted playbooks for which there was no place, as of the last time that the device asked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// One playbook of one EdgeConfig on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The EdgeConfig.
    pub config: String,
    /// SHA-256 of the playbook's text.
    pub playbook: Digest,
    /// When an administrator last asked for it to be run again; absent for the run that follows
    /// from the label alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<Timestamp>,
    /// How often its strategy has begun it again since.
    #[serde(default)]
    pub retries: u32,
    /// The name under which the device knows it; another one after each new beginning.
    pub name: String,
    /// Where it is.
    pub state: RunState,
    /// Since when.
    pub since: Timestamp,
    /// How often it was offered under this name.
    #[serde(default)]
    pub offers: u32,
    /// When it was last offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<Timestamp>,
    /// Its playbook's strategy is `RetryOnFailure`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
    /// A list that was read in part did not name it, and none has since: it may have ended, or go
    /// on. It is not begun again but by a person, or what has ended could run twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
    /// When the device first asked after it was not wanted any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwanted_since: Option<Timestamp>,
    /// Its states before this one, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Past>,
}

/// A state that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// Under which name.
    pub name: String,
    /// The state.
    pub state: RunState,
    /// Since when.
    pub since: Timestamp,
}

/// Where a run is. The words are Flotta's where Flotta has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RunState {
    /// Not offered yet.
    Waiting,
    /// Offered, and not named by a heartbeat yet.
    Offered,
    /// The device has it. Words that Flotta does not know count as this one.
    Deploying,
    /// Defined by Flotta, never reported.
    TargetVerification,
    /// The device runs it.
    Running,
    /// It has run.
    SuccessfullyCompleted,
    /// It has run and failed.
    CompletedWithError,
    /// The device never had it, or has forgotten it: how far it came is not known.
    Interrupted,
}

impl RunState {
    /// The word as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "Waiting",
            Self::Offered => "Offered",
            Self::Deploying => "Deploying",
            Self::TargetVerification => "TargetVerification",
            Self::Running => "Running",
            Self::SuccessfullyCompleted => "SuccessfullyCompleted",
            Self::CompletedWithError => "CompletedWithError",
            Self::Interrupted => "Interrupted",
        }
    }

    /// The device said how it ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::SuccessfullyCompleted | Self::CompletedWithError)
    }

    fn reported(word: &str) -> Self {
        match word {
            "TargetVerification" => Self::TargetVerification,
            "Running" => Self::Running,
            "SuccessfullyCompleted" => Self::SuccessfullyCompleted,
            "CompletedWithError" => Self::CompletedWithError,
            _ => Self::Deploying,
        }
    }

    /// A heartbeat has named it, and it has not ended.
    fn is_under_way(self) -> bool {
        matches!(self, Self::Deploying | Self::TargetVerification | Self::Running)
    }
}

impl Run {
    pub(crate) fn new(
        device: &DeviceId,
        config: &str,
        playbook: Digest,
        retry: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            config: config.to_owned(),
            playbook,
            requested: None,
            retries: 0,
            name: name(device, config, playbook, None, 0),
            state: RunState::Waiting,
            since: now,
            offers: 0,
            offered: None,
            retry,
            hidden: false,
            unwanted_since: None,
            history: Vec::new(),
        }
    }

    /// It ended, and its strategy does not begin it again.
    pub fn is_done(&self, policy: &Policy) -> bool {
        self.state.is_final() && !self.is_to_retry(policy)
    }

    /// Nobody knows how far it came, and only an administrator can begin it again. A device that
    /// names it after all has it.
    pub fn needs_a_person(&self, policy: &Policy) -> bool {
        self.hidden || self.state == RunState::Interrupted && !self.is_to_retry(policy)
    }

    /// It ended, or nothing more is done for it: a request begins it anew and not beside itself.
    pub(crate) fn is_over(&self, policy: &Policy) -> bool {
        let exhausted = self.state == RunState::Offered && !self.is_to_offer(policy);
        self.state.is_final() || self.state == RunState::Interrupted || self.hidden || exhausted
    }

    pub(crate) fn is_to_retry(&self, policy: &Policy) -> bool {
        self.retry
            && self.retries < policy.playbook_retries
            && matches!(self.state, RunState::Interrupted | RunState::CompletedWithError)
    }

    pub(crate) fn is_to_offer(&self, policy: &Policy) -> bool {
        matches!(self.state, RunState::Waiting | RunState::Offered)
            && !self.hidden
            && self.offers < policy.playbook_offers
    }

    pub(crate) fn offer(&mut self, now: Timestamp) {
        self.offers = self.offers.saturating_add(1);
        self.offered = Some(now);
        self.enter(RunState::Offered, now);
    }

    /// Begins it again by its strategy.
    pub(crate) fn retry(&mut self, device: &DeviceId, now: Timestamp) {
        self.begin(device, self.requested, self.retries.saturating_add(1), now);
    }

    /// Begins it again by an administrator's request.
    pub(crate) fn request(&mut self, device: &DeviceId, now: Timestamp) {
        self.begin(device, Some(now), 0, now);
    }

    fn begin(&mut self, device: &DeviceId, requested: Option<Timestamp>, retries: u32, now: Timestamp) {
        self.enter(RunState::Waiting, now);
        self.requested = requested;
        self.retries = retries;
        self.name = name(device, &self.config, self.playbook, requested, retries);
        self.offers = 0;
        self.offered = None;
        self.hidden = false;
    }

    fn enter(&mut self, state: RunState, now: Timestamp) {
        if self.state == state {
            return;
        }
        // One that is offered as it begins never waited.
        if self.since < now {
            self.history.push(Past {
                name: self.name.clone(),
                state: self.state,
                since: self.since,
            });
        }
        let excess = self.history.len().saturating_sub(HISTORY);
        self.history.drain(..excess);
        self.state = state;
        self.since = now;
    }

    /// A heartbeat names every playbook that the agent remembers. One that ended stays so, whatever
    /// is said of it later; one that was given up goes on if the device has it after all. One that
    /// a list in part may have named does not end by what a later one lacks: the agent may have
    /// finished it, and forgotten it since.
    fn beat(&mut self, word: Option<&str>, all: bool, policy: &Policy, now: Timestamp) {
        if self.state.is_final() {
            return;
        }
        match word {
            Some(word) => {
                self.hidden = false;
                self.enter(RunState::reported(word), now);
            }
            None if !all => self.hidden |= self.state.is_under_way() || self.state == RunState::Offered,
            None if self.hidden => {}
            None if self.state.is_under_way() || self.is_given_up(policy, now) => {
                self.enter(RunState::Interrupted, now);
            }
            None => {}
        }
    }

    /// Its offers are used up, and the heartbeat at `now` was written after the last of them: had
    /// it arrived, the device would have named it.
    fn is_given_up(&self, policy: &Policy, now: Timestamp) -> bool {
        self.state == RunState::Offered
            && self.offers >= policy.playbook_offers
            && self
                .offered
                .is_some_and(|offered| now.duration_since(offered) > COPIES_WITHIN)
    }
}

impl Runs {
    /// A heartbeat names these. If they are not `all` that it named, nothing follows for the
    /// others.
    pub(crate) fn beat(
        &mut self,
        named: &[PlaybookExecutionStatus],
        all: bool,
        policy: &Policy,
        now: Timestamp,
    ) {
        let words: BTreeMap<&str, &str> = named
            .iter()
            .map(|status| (status.name.as_str(), status.status.as_str()))
            .collect();
        for run in &mut self.list {
            run.beat(words.get(run.name.as_str()).copied(), all, policy, now);
        }
    }

    /// Makes each time what it counts as at `now`, see [`clock`]. When a run was asked for is a
    /// part of its name and stays.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        for run in &mut self.list {
            clock::settle(&mut run.since, now);
            clock::settle_all(run.offered.iter_mut().chain(&mut run.unwanted_since), now);
            clock::settle_all(run.history.iter_mut().map(|past| &mut past.since), now);
        }
    }

    /// The run of this playbook.
    pub fn find(&self, config: &str, playbook: Digest) -> Option<&Run> {
        self.list
            .iter()
            .find(|run| run.config == config && run.playbook == playbook)
    }
}

/// A name that no other run has. It follows from what the run is, so that a store that was restored
/// offers what it forgot under the name under which the device remembers it.
fn name(
    device: &DeviceId,
    config: &str,
    playbook: Digest,
    requested: Option<Timestamp>,
    retries: u32,
) -> String {
    let requested = requested.map_or_else(String::new, |requested| requested.to_string());
    let key = format!("{device}\n{config}\n{playbook}\n{requested}\n{retries}");
    let mut digest = Digest::of(key.as_bytes()).to_string();
    digest.truncate(16);
    let mut end = config.len().min(LONGEST_CONFIG);
    while !config.is_char_boundary(end) {
        end -= 1;
    }
    format!("{device}-{}-{digest}", &config[..end])
}
