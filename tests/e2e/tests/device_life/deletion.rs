//! Deletion of both kinds, the disconnect, and the way back after the daemon was restarted.

use std::time::Duration;

use anyhow::Result;
use e2e::{Stage, Store, on_both_stores};
use testkit::device::{Device, hardware, is_disconnect, quiet_heartbeat};

on_both_stores!(
    a_forgotten_device_disconnects_and_comes_back_by_itself,
    a_removed_device_comes_back_only_by_a_person,
    a_deleted_device_that_enrols_before_it_was_told_waits,
);

/// A member that was deleted and obeyed.
async fn disconnected(stage: &Stage, mode: &str) -> Result<Device> {
    let mut device = stage.member("device-1", Some("factory")).await?;
    stage.act(&["delete", "device-1", "--mode", mode])?;
    let held = stage.show("device-1")?;
    assert_eq!(
        (held.phase(), held.at("/state/mode").as_str()),
        ("deleted", Some(mode))
    );
    assert!(held.at("/state/told").is_null());

    assert!(is_disconnect(&device.poll_control().await?));
    let told = stage.show("device-1")?.at("/state/told").clone();
    assert!(told.is_string());
    assert!(
        is_disconnect(&device.poll_control().await?),
        "repeated at every poll"
    );
    assert_eq!(
        device.poll_data().await?.status,
        500,
        "a configuration now would keep it from enrolling again"
    );
    assert_eq!(
        device.heartbeat(quiet_heartbeat()).await?.status,
        500,
        "one more can arrive after the command"
    );
    assert_eq!(device.playbooks().await?.status, 500);
    assert_eq!(device.register(&hardware("device-1")).await?.status, 500);

    let held = stage.show("device-1")?;
    assert_eq!(held.at("/state/told"), &told, "when it was told first");
    assert_eq!(held.namespace(), "factory", "the place it had");
    assert_eq!(held.count("ToldUnregistered")?, 1);
    device.restart();
    Ok(device)
}

/// The rest of the way back: registered with its old certificate, as a renewal, with its old key.
async fn is_back(stage: &Stage, device: &mut Device) -> Result<()> {
    assert_eq!(device.register(&hardware("device-1")).await?.status, 200);
    assert_eq!(device.poll_data().await?.status, 200);
    let control = device.poll_control().await?;
    assert_eq!((control.status, control.body.len()), (200, 0));
    assert_eq!(device.heartbeat(quiet_heartbeat()).await?.status, 200);
    let held = stage.show("device-1")?;
    assert_eq!((held.phase(), held.namespace()), ("approved", "factory"));
    assert_eq!(held.keys().len(), 1);
    Ok(())
}

async fn a_forgotten_device_disconnects_and_comes_back_by_itself(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = disconnected(&stage, "forget").await?;
    assert_eq!(
        device.enrol(&hardware("device-1"), Some("factory")).await?.status,
        200
    );
    assert_eq!(
        device.enrol(&hardware("device-1"), Some("factory")).await?.status,
        208
    );
    is_back(&stage, &mut device).await
}

async fn a_removed_device_comes_back_only_by_a_person(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = disconnected(&stage, "remove").await?;
    for _ in 0..3 {
        assert_eq!(
            device.enrol(&hardware("device-1"), Some("factory")).await?.status,
            200
        );
    }
    let control = device.poll_control().await?;
    assert_eq!(
        (control.status, control.body.len()),
        (200, 0),
        "it waits, and is not disconnected for it"
    );
    let held = stage.show("device-1")?;
    assert_eq!(
        (held.phase(), held.conditions()),
        ("waiting", vec!["Returned"]),
        "in spite of automatic approval"
    );

    stage.act(&["approve", "device-1"])?;
    assert_eq!(
        device.enrol(&hardware("device-1"), Some("factory")).await?.status,
        208
    );
    is_back(&stage, &mut device).await
}

async fn a_deleted_device_that_enrols_before_it_was_told_waits(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", Some("factory")).await?;
    stage.act(&["delete", "device-1", "--mode", "forget"])?;
    for _ in 0..2 {
        assert_eq!(
            device.enrol(&hardware("device-1"), Some("factory")).await?.status,
            200
        );
    }
    let held = stage.show("device-1")?;
    assert_eq!((held.phase(), held.count("EnrolmentWaits")?), ("deleted", 2));
    assert!(is_disconnect(&device.poll_control().await?));
    assert_eq!(
        device.enrol(&hardware("device-1"), Some("factory")).await?.status,
        200
    );
    assert_eq!(
        device.enrol(&hardware("device-1"), Some("factory")).await?.status,
        208
    );
    is_back(&stage, &mut device).await
}

/// The one test here that takes its time, so both stores are gone through side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_was_restarted_after_a_silence_can_enrol() -> Result<()> {
    tokio::try_join!(
        comes_back_after_a_silence(Store::Sqlite),
        comes_back_after_a_silence(Store::Postgres)
    )?;
    Ok(())
}

async fn comes_back_after_a_silence(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = disconnected(&stage, "forget").await?;
    // The daemon is down for longer than the 30 s of silence by which a restart is known.
    tokio::time::sleep(Duration::from_secs(31)).await;
    // The restarted daemon polls at once, before its agent has started; a disconnect now would stop
    // it for good.
    assert_eq!(device.poll_data().await?.status, 500);
    for _ in 0..3 {
        let control = device.poll_control().await?;
        assert_eq!((control.status, control.body.len()), (200, 0));
    }
    assert_eq!(stage.show("device-1")?.count("Reappeared")?, 1);
    assert_eq!(
        device.enrol(&hardware("device-1"), Some("factory")).await?.status,
        200
    );
    assert_eq!(
        device.enrol(&hardware("device-1"), Some("factory")).await?.status,
        208
    );
    is_back(&stage, &mut device).await
}
