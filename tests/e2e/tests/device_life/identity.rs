//! Who is who: two spellings of one id, a forger, two devices at once.

use anyhow::Result;
use e2e::{Stage, Store, on_both_stores};
use serde_json::Value;
use testkit::device::{Device, hardware, heartbeat_with_event, quiet_heartbeat};
use testkit::pki::Profile;

on_both_stores!(
    two_spellings_are_one_device,
    a_forged_heartbeat_proves_nothing,
    two_devices_at_once_stay_apart,
);

async fn two_spellings_are_one_device(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.member("Device-A", Some("factory")).await?;
    assert_eq!(stage.show("device-a")?.at("/spelling"), "Device-A");

    // The Edge API compares a certificate's name with the id in the URL without regard to case.
    device.spell("DEVICE-A");
    assert_eq!(
        device.poll_data().await?.json()?["content"]["device_id"],
        "device-a"
    );
    assert_eq!(
        device
            .heartbeat(heartbeat_with_event("info", "First", "in capitals"))
            .await?
            .status,
        200
    );
    device.spell("device-a");
    assert_eq!(device.poll_control().await?.status, 200);
    assert_eq!(
        device
            .heartbeat(heartbeat_with_event("info", "Second", "in lower case"))
            .await?
            .status,
        200
    );
    device.spell("DEVICE-a");
    assert_eq!(device.enrol(&hardware("h"), Some("factory")).await?.status, 208);
    assert_eq!(device.register(&hardware("h")).await?.status, 200);

    let list = stage.act(&["list"])?;
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    let held = stage.show("dEVICE-a")?;
    assert_eq!(
        (held.at("/id"), held.at("/spelling")),
        (&"device-a".into(), &"DEVICE-a".into())
    );
    assert_eq!((held.count("First")?, held.count("Second")?), (1, 1));
    assert_eq!(held.keys().len(), 1);
    Ok(())
}

async fn a_forged_heartbeat_proves_nothing(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.device("device-1");
    assert_eq!(
        device.enrol(&hardware("device-1"), Some("factory")).await?.status,
        200
    );
    assert_eq!(
        device.register_losing_answer(&hardware("device-1")).await?.status,
        200
    );

    // A leaf of the forger's own making in front of a certificate that Flotta signed: the Edge API
    // takes the identity from the first one and the signature from any, on POST requests.
    let leaf = Profile::device("device-1", "factory").self_signed()?;
    let mut forger = stage.device("device-1");
    forger.present(leaf.clone().followed_by(&stage.provisioning.register));
    let answer = forger
        .heartbeat(heartbeat_with_event("warn", "Forged", "not from the device"))
        .await?;
    assert_eq!(
        answer.status, 200,
        "nobody behind the Edge API can tell it from a real one"
    );
    assert_eq!(
        forger.poll_data().await?.status,
        401,
        "on GET requests every certificate is looked at"
    );
    assert_eq!(forger.poll_control().await?.status, 401);
    // The leaf alone is not enough.
    forger.present(leaf);
    assert_eq!(forger.heartbeat(quiet_heartbeat()).await?.status, 401);

    let held = stage.show("device-1")?;
    assert_eq!(held.count("Forged")?, 1);
    assert!(
        held.at("/registration/seen").is_null(),
        "a heartbeat does not close the gate"
    );
    assert!(held.at("/presence/polled").is_null());
    assert_eq!(
        device.register(&hardware("device-1")).await?.status,
        200,
        "so the device is not locked out"
    );
    assert_eq!(device.poll_data().await?.status, 200);
    assert!(stage.show("device-1")?.at("/registration/seen").is_string());
    Ok(())
}

async fn two_devices_at_once_stay_apart(store: Store) -> Result<()> {
    const BEATS: usize = 20;

    async fn live(stage: &Stage, id: &str, namespace: &str) -> Result<Device> {
        let mut device = stage.member(id, Some(namespace)).await?;
        for beat in 0..BEATS {
            let beat = heartbeat_with_event("info", &format!("Beat{beat}"), id);
            assert_eq!(device.heartbeat(beat).await?.status, 200);
            assert_eq!(device.poll_control().await?.status, 200);
            assert_eq!(device.poll_data().await?.json()?["content"]["device_id"], id);
        }
        Ok(device)
    }

    let stage = Stage::new(store).await?;
    let (one, two) = tokio::try_join!(
        live(&stage, "device-1", "factory"),
        live(&stage, "device-2", "warehouse")
    )?;
    for (device, namespace) in [(&one, "factory"), (&two, "warehouse")] {
        let held = stage.show(device.id())?;
        assert_eq!((held.phase(), held.namespace()), ("approved", namespace));
        let key = device
            .certificate()
            .map(|certificate| certificate.key().fingerprint());
        assert_eq!(held.keys(), Vec::from_iter(key));
        for beat in 0..BEATS {
            let event = held.event(&format!("Beat{beat}"))?.unwrap_or(Value::Null);
            assert_eq!(
                (&event["count"], event["message"].as_str()),
                (&1.into(), Some(device.id()))
            );
        }
    }
    assert_eq!(stage.act(&["list"])?.as_array().map(Vec::len), Some(2));
    Ok(())
}
