//! Changes of a fleet that running devices and their operator have to follow: labels, selectors, deletions.

use std::sync::Arc;

use anyhow::{Result, ensure};
use http::Method;
use serde_json::{Value, json};
use testkit::kubernetes::{PatchKind, Session};

use crate::dice::Dice;
use crate::fleet::{Fleet, key};
use crate::flotta::{Cluster, collection};
use crate::pool::{self, AsyncWork};

/// The fleet after some time: other labels on devices, other selectors.
pub(super) fn changed(fleet: &Fleet) -> Fleet {
    let mut dice = Dice::new(fleet.seed, !fleet.number);
    let mut fleet = fleet.clone();
    for object in &mut fleet.objects {
        match key(object).0 {
            "EdgeDevice" if dice.percent(50) => {
                let value = *dice.pick(&["press", "paint"]);
                object["metadata"]["labels"]["line"] = json!(value);
                if let Some(labels) = object["metadata"]["labels"].as_object_mut()
                    && dice.percent(40)
                {
                    labels.remove("site");
                }
            }
            "EdgeWorkload" if dice.percent(40) => {
                let value = *dice.pick(&["press", "paint"]);
                object["spec"]["deviceSelector"] = if dice.percent(70) {
                    json!({"matchLabels": {"line": value}})
                } else {
                    json!({"matchExpressions": [{"key": "site", "operator": "Exists"}]})
                };
            }
            _ => {}
        }
    }
    fleet
}

/// The fleet without one workload: nobody is selected for it any more, and in every other case it is deleted too. Nothing
/// else changes, so that no change of a label repairs what the operator forgets.
pub(super) fn retired(fleet: &Fleet) -> Fleet {
    let mut fleet = fleet.clone();
    let place = fleet
        .objects
        .iter()
        .position(|object| key(object).0 == "EdgeWorkload");
    if let Some(place) = place {
        fleet.objects[place]["spec"]["device"] = json!("");
        fleet.objects[place]["spec"]["deviceSelector"] = nobody();
        if fleet.number.is_multiple_of(2) {
            fleet.objects.remove(place);
        }
    }
    fleet
}

fn nobody() -> Value {
    json!({"matchLabels": {"nobody": "has-it"}})
}

/// Makes the same changes in the cluster.
pub(super) async fn apply(cluster: &Cluster, before: &[Arc<Fleet>], now: &[Arc<Fleet>]) -> Result<()> {
    let pairs = before.iter().cloned().zip(now.iter().cloned()).collect();
    let client = cluster.control_plane.client().clone();
    pool::each(pairs, || client.session(), Apply).await?;
    Ok(())
}

#[derive(Clone)]
struct Apply;

impl AsyncWork<(Arc<Fleet>, Arc<Fleet>), Session, ()> for Apply {
    async fn call(&self, (before, now): (Arc<Fleet>, Arc<Fleet>), api: &mut Session) -> Result<()> {
        for old in &before.objects {
            let (kind, name) = key(old);
            let place = format!("{}/{name}", collection(old)?);
            let answer = match now.object(kind, name) {
                None => {
                    // Somebody takes it from all devices first, and then away.
                    api.patch(&place, PatchKind::Json, &selecting(&nobody(), ""))
                        .await?;
                    api.call(Method::DELETE, &place, None).await?
                }
                Some(new) if kind == "EdgeDevice" && new != old => {
                    let labels = merged(&old["metadata"]["labels"], &new["metadata"]["labels"]);
                    let patch = json!({"metadata": {"labels": labels}});
                    api.patch(&place, PatchKind::Merge, &patch).await?
                }
                Some(new) if new != old => {
                    let device = new["spec"]["device"].as_str().unwrap_or_default();
                    let patch = selecting(&new["spec"]["deviceSelector"], device);
                    api.patch(&place, PatchKind::Json, &patch).await?
                }
                Some(_) => continue,
            };
            ensure!(
                answer.status < 300,
                "changing {place} was answered {}: {}",
                answer.status,
                answer.text()
            );
        }
        Ok(())
    }
}

/// A JSON patch of a workload's spec.
fn selecting(selector: &Value, device: &str) -> Value {
    json!([
        {"op": "add", "path": "/spec/device", "value": device},
        {"op": "add", "path": "/spec/deviceSelector", "value": selector},
    ])
}

/// A merge patch from these labels to those.
fn merged(old: &Value, new: &Value) -> Value {
    let mut patch = new.clone();
    for (label, _) in old.as_object().into_iter().flatten() {
        if new.get(label).is_none() {
            patch[label] = Value::Null;
        }
    }
    patch
}
