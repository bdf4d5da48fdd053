//! What is in the pods of a configuration.

use std::collections::BTreeSet;

use serde_json::Value;

/// The names of containers and volumes in a configuration, each with its workload.
pub(crate) fn parts(told: &Value) -> BTreeSet<(String, String)> {
    let workloads = told["device-configuration"]
        .get("workloads")
        .and_then(Value::as_array);
    let of = |workload: &Value| {
        let pod = manifests::written(workload["specification"].as_str().unwrap()).unwrap();
        let name = workload["name"].as_str().unwrap().to_owned();
        let lists = ["containers", "volumes"].map(|list| pod[list].as_array().cloned().unwrap_or_default());
        let parts: Vec<(String, String)> = lists
            .concat()
            .iter()
            .map(|part| (name.clone(), part["name"].as_str().unwrap().to_owned()))
            .collect();
        parts
    };
    workloads.into_iter().flatten().flat_map(of).collect()
}
