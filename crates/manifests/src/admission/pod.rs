//! What the agent, or `podman kube play` behind it, refuses of a pod. By then the agent has removed the pod that ran before, so
//! that a mistake which is told by the device alone has cost what it ran.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{elements, text_at};
use crate::fault::{Findings, Path, shown};

/// The agent runs node_exporter there.
const TAKEN_PORT: i64 = 9100;

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

/// The lists of containers that are run.
pub(super) const CONTAINERS: [&str; 2] = ["initContainers", "containers"];

pub(super) fn check(pod: &Value, path: &Path, findings: &mut Findings) {
    let volumes = volumes(pod, path, findings);
    for list in CONTAINERS {
        let mut ports = Ports::default();
        for (path, container) in elements(pod, list, path) {
            if text_at(container, &["image"]).is_empty() {
                findings.fault(&path.field("image"), "is missing; name the image to run");
            }
            mounts(container, &volumes, &path, findings);
            for (path, port) in elements(container, "ports", &path) {
                ports.check(port, &path, findings);
            }
        }
    }
}

/// Their names.
fn volumes<'a>(pod: &'a Value, path: &Path, findings: &mut Findings) -> BTreeSet<&'a str> {
    let mut names = BTreeMap::new();
    for (path, volume) in elements(pod, "volumes", path) {
        let name = text_at(volume, &["name"]);
        if let Some(first) = names.insert(name, path.clone()) {
            findings.fault(
                &path.field("name"),
                format!("is the name of {first} as well; each needs its own"),
            );
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
    names.into_keys().collect()
}

fn mounts(container: &Value, volumes: &BTreeSet<&str>, path: &Path, findings: &mut Findings) {
    let mut places = BTreeMap::new();
    for (path, mount) in elements(container, "volumeMounts", path) {
        // What is absent is a fault of the schema.
        if let Some(name) = mount.get("name").and_then(Value::as_str)
            && !volumes.contains(name)
        {
            let reason = format!(
                "names volume {:?}, and the pod has none of this name",
                shown(name)
            );
            findings.fault(&path.field("name"), reason);
        }
        let Some(place) = mount.get("mountPath").and_then(Value::as_str) else {
            continue;
        };
        let path = path.field("mountPath");
        if !place.starts_with('/') {
            findings.fault(&path, "must be a path that begins with /");
        }
        if let Some(first) = places.insert(place.trim_end_matches('/'), path.clone()) {
            findings.fault(&path, format!("is that of {first} as well; each needs its own"));
        }
    }
}

/// Ports of the host that containers take: protocol, address and number. Podman opens none for init containers.
#[derive(Default)]
struct Ports<'a> {
    taken: BTreeMap<(String, &'a str, i64), Path>,
}

impl<'a> Ports<'a> {
    fn check(&mut self, port: &'a Value, path: &Path, findings: &mut Findings) {
        let number = |name: &str| port.get(name).map(Value::as_i64);
        // One that is absent is a fault of the schema.
        if let Some(Some(number)) = number("containerPort")
            && !(1..=65_535).contains(&number)
        {
            findings.fault(&path.field("containerPort"), PORT);
        }
        let protocol = text_at(port, &["protocol"]).to_ascii_uppercase();
        if !["", "TCP", "UDP", "SCTP"].contains(&protocol.as_str()) {
            findings.fault(&path.field("protocol"), "must be TCP, UDP or SCTP");
        }
        let host_port = path.field("hostPort");
        match number("hostPort") {
            // The agent refuses to run a pod with such a port.
            None => findings.fault(
                &host_port,
                "is missing; a device runs no container port without one",
            ),
            Some(Some(TAKEN_PORT)) => findings.fault(
                &host_port,
                "must not be 9100, where the device's node_exporter listens",
            ),
            Some(Some(number)) if (1..=65_535).contains(&number) => {
                let protocol = if protocol.is_empty() {
                    "TCP".to_owned()
                } else {
                    protocol
                };
                let address = match text_at(port, &["hostIP"]) {
                    "" => "0.0.0.0",
                    address => address,
                };
                if let Some(first) = self.taken.insert((protocol, address, number), host_port.clone()) {
                    let reason = format!("is that of {first} as well; a device has each port once");
                    findings.fault(&host_port, reason);
                }
            }
            Some(Some(_)) => findings.fault(&host_port, PORT),
            // What is no number is a fault of the schema.
            Some(None) => {}
        }
    }
}

const PORT: &str = "must be a number from 1 to 65535";
