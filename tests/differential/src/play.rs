//! One batch: fleets on both sides, each device asked on both, and a verdict for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use testkit::device::{Device, Provisioning};
use testkit::process::wait_for;

use crate::fleet::Fleet;
use crate::flotta::{Cluster, Member, Polled, Selection, poll, polled};
use crate::in_process;
use crate::judge::{Expected, Verdict, expected, judge};
use crate::ours::written;
use crate::pool::{self, AsyncWork};
use crate::refusal::{Refusals, Stratum};
use crate::trigger;

/// How long the Edge API may take to see a change in the API server.
const SEEN: Duration = Duration::from_secs(30);

/// The way to our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A server, and the real Edge API in front of it.
    EdgeApi,
    /// The crates, called directly: quick, and for a first look only.
    Crates,
    /// The crates with a mistake: they forget the annotations of pods. Proves that a mistake is
    /// found.
    Mistaken,
}

/// What became of a device.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its fleet.
    pub fleet: Arc<Fleet>,
    /// Its id.
    pub device: String,
    /// What was expected.
    pub expected: Expected,
    /// What came.
    pub verdict: Verdict,
    /// Whether the pods are written alike, byte for byte, in so many of so many workloads.
    pub same_text: (usize, usize),
}

/// What became of a batch.
#[derive(Debug)]
pub struct Played {
    /// Of its devices.
    pub outcomes: Vec<Outcome>,
    /// What is wrong with whole cases, one line each. A fleet with an object that one side does not
    /// accept is not played.
    pub wrong: Vec<String>,
    /// Of its refused objects; nothing without a server.
    pub refusals: Option<Refusals>,
}

/// Plays fleets, and those with a trigger of [`crate::trigger`] a second time without it.
pub async fn play(cluster: &Cluster, fleets: &[Arc<Fleet>], world: &[Value], via: Via) -> Result<Played> {
    let mut all = fleets.to_vec();
    let triggering = fleets.iter().filter(|fleet| trigger::anywhere(fleet));
    all.extend(triggering.map(|fleet| Arc::new(trigger::without(fleet))));

    let (all, mut wrong) = accepted(cluster, all).await?;
    let members = cluster.members(&all)?;
    let expectations: Vec<Expected> = members
        .iter()
        .map(|member| expected(&member.fleet, &member.id))
        .collect();

    let edge_api = cluster.edge_api().await?;
    let provisioning = edge_api.provisioning(&cluster.flotta).await?;
    let mut theirs = poll(&provisioning, &members).await?;
    ask_again(cluster, &provisioning, &members, &expectations, &mut theirs).await?;
    drop(edge_api);

    let mut refusals = None;
    let ours = match via {
        Via::Crates => in_process::poll(&all, world, &members)?,
        Via::Mistaken => in_process::mistaken(in_process::poll(&all, world, &members)?),
        Via::EdgeApi => {
            let mut stratum = Stratum::of(&all);
            let ours = stratum.start(cluster, &all, world, &members).await?;
            let provisioning = ours.edge_api.provisioning(&cluster.flotta).await?;
            let answers = poll(&provisioning, &members).await?;
            let asked = members.iter().cloned().zip(answers.iter().cloned());
            stratum.come_again(&ours, &provisioning, asked.collect()).await?;
            let (judged, complaints) = stratum.finish();
            refusals = Some(judged);
            wrong.extend(complaints);
            answers
        }
    };

    let mut outcomes: Vec<Outcome> = members
        .iter()
        .zip(expectations)
        .zip(theirs.iter().zip(&ours))
        .map(|((member, expected), (theirs, ours))| Outcome {
            fleet: member.fleet.clone(),
            device: member.id.clone(),
            verdict: judge(&member.fleet, &member.id, &expected, theirs, ours),
            expected,
            same_text: same_text(theirs, ours),
        })
        .collect();
    let ids = members.iter().map(|member| member.id.as_str());
    let answers: BTreeMap<&str, &Polled> = ids.zip(&ours).collect();
    for outcome in &mut outcomes {
        if outcome.verdict == Verdict::Triggered {
            outcome.verdict = trigger::judge(&outcome.fleet, &outcome.device, &answers);
        }
    }
    Ok(Played {
        outcomes,
        wrong,
        refusals,
    })
}

/// Puts fleets into the cluster; those that both sides accept as a whole, and why the others are
/// not among them.
async fn accepted(cluster: &Cluster, fleets: Vec<Arc<Fleet>>) -> Result<(Vec<Arc<Fleet>>, Vec<String>)> {
    let by_api_server = cluster.put(&fleets, Selection::Given).await?;
    let mut rejected = Vec::new();
    let mut accepted = Vec::new();
    for (index, fleet) in fleets.into_iter().enumerate() {
        let case = format!("seed {} case {}", fleet.seed, fleet.number);
        let theirs = by_api_server.iter().find(|rejected| rejected.fleet == index);
        let reading = manifests::read(&written(&fleet)?.0, "case");
        match (theirs, reading.faults.first()) {
            (None, None) => accepted.push(fleet),
            (Some(theirs), _) => {
                rejected.push(format!(
                    "{case}: the API server refuses {:?}: {}",
                    theirs.key, theirs.reason
                ));
            }
            (None, Some(fault)) => rejected.push(format!(
                "{case}: ours refuses what the API server accepts: {fault}"
            )),
        }
    }
    Ok((accepted, rejected))
}

/// Asks Flotta again for the devices with broken workloads, without these.
async fn ask_again(
    cluster: &Cluster,
    provisioning: &Provisioning,
    members: &[Member],
    expectations: &[Expected],
    answers: &mut [Polled],
) -> Result<()> {
    let mut again = Vec::new();
    for (index, (member, expected)) in members.iter().zip(expectations).enumerate() {
        if let Expected::Rest(rest) = expected {
            let version = cluster.set_workloads(&member.fleet, &member.id, rest).await?;
            let device =
                Device::new(member.id.clone(), provisioning.clone()).holding(member.certificate.clone());
            again.push((index, device, version));
        }
    }
    for (index, polled) in pool::each(again, || (), AskAgain).await? {
        answers[index] = polled;
    }
    Ok(())
}

#[derive(Clone)]
struct AskAgain;

impl AsyncWork<(usize, Device, String), (), (usize, Polled)> for AskAgain {
    async fn call(
        &self,
        (index, device, version): (usize, Device, String),
        (): &mut (),
    ) -> Result<(usize, Polled)> {
        let device = tokio::sync::Mutex::new(device);
        let waited = wait_for("a configuration of the changed device", SEEN, async || {
            let now = polled(device.lock().await.poll_data().await).ok()?;
            let seen =
                matches!(&now, Polled::Configuration(content) if content["version"] == version.as_str());
            seen.then_some(now)
        })
        .await;
        // What it says in the end is judged like everything else.
        let answer = match waited {
            Ok(answer) => answer,
            Err(_) => polled(device.lock().await.poll_data().await)?,
        };
        Ok((index, answer))
    }
}

fn same_text(theirs: &Polled, ours: &Polled) -> (usize, usize) {
    let (Polled::Configuration(theirs), Polled::Configuration(ours)) = (theirs, ours) else {
        return (0, 0);
    };
    let texts = |content: &Value| -> BTreeMap<String, Value> {
        let workloads = content["workloads"].as_array().into_iter().flatten();
        workloads
            .map(|workload| (workload["name"].to_string(), workload["specification"].clone()))
            .collect()
    };
    let (theirs, ours) = (texts(theirs), texts(ours));
    let same = theirs
        .iter()
        .filter(|(name, text)| ours.get(*name) == Some(text))
        .count();
    (same, theirs.len())
}
