//! The caller looks to a server as the Edge API's client does, and keeps or renews connections as
//! it was told.

use std::time::Duration;

use serde_json::json;
use testkit::caller::{Caller, Connections, path};
use testkit::device::{Device, GaveUp, Provisioning, quiet_heartbeat};
use testkit::pki::{Authority, KeyKind, Profile};
use testkit::scripted_backend::{Scripted, ScriptedBackend, Seen};

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

/// The agent gives up after a second, the request goes on, and nothing else leaves the device until
/// it has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_agent_that_gives_up_leaves_its_request_under_way() -> anyhow::Result<()> {
    let authority = Authority::new(KeyKind::P256)?;
    let server = authority
        .issue(&Profile::server(&["127.0.0.1"])?)?
        .server_config()?;
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(released);
    // The first heartbeat is answered when the test says so.
    let slow = move |request: &Seen| {
        if request.path.ends_with("/out") {
            // The worker's other tasks must go on meanwhile, or the test waits for itself.
            tokio::task::block_in_place(|| released.lock().map(|released| released.recv().ok()).ok());
        }
        Scripted::empty(200)
    };
    let backend = ScriptedBackend::start(Some(server), slow).await?;
    let provisioning = Provisioning {
        edge_api: backend.address(),
        roots: authority.roots()?,
        register: authority.issue(&Profile::register())?,
        server_name: backend.address().ip().into(),
    };
    let mut device = Device::new("device-1", provisioning).giving_up_after(Duration::from_millis(100));
    let error = device
        .heartbeat(quiet_heartbeat())
        .await
        .expect_err("nobody answers");
    assert!(error.is::<GaveUp>(), "{error:#}");
    assert!(
        device.record().is_empty(),
        "nothing was acknowledged to the agent"
    );
    assert_eq!(
        device.poll_control().await?.status,
        200,
        "polls have loops of their own"
    );
    // Dropping the sender lets every request through.
    drop(release);
    assert_eq!(device.heartbeat(quiet_heartbeat()).await?.status, 200);
    assert_eq!(device.record().len(), 1);
    let posts = backend
        .seen()
        .iter()
        .filter(|request| request.path.ends_with("/out"))
        .count();
    assert_eq!(posts, 2, "the first one had gone on");
    Ok(())
}
