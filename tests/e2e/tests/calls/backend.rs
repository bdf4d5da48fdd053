//! The server, called as the Edge API calls it, and what it reports of itself.

use std::fs;

use anyhow::{Context, Result, anyhow};
use calls::{BackendCall, CallError, Fault, call_as_edge_api};
use e2e::{Common, Stage, Store};
use tempfile::TempDir;
use testkit::pki::{Authority, Identity, KeyKind, Profile, write_server_folder};
use testkit::server::{Server, Settings};

use crate::{Material, identity, nonce, report, seen, soon};

async fn fault(call: &BackendCall<'_>) -> Result<CallError> {
    let answer = call_as_edge_api(call, &nonce(), soon()).await;
    answer.err().context("the call should not have worked")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_called_as_the_edge_api_calls_it() -> Result<()> {
    let stage = Stage::new(Store::Sqlite).await?;
    let material = Material::of(&stage.common.flotta)?;
    let (url, nonce) = (stage.server.backend_url(), nonce());

    let answer = call_as_edge_api(&material.call(&url), &nonce, soon()).await?;
    assert_eq!(answer.peer, stage.server.device_plane());
    let report = report(&stage.server).await?;
    assert_eq!(report.not_ready_because, [""; 0]);
    assert!(!report.insecure_http && report.admission.is_none());
    let loaded = report.tls.and_then(|tls| tls.loaded).context("it has material")?;
    let served = answer.certificate.context("it serves a certificate")?;
    assert_eq!((loaded.certificate, loaded.key), (served.fingerprint, served.key));
    assert_eq!(
        (&loaded.names, loaded.not_after),
        (&served.names, served.not_after)
    );
    let ca = material.ca.facts();
    assert_eq!(loaded.authorities, [ca.signing.fingerprint]);
    let host = material.host.facts();
    assert_eq!(loaded.pins, [host.key].into());
    assert_eq!(
        report.store.map(|store| store.id),
        stage.status().await?["store"]["id"].as_str().map(str::to_owned)
    );
    let seen = seen(&stage.server, &nonce)
        .await?
        .context("it has seen the call")?;
    assert_eq!(seen.from, Some(host.key));

    let renewed = stage
        .common
        .flotta
        .authority
        .issue_for(&Profile::host(), stage.common.flotta.host.key())?;
    let renewed = BackendCall {
        identity: &identity(&renewed)?,
        ..material.call(&url)
    };
    call_as_edge_api(&renewed, &nonce, soon())
        .await
        .context("a renewed certificate with the pinned key")?;

    let foreign = Authority::new(KeyKind::P256)?;
    let roots = pki::pem::certificates(foreign.pem().as_bytes()).map_err(|faults| anyhow!("{faults:?}"))?;
    let error = fault(&BackendCall {
        roots: &roots,
        ..material.call(&url)
    })
    .await?;
    assert!(matches!(error.fault, Fault::OtherCa { .. }), "{error}");

    let stranger = identity(&stage.common.flotta.authority.issue(&Profile::host())?)?;
    let error = fault(&BackendCall {
        identity: &stranger,
        ..material.call(&url)
    })
    .await?;
    let key = stranger.facts().key;
    assert!(
        matches!(error.fault, Fault::CertificateRefused { key: told, .. } if told == key),
        "{error}"
    );
    assert!(
        error.to_string().ends_with("; add that public key to its pins"),
        "{error}"
    );

    let foreign_host = identity(&foreign.issue(&Profile::host())?)?;
    let error = fault(&BackendCall {
        identity: &foreign_host,
        ..material.call(&url)
    })
    .await?;
    assert!(
        error
            .to_string()
            .ends_with("; give it the ca.crt of flotta-ca as bundle of client CAs"),
        "{error}"
    );

    let elsewhere = url.replace("/v1", "/v2");
    let error = fault(&material.call(&elsewhere)).await?;
    assert!(
        matches!(error.fault, Fault::Status { status: 404, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("; correct the path in spec.backend.url"),
        "{error}"
    );

    let plain = url.replace("https://", "http://");
    let error = fault(&material.call(&plain)).await?;
    assert!(
        matches!(error.fault, Fault::NotHttp(_) | Fault::Closed),
        "{error:?}"
    );
    assert!(error.to_string().contains("http"), "{error}");
    Ok(())
}

/// A server without an Edge API, with this certificate.
async fn server(certificate: &Identity, common: &Common, flags: [&str; 2]) -> Result<(Server, TempDir)> {
    let folder = tempfile::Builder::new().prefix("flotta-server-").tempdir()?;
    let tls = folder.path().join("tls");
    let flotta = &common.flotta;
    write_server_folder(&tls, certificate, &flotta.ca_pem, &[flotta.host_pin()])?;
    let mut server = Server::launch(Settings::new(folder.path()).tls(&tls).flags(flags))?;
    let ops = server.ops_port();
    let loaded = async || {
        let report = calls::server_report(ops, soon()).await;
        report
            .is_ok_and(|report| report.store.is_some() && report.tls.is_some_and(|tls| tls.loaded.is_some()))
    };
    server
        .process()
        .wait_until(
            "it has material and a store",
            std::time::Duration::from_secs(30),
            loaded,
        )
        .await?;
    Ok((server, folder))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_certificate_for_another_name() -> Result<()> {
    let common = Common::get().await?;
    let material = Material::of(&common.flotta)?;
    let certificate = common
        .flotta
        .authority
        .issue(&Profile::server(&["backend.example"])?)?;
    let (server, _folder) = server(&certificate, &common, ["--approval", "manual"]).await?;
    let error = fault(&material.call(&server.backend_url())).await?;
    let expected = Fault::WrongName {
        host: "localhost".to_owned(),
        names: vec!["backend.example".to_owned()],
    };
    assert_eq!(error.fault, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_ready_says_why() -> Result<()> {
    let common = Common::get().await?;
    let material = Material::of(&common.flotta)?;
    let orders = tempfile::tempdir()?;
    let file = orders.path().join("admission");
    let path = file.to_str().context("a temporary folder has a plain name")?;
    let certificate = common.flotta.backend_certificate()?;
    let (server, _folder) = server(&certificate, &common, ["--admission", path]).await?;
    let waits = report(&server).await?;
    assert!(
        waits
            .not_ready_because
            .iter()
            .any(|reason| reason.contains("admission file")),
        "{waits:?}"
    );
    assert_eq!(waits.admission.and_then(|order| order.admission), None);

    // The probe itself concerns no device; what does is answered 503 then.
    let error = calls::compare(
        &material.call(&server.backend_url()),
        ["x"],
        &mut calls::Comparison::default(),
        soon(),
    )
    .await
    .err();
    let error = error.context("nothing should be compared")?;
    assert!(
        matches!(&error.fault, Fault::Status { status: 503, words } if !words.is_empty()),
        "{error}"
    );

    fs::write(
        &file,
        "admission: Hold\nstoreId: 0198c0de-0000-7000-8000-000000000001\n",
    )?;
    let ops = server.ops_port();
    let other_store = async || {
        let report = calls::server_report(ops, soon()).await;
        report.is_ok_and(|report| {
            let order = report
                .admission
                .filter(|order| order.admission == Some(calls::Admission::Hold));
            order.is_some_and(|order| {
                order.store_id.as_deref() == Some("0198c0de-0000-7000-8000-000000000001")
            })
        })
    };
    testkit::process::wait_until(
        "the order is read",
        std::time::Duration::from_secs(30),
        other_store,
    )
    .await?;
    Ok(())
}
