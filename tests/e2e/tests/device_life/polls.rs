//! Control and data polls, playbooks, and what somebody who is no approved device hears.

use anyhow::Result;
use e2e::{Stage, Store, on_both_stores};
use serde_json::{Value, json};
use testkit::device::{hardware, quiet_heartbeat};

on_both_stores!(
    a_member_polls_a_complete_and_stable_configuration,
    a_member_that_moves_is_served_from_its_new_place,
    nobody_but_a_member_is_served,
    an_id_that_was_lost_is_listed_and_can_be_adopted,
);

async fn a_member_polls_a_complete_and_stable_configuration(store: Store) -> Result<()> {
    let mut stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", Some("factory")).await?;

    let control = device.poll_control().await?;
    assert_eq!(
        (control.status, control.body.len()),
        (200, 0),
        "a member hears nothing on the control channel"
    );

    let message = device.poll_data().await?.json()?;
    assert_eq!(
        (&message["type"], &message["directive"]),
        (&json!("data"), &json!("device"))
    );
    let content = &message["content"];
    assert_eq!(content["device_id"], "device-1");
    // What the agent dereferences has to be there; `mounts` has to stay a list.
    let configuration = &content["configuration"];
    assert_eq!(
        configuration["heartbeat"],
        json!({"hardware_profile": {}, "period_seconds": 60})
    );
    assert_eq!(configuration["mounts"], json!([]));
    assert_eq!(content.get("workloads"), None);
    assert!(
        content["version"]
            .as_str()
            .is_some_and(|version| !version.is_empty())
    );

    // The same device, the same bytes, also from a server that has just started.
    let again = device.poll_data().await?.json()?;
    assert_eq!(&again["content"], content);
    assert!(stage.server.stop()?.success(), "{}", stage.server.log_tail());
    stage.server.start_again().await?;
    assert_eq!(&device.poll_data().await?.json()?["content"], content);

    assert_eq!(
        device.playbooks().await?.status,
        500,
        "an empty list of playbooks is a failure to the Edge API"
    );

    let held = stage.show("device-1")?;
    assert!(held.at("/presence/polled").is_string() && held.at("/presence/asked").is_string());
    assert!(held.at("/presence/beat").is_null());
    assert_eq!(held.at("/connectivity"), "Online");
    assert_eq!(device.heartbeat(quiet_heartbeat()).await?.status, 200);
    assert!(stage.show("device-1")?.at("/presence/beat").is_string());
    Ok(())
}

async fn a_member_that_moves_is_served_from_its_new_place(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", Some("factory")).await?;
    stage.act(&["move", "device-1", "warehouse"])?;
    // Its certificate still says "factory", and so does the path of every call.
    assert_eq!(device.poll_data().await?.status, 200);
    assert_eq!(device.heartbeat(quiet_heartbeat()).await?.status, 200);
    assert_eq!(
        device.register(&hardware("device-1")).await?.status,
        200,
        "it is told its new place"
    );
    assert_eq!(device.poll_data().await?.status, 200);
    let held = stage.show("device-1")?;
    assert_eq!((held.phase(), held.namespace()), ("approved", "warehouse"));
    assert_eq!(held.keys().len(), 1);
    Ok(())
}

/// A certificate of an id that the server does not know: from another store, or from before it was
/// lost.
fn foreign_member(stage: &Stage, id: &str, namespace: &str) -> Result<testkit::device::Device> {
    let profile = testkit::pki::Profile::device(id, namespace);
    let mut device = stage.device(id);
    device.present(stage.common.flotta.authority.issue(&profile)?);
    Ok(device)
}

async fn nobody_but_a_member_is_served(store: Store) -> Result<()> {
    let stage = Stage::with(store, |settings| settings.flags(["--approval", "manual"])).await?;
    let mut unknown = foreign_member(&stage, "device-1", "factory")?;
    let mut waiting = foreign_member(&stage, "device-2", "factory")?;
    assert_eq!(
        waiting
            .enrol(&hardware("device-2"), Some("factory"))
            .await?
            .status,
        200
    );

    for device in [&mut unknown, &mut waiting] {
        let control = device.poll_control().await?;
        assert_eq!(
            (control.status, control.body.len()),
            (200, 0),
            "{}: no disconnect",
            device.id()
        );
        assert_eq!(
            device.poll_data().await?.status,
            500,
            "{}: keeps what it has",
            device.id()
        );
        assert_eq!(
            device.heartbeat(quiet_heartbeat()).await?.status,
            500,
            "{}",
            device.id()
        );
        assert_eq!(device.playbooks().await?.status, 500, "{}", device.id());
    }
    assert!(stage.show("device-1").is_err(), "speaking makes nobody a device");
    let held = stage.show("device-2")?;
    assert_eq!(held.phase(), "waiting");
    assert_eq!(
        held.at("/report/status"),
        "",
        "a heartbeat of somebody not approved changes nothing"
    );

    // Without a certificate of its own it does not even get that far.
    let mut unregistered = stage.device("device-2");
    assert_eq!(unregistered.poll_control().await?.status, 401);
    assert_eq!(unregistered.poll_data().await?.status, 401);
    assert_eq!(unregistered.heartbeat(quiet_heartbeat()).await?.status, 403);
    Ok(())
}

async fn an_id_that_was_lost_is_listed_and_can_be_adopted(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut lost = foreign_member(&stage, "device-1", "factory")?;
    assert_eq!(lost.poll_data().await?.status, 500);
    assert_eq!(lost.poll_control().await?.body.len(), 0);
    assert_eq!(lost.heartbeat(quiet_heartbeat()).await?.status, 500);

    let strays = stage.act(&["strays"])?;
    let stray = strays
        .as_array()
        .and_then(|list| list.first())
        .cloned()
        .unwrap_or(Value::Null);
    assert_eq!(
        (&stray["id"], &stray["namespace"]),
        (&json!("device-1"), &json!("factory")),
        "{strays}"
    );
    // Two polls and the heartbeat, which the Edge API tries four times.
    assert_eq!(stray["count"], 6, "{stray}");
    assert_eq!(stray["operation"], "heartbeat");

    stage.act(&["adopt", "device-1"])?;
    let held = stage.show("device-1")?;
    assert_eq!((held.phase(), held.namespace()), ("approved", "factory"));
    let control = lost.poll_control().await?;
    assert_eq!(
        (control.status, control.body.len()),
        (200, 0),
        "adopted without a disconnect"
    );
    assert_eq!(lost.heartbeat(quiet_heartbeat()).await?.status, 200);
    assert_eq!(
        lost.poll_data().await?.status,
        500,
        "what it runs is not known here, so it keeps it"
    );
    assert_eq!(stage.show("device-1")?.conditions(), ["ConfigurationWithheld"]);
    stage.act(&["release", "device-1"])?;
    assert_eq!(lost.poll_data().await?.status, 200);
    assert_eq!(stage.act(&["strays"])?, json!([]));
    Ok(())
}
