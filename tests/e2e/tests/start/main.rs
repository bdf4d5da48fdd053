//! Whether the real Edge API starts with what is in its Secrets, beside what `pki::edge_api` says
//! about it.
//!
//! The one proof that the judgement is right: the companion restarts the Edge API on its word.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod issued;
mod material;
mod rows;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use http::Method;
use material::Entries;
use pki::edge_api::{Pair, Secret, start};
use rows::rows;
use serde_json::json;
use testkit::control_plane::ControlPlane;
use testkit::edge_api::EdgeApi;
use testkit::kubernetes::Client;

const SECRETS: &str = "/api/v1/namespaces/flotta/secrets";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_a_start_is_what_it_does() -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let client = control_plane.client();
    let (mut wrong, mut counted) = (Vec::new(), BTreeMap::new());
    for row in rows() {
        put(client, "flotta-ca", row.ca.as_ref()).await?;
        put(client, "flotta-host-certificate", row.host.as_ref()).await?;
        let foretold = start(secret(row.ca.as_ref(), "ca"), secret(row.host.as_ref(), "server"));
        let started = starts(&control_plane).await.with_context(|| row.name.clone())?;
        *counted.entry(started).or_insert(0) += 1;
        if foretold.is_ok() != started {
            let foretold = foretold.map(drop);
            wrong.push(format!(
                "{}: started {started}, but foretold was {foretold:?}",
                row.name
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(
        counted.values().all(|count| *count >= 10) && counted.len() == 2,
        "the rows should be of both kinds: {counted:?}"
    );
    Ok(())
}

/// Starts an Edge API and stops it again. An error when it neither serves nor ends for the reason
/// that is asked about.
async fn starts(control_plane: &ControlPlane) -> Result<bool> {
    // Nothing listens there; the backend is only called when a device comes.
    let Err(error) = EdgeApi::start(control_plane, "http://127.0.0.1:1/", None).await else {
        return Ok(true);
    };
    let text = format!("{error:#}");
    let for_its_material = [
        "Cannot retrieve any MTLS configuration",
        "Cannot create registration client certificate",
    ]
    .iter()
    .any(|sentence| text.contains(sentence));
    if for_its_material { Ok(false) } else { Err(error) }
}

fn secret<'a>(entries: Option<&'a Entries>, stem: &str) -> Secret<'a> {
    entries.map_or(Secret::Missing, |entries| Secret::Present(pair(entries, stem)))
}

fn pair<'a>(entries: &'a Entries, stem: &str) -> Pair<'a> {
    let entry = |ending: &str| entries.get(&format!("{stem}.{ending}")).map(String::as_bytes);
    Pair {
        certificate: entry("crt"),
        key: entry("key"),
    }
}

/// Makes the Secret anew with exactly these entries, or takes it away.
async fn put(client: &Client, name: &str, entries: Option<&Entries>) -> Result<()> {
    let gone = client
        .call(Method::DELETE, &format!("{SECRETS}/{name}"), None)
        .await?;
    ensure!(
        matches!(gone.status, 200 | 404),
        "deleting Secret {name} was answered {}",
        gone.status
    );
    let Some(entries) = entries else {
        return Ok(());
    };
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "flotta"}, "stringData": entries,
    });
    let made = client.call(Method::POST, SECRETS, Some(&object)).await?;
    ensure!(
        made.status == 201,
        "creating Secret {name} was answered {}: {}",
        made.status,
        made.text()
    );
    Ok(())
}
