//! The bytes of each section, for every part that it can have. They are a contract: a change for
//! unchanged input makes every device apply its configuration once more, and re-creates the pods
//! whose text changed.

use insta::assert_snapshot;

use super::world::{Device, World, in_lines, text};

/// The whole answer to device `press-1` in a world of these manifests.
fn golden(manifests: &str) -> String {
    let assembly = Device::new("press-1").ask(&World::of(manifests)).unwrap();
    assert_eq!(assembly.faults, [], "nothing is wrong");
    in_lines(&text(&assembly))
}

/// The same, with this specification of the device.
fn of_device(spec: &str, others: &str) -> String {
    let device = format!(
        "apiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeDevice\nmetadata: {{name: press-1}}\nspec:\n  {}",
        spec.replace('\n', "\n  ")
    );
    golden(&format!("{device}\n---\n{others}"))
}

#[test]
fn without_any_manifest() {
    let assembly = Device::new("press-1").ask(&World::default()).unwrap();
    assert_snapshot!(in_lines(&text(&assembly)));
    assert_eq!(assembly.period_seconds, 60);
}

#[test]
fn heartbeat() {
    assert_snapshot!(
        "heartbeat_full",
        of_device(
            "heartbeat: {periodSeconds: 30, hardwareProfile: {include: true, scope: delta}}",
            ""
        )
    );
    // The default of 60 s counts only where the whole section is missing.
    assert_snapshot!("heartbeat_empty", of_device("heartbeat: {}", ""));
}

#[test]
fn operating_system() {
    assert_snapshot!(
        "os_full",
        of_device(
            "osInformation: {automaticallyUpgrade: true, commitID: 1a2b, hostedObjectsURL: 'https://ostree.example'}",
            ""
        )
    );
    assert_snapshot!("os_empty", of_device("osInformation: {}", ""));
}

#[test]
fn mounts() {
    assert_snapshot!(of_device(
        "mounts:\n- {device: /dev/sdb1, folder: /var/data, type: ext4, options: 'rw,noatime'}\n- {device: /dev/sda2, folder: /opt}",
        ""
    ));
}

const ALLOW_LISTS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: some}
data: {metrics_list.yaml: "names: [node_load1, up]"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: none}
data: {metrics_list.yaml: "{}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: empty}
data: {metrics_list.yaml: '{"names": []}'}
"#;

#[test]
fn metrics() {
    let receiver_ca = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: receiver-ca}\nstringData: {ca.crt: \"-----BEGIN\\n\"}";
    assert_snapshot!(of_device(
        "metrics:
  receiverConfiguration:
    {url: 'https://metrics.example/write', caSecretName: receiver-ca, requestNumSamples: 5, timeoutSeconds: 7}
  retention: {maxMiB: 100, maxHours: 24}
  system: {interval: 15, disabled: true, allowList: {name: some}}
  dataTransfer: {allowList: {name: none}}",
        &format!("{ALLOW_LISTS}\n{receiver_ca}")
    ));
}

#[test]
fn metrics_without_content() {
    assert_snapshot!(of_device(
        // The CA of a receiver without TLS is not read.
        "metrics:
  receiverConfiguration: {url: 'http://metrics.example', caSecretName: missing, requestNumSamples: 0}
  retention: {}
  system: {interval: 0, allowList: {name: empty}}",
        ALLOW_LISTS
    ));
}

#[test]
fn log_collection() {
    assert_snapshot!(of_device(
        "logCollection:
  central: {kind: syslog, bufferSize: 40, syslogConfig: {name: syslog-udp}}
  default: {kind: syslog, syslogConfig: {name: syslog-nothing}}",
        "
apiVersion: v1
kind: ConfigMap
metadata: {name: syslog-udp}
data: {Address: 'logs.example:514', Protocol: udp}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: syslog-nothing}
data: {address: 'keys are capitalised', protocol: udp}
"
    ));
}

#[test]
fn storage_in_an_external_bucket() {
    assert_snapshot!(of_device(
        "storage: {s3: {configMapName: bucket, secretName: bucket-keys}}",
        "
apiVersion: v1
kind: ConfigMap
metadata: {name: bucket}
data: {BUCKET_NAME: b, BUCKET_HOST: s3.example, BUCKET_PORT: '8443', BUCKET_REGION: eu}
---
apiVersion: v1
kind: Secret
metadata: {name: bucket-keys}
stringData: {AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key, tls.crt: ca}
"
    ));
}

#[test]
fn storage_in_a_claimed_bucket() {
    assert_snapshot!(golden(
        "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDevice
metadata: {name: press-1}
spec: {storage: {s3: {configMapName: does, secretName: not-count}}}
status: {dataObc: claim}
---
{apiVersion: objectbucket.io/v1alpha1, kind: ObjectBucketClaim, metadata: {name: claim}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: claim}, data: {BUCKET_NAME: press-1-0815, BUCKET_PORT: '80'}}
---
{apiVersion: v1, kind: Secret, metadata: {name: claim}, stringData: {AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: key}}
---
apiVersion: route.openshift.io/v1
kind: Route
metadata: {name: s3, namespace: openshift-storage}
spec: {host: s3.apps.example}
---
apiVersion: v1
kind: Secret
metadata: {name: router-ca, namespace: openshift-ingress-operator}
stringData: {tls.crt: ca}
"
    ));
}

#[test]
fn workload_with_every_part() {
    assert_snapshot!(golden(include_str!("every_part.yaml")));
}

#[test]
fn workload_without_content() {
    assert_snapshot!(golden(
        "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: nothing-but-a-container}
spec: {type: pod, device: press-1, pod: {spec: {containers: [{name: c, image: i}]}}}
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: empty-parts, labels: {plain: label}, annotations: {plain: annotation}}
spec:
  type: pod
  device: press-1
  data: {ingress: []}
  imageRegistries: {}
  metrics: {interval: 5, containers: {web: {port: 9000}}}
  pod: {spec: {containers: [{name: c, image: i}], initContainers: [], volumes: []}}
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: empty-auth-file}
spec:
  type: pod
  device: press-1
  imageRegistries: {secretRef: {name: registry}}
  metrics: {port: 9000}
  pod: {spec: {containers: [{name: c, image: i}]}}
---
{apiVersion: v1, kind: Secret, metadata: {name: registry}, stringData: {.dockerconfigjson: ''}}
"
    ));
}

#[test]
fn a_set_decides_all_six_sections_alone() {
    let member = Device::new("press-1").labelled("flotta/member-of", "presses");
    let device = |set: &str| {
        let text = format!(
            "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDevice
metadata: {{name: press-1}}
spec:
  heartbeat: {{periodSeconds: 1, hardwareProfile: {{include: true}}}}
  osInformation: {{commitID: device}}
  mounts: [{{device: /dev/device, folder: /device}}]
  storage: {{s3: {{configMapName: missing}}}}
  metrics: {{system: {{}}}}
  logCollection: {{device: {{kind: syslog, syslogConfig: {{name: missing}}}}}}
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDeviceSet
metadata: {{name: presses}}
spec: {set}
---
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: syslog}}, data: {{Address: 'logs:1'}}}}
"
        );
        let assembly = member.ask(&World::of(&text)).unwrap();
        assert_eq!(assembly.faults, []);
        in_lines(&self::text(&assembly))
    };
    assert_snapshot!("set_empty", device("{}"));
    assert_snapshot!(
        "set_full",
        device(
            "{heartbeat: {periodSeconds: 2}, osInformation: {commitID: set}, mounts: [{device: /dev/set, folder: /set}], \
              metrics: {dataTransfer: {}}, logCollection: {set: {bufferSize: 1, kind: syslog, syslogConfig: {name: syslog}}}}"
        )
    );
}
