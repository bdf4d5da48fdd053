//! The operator's listed defects (`workload-selection`): one direction each, under one condition.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fleet::Fleet;

/// A workload that a device has or lacks against the intention.
pub(super) struct Case<'a> {
    /// The fleet before its objects were changed; none when they were not.
    pub(super) before: Option<&'a Fleet>,
    /// The fleet as it is.
    pub(super) now: &'a Fleet,
    /// The device.
    pub(super) device: &'a str,
    /// The workload's name.
    pub(super) workload: &'a str,
}

/// One of them.
pub(super) struct Defect {
    pub(super) name: &'static str,
    pub(super) reason: &'static str,
    /// Whether the device lacks the workload; otherwise it has it too much.
    pub(super) lacks: bool,
    pub(super) holds: fn(&Case<'_>) -> bool,
}

pub(super) const DEFECTS: [Defect; 5] = [
    Defect {
        name: "a selected key with a slash",
        reason: "its index label would be illegal, so that the workload is never assigned",
        lacks: true,
        holds: |case| case.keys().iter().any(|key| key.contains('/')),
    },
    Defect {
        name: "an empty selector",
        reason: "it is indexed under nothing: a change of a device's labels takes the workload away",
        lacks: true,
        holds: |case| case.keys().is_empty() && !case.asks_for_absence(),
    },
    Defect {
        name: "a selected key that the device lacks",
        reason: "NotIn is indexed under its key only: a change of a device's labels takes the workload away",
        lacks: true,
        holds: |case| {
            let labels = case.now.labels(case.device);
            let keys = case.keys();
            !keys.is_empty() && !case.asks_for_absence() && keys.iter().all(|key| !labels.contains_key(*key))
        },
    },
    Defect {
        name: "a changed selector",
        reason: "who carries the workload is looked up by a wrong label: it stays until the device's labels change",
        lacks: false,
        holds: |case| {
            let before = case
                .before
                .and_then(|before| before.object("EdgeWorkload", case.workload));
            let now = case.now.object("EdgeWorkload", case.workload);
            before.is_some_and(|before| now.is_some_and(|now| now["spec"] != before["spec"]))
        },
    },
    Defect {
        name: "a deleted workload",
        reason: "the same; assembly skips what does not exist, so that no device notices",
        lacks: false,
        holds: |case| case.before.is_some() && case.now.object("EdgeWorkload", case.workload).is_none(),
    },
];

/// The defect that explains why a device has or lacks a workload.
pub(super) fn explains(lacks: bool, case: &Case<'_>) -> Option<&'static str> {
    let mut defects = DEFECTS.iter().filter(|defect| defect.lacks == lacks);
    defects
        .find(|defect| (defect.holds)(case))
        .map(|defect| defect.name)
}

impl Case<'_> {
    fn spec(&self) -> &Value {
        let object = self.now.object("EdgeWorkload", self.workload);
        object.map_or(&Value::Null, |object| &object["spec"])
    }

    fn names_device(&self) -> bool {
        self.spec()["device"]
            .as_str()
            .is_some_and(|device| !device.is_empty())
    }

    /// The keys that the workload is indexed under.
    fn keys(&self) -> BTreeSet<&str> {
        if self.names_device() {
            return BTreeSet::from(["devicename"]);
        }
        let selector = &self.spec()["deviceSelector"];
        let labels = selector["matchLabels"].as_object().into_iter().flatten();
        let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
        let present = expressions.filter(|expression| expression["operator"] != "DoesNotExist");
        labels
            .map(|(key, _)| key.as_str())
            .chain(present.filter_map(|expression| expression["key"].as_str()))
            .collect()
    }

    fn asks_for_absence(&self) -> bool {
        let expressions = self.spec()["deviceSelector"]["matchExpressions"].as_array();
        self.names_device()
            || expressions.is_some_and(|all| all.iter().any(|one| one["operator"] == "DoesNotExist"))
    }
}
