//! What wakes the loop up: watches of the objects that a round reads, one by one by their names.
//!
//! Only metadata is watched and nothing of it is kept: an event says that something changed, never
//! what. A watch that fails is begun anew, later and later; the loop's tick sees what it misses.
//! That is why one that ends, which only a defect makes it do, is begun anew as well and does not
//! end the companion.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    sync::Arc,
};

use futures::StreamExt as _;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Namespace, Pod, Secret},
    },
};
use kube::{
    Api, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Config, DefaultBackoff},
    },
};
use plan::{Observed, api::RemoteBackend};
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinError, JoinSet},
};

use super::{
    Cluster,
    observe::{selector, service_selector},
};

/// Something that is watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// All of them in the namespace.
    RemoteBackends,
    /// The namespace itself.
    Namespace,
    /// By its name.
    ConfigMap(String),
    /// By its name.
    Secret(String),
    /// By its name.
    Deployment(String),
    /// By their labels.
    Pods(String),
}

impl Target {
    /// What is watched before anything was observed.
    pub fn always() -> BTreeSet<Self> {
        BTreeSet::from([Self::RemoteBackends, Self::Namespace])
    }

    /// What is watched because of a resource.
    pub fn of(observed: &Observed) -> impl Iterator<Item = Self> + use<> {
        let spec = &observed.resource.spec;
        let pods = [
            observed.deployment.as_deref().and_then(selector),
            observed
                .server_service
                .as_ref()
                .and_then(|service| service_selector(service)),
        ];
        [
            Self::ConfigMap(spec.edge_api.config_map.clone()),
            Self::Secret(spec.edge_api.ca_secret.clone()),
            Self::Secret(spec.edge_api.host_certificate_secret.clone()),
            Self::Secret(spec.backend.secret.clone()),
            Self::Deployment(spec.edge_api.deployment.clone()),
        ]
        .into_iter()
        .chain(
            pods.into_iter()
                .flatten()
                .map(|selector| Self::Pods(selector.to_string())),
        )
    }
}

/// Watches under way.
#[derive(Debug)]
pub struct Watches {
    cluster: Cluster,
    woken: Arc<Notify>,
    tasks: JoinSet<()>,
    running: BTreeMap<Target, AbortHandle>,
}

impl Watches {
    /// None yet.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            woken: Arc::default(),
            tasks: JoinSet::new(),
            running: BTreeMap::new(),
        }
    }

    /// Watches these from here on, and no others.
    pub fn watch(&mut self, targets: BTreeSet<Target>) {
        self.running.retain(|target, task| {
            let wanted = targets.contains(target);
            if !wanted {
                task.abort();
            }
            // One that has ended is begun anew below.
            wanted && !task.is_finished()
        });
        while let Some(ended) = self.tasks.try_join_next() {
            tell(ended);
        }
        for target in targets {
            if !self.running.contains_key(&target) {
                let task = self.begin(&target);
                self.running.insert(target, task);
            }
        }
    }

    /// Ends when something has changed since the last call.
    pub async fn changed(&self) {
        self.woken.notified().await;
    }

    /// Makes [`Watches::changed`] end.
    pub fn handle(&self) -> Arc<Notify> {
        Arc::clone(&self.woken)
    }

    fn begin(&mut self, target: &Target) -> AbortHandle {
        let named = |name: &str| Config::default().fields(&format!("metadata.name={name}"));
        match target {
            Target::RemoteBackends => self.namespaced::<RemoteBackend>(Config::default()),
            Target::Namespace => {
                let namespaces = Api::all(self.cluster.client().clone());
                let name = self.cluster.namespace().to_owned();
                self.spawn::<Namespace>(namespaces, named(&name))
            }
            Target::ConfigMap(name) => self.namespaced::<ConfigMap>(named(name)),
            Target::Secret(name) => self.namespaced::<Secret>(named(name)),
            Target::Deployment(name) => self.namespaced::<Deployment>(named(name)),
            Target::Pods(labels) => self.namespaced::<Pod>(Config::default().labels(labels)),
        }
    }

    fn namespaced<K>(&mut self, config: Config) -> AbortHandle
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        let api = Api::namespaced(self.cluster.client().clone(), self.cluster.namespace());
        self.spawn::<K>(api, config)
    }

    fn spawn<K>(&mut self, api: Api<PartialObjectMeta<K>>, config: Config) -> AbortHandle
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Send + Sync + 'static,
    {
        let woken = Arc::clone(&self.woken);
        self.tasks.spawn(async move {
            let mut events = pin!(watcher::watcher(api, config).backoff(DefaultBackoff::default()));
            while let Some(event) = events.next().await {
                match event {
                    // The list at the beginning holds what the round before it has read, or is
                    // about to.
                    Ok(watcher::Event::Apply(_) | watcher::Event::Delete(_) | watcher::Event::InitDone) => {
                        woken.notify_one();
                    }
                    Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => {}
                    // Never the error itself: it may quote an object.
                    Err(_) => tracing::debug!(kind = %K::kind(&()), "a watch failed and is begun anew"),
                }
            }
        })
    }
}

/// Says why a watch has ended that nobody has ended.
fn tell(ended: Result<(), JoinError>) {
    let reason = match ended.map_err(JoinError::try_into_panic) {
        Ok(()) => "it returned".to_owned(),
        Err(Ok(panic)) => format!("it panicked: {}", tasks::panic_message(&*panic)),
        Err(Err(_)) => return,
    };
    tracing::error!(
        reason,
        "a watch has ended because of a defect in this program; it is begun anew"
    );
}

#[cfg(test)]
mod tests {
    use kube::Config as ClientConfig;

    use super::*;
    use crate::cluster::{Requests, connect};

    #[tokio::test]
    async fn a_watch_that_has_ended_is_begun_anew() {
        let away = ClientConfig::new("http://127.0.0.1:1".parse().unwrap());
        let client = connect(away, &Requests::default()).unwrap();
        let mut watches = Watches::new(Cluster::new(client, "flotta"));
        watches.watch(Target::always());
        let ended: Vec<_> = watches.running.values().cloned().collect();
        for task in &ended {
            task.abort();
        }
        while !ended.iter().all(AbortHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        watches.watch(Target::always());
        assert_eq!(watches.running.len(), ended.len());
        assert!(watches.running.values().all(|task| !task.is_finished()));
    }
}
