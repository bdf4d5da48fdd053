//! Volumes of a pod, and where containers mount them.

use std::collections::{BTreeMap, btree_map::Entry};

use serde_json::Value;

use super::{elements, text_at};
use crate::fault::{Findings, Path, shown};

const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
];

/// Where the agent mounts the directory whose content it sends to the device's bucket, in each
/// container that is no init container.
const EXPORT: &str = "/export";

/// The volume that it mounts there has this before the name of the workload. Podman knows the last
/// volume of a name alone, and that is the agent's.
const EXPORT_VOLUME: &str = "export-";

const PROPAGATIONS: [&str; 3] = ["None", "HostToContainer", "Bidirectional"];

/// What may stand behind a colon of `mountPath`, one of each line (`ValidateVolumeOpts` of
/// containers/common).
const OPTIONS: [&[&str]; 10] = [
    &["noexec", "exec"],
    &["nodev", "dev"],
    &["nosuid", "suid"],
    &["rw", "ro"],
    &["z", "Z", "O"],
    &["U"],
    &[
        "private",
        "rprivate",
        "shared",
        "rshared",
        "slave",
        "rslave",
        "unbindable",
        "runbindable",
    ],
    &["bind", "rbind"],
    &["copy", "nocopy"],
    &["no-dereference"],
];

/// The volumes of a pod by their names.
pub(super) struct Volumes<'a>(BTreeMap<&'a str, &'a Value>);

impl<'a> Volumes<'a> {
    pub(super) fn of(pod: &'a Value, workload: Option<&str>, path: &Path, findings: &mut Findings) -> Self {
        let mut volumes = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (path, volume) in elements(pod, "volumes", path) {
            let name = text_at(volume, &["name"]);
            volumes.entry(name).or_insert(volume);
            if workload.is_some() && name.strip_prefix(EXPORT_VOLUME) == workload {
                findings.fault(
                    &path.field("name"),
                    "is that of the volume for the workload's data, which the agent adds; choose another",
                );
            }
            match places.entry(name) {
                Entry::Occupied(first) => findings.fault(
                    &path.field("name"),
                    format!("is the name of {} as well; each needs its own", first.get()),
                ),
                Entry::Vacant(place) => {
                    place.insert(path.clone());
                }
            }
            let Some(host_path) = volume.get("hostPath") else {
                continue;
            };
            let path = path.field("hostPath");
            if text_at(host_path, &["path"]).is_empty() && host_path.get("path").is_some() {
                findings.fault(&path.field("path"), "is empty; name a path of the device");
            }
            if !HOST_PATH_TYPES.contains(&text_at(host_path, &["type"])) {
                let types = HOST_PATH_TYPES[1..].join(", ");
                findings.fault(&path.field("type"), format!("must be empty or one of {types}"));
            }
        }
        Self(volumes)
    }

    /// The path of the device file that it is, if it is one: podman mounts none, but makes it anew
    /// in the container.
    fn device_file(&self, name: &str) -> Option<&'a str> {
        let volume = self.0.get(name)?;
        let is_device = matches!(
            text_at(volume, &["hostPath", "type"]),
            "CharDevice" | "BlockDevice"
        );
        is_device.then(|| text_at(volume, &["hostPath", "path"]))
    }
}

pub(super) fn check(
    container: &Value,
    volumes: &Volumes<'_>,
    has_export: bool,
    path: &Path,
    findings: &mut Findings,
) {
    let mut places = BTreeMap::new();
    for (path, mount) in elements(container, "volumeMounts", path) {
        let name = mount.get("name").and_then(Value::as_str);
        let device_file = name.and_then(|name| volumes.device_file(name));
        // What is absent is a fault of the schema.
        if let Some(name) = name
            && !volumes.0.contains_key(name)
        {
            let reason = format!(
                "names volume {:?}, and the pod has none of this name",
                shown(name)
            );
            findings.fault(&path.field("name"), reason);
        }
        // Podman writes the two paths with a colon between them, and parts them again
        // (`ParseDevice`).
        if device_file.is_some_and(|file| file.starts_with('/') && file.contains(':')) {
            findings.fault(
                &path.field("name"),
                "names a device file whose path has a colon, at which podman parts it; use another path of it, or mount its directory",
            );
        }
        let propagation = mount.get("mountPropagation").and_then(Value::as_str);
        if propagation.is_some_and(|propagation| !PROPAGATIONS.contains(&propagation)) {
            let known = PROPAGATIONS.join(", ");
            findings.fault(&path.field("mountPropagation"), format!("must be one of {known}"));
        }
        let Some(place) = mount.get("mountPath").and_then(Value::as_str) else {
            continue;
        };
        let path = path.field("mountPath");
        if !place.starts_with('/') {
            findings.fault(&path, "must be a path that begins with /");
            continue;
        }
        let is_read_only = mount.get("readOnly") == Some(&Value::Bool(true));
        let place = match parted(place, is_read_only) {
            Ok(place) => clean(place),
            Err(reason) => {
                findings.fault(&path, reason);
                continue;
            }
        };
        if has_export && device_file.is_none() && place == EXPORT {
            findings.fault(
                &path,
                "is where the agent mounts the directory of the workload's data; choose another",
            );
        }
        match places.entry(place) {
            Entry::Occupied(first) => findings.fault(
                &path,
                format!("is that of {} as well; each needs its own", first.get()),
            ),
            Entry::Vacant(place) => {
                place.insert(path);
            }
        }
    }
}

/// The path without the options that podman reads behind a colon (`parseMountPath`).
fn parted(place: &str, is_read_only: bool) -> Result<&str, &'static str> {
    let Some((place, options)) = place.split_once(':') else {
        return Ok(place);
    };
    if options.contains(':') {
        return Err("has two colons, and podman reads options behind the first; choose another path");
    }
    let mut given = [false; OPTIONS.len()];
    let read_only = is_read_only.then_some("ro");
    for option in options.split(',').chain(read_only) {
        // They are not bound to one of each, or some versions take any text there.
        let is_free = matches!(option, "cached" | "delegated" | "nocreate")
            || option.contains("upperdir")
            || option.contains("workdir")
            || option.starts_with("idmap");
        let group = OPTIONS.iter().position(|group| group.contains(&option));
        let is_new = group
            .and_then(|group| given.get_mut(group))
            .is_some_and(|given| !std::mem::replace(given, true));
        if !is_free && !is_new {
            return Err(
                "has a colon, and podman reads what is behind it as options and knows none like these; take them out",
            );
        }
    }
    Ok(place)
}

/// As Go's `filepath.Clean` writes a path that begins with `/`: podman compares them so
/// (`finalizeMounts`).
fn clean(place: &str) -> String {
    let mut parts = Vec::new();
    for part in place.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(mounts: &Value) -> Vec<String> {
        let pod = json!({"volumes": [
            {"name": "d", "hostPath": {"path": "/d"}},
            {"name": "tty", "hostPath": {"path": "/dev/ttyUSB0", "type": "CharDevice"}},
            {"name": "by-path", "hostPath": {"path": "/dev/serial/by-path/pci-0000:00:14.0-usb", "type": "CharDevice"}},
            {"name": "odd", "hostPath": {"path": "/a:b", "type": "Directory"}},
        ]});
        let mut findings = Findings::default();
        let volumes = Volumes::of(&pod, Some("w"), &Path::root(), &mut findings);
        check(
            &json!({"volumeMounts": mounts}),
            &volumes,
            true,
            &Path::root(),
            &mut findings,
        );
        findings.faults.iter().map(|(path, _)| path.to_string()).collect()
    }

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (place, cleaned) in [
            ("/", "/"),
            ("//", "/"),
            ("/a//b/", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../a", "/a"),
            ("/a/..", "/"),
            ("/...", "/..."),
        ] {
            assert_eq!(clean(place), cleaned);
        }
    }

    #[test]
    fn mounts_that_podman_makes() {
        for mounts in [
            json!([{"name": "d", "mountPath": "/"}, {"name": "d", "mountPath": "/a"}]),
            json!([{"name": "d", "mountPath": "/a:ro,z,nosuid,cached"}, {"name": "d", "mountPath": "/exports"}]),
            json!([{"name": "d", "mountPath": "/a:U", "readOnly": true, "mountPropagation": "HostToContainer"}]),
            json!([{"name": "d", "mountPath": "/a:ro", "readOnly": false}]),
            json!([{"name": "d", "mountPath": "/a:O,upperdir=/u,workdir=/w"}]),
            json!([{"name": "tty", "mountPath": "/export"}, {"name": "odd", "mountPath": "/a"}]),
        ] {
            assert_eq!(paths(&mounts), [""; 0], "{mounts}");
        }
    }

    #[test]
    fn mounts_that_podman_refuses() {
        for (mount, path) in [
            (json!({"name": "d", "mountPath": ""}), "mountPath"),
            (json!({"name": "d", "mountPath": ":ro"}), "mountPath"),
            (json!({"name": "d", "mountPath": "/a:"}), "mountPath"),
            (json!({"name": "d", "mountPath": "/a:b"}), "mountPath"),
            (json!({"name": "d", "mountPath": "/a:ro:z"}), "mountPath"),
            (json!({"name": "d", "mountPath": "/a:z,Z"}), "mountPath"),
            (
                json!({"name": "d", "mountPath": "/a:ro", "readOnly": true}),
                "mountPath",
            ),
            (json!({"name": "d", "mountPath": "/export/"}), "mountPath"),
            (json!({"name": "d", "mountPath": "/a/../export:ro"}), "mountPath"),
            (
                json!({"name": "d", "mountPath": "/a", "mountPropagation": ""}),
                "mountPropagation",
            ),
            (
                json!({"name": "d", "mountPath": "/a", "mountPropagation": "none"}),
                "mountPropagation",
            ),
            (json!({"name": "by-path", "mountPath": "/dev/tty0"}), "name"),
        ] {
            assert_eq!(
                paths(&json!([mount])),
                [format!("volumeMounts[0].{path}")],
                "{mount}"
            );
        }
        let twice = json!([{"name": "d", "mountPath": "/a/b"}, {"name": "d", "mountPath": "/a//./b:ro"}]);
        assert_eq!(paths(&twice), ["volumeMounts[1].mountPath"]);
    }
}
