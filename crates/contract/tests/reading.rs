//! What a body may look like, and what it may not: the cases that a person would look for.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use contract::*;

#[test]
fn null_is_no_value_everywhere() {
    let beat: Heartbeat = serde_json::from_str(
        r#"{"status":null,"version":null,"workloads":null,"playbook-executions":null,"hardware":null,"events":null,
            "upgrade":null}"#,
    )
    .unwrap();
    assert_eq!(beat, Heartbeat::default());
    let status: WorkloadStatus =
        serde_json::from_str(r#"{"name":null,"status":null,"last_data_upload":null}"#).unwrap();
    assert_eq!(status, WorkloadStatus::default());
    let envelope: DeviceConfigurationEnvelope =
        serde_json::from_str(r#"{"device-configuration":null,"message":null}"#).unwrap();
    assert_eq!(envelope, DeviceConfigurationEnvelope::default());
    let error: ErrorMessage = serde_json::from_str(r#"{"message":null}"#).unwrap();
    assert_eq!(error.message, "");
}

#[test]
fn null_elements_are_dropped() {
    let beat: Heartbeat = serde_json::from_str(
        r#"{"events":[null,{"type":"warn"},null],"workloads":[null],"hardware":{"disks":[null],"mounts":[null,{}],
            "cpu":{"flags":[null,"fpu"]}}}"#,
    )
    .unwrap();
    assert_eq!(
        beat.events.unwrap(),
        [EventInfo {
            r#type: "warn".into(),
            ..EventInfo::default()
        }]
    );
    assert_eq!(beat.workloads, Some(Vec::new()));
    let hardware = beat.hardware.unwrap();
    assert_eq!(hardware.disks, Some(Vec::new()));
    assert_eq!(hardware.mounts, Some(vec![Mount::default()]));
    assert_eq!(hardware.cpu.unwrap().flags, Some(vec!["fpu".to_owned()]));
}

#[test]
fn absent_and_empty_namespaces_differ() {
    let asked = |body: &str| {
        serde_json::from_str::<EnrolmentInfo>(body)
            .unwrap()
            .target_namespace
    };
    assert_eq!(asked("{}"), None);
    assert_eq!(asked(r#"{"target_namespace":null}"#), None);
    assert_eq!(asked(r#"{"target_namespace":""}"#), Some(String::new()));
}

#[test]
fn podman_s_states_and_unknown_fields_are_taken() {
    let beat: Heartbeat = serde_json::from_str(
        r#"{"status":"no such status","workloads":[{"name":"w","status":"Degraded","since":1}],"new":{"a":[1]}}"#,
    )
    .unwrap();
    assert_eq!(beat.status, "no such status");
    assert_eq!(beat.workloads.unwrap()[0].status, "Degraded");
}

#[test]
fn another_json_type_is_an_error() {
    for body in [
        r#"{"version":7}"#,
        r#"{"events":{}}"#,
        r#"{"events":["x"]}"#,
        r#"{"events":[["info"]]}"#,
        r#"{"upgrade":"x"}"#,
        r#"{"upgrade":[]}"#,
        r#"{"hardware":{"memory":{"usable_bytes":1.0}}}"#,
        r#"{"hardware":{"memory":{"usable_bytes":1e3}}}"#,
        r#"{"hardware":{"memory":{"usable_bytes":"1"}}}"#,
        r#"{"hardware":{"memory":{"usable_bytes":9223372036854775808}}}"#,
        r#"{"hardware":{"cpu":{"frequency":"3600"}}}"#,
        r#"{"workloads":[{"last_data_upload":"2022-10-06"}]}"#,
        r#"{"workloads":[{"last_data_upload":0}]}"#,
        "[]",
        "7",
        "",
    ] {
        assert!(serde_json::from_str::<Heartbeat>(body).is_err(), "{body}");
    }
}
