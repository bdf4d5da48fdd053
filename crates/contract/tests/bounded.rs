//! What is kept of a document that is longer than anybody needs.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

#[allow(dead_code, reason = "each test program uses a part")]
mod instances;

use std::{collections::BTreeMap, fmt::Debug};

use contract::{
    bounded::{Bounds, Cut, Fields, from_slice},
    *,
};
use instances::Instances;
use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// So many bytes of a body, the most that the server takes.
const BODY: usize = 1 << 20;

/// More than this a body never becomes: nine lists of 256 KiB, and what an allocator adds to short
/// texts.
const MOST: usize = 8 << 20;

fn received<T: DeserializeOwned>(body: &str) -> (T, Cut) {
    from_slice(body.as_bytes(), Bounds::RECEIVED).unwrap()
}

fn fields(cut: &Cut) -> Vec<&str> {
    cut.fields().collect()
}

/// As many of these as fit into a body.
fn many(element: &str) -> String {
    let list = vec![element; BODY / (element.len() + 1) - 20].join(",");
    format!("[{list}]")
}

#[test]
fn whatever_fills_a_list_the_result_is_small_and_says_so() {
    let hardware = [
        ("disks", "{}"),
        ("gpus", "{}"),
        ("interfaces", "{}"),
        ("interfaces", r#"{"flags":["a","b","c","d"]}"#),
        ("host_devices", "{}"),
        ("mounts", r#"{"device":"a","directory":"b"}"#),
        ("disks", r#"{"io_perf":{}}"#),
        ("disks", "null"),
    ];
    for (list, element) in hardware {
        let body = format!(r#"{{"hardware":{{"{list}":{}}}}}"#, many(element));
        let (beat, cut) = received::<Heartbeat>(&body);
        assert_eq!(fields(&cut), [list], "{element}");
        assert!(
            beat.heap_size() < 1 << 20,
            "{list} of {element}: {}",
            beat.heap_size()
        );
        let enrolment = format!(r#"{{"features":{body}}}"#);
        let (enrolment, cut) =
            received::<EnrolmentInfo>(&enrolment.replace("\"hardware\":{\"hardware\"", "\"hardware\""));
        assert_eq!(fields(&cut), [list]);
        assert!(enrolment.heap_size() < 1 << 20);
    }
    for (list, element) in [
        ("workloads", "{}"),
        ("workloads", r#"{"name":"a"}"#),
        ("playbook-executions", "{}"),
        ("events", "{}"),
        ("events", r#"{"type":"warn","reason":"a","message":"b"}"#),
    ] {
        let (beat, cut) = received::<Heartbeat>(&format!(r#"{{"{list}":{}}}"#, many(element)));
        assert_eq!(fields(&cut), [list], "{element}");
        assert!(
            beat.heap_size() < 1 << 20,
            "{list} of {element}: {}",
            beat.heap_size()
        );
    }
    let flags = format!(r#"{{"hardware":{{"cpu":{{"flags":{}}}}}}}"#, many(r#""a""#));
    let (beat, cut) = received::<Heartbeat>(&flags);
    assert_eq!(fields(&cut), ["flags"]);
    assert!(beat.heap_size() < 1 << 20);
}

#[test]
fn one_list_takes_nothing_from_another() {
    let few = |element: &str| format!("[{}]", vec![element; 30_000].join(","));
    let body = format!(
        r#"{{"events":{0},"hardware":{{"cpu":{{"flags":{1}}},"disks":{0},"gpus":{0},"host_devices":{0},"hostname":"h",
            "interfaces":{0},"mounts":{0}}},"playbook-executions":{0},"status":"up","version":"7","workloads":{0}}}"#,
        few("{}"),
        few(r#""a""#)
    );
    let (beat, cut) = received::<Heartbeat>(&body);
    assert_eq!(cut.fields().count(), 9, "{cut:?}");
    assert!(beat.heap_size() < MOST, "{}", beat.heap_size());
    assert_eq!((&*beat.status, &*beat.version), ("up", "7"));
    assert_eq!(beat.hardware.as_ref().unwrap().hostname, "h");
    assert!(beat.workloads.unwrap().len() > 1000);
    assert!(beat.hardware.unwrap().mounts.unwrap().len() > 1000);
}

/// Larger than any machine that runs Flotta's agent.
#[test]
fn a_large_machine_is_kept_whole() {
    let text = |name: &str, n: usize| format!("{name}-{n:0>24}");
    let disk = |n| {
        json!({"id": text("id", n), "by_id": text("/dev/disk/by-id/wwn", n), "by_path": text("/dev/disk/by-path/pci", n),
               "drive_type": "SSD", "hctl": "1:0:0:0", "model": text("MODEL", n), "name": format!("sd{n}"),
               "path": format!("/dev/sd{n}"), "serial": text("S", n), "vendor": "ATA", "wwn": text("0x", n), "size_bytes": n})
    };
    let interface = |n| {
        json!({"name": format!("eth{n}"), "mac_address": "52:54:00:12:34:56", "product": "0x0001", "vendor": "0x1af4",
               "flags": ["up", "broadcast", "multicast"], "ipv4_addresses": ["192.168.122.2/24"],
               "ipv6_addresses": ["fe80::5054:ff:fe12:3456/64", "2001:db8::2/64"], "mtu": 1500, "speed_mbps": -1})
    };
    let node = |n| json!({"path": format!("/dev/block-{n}"), "device_type": "block", "major": 8, "minor": n});
    let mount = |n| {
        json!({"device": format!("/dev/mapper/volume-{n}"), "directory": format!("/var/lib/containers/{n}"), "type": "ext4",
               "options": "(rw,relatime,seclabel)"})
    };
    let workload = |n| json!({"name": format!("workload-{n}"), "status": "Running", "last_data_upload": "2022-10-06T13:32:29Z"});
    let list = |of: &dyn Fn(usize) -> Value, count| (0..count).map(of).collect::<Vec<_>>();
    let body = json!({
        "hardware": {
            "disks": list(&disk, 300), "interfaces": list(&interface, 300), "host_devices": list(&node, 1000),
            "mounts": list(&mount, 1000), "cpu": {"flags": list(&|n| json!(format!("flag{n}")), 500)},
        },
        "workloads": list(&workload, 1000),
        "events": list(&|n| json!({"type": "warn", "reason": "Failed", "message": format!("{n}: {}", "x".repeat(300))}), 250),
    })
    .to_string();
    let (beat, cut) = received::<Heartbeat>(&body);
    assert_eq!(fields(&cut), [""; 0]);
    assert_eq!(beat, serde_json::from_str(&body).unwrap());
}

#[test]
fn texts_are_cut_after_a_whole_character_and_a_certificate_request_is_not() {
    let long = "é".repeat(3000);
    let body = json!({"hardware": {"hostname": long, "boot": {"pxe_interface": "eth0"}}, "certificate_request": long});
    let (registration, cut) = received::<RegistrationInfo>(&body.to_string());
    assert_eq!(fields(&cut), ["hostname"]);
    assert_eq!(registration.certificate_request, long);
    let hardware = registration.hardware.unwrap();
    assert_eq!(hardware.hostname, "é".repeat(2048));
    assert_eq!(hardware.boot.unwrap().pxe_interface, "eth0");

    let odd = format!("a{long}");
    let (beat, cut) =
        received::<Heartbeat>(&json!({"events": [{"message": odd}], "version": odd}).to_string());
    assert_eq!(fields(&cut), ["events", "version"]);
    assert_eq!(beat.version.len(), 4095);
}

#[test]
fn nobody_names_a_field_so_that_the_bounds_are_off() {
    let disks = many("{}");
    for body in [
        format!(r#"{{"certificate_request":null,"hardware":{{"disks":{disks}}}}}"#),
        format!(r#"{{"hardware":{{"certificate_request":1,"disks":{disks}}}}}"#),
        format!(
            r#"{{"hardware":{{"disks":{}}}}}"#,
            many(r#"{"certificate_request":"x"}"#)
        ),
    ] {
        let (registration, cut) = received::<RegistrationInfo>(&body);
        assert_eq!(fields(&cut), ["disks"]);
        assert!(registration.heap_size() < 1 << 20);
    }
}

#[test]
fn another_type_is_an_error_where_it_is_read() {
    let read = |body: &str| from_slice::<Heartbeat>(body.as_bytes(), Bounds::RECEIVED);
    for body in [
        r#"{"events":["x"]}"#,
        r#"{"version":7}"#,
        r#"{"hardware":[]}"#,
        "[]",
        "",
        "{} {}",
    ] {
        assert!(read(body).is_err(), "{body}");
    }
    let past = format!(r#"{{"workloads":[{},7]}}"#, vec!["{}"; 10_000].join(","));
    assert_eq!(fields(&read(&past).unwrap().1), ["workloads"]);
}

/// What a store holds: some fields may be cut, and the rest never.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Kept {
    labels: BTreeMap<String, String>,
    workloads: BTreeMap<String, WorkloadStatus>,
    hardware: Option<HardwareInfo>,
}

#[test]
fn only_what_may_be_cut_is() {
    const BOUNDS: Bounds = Bounds {
        text: 64,
        list: 4096,
        fields: Fields::Only(&["workloads", "hardware"]),
    };
    let mut kept = Kept {
        hardware: Some(HardwareInfo {
            mounts: Some(vec![Mount::default(); 1000]),
            hostname: "h".repeat(100),
            ..HardwareInfo::default()
        }),
        ..Kept::default()
    };
    for n in 0..1000 {
        kept.labels.insert(format!("label-{n}"), "v".repeat(100));
        kept.workloads
            .insert(format!("workload-{n}"), WorkloadStatus::default());
    }
    let (read, cut) = from_slice::<Kept>(&serde_json::to_vec(&kept).unwrap(), BOUNDS).unwrap();
    assert_eq!(fields(&cut), ["hostname", "mounts", "workloads"]);
    assert_eq!(read.labels, kept.labels);
    assert!(
        (10..100).contains(&read.workloads.len()),
        "{}",
        read.workloads.len()
    );
    let hardware = read.hardware.as_ref().unwrap();
    assert_eq!(hardware.hostname.len(), 64);
    assert!((10..100).contains(&hardware.mounts.as_ref().unwrap().len()));
    let (again, cut) = from_slice::<Kept>(&serde_json::to_vec(&read).unwrap(), BOUNDS).unwrap();
    assert_eq!((again, fields(&cut)), (read, vec![]));
}

/// What was cut is written, and read again as it is: nothing erodes.
fn settles<T: Serialize + DeserializeOwned + PartialEq + Debug>(
    value: &T,
    bounds: Bounds,
) -> Result<(), TestCaseError> {
    let (once, cut) = from_slice::<T>(&serde_json::to_vec(value).unwrap(), bounds).unwrap();
    let (twice, further) = from_slice::<T>(&serde_json::to_vec(&once).unwrap(), bounds).unwrap();
    prop_assert_eq!(&twice, &once);
    prop_assert!(further.is_empty(), "{:?}", further);
    prop_assert_eq!(cut.is_empty(), once == *value);
    Ok(())
}

proptest! {
    #[test]
    fn what_is_usual_is_read_as_without_bounds(beat in Heartbeat::instances()) {
        let text = serde_json::to_vec(&beat).unwrap();
        let (read, cut) = from_slice::<Heartbeat>(&text, Bounds::RECEIVED).unwrap();
        prop_assert!(cut.is_empty());
        prop_assert_eq!(&read, &beat);
        prop_assert_eq!(read, serde_json::from_slice::<Heartbeat>(&text).unwrap());
    }

    #[test]
    fn what_was_cut_is_cut_no_further(
        beat in Heartbeat::instances(), enrolment in EnrolmentInfo::instances(), text in 0usize..12, list in 0usize..900,
    ) {
        let bounds = Bounds { text, list, ..Bounds::RECEIVED };
        // Dates that are cut are no dates.
        let mut beat = beat;
        beat.workloads = None;
        beat.playbook_executions = None;
        settles(&beat, bounds)?;
        settles(&enrolment, bounds)?;
    }
}
