//! Our reading of manifests beside the API server's: what it accepts we accept, what it keeps we
//! keep, and what our admission refuses beyond it is refused with a named fault, alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

use crate::compare::differences;
use crate::fleet::{Fleet, key};
use crate::flotta::{Cluster, list};
use crate::ours::written;

/// What is wrong with how we read these fleets, one line each. The API server must have taken all
/// of their objects.
pub async fn check(cluster: &Cluster, fleets: &[Arc<Fleet>]) -> Result<Vec<String>> {
    let kept = kept(cluster).await?;
    let mut wrong = Vec::new();
    for fleet in fleets {
        let mut complain =
            |what: String| wrong.push(format!("seed {} case {}: {what}", fleet.seed, fleet.number));
        let (text, _) = written(fleet)?;
        let reading = manifests::read(&text, "case");
        for object in &reading.objects {
            let place = (
                object.key.kind.as_str().to_owned(),
                object.key.namespace.clone(),
                object.key.name.clone(),
            );
            // Of a claim only its existence counts.
            if object.key.kind == manifests::Kind::ObjectBucketClaim {
                continue;
            }
            let Some(theirs) = kept.get(&place) else {
                complain(format!("{} is not kept by the API server", object.key));
                continue;
            };
            for difference in differences(&content(theirs), &content(&object.document)) {
                complain(format!("{}: kept otherwise: {difference}", object.key));
            }
        }
        refused(fleet, &reading, &mut complain)?;
    }
    Ok(wrong)
}

/// Objects that must be refused are, each by its name and path, and all others read as without
/// them.
fn refused(fleet: &Fleet, alone: &manifests::Reading, complain: &mut impl FnMut(String)) -> Result<()> {
    if fleet.refused.is_empty() {
        return Ok(());
    }
    let mut with = fleet.clone();
    with.objects
        .extend(fleet.refused.iter().map(|refused| refused.object.clone()));
    let (text, _) = written(&with)?;
    let reading = manifests::read(&text, "case");
    for refused in &fleet.refused {
        let (kind, name) = key(&refused.object);
        let named = format!("{kind} {}/{name}", fleet.namespace);
        let found = reading
            .faults
            .iter()
            .any(|fault| fault.place.object == named && fault.place.path.to_string().contains(&refused.path));
        if !found {
            complain(format!(
                "no fault of {named} names {}: {}",
                refused.path, refused.object
            ));
        }
    }
    let strange = reading.faults.iter().filter(|fault| {
        let named = |refused: &crate::fleet::Refused| {
            let (kind, name) = key(&refused.object);
            fault.place.object == format!("{kind} {}/{name}", fleet.namespace)
        };
        !fleet.refused.iter().any(named)
    });
    for fault in strange {
        complain(format!("a fault of something else: {fault}"));
    }
    if reading.objects != alone.objects {
        complain("other objects read differently beside a refused one".to_owned());
    }
    Ok(())
}

/// What an object says, without what only a cluster knows. The status is the operator's and ours,
/// bar the claim.
fn content(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        for field in ["apiVersion", "kind", "metadata"] {
            fields.remove(field);
        }
        // What kind of secret it is says nothing about a configuration, and Go writes no empty map.
        fields.remove("type");
        fields.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
        let claim = fields
            .remove("status")
            .and_then(|mut status| status.as_object_mut()?.remove("dataObc"));
        if let Some(claim) = claim {
            fields.insert("status".into(), serde_json::json!({"dataObc": claim}));
        }
    }
    object
}

type Place = (String, String, String);

async fn kept(cluster: &Cluster) -> Result<BTreeMap<Place, Value>> {
    const FLOTTA: &str = "/apis/management.project-flotta.io/v1alpha1";
    let collections = [
        ("ConfigMap", "/api/v1/configmaps".to_owned()),
        ("Secret", "/api/v1/secrets".to_owned()),
        ("EdgeDevice", format!("{FLOTTA}/edgedevices")),
        ("EdgeDeviceSet", format!("{FLOTTA}/edgedevicesets")),
        ("EdgeWorkload", format!("{FLOTTA}/edgeworkloads")),
        ("EdgeConfig", format!("{FLOTTA}/edgeconfigs")),
    ];
    let mut kept = BTreeMap::new();
    for (kind, path) in collections {
        for object in list(cluster.control_plane.client(), &path).await? {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            kept.insert((kind.to_owned(), text("namespace"), text("name")), object);
        }
    }
    Ok(kept)
}
