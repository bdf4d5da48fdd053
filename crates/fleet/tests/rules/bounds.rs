//! What follows where a device said more than is kept?

use contract::{
    Bounds, Disk, EventInfo, Features, HardwareInfo, Heartbeat, Mount, WorkloadStatus, bounded::from_slice,
    labels, repeated,
};
use fleet::{
    MAX_REPORTED, Origin,
    administration::Act,
    condition::conditions,
    key_gate::{LONGEST_REQUEST, VerifiedRequest},
    register::RegistrationRequest,
    stored,
};
use proptest::prelude::*;

use crate::{
    delivery::version,
    heartbeats::any_beat,
    world::{World, hardware, namespace, request, running},
};

fn with_disks(count: usize) -> Heartbeat {
    Heartbeat {
        hardware: Some(HardwareInfo {
            disks: Some(vec![Disk::default(); count]),
            ..HardwareInfo::default()
        }),
        ..running("Running")
    }
}

fn message(world: &World) -> Option<String> {
    let found = conditions(world.known(), Vec::new(), &world.context());
    let cut = found
        .into_iter()
        .find(|condition| condition.r#type == "ReportCut");
    cut.map(|condition| condition.message)
}

#[test]
fn a_person_is_told_what_was_cut_until_it_comes_whole() {
    let mut world = World::in_service();
    world.beat_in_part(&with_disks(3), &["disks", "events"]);
    assert_eq!(
        message(&world).unwrap(),
        "it says more of itself than is kept: only the beginning of its disks, events is known"
    );
    world.pass(60);
    // A heartbeat tells of all events, and of no hardware that it does not name.
    world.beat(&Heartbeat {
        hardware: Some(hardware("h")),
        ..running("Running")
    });
    assert_eq!(
        message(&world).unwrap(),
        "it says more of itself than is kept: only the beginning of its disks is known"
    );
    world.pass(60);
    world.beat(&with_disks(2));
    assert_eq!(message(&world), None);
}

/// The mark of a text is taken off by that text, and not by another one of the same object.
#[test]
fn of_a_text_that_was_cut_a_person_is_told_until_that_very_text_comes_whole() {
    let fields = [
        ("", "hostname"),
        ("boot", "current_boot_mode"),
        ("boot", "pxe_interface"),
        ("cpu", "architecture"),
        ("cpu", "model_name"),
        ("cpu", "flags"),
        ("system_vendor", "manufacturer"),
        ("system_vendor", "product_name"),
        ("system_vendor", "serial_number"),
        ("", "disks"),
        ("", "gpus"),
        ("", "interfaces"),
        ("", "host_devices"),
        ("", "mounts"),
    ];
    let saying = |(object, field): (&str, &str)| {
        let said = match field {
            "flags" => serde_json::json!([field]),
            "disks" | "gpus" | "interfaces" | "host_devices" | "mounts" => serde_json::json!([{}]),
            _ => serde_json::json!(field),
        };
        let said = serde_json::json!({ field: said });
        let said = if object.is_empty() {
            said
        } else {
            serde_json::json!({ object: said })
        };
        Heartbeat {
            hardware: Some(serde_json::from_value(said).unwrap()),
            ..running("Running")
        }
    };
    let others = [
        serde_json::json!({"boot": {}, "cpu": {}, "system_vendor": {}}),
        serde_json::json!({"cpu": {"count": 4, "flags": []}, "system_vendor": {"virtual": true}, "disks": []}),
    ];
    for long in fields {
        let mut world = World::in_service();
        world.beat_in_part(&saying(long), &[long.1]);
        let others = others.iter().map(|other| Heartbeat {
            hardware: Some(serde_json::from_value(other.clone()).unwrap()),
            ..running("Running")
        });
        for other in others.chain(fields.into_iter().filter(|other| *other != long).map(saying)) {
            world.pass(60);
            world.beat(&other);
            assert!(
                message(&world).is_some_and(|told| told.contains(long.1)),
                "{long:?}: {other:?}"
            );
        }
        world.pass(60);
        world.beat(&saying(long));
        assert_eq!(message(&world), None);
    }
}

#[test]
fn hardware_that_was_cut_at_the_enrolment_or_the_registration_is_told_too() {
    let mut world = World::manual();
    world.enrol();
    let mut life = (*world.known().life).clone();
    life.enrolment.as_mut().unwrap().cut = ["mounts"].into_iter().collect();
    world.device.as_mut().unwrap().life = life.into();
    assert!(message(&world).unwrap().contains("its mounts is known"));
    world
        .act(Act::Approve {
            namespace: None,
            set: None,
        })
        .unwrap();
    assert!(message(&world).unwrap().contains("its mounts is known"));
    let registration = |mounts, cut: &[&str]| RegistrationRequest {
        namespace: namespace("default"),
        certificate_request: Ok(request(1)),
        hardware: Some(HardwareInfo {
            mounts: Some(mounts),
            ..HardwareInfo::default()
        }),
        cut: cut.iter().copied().collect(),
    };
    world
        .register_with(&registration(vec![Mount::default()], &["mounts"]))
        .unwrap();
    assert!(message(&world).unwrap().contains("its mounts is known"));
    world
        .register_with(&registration(vec![Mount::default()], &[]))
        .unwrap();
    assert_eq!(message(&world), None);
}

/// Hardware with all texts that labels follow from, as a device sends it.
fn labelled(text: impl Fn(&str) -> String) -> serde_json::Value {
    serde_json::json!({
        "hostname": text("hostname"),
        "cpu": {"architecture": text("architecture"), "model_name": text("model_name")},
        "system_vendor": {
            "manufacturer": text("manufacturer"),
            "product_name": text("product_name"),
            "serial_number": text("serial_number"),
        },
    })
}

/// The label of a beginning is another one than that of the text, and takes workloads off the
/// device.
#[test]
fn no_label_follows_from_a_text_that_was_cut() {
    let fields = [
        ("hostname", labels::HOSTNAME),
        ("architecture", labels::CPU_ARCHITECTURE),
        ("model_name", labels::CPU_MODEL),
        ("manufacturer", labels::SYSTEM_MANUFACTURER),
        ("product_name", labels::SYSTEM_PRODUCT),
        ("serial_number", labels::SYSTEM_SERIAL),
    ];
    for (long, label) in fields {
        let sent = labelled(|field| {
            if field == long {
                " ".repeat(Bounds::RECEIVED.text - 6) + "abcdefghij"
            } else {
                "new".to_owned()
            }
        });
        let (sent, cut): (HardwareInfo, _) =
            from_slice(sent.to_string().as_bytes(), Bounds::RECEIVED).unwrap();
        assert_eq!(cut.fields().collect::<Vec<_>>(), [long]);
        let before: HardwareInfo = serde_json::from_value(labelled(|_| "old".to_owned())).unwrap();

        let mut beating = World::in_service();
        beating.beat(&Heartbeat {
            hardware: Some(before.clone()),
            ..running("Running")
        });
        beating.pass(60);
        beating.beat_in_part(
            &Heartbeat {
                hardware: Some(sent.clone()),
                ..running("Running")
            },
            &[long],
        );
        let mut registering = World::approved();
        for (hardware, cut) in [(before, contract::Cut::default()), (sent, cut)] {
            let registration = RegistrationRequest {
                namespace: namespace("default"),
                certificate_request: Ok(request(1)),
                hardware: Some(hardware),
                cut,
            };
            registering.register_with(&registration).unwrap();
        }
        for world in [beating, registering] {
            for (_, other) in fields {
                let expected = if other == label { "old" } else { "new" };
                assert_eq!(
                    world.known().report.hardware_labels[other],
                    expected,
                    "{long}: {other}"
                );
            }
            assert!(message(&world).unwrap().contains(long));
        }
    }
}

#[test]
fn labels_of_a_report_that_is_cut_when_it_is_read_stay() {
    let mut world = World::in_service();
    let long = " ".repeat(100_000) + "abcdefghij";
    world.beat(&Heartbeat {
        hardware: Some(hardware(&long)),
        ..running("Running")
    });
    let read = stored::report(&serde_json::to_string(&world.known().report).unwrap()).unwrap();
    assert!(read.cut.contains("hostname"));
    assert_eq!(read.hardware_labels[labels::HOSTNAME], "abcdefghij");
}

/// What is not in a list that was cut may be on the device all the same.
#[test]
fn absence_from_a_list_that_was_cut_means_nothing() {
    let mut world = World::in_service();
    world.beat(&running("Running"));
    world.pass(60);
    let other = Heartbeat {
        workloads: Some(vec![WorkloadStatus {
            name: "db".into(),
            ..WorkloadStatus::default()
        }]),
        ..Heartbeat::default()
    };
    world.beat_in_part(&other, &["workloads"]);
    let report = &world.known().report;
    assert_eq!(report.workloads.keys().collect::<Vec<_>>(), ["db", "web"]);
    assert!(report.has_reported("anything", world.epoch));
    assert!(
        message(&world)
            .unwrap()
            .ends_with("none that is broken is left out on it")
    );
    world.pass(60);
    world.beat(&other);
    let report = &world.known().report;
    assert_eq!(report.workloads.keys().collect::<Vec<_>>(), ["db"]);
    assert!(
        report.has_reported("anything", world.epoch),
        "it may have been listed then"
    );
    assert_eq!(message(&world), None);
}

#[test]
fn workloads_of_lists_in_part_do_not_pile_up() {
    let mut world = World::in_service();
    for round in 0..20 {
        let workloads = (0..1000).map(|n| WorkloadStatus {
            name: format!("workload-{round}-{n}-{}", "x".repeat(100)),
            ..WorkloadStatus::default()
        });
        world.beat_in_part(
            &Heartbeat {
                workloads: Some(workloads.collect()),
                ..Heartbeat::default()
            },
            &["workloads"],
        );
        world.pass(60);
    }
    let workloads = &world.known().report.workloads;
    assert!((1000..3000).contains(&workloads.len()), "{}", workloads.len());
}

fn events(count: usize, kinds: usize) -> Heartbeat {
    let event = |n: usize| EventInfo {
        r#type: "warn".into(),
        reason: "Failed".into(),
        message: format!("{}", n % kinds),
    };
    Heartbeat {
        events: Some((0..count).map(event).collect()),
        ..running("Running")
    }
}

#[test]
fn equal_events_of_a_heartbeat_are_one_with_a_count() {
    let mut world = World::in_service();
    world.beat(&events(45_000, 2));
    let told: Vec<_> = world
        .events
        .iter()
        .map(|event| (&*event.message, event.count))
        .collect();
    assert_eq!(told, [("0", 22_500), ("1", 22_500)]);
    assert_eq!(message(&world), None);
}

#[test]
fn no_more_kinds_of_events_are_written_than_are_kept() {
    let mut world = World::in_service();
    world.beat(&events(45_000, 45_000));
    let told: Vec<_> = world
        .events
        .iter()
        .filter(|event| event.origin == Origin::Device)
        .map(|event| event.message.parse::<usize>().unwrap())
        .collect();
    assert_eq!(
        told,
        (45_000 - MAX_REPORTED..45_000).collect::<Vec<_>>(),
        "the last ones"
    );
    assert!(message(&world).unwrap().contains("its events is known"));
}

/// A heartbeat as a server reads it: its beginning, and its events added up.
fn beat_as_received(world: &mut World, beat: &Heartbeat) {
    let text = serde_json::to_vec(beat).unwrap();
    let (beginning, cut) = from_slice::<Heartbeat>(&text, Bounds::RECEIVED).unwrap();
    assert!(cut.contains("events"));
    let (told, _) = repeated::events(&text, Bounds::RECEIVED).unwrap();
    world.beat_telling(&beginning, &told);
}

#[test]
fn of_a_configuration_that_waits_all_events_count_and_not_the_beginning_of_them() {
    let mut world = World::in_service();
    world.offered = Some((version(1), 60));
    world.pass(60);
    world.poll();
    world.pass(60);
    beat_as_received(&mut world, &events(45_000, 3));
    let meanwhile = world.known().life.delivery.meanwhile.clone().unwrap();
    assert_eq!((meanwhile.count, &*meanwhile.message), (45_000, "2"));
}

#[test]
fn events_that_differ_only_beyond_what_is_kept_are_two() {
    let mut world = World::in_service();
    let event = |end: &str| EventInfo {
        message: "x".repeat(5000) + end,
        ..EventInfo::default()
    };
    let list = vec![event("1"), event("2"), event("1")];
    beat_as_received(
        &mut world,
        &Heartbeat {
            events: Some(list.clone()),
            ..running("Running")
        },
    );
    let told: Vec<_> = world
        .events
        .iter()
        .filter(|event| event.origin == Origin::Device)
        .map(|event| (event.kind.clone(), event.count, event.message.ends_with("x…")))
        .collect();
    let kind = |n: usize| fleet::Event::device(&list[n]).kind;
    assert_eq!(told, [(kind(0), 2, true), (kind(1), 1, true)]);
}

#[test]
fn of_a_certificate_request_that_is_very_long_the_key_is_kept() {
    let mut world = World::approved();
    for (pem, kept) in [
        ("x".repeat(LONGEST_REQUEST), LONGEST_REQUEST),
        ("x".repeat(LONGEST_REQUEST + 1), 0),
    ] {
        let sent = VerifiedRequest { pem, ..request(1) };
        let registration = RegistrationRequest {
            namespace: namespace("default"),
            certificate_request: Ok(sent.clone()),
            hardware: None,
            cut: contract::Cut::default(),
        };
        world.register_with(&registration).unwrap();
        assert_eq!(world.keys(), [1]);
        assert_eq!(
            world.known().life.registration.keys[0].certificate_request.len(),
            kept
        );
    }
}

#[test]
fn what_an_earlier_program_stored_whole_is_cut_when_it_is_read() {
    let mut world = World::in_service();
    world.beat(&running("Running"));
    let device = world.known();
    let mut report = (*device.report).clone();
    report.hardware = Some(HardwareInfo {
        disks: Some(vec![Disk::default(); 300_000]),
        ..hardware("h")
    });
    for n in 0..30_000 {
        report
            .workloads
            .insert(format!("workload-{n}"), fleet::report::WorkloadReport::default());
    }
    let read = stored::report(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(read.cut.fields().collect::<Vec<_>>(), ["disks", "workloads"]);
    assert!((1000..10_000).contains(&read.hardware.as_ref().unwrap().disks.as_ref().unwrap().len()));
    assert!(read.has_reported("anything", world.epoch));
    assert_eq!(read.ever_reported.names, report.ever_reported.names);

    let mut life = (*device.life).clone();
    life.enrolment.as_mut().unwrap().features = Some(Features {
        hardware: report.hardware,
        ..Features::default()
    });
    life.registration.keys[0].certificate_request = "x".repeat(1 << 20);
    for n in 0..30_000 {
        life.assigned_labels.insert(format!("label-{n}"), "v".repeat(60));
    }
    let read = stored::life(&serde_json::to_string(&life).unwrap()).unwrap();
    assert_eq!(
        read.enrolment.as_ref().unwrap().cut.fields().collect::<Vec<_>>(),
        ["disks"]
    );
    assert_eq!(
        read.assigned_labels, life.assigned_labels,
        "what was decided is whole"
    );
    assert_eq!(
        read.registration.keys[0].fingerprint,
        life.registration.keys[0].fingerprint
    );
    assert_eq!(read.registration.keys[0].certificate_request, "");
}

proptest! {
    #[test]
    fn what_comes_within_the_bounds_is_read_from_a_store_as_it_is(beats in prop::collection::vec(any_beat(), 1..5)) {
        let mut world = World::in_service();
        for beat in beats {
            world.beat(&beat);
            world.pass(60);
        }
        let device = world.known();
        let report = stored::report(&serde_json::to_string(&device.report).unwrap()).unwrap();
        prop_assert_eq!(&report, &*device.report);
        let life = stored::life(&serde_json::to_string(&device.life).unwrap()).unwrap();
        prop_assert_eq!(&life, &*device.life);
    }
}
