//! Our server on a cluster by plain manifests, with TLS material made here: what a chart and the
//! companion do for users.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::pki::Profile;

use crate::flotta::{Flotta, create_secret};
use crate::{Cluster, Image};

const NAME: &str = "edge-config-server";
const ROLL_OUT: Duration = Duration::from_mins(2);
const MANIFESTS: &str = include_str!("../edge-config-server.yaml");

/// What an Edge API in the cluster is given as `REMOTE_BACKEND_URL`.
pub const URL: &str = "https://edge-config-server.flotta.svc:8443/api/flotta-backend/v1";

/// Deploys the server with a certificate of the Flotta CA, letting in the Edge API's host
/// certificate alone.
pub async fn deploy(cluster: &Cluster, flotta: &Flotta) -> Result<()> {
    let certificate = flotta
        .authority
        .issue(&Profile::server(&["edge-config-server.flotta.svc"])?)?;
    let material = json!({
        "tls.crt": certificate.certificate_pem(),
        "tls.key": certificate.key().pkcs8_pem(),
        "ca.crt": flotta.ca_pem,
        "pins": flotta.host.key().fingerprint(),
    });
    create_secret(cluster, "edge-config-server-tls", material).await?;
    let image = cluster.image(Image::EdgeConfigServer)?;
    cluster.apply(&MANIFESTS.replace("flotta-companion.test/edge-config-server:1", &image))?;
    cluster.rolled_out("statefulsets", NAME, ROLL_OUT).await
}

/// `edge-config-server device ...` in a pod of the server; what it printed, as JSON.
pub fn device(cluster: &Cluster, arguments: &[&str]) -> Result<Value> {
    let command = [
        "--namespace=flotta",
        "exec",
        // Whatever kind of workload the pod is of.
        "service/edge-config-server",
        "--",
        "/edge-config-server",
        "device",
    ];
    let text = cluster.kubectl(&[&command, arguments, &["-o", "json"]].concat())?;
    serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
}
