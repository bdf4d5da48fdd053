//! Where scenarios play: one cluster for all of them, and the way to the state that each begins
//! with.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cluster::chart::{self, Chart};
use cluster::flotta::{self, Flotta};
use cluster::patience::wait_for;
use cluster::timeline::Timeline;
use cluster::{Cluster, Helm};
use serde_json::{Value, json};
use testkit::kubernetes::PatchKind;

/// Until a namespace with everything in it is gone.
const GONE: Duration = Duration::from_mins(2);
const NAMESPACE: &str = "/api/v1/namespaces/flotta";
const COMPANION_GROUP: &str = "/apis/companion.project-flotta.io/v1alpha1/remotebackends";
const COMPANION_CRD: &str =
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/remotebackends.companion.project-flotta.io";
const MANAGEMENT: &str = "/apis/management.project-flotta.io/v1alpha1";
/// Of Flotta and of ours: with one of these goes every object of its kind, wherever it is.
const DEFINITIONS: [&str; 2] = [
    COMPANION_CRD,
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/edgedevices.management.project-flotta.io",
];

/// What a scenario finds, or leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No namespace `flotta`, nothing of ours.
    Nothing,
    /// Flotta's Edge API on its custom resources, no device, nothing of ours.
    Flotta,
    /// The chart with its defaults from its first revision on, the switch verified, no device in
    /// the custom resources.
    Switched,
    /// Anything.
    Unknown,
}

/// One cluster and what is on it.
#[derive(Debug)]
pub(crate) struct Stage {
    cluster: Cluster,
    timeline: Timeline,
    state: State,
    flotta: Option<Flotta>,
}

impl Stage {
    /// On a throwaway cluster that is new, or on one of the user's that has nothing of Flotta:
    /// these tests remove the namespace `flotta`, and devices wherever they are.
    pub(crate) async fn new(cluster: Cluster, timeline: Timeline) -> Result<Self> {
        for path in [&[NAMESPACE], &DEFINITIONS[..]].concat() {
            ensure!(
                cluster.object(path).await?.is_none(),
                "the cluster has something of Flotta already ({path}), which these tests would remove; name one without"
            );
        }
        Ok(Self {
            cluster,
            timeline,
            state: State::Nothing,
            flotta: None,
        })
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Gives the cluster back.
    pub(crate) fn into_cluster(self) -> (Cluster, Timeline) {
        (self.cluster, self.timeline)
    }

    /// What Flotta has made for itself.
    pub(crate) fn flotta(&self) -> Result<&Flotta> {
        self.flotta.as_ref().context("Flotta is not there yet")
    }

    /// Says what has been reached.
    pub(crate) fn reached(&mut self, what: &str) {
        self.timeline.reached(what);
    }

    /// Notes that Flotta came up, or that what it keeps in its Secrets has changed.
    pub(crate) async fn read_flotta(&mut self) -> Result<()> {
        self.flotta = Some(Flotta::read(&self.cluster).await?);
        Ok(())
    }

    /// What is known of the state from now on.
    pub(crate) fn is_now(&mut self, state: State) {
        self.state = state;
    }

    /// What is known of the state.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Goes to a state, the shortest way that is sure.
    pub(crate) async fn go_to(&mut self, wanted: State) -> Result<()> {
        self.clear_for(wanted).await?;
        if wanted == State::Switched && self.state != State::Switched {
            self.state = State::Unknown;
            Chart::default().switch(&self.cluster).await?;
            self.state = State::Switched;
            self.reached("the chart is installed, the switch verified");
        }
        Ok(())
    }

    /// Goes as far as that as it takes nothing of ours: where this fails, it is the cluster that is
    /// broken.
    pub(crate) async fn clear_for(&mut self, wanted: State) -> Result<()> {
        let is_there = self.state == wanted || (self.state == State::Flotta && wanted == State::Switched);
        if is_there {
            return Ok(());
        }
        if self.state != State::Nothing {
            self.reset().await.context("the cluster could not be cleared")?;
        }
        if wanted != State::Nothing {
            self.state = State::Unknown;
            self.flotta = Some(Flotta::deploy(&self.cluster).await?);
            self.state = State::Flotta;
            self.reached("Flotta's Edge API runs, on its custom resources");
        }
        Ok(())
    }

    /// Leaves one of the user's as it was found: nothing of Flotta or of ours.
    pub(crate) async fn leave(&mut self) -> Result<()> {
        self.reset().await?;
        let manifests = flotta::manifests(&self.cluster)?;
        self.cluster
            .kubectl_with(&["delete", "--ignore-not-found"], &manifests)?;
        self.reached("Flotta's definitions and rights are gone too");
        Ok(())
    }

    async fn reset(&mut self) -> Result<()> {
        self.flotta = None;
        self.state = State::Unknown;
        let cluster = &self.cluster;
        // Without hooks: nothing here is to be rolled back, and what is broken could not be. No
        // release is fine.
        let _ = cluster.helm(
            Helm::Four,
            &["uninstall", chart::RELEASE, "--no-hooks", "--ignore-not-found"],
        );
        release_all(cluster, COMPANION_GROUP).await?;
        for kind in ["edgedevices", "edgedevicesignedrequest"] {
            let collection = format!("{MANAGEMENT}/{kind}");
            for path in release_all(cluster, &collection).await? {
                cluster.remove_at_once(&path).await?;
            }
        }
        cluster.remove_at_once(NAMESPACE).await?;
        wait_for("namespace flotta to be gone", GONE, async || {
            for pod in cluster.items(&format!("{NAMESPACE}/pods")).await.ok()? {
                let name = pod["metadata"]["name"].as_str().unwrap_or_default();
                let _ = cluster.remove_at_once(&format!("{NAMESPACE}/pods/{name}")).await;
            }
            cluster.object(NAMESPACE).await.ok()?.is_none().then_some(())
        })
        .await?;
        cluster.remove_at_once(COMPANION_CRD).await?;
        if cluster.is_throwaway() {
            empty_volumes(cluster).await?;
        }
        self.state = State::Nothing;
        self.reached("the cluster is clear");
        Ok(())
    }
}

/// Takes the finalizers off all objects of a kind, whose owners may be gone; says where the objects
/// are.
async fn release_all(cluster: &Cluster, collection: &str) -> Result<Vec<String>> {
    let (group, kind) = collection
        .rsplit_once('/')
        .context("a collection has a group and a kind")?;
    let mut paths = Vec::new();
    for object in cluster.items(collection).await? {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let path = format!("{group}/namespaces/{}/{kind}/{}", text("namespace"), text("name"));
        let changes = json!({"metadata": {"finalizers": null}});
        let answer = cluster.client().patch(&path, PatchKind::Merge, &changes).await?;
        if !matches!(answer.status, 200 | 404) {
            bail!("{path} keeps its finalizers: {}", answer.text());
        }
        paths.push(path);
    }
    Ok(paths)
}

/// Makes used volumes like new, as a provisioner does that deletes and makes them.
async fn empty_volumes(cluster: &Cluster) -> Result<()> {
    for volume in cluster.items("/api/v1/persistentvolumes").await? {
        if volume["status"]["phase"] != "Released" {
            continue;
        }
        let folder = volume.pointer("/spec/local/path").and_then(Value::as_str);
        let folder = folder.context("a volume of the cluster is a folder")?;
        ensure!(
            std::path::Path::new(folder).starts_with(cluster.folder()?),
            "{folder} is no volume of this cluster"
        );
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
        }
        let name = volume["metadata"]["name"]
            .as_str()
            .context("a volume has a name")?;
        let changes = json!({"spec": {"claimRef": null}});
        let path = format!("/api/v1/persistentvolumes/{name}");
        cluster.patch(&path, PatchKind::Merge, &changes).await?;
    }
    Ok(())
}
