//! What the agent, or `podman kube play` behind it, refuses of a pod. By then the agent has removed
//! the pod that ran before, so that a mistake which is told by the device alone has cost what it
//! ran.
//!
//! A rule here is the agent's, or one that every podman 4 has, which the agent works with; it names
//! where that is in podman's sources. What one of these versions runs is not refused, nor is what
//! depends on the device: whether a path is there, or which images it holds.

mod capabilities;
mod image;
mod mounts;
mod ports;

use serde_json::Value;

use self::{mounts::Volumes, ports::Ports};
use super::{elements, text_at};
use crate::fault::{Findings, Path};

/// The lists of containers that are run.
pub(super) const CONTAINERS: [&str; 2] = ["initContainers", "containers"];

/// Without regard to case (`ParsePullPolicy` of containers/common).
const PULL_POLICIES: [&str; 6] = ["always", "ifnotpresent", "missing", "newer", "ifnewer", "never"];

/// `workload` is the name of the workload, if it has one.
pub(super) fn check(pod: &Value, workload: Option<&str>, path: &Path, findings: &mut Findings) {
    let hostname = text_at(pod, &["hostname"]);
    // `libpod.WithPodHostname`. Where there is none, podman takes the name of the workload.
    let begins_oddly = hostname.starts_with(|letter: char| !letter.is_ascii_alphanumeric());
    if begins_oddly || !is_name(hostname) {
        findings.fault(
            &path.field("hostname"),
            "must begin with a letter or digit, and consist of letters, digits, -, _ and .",
        );
    }
    let volumes = Volumes::of(pod, workload, path, findings);
    let has_host_network = pod.get("hostNetwork") == Some(&Value::Bool(true));
    for list in CONTAINERS {
        let runs_for_long = list == "containers";
        let mut ports = Ports::new(runs_for_long);
        for (path, container) in elements(pod, list, path) {
            check_container(container, &path, findings);
            mounts::check(container, &volumes, runs_for_long, &path, findings);
            let of_container = elements(container, "ports", &path);
            // `generate.MapSpec`. Of init containers podman publishes none (`getPodPorts`).
            if has_host_network && runs_for_long && !of_container.is_empty() {
                findings.fault(
                    &path.field("ports"),
                    "cannot be given with hostNetwork, which has all ports; take one of them out",
                );
            }
            for (path, port) in of_container {
                ports.check(port, &path, findings);
            }
        }
    }
}

fn check_container(container: &Value, path: &Path, findings: &mut Findings) {
    // Podman puts the name of the pod and a hyphen before it (`libpod.WithName`).
    if !is_name(text_at(container, &["name"])) {
        findings.fault(&path.field("name"), "must consist of letters, digits, -, _ and .");
    }
    match text_at(container, &["image"]) {
        "" => findings.fault(&path.field("image"), "is missing; name the image to run"),
        image => {
            if let Err(reason) = image::check(image) {
                findings.fault(&path.field("image"), reason);
            }
        }
    }
    let pull_policy = text_at(container, &["imagePullPolicy"]).to_lowercase();
    if !pull_policy.is_empty() && !PULL_POLICIES.contains(&&*pull_policy) {
        findings.fault(
            &path.field("imagePullPolicy"),
            "must be Always, IfNotPresent or Never",
        );
    }
    capabilities::check(container, path, findings);
}

/// Of what names of containers and hosts consist (`NameRegex` of podman).
fn is_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(pod: &Value) -> Vec<String> {
        let mut findings = Findings::default();
        check(pod, Some("w"), &Path::root(), &mut findings);
        findings.faults.iter().map(|(path, _)| path.to_string()).collect()
    }

    #[test]
    fn names_are_those_of_podman() {
        for name in ["a", "A_b.c-", "-a", "_", ".a", ""] {
            assert!(paths(&json!({"containers": [{"name": name, "image": "i"}]})).is_empty());
        }
        for name in ["a b", "a/b", "a:b", "\u{e9}", "a\n"] {
            let pod = json!({"containers": [{"name": name, "image": "i"}]});
            assert_eq!(paths(&pod), ["containers[0].name"], "{name:?}");
        }
        for name in ["a", "A_b.c-", "0", ""] {
            assert!(paths(&json!({"hostname": name})).is_empty());
        }
        for name in ["-a", ".a", "_", "a b", "\u{e9}", "a\n"] {
            assert_eq!(paths(&json!({"hostname": name})), ["hostname"], "{name:?}");
        }
    }

    #[test]
    fn a_pod_in_the_network_of_the_device_publishes_no_ports() {
        let pod = |host_network: bool, list: &str, ports: Value| {
            let mut pod = json!({"hostNetwork": host_network, "containers": [{"name": "a", "image": "i"}]});
            pod[list] = json!([{"name": "b", "image": "i", "ports": ports}]);
            pod
        };
        let ports = json!([{"containerPort": 80, "hostPort": 80}]);
        assert_eq!(
            paths(&pod(true, "containers", ports.clone())),
            ["containers[0].ports"]
        );
        assert!(paths(&pod(true, "containers", json!([]))).is_empty());
        assert!(paths(&pod(true, "initContainers", ports.clone())).is_empty());
        assert!(paths(&pod(false, "containers", ports)).is_empty());
    }

    #[test]
    fn images_are_pulled_by_a_policy_that_podman_knows() {
        let pod = |policy: &str| json!({"initContainers": [{"name": "a", "image": "i", "imagePullPolicy": policy}]});
        for policy in [
            "",
            "Always",
            "IfNotPresent",
            "Never",
            "always",
            "Newer",
            "missing",
        ] {
            assert!(paths(&pod(policy)).is_empty(), "{policy}");
        }
        for policy in [" ", "Alway", "if-not-present"] {
            assert_eq!(
                paths(&pod(policy)),
                ["initContainers[0].imagePullPolicy"],
                "{policy}"
            );
        }
    }
}
