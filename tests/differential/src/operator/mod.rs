//! Flotta's operator as the judge of selection: the same devices get the same workloads, but for
//! its listed defects; also after labels and selectors have changed and workloads were deleted.

mod change;
mod defects;
mod lost;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use testkit::device::Provisioning;
use testkit::operator::Operator;
use testkit::process::wait_for;
use testkit::server::Settings;

use crate::broken;
use crate::fleet::{Fleet, key};
use crate::flotta::{Cluster, Member, Polled, Selection, list, poll};
use crate::generate::{Schemas, fleet};
use crate::operator::defects::{Case, DEFECTS, explains};
use crate::ours::{Ours, write_manifests};
use crate::report::MANY;
use crate::run::world_of;
use crate::selection;

/// How long the operator may take: its writes are limited to 100 a second.
const SETTLED: Duration = Duration::from_mins(10);
/// How long ours may take to read its changed manifests.
const RELOADED: Duration = Duration::from_mins(1);
const DEVICES: &str = "/apis/management.project-flotta.io/v1alpha1/edgedevices";

/// What the operator and ours say about the selection.
#[derive(Debug, Default)]
pub struct Selections {
    devices: usize,
    agreed: usize,
    asked_ours: usize,
    asked_again: usize,
    hits: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Selections {
    /// Everything that is wrong; empty when it passed.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.wrong.clone();
        if self.asked_again * lost::AT_MOST_ONE_OF > self.devices {
            complaints.push(format!(
                "{} of {} devices had to be selected for again: more than lost updates explain",
                self.asked_again, self.devices
            ));
        }
        for defect in DEFECTS.iter().filter(|_| self.devices >= MANY) {
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
        writeln!(
            f,
            "lost updates: {} devices lacked or kept a workload until the operator selected for them again",
            self.asked_again
        )?;
        for defect in &DEFECTS {
            let hits = self.hits.get(defect.name).copied().unwrap_or_default();
            writeln!(f, "allow-list: {:<38} {hits:>7}  {}", defect.name, defect.reason)?;
        }
        Ok(())
    }
}

/// Lets the operator and ours select for the cases `first..first + count`, and again after changes.
pub async fn run(seed: u64, first: u64, count: u64) -> Result<Selections> {
    let schemas = Schemas::published()?;
    // An invalid selector stops the operator for every device that it is looked up for; those are
    // refused anyway.
    let valid = |number| Fleet {
        refused: Vec::new(),
        ..fleet(seed, number, &schemas)
    };
    let before: Vec<Arc<Fleet>> = (first..first + count)
        .map(|number| Arc::new(valid(number)))
        .collect();
    let after = |fleets: &[Arc<Fleet>], change: fn(&Fleet) -> Fleet| -> Vec<Arc<Fleet>> {
        fleets.iter().map(|fleet| Arc::new(change(fleet))).collect()
    };
    let changed = after(&before, change::changed);
    let deselected = after(&changed, change::deselected);
    let deleted = after(&deselected, change::deleted);
    let world = world_of(seed, first);
    let cluster = Cluster::start().await?;
    cluster.put_world(&world).await?;
    let operator = Operator::start(&cluster.control_plane).await?;
    cluster.put(&before, Selection::LeftToOperator).await?;

    let mut result = Selections::default();
    result.operator(&cluster, &before, None).await?;
    cluster.change(&before, &changed).await?;
    result.operator(&cluster, &changed, Some(&before)).await?;
    cluster.change(&changed, &deselected).await?;
    cluster.change(&deselected, &deleted).await?;
    // What was forgotten after the first change may still be.
    result.operator(&cluster, &deleted, Some(&before)).await?;
    drop(operator);

    // A fleet loses workloads of a good part of its devices here, and that is meant.
    let unasked = |settings: Settings| settings.flags(["--confirm-above", "100%"]);
    let ours = Ours::start_with(&cluster, &before, &world, unasked).await?;
    let members = cluster.members(&before)?;
    ours.enrol(&members).await?;
    let provisioning = ours.edge_api.provisioning(&cluster.flotta).await?;
    result.ours(&provisioning, &members, &before).await?;
    for fleets in [&changed, &deleted] {
        write_manifests(&ours.manifests(), fleets, &world)?;
        result.ours(&provisioning, &members, fleets).await?;
    }
    Ok(result)
}

type Chosen = BTreeMap<String, BTreeSet<String>>;

impl Selections {
    /// Waits for the operator, and looks at what it has done.
    async fn operator(
        &mut self,
        cluster: &Cluster,
        now: &[Arc<Fleet>],
        before: Option<&[Arc<Fleet>]>,
    ) -> Result<()> {
        self.asked_again += lost::settle(cluster, now, before, SETTLED).await?;
        let chosen = quiet(cluster).await?;
        let (used, unexplained) = looked_at(now, before, &chosen);
        self.wrong
            .extend(unexplained.iter().map(|what| format!("the operator: {what}")));
        for defect in used {
            *self.hits.entry(defect).or_default() += 1;
        }
        for (fleet, device) in devices(now) {
            self.devices += 1;
            self.agreed += usize::from(chosen.get(&device) == Some(&intended(fleet, &device)));
        }
        Ok(())
    }

    /// Waits for ours, and looks at what it delivers.
    async fn ours(
        &mut self,
        provisioning: &Provisioning,
        members: &[Member],
        now: &[Arc<Fleet>],
    ) -> Result<()> {
        let waited = wait_for("ours to have selected", RELOADED, async || {
            let delivered = delivered(provisioning, members).await.ok()?;
            let wrong = wrongly_delivered(now, &delivered);
            wrong.is_empty().then_some(delivered)
        });
        if let Ok(delivered) = waited.await {
            self.asked_ours += delivered.len();
        } else {
            let delivered = delivered(provisioning, members).await?;
            self.wrong.extend(wrongly_delivered(now, &delivered));
        }
        Ok(())
    }
}

fn devices(fleets: &[Arc<Fleet>]) -> impl Iterator<Item = (&Arc<Fleet>, String)> {
    fleets
        .iter()
        .flat_map(|fleet| fleet.devices().into_iter().map(move |device| (fleet, device)))
}

fn intended(fleet: &Fleet, device: &str) -> BTreeSet<String> {
    selection::select(fleet, device).into_iter().collect()
}

/// A device that has or lacks a workload, and no listed defect explains it.
#[derive(Debug)]
struct Unexplained<'a> {
    fleet: &'a Fleet,
    device: String,
    theirs: BTreeSet<String>,
    intended: BTreeSet<String>,
}

impl fmt::Display for Unexplained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} case {} device {} has {:?}, intended is {:?}",
            self.fleet.seed, self.fleet.number, self.device, self.theirs, self.intended
        )
    }
}

/// The defects that were met, one per workload of a device, and the devices that none of them
/// explains.
fn looked_at<'a>(
    now: &'a [Arc<Fleet>],
    before: Option<&[Arc<Fleet>]>,
    chosen: &Chosen,
) -> (Vec<&'static str>, Vec<Unexplained<'a>>) {
    let (mut used, mut unexplained) = (Vec::new(), Vec::new());
    for (index, fleet) in now.iter().enumerate() {
        for device in fleet.devices() {
            let intended = intended(fleet, &device);
            let theirs = chosen.get(&device).cloned().unwrap_or_default();
            let lacking = intended.difference(&theirs).map(|name| (true, name));
            let extra = theirs.difference(&intended).map(|name| (false, name));
            let mut puzzling = false;
            for (lacks, workload) in lacking.chain(extra) {
                let case = Case {
                    before: before.map(|before| before[index].as_ref()),
                    now: fleet,
                    device: &device,
                    workload,
                };
                match explains(lacks, &case) {
                    Some(defect) => used.push(defect),
                    None => puzzling = true,
                }
            }
            if puzzling {
                unexplained.push(Unexplained {
                    fleet,
                    device,
                    theirs,
                    intended,
                });
            }
        }
    }
    (used, unexplained)
}

/// What is broken may be left out; what is not intended may never come.
fn wrongly_delivered(now: &[Arc<Fleet>], delivered: &Chosen) -> Vec<String> {
    let mut wrong = Vec::new();
    for (fleet, device) in devices(now) {
        let Some(ours) = delivered.get(&device) else {
            continue;
        };
        let intended = intended(fleet, &device);
        if !ours.is_subset(&intended) || intended.difference(ours).any(|name| !is_broken(fleet, name)) {
            wrong.push(format!(
                "seed {} case {} device {device}: ours delivers {ours:?}, intended is {intended:?}",
                fleet.seed, fleet.number
            ));
        }
    }
    wrong
}

fn is_broken(fleet: &Fleet, name: &str) -> bool {
    fleet
        .object("EdgeWorkload", name)
        .is_some_and(|workload| broken::workload(fleet, workload))
}

/// The names of the workloads that ours delivers, for the devices that it does not refuse.
async fn delivered(provisioning: &Provisioning, members: &[Member]) -> Result<Chosen> {
    let answers = poll(provisioning, members).await?;
    let delivered = members.iter().zip(answers).filter_map(|(member, answer)| {
        let Polled::Configuration(content) = answer else {
            return None;
        };
        let names = content["workloads"].as_array().into_iter().flatten();
        let names = names.filter_map(|workload| Some(workload["name"].as_str()?.to_owned()));
        Some((member.id.clone(), names.collect()))
    });
    Ok(delivered.collect())
}

async fn selected(cluster: &Cluster) -> Result<Chosen> {
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
async fn quiet(cluster: &Cluster) -> Result<Chosen> {
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
