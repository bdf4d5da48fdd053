//! Heartbeats as devices really send them: with and without hardware, with events, copies, and
//! every odd value.

use anyhow::Result;
use e2e::{Stage, Store, on_both_stores};
use serde_json::{Value, json};
use testkit::device::{heartbeat_with_event, quiet_heartbeat};

on_both_stores!(
    a_quiet_heartbeat_is_acknowledged,
    partial_hardware_is_merged_and_never_wipes,
    events_are_counted_and_copies_are_not,
    podman_states_and_odd_dates_are_kept_as_meant,
    null_list_elements_are_skipped,
    a_version_that_alternates_is_a_condition,
    a_body_far_larger_than_usual_is_taken_and_cut,
);

async fn a_quiet_heartbeat_is_acknowledged(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", None).await?;
    let answer = device.heartbeat(quiet_heartbeat()).await?;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    // The least that a heartbeat can be.
    assert_eq!(device.heartbeat(json!({})).await?.status, 200);
    let held = stage.show("device-1")?;
    assert!(held.at("/presence/beat").is_string());
    assert_eq!(held.at("/report/workloads"), &json!({}));
    Ok(())
}

async fn partial_hardware_is_merged_and_never_wipes(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", None).await?;
    let known = stage.show("device-1")?.at("/report/hardware").clone();
    assert!(known["cpu"]["model_name"].is_string() && known["system_vendor"].is_object());

    // Later heartbeats: host name, interfaces and mounts only.
    let mut beat = quiet_heartbeat();
    beat["hardware"] = json!({
        "hostname": "Renamed.Local", "interfaces": null, "host_devices": null, "disks": null, "gpus": null,
        "mounts": [{"device": "/dev/vdb1", "directory": "/data", "type": "xfs", "options": "(rw,relatime)"}],
    });
    assert_eq!(device.heartbeat(beat).await?.status, 200);
    let held = stage.show("device-1")?;
    assert_eq!(held.at("/report/hardware/hostname"), "Renamed.Local");
    assert_eq!(held.at("/report/hardware/mounts/0/options"), "(rw,relatime)");
    assert_eq!(held.at("/report/hardware/cpu"), &known["cpu"]);
    assert_eq!(held.at("/report/hardware/system_vendor"), &known["system_vendor"]);
    assert_eq!(held.at("/report/hardware/interfaces"), &known["interfaces"]);
    assert_eq!(held.at("/labels/device.hostname"), "renamed.local");
    assert_eq!(
        held.at("/labels/device.system-product"),
        "kvm",
        "labels are never removed"
    );

    // Scope "delta" when nothing changed: nothing but nulls.
    let before = held.at("/report/hardware").clone();
    let mut beat = quiet_heartbeat();
    beat["hardware"] =
        json!({"disks": null, "gpus": null, "host_devices": null, "interfaces": null, "mounts": null});
    assert_eq!(device.heartbeat(beat).await?.status, 200);
    assert_eq!(stage.show("device-1")?.at("/report/hardware"), &before);

    // A machine without DMI, and a host name that leaves no label value as Flotta would make it.
    let mut beat = quiet_heartbeat();
    beat["hardware"] = json!({
        "hostname": format!("-{}-é", "long".repeat(20)),
        "system_vendor": {"manufacturer": "unknown", "product_name": "unknown", "serial_number": "unknown"},
    });
    assert_eq!(device.heartbeat(beat).await?.status, 200);
    let held = stage.show("device-1")?;
    assert_eq!(
        held.at("/labels/device.hostname"),
        &json!("long".repeat(20)[..63]),
        "trimmed again and cut at 63"
    );
    assert_eq!(held.at("/labels/device.system-serial"), "unknown");
    Ok(())
}

async fn events_are_counted_and_copies_are_not(store: Store) -> Result<()> {
    let mut stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", None).await?;
    let beat = heartbeat_with_event("warn", "Failed", "cannot pull <image> & \"more\": ☹");
    for _ in 0..3 {
        assert_eq!(device.heartbeat(beat.clone()).await?.status, 200);
    }
    let held = stage.show("device-1")?;
    let event = held.event("Failed")?.unwrap_or(Value::Null);
    assert_eq!(
        (&event["count"], &event["severity"]),
        (&json!(1), &json!("Warning")),
        "copies count once: {event}"
    );
    assert_eq!(event["message"], "cannot pull <image> & \"more\": ☹");

    // Copies are recognised from what is stored: also by a server that has just been killed and
    // started again.
    let beat = heartbeat_with_event("info", "Started", "pod nginx started");
    assert_eq!(device.heartbeat(beat.clone()).await?.status, 200);
    stage.server.kill()?;
    stage.server.start_again().await?;
    let copy = device.heartbeat(beat.clone()).await?;
    assert_eq!(copy.status, 200);

    // The same event in another heartbeat is another event. This one comes with the version before
    // the change.
    let mut later = beat;
    later["version"] = json!("the-version-before");
    assert_eq!(device.heartbeat(later).await?.status, 200);
    let held = stage.show("device-1")?;
    let event = held.event("Started")?.unwrap_or(Value::Null);
    let (first, last) = (event["first"].as_str(), event["last"].as_str());
    assert!(first < last, "{event}");
    // The server may have been away for longer than the five seconds in which a copy can come; then
    // it is no copy.
    assert!(event["count"] == 2 || event["count"] == 3, "{event}");
    assert_eq!(
        (&event["severity"], &event["origin"]),
        (&json!("Normal"), &json!("device"))
    );
    Ok(())
}

async fn podman_states_and_odd_dates_are_kept_as_meant(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", None).await?;
    let mut beat = quiet_heartbeat();
    beat["version"] = json!("41");
    beat["workloads"] = json!([
        {"name": "created", "status": "Created", "last_data_upload": "0001-01-01T00:00:00.000Z"},
        {"name": "running", "status": "Running", "last_data_upload": "2026-03-04T05:06:07.089Z"},
        {"name": "degraded", "status": "Degraded", "last_data_upload": "2026-03-04T05:06:07+02:00"},
        {"name": "paused", "status": "Paused", "last_data_upload": "2026-03-04T05:06:07"},
        {"name": "exited", "status": "Exited", "last_data_upload": ""},
        {"name": "stopped", "status": "Stopped", "last_data_upload": null},
        {"name": "error", "status": "Error"},
        {"name": "not-from-us", "status": "running"},
    ]);
    beat["playbook-executions"] = json!([
        {"name": "upgrade", "status": "SuccessfullyCompleted", "last_data_upload": "0001-01-01T00:00:00.000Z"},
        {"name": "patch", "status": "CompletedWithError"},
    ]);
    beat["upgrade"] = json!({
        "current_commit_ID": "unknown", "last_upgrade_status": "failed",
        "last_upgrade_time": "2022-05-06 13:19:24 +0000 UTC",
    });
    let answer = device.heartbeat(beat).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let held = stage.show("device-1")?;
    assert_eq!(
        (held.at("/report/status"), held.at("/report/version")),
        (&json!("up"), &json!("41"))
    );
    let workload = |name: &str, field: &str| held.at(&format!("/report/workloads/{name}/{field}")).clone();
    for (name, status) in [
        ("created", "Created"),
        ("running", "Running"),
        ("degraded", "Degraded"),
        ("paused", "Paused"),
        ("exited", "Exited"),
        ("stopped", "Stopped"),
        ("error", "Error"),
        ("not-from-us", "running"),
    ] {
        assert_eq!(workload(name, "status"), status, "free text, taken over as it is");
    }
    for never in ["created", "stopped", "error", "not-from-us"] {
        assert_eq!(
            workload(never, "lastDataUpload"),
            Value::Null,
            "{never}: the zero time is no time"
        );
    }
    assert_eq!(workload("running", "lastDataUpload"), "2026-03-04T05:06:07.089Z");
    assert_eq!(workload("degraded", "lastDataUpload"), "2026-03-04T03:06:07Z");
    assert_eq!(
        workload("paused", "lastDataUpload"),
        "2026-03-04T05:06:07Z",
        "without a zone it is UTC"
    );
    assert_eq!(
        workload("exited", "lastDataUpload"),
        "1970-01-01T00:00:00Z",
        "as Flotta reads an empty text"
    );
    assert_eq!(
        held.at("/report/playbooks/upgrade/status"),
        "SuccessfullyCompleted"
    );
    assert_eq!(held.at("/report/playbooks/patch/status"), "CompletedWithError");
    assert_eq!(
        held.at("/report/upgrade/last_upgrade_time"),
        "2022-05-06 13:19:24 +0000 UTC"
    );
    assert_eq!(held.at("/report/upgrade/current_commit_ID"), "unknown");

    // A workload whose image is missing stays `Created`, with an event; the others are gone with
    // the next list.
    let mut beat = heartbeat_with_event("warn", "Failed", "no such image");
    beat["workloads"] = json!([{"name": "created", "status": "Created"}]);
    assert_eq!(device.heartbeat(beat).await?.status, 200);
    let held = stage.show("device-1")?;
    assert_eq!(
        held.at("/report/workloads").as_object().map(serde_json::Map::len),
        Some(1)
    );
    assert_eq!(
        held.at("/report/workloads/created/changed"),
        &workload("created", "changed"),
        "its state did not change"
    );
    assert_eq!(held.count("Failed")?, 1);
    Ok(())
}

async fn null_list_elements_are_skipped(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", None).await?;
    let mut beat = quiet_heartbeat();
    beat["events"] =
        json!([null, {"type": "info", "reason": "Kept", "message": "m"}, {"type": "odd", "reason": "Odd"}]);
    beat["workloads"] = json!([null, {"name": "kept", "status": "Running"}]);
    beat["playbook-executions"] = json!([null]);
    beat["hardware"] = json!({
        "hostname": "device-1", "mounts": [null], "disks": [null], "host_devices": [null], "interfaces": [null],
        "cpu": {"flags": null, "architecture": "aarch64"},
    });
    beat["upgrade"] = Value::Null;
    let answer = device.heartbeat(beat).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let held = stage.show("device-1")?;
    assert_eq!(
        held.at("/report/workloads").as_object().map(serde_json::Map::len),
        Some(1)
    );
    assert_eq!((held.count("Kept")?, held.count("Odd")?), (1, 1));
    assert_eq!(
        held.event("Odd")?.unwrap_or(Value::Null)["severity"],
        "Normal",
        "only `warn` is a warning"
    );
    assert_eq!(held.at("/labels/device.cpu-architecture"), "aarch64");
    Ok(())
}

async fn a_version_that_alternates_is_a_condition(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", None).await?;
    for (turn, version) in ["1", "2", "1", "2"].into_iter().enumerate() {
        let mut beat = quiet_heartbeat();
        beat["version"] = json!(version);
        // Within five seconds the same body again would be a copy, and say nothing new.
        beat["upgrade"]["last_upgrade_time"] = json!(format!("turn {turn}"));
        assert_eq!(device.heartbeat(beat).await?.status, 200);
    }
    let held = stage.show("device-1")?;
    assert_eq!(held.conditions(), ["DuplicateIdentity", "ConfigurationPending"]);
    let message = held.at("/conditions/0/message").as_str().unwrap_or_default();
    assert!(
        message.contains("applied version alternates between 1 and 2"),
        "{message}"
    );
    assert_eq!(
        device.poll_control().await?.body.len(),
        0,
        "nothing is disconnected for it"
    );
    assert_eq!(device.poll_data().await?.status, 200);
    Ok(())
}

/// A first heartbeat of a real device is 12 KB; a machine with many devices sends a multiple.
/// Beyond that it is cut, and the device is served as before.
async fn a_body_far_larger_than_usual_is_taken_and_cut(store: Store) -> Result<()> {
    let stage = Stage::new(store).await?;
    let mut device = stage.member("device-1", None).await?;
    let nodes = |count: usize| -> Vec<Value> {
        let node = |n| {
            json!({"path": format!("/dev/disk/by-id/{n:064}"), "device_type": "block", "uid": 1, "gid": 6,
                   "major": 8, "minor": n + 1})
        };
        (0..count).map(node).collect()
    };
    let mut beat = quiet_heartbeat();
    let kept = async |stage: &Stage| -> Result<Value> {
        Ok(stage
            .show("device-1")?
            .at("/report/hardware/host_devices")
            .clone())
    };
    beat["hardware"] = json!({"hostname": "large", "host_devices": nodes(1000)});
    assert!(beat.to_string().len() > 128 * 1024);
    assert_eq!(device.heartbeat(beat.clone()).await?.status, 200);
    assert_eq!(kept(&stage).await?, json!(nodes(1000)));
    assert!(!stage.show("device-1")?.conditions().contains(&"ReportCut"));

    beat["hardware"] = json!({"hostname": "huge", "host_devices": nodes(4000)});
    assert_eq!(device.heartbeat(beat).await?.status, 200);
    let held = kept(&stage).await?;
    let held = held.as_array().map_or(&[][..], Vec::as_slice);
    assert!((1000..4000).contains(&held.len()), "{}", held.len());
    assert_eq!(held, &nodes(held.len())[..]);
    assert!(stage.show("device-1")?.conditions().contains(&"ReportCut"));
    assert_eq!(device.poll_data().await?.status, 200);
    Ok(())
}
