//! What is refused, with the sentence that a person gets. The golden files are lists of those.

use std::fmt::Write as _;

use flotta_manifests::{Reading, UnknownFields};
use serde_json::json;

fn told(text: &str) -> String {
    sentences(flotta_manifests::read(text, "fleet.yaml"))
}

fn sentences(reading: Reading) -> String {
    let mut told = String::new();
    for fault in reading.faults {
        writeln!(told, "FAULT {fault}").unwrap();
    }
    for warning in reading.warnings {
        writeln!(told, "WARNING {warning}").unwrap();
    }
    for object in reading.objects {
        writeln!(told, "READ {}", object.key).unwrap();
    }
    told
}

#[test]
fn of_texts_that_cannot_be_read() {
    let deep = "[".repeat(2_000);
    let deeper = "{\"a\":".repeat(120) + "1" + &"}".repeat(120);
    let bomb = (1..9).fold("a0: &a0 [lol, lol]\n".to_owned(), |mut text, level| {
        let aliases = vec![format!("*a{}", level - 1); 16].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
        text
    });
    let large = format!("a: {}", "x".repeat(9 << 20));
    let texts = [
        ("a: [", "an open list"),
        ("a: 1\na: 2\n", "a key twice"),
        (
            "a: {b: c,\n  // a comment\n  \"d\": e}\n",
            "what is no comment before a key",
        ),
        ("a: {b: c\n  d: e}\n", "a forgotten comma"),
        ("<<: {a: 1}\n<<: {a: 2}\n", "two merges"),
        ("a: b\n...\nc: d\n", "what is behind the end of a document"),
        ("a: b\n--- c\n", "what is behind the beginning of one"),
        ("a:\tb\n", "a tab before a value"),
        ("a: b\u{2028}c\n", "a line that nobody sees the end of"),
        ("a: b\n\u{feff}c: d\n", "two files that were put together"),
        ("{\"a\": 1, \"a\": 2}", "a field twice"),
        ("{\"a\": 1,\n \"b\": }", "broken JSON"),
        ("{a: 1}\n{b: 2}", "neither"),
        ("on: 1\n", "a key that is a truth value"),
        ("0777: 1\n", "a key that is an octal number"),
        ("~: 1\n", "a key that is null"),
        ("? [a]\n: 1\n", "a key that is a list"),
        ("a: *b\n", "an unknown alias"),
        ("a: &a [*a]\n", "an alias of itself"),
        ("a: .inf\n", "infinity"),
        ("a: !!binary aGk=\n", "a tag"),
        ("!!int a: 1\n", "a tag of a key"),
        ("a: !secret {b: c}\n", "another tag"),
        ("b: &b {x: 1}\na: {x: 2, <<: *b}\n", "a late merge"),
        ("a: {<<: 1}\n", "a merge of nothing"),
        (&deep, "deep lists"),
        (&deeper, "deep JSON"),
        (&bomb, "an alias bomb"),
        (&large, "a large text"),
        ("just text", "a text"),
        ("- a\n- b\n", "a list"),
        ("a:\n\t- b\n", "a tab"),
    ];
    let mut all = String::new();
    for (text, what) in texts {
        let told = told(text);
        assert!(told.starts_with("FAULT"), "{what}: {told}");
        write!(all, "# {what}\n{told}").unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_json_file_is_json_alone() {
    let commented = "{\n  // a comment\n  \"apiVersion\": \"v1\"}";
    for text in [commented, "a: 1", "{a: 1}"] {
        let reading = flotta_manifests::read(text, "fleet.json");
        let fault = reading.faults[0].to_string();
        assert!(fault.contains("is no JSON"), "{fault}");
    }
    let flow = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
    assert_eq!(flotta_manifests::read(flow, "fleet.yaml").objects.len(), 1);
    assert_eq!(flotta_manifests::read(flow, "-").objects.len(), 1);
    assert_eq!(flotta_manifests::read(flow, "fleet.json").objects.len(), 0);
}

#[test]
fn a_mistake_in_one_document_hides_no_other() {
    let told = told(
        "a: [\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: read}}\n--- what\nb: ]\n---\non: 1\n",
    );
    assert_eq!(told.matches("FAULT").count(), 4, "{told}");
    for line in [
        "line 1",
        "line 4",
        "line 5",
        "line 7",
        "READ ConfigMap default/read",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
}

#[test]
fn of_kinds_and_unknown_fields() {
    insta::assert_snapshot!(told(include_str!("kinds.yaml")));
}

#[test]
fn unknown_fields_can_be_left_out_with_a_warning() {
    let text = include_str!("kinds.yaml").split("---\n");
    let text = text.skip_while(|document| !document.contains("selects-all"));
    let text = text.collect::<Vec<_>>().join("---\n");
    let reading = flotta_manifests::read_with(&text, "fleet.yaml", UnknownFields::Warn);
    insta::assert_snapshot!(sentences(reading));
}

#[test]
fn flottas_own_samples_are_taken() {
    let text = "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeConfig
metadata: {name: edgeconfig-sample}
spec:
  edgePlaybook: {playbooks: [{content: LS0tCg==}]}
  timeoutSeconds: 150
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: edgeworkload-sample}
spec:
  deviceSelector: {matchLabels: {foo: bar}}
  data: {paths: [{source: ., target: nginx}]}
  type: pod
  pod: {spec: {containers: [{name: nginx, image: 'docker.io/nginx:1.14.2', ports: [{containerPort: 80, hostPort: 9090}]}]}}
";
    let told = told(text);
    assert!(
        !told.contains("FAULT") && told.matches("READ").count() == 2,
        "{told}"
    );
    assert_eq!(told.matches("it was left out").count(), 2, "{told}");
}

#[test]
fn of_pods_that_podman_refuses() {
    insta::assert_snapshot!(told(include_str!("pods.yaml")));
}

#[test]
fn of_core_objects() {
    insta::assert_snapshot!(told(include_str!("core.yaml")));
}

#[test]
fn of_heads() {
    insta::assert_snapshot!(told(include_str!("heads.yaml")));
}

#[test]
fn of_shapes() {
    insta::assert_snapshot!(told(include_str!("shapes.yaml")));
}

#[test]
fn an_object_tells_all_its_faults_and_others_are_read() {
    insta::assert_snapshot!(told(include_str!("many_faults.yaml")));
}

#[test]
fn a_workload_that_runs_nothing_is_refused() {
    let workload = |spec: &str| {
        told(&format!(
            "{{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeWorkload, metadata: {{name: a}}, spec: {{{spec}}}}}"
        ))
    };
    for (spec, path) in [
        ("type: pod, device: d", "spec.pod is missing"),
        ("type: pod, device: d, pod: null", "spec.pod is missing"),
        ("type: pod, device: d, pod: {}", "spec.pod.spec"),
        (
            "type: pod, device: d, pod: {spec: {}}",
            "spec.pod.spec.containers",
        ),
        (
            "type: pod, device: d, pod: {spec: {containers: null}}",
            "spec.pod.spec.containers",
        ),
        (
            "type: pod, device: d, pod: {spec: {containers: []}}",
            "spec.pod.spec.containers is empty",
        ),
        (
            "type: pod, device: d, pod: {spec: {containers: [], initContainers: [{name: i, image: x}]}}",
            "spec.pod.spec.containers is empty",
        ),
        ("type: pod, device: d, pod: 7", "spec.pod"),
    ] {
        let told = workload(spec);
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.starts_with("FAULT") && told.contains(path), "{told}");
    }
    let told = workload("type: pod, device: d, pod: {spec: {containers: [{name: c, image: x}]}}");
    assert!(told.starts_with("READ"), "{told}");
}

#[test]
fn a_volume_of_the_agent_s_name_is_refused() {
    let workload = |name: &str, volume: &str| {
        told(&format!(
            "{{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeWorkload, metadata: {{name: {name}}}, spec: {{type: pod, \
             device: d, pod: {{spec: {{containers: [{{name: c, image: i}}], volumes: [{{name: {volume}, hostPath: {{path: /d}}}}]}}}}}}}}"
        ))
    };
    let refused = workload("web", "export-web");
    assert!(
        refused.starts_with(
            "FAULT fleet.yaml, line 1: EdgeWorkload default/web: spec.pod.spec.volumes[0].name is that of the volume"
        ) && refused.lines().count() == 1,
        "{refused}"
    );
    for volume in ["export-webs", "export-", "export", "web", "xexport-web"] {
        assert!(workload("web", volume).starts_with("READ"), "{volume}");
    }
    // Without a name there is nothing to compare it with.
    let nameless = workload("", "export-");
    assert_eq!(nameless.lines().count(), 1, "{nameless}");
}

/// A device that lost its labels so would lose the workloads that they select.
#[test]
fn a_slip_in_metadata_is_no_foreign_field() {
    for (field, meant) in [
        ("lables: {a: b}", "labels"),
        ("label: {a: b}", "labels"),
        ("Namespace: x", "namespace"),
        ("namepsace: x", "namespace"),
        ("annotation: {a: b}", "annotations"),
    ] {
        let name = field.split(':').next().unwrap();
        for kind in [
            "{apiVersion: v1, kind: ConfigMap",
            "{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeDevice",
        ] {
            let told = told(&format!("{kind}, metadata: {{name: a, {field}}}}}"));
            assert!(
                told.starts_with("FAULT")
                    && told.contains(&format!(
                        "metadata.{name} is no field of ObjectMeta; is {meant} meant?"
                    )),
                "{told}"
            );
        }
    }
    let exported = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, clusterName: x, initializers: {}}}";
    assert!(!told(exported).contains("FAULT"), "{}", told(exported));
}

/// An API server takes such a key out, or makes the empty text of it: either selects others than
/// the file seems to.
#[test]
fn a_key_without_a_value_is_refused() {
    let object = |kind: &str, metadata: &str, fields: &str| {
        let version = match kind {
            "ConfigMap" => "v1",
            _ => "management.project-flotta.io/v1alpha1",
        };
        told(&format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: a{metadata}}}{fields}}}"
        ))
    };
    let workload = |selector: &str, pod: &str| {
        let containers = "containers: [{name: c, image: i}]";
        let spec = format!(
            ", spec: {{type: pod, deviceSelector: {selector}, pod: {{spec: {{{containers}{pod}}}}}}}"
        );
        object("EdgeWorkload", "", &spec)
    };
    let empty = "write \"\" if it shall be empty";
    for (told, path, remedy) in [
        (
            workload("{matchLabels: {line: }}", ""),
            "spec.deviceSelector.matchLabels.line",
            empty,
        ),
        (
            workload("{matchLabels: {site: a, line: ~}}", ""),
            "spec.deviceSelector.matchLabels.line",
            empty,
        ),
        (
            workload("{matchLabels: }", ""),
            "spec.deviceSelector.matchLabels",
            "write {} if that is meant",
        ),
        (
            workload("{matchLabels: {line: press}, matchExpressions: null}", ""),
            "spec.deviceSelector.matchExpressions",
            "write [] if that is meant",
        ),
        (
            workload("{}", ", nodeSelector: {a: }"),
            "spec.pod.spec.nodeSelector.a",
            empty,
        ),
        (
            workload("{}", ", overhead: {cpu: }"),
            "spec.pod.spec.overhead.cpu",
            "write one, or take it out",
        ),
        (
            object("EdgeDevice", ", labels: {gateway: }", ""),
            "metadata.labels.gateway",
            empty,
        ),
        (
            object("ConfigMap", ", annotations: {note: null}", ""),
            "metadata.annotations.note",
            empty,
        ),
        (
            object("ConfigMap", "", ", binaryData: {a: }"),
            "binaryData.a",
            empty,
        ),
        (
            object("EdgeDeviceSet", "", ", spec: {logCollection: {central: }}"),
            "spec.logCollection.central",
            "write {} if it shall be empty",
        ),
    ] {
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(
            told.starts_with("FAULT")
                && told.contains(&format!("{path} has no value"))
                && told.contains(remedy),
            "{told}"
        );
    }
    for told in [
        workload("{}", ""),
        workload("{matchLabels: {}, matchExpressions: []}", ""),
        workload("{matchLabels: {line: \"\"}}", ""),
        object("EdgeDevice", ", labels: {gateway: ''}", ""),
        // No key of the user's.
        object("EdgeDevice", ", labels: ", ", spec: {storage: }"),
    ] {
        assert!(told.starts_with("READ"), "{told}");
    }
}

#[test]
fn what_is_told_has_a_bound() {
    let all = |text: &str| {
        let reading = flotta_manifests::read(text, "fleet.yaml");
        let sentences = reading.faults.iter().map(ToString::to_string);
        let warnings = reading.warnings.iter().map(ToString::to_string);
        let length: usize = sentences.chain(warnings).map(|sentence| sentence.len()).sum();
        assert!(length < 50_000, "{length}");
        assert!(reading.faults.len() <= 50 && reading.warnings.len() <= 50);
        (
            reading.faults.len() + reading.more_faults,
            reading.warnings.len() + reading.more_warnings,
        )
    };
    // Each is no text, and all but the first are there twice.
    assert_eq!(all(&"on: 1\n".repeat(10_000)), (19_999, 0));
    // Neither `apiVersion` nor `kind`.
    assert_eq!(all(&"{}\n---\n".repeat(10_000)), (20_000, 0));
    assert_eq!(all(&"---\n".repeat(10_000)), (0, 0));
    let ports = vec!["{}"; 10_000].join(",");
    let workload = format!(
        "{{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeWorkload, metadata: {{name: a}}, \
         spec: {{type: pod, pod: {{spec: {{containers: [{{name: a, image: a, ports: [{ports}]}}]}}}}}}}}"
    );
    // Two numbers are missing of each port, and all but the first are the same.
    assert_eq!(all(&workload), (29_999, 0));
    let services = "{apiVersion: v1, kind: Service}\n---\n".repeat(10_000);
    assert_eq!(all(&services), (0, 10_000));
    let long = "x".repeat(1 << 20);
    assert_eq!(all(&format!("{{\"{long}\": 1, \"{long}\": 2}}")).0, 1);
    let kind = json!({"apiVersion": "v1", "kind": long, "metadata": {"name": long}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {&long: 1}, &long: {}});
    assert_eq!(all(&format!("{kind}{secret}")).0, 3);
}

#[test]
fn no_sentence_contains_a_value() {
    let told = told(
        "{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {a: hunter2!}}, \
         data: {a: hunter2, b: 20222022, c: [hunter2], hunter.key: true}, stringData: {d: 20222022, e: {f: hunter2}}, \
         type: {g: hunter2}, immutable: hunter2, unknown: hunter2}",
    );
    assert_eq!(told.matches("FAULT").count(), 10, "{told}");
    assert!(!told.contains("hunter2") && !told.contains("2022"), "{told}");
}
