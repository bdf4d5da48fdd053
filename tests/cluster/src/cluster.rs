//! A cluster that a test works on: a throwaway one, or one of the user's.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::patience::wait_for;
use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::Value;
use tempfile::TempDir;
use testkit::kubernetes::{Client, PatchKind};

use crate::image::Image;
use crate::script::{peer, place, printed};
use crate::throwaway::Throwaway;
use crate::users::Users;

/// A running cluster. A throwaway one is taken down when the value is dropped.
#[derive(Debug)]
pub struct Cluster {
    client: Client,
    kubeconfig: PathBuf,
    /// Programs and their caches, of this cluster alone.
    tools: PathBuf,
    /// Where the Helms are that were asked for.
    helms: Vec<(Helm, PathBuf)>,
    kind: Kind,
    /// Whether Flotta's probes are made to look every second.
    pub(crate) quick_probes: bool,
    /// What is to be removed in the end; declared last, so that it goes last.
    temporary: Option<TempDir>,
}

#[derive(Debug)]
enum Kind {
    Throwaway(Throwaway),
    Users(Users),
}

/// Which Helm: users have either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helm {
    /// Helm 3.
    Three,
    /// Helm 4.
    Four,
}

impl Helm {
    fn peer(self) -> &'static str {
        match self {
            Self::Three => "helm3",
            Self::Four => "helm",
        }
    }

    /// Finds these, or builds them. That has to be before the network of a cluster is entered, from
    /// which no registry of Go modules is reached: on a machine where they are built already nobody
    /// would notice.
    fn find(helms: &[Self]) -> Result<Vec<(Self, PathBuf)>> {
        helms.iter().map(|helm| Ok((*helm, peer(helm.peer())?))).collect()
    }
}

impl Cluster {
    /// Brings one up with these images, to be used with these Helms, and moves the calling thread
    /// into its network, so that what the thread connects to and starts is there. Call it on the
    /// main thread before a runtime starts threads of its own: they inherit it.
    pub fn up(images: &[Image], helms: &[Helm]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("flotta-cluster-").tempdir()?;
        let helms = Helm::find(helms)?;
        let node = Throwaway::up(folder.path().to_owned(), images)?;
        Self::throwaway(node, helms, Some(folder))
    }

    /// Brings one up in this folder, which stays when the cluster is kept.
    pub fn up_in(folder: &Path, images: &[Image], helms: &[Helm]) -> Result<Self> {
        let helms = Helm::find(helms)?;
        Self::throwaway(Throwaway::up(folder.to_owned(), images)?, helms, None)
    }

    fn throwaway(node: Throwaway, helms: Vec<(Helm, PathBuf)>, folder: Option<TempDir>) -> Result<Self> {
        let path = node.path();
        Ok(Self {
            client: node.client()?,
            kubeconfig: path.join("conf/admin.kubeconfig"),
            tools: path.join("client"),
            helms,
            kind: Kind::Throwaway(node),
            quick_probes: false,
            temporary: folder,
        })
    }

    /// The user's cluster, by the file that `KUBECONFIG` names, if it does.
    pub fn of_user(helms: &[Helm]) -> Result<Option<Self>> {
        let Some(kubeconfig) = users_kubeconfig() else {
            return Ok(None);
        };
        let kubeconfig = fs::canonicalize(&kubeconfig)
            .with_context(|| format!("KUBECONFIG names no file: {}", kubeconfig.display()))?;
        // Said now and not in every scenario.
        for image in Image::ALL {
            image.users_reference()?;
        }
        let folder = tempfile::Builder::new().prefix("flotta-client-").tempdir()?;
        let kubectl = folder.path().join("kubectl");
        let program = format!("#!/bin/sh\nexec '{}' kubectl \"$@\"\n", peer("node")?.display());
        fs::write(&kubectl, program)?;
        fs::set_permissions(&kubectl, fs::Permissions::from_mode(0o755))?;
        let users = Users::connect(&kubeconfig, &kubectl)?;
        Ok(Some(Self {
            client: users.client(),
            kubeconfig,
            tools: folder.path().to_owned(),
            helms: Helm::find(helms)?,
            kind: Kind::Users(users),
            quick_probes: false,
            temporary: Some(folder),
        }))
    }

    /// Whether `KUBECONFIG` names one of the user's.
    pub fn is_named_by_user() -> bool {
        users_kubeconfig().is_some()
    }

    /// Lets the kubelet look every second whether Flotta's Edge API is ready, where Flotta's own
    /// manifests let it wait for 10: most of the time of a test of restarts.
    #[must_use]
    pub fn with_quick_probes(mut self) -> Self {
        self.quick_probes = true;
        self
    }

    /// Whether its node is ours to play with: restart components, signal processes, empty volumes.
    pub fn is_throwaway(&self) -> bool {
        matches!(self.kind, Kind::Throwaway(_))
    }

    /// The folder with everything of a throwaway cluster: `log/`, `conf/admin.kubeconfig`,
    /// `volumes/`.
    pub fn folder(&self) -> Result<&Path> {
        Ok(self.node()?.path())
    }

    fn node(&self) -> Result<&Throwaway> {
        match &self.kind {
            Kind::Throwaway(node) => Ok(node),
            Kind::Users(_) => bail!("this needs a throwaway cluster: it would change the node"),
        }
    }

    /// A client with all rights.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// An image as this cluster knows it.
    pub fn image(&self, image: Image) -> Result<String> {
        match &self.kind {
            Kind::Throwaway(_) => Ok(image.built_reference()),
            Kind::Users(_) => image.users_reference(),
        }
    }

    /// `kubectl` with arguments; returns what it printed, and fails with what it complained about.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let program = match &self.kind {
            Kind::Throwaway(node) => node.path().join("bin/kubectl"),
            Kind::Users(_) => self.tools.join("kubectl"),
        };
        let output = self.command(&program).args(arguments).output()?;
        printed(&format!("kubectl {}", arguments.join(" ")), output)
    }

    /// `kubectl apply` of manifests, or another command that takes `--filename`.
    pub fn kubectl_with(&self, arguments: &[&str], manifests: &str) -> Result<String> {
        let file = tempfile::NamedTempFile::new_in(&self.tools)?;
        fs::write(file.path(), manifests)?;
        let path = file.path().display().to_string();
        self.kubectl(&[arguments, &["--filename", &path]].concat())
    }

    /// `kubectl apply` of manifests.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        self.kubectl_with(&["apply"], manifests)
    }

    /// `helm` with arguments, in namespace `flotta`.
    pub fn helm(&self, helm: Helm, arguments: &[&str]) -> Result<String> {
        let found = self.helms.iter().find(|(which, _)| *which == helm);
        let (_, program) =
            found.with_context(|| format!("Helm {helm:?} was not asked for with the cluster"))?;
        let output = self
            .command(program)
            .args(["--namespace", "flotta"])
            .args(arguments)
            .output()?;
        printed(&format!("helm {}", arguments.join(" ")), output)
    }

    /// Caches of its own: the usual ones outlive the cluster and tell programs of kinds that are
    /// gone.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBECACHEDIR", self.tools.join("kube"))
            .env("HELM_CACHE_HOME", self.tools.join("helm-cache"))
            .env("HELM_CONFIG_HOME", self.tools.join("helm-config"))
            .env("HELM_DATA_HOME", self.tools.join("helm-data"))
            .stdin(Stdio::null());
        command
    }

    /// Stops, starts or restarts a component such as `kube-apiserver`; does not wait until it
    /// serves again.
    pub fn component(&self, action: &str, name: &str) -> Result<()> {
        self.node()?.component(action, name)
    }

    /// An object, by its path in the API; none when there is none.
    pub async fn object(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.client.call(Method::GET, path, None).await?;
        match answer.status {
            200 => Ok(Some(answer.json()?)),
            404 => Ok(None),
            status => bail!("{path} was answered {status}: {}", answer.text()),
        }
    }

    /// The items of a list, by its path in the API.
    pub async fn items(&self, path: &str) -> Result<Vec<Value>> {
        let list = self.object(path).await?.unwrap_or_default();
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Changes an object, by its path in the API.
    pub async fn patch(&self, path: &str, kind: PatchKind, changes: &Value) -> Result<Value> {
        let answer = self.client.patch(path, kind, changes).await?;
        if answer.status != 200 {
            bail!(
                "changing {path} was answered {}: {}",
                answer.status,
                answer.text()
            );
        }
        answer.json()
    }

    /// Removes an object if it is there, as kubectl does it; does not wait until it is gone.
    pub async fn remove(&self, path: &str) -> Result<()> {
        self.delete(&format!("{path}?propagationPolicy=Background")).await
    }

    /// The same, with no time to end for those who want one.
    pub async fn remove_at_once(&self, path: &str) -> Result<()> {
        self.delete(&format!(
            "{path}?gracePeriodSeconds=0&propagationPolicy=Background"
        ))
        .await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let answer = self.client.call(Method::DELETE, path, None).await?;
        match answer.status {
            200 | 202 | 404 => Ok(()),
            status => bail!("removing {path} was answered {status}: {}", answer.text()),
        }
    }

    /// Waits until a Deployment or StatefulSet of namespace `flotta` runs what its newest version
    /// says and nothing else.
    pub async fn rolled_out(&self, kind: &str, name: &str, deadline: Duration) -> Result<()> {
        let path = format!("/apis/apps/v1/namespaces/flotta/{kind}/{name}");
        let done = async || {
            let object = self.object(&path).await.ok().flatten()?;
            is_rolled_out(&object).then_some(())
        };
        wait_for(&format!("{name} to be rolled out"), deadline, done).await
    }

    /// Where a Service of namespace `flotta` is reached from here, at a named port.
    pub async fn service(&self, name: &str, port: &str) -> Result<SocketAddr> {
        if let Kind::Users(users) = &self.kind {
            return users.forward(name, port);
        }
        let path = format!("/api/v1/namespaces/flotta/services/{name}");
        let service = self
            .object(&path)
            .await?
            .with_context(|| format!("there is no Service {name}"))?;
        let ip = service["spec"]["clusterIP"].as_str().unwrap_or_default();
        let ports = service["spec"]["ports"].as_array().into_iter().flatten();
        let number = ports
            .filter(|entry| entry["name"] == port)
            .find_map(|entry| entry["port"].as_u64())
            .with_context(|| format!("Service {name} has no port {port}"))?;
        Ok(SocketAddr::new(ip.parse()?, u16::try_from(number)?))
    }

    /// Takes a throwaway cluster down; an error when something of it is left.
    pub fn down(self) -> Result<()> {
        match &self.kind {
            Kind::Throwaway(node) => node.down(),
            Kind::Users(_) => Ok(()),
        }
    }

    /// Leaves a throwaway cluster running and says how to get in and how to take it down.
    pub fn keep(mut self) -> Result<String> {
        let Kind::Throwaway(node) = &mut self.kind else {
            return Ok("the cluster is yours and was left as it is".to_owned());
        };
        node.keep()?;
        let folder = node.path().display().to_string();
        if let Some(temporary) = self.temporary.take() {
            // Its path is known, and what is in it must outlive this process.
            let _ = temporary.keep();
        }
        Ok(format!(
            "the cluster runs on; look around with\n  {enter} {folder} kubectl get pods --all-namespaces\nand take it down with\n  {down} {folder}",
            enter = place("enter.sh").display(),
            down = place("down.sh").display()
        ))
    }
}

fn users_kubeconfig() -> Option<OsString> {
    env::var_os("KUBECONFIG").filter(|value| !value.is_empty())
}

/// Whether the status speaks of the newest version, and all pods are of it and available.
fn is_rolled_out(object: &Value) -> bool {
    let (spec, status) = (&object["spec"], &object["status"]);
    let count = |field: &str| status[field].as_u64().unwrap_or_default();
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    status["observedGeneration"] == object["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"]
            .iter()
            .all(|field| count(field) == wanted)
}
