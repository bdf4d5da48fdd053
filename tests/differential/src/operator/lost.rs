//! Assignments that the operator loses, until it selects for the device again.
//!
//! It writes a device's whole list of workloads as a merge patch made from its cache, without a
//! resource version. When it reconciles two workloads, or a workload and the device, at the same
//! moment, the later list is written over the earlier one; and as only a changed label of the
//! device makes it select for it again, nothing does. A label that no selector knows stands for
//! that change here; on real devices heartbeats bring them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use testkit::kubernetes::PatchKind;
use testkit::process::wait_for;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Chosen, Unexplained, looked_at, selected};
use crate::fleet::Fleet;
use crate::flotta::{Cluster, collection};

/// Few updates are lost: not more than for one of so many devices.
pub(super) const AT_MOST_ONE_OF: usize = 20;
/// The label that makes the operator look at a device.
const LABEL: &str = "asked-again";
/// Nothing happens for so long only when it has nothing left to do: it tries again sooner what
/// failed.
const REST: Duration = Duration::from_secs(15);
/// Asked this often, a device that is still wrong is no lost update.
const ROUNDS: u32 = 3;

/// Waits until the operator has selected as intended or as its listed defects have it, and lets it
/// select again for what it left otherwise when it came to rest. For how many devices it was asked
/// again.
pub(super) async fn settle(
    cluster: &Cluster,
    now: &[Arc<Fleet>],
    before: Option<&[Arc<Fleet>]>,
    time: Duration,
) -> Result<usize> {
    let mut asked = 0;
    for round in 1.. {
        let chosen = at_rest(cluster, now, before, time).await?;
        let (_, unexplained) = looked_at(now, before, &chosen);
        if unexplained.is_empty() || round > ROUNDS {
            break;
        }
        for one in &unexplained {
            ask_again(cluster, one, round).await?;
        }
        asked += unexplained.len();
    }
    Ok(asked)
}

/// What is selected when nothing is unexplained, or when nothing has changed for a while.
async fn at_rest(
    cluster: &Cluster,
    now: &[Arc<Fleet>],
    before: Option<&[Arc<Fleet>]>,
    time: Duration,
) -> Result<Chosen> {
    let last = Mutex::new((Instant::now(), selected(cluster).await?));
    wait_for("the operator to come to rest", time, async || {
        let chosen = selected(cluster).await.ok()?;
        let (_, unexplained) = looked_at(now, before, &chosen);
        let mut last = last.lock().await;
        if last.1 != chosen {
            *last = (Instant::now(), chosen);
        }
        (unexplained.is_empty() || last.0.elapsed() > REST).then(|| last.1.clone())
    })
    .await
}

async fn ask_again(cluster: &Cluster, one: &Unexplained<'_>, round: u32) -> Result<()> {
    let object = one
        .fleet
        .object("EdgeDevice", &one.device)
        .context("a device has an object")?;
    let path = format!("{}/{}", collection(object)?, one.device);
    let label = json!({"metadata": {"labels": {LABEL: round.to_string()}}});
    let client = cluster.control_plane.client();
    client.patch(&path, PatchKind::Merge, &label).await?;
    Ok(())
}
