//! What is refused, with the sentence that a person gets. The golden files are lists of those.

use std::fmt::Write as _;

fn told(text: &str) -> String {
    let reading = flotta_manifests::read(text, "fleet.yaml");
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
fn what_is_told_has_a_bound() {
    let keys = "on: 1\n".repeat(100_000);
    assert_eq!(told(&keys).lines().count(), 201);
    let ports = vec!["{}"; 100_000].join(",");
    let workload = format!(
        "{{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeWorkload, metadata: {{name: a}}, \
         spec: {{pod: {{spec: {{containers: [{{ports: [{ports}]}}]}}}}}}}}"
    );
    let told = told(&workload);
    assert_eq!(told.lines().count(), 201);
    assert!(
        told.lines().last().unwrap().contains("and more like this"),
        "{told}"
    );
}

#[test]
fn no_sentence_contains_a_value() {
    let told = told(
        "{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {a: hunter2!}}, \
         data: {a: hunter2, b: 20222022, c: [hunter2], hunter.key: true}, stringData: {d: 20222022, e: {f: hunter2}}, \
         type: {g: hunter2}, immutable: hunter2, unknown: hunter2}",
    );
    assert_eq!(told.matches("FAULT").count(), 9, "{told}");
    assert!(!told.contains("hunter2") && !told.contains("2022"), "{told}");
}
