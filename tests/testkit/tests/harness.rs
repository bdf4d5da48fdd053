//! The harness against itself: a real kube-apiserver, the real Edge API, a device, and a backend
//! that answers a script.
//!
//! What is asserted of the Edge API here is what the server relies on, so a failure says that the
//! ground has moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use testkit::control_plane::ControlPlane;
use testkit::device::{Device, hardware, is_disconnect, quiet_heartbeat};
use testkit::edge_api::{EdgeApi, Flotta};
use testkit::scripted_backend::{Scripted, ScriptedBackend, Seen};

/// A device's life as a backend sees it: waiting once, then approved, until `deleted` says
/// otherwise.
fn life(deleted: &Arc<AtomicBool>) -> impl Fn(&Seen) -> Scripted + Send + Sync + 'static {
    let deleted = deleted.clone();
    let enrolled = AtomicBool::new(false);
    move |request| {
        let operation = request.path.rsplit('/').next().unwrap_or_default();
        match (request.method.as_str(), operation) {
            ("POST", "enrolment") if enrolled.swap(true, Ordering::SeqCst) => Scripted::empty(200),
            ("POST", "enrolment") => Scripted::empty(201),
            ("GET", "registration") => {
                let status = if deleted.load(Ordering::SeqCst) {
                    "unregistered"
                } else {
                    "registered"
                };
                Scripted::json(200, &json!({"status": status, "namespace": "factory"}))
            }
            ("PUT", "registration" | "heartbeat") => Scripted::empty(200),
            ("GET", "configuration") => Scripted::json(
                200,
                &json!({"device-configuration": {"version": "7", "configuration": {
                    "heartbeat": {"hardware_profile": {}, "period_seconds": 60}, "mounts": [],
                }}}),
            ),
            _ => Scripted::json(404, &json!({"message": "no such operation"})),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_lives_through_the_real_edge_api() -> anyhow::Result<()> {
    let control_plane = ControlPlane::start().await?;
    let flotta = Flotta::prepare(&control_plane).await?;
    let deleted = Arc::new(AtomicBool::new(false));
    let tls = flotta.backend_certificate()?.server_config()?;
    let backend = ScriptedBackend::start(Some(tls), life(&deleted)).await?;
    let edge_api = EdgeApi::start(&control_plane, &backend.url(), Some(&flotta.ca_pem)).await?;
    let mut device = Device::new("device-1", edge_api.provisioning(&flotta).await?);
    let hardware = hardware("Device-1");

    assert_eq!(
        device.poll_control().await?.status,
        401,
        "a register certificate may not poll"
    );
    assert_eq!(device.enrol(&hardware, Some("factory")).await?.status, 200);
    assert_eq!(device.enrol(&hardware, Some("factory")).await?.status, 208);
    assert_eq!(device.register(&hardware).await?.status, 200);
    let first = device.certificate().expect("a certificate").clone();
    assert_eq!(device.register(&hardware).await?.status, 200, "a renewal");
    let second = device.certificate().expect("a certificate");
    assert_eq!(
        first.key().fingerprint(),
        second.key().fingerprint(),
        "a renewal reuses the key"
    );

    let configuration = device.poll_data().await?;
    assert_eq!(configuration.status, 200, "{}", configuration.text());
    assert_eq!(configuration.json()?["content"]["version"], "7");
    let control = device.poll_control().await?;
    assert_eq!((control.status, control.body.len()), (200, 0));
    assert_eq!(device.heartbeat(quiet_heartbeat()).await?.status, 200);
    assert_eq!(device.playbooks().await?.status, 500);

    deleted.store(true, Ordering::SeqCst);
    assert!(is_disconnect(&device.poll_control().await?));

    let seen: Vec<String> = backend
        .seen()
        .iter()
        .map(|request| format!("{} {}", request.method, request.path))
        .collect();
    let path = |namespace: &str, operation: &str| testkit::caller::path(namespace, "device-1", operation);
    assert!(
        seen.contains(&format!("POST {}", path("factory", "enrolment"))),
        "{seen:#?}"
    );
    assert!(
        seen.contains(&format!("GET {}", path("default", "registration"))),
        "{seen:#?}"
    );
    assert!(
        seen.contains(&format!("PUT {}", path("factory", "heartbeat"))),
        "{seen:#?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_api_keeps_its_ca_over_a_restart() -> anyhow::Result<()> {
    let control_plane = ControlPlane::start().await?;
    let flotta = Flotta::prepare(&control_plane).await?;
    let backend = ScriptedBackend::start(None, life(&Arc::default())).await?;
    let mut edge_api = EdgeApi::start(&control_plane, &backend.url(), None).await?;
    let provisioning = edge_api.provisioning(&flotta).await?;
    edge_api.restart().await?;
    let again = Flotta::prepare(&control_plane).await?;
    assert_eq!(again.ca_pem, flotta.ca_pem);
    assert_eq!(again.host_pin(), flotta.host_pin());
    // The register certificate of the earlier start is still good.
    let mut device = Device::new("device-2", provisioning);
    assert_eq!(device.enrol(&hardware("device-2"), None).await?.status, 200);
    Ok(())
}
