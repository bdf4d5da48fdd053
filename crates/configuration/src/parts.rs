//! What a workload's pod has by name, and what of it a device would lose.
//!
//! A name that goes is a loss: the device removes what runs under it, with its data. What changes
//! under a name that stays, an image or a variable, is none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde_json::Value;

/// What of a pod has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartKind {
    /// An entry of `containers`.
    Container,
    /// An entry of `initContainers`.
    InitContainer,
    /// An entry of `volumes`.
    Volume,
}

impl PartKind {
    const ALL: [Self; 3] = [Self::Container, Self::InitContainer, Self::Volume];

    fn list(self) -> &'static str {
        match self {
            Self::Container => "containers",
            Self::InitContainer => "initContainers",
            Self::Volume => "volumes",
        }
    }
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::InitContainer => "init container",
            Self::Volume => "volume",
        })
    }
}

/// The named parts of a pod.
pub type Parts = BTreeSet<(PartKind, String)>;

/// What a device has, or is to have: by workload the parts of its pod, `None` where these are not
/// known.
pub type Holdings = BTreeMap<String, Option<Arc<Parts>>>;

/// The named parts of a PodSpec.
pub(crate) fn of(spec: &Value) -> Parts {
    PartKind::ALL
        .into_iter()
        .flat_map(|kind| {
            let entries = spec[kind.list()].as_array().into_iter().flatten();
            entries.filter_map(move |entry| Some((kind, entry["name"].as_str()?.to_owned())))
        })
        .collect()
}

/// Whether a PodSpec has no container, so that a device would remove those that run. What is no
/// list is another fault.
pub(crate) fn is_empty(spec: &Value) -> bool {
    match &spec["containers"] {
        Value::Null => true,
        Value::Array(containers) => containers.is_empty(),
        _ => false,
    }
}

/// Something that a device would no longer have. `Display` is as a person reads it: `container
/// sidecar of workload web`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Name of the workload.
    pub workload: String,
    /// The part of its pod; the whole workload if absent.
    pub part: Option<(PartKind, String)>,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            None => write!(f, "workload {}", self.workload),
            Some((kind, name)) => write!(f, "{kind} {name} of workload {}", self.workload),
        }
    }
}

/// What of `before` is not in `after`. Parts that are not known are not compared.
pub fn lost(before: &Holdings, after: &Holdings) -> Vec<Lost> {
    let mut lost = Vec::new();
    for (workload, had) in before {
        let Some(has) = after.get(workload) else {
            lost.push(Lost {
                workload: workload.clone(),
                part: None,
            });
            continue;
        };
        if let (Some(had), Some(has)) = (had, has)
            && !Arc::ptr_eq(had, has)
        {
            lost.extend(had.difference(has).map(|part| Lost {
                workload: workload.clone(),
                part: Some(part.clone()),
            }));
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pod(containers: &BTreeSet<u8>, volumes: &BTreeSet<u8>) -> Arc<Parts> {
        let named = |names: &BTreeSet<u8>| -> Vec<Value> {
            names
                .iter()
                .map(|name| json!({"name": name.to_string()}))
                .collect()
        };
        let spec = json!({"containers": named(containers), "volumes": named(volumes)});
        Arc::new(of(&spec))
    }

    fn holdings() -> impl Strategy<Value = BTreeMap<u8, (BTreeSet<u8>, BTreeSet<u8>)>> {
        let names = || prop::collection::btree_set(0u8..4, 0..4);
        prop::collection::btree_map(0u8..4, (names(), names()), 0..4)
    }

    proptest! {
        /// Counted by the pairs of names alone.
        #[test]
        fn a_loss_is_a_name_that_goes(before in holdings(), after in holdings()) {
            let made = |of: &BTreeMap<u8, (BTreeSet<u8>, BTreeSet<u8>)>| -> Holdings {
                of.iter()
                    .map(|(name, (containers, volumes))| (name.to_string(), Some(pod(containers, volumes))))
                    .collect()
            };
            let mut expected = 0;
            for (name, (containers, volumes)) in &before {
                expected += match after.get(name) {
                    None => 1,
                    Some((left, right)) => containers.difference(left).count() + volumes.difference(right).count(),
                };
            }
            prop_assert_eq!(lost(&made(&before), &made(&after)).len(), expected);
            prop_assert_eq!(lost(&made(&before), &made(&before)), vec![]);
        }
    }

    #[test]
    fn what_changes_under_its_name_is_no_loss() {
        let spec = |image: &str| json!({"containers": [{"name": "c", "image": image}], "initContainers": [{"name": "i"}]});
        let holding = |spec: &Value| Holdings::from([("web".to_owned(), Some(Arc::new(of(spec))))]);
        assert_eq!(lost(&holding(&spec("a")), &holding(&spec("b"))), []);
        let without = json!({"containers": [{"name": "i"}]});
        let told: Vec<String> = lost(&holding(&spec("a")), &holding(&without))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            ["container c of workload web", "init container i of workload web"]
        );
        assert_eq!(
            lost(&holding(&spec("a")), &Holdings::from([("web".to_owned(), None)])),
            []
        );
    }
}
