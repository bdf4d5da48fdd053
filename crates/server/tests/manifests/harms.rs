//! What can go wrong, one failure an entry.

use std::{fs, os::unix::fs::symlink, path::Path};

use crate::{
    edits::{append, cut, cut_before, each, edit, empty, remove, without},
    fleet::{OTHER_KEY, files},
    world::SAME_NAME,
};

/// Something that goes wrong.
#[derive(Clone, Copy)]
pub(crate) enum Harm {
    /// With the folder of manifests, while the server runs.
    Source(fn(&Path)),
    /// With the database, between two runs.
    Rows(&'static str),
    /// With the key file, between two runs.
    Keys(Option<&'static str>),
    /// With both.
    KeysAndSource(Option<&'static str>, fn(&Path)),
    /// With the database and the folder.
    RowsAndSource(&'static str, fn(&Path)),
}

use Harm::{Keys, KeysAndSource, Rows, RowsAndSource, Source};

/// The containers of the workload `own`.
const OWN: &str = "containers: [{name: own, image: registry.example/own:1}]";

/// One failure a line. After each the fleet is put in order again.
pub(crate) const HARMS: &[(&str, Harm)] = &[
    (
        "a ConfigMap is gone",
        Source(|at| without(at, "maps.yaml", "ConfigMap", "press")),
    ),
    (
        "the other ConfigMap is gone",
        Source(|at| without(at, "maps.yaml", "ConfigMap", "watch")),
    ),
    (
        "an allow list is gone",
        Source(|at| without(at, "maps.yaml", "ConfigMap", "allowed")),
    ),
    ("all ConfigMaps are gone", Source(|at| remove(at, "maps.yaml"))),
    (
        "a Secret is gone",
        Source(|at| without(at, "secrets.yaml", "Secret", "press")),
    ),
    (
        "a Secret of envFrom is gone",
        Source(|at| without(at, "secrets.yaml", "Secret", "watch")),
    ),
    (
        "the registry's Secret is gone",
        Source(|at| without(at, "secrets.yaml", "Secret", "registry")),
    ),
    ("all Secrets are gone", Source(|at| remove(at, "secrets.yaml"))),
    (
        "ConfigMaps and Secrets are gone",
        Source(|at| {
            remove(at, "maps.yaml");
            remove(at, "secrets.yaml");
        }),
    ),
    (
        "only workloads are left",
        Source(|at| {
            for name in ["maps.yaml", "secrets.yaml", "sets.yaml"] {
                remove(at, name);
            }
        }),
    ),
    (
        "a Secret lost a key",
        Source(|at| edit(at, "secrets.yaml", "token: zQ7-planted-value-9dK, ", "")),
    ),
    (
        "a registry's Secret is of another form",
        Source(|at| edit(at, "secrets.yaml", ".dockerconfigjson:", "elsewhere:")),
    ),
    (
        "a set is gone",
        Source(|at| without(at, "sets.yaml", "EdgeDeviceSet", "pumps")),
    ),
    ("all sets are gone", Source(|at| remove(at, "sets.yaml"))),
    (
        "a device's document is gone",
        Source(|at| without(at, "devices.yaml", "EdgeDevice", "one")),
    ),
    (
        "another device's document is gone",
        Source(|at| without(at, "devices.yaml", "EdgeDevice", "three")),
    ),
    (
        "all devices' documents are gone",
        Source(|at| remove(at, "devices.yaml")),
    ),
    (
        "a device's labels are gone",
        Source(|at| edit(at, "devices.yaml", "labels: {line: paint}", "annotations: {}")),
    ),
    (
        "a workload is gone",
        Source(|at| without(at, "workloads.yaml", "EdgeWorkload", "press")),
    ),
    (
        "a workload by name is gone",
        Source(|at| without(at, "workloads.yaml", "EdgeWorkload", "own")),
    ),
    (
        "a workload has no container",
        Source(|at| edit(at, "workloads.yaml", OWN, "containers: []")),
    ),
    (
        "a workload has no list of containers",
        Source(|at| edit(at, "workloads.yaml", OWN, "restartPolicy: Always")),
    ),
    (
        "a workload has no pod",
        Source(|at| {
            let pod = format!("  pod:\n    spec:\n      {OWN}\n");
            edit(at, "workloads.yaml", &pod, "");
        }),
    ),
    (
        "a workload lost a container",
        Source(|at| {
            let line = "        - {name: log, image: registry.example/log:1}\n";
            edit(at, "workloads.yaml", line, "");
        }),
    ),
    (
        "a container has another name",
        Source(|at| edit(at, "workloads.yaml", "{name: log, ", "{name: lot, ")),
    ),
    (
        "a workload lost its volumes",
        Source(|at| {
            let line = "      volumes: [{name: spool, hostPath: {path: /var/spool}}]\n";
            edit(at, "workloads.yaml", line, "");
        }),
    ),
    (
        "all workloads are gone",
        Source(|at| remove(at, "workloads.yaml")),
    ),
    (
        "all workloads and their needs are gone",
        Source(|at| {
            for name in ["workloads.yaml", "maps.yaml", "secrets.yaml"] {
                remove(at, name);
            }
        }),
    ),
    (
        "a workload selects others",
        Source(|at| edit(at, "workloads.yaml", "line: press", "line: none")),
    ),
    (
        "a workload needs what is not there",
        Source(|at| {
            edit(
                at,
                "workloads.yaml",
                "configMapRef: {name: press}",
                "configMapRef: {name: nowhere}",
            );
        }),
    ),
    (
        "a workload needs a key that is not there",
        Source(|at| edit(at, "workloads.yaml", "key: token", "key: nowhere")),
    ),
    (
        "an allow list is no list",
        Source(|at| edit(at, "maps.yaml", "names: [node_load1]", "elsewhere: 1")),
    ),
    ("the source is emptied", Source(empty)),
    (
        "the source is removed",
        Source(|at| fs::remove_dir_all(at).unwrap()),
    ),
    (
        "the source is a file",
        Source(|at| {
            fs::remove_dir_all(at).unwrap();
            fs::write(at, "").unwrap();
        }),
    ),
    (
        "the source leads nowhere",
        Source(|at| {
            fs::remove_dir_all(at).unwrap();
            symlink("nowhere", at).unwrap();
        }),
    ),
    ("each file is empty", Source(|at| each(at, |_| Vec::new()))),
    (
        "each file is of comments",
        Source(|at| each(at, |_| b"# nothing\n---\n".to_vec())),
    ),
    (
        "each file is cut in the middle",
        Source(|at| each(at, |text| text[..text.len() / 2].to_vec())),
    ),
    (
        "each file is cut near its end",
        Source(|at| each(at, |text| text[..text.len() - 9].to_vec())),
    ),
    (
        "the workloads' file is cut",
        Source(|at| cut(at, "workloads.yaml", 400)),
    ),
    (
        "the workloads' file is cut between two",
        Source(|at| cut_before(at, "workloads.yaml", "metadata: {name: watch}")),
    ),
    (
        "the Secrets' file is cut between two",
        Source(|at| cut_before(at, "secrets.yaml", "metadata: {name: watch}")),
    ),
    (
        "the devices' file is cut between two",
        Source(|at| cut_before(at, "devices.yaml", "  name: three")),
    ),
    (
        "a file is half written",
        Source(|at| append(at, "workloads.yaml", "---\napiVersion: management.proj")),
    ),
    (
        "a file is no YAML",
        Source(|at| append(at, "maps.yaml", "\n---\n{: }: [\n")),
    ),
    (
        "a file is no text",
        Source(|at| fs::write(at.join("maps.yaml"), [0xff, 0xfe, 0, 0x80]).unwrap()),
    ),
    (
        "a file is a folder",
        Source(|at| {
            remove(at, "maps.yaml");
            fs::create_dir(at.join("maps.yaml")).unwrap();
        }),
    ),
    (
        "a file leads nowhere",
        Source(|at| {
            remove(at, "secrets.yaml");
            symlink("nowhere", at.join("secrets.yaml")).unwrap();
        }),
    ),
    (
        "a file is huge",
        Source(|at| fs::write(at.join("maps.yaml"), vec![b'#'; 80 << 20]).unwrap()),
    ),
    (
        "a kind is not known",
        Source(|at| {
            append(
                at,
                "maps.yaml",
                "\n---\napiVersion: v2\nkind: Wonder\nmetadata: {name: a}\n",
            );
        }),
    ),
    (
        "all kinds are not known",
        Source(|at| {
            each(at, |text| {
                String::from_utf8_lossy(text)
                    .replace("kind: ", "kind: Un")
                    .into_bytes()
            });
        }),
    ),
    (
        "an object is there twice",
        Source(|at| {
            fs::copy(at.join("maps.yaml"), at.join("again.yaml")).unwrap();
        }),
    ),
    (
        "files have other endings",
        Source(|at| {
            for (name, _) in files() {
                fs::rename(at.join(name), at.join(name).with_extension("bak")).unwrap();
            }
        }),
    ),
    (
        "files are hidden",
        Source(|at| {
            for (name, _) in files() {
                fs::rename(at.join(name), at.join(format!(".{name}"))).unwrap();
            }
        }),
    ),
    (
        "everything is of another namespace",
        Source(|at| {
            each(at, |text| {
                String::from_utf8_lossy(text)
                    .replace("metadata: {", "metadata: {namespace: other, ")
                    .into_bytes()
            });
        }),
    ),
    ("the key is another", Keys(Some(OTHER_KEY))),
    ("the key is another of the same name", Keys(Some(SAME_NAME))),
    ("there is no key", Keys(None)),
    (
        "the key is another, and the Secrets are gone",
        KeysAndSource(Some(OTHER_KEY), |at| remove(at, "secrets.yaml")),
    ),
    (
        "the key is another, and ConfigMaps are gone",
        KeysAndSource(Some(SAME_NAME), |at| remove(at, "maps.yaml")),
    ),
    (
        "there is no key, and the source is emptied",
        KeysAndSource(None, empty),
    ),
    ("renderings are lost", Rows("DELETE FROM rendering")),
    ("documents are lost", Rows("DELETE FROM document")),
    (
        "documents and sources are lost",
        Rows("DELETE FROM document; DELETE FROM source"),
    ),
    (
        "documents and renderings are lost",
        Rows("DELETE FROM document; DELETE FROM rendering"),
    ),
    (
        "everything but devices is lost",
        Rows("DELETE FROM document; DELETE FROM rendering; DELETE FROM source"),
    ),
    ("sources are lost", Rows("DELETE FROM source")),
    (
        "workloads are lost",
        Rows("DELETE FROM document WHERE kind = 'EdgeWorkload'"),
    ),
    (
        "workloads and renderings are lost",
        Rows("DELETE FROM document WHERE kind = 'EdgeWorkload'; DELETE FROM rendering"),
    ),
    (
        "a workload is lost",
        Rows(
            "DELETE FROM document WHERE kind = 'EdgeWorkload' AND name = 'press'; DELETE FROM rendering WHERE name = 'press'",
        ),
    ),
    (
        "a workload of the store has no container",
        Rows(
            "UPDATE document SET body = json_set(body, '$.document.spec.pod.spec.containers', json('[]')), checksum = NULL WHERE name = 'own'",
        ),
    ),
    (
        "a workload of the store has no container, and renderings are lost",
        Rows(
            "UPDATE document SET body = json_set(body, '$.document.spec.pod.spec.containers', json('[]')), checksum = NULL WHERE name = 'own'; DELETE FROM rendering",
        ),
    ),
    (
        "a workload of the store has no pod, and renderings are lost",
        Rows(
            "UPDATE document SET body = json_remove(body, '$.document.spec.pod'), checksum = NULL WHERE name = 'own'; DELETE FROM rendering",
        ),
    ),
    (
        "devices' documents are lost",
        Rows("DELETE FROM document WHERE kind = 'EdgeDevice'"),
    ),
    (
        "a Secret is lost",
        Rows("DELETE FROM document WHERE kind = 'Secret' AND name = 'press'"),
    ),
    (
        "a ConfigMap and renderings are lost",
        Rows("DELETE FROM document WHERE kind = 'ConfigMap' AND name = 'press'; DELETE FROM rendering"),
    ),
    (
        "a workload's row is damaged",
        Rows("UPDATE document SET body = substr(body, 1, 40) WHERE kind = 'EdgeWorkload' AND name = 'press'"),
    ),
    (
        "a workload's row is another's",
        Rows(
            "UPDATE document SET body = (SELECT body FROM document WHERE kind = 'EdgeWorkload' AND name = 'own') WHERE kind = 'EdgeWorkload' AND name = 'press'",
        ),
    ),
    (
        "a device's row is damaged",
        Rows("UPDATE document SET body = '{}' WHERE kind = 'EdgeDevice'"),
    ),
    ("all rows are damaged", Rows("UPDATE document SET body = ''")),
    (
        "a bit of a workload's selector has flipped",
        Rows(
            "UPDATE document SET body = replace(body, 'deviceSelector', 'deviceSelectos') WHERE kind = 'EdgeWorkload'",
        ),
    ),
    (
        "a bit of what a workload selects by has flipped",
        Rows(
            "UPDATE document SET body = replace(body, 'matchLabels', 'matchLabelr') WHERE kind = 'EdgeWorkload'",
        ),
    ),
    (
        "a bit of a Secret's source has flipped",
        Rows(
            "UPDATE document SET source = 'x' || substr(source, 2) WHERE kind = 'Secret' AND name = 'press'",
        ),
    ),
    (
        "a bit of a rendering's name has flipped",
        Rows("UPDATE rendering SET name = 'presr' WHERE name = 'press'"),
    ),
    (
        "a bit of a source's state has flipped",
        Rows("UPDATE source SET state = '1' || state"),
    ),
    (
        "a workload's row is damaged and has no checksum",
        Rows(
            "UPDATE document SET body = substr(body, 1, 40), checksum = NULL WHERE kind = 'EdgeWorkload' AND name = 'press'",
        ),
    ),
    (
        "renderings are plain nonsense without checksums",
        Rows("UPDATE rendering SET body = '[1]', key_id = NULL, checksum = NULL"),
    ),
    (
        "a row's namespace is damaged and has no checksum",
        Rows(
            "UPDATE document SET namespace = 'defaulu', checksum = NULL WHERE kind = 'EdgeWorkload' AND name = 'press'",
        ),
    ),
    (
        "a Secret's row is damaged",
        Rows("UPDATE document SET body = 'AAAA' || substr(body, 5) WHERE kind = 'Secret' AND name = 'press'"),
    ),
    (
        "a Secret's row is plain nonsense",
        Rows("UPDATE document SET body = '{}', key_id = NULL WHERE kind = 'Secret'"),
    ),
    (
        "renderings are damaged",
        Rows("UPDATE rendering SET body = 'AAAA' || substr(body, 5)"),
    ),
    (
        "renderings are plain nonsense",
        Rows("UPDATE rendering SET body = '[1]', key_id = NULL"),
    ),
    (
        "a row's kind is damaged",
        Rows("UPDATE document SET kind = 'EdgeWorkloaf' WHERE kind = 'EdgeWorkload' AND name = 'press'"),
    ),
    (
        "a row's namespace is damaged",
        Rows("UPDATE document SET namespace = 'defaulu' WHERE kind = 'EdgeWorkload' AND name = 'press'"),
    ),
    (
        "a ConfigMap's row is damaged, and the source too",
        RowsAndSource(
            "UPDATE document SET body = 'x' WHERE kind = 'ConfigMap' AND name = 'press'",
            |at| remove(at, "maps.yaml"),
        ),
    ),
    (
        "renderings are lost, and ConfigMaps gone",
        RowsAndSource("DELETE FROM rendering", |at| remove(at, "maps.yaml")),
    ),
    (
        "renderings are damaged, and Secrets gone",
        RowsAndSource("UPDATE rendering SET body = 'AAAA' || substr(body, 5)", |at| {
            remove(at, "secrets.yaml");
        }),
    ),
    (
        "documents are lost, and the source is emptied",
        RowsAndSource("DELETE FROM document", empty),
    ),
];
