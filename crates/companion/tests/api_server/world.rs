//! A Flotta in a namespace of a control plane without a node: objects as its manifests make them,
//! and a stand-in for the controllers and the kubelet that make pods of a Deployment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use flotta_companion::{
    cluster::{Cluster, connect},
    control::Parts,
    definition,
    lease::Lease,
    metrics::Metrics,
    rights::{self, Right, Scope},
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{ConfigMap, Pod, Secret},
    },
};
use kube::{
    Api, Client, Config, Resource,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use plan::api::{RemoteBackend, RemoteBackendSpec};
use serde_json::{Value, json};
use testkit::{
    control_plane::{COMPANION_USER, ControlPlane},
    pki::{Authority, KeyKind, Profile},
};
use tokio::{sync::Mutex, task::JoinHandle};

use crate::{calls::Scripted, kubelet, proxy::Proxy};

/// How often the stand-ins look, and conditions are looked at.
pub const TICK: Duration = Duration::from_millis(100);

/// Whatever is waited for has happened by then, unless something is wrong; also where a whole
/// cluster runs beside it.
const DEADLINE: Duration = Duration::from_mins(4);

/// A namespace with a Flotta in it.
pub struct World {
    pub namespace: String,
    pub admin: Client,
    pub calls: Arc<Scripted>,
    pub authority: Authority,
    control_plane: Arc<ControlPlane>,
    kubelet: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.kubelet.abort();
    }
}

/// The control plane that all tests share whose world is a namespace: the one that runs, or a new
/// one. It ends with the last test that holds it.
pub async fn control_plane() -> Result<Arc<ControlPlane>> {
    static RUNNING: Mutex<Weak<ControlPlane>> = Mutex::const_new(Weak::new());
    let mut running = RUNNING.lock().await;
    if let Some(control_plane) = running.upgrade() {
        return Ok(control_plane);
    }
    let control_plane = control_plane_of_its_own().await?;
    *running = Arc::downgrade(&control_plane);
    Ok(control_plane)
}

/// A control plane with the definition of the resource, for a test that changes what is not in a
/// namespace.
pub async fn control_plane_of_its_own() -> Result<Arc<ControlPlane>> {
    if let Ok(level) = std::env::var("TEST_LOG") {
        flotta_companion::telemetry::init(flotta_companion::telemetry::Format::Text, &level);
    }
    let control_plane = Arc::new(ControlPlane::start().await?);
    let admin = admin(&control_plane).await?;
    definition::apply(admin.clone()).await?;
    // Some milliseconds pass from "established" to the first answer.
    let deadline = Instant::now() + DEADLINE;
    let resources: Api<RemoteBackend> = Api::all(admin);
    while let Err(error) = resources.list(&ListParams::default()).await {
        if Instant::now() > deadline {
            bail!("RemoteBackends are not served: {error}");
        }
        tokio::time::sleep(TICK).await;
    }
    Ok(control_plane)
}

/// The administrator.
pub async fn admin(control_plane: &ControlPlane) -> Result<Client> {
    let (upstream, tls) = control_plane.address();
    // It lives as long as the process: the client outlives this function.
    let proxy = Box::leak(Box::new(
        Proxy::start(upstream, tls, control_plane.admin_token()).await?,
    ));
    client_of(proxy, "default")
}

fn client_of(proxy: &Proxy, namespace: &str) -> Result<Client> {
    let mut config = Config::new(format!("http://{}", proxy.address()).parse()?);
    namespace.clone_into(&mut config.default_namespace);
    Ok(connect(config, &flotta_companion::cluster::Requests::default())?)
}

impl World {
    /// Flotta as its manifests install it, our server's pods, and the companion's rights; no
    /// RemoteBackend yet.
    pub async fn new(control_plane: &Arc<ControlPlane>, namespace: &str) -> Result<Self> {
        let admin = admin(control_plane).await?;
        let authority = Authority::new(KeyKind::P256)?;
        let namespace = namespace.to_owned();
        let calls = Arc::new(Scripted::new(admin.clone(), &namespace));
        let kubelet = tokio::spawn(kubelet::run(admin.clone(), namespace.clone(), Arc::clone(&calls)));
        let world = Self {
            namespace,
            admin,
            calls,
            authority,
            control_plane: Arc::clone(control_plane),
            kubelet,
        };
        world.install_flotta().await?;
        world.install_server().await?;
        world
            .grant(&rights::table(&RemoteBackendSpec::default(), &world.namespace))
            .await?;
        Ok(world)
    }

    /// A proxy with the companion's rights, and what a controller is made of behind it.
    pub async fn companion(&self, identity: &str) -> Result<(Proxy, Parts)> {
        let (upstream, tls) = self.control_plane.address();
        let proxy = Proxy::start(upstream, tls, self.control_plane.companion_token()).await?;
        let parts = self.parts(&proxy, identity)?;
        Ok((proxy, parts))
    }

    /// What a controller behind a proxy is made of.
    pub fn parts(&self, proxy: &Proxy, identity: &str) -> Result<Parts> {
        let client = client_of(proxy, &self.namespace)?;
        Ok(Parts {
            lease: Arc::new(Lease::new(client.clone(), &self.namespace, identity)),
            cluster: Cluster::new(client, self.namespace.clone()),
            calls: Arc::clone(&self.calls) as _,
            identity: identity.to_owned(),
            metrics: Arc::new(Metrics::default()),
            health: Arc::default(),
        })
    }

    /// Objects of a kind.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.admin.clone(), &self.namespace)
    }

    /// Creates an object.
    pub async fn create<K>(&self, object: Value) -> Result<K>
    where
        K: Resource<Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
        K::DynamicType: Default,
    {
        self.create_as("kubectl-client-side-apply", object).await
    }

    /// Creates an object under a field manager.
    pub async fn create_as<K>(&self, manager: &str, object: Value) -> Result<K>
    where
        K: Resource<Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::Serialize
            + serde::de::DeserializeOwned,
        K::DynamicType: Default,
    {
        let parameters = PostParams {
            field_manager: Some(manager.to_owned()),
            ..PostParams::default()
        };
        let object: K = serde_json::from_value(object)?;
        Ok(self.api().create(&parameters, &object).await?)
    }

    /// Merges a change into an object.
    pub async fn merge<K>(&self, name: &str, change: Value) -> Result<K>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
        K::DynamicType: Default,
    {
        Ok(self
            .api()
            .patch(name, &PatchParams::default(), &Patch::Merge(change))
            .await?)
    }

    /// Makes the RemoteBackend.
    pub async fn remote_backend(&self, spec: Value) -> Result<RemoteBackend> {
        self.create(json!({
            "apiVersion": "companion.project-flotta.io/v1alpha1", "kind": "RemoteBackend",
            "metadata": {"name": "flotta"}, "spec": spec,
        }))
        .await
    }

    /// The RemoteBackend as it is.
    pub async fn resource(&self) -> Result<RemoteBackend> {
        Ok(self.api().get("flotta").await?)
    }

    /// Waits until a question about the RemoteBackend is answered yes.
    pub async fn wait(
        &self,
        what: &str,
        condition: impl Fn(&RemoteBackend) -> bool,
    ) -> Result<RemoteBackend> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let resource = self.resource().await?;
            if condition(&resource) {
                return Ok(resource);
            }
            if Instant::now() > deadline {
                bail!(
                    "{what} did not come true: {}",
                    serde_json::to_string_pretty(&resource.status)?
                );
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// The Edge API's settings.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>> {
        let config: ConfigMap = self.api().get("flotta-edge-api-config").await?;
        Ok(config.data.unwrap_or_default())
    }

    /// Templates that the Edge API was ever started with.
    pub async fn replica_sets(&self) -> Result<usize> {
        Ok(self
            .api::<ReplicaSet>()
            .list(&ListParams::default())
            .await?
            .items
            .len())
    }

    /// Gives the companion rights.
    pub async fn grant(&self, rights: &[Right]) -> Result<()> {
        for (scope, kind) in [(Scope::Namespace, "Role"), (Scope::Cluster, "ClusterRole")] {
            let rules: Vec<_> = rights
                .iter()
                .filter(|right| right.scope == scope)
                .map(|right| {
                    let mut rule = json!({"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]});
                    if let Some(name) = &right.name {
                        rule["resourceNames"] = json!([name]);
                    }
                    rule
                })
                .collect();
            let group = "rbac.authorization.k8s.io";
            let name = format!("companion-{}", self.namespace);
            let place = match scope {
                Scope::Namespace => format!("/apis/{group}/v1/namespaces/{}", self.namespace),
                Scope::Cluster => format!("/apis/{group}/v1"),
            };
            let role = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": {"name": name}, "rules": rules});
            let binding = json!({
                "apiVersion": format!("{group}/v1"), "kind": format!("{kind}Binding"), "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": kind, "name": name},
                "subjects": [{"apiGroup": group, "kind": "User", "name": COMPANION_USER}],
            });
            let client = self.control_plane.client();
            let plural = kind.to_lowercase();
            let path = format!("{place}/{plural}s");
            client
                .call(http::Method::DELETE, &format!("{path}/{name}"), None)
                .await?;
            client.create(&path, &role).await?;
            client
                .create(&format!("{place}/{plural}bindings"), &binding)
                .await?;
        }
        Ok(())
    }

    async fn install_flotta(&self) -> Result<()> {
        self.control_plane
            .client()
            .create_namespace(&self.namespace)
            .await?;
        self.secret(
            "flotta-ca",
            &[
                ("ca.crt", self.authority.pem()),
                ("ca.key", self.authority.key_pem()?),
            ],
        )
        .await?;
        let host = self.authority.issue(&Profile::host().with_names(&[
            "project-flotta.io",
            "127.0.0.1",
            "::1",
        ])?)?;
        let entries = [
            ("server.crt", host.certificate_pem()),
            ("server.key", host.key().traditional_pem()?),
        ];
        self.secret("flotta-host-certificate", &entries).await?;
        self.create::<ConfigMap>(json!({
            "metadata": {"name": "flotta-edge-api-config"},
            "data": {"METRICS_ADDR": ":8080", "PROBE_ADDR": ":8081", "LOG_LEVEL": "info"},
        }))
        .await?;
        self.create::<Deployment>(kubelet::deployment()).await?;
        let deadline = Instant::now() + DEADLINE;
        while self.replica_sets().await? == 0 {
            if Instant::now() > deadline {
                bail!("the stand-in for the controllers did not start the Edge API");
            }
            tokio::time::sleep(TICK).await;
        }
        Ok(())
    }

    async fn install_server(&self) -> Result<()> {
        let labels = json!({"app.kubernetes.io/name": "edge-config-server"});
        self.create::<k8s_openapi::api::core::v1::Service>(json!({
            "metadata": {"name": "edge-config-server"},
            "spec": {"selector": labels, "ports": [{"name": "device", "port": 8443}]},
        }))
        .await?;
        self.create_as::<Secret>(
            "helm",
            json!({"metadata": {"name": "edge-config-server-tls"}, "type": "Opaque"}),
        )
        .await?;
        self.create::<k8s_openapi::api::coordination::v1::Lease>(
            json!({"metadata": {"name": "flotta-companion"}}),
        )
        .await?;
        for number in 0..2 {
            let name = format!("edge-config-server-{number}");
            let pod: Pod = self
                .create(json!({
                    "metadata": {"name": name, "labels": labels},
                    "spec": {"containers": [{"name": "server", "image": "edge-config-server"}]},
                }))
                .await?;
            kubelet::start(&self.api(), &pod, &format!("10.1.0.{}", number + 1)).await?;
        }
        Ok(())
    }

    /// Writes a Secret, over one that is there.
    pub async fn secret(&self, name: &str, entries: &[(&str, String)]) -> Result<()> {
        let data: BTreeMap<_, _> = entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect();
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        let parameters = PatchParams::apply("kubectl").force();
        self.api::<Secret>()
            .patch(name, &parameters, &Patch::Apply(secret))
            .await?;
        Ok(())
    }
}

/// Whether a condition has this status.
pub fn has(resource: &RemoteBackend, type_: &str, status: &str) -> bool {
    let conditions = resource.status.iter().flat_map(|status| &status.conditions);
    conditions
        .into_iter()
        .any(|condition| condition.type_ == type_ && condition.status == status)
}
