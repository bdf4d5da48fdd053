//! A file or a directory as one unit.

use std::{fs, os::unix::fs::symlink, path::Path};

use flotta_manifests::source::{self, SourceError};
use tempfile::TempDir;

fn config_map(name: &str, value: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{a: {value:?}}}}}\n")
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn names(path: &Path) -> Vec<String> {
    let reading = source::read(path).unwrap();
    reading
        .objects
        .into_iter()
        .map(|object| object.key.name)
        .collect()
}

/// The sentences of an error without the place of the directory.
fn refused(directory: &TempDir) -> String {
    let error = source::read(directory.path()).unwrap_err();
    error
        .to_string()
        .replace(directory.path().to_str().unwrap(), "fleet")
}

#[test]
fn one_level_of_a_directory_is_read_and_nothing_hidden() {
    let directory = directory(&[
        ("b.yml", &config_map("b", "1")),
        ("a.yaml", &config_map("a", "1")),
        (
            "c.json",
            r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}"#,
        ),
        (".hidden.yaml", "broken: ["),
        ("README.md", "broken: ["),
        ("a.yaml.bak", "broken: ["),
    ]);
    fs::create_dir(directory.path().join("below.yaml")).unwrap();
    fs::write(directory.path().join("below.yaml/d.yaml"), config_map("d", "1")).unwrap();
    assert_eq!(names(directory.path()), ["a", "b", "c"]);
    assert_eq!(names(&directory.path().join("a.yaml")), ["a"]);
}

#[test]
fn a_volume_of_kubernetes_is_read_through_its_links() {
    let volume = tempfile::tempdir().unwrap();
    let version = volume.path().join("..2026_11_24");
    fs::create_dir(&version).unwrap();
    fs::write(version.join("a.yaml"), config_map("a", "1")).unwrap();
    symlink("..2026_11_24", volume.path().join("..data")).unwrap();
    symlink("..data/a.yaml", volume.path().join("a.yaml")).unwrap();
    assert_eq!(names(volume.path()), ["a"]);
}

#[test]
fn faults_of_all_files_are_told_together() {
    let directory = directory(&[
        ("a.yaml", &config_map("same", "1")),
        ("b.yaml", "broken: ["),
        ("c.yaml", &format!("---\n---\n{}", config_map("same", "2"))),
        (
            "d.yaml",
            "{apiVersion: v1, kind: Secret, metadata: {name: x}, data: {a: '!'}}",
        ),
    ]);
    let refused = refused(&directory);
    let sentences: Vec<_> = refused.lines().collect();
    assert_eq!(
        sentences,
        [
            "fleet/b.yaml, line 1 is no YAML: unclosed bracket '['",
            "fleet/c.yaml, line 3: ConfigMap default/same is there already, at fleet/a.yaml, line 1; take one of them out",
            "fleet/d.yaml, line 1: Secret default/x: data.a is not base64; encode it with `base64 -w0`",
        ]
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let missing = source::read(Path::new("/nowhere/fleet")).unwrap_err();
    assert!(missing.faults().is_empty());
    assert!(
        missing.to_string().starts_with("/nowhere/fleet cannot be read"),
        "{missing}"
    );

    let dangling = directory(&[("a.yaml", &config_map("a", "1"))]);
    symlink("away.yaml", dangling.path().join("b.yaml")).unwrap();
    assert!(
        refused(&dangling).starts_with("fleet/b.yaml cannot be read"),
        "{}",
        refused(&dangling)
    );

    let binary = directory(&[]);
    fs::write(binary.path().join("a.yaml"), [0xff, 0xfe]).unwrap();
    assert!(matches!(source::read(binary.path()), Err(SourceError::Io { .. })));
    assert!(refused(&binary).contains("fleet/a.yaml cannot be read: it is no UTF-8 text"));
}

#[test]
fn an_empty_source_is_read_and_seen_to_be_empty() {
    assert!(source::read(directory(&[]).path()).unwrap().is_empty());
    assert!(
        source::read(directory(&[("a.yaml", "# nothing\n---\n")]).path())
            .unwrap()
            .is_empty()
    );
    assert!(
        !source::read(directory(&[("a.yaml", &config_map("a", "1"))]).path())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn the_digest_is_of_what_is_said_and_not_of_how() {
    let digest = |texts: &[&str]| {
        let texts: Vec<_> = texts
            .iter()
            .map(|text| ("a".to_owned(), (*text).to_owned()))
            .collect();
        source::of_texts(&texts).unwrap().digest
    };
    let (a, b) = (config_map("a", "1"), config_map("b", "1"));
    let both = digest(&[&format!("{a}---\n# b\n{b}")]);
    assert_eq!(both.len(), 64);
    assert_eq!(both, digest(&[&b, &a]));
    assert_ne!(both, digest(&[&a]));
    assert_ne!(both, digest(&[&a, &config_map("b", "2")]));
    assert_ne!(digest(&[]), digest(&[&a]));
}
