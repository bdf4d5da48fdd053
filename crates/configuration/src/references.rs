//! Which ConfigMaps and Secrets a pod refers to.
//!
//! As Flotta scans them: init containers, then containers; `envFrom`, `env[].valueFrom`, and
//! ConfigMap volumes. Ephemeral containers, Secret volumes, projected volumes and
//! `imagePullSecrets` are not looked at. An entry of `env` with a plain value, which crashes
//! Flotta's scan, refers to nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// How an object is needed, over all references to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// At least one reference is not optional, so it has to be there.
    pub(crate) required: bool,
    /// Keys of references that are not optional. Others are not checked.
    pub(crate) keys: BTreeSet<String>,
}

/// What a pod refers to, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct References {
    pub(crate) config_maps: BTreeMap<String, Need>,
    pub(crate) secrets: BTreeMap<String, Need>,
}

/// The references of a PodSpec.
pub(crate) fn of(spec: &Value) -> References {
    let mut found = References::default();
    for container in ["initContainers", "containers"]
        .iter()
        .flat_map(|list| items(&spec[list]))
    {
        for source in items(&container["envFrom"]) {
            note(&mut found.config_maps, &source["configMapRef"]);
            note(&mut found.secrets, &source["secretRef"]);
        }
        for variable in items(&container["env"]) {
            let from = &variable["valueFrom"];
            note(&mut found.config_maps, &from["configMapKeyRef"]);
            note(&mut found.secrets, &from["secretKeyRef"]);
        }
    }
    for volume in items(&spec["volumes"]) {
        note_without_keys(&mut found.config_maps, &volume["configMap"]);
    }
    found
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn note(needs: &mut BTreeMap<String, Need>, reference: &Value) {
    if let Some(need) = note_without_keys(needs, reference)
        && let Some(key) = reference["key"].as_str()
    {
        need.keys.insert(key.to_owned());
    }
}

/// The need if the reference is not optional.
fn note_without_keys<'a>(needs: &'a mut BTreeMap<String, Need>, reference: &Value) -> Option<&'a mut Need> {
    if !reference.is_object() {
        return None;
    }
    let name = reference["name"].as_str().unwrap_or_default().to_owned();
    let need = needs.entry(name).or_default();
    if reference["optional"] == Value::Bool(true) {
        return None;
    }
    need.required = true;
    Some(need)
}
