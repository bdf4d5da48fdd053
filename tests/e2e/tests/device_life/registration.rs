//! Registration: twice, with the first answer lost, with a foreign key, by permission, in a place
//! that changed meanwhile.

use anyhow::{Context, Result};
use e2e::{Stage, Store, on_both_stores};
use testkit::device::{Acknowledged, Device, hardware};
use testkit::pki::{Key, KeyKind};

on_both_stores!(
    registering_twice_keeps_the_key,
    a_lost_answer_locks_nobody_out,
    a_foreign_key_is_refused_once_the_device_was_seen,
    a_permission_lets_a_reinstalled_device_in,
    a_request_that_its_key_did_not_sign_is_refused,
    a_device_that_never_enrolled_gets_no_certificate,
);

fn last_key(device: &Device) -> Result<String> {
    match device.record().last() {
        Some(Acknowledged::Registration { key }) => Ok(key.clone()),
        other => anyhow::bail!("not a registration: {other:?}"),
    }
}

async fn approved(stage: &Stage, id: &str) -> Result<Device> {
    let mut device = stage.device(id);
    assert_eq!(device.enrol(&hardware(id), Some("factory")).await?.status, 200);
    assert_eq!(device.enrol(&hardware(id), Some("factory")).await?.status, 208);
    Ok(device)
}

async fn registering_twice_keeps_the_key(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = approved(&stage, "device-1").await?;
    // Once with the register certificate, ten seconds later once more as a renewal: what a real
    // agent does when its first enrolment was answered "go on".
    let answer = device.register(&hardware("Device-1")).await?;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()?["directive"], "registration");
    let first = last_key(&device)?;
    assert_eq!(device.register(&hardware("Device-1")).await?.status, 200);
    assert_eq!(last_key(&device)?, first);

    let held = stage.show("device-1")?;
    assert_eq!(held.keys(), [first]);
    assert_eq!(held.count("Registered")?, 2);
    assert_eq!(held.at("/report/hardware/hostname"), "Device-1");
    assert_eq!(held.at("/labels/device.hostname"), "device-1");
    assert_eq!(
        held.at("/labels/device.cpu-model"),
        "intelrcoretmi7-6820hqcpu2.70ghz"
    );
    assert_eq!(held.at("/labels/device.system-manufacturer"), "redhat");

    assert_eq!(device.poll_data().await?.status, 200);
    assert_eq!(
        device.register(&hardware("device-1")).await?.status,
        200,
        "a renewal after it was seen"
    );
    assert_eq!(stage.show("device-1")?.keys().len(), 1);
    Ok(())
}

async fn a_lost_answer_locks_nobody_out(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = approved(&stage, "device-1").await?;
    for _ in 0..2 {
        assert_eq!(
            device.register_losing_answer(&hardware("device-1")).await?.status,
            200
        );
    }
    assert!(device.certificate().is_none());
    assert_eq!(
        device.register(&hardware("device-1")).await?.status,
        200,
        "a third key, since two answers were lost"
    );

    let held = stage.show("device-1")?;
    assert_eq!(
        held.keys().len(),
        3,
        "none of them is dropped: a poll does not say which key it came from"
    );
    assert_eq!(held.keys().last(), Some(&last_key(&device)?));
    assert_eq!(held.count("FurtherKeyAccepted")?, 2);
    assert!(held.at("/registration/seen").is_null());

    assert_eq!(device.poll_data().await?.status, 200);
    let held = stage.show("device-1")?;
    assert!(held.at("/registration/seen").is_string());
    assert_eq!(held.keys().len(), 3);
    assert_eq!(held.at("/registrationOpen"), false);
    Ok(())
}

async fn a_foreign_key_is_refused_once_the_device_was_seen(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let device = stage.member("device-1", None).await?;
    let own = stage.show("device-1")?.keys();

    // Somebody with the register certificate asks for this device's certificate, ten seconds apart
    // for ever.
    let mut stranger = stage.device("device-1");
    for _ in 0..3 {
        assert_eq!(stranger.register(&hardware("stranger")).await?.status, 500);
    }
    // And somebody with a certificate of another device.
    let other = stage.member("device-2", None).await?;
    stranger.present(other.certificate().context("a certificate")?.clone());
    assert_eq!(stranger.register(&hardware("stranger")).await?.status, 500);
    assert!(stranger.certificate().is_none());

    let held = stage.show("device-1")?;
    assert_eq!(held.keys(), own);
    assert_eq!(held.count("RegistrationRefused")?, 4, "one event, counted");
    assert_eq!(held.conditions(), ["DuplicateIdentity", "ConfigurationPending"]);
    assert_ne!(
        held.at("/report/hardware/hostname"),
        "stranger",
        "a refused registration changes nothing"
    );

    let mut device = device;
    assert_eq!(
        device.poll_data().await?.status,
        200,
        "nothing is disconnected for it"
    );
    assert_eq!(
        device.register(&hardware("device-1")).await?.status,
        200,
        "its own key still passes"
    );
    Ok(())
}

async fn a_permission_lets_a_reinstalled_device_in(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    drop(stage.member("device-1", None).await?);
    let mut reinstalled = stage.device("device-1");
    assert_eq!(reinstalled.enrol(&hardware("device-1"), None).await?.status, 208);
    assert_eq!(reinstalled.register(&hardware("device-1")).await?.status, 500);

    stage.act(&["allow-registration", "device-1"])?;
    assert_eq!(reinstalled.register(&hardware("device-1")).await?.status, 200);
    let held = stage.show("device-1")?;
    assert_eq!(
        held.keys(),
        [last_key(&reinstalled)?],
        "the permission empties the set"
    );
    assert_eq!(held.count("PermittedKeyAccepted")?, 1);
    assert_eq!(held.conditions(), ["ConfigurationPending"]);
    assert_eq!(reinstalled.poll_data().await?.status, 200);
    assert_eq!(
        stage.show("device-1")?.at("/registrationOpen"),
        true,
        "a poll does not end the permission"
    );
    Ok(())
}

async fn a_request_that_its_key_did_not_sign_is_refused(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = approved(&stage, "device-1").await?;
    let request = Key::generate(KeyKind::P256)?.certificate_request("device-1")?;
    // The Edge API signs it all the same: it does not look at the request's own signature.
    let forged = testkit::pki::with_broken_signature(&request)?;
    assert_eq!(
        device
            .register_with_request(&hardware("device-1"), &forged)
            .await?
            .status,
        500
    );
    let held = stage.show("device-1")?;
    assert!(held.keys().is_empty());
    assert_eq!(held.count("RegistrationRefused")?, 1);
    assert_eq!(
        device
            .register_with_request(&hardware("device-1"), &request)
            .await?
            .status,
        200
    );
    Ok(())
}

async fn a_device_that_never_enrolled_gets_no_certificate(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.device("device-1");
    assert_eq!(device.register(&hardware("device-1")).await?.status, 500);
    assert!(stage.show("device-1").is_err(), "it is no device");
    assert!(stage.act(&["list"])?.as_array().is_some_and(Vec::is_empty));
    Ok(())
}
