//! What follows from each thing that can be missing or wrong in what a workload needs. The golden
//! file says it row by row, in the order of the table of failures that Flotta's assembler was read
//! into; the tests below them say what must hold of every row.

use std::fmt::Write as _;

use insta::assert_snapshot;
use manifests::Kind;
use serde_json::json;

use super::world::{Device, World, message, names};

/// Another workload, so that something is delivered whatever becomes of `web`.
pub(crate) const OTHER: &str = "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: other}
spec: {type: pod, deviceSelector: {}, pod: {spec: {containers: [{name: c, image: i}]}}}
";

const WEB: &str = "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: web}
spec:
  type: pod
  device: press-1
  imageRegistries: {secretRef: {name: registry}}
  metrics: {port: 9113, allowList: {name: allowed}}
  pod:
    spec:
      containers:
        - name: web
          image: registry.example/web
          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: credentials}}]
          env:
            - {name: A, valueFrom: {configMapKeyRef: {name: settings, key: used}}}
            - {name: B, valueFrom: {secretKeyRef: {name: credentials, key: password}}}
            - {name: C, valueFrom: {configMapKeyRef: {name: maybe-settings, key: unchecked, optional: true}}}
            - {name: D, valueFrom: {secretKeyRef: {name: maybe-credentials, key: unchecked, optional: true}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: registry}, stringData: {.dockerconfigjson: '{}'}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: allowed}, data: {metrics_list.yaml: 'names: [up]'}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {used: '1'}}
---
{apiVersion: v1, kind: Secret, metadata: {name: credentials}, stringData: {password: hunter2}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: maybe-settings}, data: {other: '1'}}
---
{apiVersion: v1, kind: Secret, metadata: {name: maybe-credentials}, stringData: {other: hunter2}}
";

pub(crate) type Row = (&'static str, fn(&mut World));

/// What can happen to what `web` needs, so that it cannot be rendered.
const BROKEN: [Row; 11] = [
    ("the pod cannot be written", |world| {
        world.force(WEB, |web| {
            web.document["spec"]["pod"]["spec"]["containers"] = json!("none");
        });
    }),
    ("image registry Secret missing", |world| {
        world.remove(Kind::Secret, "registry");
    }),
    ("image registry Secret without .dockerconfigjson", |world| {
        world.apply(
            "{apiVersion: v1, kind: Secret, metadata: {name: registry}, stringData: {other: hunter2}}",
        );
    }),
    ("allow list missing", |world| {
        world.remove(Kind::ConfigMap, "allowed");
    }),
    ("allow list without its key", |world| {
        world.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: allowed}, data: {names: up}}");
    }),
    ("allow list malformed", |world| {
        world.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: allowed}, data: {metrics_list.yaml: 'names: up'}}");
    }),
    ("required ConfigMap missing", |world| {
        world.remove(Kind::ConfigMap, "settings");
    }),
    ("required key of a ConfigMap missing", |world| {
        world
            .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, binaryData: {used: MQ==}}");
    }),
    ("required Secret missing", |world| {
        world.remove(Kind::Secret, "credentials");
    }),
    ("required key of a Secret missing", |world| {
        world.apply(
            "{apiVersion: v1, kind: Secret, metadata: {name: credentials}, stringData: {other: hunter2}}",
        );
    }),
    ("several of them", |world| {
        world.remove(Kind::Secret, "registry");
        world.remove(Kind::ConfigMap, "allowed");
        world.remove(Kind::ConfigMap, "settings");
        world.remove(Kind::Secret, "credentials");
    }),
];

fn good() -> World {
    World::of(&format!("{OTHER}\n---\n{WEB}"))
}

/// A person's view of an answer.
pub(crate) fn told(device: &Device, world: &World) -> String {
    let mut lines = String::new();
    match device.ask(world) {
        Ok(assembly) => {
            let stale = |name: &str| {
                assembly
                    .workloads
                    .iter()
                    .any(|workload| workload.name == name && workload.stale)
            };
            let message = message(&assembly);
            let delivered: Vec<_> = names(&message)
                .into_iter()
                .map(|name| format!("{name}{}", if stale(name) { " (last good form)" } else { "" }))
                .collect();
            writeln!(lines, "delivered: {}", delivered.join(", ")).unwrap();
            for fault in &assembly.faults {
                writeln!(lines, "{} {}: {}", fault.reason, fault.object, fault.message).unwrap();
            }
        }
        Err(refusal) => {
            let of = if refusal.server_fault {
                " (of the server)"
            } else {
                ""
            };
            writeln!(lines, "error{of} {}: {}", refusal.reason, refusal.message).unwrap();
        }
    }
    lines
}

#[test]
fn a_broken_workload() {
    let (new, having) = (
        Device::new("press-1"),
        Device::new("press-1").having_reported("web"),
    );
    let mut table = String::new();
    for (row, happens) in BROKEN {
        let mut without = good();
        happens(&mut without);
        let mut with = good();
        with.store();
        happens(&mut with);
        let mut strict = with.clone();
        strict.strict = true;
        writeln!(table, "# {row}").unwrap();
        for (case, device, world) in [
            ("never had by this device", &new, &without),
            ("had, without a last good form", &having, &without),
            ("with a last good form", &having, &with),
            ("the same, by Flotta's rule", &having, &strict),
        ] {
            write!(
                table,
                "{case}:\n  {}",
                told(device, world).trim_end().replace('\n', "\n  ")
            )
            .unwrap();
            table.push('\n');
        }
        table.push('\n');

        let (answer, before) = (having.gets(&with), having.gets(&good()));
        assert_eq!(answer.workloads, before.workloads, "{row}");
        assert_eq!(answer.secrets.len(), before.secrets.len(), "{row}");
        for world in [&without, &with] {
            let faults = world.catalogue().faults().to_vec();
            assert_eq!(faults.len(), 1, "{row}: a condition of the workload");
            assert_eq!(faults[0].object.name, "web");
        }
    }
    assert!(!table.contains("hunter2"));
    assert_snapshot!(table);
}

#[test]
fn left_out_is_only_what_a_device_never_had_and_never_everything() {
    for (row, happens) in BROKEN {
        let mut world = good();
        happens(&mut world);
        let assembly = Device::new("press-1").ask(&world).unwrap();
        assert_eq!(names(&message(&assembly)), ["other"], "{row}");
        assert!(
            assembly.depends_on_reports,
            "{row}: the answer to another report may be another"
        );

        world.remove(Kind::EdgeWorkload, "other");
        let refusal = Device::new("press-1").ask(&world).unwrap_err();
        assert!(!refusal.server_fault, "{row}");
    }
}

#[test]
fn an_unaffected_device_is_told_nothing() {
    for (row, happens) in BROKEN {
        let mut world = good();
        happens(&mut world);
        let assembly = Device::new("press-2").having_reported("web").ask(&world).unwrap();
        assert_eq!(names(&message(&assembly)), ["other"], "{row}");
        assert_eq!(assembly.faults, [], "{row}");
        assert!(!assembly.depends_on_reports, "{row}");
    }
}

#[test]
fn what_is_optional_may_be_missing_and_its_keys_are_not_checked() {
    let device = Device::new("press-1");
    let with = device.gets(&good());
    let web = |message: &contract::DeviceConfigurationMessage| message.workloads[1].clone();
    assert_eq!(web(&with).configmaps.len(), 2);
    assert_eq!(with.secrets.len(), 2);
    let mut world = good();
    world.remove(Kind::ConfigMap, "maybe-settings");
    world.remove(Kind::Secret, "maybe-credentials");
    let assembly = device.ask(&world).unwrap();
    assert_eq!(assembly.faults, []);
    let without = message(&assembly);
    assert_eq!(web(&without).configmaps.len(), 1);
    assert_eq!(without.secrets.len(), 1);
}

/// One required reference makes an object required, and an optional one beside it does not ask for
/// its key.
#[test]
fn optionality_is_of_all_references_of_a_pod_together() {
    let world = |others: &str| {
        let text = format!(
            "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {{name: web}}
spec:
  type: pod
  device: press-1
  pod:
    spec:
      initContainers:
        - {{name: a, image: i, env: [{{name: A, valueFrom: {{secretKeyRef: {{name: s, key: optional, optional: true}}}}}}]}}
      containers:
        - {{name: b, image: i, env: [{{name: A, valueFrom: {{secretKeyRef: {{name: s, key: required, optional: false}}}}}}]}}
{others}"
        );
        World::of(&text)
    };
    let device = Device::new("press-1");
    assert_eq!(device.ask(&world("")).unwrap_err().reason, "SecretMissing");
    let secret = |key: &str| {
        format!("---\n{{apiVersion: v1, kind: Secret, metadata: {{name: s}}, stringData: {{{key}: v}}}}")
    };
    assert_eq!(
        device.ask(&world(&secret("optional"))).unwrap_err().reason,
        "SecretKeyMissing"
    );
    assert_eq!(device.gets(&world(&secret("required"))).secrets.len(), 1);
}

/// Whoever needs a Secret that cannot be read gets an error, whether the reference is optional or
/// not, and whatever else is wrong; nobody else does.
#[test]
fn a_secret_that_cannot_be_read_is_never_an_absent_one() {
    let device = Device::new("press-1");
    for secret in ["registry", "credentials", "maybe-credentials"] {
        for (row, happens) in BROKEN.iter().filter(|(row, _)| row.contains("ConfigMap")) {
            let mut world = good();
            world.store();
            world.seal(secret);
            for broken_too in [false, true] {
                if broken_too {
                    happens(&mut world);
                }
                for strict in [false, true] {
                    world.strict = strict;
                    let refusal = device.ask(&world).unwrap_err();
                    assert!(refusal.server_fault, "{row}: {refusal:?}");
                    assert!(refusal.message.contains("key 7"), "{row}: {refusal:?}");
                    assert!(Device::new("press-2").ask(&world).is_ok());
                }
            }
        }
    }
}

/// An earlier version took such a workload, and kept it as its last good form.
#[test]
fn a_workload_without_containers_is_broken_and_no_last_good_form() {
    let having = Device::new("press-1").having_reported("web");
    let empty: Row = ("no container", |world| {
        world.force(WEB, |web| {
            web.document["spec"]["pod"]["spec"]["containers"] = json!([]);
        });
    });
    let no_pod: Row = ("no pod", |world| {
        world.force(WEB, |web| web.document["spec"]["pod"] = json!(null));
    });
    for (row, happens) in [empty, no_pod] {
        let mut world = good();
        world.store();
        happens(&mut world);
        assert_eq!(
            having.gets(&world).workloads,
            having.gets(&good()).workloads,
            "{row}"
        );

        for kept in world.last_good.values_mut().filter(|kept| kept.contains("web")) {
            let mut form: serde_json::Value = serde_json::from_str(kept).unwrap();
            form["workload"]["specification"] = json!("containers: null\n");
            *kept = form.to_string();
        }
        let refusal = having.ask(&world).unwrap_err();
        assert_eq!(
            (refusal.reason, refusal.server_fault),
            ("NoContainers", false),
            "{row}"
        );
        assert_eq!(names(&Device::new("press-2").gets(&world)), ["other"], "{row}");
        assert_eq!(
            world.catalogue().renderings().len(),
            1,
            "{row}: it is not kept any longer"
        );
    }
}

/// Nobody can say whom such a workload selects, so nobody loses or gets one.
#[test]
fn a_workload_that_cannot_be_understood_stops_its_namespace() {
    let mut world = good();
    world.store();
    for change in [
        json!({"matchExpressions": [{"key": "a", "operator": "Near", "values": []}]}),
        json!("everything"),
    ] {
        let mut world = world.clone();
        world.force(OTHER, |other| other.document["spec"]["deviceSelector"] = change);
        let refusal = Device::new("press-1").ask(&world).unwrap_err();
        assert!(
            refusal.message.starts_with("EdgeWorkload default/other"),
            "{refusal:?}"
        );
        let catalogue = world.catalogue();
        assert_eq!(catalogue.renderings().len(), 2, "both last good forms stay");
        let faults = catalogue.faults();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(
            faults[0]
                .message
                .ends_with("the devices of its namespace keep what they have")
        );
        let mut elsewhere = Device::new("press-1");
        elsewhere.namespace = contract::Namespace::parse("plant-a").unwrap();
        assert_eq!(names(&elsewhere.gets(&world)), [""; 0]);
    }
}
