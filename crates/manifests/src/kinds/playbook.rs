//! EdgeConfig and PlaybookExecution.

use serde::{Deserialize, Serialize};

/// An EdgeConfig.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgeConfig {
    /// Its `spec`.
    pub spec: EdgeConfigSpec,
}

/// `spec` of an [`EdgeConfig`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EdgeConfigSpec {
    /// Playbooks for the devices that are labelled for it.
    pub edge_playbook: Option<EdgePlaybook>,
}

/// Playbooks of an [`EdgeConfig`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgePlaybook {
    /// In their order.
    pub playbooks: Vec<Playbook>,
}

/// A playbook. What never reaches a device is kept in the document and not read here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Playbook {
    /// Its text, base64.
    pub content: String,
    /// What follows an execution that failed.
    pub execution_strategy: String,
}

/// What follows an execution that failed or was interrupted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExecutionStrategy {
    /// `RetryOnFailure`: it is tried again, a bounded number of times.
    RetryOnFailure,
    /// `StopOnFailure`, `ExecuteOnce` or anything else: a person asks for the next run.
    #[default]
    Once,
}

impl Playbook {
    /// Its strategy.
    pub fn strategy(&self) -> ExecutionStrategy {
        if self.execution_strategy == "RetryOnFailure" {
            ExecutionStrategy::RetryOnFailure
        } else {
            ExecutionStrategy::Once
        }
    }
}

/// A PlaybookExecution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaybookExecution {
    /// Its `spec`.
    pub spec: PlaybookExecutionSpec,
}

/// `spec` of a [`PlaybookExecution`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PlaybookExecutionSpec {
    /// What is run.
    pub playbook: Option<Playbook>,
}
