//! The order in the admission file, as devices meet it through the real Edge API: on hold, closed,
//! and on a store that is not the fleet's. Nothing of it disconnects a device, and every device
//! that was put off gets in by trying again.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use e2e::{Stage, Store, join, on_both_stores};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::caller::Connections;
use testkit::device::{Device, hardware, is_disconnect, quiet_heartbeat};
use testkit::http_client::Answer;
use testkit::pki::{Profile, replace_file};
use testkit::process::wait_until;

on_both_stores!(
    on_hold_only_devices_of_the_backend_before_register,
    closed_refuses_who_wants_in_and_serves_who_is_in,
    another_store_gives_errors_and_disconnects_nobody,
);

/// How long an order may take to be in force; long, since the machine may be busy.
const IN_FORCE: Duration = Duration::from_secs(30);

/// No store has it.
const OTHER_STORE: &str = "0198c0de-0000-7000-8000-000000000001";

/// A stage whose server is given orders.
struct Ordered {
    stage: Stage,
    file: PathBuf,
    _folder: TempDir,
}

impl Ordered {
    async fn new(store: Store) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("flotta-admission-").tempdir()?;
        let file = folder.path().join("admission");
        fs::write(&file, "admission: Open\n")?;
        let path = file.to_str().context("a temporary folder has a plain name")?;
        let stage = Stage::with(store, |settings| settings.flags(["--admission", path])).await?;
        Ok(Self {
            stage,
            file,
            _folder: folder,
        })
    }

    /// Gives an order and waits until it is in force.
    async fn order(&self, admission: &str, store: Option<&str>) -> Result<()> {
        let mut order = json!({ "admission": admission });
        if let Some(store) = store {
            order["storeId"] = json!(store);
        }
        replace_file(&self.file, &order.to_string())?;
        let in_force = async || {
            self.stage.status().await.is_ok_and(|status| {
                let found = &status["admission"];
                found["admission"] == admission
                    && found["storeId"] == json!(store)
                    && found["faults"] == json!([])
            })
        };
        wait_until("the order is in force", IN_FORCE, in_force).await
    }

    /// A device that another backend registered: it has a certificate, and nobody here knows it.
    fn registered_elsewhere(&self, id: &str) -> Result<Device> {
        let mut device = self.stage.device(id);
        let authority = &self.stage.common.flotta.authority;
        device.present(authority.issue(&Profile::device(id, "default"))?);
        Ok(device)
    }

    /// What the companion is told, as the Edge API's holder of the pinned certificate.
    async fn companion(&self, method: Method, path: &str, body: Option<Value>) -> Result<Answer> {
        let path = format!("/api/flotta-companion/v1{path}");
        let body = body.map(|body| Bytes::from(body.to_string()));
        self.stage
            .caller(Connections::New)?
            .call(method, &path, body)
            .await
    }

    async fn words(&self, ids: Value) -> Result<Value> {
        let answer = self
            .companion(Method::POST, "/comparison", Some(json!({ "devices": ids })))
            .await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Ok(answer.json()?["devices"].clone())
    }

    /// A verification call through the Edge API: what it is answered. It must have been seen,
    /// whatever that is.
    async fn verification_call(&self, nonce: &str) -> Result<u16> {
        let mut probe = self.registered_elsewhere(&format!("flotta-companion-probe-{nonce}"))?;
        let answer = probe.poll_control().await?;
        assert!(!is_disconnect(&answer));
        let status = self.stage.status().await?;
        assert_eq!(status["probes"][0]["nonce"], nonce, "{status}");
        assert_eq!(
            status["probes"][0]["from"],
            self.stage.common.flotta.host_pin().as_str()
        );
        Ok(answer.status)
    }
}

async fn works(device: &mut Device) -> Result<()> {
    let control = device.poll_control().await?;
    assert_eq!((control.status, control.body.len()), (200, 0), "{}", device.id());
    assert_eq!(device.poll_data().await?.status, 200, "{}", device.id());
    assert_eq!(
        device.heartbeat(quiet_heartbeat()).await?.status,
        200,
        "{}",
        device.id()
    );
    Ok(())
}

async fn enrol(device: &mut Device) -> Result<u16> {
    let hardware = hardware(device.id());
    Ok(device.enrol(&hardware, None).await?.status)
}

async fn register(device: &mut Device) -> Result<u16> {
    let hardware = hardware(device.id());
    Ok(device.register(&hardware).await?.status)
}

async fn on_hold_only_devices_of_the_backend_before_register(store: Store) -> Result<()> {
    let ordered = Ordered::new(store).await?;
    let stage = &ordered.stage;
    // Before, devices came in by themselves: nothing else has them.
    let mut own = stage.member("own", None).await?;
    let mut deleted = stage.member("deleted", None).await?;
    ordered.order("Hold", None).await?;
    assert_eq!(ordered.verification_call("on-hold").await?, 200);

    let mut new = stage.device("new");
    for _ in 0..3 {
        assert_eq!(enrol(&mut new).await?, 200, "wait");
        assert_eq!(register(&mut new).await?, 500, "no certificate");
    }
    assert!(new.certificate().is_none());
    assert!(stage.show("new").is_err(), "nothing is recorded of it");
    assert_eq!(stage.act(&["strays"])?[0]["id"], "new");

    assert_eq!((enrol(&mut own).await?, register(&mut own).await?), (208, 500));
    works(&mut own).await?;

    let mut adopted = ordered.registered_elsewhere("adopted")?;
    let control = adopted.poll_control().await?;
    assert_eq!((control.status, control.body.len()), (200, 0));
    stage.act(&["adopt", "adopted", "--release", "--confirm"])?;
    assert_eq!(
        (enrol(&mut adopted).await?, register(&mut adopted).await?),
        (208, 200)
    );
    adopted.present_own();
    works(&mut adopted).await?;

    stage.act(&["delete", "deleted"])?;
    for _ in 0..3 {
        let control = deleted.poll_control().await?;
        assert_eq!(
            (control.status, control.body.len()),
            (200, 0),
            "nobody is disconnected"
        );
    }
    let words = ordered.words(json!(["own", "adopted", "deleted", "new"])).await?;
    assert_eq!(
        words,
        json!({"own": "Approved", "adopted": "Approved", "deleted": "Deleted", "new": "Unknown"})
    );

    ordered.order("Open", None).await?;
    join(&mut new, None).await?;
    works(&mut new).await?;
    assert_eq!((enrol(&mut own).await?, register(&mut own).await?), (208, 200));
    assert!(is_disconnect(&deleted.poll_control().await?));
    Ok(())
}

async fn closed_refuses_who_wants_in_and_serves_who_is_in(store: Store) -> Result<()> {
    let ordered = Ordered::new(store).await?;
    let stage = &ordered.stage;
    let mut member = stage.member("member", None).await?;
    ordered.order("Closed", None).await?;
    assert_eq!(ordered.verification_call("closed").await?, 200);

    let mut new = stage.device("new");
    for device in [&mut new, &mut member] {
        assert_eq!((enrol(device).await?, register(device).await?), (400, 500));
    }
    works(&mut member).await?;
    let listed = ordered.companion(Method::GET, "/devices", None).await?.json()?;
    assert_eq!(
        listed["devices"],
        json!([{"id": "member", "phase": "Approved"}]),
        "what is counted now stays"
    );
    let refused = r#"edge_config_admission_refusals_total{operation="enrolment",because="closed"}"#;
    assert!((stage.metric(refused).await? - 2.0).abs() < f64::EPSILON);

    ordered.order("Open", None).await?;
    join(&mut new, None).await?;
    assert_eq!(
        (enrol(&mut member).await?, register(&mut member).await?),
        (208, 200)
    );
    works(&mut member).await
}

async fn another_store_gives_errors_and_disconnects_nobody(store: Store) -> Result<()> {
    let mut ordered = Ordered::new(store).await?;
    let stage = &ordered.stage;
    let mut member = stage.member("member", None).await?;
    let mut deleted = stage.member("deleted", None).await?;
    stage.act(&["delete", "deleted"])?;
    let mut stranger = ordered.registered_elsewhere("stranger")?;
    let mut new = stage.device("new");
    let id = stage.status().await?["store"]["id"]
        .as_str()
        .context("the store has an id")?
        .to_owned();

    ordered.order("Open", Some(OTHER_STORE)).await?;
    let ready = stage.server.ops("/readyz").await?;
    assert_eq!(ready.status, 503);
    let expected = format!(
        "not ready: this is store {id}, but the fleet is recorded in store {OTHER_STORE}: bring back"
    );
    assert!(ready.text().starts_with(&expected), "{}", ready.text());
    for device in [&mut member, &mut deleted, &mut stranger] {
        let id = device.id().to_owned();
        assert_eq!(
            device.poll_control().await?.status,
            500,
            "{id} is not disconnected"
        );
        assert_eq!(device.poll_data().await?.status, 500, "{id} keeps what it has");
        assert_eq!(device.heartbeat(quiet_heartbeat()).await?.status, 500, "{id}");
        assert_eq!(
            (enrol(device).await?, register(device).await?),
            (400, 500),
            "{id}"
        );
    }
    assert_eq!((enrol(&mut new).await?, register(&mut new).await?), (400, 500));
    assert_eq!(ordered.verification_call("foreign").await?, 500);
    for (method, path, body) in [
        (Method::POST, "/comparison", Some(json!({"devices": ["member"]}))),
        (Method::GET, "/devices", None),
    ] {
        let answer = ordered.companion(method, path, body).await?;
        assert_eq!(answer.status, 503);
        assert!(
            answer.text().contains("the fleet is recorded in store"),
            "{}",
            answer.text()
        );
    }
    let mut expected = vec!["deleted".to_owned(), "member".to_owned()];
    expected.sort();
    assert_eq!(
        stage.ids()?.into_iter().collect::<Vec<_>>(),
        expected,
        "nothing was recorded"
    );

    ordered.order("Open", Some(&id)).await?;
    ordered.stage.server.wait_until_ready().await?;
    works(&mut member).await?;
    assert!(is_disconnect(&deleted.poll_control().await?));
    join(&mut new, None).await
}
