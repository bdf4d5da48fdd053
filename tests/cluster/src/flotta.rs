//! Flotta on a cluster, as its users deploy it, and what the test plays in it: its operator and its administrator.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::Method;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use testkit::device::Provisioning;
use testkit::kubernetes::Secret;
use testkit::pki::{Authority, Identity};
use testkit::process::wait_for;

use crate::{Cluster, printed, script};

/// Until a pod of the Edge API is ready: its image is there, its probes take 10 s.
pub const ROLL_OUT: Duration = Duration::from_mins(2);
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
        let manifests = printed("flotta/render.sh", script("flotta/render.sh").output()?)?;
        cluster.apply(&manifests)?;
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

    /// What a device is provisioned with: the newest register certificate and the CA; it connects through the Service.
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

async fn secret(cluster: &Cluster, name: &str) -> Result<Secret> {
    let secret = cluster.client().secret("flotta", name).await?;
    secret.with_context(|| format!("the Edge API has not made Secret flotta/{name}"))
}

/// What Flotta's operator does for a device once a person has approved it: an EdgeDevice that may register.
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

/// The EdgeDeviceSignedRequest that an enrolment leaves, if there is one. The Edge API keeps them in `default`.
pub async fn signed_request(cluster: &Cluster, device: &str) -> Result<Option<Value>> {
    cluster
        .object(&format!("{DEVICES}/default/edgedevicesignedrequest/{device}"))
        .await
}

/// Switches the Edge API to a backend as a person would by hand, from `edge-api-deployment` of Flotta's documentation and
/// what it leaves out: the Flotta CA among the roots of the process. One restart, awaited.
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
    // The old pod answers devices from the old backend until it has ended.
    let alone = wait_for("the old pod of the Edge API to end", ROLL_OUT, async || {
        let path = "/api/v1/namespaces/flotta/pods?labelSelector=app%3Dflotta-edge-api";
        let pods = cluster.object(path).await.ok().flatten()?;
        (pods["items"].as_array()?.len() == 1).then_some(())
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
