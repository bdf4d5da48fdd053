//! Enrolment: waiting, approved by rule and by a person, rejected, refused for its id.

use anyhow::Result;
use e2e::{Stage, Store, on_both_stores};
use serde_json::json;
use testkit::device::{Acknowledged, hardware};

on_both_stores!(
    automatic_approval_lets_the_second_try_pass,
    a_person_approves_into_another_namespace,
    a_rejected_device_waits_and_may_not_register,
    an_impossible_id_is_never_a_device,
    an_enrolment_without_hardware_is_taken,
);

async fn automatic_approval_lets_the_second_try_pass(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.device("device-1");

    let first = device.enrol(&hardware("Device-1"), Some("factory")).await?;
    assert_eq!(
        (first.status, first.body.len()),
        (200, 0),
        "the first answer is: wait"
    );
    let second = device.enrol(&hardware("Device-1"), Some("factory")).await?;
    assert_eq!((second.status, second.body.len()), (208, 0), "the second: go on");
    assert_eq!(
        device.record(),
        [
            Acknowledged::Enrolment { status: 200 },
            Acknowledged::Enrolment { status: 208 }
        ]
    );

    let held = stage.show("device-1")?;
    assert_eq!((held.phase(), held.namespace()), ("approved", "factory"));
    assert_eq!(held.at("/state/by"), "automatic approval");
    assert_eq!(held.at("/enrolment/namespace"), "factory");
    assert_eq!(
        held.at("/enrolment/features/hardware/hostname"),
        "Device-1",
        "as it came"
    );
    assert_eq!(
        held.count("Approved")?,
        1,
        "repeated enrolments are no further approval"
    );
    assert!(held.keys().is_empty());
    Ok(())
}

async fn a_person_approves_into_another_namespace(store: Store) -> Result<()> {
    let stage = Stage::with(store, |settings| settings.flags(["--approval", "manual"])).await?;
    let mut device = stage.device("device-1");
    for _ in 0..3 {
        assert_eq!(
            device.enrol(&hardware("device-1"), Some("factory")).await?.status,
            200
        );
    }
    let held = stage.show("device-1")?;
    assert_eq!((held.phase(), held.namespace()), ("waiting", "factory"));
    assert_eq!(held.count("WaitingForApproval")?, 1);
    assert_eq!(
        device.register(&hardware("device-1")).await?.status,
        500,
        "not approved, no certificate"
    );
    assert_eq!(stage.show("device-1")?.count("RegistrationRefused")?, 1);

    stage.act(&["approve", "device-1", "--namespace", "warehouse"])?;
    assert_eq!(
        device.enrol(&hardware("device-1"), Some("factory")).await?.status,
        208
    );
    assert_eq!(device.register(&hardware("device-1")).await?.status, 200);
    // The certificate carries the namespace: later calls name it and are served from it.
    assert_eq!(device.poll_data().await?.status, 200);
    let held = stage.show("device-1")?;
    assert_eq!((held.phase(), held.namespace()), ("approved", "warehouse"));
    assert_eq!(
        held.at("/enrolment/namespace"),
        "factory",
        "what it asked for stays known"
    );
    Ok(())
}

async fn a_rejected_device_waits_and_may_not_register(store: Store) -> Result<()> {
    let stage = Stage::with(store, |settings| settings.flags(["--approval", "manual"])).await?;
    let mut device = stage.device("device-1");
    assert_eq!(device.enrol(&hardware("device-1"), None).await?.status, 200);
    stage.act(&["reject", "device-1"])?;
    assert_eq!(device.enrol(&hardware("device-1"), None).await?.status, 200);
    assert_eq!(device.register(&hardware("device-1")).await?.status, 500);

    let held = stage.show("device-1")?;
    assert_eq!((held.phase(), held.namespace()), ("rejected", "default"));
    assert!(held.keys().is_empty());

    stage.act(&["approve", "device-1"])?;
    assert_eq!(device.enrol(&hardware("device-1"), None).await?.status, 208);
    assert_eq!(device.register(&hardware("device-1")).await?.status, 200);
    Ok(())
}

async fn an_impossible_id_is_never_a_device(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    for id in ["under_score", "-edge", &"x".repeat(64)] {
        let mut device = stage.device(id);
        assert_eq!(device.enrol(&hardware("h"), None).await?.status, 400, "{id}");
        assert_eq!(device.register(&hardware("h")).await?.status, 500, "{id}");
    }
    assert_eq!(stage.act(&["list"])?, json!([]));
    Ok(())
}

async fn an_enrolment_without_hardware_is_taken(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.device("device-1");
    // A message without content reaches the backend as `{}`, where Flotta's own backend crashes.
    assert_eq!(device.post("enrolment", &json!({})).await?.status, 200);
    assert_eq!(
        device
            .post("enrolment", &json!({"target_namespace": ""}))
            .await?
            .status,
        208
    );
    let held = stage.show("device-1")?;
    assert_eq!((held.phase(), held.namespace()), ("approved", "default"));
    Ok(())
}
