//! The Secret of our server's pods: all of its entries in one apply, so that no pod ever loads half
//! of them.

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::{Patch, PatchParams};
use pki::{
    Identity,
    edge_api::{Ca, Pair},
};
use plan::{
    Observed,
    action::{CertificateWrite, ServerSecret},
    names::MANAGER,
};
use rustls::pki_types::ServerName;
use serde_json::{Map, Value, json};

use super::{Cluster, Failed, Fault};
use crate::rights::Right;

/// Writes it, with a certificate that is issued now where a new one is wanted.
pub(super) async fn write(
    cluster: &Cluster,
    secret: &ServerSecret,
    observed: &Observed,
    now: Timestamp,
) -> Result<(), Failed> {
    let mut data = Map::new();
    let mut put = |key: &str, value: &[u8]| {
        data.insert(key.to_owned(), json!(ByteString(value.to_vec())));
    };
    match &secret.certificate {
        CertificateWrite::Keep { chain, key } => {
            put("tls.crt", chain);
            put("tls.key", key);
        }
        CertificateWrite::Issue { names, because } => {
            let identity = issue(observed, names, now)?;
            tracing::info!(
                names = names.join(","),
                because,
                fingerprint = %identity.facts().fingerprint,
                "issued a certificate for the server"
            );
            put("tls.crt", identity.chain_pem().as_bytes());
            put("tls.key", identity.key_pem().as_bytes());
        }
        CertificateWrite::None => {}
    }
    put("ca.crt", &secret.ca);
    put("pins", secret.pins.as_bytes());
    put("admission", secret.admission.as_bytes());
    apply(cluster, secret, Value::Object(data)).await
}

async fn apply(cluster: &Cluster, secret: &ServerSecret, data: Value) -> Result<(), Failed> {
    let document = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": secret.object.metadata(),
        "data": data,
    });
    let parameters = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        // It is there for these entries alone; whoever wrote others into them is overruled.
        force: true,
        ..PatchParams::default()
    };
    let right = Right::new("patch", "", "secrets", Some(secret.object.name()));
    match cluster
        .api::<Secret>()
        .patch_metadata(secret.object.name(), &parameters, &Patch::Apply(document))
        .await
    {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(right, error).into()),
    }
}

fn issue(observed: &Observed, names: &[String], now: Timestamp) -> Result<Identity, Failed> {
    let names = names
        .iter()
        .map(|name| {
            ServerName::try_from(name.as_str()).map_err(|_| {
                Failed::because(format!(
                    "{name:?} is neither a DNS name nor an address; correct spec.backend.serverNames"
                ))
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let issuer = ca(observed)?.issuer().map_err(Failed::because)?;
    issuer.server(&names, now).map_err(Failed::because)
}

/// Flotta's CA with its key.
pub(super) fn ca(observed: &Observed) -> Result<Ca, Failed> {
    let name = &observed.resource.spec.edge_api.ca_secret;
    let secret = observed.ca.as_ref().ok_or_else(|| {
        Failed::because(format!(
            "Secret {name} is not there; the Edge API makes it at its first start"
        ))
    })?;
    Ca::accept(pair(secret, "ca.crt", "ca.key")).map_err(|faults| join(name, &faults))
}

/// The Edge API's host certificate with its key.
pub(super) fn host(observed: &Observed) -> Result<Identity, Failed> {
    let name = &observed.resource.spec.edge_api.host_certificate_secret;
    let secret = observed.host.as_ref().ok_or_else(|| {
        Failed::because(format!(
            "Secret {name} is not there; the Edge API makes it at its first start"
        ))
    })?;
    pki::edge_api::accept_host(pair(secret, "server.crt", "server.key")).map_err(|faults| join(name, &faults))
}

fn pair<'a>(secret: &'a Secret, certificate: &str, key: &str) -> Pair<'a> {
    let entry = |name: &str| secret.data.as_ref()?.get(name).map(|value| value.0.as_slice());
    Pair {
        certificate: entry(certificate),
        key: entry(key),
    }
}

fn join(name: &str, faults: &[pki::edge_api::StartFault]) -> Failed {
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    Failed::because(format!("Secret {name}: {}", faults.join("; ")))
}
