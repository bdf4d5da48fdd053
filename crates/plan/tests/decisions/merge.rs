//! Server-side apply and strategic merge, as far as the companion's documents need them. That a
//! real API server does the same is shown by the companion's own tests.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// The key of a list's items.
fn list_key(field: &str) -> &'static str {
    if field == "volumeMounts" {
        "mountPath"
    } else {
        "name"
    }
}

/// Applies a document under a manager: its fields are set, and those it held before and lacks now
/// are removed.
pub(crate) fn apply(object: &mut Value, document: &Value, manager: &str, now: &str) {
    let mut document = document.clone();
    document
        .as_object_mut()
        .unwrap()
        .retain(|key, _| matches!(key.as_str(), "data" | "spec"));
    let mut wanted = BTreeSet::new();
    leaves(&document, &mut String::new(), &mut wanted);
    let held = held(object, manager);
    let others = others(object, manager);
    for path in held.difference(&wanted) {
        if !others.contains(path) {
            remove(object, path);
        }
    }
    set(object, &document);
    note(object, manager, "Apply", &document, now);
    // What was forced away from others is theirs no more.
    let changed: BTreeSet<_> = wanted.difference(&held).cloned().collect();
    disown(object, manager, &changed);
}

/// A strategic merge patch under a manager.
pub(crate) fn strategic(object: &mut Value, patch: &Value, manager: &str, now: &str) {
    let mut patch = patch.clone();
    patch
        .as_object_mut()
        .unwrap()
        .retain(|key, _| matches!(key.as_str(), "data" | "spec"));
    patch_into(object, &patch);
    let mut touched = BTreeSet::new();
    let kept = strip(&patch);
    leaves(&patch, &mut String::new(), &mut touched);
    disown(object, manager, &touched);
    note(object, manager, "Update", &kept, now);
    forget_absent(object);
}

fn patch_into(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (field, value) in patch {
        match value {
            Value::Null => {
                target.as_object_mut().unwrap().remove(field);
            }
            Value::Array(items) if items.iter().all(Value::is_object) => {
                let key = list_key(field);
                let list = entry(target, field, json!([]));
                for item in items {
                    let name = item[key].clone();
                    let position = list
                        .as_array()
                        .unwrap()
                        .iter()
                        .position(|found| found[key] == name);
                    if item["$patch"] == "delete" {
                        if let Some(position) = position {
                            list.as_array_mut().unwrap().remove(position);
                        }
                        continue;
                    }
                    match position {
                        Some(position) => patch_into(&mut list[position], item),
                        None => list.as_array_mut().unwrap().push(item.clone()),
                    }
                }
            }
            Value::Object(_) => patch_into(entry(target, field, json!({})), value),
            other => target[field] = other.clone(),
        }
    }
}

fn entry<'a>(target: &'a mut Value, field: &str, empty: Value) -> &'a mut Value {
    let map = target.as_object_mut().unwrap();
    let slot = map.entry(field.to_owned()).or_insert_with(|| empty.clone());
    if slot.is_null() {
        *slot = empty;
    }
    slot
}

fn set(object: &mut Value, document: &Value) {
    patch_into(object, document);
}

fn strip(patch: &Value) -> Value {
    match patch {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), strip(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(
            items
                .iter()
                .filter(|item| item["$patch"] != "delete")
                .map(strip)
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Paths of all values, list items by their key.
fn leaves(value: &Value, path: &mut String, found: &mut BTreeSet<String>) {
    let Value::Object(map) = value else {
        found.insert(path.clone());
        return;
    };
    for (field, value) in map {
        let length = path.len();
        path.push_str("/f:");
        path.push_str(field);
        match value {
            Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
                for item in items {
                    let key = list_key(field);
                    let length = path.len();
                    path.push_str(&["/k:{\"", key, "\":", &item[key].to_string(), "}"].concat());
                    leaves(item, path, found);
                    path.truncate(length);
                }
            }
            _ => leaves(value, path, found),
        }
        path.truncate(length);
    }
}

fn fields(paths: &BTreeSet<String>) -> Value {
    let mut tree = json!({});
    for path in paths {
        let mut at = &mut tree;
        for step in steps(path) {
            at = at
                .as_object_mut()
                .unwrap()
                .entry(step)
                .or_insert_with(|| Value::Object(Map::new()));
        }
    }
    tree
}

fn steps(path: &str) -> Vec<String> {
    // Keys of list items have slashes in them (mount paths).
    let mut steps: Vec<String> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        match steps.last_mut() {
            Some(last) if last.starts_with("k:") && !last.ends_with('}') => {
                last.push_str(&["/", part].concat());
            }
            _ => steps.push(part.to_owned()),
        }
    }
    steps
}

fn paths(tree: &Value, path: &mut String, found: &mut BTreeSet<String>) {
    let map = tree.as_object().unwrap();
    if map.is_empty() {
        found.insert(path.clone());
    }
    for (step, below) in map {
        let length = path.len();
        path.push_str(&["/", step].concat());
        paths(below, path, found);
        path.truncate(length);
    }
}

fn entries(object: &Value) -> Vec<Value> {
    object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn held(object: &Value, manager: &str) -> BTreeSet<String> {
    collect(object, |entry| entry["manager"] == manager)
}

fn others(object: &Value, manager: &str) -> BTreeSet<String> {
    collect(object, |entry| entry["manager"] != manager)
}

fn collect(object: &Value, which: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in entries(object).iter().filter(|entry| which(entry)) {
        paths(&entry["fieldsV1"], &mut String::new(), &mut found);
    }
    found.remove("");
    found
}

/// Records what a manager holds; with `Apply` that is all it holds.
pub(crate) fn note(object: &mut Value, manager: &str, operation: &str, document: &Value, now: &str) {
    let mut own = BTreeSet::new();
    leaves(document, &mut String::new(), &mut own);
    own.remove("");
    if operation == "Update" {
        own.extend(held(object, manager));
    }
    let mut list = entries(object);
    list.retain(|entry| entry["manager"] != manager);
    if !own.is_empty() {
        list.push(
            json!({ "manager": manager, "operation": operation, "time": now, "fieldsV1": fields(&own) }),
        );
    }
    object["metadata"]["managedFields"] = json!(list);
}

fn disown(object: &mut Value, manager: &str, touched: &BTreeSet<String>) {
    let mut list = entries(object);
    for entry in list.iter_mut().filter(|entry| entry["manager"] != manager) {
        let mut own = BTreeSet::new();
        paths(&entry["fieldsV1"], &mut String::new(), &mut own);
        let kept = own.difference(touched).cloned().collect();
        entry["fieldsV1"] = fields(&kept);
    }
    list.retain(|entry| entry["fieldsV1"] != json!({}));
    object["metadata"]["managedFields"] = json!(list);
}

/// Nobody holds what is not there.
pub(crate) fn forget_absent(object: &mut Value) {
    let mut present = BTreeSet::new();
    let mut document = object.clone();
    document
        .as_object_mut()
        .unwrap()
        .retain(|key, _| matches!(key.as_str(), "data" | "spec"));
    leaves(&document, &mut String::new(), &mut present);
    let mut list = entries(object);
    for entry in &mut list {
        let mut own = BTreeSet::new();
        paths(&entry["fieldsV1"], &mut String::new(), &mut own);
        let kept = own
            .into_iter()
            .filter(|path| present.iter().any(|found| found.starts_with(path.as_str())))
            .collect();
        entry["fieldsV1"] = fields(&kept);
    }
    list.retain(|entry| entry["fieldsV1"] != json!({}));
    object["metadata"]["managedFields"] = json!(list);
}

fn remove(object: &mut Value, path: &str) {
    remove_at(object, &steps(path));
}

fn remove_at(value: &mut Value, steps: &[String]) {
    let Some((step, rest)) = steps.split_first() else {
        return;
    };
    let Some(field) = step.strip_prefix("f:") else {
        return;
    };
    if rest.is_empty() {
        if let Some(map) = value.as_object_mut() {
            map.remove(field);
        }
        return;
    }
    let Some(below) = value.get_mut(field) else { return };
    if let Some(item) = rest[0].strip_prefix("k:") {
        let item: Value = serde_json::from_str(item).unwrap();
        let (key, name) = item.as_object().unwrap().iter().next().unwrap();
        let list = below.as_array_mut().unwrap();
        let Some(position) = list.iter().position(|found| &found[key] == name) else {
            return;
        };
        if rest.len() > 1 {
            remove_at(&mut list[position], &rest[1..]);
        }
        // An item of which nothing but its key is left is gone with its last owner.
        if list[position].as_object().is_some_and(|map| map.len() <= 1) {
            list.remove(position);
        }
        return;
    }
    remove_at(below, rest);
    if below.as_object().is_some_and(Map::is_empty) {
        value.as_object_mut().unwrap().remove(field);
    }
}
