//! A file or a directory as one unit.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use flotta_manifests::{
    UnknownFields,
    source::{self, SourceError, SourceReading},
};
use tempfile::TempDir;

fn config_map(name: &str, value: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{a: {value:?}}}}}\n")
}

fn read(path: &Path) -> Result<SourceReading, SourceError> {
    source::read(path, UnknownFields::Refuse)
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn names(path: &Path) -> Vec<String> {
    let reading = read(path).unwrap();
    reading
        .objects
        .into_iter()
        .map(|object| object.key.name)
        .collect()
}

/// The sentences of an error without the place of the directory.
fn refused(directory: &TempDir) -> String {
    let error = read(directory.path()).unwrap_err();
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
            "fleet/d.yaml, line 1: Secret default/x: data.a is not base64; encode it with `base64 -w0`, or write it as it is under stringData",
        ]
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let missing = read(Path::new("/nowhere/fleet")).unwrap_err();
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

    let elsewhere = directory(&[]);
    let windows: Vec<u8> = config_map("a", "1")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(elsewhere.path().join("a.yaml"), windows).unwrap();
    assert_eq!(
        refused(&elsewhere),
        "fleet/a.yaml is UTF-16 or UTF-32, and manifests are UTF-8; save it as UTF-8"
    );
    fs::write(elsewhere.path().join("a.yaml"), vec![b' '; (8 << 20) + 1]).unwrap();
    assert_eq!(refused(&elsewhere), "fleet/a.yaml is larger than 8 MiB; split it");
}

#[test]
fn neither_a_pipe_nor_a_device_is_waited_for() {
    let piped = directory(&[("a.yaml", &config_map("a", "1"))]);
    let pipe = piped.path().join("b.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(
        refused(&piped).starts_with("fleet/b.yaml is no regular file"),
        "{}",
        refused(&piped)
    );
    for path in [&*pipe, Path::new("/dev/zero"), Path::new("/dev/stdin")] {
        // Standard input may be a file.
        if !fs::metadata(path).unwrap().is_file() {
            let error = read(path).unwrap_err();
            assert!(matches!(error, SourceError::Unfit { .. }), "{error}");
        }
    }
}

#[test]
fn a_kustomization_is_passed_over_and_what_is_no_kustomization_is_not() {
    let directory = directory(&[
        ("a.yaml", &config_map("a", "1")),
        ("kustomization.yaml", "resources: [a.yaml]\n---\n"),
    ]);
    let reading = read(directory.path()).unwrap();
    assert_eq!(reading.objects.len(), 1);
    assert!(
        reading.warned()[0].contains("kubectl kustomize"),
        "{:?}",
        reading.warned()
    );
    // By this name it was read before, and what is in it is no less meant.
    fs::write(directory.path().join("kustomization.yaml"), config_map("b", "1")).unwrap();
    assert_eq!(names(directory.path()), ["a", "b"]);
    fs::write(
        directory.path().join("kustomisation.yaml"),
        "resources: [a.yaml]\n",
    )
    .unwrap();
    assert!(refused(&directory).contains("apiVersion is missing"));
}

#[test]
fn of_many_faults_fifty_are_told_and_the_rest_counted() {
    let directory = directory(&[
        ("a.yaml", &"{}\n---\n".repeat(40)),
        ("b.yaml", &"{}\n---\n".repeat(40)),
    ]);
    let refused = refused(&directory);
    assert_eq!(refused.lines().count(), 51);
    assert_eq!(
        refused.lines().last(),
        Some("and 110 more faults, which are not listed")
    );
    let services = "{apiVersion: v1, kind: Service, metadata: {name: a}}\n---\n".repeat(60);
    fs::write(directory.path().join("a.yaml"), services).unwrap();
    fs::write(directory.path().join("b.yaml"), config_map("b", "1")).unwrap();
    let warned = read(directory.path()).unwrap().warned();
    assert_eq!(warned.len(), 51);
    assert_eq!(warned[50], "and 10 more warnings, which are not listed");
}

#[test]
fn an_empty_source_is_read_and_seen_to_be_empty() {
    assert!(read(directory(&[]).path()).unwrap().is_empty());
    assert!(
        read(directory(&[("a.yaml", "# nothing\n---\n")]).path())
            .unwrap()
            .is_empty()
    );
    assert!(
        !read(directory(&[("a.yaml", &config_map("a", "1"))]).path())
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
        source::of_texts(&texts, UnknownFields::Refuse).unwrap().digest
    };
    let (a, b) = (config_map("a", "1"), config_map("b", "1"));
    let both = digest(&[&format!("{a}---\n# b\n{b}")]);
    assert_eq!(both.len(), 64);
    assert_eq!(both, digest(&[&b, &a]));
    assert_ne!(both, digest(&[&a]));
    assert_ne!(both, digest(&[&a, &config_map("b", "2")]));
    assert_ne!(digest(&[]), digest(&[&a]));
}
