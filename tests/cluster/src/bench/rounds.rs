//! The rounds: a plain restart, an installation, an uninstallation, with devices at work.

use std::time::Duration;

use anyhow::Result;
use cluster::chart::{Chart, SWITCH, switched};
use cluster::flotta::{Answers, Flotta, ROLL_OUT, alone, answers_until};
use cluster::patience::wait_for;
use cluster::timeline::Timeline;
use cluster::watcher::{Seen, Watcher};
use cluster::{Cluster, faults, hands};

use crate::devices;
use crate::pods::{Life, LookOut};
use crate::resources::{self, Idle};

const DEFINITION: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/remotebackends.companion.project-flotta.io";

/// From when to when, since the start of the look-out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

impl Span {
    pub(crate) fn seconds(self) -> f64 {
        signed(self.from, self.to)
    }

    pub(crate) fn holds(self, time: Duration) -> bool {
        self.from <= time && time <= self.to
    }
}

/// Seconds from one time to another; negative when the other was earlier.
pub(crate) fn signed(from: Duration, to: Duration) -> f64 {
    to.as_secs_f64() - from.as_secs_f64()
}

/// One round.
#[derive(Debug)]
pub(crate) struct Round {
    /// From the change of an annotation until the Edge API is rolled out.
    pub(crate) restart: Span,
    /// From the start of `helm install` until the RemoteBackend is `Ready=True`.
    pub(crate) install: Span,
    /// When `helm install` had returned.
    pub(crate) helm_returned: Duration,
    /// From the start of `helm uninstall` until the Edge API answers from its custom resources and
    /// nothing of ours runs.
    pub(crate) uninstall: Span,
}

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) rounds: Vec<Round>,
    pub(crate) lives: Vec<Life>,
    pub(crate) seen: Seen,
    /// To be added to the watcher's times for those of the look-out.
    pub(crate) watcher_began: Duration,
    pub(crate) idle: Idle,
}

pub(crate) async fn measure(
    cluster: &Cluster,
    timeline: &mut Timeline,
    rounds: usize,
    idle: Duration,
) -> Result<Measured> {
    let flotta = Flotta::deploy(cluster).await?;
    timeline.reached("Flotta's Edge API runs");
    let devices = devices::on_both(cluster, &flotta).await?;
    timeline
        .reached("devices are registered in the custom resources and, by a first installation, in the store");

    let look_out = LookOut::start(cluster);
    let watcher = Watcher::of(cluster.client(), devices);
    let watcher_began = look_out.now().saturating_sub(watcher.now());
    let mut done = Vec::new();
    let mut at_rest = None;
    for number in 1..=rounds {
        let from = look_out.now();
        hands::restart_edge_api(cluster, &format!("round-{number}")).await?;
        cluster
            .rolled_out("deployments", "flotta-edge-api", ROLL_OUT)
            .await?;
        let restart = Span {
            from,
            to: look_out.now(),
        };
        alone(cluster).await?;
        timeline.reached(&format!("round {number}: the Edge API was restarted"));

        let from = look_out.now();
        Chart::default().install(cluster)?;
        let helm_returned = look_out.now();
        switched(cluster).await?;
        let install = Span {
            from,
            to: look_out.now(),
        };
        alone(cluster).await?;
        answers_until(cluster, &flotta, Answers::FromRemoteBackend).await?;
        timeline.reached(&format!(
            "round {number}: the chart was installed, the switch verified"
        ));
        if number == rounds {
            resources::at_rest(cluster).await?;
            at_rest = Some(resources::watch(cluster, idle).await?);
            timeline.reached("the companion was watched when nothing happened");
        }

        let from = look_out.now();
        uninstall(cluster, &flotta).await?;
        let uninstall = Span {
            from,
            to: look_out.now(),
        };
        timeline.reached(&format!(
            "round {number}: the chart was removed, with the way back"
        ));
        done.push(Round {
            restart,
            install,
            helm_returned,
            uninstall,
        });
    }
    Ok(Measured {
        rounds: done,
        seen: watcher.stop().await?,
        lives: look_out.stop().await?,
        watcher_began,
        idle: at_rest.unwrap_or_default(),
    })
}

/// Rolls back, and waits until nothing of ours is left but the volume with the store.
pub(crate) async fn uninstall(cluster: &Cluster, flotta: &Flotta) -> Result<()> {
    Chart::default().uninstall(cluster, &[])?;
    alone(cluster).await?;
    answers_until(cluster, flotta, Answers::FromCustomResources).await?;
    for name in ["edge-config-server", "flotta-companion"] {
        let label = format!("app.kubernetes.io/name={name}");
        faults::ready_pods(cluster, &label, 0, SWITCH).await?;
    }
    cluster.remove(DEFINITION).await?;
    wait_for("the CustomResourceDefinition to be gone", SWITCH, async || {
        cluster.object(DEFINITION).await.ok()?.is_none().then_some(())
    })
    .await
}
