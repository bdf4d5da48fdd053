//! The caller looks to a server as the Edge API's client does, and keeps or renews connections as it was told.

use serde_json::json;
use testkit::caller::{Caller, Connections, path};
use testkit::pki::{Authority, KeyKind, Profile};
use testkit::scripted_backend::{Scripted, ScriptedBackend};

#[tokio::test]
async fn a_body_ends_with_a_newline_and_the_path_names_the_operation() -> anyhow::Result<()> {
    let backend = ScriptedBackend::start(None, |_| Scripted::empty(200)).await?;
    let mut caller = Caller::plain(backend.address(), Connections::KeptAlive);
    assert_eq!(
        caller
            .heartbeat("factory", "device-1", &json!({"events": null}))
            .await?
            .status,
        200
    );
    let seen = backend.seen();
    assert_eq!(
        (seen[0].method.as_str(), &seen[0].path),
        ("PUT", &path("factory", "device-1", "heartbeat"))
    );
    assert_eq!(&seen[0].body[..], b"{\"events\":null}\n");
    Ok(())
}

#[tokio::test]
async fn connections_are_kept_or_renewed_as_asked() -> anyhow::Result<()> {
    let authority = Authority::new(KeyKind::P256)?;
    let server = authority
        .issue(&Profile::server(&["localhost"])?)?
        .server_config()?;
    let host = authority.issue(&Profile::host())?;
    for (connections, expected) in [(Connections::KeptAlive, 1), (Connections::New, 5)] {
        let backend = ScriptedBackend::start(Some(server.clone()), |_| Scripted::empty(200)).await?;
        let mut caller = Caller::mutual(backend.address(), authority.roots()?, &host, connections)?;
        for _ in 0..5 {
            assert_eq!(caller.configuration("factory", "device-1").await?.status, 200);
        }
        assert_eq!(backend.connections(), expected, "{connections:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_of_another_authority_or_for_another_name_is_refused() -> anyhow::Result<()> {
    let (authority, other) = (Authority::new(KeyKind::P256)?, Authority::new(KeyKind::Rsa)?);
    let host = authority.issue(&Profile::host())?;
    for server in [
        other.issue(&Profile::server(&["localhost"])?)?,
        authority.issue(&Profile::server(&["elsewhere"])?)?,
        authority.issue(&Profile::server(&["localhost"])?.valid(testkit::pki::Validity::Expired))?,
    ] {
        let backend = ScriptedBackend::start(Some(server.server_config()?), |_| Scripted::empty(200)).await?;
        let mut caller = Caller::mutual(backend.address(), authority.roots()?, &host, Connections::New)?;
        assert!(caller.configuration("factory", "device-1").await.is_err());
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_selects_h2_fails_every_call() -> anyhow::Result<()> {
    let authority = Authority::new(KeyKind::P256)?;
    let mut server = (*authority
        .issue(&Profile::server(&["localhost"])?)?
        .server_config()?)
    .clone();
    server.alpn_protocols = vec![b"h2".to_vec()];
    let backend = ScriptedBackend::start(Some(server.into()), |_| Scripted::empty(200)).await?;
    let host = authority.issue(&Profile::host())?;
    let mut caller = Caller::mutual(backend.address(), authority.roots()?, &host, Connections::New)?;
    let error = caller
        .configuration("factory", "device-1")
        .await
        .expect_err("h2 is not spoken");
    assert!(error.to_string().contains("h2"), "{error}");
    Ok(())
}
