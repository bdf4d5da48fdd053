//! Issued certificates in front of the real Edge API: it believes a probe as it would a device, and
//! the server as a backend.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use jiff::Timestamp;
use pki::edge_api::Ca;
use rustls::{RootCertStore, pki_types::ServerName};
use serde_json::json;
use testkit::control_plane::ControlPlane;
use testkit::edge_api::EdgeApi;
use testkit::http_client::{Connection, Tls};
use testkit::pki::Identity;
use testkit::scripted_backend::{Scripted, ScriptedBackend};

use crate::material::{Authority, NOW, p256, p384, rsa};
use crate::{pair, put};

const PREFIX: &str = "/api/flotta-management/v1";
const NONCE: &str = "nonce-1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_reaches_the_backend_and_the_backend_is_believed() -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    for (kind, key) in [("P-256", p256()), ("P-384", p384()), ("RSA", rsa())] {
        through(&control_plane, &Authority::new(key, NOW))
            .await
            .context(kind)?;
    }
    Ok(())
}

async fn through(control_plane: &ControlPlane, authority: &Authority) -> Result<()> {
    let client = control_plane.client();
    let host = authority.host(&p256(), NOW);
    put(client, "flotta-ca", Some(&authority.files.ca())).await?;
    put(client, "flotta-host-certificate", Some(&host.host())).await?;

    let ca = accepted(authority);
    let server = ca
        .issuer()?
        .server(&[ServerName::try_from("localhost")?], Timestamp::now())?;
    let server = Identity::from_pem(&server.chain_pem(), &server.key_pem())?;
    let backend = ScriptedBackend::start(Some(server.server_config()?), |_| Scripted::empty(404)).await?;
    let bundle = &authority.files.certificate;
    let edge_api = EdgeApi::start(control_plane, &backend.url(), Some(bundle)).await?;

    let answers = probe(&edge_api, &ca, &ca).await?;
    assert!(!answers.contains(&401), "a probe was refused: {answers:?}");
    let seen = backend.seen();
    assert!(
        seen.iter().any(|request| request.path.contains(NONCE)),
        "the backend was not reached: {answers:?}, {seen:?}"
    );

    // The same names from another CA: refused, so the answers above say something.
    let stranger = accepted(&Authority::new(p256(), NOW));
    assert_eq!(probe(&edge_api, &ca, &stranger).await?, [401, 401]);
    Ok(())
}

fn accepted(authority: &Authority) -> Ca {
    Ca::accept(pair(&authority.files.ca(), "ca")).unwrap()
}

/// A control poll and a message that means nothing, with a probe certificate of `issuer`.
async fn probe(edge_api: &EdgeApi, trusted: &Ca, issuer: &Ca) -> Result<[u16; 2]> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.signing().der().clone())?;
    let probe = issuer.issuer()?.probe(NONCE, "default", Timestamp::now())?;
    let probe = Identity::from_pem(&probe.chain_pem(), &probe.key_pem())?;
    let tls = Tls {
        config: probe.client_config(roots, &[])?,
        server_name: ServerName::from(edge_api.address().ip()),
    };
    let message = json!({
        "type": "data", "directive": "nothing", "message_id": "1", "version": 1, "sent": "2026-01-01T00:00:00Z", "content": {},
    });
    let control = call(
        edge_api,
        &tls,
        Method::GET,
        format!("control/{NONCE}/in"),
        String::new(),
    );
    let post = call(
        edge_api,
        &tls,
        Method::POST,
        format!("data/{NONCE}/out"),
        message.to_string(),
    );
    Ok([control.await?, post.await?])
}

async fn call(edge_api: &EdgeApi, tls: &Tls, method: Method, path: String, body: String) -> Result<u16> {
    let request = Request::builder()
        .method(method)
        .uri(format!("{PREFIX}/{path}"))
        .header("host", "project-flotta.io")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let mut connection = Connection::open(edge_api.address(), Some(tls)).await?;
    Ok(connection.send(request).await?.status)
}
