//! Who set a field: what the API server keeps of field managers (Kubernetes, "Server-Side Apply",
//! `managedFields`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};

use crate::names::{MANAGER, RESTORE_MANAGER};

/// A manager, and when it wrote last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager {
    /// Its name, as `kubectl-edit`.
    pub name: String,
    /// When it wrote last, RFC 3339; empty when the API server does not say.
    pub at: String,
}

/// Whether the manager of ours holds the field at this path (`f:data`, `f:BACKEND`).
pub(crate) fn is_ours(meta: &ObjectMeta, path: &[&str]) -> bool {
    entries(meta).any(|entry| entry.manager.as_deref() == Some(MANAGER) && holds(entry, path))
}

/// Whether the manager of ours holds anything at all.
pub(crate) fn anything_ours(meta: &ObjectMeta) -> bool {
    entries(meta).any(|entry| entry.manager.as_deref() == Some(MANAGER))
}

/// The other manager that holds the field; where none does, the one that wrote to the object last:
/// it may have removed it.
pub(crate) fn other(meta: &ObjectMeta, path: &[&str]) -> Option<Manager> {
    let latest = |holding: bool| {
        entries(meta)
            .filter(|entry| !matches!(entry.manager.as_deref(), Some(MANAGER | RESTORE_MANAGER)))
            .filter(|entry| !holding || holds(entry, path))
            .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
    };
    latest(true).or_else(|| latest(false)).map(|entry| Manager {
        name: entry.manager.clone().unwrap_or_else(|| "somebody".to_owned()),
        at: entry
            .time
            .as_ref()
            .map(|time| time.0.to_string())
            .unwrap_or_default(),
    })
}

/// Entries of the object itself; the status of a Deployment is written by its controller all the
/// time.
fn entries(meta: &ObjectMeta) -> impl Iterator<Item = &ManagedFieldsEntry> {
    meta.managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty())
}

fn holds(entry: &ManagedFieldsEntry, path: &[&str]) -> bool {
    let Some(fields) = &entry.fields_v1 else {
        return false;
    };
    path.iter()
        .try_fold(&fields.0, |fields, step| fields.get(*step))
        .is_some()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meta() -> ObjectMeta {
        serde_json::from_value(json!({"managedFields": [
            {"manager": "kubectl-client-side-apply", "operation": "Update", "time": "2026-01-01T00:00:00Z",
             "fieldsV1": {"f:data": {"f:LOG_LEVEL": {}}}},
            {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-02T00:00:00Z",
             "fieldsV1": {"f:data": {"f:BACKEND": {}}}},
            {"manager": MANAGER, "operation": "Apply", "time": "2026-01-03T00:00:00Z",
             "fieldsV1": {"f:data": {"f:REMOTE_BACKEND_URL": {}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "time": "2026-01-04T00:00:00Z",
             "subresource": "status", "fieldsV1": {"f:status": {}}},
        ]}))
        .unwrap()
    }

    #[test]
    fn whoever_holds_a_field_is_named() {
        let meta = meta();
        assert!(is_ours(&meta, &["f:data", "f:REMOTE_BACKEND_URL"]));
        assert!(!is_ours(&meta, &["f:data", "f:BACKEND"]));
        assert_eq!(
            other(&meta, &["f:data", "f:LOG_LEVEL"]).unwrap().name,
            "kubectl-client-side-apply"
        );
        assert_eq!(
            other(&meta, &["f:data", "f:BACKEND"]).unwrap().name,
            "kubectl-edit"
        );
    }

    #[test]
    fn where_nobody_holds_it_whoever_wrote_last_is_named_and_never_the_controller() {
        let manager = other(&meta(), &["f:data", "f:DOMAIN"]).unwrap();
        assert_eq!(
            (manager.name.as_str(), manager.at.as_str()),
            ("kubectl-edit", "2026-01-02T00:00:00Z")
        );
        assert_eq!(other(&ObjectMeta::default(), &["f:data"]), None);
    }
}
