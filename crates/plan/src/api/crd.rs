//! The CustomResourceDefinition as it is installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSON};
use kube::CustomResourceExt;
use serde_json::json;

use super::RemoteBackend;

/// The CustomResourceDefinition of [`RemoteBackend`].
///
/// The schema gives a resource that nobody has looked at yet `Ready=Unknown`: tools that wait (`helm --wait`, `kubectl
/// wait`) take a resource without conditions for ready.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = RemoteBackend::crd();
    let status = definition
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| {
            version
                .schema
                .as_mut()?
                .open_api_v3_schema
                .as_mut()?
                .properties
                .as_mut()
        })
        .filter_map(|properties| properties.get_mut("status"));
    for schema in status {
        schema.default = Some(JSON(json!({
            "phase": "Pending",
            "conditions": [{
                "type": "Ready",
                "status": "Unknown",
                "reason": "Pending",
                "message": "the companion has not looked at it yet",
                "lastTransitionTime": "1970-01-01T00:00:00Z",
            }],
        })));
    }
    definition
}
