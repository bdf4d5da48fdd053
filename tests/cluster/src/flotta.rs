//! Flotta on a cluster, as its users deploy it, and what the test plays in it: its operator and its
//! administrator.

use std::sync::PoisonError;
use std::time::Duration;

use crate::patience::wait_for;
use anyhow::{Context, Result, bail};
use http::Method;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use testkit::device::{Device, Provisioning, hardware, is_disconnect};
use testkit::kubernetes::Secret;
use testkit::pki::{Authority, Identity, Profile};
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use crate::script::{printed, script};
use crate::{Cluster, Image};

/// Until a pod of the Edge API is ready: its image is there, its probes take 10 s.
pub const ROLL_OUT: Duration = Duration::from_mins(2);
/// For what takes a moment to reach every component, such as an object's way into the Edge API's
/// cache.
pub const SOON: Duration = Duration::from_secs(30);
/// For one request; longer than an agent waits, so that a busy machine is no failure.
const TRY: Duration = Duration::from_secs(3);
/// `DOMAIN` of the Edge API, the name in its certificate.
const DOMAIN: &str = "project-flotta.io";
const DEVICES: &str = "/apis/management.project-flotta.io/v1alpha1/namespaces";

/// What Flotta keeps in its Secrets.
#[derive(Debug, Clone)]
pub struct Flotta {
    /// `flotta-ca`.
    pub authority: Authority,
    /// `ca.crt` as it is in the Secret.
    pub ca_pem: String,
    /// `flotta-host-certificate`.
    pub host: Identity,
}

impl Flotta {
    /// Applies Flotta's manifests and waits until the Edge API runs and has made its Secrets.
    pub async fn deploy(cluster: &Cluster) -> Result<Self> {
        cluster.apply(&manifests(cluster)?)?;
        Self::ready(cluster).await
    }

    /// Waits until the Edge API runs, and reads its Secrets.
    pub async fn ready(cluster: &Cluster) -> Result<Self> {
        cluster
            .rolled_out("deployments", "flotta-edge-api", ROLL_OUT)
            .await?;
        Self::read(cluster).await
    }

    /// Reads the Secrets of an Edge API that runs.
    pub async fn read(cluster: &Cluster) -> Result<Self> {
        let ca = secret(cluster, "flotta-ca").await?;
        let host = secret(cluster, "flotta-host-certificate").await?;
        Ok(Self {
            authority: Authority::from_pem(ca.text("ca.crt")?, ca.text("ca.key")?)?,
            ca_pem: ca.text("ca.crt")?.to_owned(),
            host: Identity::from_pem(host.text("server.crt")?, host.text("server.key")?)?,
        })
    }

    /// What a device is provisioned with: the newest register certificate and the CA; it connects
    /// through the Service.
    pub async fn provisioning(&self, cluster: &Cluster) -> Result<Provisioning> {
        let secrets = cluster.client().secrets("flotta", "reg-client-ca=true").await?;
        let newest = secrets
            .last()
            .context("the Edge API has made no register certificate")?;
        Ok(Provisioning {
            edge_api: cluster.service("flotta-edge-api", "yggds").await?,
            server_name: ServerName::try_from(DOMAIN)?,
            roots: self.authority.roots()?,
            register: Identity::from_pem(newest.text("client.crt")?, newest.text("client.key")?)?,
        })
    }
}

/// Flotta's own manifests, less what cannot run everywhere (see `flotta/kustomization.yaml`).
pub fn manifests(cluster: &Cluster) -> Result<String> {
    let text = printed("flotta/render.sh", script("flotta/render.sh").output()?)?;
    let image = cluster.image(Image::EdgeApi)?;
    let text = text.replace("flotta-companion.test/edge-api:1", &image);
    Ok(if cluster.quick_probes { quick(&text) } else { text })
}

/// The same manifests with probes every second; a start may still take as long.
fn quick(manifests: &str) -> String {
    let deployment = |text: &str| {
        if !text.contains("\nkind: Deployment\n") {
            return text.to_owned();
        }
        text.replace("initialDelaySeconds: 5\n", "initialDelaySeconds: 0\n")
            .replace("periodSeconds: 10\n", "periodSeconds: 1\n")
            .replace("failureThreshold: 30\n", "failureThreshold: 300\n")
    };
    let documents: Vec<_> = manifests.split("---\n").map(deployment).collect();
    documents.join("---\n")
}

/// What answers devices behind an Edge API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// The custom resources: a device that they lack is told to disconnect.
    FromCustomResources,
    /// A remote backend: a device that it does not know is told nothing.
    FromRemoteBackend,
}

/// Asks the Edge API which backend it uses, by the one thing that shows it from outside: what a
/// device is told that nobody knows. Its certificate is made here, as the companion does it for its
/// own probes.
pub async fn who_answers(cluster: &Cluster, flotta: &Flotta) -> Result<Answers> {
    let id = format!("stranger-{}", Uuid::new_v4().simple());
    let mut device = Device::new(&id, flotta.provisioning(cluster).await?);
    device.present(flotta.authority.issue(&Profile::device(&id, "default"))?);
    let answer = timeout(TRY, device.poll_control()).await??;
    match answer.status {
        200 if is_disconnect(&answer) => Ok(Answers::FromCustomResources),
        200 => Ok(Answers::FromRemoteBackend),
        status => bail!(
            "the Edge API answered a control poll with {status}: {}",
            answer.text()
        ),
    }
}

/// Waits until the Edge API answers from this backend.
pub async fn answers_until(cluster: &Cluster, flotta: &Flotta, wanted: Answers) -> Result<()> {
    let last = std::sync::Mutex::new(String::from("nothing"));
    let what = format!("the Edge API to answer {wanted:?}");
    let answered = wait_for(&what, SOON, async || {
        let found = who_answers(cluster, flotta).await;
        if found.as_ref().is_ok_and(|found| *found == wanted) {
            return Some(());
        }
        *last.lock().unwrap_or_else(PoisonError::into_inner) = format!("{found:?}");
        None
    });
    let answered = answered.await;
    answered.with_context(|| {
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        format!("its last answer came to: {last}")
    })
}

/// Enrols until the answer is one of these. A Service follows its pods, and the Edge API's cache
/// the API server, a moment later; a connection to a pod that has just ended is never answered, so
/// each try has a deadline, as on a device.
pub async fn enrol_until(device: &mut Device, wanted: &[u16], namespace: &str) -> Result<()> {
    let hardware = hardware(device.id());
    let what = format!("{} to be answered {wanted:?} at enrolment", device.id());
    let last = std::sync::Mutex::new(String::from("nothing"));
    let device = Mutex::new(device);
    let answered = wait_for(&what, SOON, || async {
        let mut device = device.lock().await;
        let outcome = timeout(TRY, device.enrol(&hardware, Some(namespace))).await;
        let said = match &outcome {
            Ok(Ok(answer)) if wanted.contains(&answer.status) => return Some(()),
            Ok(Ok(answer)) => format!("status {}", answer.status),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {TRY:?}"),
        };
        if !matches!(outcome, Ok(Ok(_))) {
            device.restart();
        }
        *last.lock().unwrap_or_else(PoisonError::into_inner) = said;
        None
    });
    let answered = answered.await;
    answered.with_context(|| {
        let last = last.lock().unwrap_or_else(PoisonError::into_inner);
        format!("the last enrolment came to: {last}")
    })
}

async fn secret(cluster: &Cluster, name: &str) -> Result<Secret> {
    let secret = cluster.client().secret("flotta", name).await?;
    secret.with_context(|| format!("the Edge API has not made Secret flotta/{name}"))
}

/// What Flotta's operator does for a device once a person has approved it: an EdgeDevice that may
/// register.
pub async fn approve_as_operator(cluster: &Cluster, device: &str, namespace: &str) -> Result<()> {
    let device = json!({
        "apiVersion": "management.project-flotta.io/v1alpha1", "kind": "EdgeDevice",
        "metadata": {"name": device, "namespace": namespace, "labels": {"edgedeviceSignedRequest": "true"}},
        "spec": {"requestTime": "2026-01-01T00:00:00Z"},
    });
    let collection = format!("{DEVICES}/{namespace}/edgedevices");
    cluster.client().create(&collection, &device).await
}

/// An EdgeDevice, if there is one.
pub async fn edge_device(cluster: &Cluster, device: &str, namespace: &str) -> Result<Option<Value>> {
    cluster
        .object(&format!("{DEVICES}/{namespace}/edgedevices/{device}"))
        .await
}

/// The EdgeDeviceSignedRequest that an enrolment leaves, if there is one. The Edge API keeps them
/// in `default`.
pub async fn signed_request(cluster: &Cluster, device: &str) -> Result<Option<Value>> {
    cluster
        .object(&format!("{DEVICES}/default/edgedevicesignedrequest/{device}"))
        .await
}

/// Switches the Edge API to a backend as a person would by hand, from `edge-api-deployment` of
/// Flotta's documentation and what it leaves out: the Flotta CA among the roots of the process. One
/// restart, awaited.
pub async fn switch_by_hand(cluster: &Cluster, backend_url: &str) -> Result<()> {
    let settings = json!({"data": {"BACKEND": "remote", "REMOTE_BACKEND_URL": backend_url}});
    let settings = settings.to_string();
    cluster.kubectl(&[
        "--namespace=flotta",
        "patch",
        "configmap/flotta-edge-api-config",
        "--type=merge",
        "--patch",
        &settings,
    ])?;
    let template = json!({"spec": {"template": {
        "metadata": {"annotations": {"test/switched-to": backend_url}},
        "spec": {
            "volumes": [{"name": "flotta-ca", "secret": {
                "secretName": "flotta-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }}],
            "containers": [{
                "name": "http",
                "env": [{"name": "SSL_CERT_DIR", "value": "/etc/flotta-ca"}],
                "volumeMounts": [{"name": "flotta-ca", "mountPath": "/etc/flotta-ca", "readOnly": true}],
            }],
        },
    }}});
    let template = template.to_string();
    cluster.kubectl(&[
        "--namespace=flotta",
        "patch",
        "deployment/flotta-edge-api",
        "--type=strategic",
        "--patch",
        &template,
    ])?;
    cluster
        .rolled_out("deployments", "flotta-edge-api", ROLL_OUT)
        .await?;
    alone(cluster).await
}

/// Waits until one pod of the Edge API is left: an old one answers devices from the old backend
/// until it has ended.
pub async fn alone(cluster: &Cluster) -> Result<()> {
    let alone = wait_for("the old pod of the Edge API to end", ROLL_OUT, async || {
        let path = "/api/v1/namespaces/flotta/pods?labelSelector=app%3Dflotta-edge-api";
        (cluster.items(path).await.ok()?.len() == 1).then_some(())
    });
    alone.await
}

/// Creates an object of namespace `flotta` or fails; for Secrets that must not be there yet.
pub async fn create_secret(cluster: &Cluster, name: &str, data: Value) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "flotta"}, "stringData": data,
    });
    let collection = "/api/v1/namespaces/flotta/secrets";
    let answer = cluster
        .client()
        .call(Method::POST, collection, Some(&secret))
        .await?;
    if answer.status != 201 {
        bail!(
            "creating Secret {name} was answered {}: {}",
            answer.status,
            answer.text()
        );
    }
    Ok(())
}
