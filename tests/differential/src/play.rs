//! One batch: fleets on both sides, each device asked on both, and a verdict for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use testkit::device::{Device, Provisioning};
use testkit::pki::Identity;
use testkit::process::wait_for;

use crate::fleet::Fleet;
use crate::flotta::{self, Cluster, Poll, Polled, Selection};
use crate::judge::{Expected, Verdict, expected, judge};
use crate::ours::{Enrol, Ours};
use crate::plain_env;
use crate::pool::{self, AsyncWork};

/// How long the Edge API may take to see a change in the API server.
const SEEN: Duration = Duration::from_secs(30);

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

struct Case {
    fleet: Arc<Fleet>,
    id: String,
    certificate: Identity,
    expected: Expected,
}

/// Plays fleets, and those with a plain environment variable a second time without it.
pub async fn play(cluster: &Cluster, fleets: &[Arc<Fleet>], world: &[Value]) -> Result<Vec<Outcome>> {
    let mut all = fleets.to_vec();
    let plain = fleets.iter().filter(|fleet| fleet.has_plain_env());
    all.extend(plain.map(|fleet| Arc::new(fleet.without_plain_env("bare"))));

    let rejected = cluster.put(&all, Selection::Given).await?;
    if let Some(first) = rejected.first() {
        let fleet = &all[first.fleet];
        bail!(
            "the API server refuses {:?} of case {} of seed {}: {}",
            first.key,
            fleet.number,
            fleet.seed,
            first.reason
        );
    }
    let cases = cases(cluster, &all)?;

    let edge_api = cluster.edge_api().await?;
    let provisioning = edge_api.provisioning(&cluster.flotta).await?;
    let mut theirs = poll(&provisioning, &cases).await?;
    ask_again(cluster, &provisioning, &cases, &mut theirs).await?;
    drop(edge_api);

    let ours = Ours::start(cluster, &all, world).await?;
    let enrol = cases.iter().map(|case| Enrol {
        fleet: case.fleet.clone(),
        id: case.id.clone(),
        certificate: case.certificate.clone(),
    });
    ours.enrol(enrol.collect()).await?;
    let provisioning = ours.edge_api.provisioning(&cluster.flotta).await?;
    let ours = poll(&provisioning, &cases).await?;

    let mut outcomes: Vec<Outcome> = cases
        .iter()
        .zip(theirs.iter().zip(&ours))
        .map(|(case, (theirs, ours))| Outcome {
            fleet: case.fleet.clone(),
            device: case.id.clone(),
            expected: case.expected.clone(),
            verdict: judge(&case.fleet, &case.id, &case.expected, theirs, ours),
            same_text: same_text(theirs, ours),
        })
        .collect();
    let answers: BTreeMap<&str, &Polled> = cases.iter().map(|case| case.id.as_str()).zip(&ours).collect();
    for outcome in &mut outcomes {
        if outcome.verdict == Verdict::Crashed {
            outcome.verdict = plain_env::judge(&outcome.fleet, &outcome.device, &answers);
        }
    }
    Ok(outcomes)
}

fn cases(cluster: &Cluster, fleets: &[Arc<Fleet>]) -> Result<Vec<Case>> {
    let devices = fleets
        .iter()
        .flat_map(|fleet| fleet.devices().into_iter().map(move |id| (fleet, id)));
    devices
        .map(|(fleet, id)| {
            Ok(Case {
                certificate: cluster.certificate(&id, &fleet.namespace)?,
                expected: expected(fleet, &id),
                fleet: fleet.clone(),
                id,
            })
        })
        .collect()
}

async fn poll(provisioning: &Provisioning, cases: &[Case]) -> Result<Vec<Polled>> {
    let polls = cases.iter().map(|case| Poll {
        id: case.id.clone(),
        certificate: case.certificate.clone(),
    });
    flotta::poll(provisioning, polls.collect()).await
}

/// Asks Flotta again for the devices with broken workloads, without these.
async fn ask_again(
    cluster: &Cluster,
    provisioning: &Provisioning,
    cases: &[Case],
    answers: &mut [Polled],
) -> Result<()> {
    let mut again = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if let Expected::Rest(rest) = &case.expected {
            let version = cluster.set_workloads(&case.fleet, &case.id, rest).await?;
            let device = Device::new(case.id.clone(), provisioning.clone()).holding(case.certificate.clone());
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
    async fn call(&self, (index, device, version): (usize, Device, String), (): &mut ()) -> Result<(usize, Polled)> {
        let device = tokio::sync::Mutex::new(device);
        let polled = wait_for("a configuration of the changed device", SEEN, async || {
            let polled = flotta::polled(device.lock().await.poll_data().await).ok()?;
            let seen = matches!(&polled, Polled::Configuration(content) if content["version"] == version.as_str());
            seen.then_some(polled)
        })
        .await;
        // What it says in the end is judged like everything else.
        let polled = match polled {
            Ok(polled) => polled,
            Err(_) => flotta::polled(device.lock().await.poll_data().await)?,
        };
        Ok((index, polled))
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
    let same = theirs.iter().filter(|(name, text)| ours.get(*name) == Some(text)).count();
    (same, theirs.len())
}
