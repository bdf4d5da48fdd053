//! A pod's specification as Flotta sends it: `corev1.PodSpec` of Kubernetes 0.23.5, as YAML.

use serde_json::Value;

use crate::go_yaml;

/// Why a specification cannot be read as a PodSpec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Invalid {
    /// Where, such as `containers[0].resources.limits.cpu`.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

/// The specification as Flotta's `yaml.Marshal(spec.Pod.Spec)` writes it.
pub fn text(spec: &Value) -> Result<String, Invalid> {
    Ok(go_yaml::to_string(spec))
}
