//! What is known to crash or to stop Flotta although nothing is wrong with it, and the same fleet
//! without it.
//!
//! | Trigger | Flotta |
//! |---|---|
//! | an environment variable with a plain value | its handler crashes |
//! | a character that JSON leaves bare and go-yaml refuses to read, in a pod | leaves the workload out, without an error |
//! | U+0085 before `--- ` or `... ` in a pod: the end of a document to go-yaml | the same |
//! | one of these in a ConfigMap | refuses the whole configuration |
//! | a tab before the first key of an allow list | the same |
//!
//! The fleet without triggers is compared with Flotta; here ours with them is compared with ours
//! without them. Nothing but what holds them may differ.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::agent::normal;
use crate::broken;
use crate::compare::differences;
use crate::fleet::{CONTAINERS, Fleet, containers, key};
use crate::flotta::Polled;
use crate::generate::odd::UNWRITABLE;
use crate::judge::Verdict;
use crate::selection;

/// Whether Flotta cannot configure a device that runs this workload, although nothing is wrong with
/// it.
pub fn has(fleet: &Fleet, workload: &Value) -> bool {
    let pod = &workload["spec"]["pod"]["spec"];
    let metrics = &workload["spec"]["metrics"];
    let measured = metrics["port"].as_i64().unwrap_or_default() > 0;
    plain_env(pod)
        || unwritable(pod)
        || uses_unwritable_map(fleet, pod)
        || (measured && has_tab(fleet, &metrics["allowList"]))
}

/// Whether Flotta cannot configure a device, whatever it runs.
pub fn of_device(fleet: &Fleet, device: &str) -> bool {
    let metrics = broken::effective_spec(fleet, device).map(|spec| &spec["metrics"]);
    metrics.is_some_and(|metrics| {
        ["system", "dataTransfer"]
            .iter()
            .any(|section| has_tab(fleet, &metrics[section]["allowList"]))
    })
}

/// Whether a fleet has any.
pub fn anywhere(fleet: &Fleet) -> bool {
    fleet.of("EdgeWorkload").any(|workload| has(fleet, workload))
        || fleet.devices().iter().any(|device| of_device(fleet, device))
}

fn has_tab(fleet: &Fleet, list: &Value) -> bool {
    let map = list["name"]
        .as_str()
        .and_then(|name| fleet.object("ConfigMap", name));
    let text = map.and_then(|map| map["data"]["metrics_list.yaml"].as_str());
    text.is_some_and(|text| text.starts_with('\t'))
}

/// The fleet without them and nothing else changed, in a namespace of its own.
#[must_use]
pub fn without(fleet: &Fleet) -> Fleet {
    let mut fleet = fleet.moved("bare");
    for object in &mut fleet.objects {
        match key(object).0 {
            "EdgeWorkload" => {
                if let Some(pod) = object.pointer_mut("/spec/pod/spec") {
                    take_out_plain_env(pod);
                    take_out_unwritable(pod);
                }
            }
            "ConfigMap" => {
                if let Some(Value::String(list)) = object.pointer_mut("/data/metrics_list.yaml") {
                    *list = list.trim_start_matches('\t').to_owned();
                }
                object
                    .pointer_mut("/data")
                    .into_iter()
                    .for_each(take_out_unwritable);
            }
            _ => {}
        }
    }
    fleet
}

/// Judges a device whose configuration Flotta cannot make.
pub fn judge(fleet: &Fleet, device: &str, answers: &BTreeMap<&str, &Polled>) -> Verdict {
    let bare = without(fleet);
    let Some(place) = fleet.devices().iter().position(|id| id == device) else {
        return Verdict::Unexpected("no such device".into());
    };
    let twin = &bare.devices()[place];
    let (full, bare_answer) = match (answers.get(device), answers.get(twin.as_str())) {
        (Some(Polled::Configuration(full)), Some(Polled::Configuration(bare))) => (full, bare),
        (Some(Polled::Refused(_)), Some(Polled::Refused(_))) => return Verdict::Triggered,
        other => return Verdict::Unexpected(format!("ours differs with and without the trigger: {other:?}")),
    };
    let text = full
        .to_string()
        .replace(&fleet.namespace, &bare.namespace)
        .replace(device, twin);
    let compared = serde_json::from_str::<Value>(&text)
        .map_err(anyhow::Error::from)
        .and_then(|full| Ok((normal(&full)?, normal(bare_answer)?)));
    match compared {
        Ok((mut full, mut bare)) => {
            for answer in [&mut full, &mut bare] {
                take_out_of_answer(answer);
            }
            let found = differences(&bare, &full);
            if found.is_empty() {
                Verdict::Triggered
            } else {
                Verdict::Differs(found)
            }
        }
        Err(error) => Verdict::Unexpected(format!("unreadable: {error:#}")),
    }
}

/// Whether ours may refuse too: a trigger hides what Flotta would have said.
pub fn may_refuse(fleet: &Fleet, device: &str) -> bool {
    let selected = selection::select(fleet, device);
    let mut workloads = selected
        .iter()
        .filter_map(|name| fleet.object("EdgeWorkload", name));
    broken::device(fleet, device) || workloads.all(|workload| broken::workload(fleet, workload))
}

fn take_out_of_answer(answer: &mut Value) {
    for (_, workload) in answer["workloads"].as_object_mut().into_iter().flatten() {
        take_out_plain_env(&mut workload["specification"]);
        take_out_unwritable(&mut workload["specification"]);
        for map in workload["configmaps"].as_array_mut().into_iter().flatten() {
            // One that holds such a character is another text without it, maybe in another style.
            if let Some(text) = map.as_str()
                && let Ok(mut parsed) = serde_yaml::from_str::<Value>(text)
            {
                parsed
                    .pointer_mut("/data")
                    .into_iter()
                    .for_each(take_out_unwritable);
                *map = parsed;
            }
        }
    }
}

fn is_plain(variable: &Value) -> bool {
    variable["valueFrom"].is_null()
}

fn plain_env(pod: &Value) -> bool {
    containers(pod).any(|container| {
        container["env"]
            .as_array()
            .is_some_and(|env| env.iter().any(is_plain))
    })
}

/// An emptied list goes too: Go leaves it out.
fn take_out_plain_env(pod: &mut Value) {
    for list in CONTAINERS {
        for container in pod
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let Some(env) = container.get_mut("env").and_then(Value::as_array_mut) else {
                continue;
            };
            env.retain(|variable| !is_plain(variable));
            if env.is_empty()
                && let Some(container) = container.as_object_mut()
            {
                container.remove("env");
            }
        }
    }
}

/// JSON leaves U+0085 bare; to go-yaml it ends a line, and what begins the next one ends a
/// document.
const DOCUMENT_ENDS: [&str; 4] = ["\u{85}--- ", "\u{85}---\u{85}", "\u{85}... ", "\u{85}...\u{85}"];

fn unwritable(value: &Value) -> bool {
    let text = value.to_string();
    text.contains(UNWRITABLE) || DOCUMENT_ENDS.iter().any(|end| text.contains(end))
}

/// Such a character becomes a plain letter.
fn take_out_unwritable(value: &mut Value) {
    if unwritable(value) {
        let mut text = value.to_string().replace(UNWRITABLE, "u");
        for end in DOCUMENT_ENDS {
            // As a line end within a text reads.
            text = text.replace(end, &end.replacen('\u{85}', " ", 1));
        }
        *value = serde_json::from_str(&text).unwrap_or_default();
    }
}

/// Whether a pod uses a ConfigMap that go-yaml cannot write, whether it needs it or not.
fn uses_unwritable_map(fleet: &Fleet, pod: &Value) -> bool {
    let names = containers(pod).flat_map(|container| {
        let whole = container["envFrom"].as_array().into_iter().flatten();
        let single = container["env"].as_array().into_iter().flatten();
        whole
            .map(|source| &source["configMapRef"]["name"])
            .chain(single.map(|variable| &variable["valueFrom"]["configMapKeyRef"]["name"]))
    });
    names
        .filter_map(Value::as_str)
        .filter_map(|name| fleet.object("ConfigMap", name))
        .any(|map| unwritable(&map["data"]))
}
