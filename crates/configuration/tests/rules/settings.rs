//! What follows for a device from each thing that can be missing or wrong in its own settings or in
//! its set's. The golden file says it row by row, in the order of the table of failures that
//! Flotta's assembler was read into.

use std::fmt::Write as _;

use insta::assert_snapshot;
use manifests::Kind;
use serde_json::json;

use super::{
    failures::{OTHER, Row, told},
    world::{Device, World, message},
};

const DEVICE: &str = "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDevice
metadata: {name: press-1}
spec:
  storage: {s3: {configMapName: bucket, secretName: bucket-keys}}
  metrics:
    receiverConfiguration: {url: 'https://metrics.example', caSecretName: receiver-ca}
    system: {allowList: {name: allowed}}
    dataTransfer: {allowList: {name: allowed}}
  logCollection: {central: {kind: syslog, syslogConfig: {name: syslog}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: bucket},
 data: {BUCKET_NAME: b, BUCKET_HOST: s3.example, BUCKET_PORT: '443', BUCKET_REGION: eu}}
---
{apiVersion: v1, kind: Secret, metadata: {name: bucket-keys},
 stringData: {AWS_ACCESS_KEY_ID: hunter2, AWS_SECRET_ACCESS_KEY: hunter2}}
---
{apiVersion: v1, kind: Secret, metadata: {name: receiver-ca}, stringData: {ca.crt: hunter2}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: allowed}, data: {metrics_list.yaml: 'names: [up]'}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: syslog}, data: {Address: 'logs.example:514'}}
";

const SETTINGS: [Row; 20] = [
    ("EdgeDevice missing", |world| {
        world.remove(Kind::EdgeDevice, "press-1");
    }),
    ("EdgeDevice not readable", |world| {
        world.force(DEVICE, |device| device.document["spec"]["mounts"] = json!(7));
    }),
    ("EdgeWorkload missing", |world| {
        world.remove(Kind::EdgeWorkload, "other");
    }),
    ("storage ConfigMap missing", |world| {
        world.remove(Kind::ConfigMap, "bucket");
    }),
    ("storage ConfigMap without a key", |world| {
        bucket(world, "{BUCKET_NAME: b, BUCKET_HOST: h, BUCKET_PORT: '1'}");
    }),
    ("storage port 0", |world| {
        bucket(
            world,
            "{BUCKET_NAME: b, BUCKET_HOST: h, BUCKET_PORT: '0', BUCKET_REGION: r}",
        );
    }),
    ("storage port 65536", |world| {
        bucket(
            world,
            "{BUCKET_NAME: b, BUCKET_HOST: h, BUCKET_PORT: '65536', BUCKET_REGION: r}",
        );
    }),
    ("storage port +443", |world| {
        bucket(
            world,
            "{BUCKET_NAME: b, BUCKET_HOST: h, BUCKET_PORT: '+443', BUCKET_REGION: r}",
        );
    }),
    ("storage Secret missing", |world| {
        world.remove(Kind::Secret, "bucket-keys");
    }),
    ("storage Secret without a key", |world| {
        world.apply("{apiVersion: v1, kind: Secret, metadata: {name: bucket-keys}, stringData: {AWS_ACCESS_KEY_ID: hunter2}}");
    }),
    ("storage Secret not readable", |world| {
        world.remove(Kind::ConfigMap, "bucket");
        world.seal("bucket-keys");
    }),
    ("claimed bucket without anything", |world| {
        world.force(DEVICE, |device| {
            device.document["status"] = json!({"dataObc": "claim"});
        });
    }),
    ("bucket to be claimed", |world| {
        world.force(DEVICE, |device| {
            device.document["spec"]["storage"] = json!({"s3": {"createOBC": true}});
        });
    }),
    ("device metrics allow list missing", |world| {
        world.remove(Kind::ConfigMap, "allowed");
    }),
    ("receiver CA missing", |world| {
        world.remove(Kind::Secret, "receiver-ca");
    }),
    ("receiver CA without its key", |world| {
        world.apply(
            "{apiVersion: v1, kind: Secret, metadata: {name: receiver-ca}, stringData: {tls.crt: hunter2}}",
        );
    }),
    ("receiver CA empty", |world| {
        world
            .apply("{apiVersion: v1, kind: Secret, metadata: {name: receiver-ca}, stringData: {ca.crt: ''}}");
    }),
    ("syslog ConfigMap missing", |world| {
        world.remove(Kind::ConfigMap, "syslog");
    }),
    ("syslog protocol wrong", |world| {
        world.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: syslog}, data: {Protocol: TCP}}");
    }),
    ("syslog target without settings", |world| {
        world.force(DEVICE, |device| {
            device.document["spec"]["logCollection"] = json!({"central": {"kind": "syslog"}});
        });
    }),
];

fn bucket(world: &mut World, data: &str) {
    world.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: bucket}}, data: {data}}}"
    ));
}

#[test]
fn settings_of_a_device() {
    let mut table = String::new();
    let device = Device::new("press-1");
    for (row, happens) in SETTINGS {
        let mut world = World::of(&format!("{OTHER}\n---\n{DEVICE}"));
        assert_eq!(device.ask(&world).unwrap().faults, []);
        happens(&mut world);
        writeln!(table, "# {row}\n{}", told(&device, &world)).unwrap();
        if let Ok(assembly) = device.ask(&world)
            && row.starts_with("storage")
        {
            assert_eq!(message(&assembly).configuration.unwrap().storage, None, "{row}");
        }
    }
    assert!(!table.contains("hunter2"));
    assert_snapshot!(table);
}

#[test]
fn everything_is_looked_up_in_the_namespace_of_the_device() {
    let elsewhere = DEVICE.replace("metadata: {name:", "metadata: {namespace: plant-a, name:");
    let mut there = Device::new("press-1");
    there.namespace = contract::Namespace::parse("plant-a").unwrap();
    let assembly = there.ask(&World::of(&elsewhere)).unwrap();
    assert_eq!(assembly.faults, []);
    let here = Device::new("press-1").gets(&World::of(DEVICE));
    assert_eq!(message(&assembly).configuration, here.configuration);
    let bare = Device::new("press-1").gets(&World::default());
    assert_eq!(there.gets(&World::of(DEVICE)).configuration, bare.configuration);
    assert_ne!(here.configuration, bare.configuration);
}

/// Whatever else is wrong, and wherever.
#[test]
fn what_the_server_cannot_read_comes_first() {
    let device = Device::new("press-1");
    for secret in ["receiver-ca", "bucket-keys"] {
        let mut world = World::of(&format!("{OTHER}\n---\n{DEVICE}"));
        world.seal(secret);
        for name in ["allowed", "syslog", "bucket"] {
            assert!(device.ask(&world).unwrap_err().server_fault, "{secret} {name}");
            world.remove(Kind::ConfigMap, name);
        }
        world.force(OTHER, |other| other.document["spec"]["pod"] = json!({"spec": 7}));
        assert!(device.ask(&world).unwrap_err().server_fault, "{secret}");
    }
}

#[test]
fn a_set_that_is_missing_leaves_the_device_s_own_settings() {
    let mut world = World::of(&format!("{OTHER}\n---\n{DEVICE}"));
    let alone = Device::new("press-1");
    let member = alone.clone().labelled("flotta/member-of", "presses");
    let assembly = member.ask(&world).unwrap();
    assert_eq!(message(&assembly).configuration, alone.gets(&world).configuration);
    assert_eq!(assembly.faults[0].reason, "SetMissing");

    // A fault of a set is one of the set too, and its members keep what they have.
    let set = "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDeviceSet
metadata: {name: presses}
spec: {metrics: {system: {allowList: {name: missing}}}}
";
    world.apply(set);
    assert_eq!(member.ask(&world).unwrap_err().reason, "ConfigMapMissing");
    assert_eq!(world.catalogue().faults()[0].object.kind, Kind::EdgeDeviceSet);
    world.force(set, |set| set.document["spec"] = json!("none"));
    assert_eq!(member.ask(&world).unwrap_err().reason, "ObjectInvalid");
    assert_eq!(world.catalogue().faults()[0].reason, "ObjectInvalid");
}

#[test]
fn storage_by_one_name_needs_the_other_too() {
    let device = Device::new("press-1");
    for (s3, reason) in [
        (json!({"configMapName": "bucket"}), "SecretMissing"),
        (json!({"secretName": "bucket-keys"}), "ConfigMapMissing"),
    ] {
        let mut world = World::of(DEVICE);
        world.force(DEVICE, |device| device.document["spec"]["storage"]["s3"] = s3);
        let faults = device.ask(&world).unwrap().faults;
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].reason, reason);
        assert!(faults[0].message.contains("without its name"), "{faults:?}");
    }
}

/// The claim is the device's own, whatever set it is a member of. Flotta does not ask for the
/// bucket's name.
#[test]
fn a_claim_counts_before_the_set_s_storage() {
    let mut world = World::of(
        "
{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeDevice, metadata: {name: press-1}, status: {dataObc: claim}}
---
{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeDeviceSet, metadata: {name: presses},
 spec: {storage: {s3: {configMapName: bucket, secretName: bucket-keys}}}}
---
{apiVersion: objectbucket.io/v1alpha1, kind: ObjectBucketClaim, metadata: {name: claim}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: claim}}
---
{apiVersion: v1, kind: Secret, metadata: {name: claim},
 stringData: {AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key, tls.crt: not this one}}
---
{apiVersion: route.openshift.io/v1, kind: Route, metadata: {name: s3, namespace: openshift-storage}, spec: {host: h}}
---
{apiVersion: v1, kind: Secret, metadata: {name: router-ca, namespace: openshift-ingress-operator}}
",
    );
    let member = Device::new("press-1").labelled("flotta/member-of", "presses");
    let assembly = member.ask(&world).unwrap();
    assert_eq!(assembly.faults, []);
    let s3 = message(&assembly)
        .configuration
        .unwrap()
        .storage
        .unwrap()
        .s3
        .unwrap();
    assert_eq!(
        (
            s3.bucket_host.as_str(),
            s3.bucket_name.as_str(),
            s3.aws_ca_bundle.as_str()
        ),
        ("h", "", "")
    );
    for key in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let secret = format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: claim}}, stringData: {{{key}: only}}}}"
        );
        world.apply(&secret);
        let assembly = member.ask(&world).unwrap();
        assert_eq!(message(&assembly).configuration.unwrap().storage, None);
        assert_eq!(assembly.faults[0].reason, "SecretKeyMissing");
    }
}
