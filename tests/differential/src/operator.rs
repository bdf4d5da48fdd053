//! Flotta's operator as the judge of selection: the same devices get the same workloads, but for its listed defects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use testkit::operator::Operator;
use testkit::process::wait_for;

use crate::fleet::{Fleet, key};
use crate::flotta::{Cluster, Polled, Selection, list, poll};
use crate::generate::{Schemas, fleet};
use crate::ours::Ours;
use crate::run::world_of;
use crate::selection;

/// How long the operator may take: its writes are limited to 100 a second.
const SETTLED: Duration = Duration::from_mins(10);
const DEVICES: &str = "/apis/management.project-flotta.io/v1alpha1/edgedevices";

/// A listed defect of the operator (`workload-selection`): a workload that a device should have and does not get.
struct Defect {
    name: &'static str,
    reason: &'static str,
    holds: fn(&Fleet, &str, &Value) -> bool,
}

const DEFECTS: [Defect; 3] = [
    Defect {
        name: "a selected key with a slash",
        reason: "its index label would be illegal, so that the workload is never assigned",
        holds: |_, _, spec| keys(spec).iter().any(|key| key.contains('/')),
    },
    Defect {
        name: "an empty selector",
        reason: "it is indexed under nothing: a change of a device's labels takes the workload away",
        holds: |_, _, spec| keys(spec).is_empty() && !asks_for_absence(spec),
    },
    Defect {
        name: "a selected key that the device lacks",
        reason: "NotIn is indexed under its key only: a change of a device's labels takes the workload away",
        holds: |fleet, device, spec| {
            let labels = fleet.labels(device);
            let keys = keys(spec);
            !keys.is_empty() && !asks_for_absence(spec) && keys.iter().all(|key| !labels.contains_key(*key))
        },
    },
];

/// The keys that a workload is indexed under.
fn keys(spec: &Value) -> BTreeSet<&str> {
    if spec["device"].as_str().is_some_and(|device| !device.is_empty()) {
        return BTreeSet::from(["devicename"]);
    }
    let selector = &spec["deviceSelector"];
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    let present = expressions.filter(|expression| expression["operator"] != "DoesNotExist");
    labels
        .map(|(key, _)| key.as_str())
        .chain(present.filter_map(|expression| expression["key"].as_str()))
        .collect()
}

fn asks_for_absence(spec: &Value) -> bool {
    let expressions = spec["deviceSelector"]["matchExpressions"].as_array();
    let chosen = spec["device"].as_str().is_some_and(|device| !device.is_empty());
    chosen || expressions.is_some_and(|all| all.iter().any(|one| one["operator"] == "DoesNotExist"))
}

/// What the operator and ours say about the selection.
#[derive(Debug, Default)]
pub struct Selections {
    devices: usize,
    agreed: usize,
    asked_ours: usize,
    hits: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Selections {
    /// Everything that is wrong; empty when it passed.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.wrong.clone();
        for defect in &DEFECTS {
            if !self.hits.contains_key(defect.name) {
                complaints.push(format!("the operator's defect '{}' was never seen", defect.name));
            }
        }
        complaints
    }
}

impl fmt::Display for Selections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "selection by the operator: {} devices, {} as intended, {} compared with what ours delivers",
            self.devices, self.agreed, self.asked_ours
        )?;
        for defect in &DEFECTS {
            let hits = self.hits.get(defect.name).copied().unwrap_or_default();
            writeln!(f, "allow-list: {:<38} {hits:>7}  {}", defect.name, defect.reason)?;
        }
        Ok(())
    }
}

/// Lets the operator select for the cases `first..first + count`.
pub async fn run(seed: u64, first: u64, count: u64) -> Result<Selections> {
    let schemas = Schemas::published()?;
    let fleets: Vec<Arc<Fleet>> = (first..first + count)
        .map(|number| Arc::new(fleet(seed, number, &schemas)))
        .collect();
    let world = world_of(seed, first);
    let cluster = Cluster::start().await?;
    cluster.put_world(&world).await?;
    let operator = Operator::start(&cluster.control_plane).await?;
    cluster.put(&fleets, Selection::LeftToOperator).await?;
    let settled = wait_for("the operator to have selected", SETTLED, async || {
        let selected = selected(&cluster).await.ok()?;
        open(&fleets, &selected).is_empty().then_some(())
    });
    // What is still wrong then is reported device by device.
    let waited = settled.await;
    let selected = quiet(&cluster).await?;
    drop(operator);

    let mut result = Selections::default();
    if let Err(error) = waited {
        result.wrong.push(format!("{error:#}"));
    }
    result.wrong.extend(open(&fleets, &selected));
    let delivered = delivered_by_ours(&cluster, &fleets, &world).await?;
    for fleet in &fleets {
        for device in fleet.devices() {
            let intended: BTreeSet<String> = selection::select(fleet, &device).into_iter().collect();
            result.devices += 1;
            let theirs = selected.get(&device).cloned().unwrap_or_default();
            if theirs == intended {
                result.agreed += 1;
            }
            for (defect, _) in defects(fleet, &device, &intended, &theirs) {
                *result.hits.entry(defect).or_default() += 1;
            }
            if let Some(ours) = delivered.get(&device) {
                result.asked_ours += 1;
                // What is broken may be left out; what is not intended may never come.
                if !ours.is_subset(&intended) || intended.difference(ours).any(|name| !is_broken(fleet, name))
                {
                    result.wrong.push(format!(
                        "seed {seed} case {} device {device}: ours delivers {ours:?}, intended is {intended:?}",
                        fleet.number
                    ));
                }
            }
        }
    }
    Ok(result)
}

fn is_broken(fleet: &Fleet, name: &str) -> bool {
    fleet
        .object("EdgeWorkload", name)
        .is_some_and(|workload| crate::broken::workload(fleet, workload))
}

/// The defects that explain why a device lacks workloads, with the workload.
fn defects(
    fleet: &Fleet,
    device: &str,
    intended: &BTreeSet<String>,
    theirs: &BTreeSet<String>,
) -> Vec<(&'static str, String)> {
    let lacking = intended.difference(theirs);
    lacking
        .filter_map(|name| {
            let spec = &fleet.object("EdgeWorkload", name)?["spec"];
            let defect = DEFECTS
                .iter()
                .find(|defect| (defect.holds)(fleet, device, spec))?;
            Some((defect.name, name.clone()))
        })
        .collect()
}

/// Devices whose selection is neither as intended nor explained.
fn open(fleets: &[Arc<Fleet>], selected: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut open = Vec::new();
    for fleet in fleets {
        for device in fleet.devices() {
            let intended: BTreeSet<String> = selection::select(fleet, &device).into_iter().collect();
            let theirs = selected.get(&device).cloned().unwrap_or_default();
            let explained = defects(fleet, &device, &intended, &theirs).len();
            if !theirs.is_subset(&intended) || intended.difference(&theirs).count() != explained {
                open.push(format!(
                    "seed {} case {} device {device}: the operator selects {theirs:?}, intended is {intended:?}",
                    fleet.seed, fleet.number
                ));
            }
        }
    }
    open
}

async fn selected(cluster: &Cluster) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let devices = list(cluster.control_plane.client(), DEVICES).await?;
    Ok(devices
        .iter()
        .map(|device| (key(device).1.to_owned(), workloads(device)))
        .collect())
}

fn workloads(device: &Value) -> BTreeSet<String> {
    let entries = device["status"]["workloads"].as_array().into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry["name"].as_str()?.to_owned()))
        .collect()
}

/// The selection once two looks in a row, with a fresh object in between, see the same.
async fn quiet(cluster: &Cluster) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let last = tokio::sync::Mutex::new((0, selected(cluster).await?));
    wait_for("the operator to be quiet", SETTLED, async || {
        let now = selected(cluster).await.ok()?;
        let mut last = last.lock().await;
        last.0 = if last.1 == now { last.0 + 1 } else { 0 };
        last.1 = now;
        (last.0 >= 20).then(|| last.1.clone())
    })
    .await
}

/// The names of the workloads that ours delivers, for the devices that it does not refuse.
async fn delivered_by_ours(
    cluster: &Cluster,
    fleets: &[Arc<Fleet>],
    world: &[Value],
) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let ours = Ours::start(cluster, fleets, world).await?;
    let devices = cluster.members(fleets)?;
    ours.enrol(&devices).await?;
    let provisioning = ours.edge_api.provisioning(&cluster.flotta).await?;
    let answers = poll(&provisioning, &devices).await?;
    let delivered = devices.into_iter().zip(answers).filter_map(|(device, answer)| {
        let Polled::Configuration(content) = answer else {
            return None;
        };
        let names = content["workloads"].as_array().into_iter().flatten();
        let names = names.filter_map(|workload| Some(workload["name"].as_str()?.to_owned()));
        Some((device.id, names.collect()))
    });
    Ok(delivered.collect())
}
