//! The calls that prove a switch, made to the real server and the real Edge API: what each of them
//! says where all is well, and that it says what is wrong where something is.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod backend;
mod devices;
mod edge_api;

use std::time::Duration;

use anyhow::{Result, anyhow};
use calls::{BackendCall, Nonce, ProbeSeen, ServerReport, server_report};
use jiff::Timestamp;
use pki::{
    Certificate, Identity,
    edge_api::{Ca, Pair, accept_host},
};
use rustls::pki_types::CertificateDer;
use testkit::{edge_api::Flotta, server::Server};
use tokio::time::Instant;
use uuid::Uuid;

/// Long, since the machine may be busy.
fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn nonce() -> Nonce {
    Nonce::new(Uuid::new_v4().simple().to_string()).unwrap()
}

/// What is in Flotta's Secrets, as the companion reads it.
struct Material {
    ca: Ca,
    host: Identity,
    roots: Vec<CertificateDer<'static>>,
}

impl Material {
    fn of(flotta: &Flotta) -> Result<Self> {
        let ca = Ca::accept(Pair {
            certificate: Some(flotta.ca_pem.as_bytes()),
            key: Some(flotta.authority.key_pem()?.as_bytes()),
        });
        Ok(Self {
            ca: ca.map_err(|faults| anyhow!("{faults:?}"))?,
            host: identity(&flotta.host)?,
            roots: pki::pem::certificates(flotta.ca_pem.as_bytes())
                .map_err(|faults| anyhow!("{faults:?}"))?,
        })
    }

    fn call<'a>(&'a self, url: &'a str) -> BackendCall<'a> {
        BackendCall {
            url,
            identity: &self.host,
            roots: &self.roots,
        }
    }

    /// A certificate to probe an Edge API with.
    fn probe(&self, nonce: &Nonce) -> Result<Identity> {
        let issuer = self.ca.issuer()?;
        Ok(issuer.probe(&nonce.device_id(), "default", Timestamp::now())?)
    }
}

fn identity(of: &testkit::pki::Identity) -> Result<Identity> {
    let identity = accept_host(Pair {
        certificate: Some(of.certificate_pem().as_bytes()),
        key: Some(of.key().traditional_pem()?.as_bytes()),
    });
    identity.map_err(|faults| anyhow!("{faults:?}"))
}

fn leaf(of: &testkit::pki::Identity) -> Result<Certificate> {
    Ok(Certificate::parse(of.leaf().clone())?)
}

async fn report(server: &Server) -> Result<ServerReport> {
    Ok(server_report(server.ops_port(), soon()).await?)
}

/// The verification call with this nonce, if the server saw it.
async fn seen(server: &Server, nonce: &Nonce) -> Result<Option<ProbeSeen>> {
    let probes = report(server).await?.probes;
    Ok(probes.into_iter().find(|probe| probe.nonce == nonce.as_str()))
}
