//! Changes of a fleet that running devices and their operator have to follow: labels, selectors,
//! deletions.

use serde_json::json;

use crate::dice::Dice;
use crate::fleet::{Fleet, key};

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

/// The fleet with one workload that nobody is selected for any more. Nothing else changes, so that
/// no change of a label repairs what the operator forgets.
pub(super) fn deselected(fleet: &Fleet) -> Fleet {
    let mut fleet = fleet.clone();
    let workload = fleet
        .objects
        .iter_mut()
        .find(|object| key(object).0 == "EdgeWorkload");
    if let Some(workload) = workload {
        workload["spec"]["device"] = json!("");
        workload["spec"]["deviceSelector"] = json!({"matchLabels": {"nobody": "has-it"}});
    }
    fleet
}

/// In every other fleet that workload is deleted.
pub(super) fn deleted(fleet: &Fleet) -> Fleet {
    let mut fleet = fleet.clone();
    let place = fleet
        .objects
        .iter()
        .position(|object| key(object).0 == "EdgeWorkload");
    if let Some(place) = place.filter(|_| fleet.number.is_multiple_of(2)) {
        fleet.objects.remove(place);
    }
    fleet
}
