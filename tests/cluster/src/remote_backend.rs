//! The RemoteBackend as a person reads it with kubectl, and waiting until it says something.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::patience::wait_for;
use anyhow::{Context, Result};
use serde_json::Value;

use crate::Cluster;

/// The one that the chart makes.
pub const PATH: &str = "/apis/companion.project-flotta.io/v1alpha1/namespaces/flotta/remotebackends/flotta";

/// One look at it.
#[derive(Debug, Clone)]
pub struct RemoteBackend(Value);

/// What a wait is for. What is not said is not looked at.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    phase: Option<&'static str>,
    backend: Option<&'static str>,
    conditions: Vec<(&'static str, &'static str, Option<&'static str>)>,
    says: Vec<&'static str>,
}

impl Expected {
    /// `status.phase`.
    pub fn phase(phase: &'static str) -> Self {
        Self {
            phase: Some(phase),
            ..Self::default()
        }
    }

    /// Nothing about the phase.
    pub fn any() -> Self {
        Self::default()
    }

    /// `status.backend`.
    #[must_use]
    pub fn backend(mut self, backend: &'static str) -> Self {
        self.backend = Some(backend);
        self
    }

    /// A condition with a status.
    #[must_use]
    pub fn condition(mut self, kind: &'static str, status: &'static str) -> Self {
        self.conditions.push((kind, status, None));
        self
    }

    /// A condition with a status for a reason.
    #[must_use]
    pub fn because(mut self, kind: &'static str, status: &'static str, reason: &'static str) -> Self {
        self.conditions.push((kind, status, Some(reason)));
        self
    }

    /// Words that must stand in the next action, in what blocks it, or in a condition's message.
    #[must_use]
    pub fn says(mut self, words: &'static str) -> Self {
        self.says.push(words);
        self
    }

    /// Whether it is so.
    pub fn holds(&self, seen: &RemoteBackend) -> bool {
        let words = seen.words();
        self.phase.is_none_or(|phase| seen.phase() == phase)
            && self.backend.is_none_or(|backend| seen.backend() == backend)
            && self.conditions.iter().all(|(kind, status, reason)| {
                let (is, why) = seen.condition(kind);
                is == *status && reason.is_none_or(|reason| why == reason)
            })
            && self.says.iter().all(|part| words.contains(part))
            && seen.is_current()
    }
}

impl RemoteBackend {
    /// Reads it, if it is there.
    pub async fn read(cluster: &Cluster) -> Result<Option<Self>> {
        Ok(cluster.object(PATH).await?.map(Self))
    }

    /// Waits until it is as expected. What it was instead is in the error.
    pub async fn until(cluster: &Cluster, expected: &Expected, deadline: Duration) -> Result<Self> {
        let last = Mutex::new(None);
        let found = wait_for("the RemoteBackend", deadline, async || {
            // Kubernetes may be away for a moment, which is no news about the resource.
            let seen = Self::read(cluster).await.ok().flatten()?;
            let holds = expected.holds(&seen);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen.clone());
            holds.then_some(seen)
        });
        let found = found.await;
        found.with_context(|| {
            let last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let last = last.as_ref().map_or("not there".to_owned(), ToString::to_string);
            format!("the RemoteBackend was to be {expected:?}; it was last {last}")
        })
    }

    /// The whole object.
    pub fn object(&self) -> &Value {
        &self.0
    }

    /// Whether the status is about the spec as it is.
    fn is_current(&self) -> bool {
        let observed = &self.0["status"]["observedGeneration"];
        observed.is_null() || *observed == self.0["metadata"]["generation"]
    }

    fn text(&self, field: &str) -> &str {
        self.0["status"][field].as_str().unwrap_or_default()
    }

    /// Where the companion is.
    pub fn phase(&self) -> &str {
        self.text("phase")
    }

    /// What the Edge API uses.
    pub fn backend(&self) -> &str {
        self.text("backend")
    }

    /// What happens next, or what a person has to do.
    pub fn next_action(&self) -> &str {
        self.text("nextAction")
    }

    /// The store that the fleet is recorded in.
    pub fn store_id(&self) -> &str {
        self.text("storeId")
    }

    /// Status and reason of a condition; empty where there is none.
    pub fn condition(&self, kind: &str) -> (&str, &str) {
        let found = self.conditions().find(|condition| condition["type"] == kind);
        let text = |field: &str| {
            found
                .and_then(|condition| condition[field].as_str())
                .unwrap_or_default()
        };
        (text("status"), text("reason"))
    }

    fn conditions(&self) -> impl Iterator<Item = &Value> {
        self.0["status"]["conditions"].as_array().into_iter().flatten()
    }

    fn blocked_by(&self) -> impl Iterator<Item = &str> {
        let blocks = self.0["status"]["blockedBy"].as_array().into_iter().flatten();
        blocks.filter_map(Value::as_str)
    }

    /// All sentences of the status.
    pub fn words(&self) -> String {
        let messages = self
            .conditions()
            .filter_map(|condition| condition["message"].as_str());
        let mut words: Vec<_> = vec![self.next_action()];
        words.extend(self.blocked_by());
        words.extend(messages);
        words.join("\n")
    }
}

impl fmt::Display for RemoteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.phase(), self.backend())?;
        for condition in self.conditions() {
            let text = |field: &str| condition[field].as_str().unwrap_or_default();
            let (kind, status) = (text("type"), text("status"));
            write!(f, "\n  {kind}={status} {}: {}", text("reason"), text("message"))?;
        }
        write!(f, "\n  next: {}", self.next_action())?;
        for block in self.blocked_by() {
            write!(f, "\n  blocked: {block}")?;
        }
        Ok(())
    }
}
