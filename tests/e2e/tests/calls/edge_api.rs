//! The real Edge API on each kind of backend, called as a device calls it.

use anyhow::{Context, Result};
use calls::{CallError, EdgeAnswer, EdgeProbe, Fault, Heard, Nonce, probe_edge_api};
use e2e::{Common, Stage, Store};
use http::Method;
use pki::Certificate;
use serde_json::json;
use testkit::edge_api::EdgeApi;
use testkit::kubernetes::Client;
use testkit::pki::Profile;

use crate::{Material, leaf, nonce, seen, soon};

/// `DOMAIN`, as it is by default.
const DOMAIN: &str = "project-flotta.io";

async fn probe(
    edge_api: &EdgeApi,
    material: &Material,
    intended: &Certificate,
    nonce: &Nonce,
) -> Result<Result<EdgeAnswer, CallError>> {
    let probe = EdgeProbe {
        pod: edge_api.address(),
        server_name: DOMAIN,
        intended,
        identity: &material.probe(nonce)?,
        nonce,
    };
    Ok(probe_edge_api(&probe, soon()).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_remote_backend_is_proven_by_what_the_server_saw() -> Result<()> {
    let mut stage = Stage::new(Store::Sqlite).await?;
    let material = Material::of(&stage.common.flotta)?;
    let (intended, first) = (leaf(&stage.common.flotta.host)?, nonce());
    let answer = probe(&stage.edge_api, &material, &intended, &first).await??;
    let nothing = EdgeAnswer {
        heard: Heard::Nothing,
        post: 400,
    };
    assert_eq!(answer, nothing);
    let probed = seen(&stage.server, &first)
        .await?
        .context("the server has seen the probe")?;
    assert_eq!(probed.from, Some(material.host.facts().key));
    assert_eq!(stage.ids()?.len(), 0, "a probe is no device");

    // The same names, key and CA, and not the certificate that is served.
    let flotta = &stage.common.flotta;
    let renewed = leaf(&flotta.authority.issue_for(&Profile::host(), flotta.host.key())?)?;
    let second = nonce();
    let error = probe(&stage.edge_api, &material, &renewed, &second)
        .await?
        .unwrap_err();
    assert!(matches!(error.fault, Fault::OtherLeaf { .. }), "{error}");
    assert_eq!(
        seen(&stage.server, &second).await?,
        None,
        "it was asked all the same"
    );

    // Down, it gives errors to devices, which keep what they have.
    stage.server.stop()?;
    let answer = probe(&stage.edge_api, &material, &intended, &nonce()).await??;
    assert!(
        matches!(answer.heard, Heard::Other { status: 500, .. }),
        "{answer:?}"
    );
    assert_eq!(answer.post, 400);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_ca_is_not_let_in() -> Result<()> {
    let stage = Stage::new(Store::Sqlite).await?;
    let material = Material::of(&stage.common.flotta)?;
    let nonce = nonce();
    let foreign = testkit::pki::Authority::new(testkit::pki::KeyKind::P256)?;
    let probe = EdgeProbe {
        pod: stage.edge_api.address(),
        server_name: DOMAIN,
        intended: material.host.leaf(),
        identity: &crate::identity(&foreign.issue(&Profile::device(&nonce.device_id(), "default"))?)?,
        nonce: &nonce,
    };
    let error = probe_edge_api(&probe, soon()).await.unwrap_err();
    assert_eq!(error.fault, Fault::NotLetIn { method: "GET" });
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_api_without_a_backend_closes_the_connection() -> Result<()> {
    let common = Common::get().await?;
    let material = Material::of(&common.flotta)?;
    for settings in [
        [("BACKEND", "remote"), ("REMOTE_BACKEND_URL", "")],
        [("BACKEND", "remote"), ("REMOTE_BACKEND_URL", "10.0.0.1:8080/x")],
        [
            ("BACKEND", "Remote"),
            ("REMOTE_BACKEND_URL", "http://127.0.0.1:1/"),
        ],
    ] {
        let edge_api = EdgeApi::with_settings(&common.control_plane, &settings, None).await?;
        let answer = probe(&edge_api, &material, material.host.leaf(), &nonce()).await??;
        let closed = EdgeAnswer {
            heard: Heard::ClosedWithoutAnswer,
            post: 400,
        };
        assert_eq!(answer, closed, "{settings:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crd_backend_is_proven_by_the_command_to_disconnect() -> Result<()> {
    let stage = Stage::new(Store::Sqlite).await?;
    let material = Material::of(&stage.common.flotta)?;
    let control_plane = &stage.common.control_plane;
    define_edge_devices(control_plane.client()).await?;
    let settings = [
        ("BACKEND", "crd"),
        ("REMOTE_BACKEND_URL", &*stage.server.backend_url()),
    ];
    let edge_api =
        EdgeApi::with_settings(control_plane, &settings, Some(&stage.common.flotta.ca_pem)).await?;
    let nonce = nonce();
    let answer = probe(&edge_api, &material, material.host.leaf(), &nonce).await??;
    let disconnect = EdgeAnswer {
        heard: Heard::Disconnect,
        post: 400,
    };
    assert_eq!(answer, disconnect);
    assert_eq!(seen(&stage.server, &nonce).await?, None);
    Ok(())
}

/// The one custom resource that a control poll reads, and the right to read it.
async fn define_edge_devices(client: &Client) -> Result<()> {
    const GROUP: &str = "management.project-flotta.io";
    const ROLES: &str = "rbac.authorization.k8s.io";
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("edgedevices.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": {"kind": "EdgeDevice", "listKind": "EdgeDeviceList", "plural": "edgedevices", "singular": "edgedevice"},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    client
        .create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &definition,
        )
        .await?;
    let role = json!({
        "apiVersion": format!("{ROLES}/v1"), "kind": "ClusterRole", "metadata": {"name": "edge-devices"},
        "rules": [{"apiGroups": [GROUP], "resources": ["edgedevices"], "verbs": ["get", "list", "watch"]}],
    });
    let binding = json!({
        "apiVersion": format!("{ROLES}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "edge-devices"},
        "roleRef": {"apiGroup": ROLES, "kind": "ClusterRole", "name": "edge-devices"},
        "subjects": [{"apiGroup": ROLES, "kind": "User", "name": "edge-api"}],
    });
    client
        .create(&format!("/apis/{ROLES}/v1/clusterroles"), &role)
        .await?;
    client
        .create(&format!("/apis/{ROLES}/v1/clusterrolebindings"), &binding)
        .await?;
    let served = async || {
        let path = format!("/apis/{GROUP}/v1alpha1/edgedevices");
        let listed = client.call(Method::GET, &path, None).await;
        listed.is_ok_and(|answer| answer.status == 200)
    };
    testkit::process::wait_until(
        "EdgeDevices are served",
        std::time::Duration::from_secs(30),
        served,
    )
    .await
}
