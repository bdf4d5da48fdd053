//! The configuration of a device computed from the documents alone, for this device alone, without
//! any index or type.
//!
//! Two texts are taken from the crate, which are held against Go elsewhere: that of a pod and that
//! of a ConfigMap.

use std::collections::{BTreeMap, BTreeSet};

use configuration::{Policy, go_yaml, podspec};
use manifests::Kind;
use serde_json::{Map, Value, json};

use crate::{
    objects::key,
    world::{Labels, World},
};

/// Why there is none: something is there that cannot be read, or something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Unreadable,
    Missing,
}

pub(crate) fn selected(world: &World, device: &str, labels: &Labels) -> BTreeSet<String> {
    let workloads = world
        .objects
        .values()
        .filter(|object| object.key.kind == Kind::EdgeWorkload);
    workloads
        .filter(|object| {
            let spec = &object.document["spec"];
            match spec["device"].as_str() {
                Some(name) => name == device,
                None => spec["deviceSelector"].is_object() && matches(&spec["deviceSelector"], labels),
            }
        })
        .map(|object| object.key.name.clone())
        .collect()
}

fn matches(selector: &Value, labels: &Labels) -> bool {
    let listed = |values: &Value, value: &String| values.as_array().unwrap().contains(&json!(value));
    let expression = |it: &Value| {
        let value = labels.get(it["key"].as_str().unwrap());
        match it["operator"].as_str().unwrap() {
            "In" => value.is_some_and(|value| listed(&it["values"], value)),
            "NotIn" => !value.is_some_and(|value| listed(&it["values"], value)),
            "Exists" => value.is_some(),
            _ => value.is_none(),
        }
    };
    let mut pairs = selector["matchLabels"].as_object().unwrap().iter();
    pairs.all(|(key, value)| labels.get(key).is_some_and(|it| value == it))
        && selector["matchExpressions"]
            .as_array()
            .unwrap()
            .iter()
            .all(expression)
}

/// The message, without its version.
pub(crate) fn message(
    world: &World,
    device: &str,
    labels: &Labels,
    policy: Policy,
    reported: bool,
) -> Result<Value, Failure> {
    let mut workloads = Vec::new();
    let mut secrets = BTreeMap::new();
    let mut left_out = 0;
    for name in selected(world, device, labels) {
        match workload(world, &name) {
            Ok((workload, its)) => {
                workloads.push(workload);
                secrets.extend(its);
            }
            Err(Failure::Missing) if !policy.strict && !reported => left_out += 1,
            Err(failure) => return Err(failure),
        }
    }
    if left_out > 0 && workloads.is_empty() {
        return Err(Failure::Missing);
    }
    let set = labels
        .get("flotta/member-of")
        .and_then(|set| world.objects.get(&key(Kind::EdgeDeviceSet, set)));
    let settings = set.or_else(|| world.objects.get(&key(Kind::EdgeDevice, device)));
    let settings = settings.map_or(Value::Null, |object| object.document["spec"].clone());
    let secrets: Vec<Value> = secrets
        .into_iter()
        .map(|(name, data)| json!({"name": name, "data": data.to_string()}))
        .collect();
    Ok(json!({
        "device_id": device,
        "configuration": configuration(world, &settings)?,
        "workloads": workloads,
        "secrets": secrets,
    }))
}

fn find<'a>(world: &'a World, kind: Kind, name: &str) -> Result<Option<&'a Value>, Failure> {
    let key = key(kind, name);
    if world.sealed.contains(&key) {
        return Err(Failure::Unreadable);
    }
    Ok(world.objects.get(&key).map(|object| &object.document["data"]))
}

fn demand(world: &World, kind: Kind, name: &str, key: &str) -> Result<String, Failure> {
    let data = find(world, kind, name)?.ok_or(Failure::Missing)?;
    data[key].as_str().map(str::to_owned).ok_or(Failure::Missing)
}

/// Of two failures the one that is the server's.
fn worse(failures: impl IntoIterator<Item = Failure>) -> Result<(), Failure> {
    let mut worst = Ok(());
    for failure in failures {
        if failure == Failure::Unreadable || worst.is_ok() {
            worst = Err(failure);
        }
    }
    worst
}

fn decoded(text: &str) -> &'static str {
    match text {
        "YQ==" => "a",
        "Yg==" => "b",
        _ => "",
    }
}

fn allow_list(world: &World, reference: &Value) -> Result<Value, Failure> {
    match demand(
        world,
        Kind::ConfigMap,
        reference["name"].as_str().unwrap(),
        "metrics_list.yaml",
    )?
    .as_str()
    {
        "{}" => Ok(json!({"names": null})),
        "names: []" => Ok(json!({"names": []})),
        "names: [up]" => Ok(json!({"names": ["up"]})),
        "names: [up, down]" => Ok(json!({"names": ["up", "down"]})),
        _ => Err(Failure::Missing),
    }
}

fn workload(world: &World, name: &str) -> Result<(Value, BTreeMap<String, Value>), Failure> {
    let object = &world.objects[&key(Kind::EdgeWorkload, name)];
    let spec = &object.document["spec"];
    let container = &spec["pod"]["spec"]["containers"][0];
    let mut failures = Vec::new();
    let mut maps = BTreeMap::new();
    let mut secrets = BTreeMap::new();
    let single = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| &variable["valueFrom"]);
    for reference in container["envFrom"].as_array().unwrap().iter().chain(single) {
        let (what, reference) = reference.as_object().unwrap().iter().next().unwrap();
        let kind = if what.starts_with("secret") {
            Kind::Secret
        } else {
            Kind::ConfigMap
        };
        let found = if kind == Kind::Secret {
            &mut secrets
        } else {
            &mut maps
        };
        let name = reference["name"].as_str().unwrap();
        let optional = reference["optional"] == true;
        match find(world, kind, name) {
            Err(failure) => failures.push(failure),
            Ok(None) if optional => {}
            Ok(None) => failures.push(Failure::Missing),
            Ok(Some(data)) => {
                let lacks = reference["key"].as_str().is_some_and(|key| data[key].is_null());
                if lacks && !optional {
                    failures.push(Failure::Missing);
                }
                found.insert(name.to_owned(), data.clone());
            }
        }
    }
    let mut workload = json!({
        "name": name,
        "namespace": object.key.namespace,
        "specification": podspec::text(&spec["pod"]["spec"]).unwrap(),
        "configmaps": maps.iter().map(|(name, data)| {
            let map = serde_json::from_value(json!({"data": data})).unwrap();
            go_yaml::config_map(name, &map)
        }).collect::<Vec<_>>(),
    });
    if object.labels.contains_key("podman/x") {
        workload["labels"] = json!({"x": "y"});
    }
    if let Some(data) = spec["data"].as_object() {
        let paths = |way: &str| data.get(way).filter(|paths| **paths != json!([])).cloned();
        workload["data"] = json!({"ingress": paths("ingress"), "egress": paths("egress")});
    }
    if let Some(name) = spec["imageRegistries"]["secretRef"]["name"].as_str() {
        match demand(world, Kind::Secret, name, ".dockerconfigjson") {
            Ok(file) if decoded(&file).is_empty() => {}
            Ok(file) => workload["imageRegistries"] = json!({"authFile": decoded(&file)}),
            Err(failure) => failures.push(failure),
        }
    }
    if spec["metrics"]["port"] == 9 {
        match allow_list(world, &spec["metrics"]["allowList"]) {
            Ok(list) => {
                workload["metrics"] = json!({"port": 9, "path": "/", "interval": 60, "allow_list": list});
            }
            Err(failure) => failures.push(failure),
        }
    }
    worse(failures)?;
    Ok((workload, secrets))
}

fn configuration(world: &World, settings: &Value) -> Result<Value, Failure> {
    let mut heartbeat = json!({"period_seconds": 60, "hardware_profile": {}});
    if let Some(own) = settings["heartbeat"].as_object() {
        heartbeat = json!({
            "period_seconds": own.get("periodSeconds").unwrap_or(&json!(0)),
            "hardware_profile": own.get("hardwareProfile").unwrap_or(&json!({})),
        });
    }
    let mounts = settings["mounts"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|mount| !mount.is_null());
    let mounts: Vec<Value> = mounts
        .map(|mount| json!({"directory": mount["folder"]}))
        .collect();
    let mut receiver = json!({"request_num_samples": 30000, "timeout_seconds": 10});
    let mut metrics = Map::new();
    if let Some(own) = settings["metrics"].as_object() {
        receiver["url"] = json!("https://m");
        let ca = own["receiverConfiguration"]["caSecretName"].as_str().unwrap();
        if !ca.is_empty() {
            let ca = demand(world, Kind::Secret, ca, "ca.crt")?;
            if ca.is_empty() {
                return Err(Failure::Missing);
            }
            receiver["caCert"] = json!(decoded(&ca));
        }
        if let Some(system) = own.get("system") {
            let list = allow_list(world, &system["allowList"])?;
            metrics.insert("system".to_owned(), json!({"interval": 60, "allow_list": list}));
        }
    }
    metrics.insert("receiver".to_owned(), receiver);
    Ok(json!({"heartbeat": heartbeat, "mounts": mounts, "metrics": metrics}))
}
