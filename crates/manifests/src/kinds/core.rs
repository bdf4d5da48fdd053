//! Core objects, and two of OpenShift, that the custom resources refer to.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// `v1` ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMap {
    /// Texts by key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<BTreeMap<String, String>>,
    /// Bytes by key, base64 (standard alphabet, padded).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binary_data: Option<BTreeMap<String, String>>,
    /// Whether an API server refuses changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,
}

/// `v1` Secret, `stringData` already merged into `data`. `Debug` shows its keys alone.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Secret {
    /// Values by key, base64 (standard alphabet, padded).
    pub data: BTreeMap<String, String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("keys", &self.data.keys())
            .finish_non_exhaustive()
    }
}

/// `objectbucket.io/v1alpha1` ObjectBucketClaim: only whether it is there matters, its ConfigMap
/// and Secret have its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectBucketClaim {}

/// `route.openshift.io/v1` Route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// Its `spec`.
    pub spec: RouteSpec,
}

/// `spec` of a [`Route`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteSpec {
    /// The host that it is reached under.
    pub host: String,
}
