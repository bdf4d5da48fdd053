//! Capabilities of containers, as podman merges them (`MergeCapabilities` of containers/common).

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{at, elements};
use crate::fault::{Findings, Path};

const ALL: &str = "ALL";
const PREFIX: &str = "CAP_";

/// All of Linux up to 6.x; a device may know fewer.
const KNOWN: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

pub(super) fn check(container: &Value, path: &Path, findings: &mut Findings) {
    // One with every privilege runs with any of them.
    if at(container, &["securityContext", "privileged"]) == Some(&Value::Bool(true)) {
        return;
    }
    let Some(capabilities) = at(container, &["securityContext", "capabilities"]) else {
        return;
    };
    let path = path.field("securityContext").field("capabilities");
    let mut named = |list: &str| -> Vec<(Path, String)> {
        let mut names = Vec::new();
        for (path, name) in elements(capabilities, list, &path) {
            // What is no text is a fault of the schema.
            let Some(name) = name.as_str().map(plain) else {
                continue;
            };
            if !is_known(&name) {
                findings.fault(
                    &path,
                    "is no capability of Linux; name one as in NET_ADMIN, or ALL",
                );
            }
            names.push((path, name));
        }
        names
    };
    let (added, dropped) = (named("add"), named("drop"));
    let has_all = |names: &[(Path, String)]| names.iter().any(|(_, name)| name == ALL);
    let (adds_all, drops_all) = (has_all(&added), has_all(&dropped));
    // All without some, and none but some, are no contradictions.
    if adds_all != drops_all {
        return;
    }
    let mut places = BTreeMap::new();
    for (path, name) in &added {
        places.entry(name).or_insert(path);
    }
    for (path, name) in &dropped {
        if let Some(first) = places.get(name)
            && (name == ALL || !drops_all)
        {
            findings.fault(path, format!("is that of {first} as well; take one of them out"));
        }
    }
}

/// As podman compares them: with `CAP_` before all but `ALL`.
fn plain(name: &str) -> String {
    let name = name.to_uppercase();
    if name == ALL || name.starts_with(PREFIX) {
        name
    } else {
        format!("{PREFIX}{name}")
    }
}

fn is_known(name: &str) -> bool {
    let named = name.strip_prefix(PREFIX);
    name == ALL || named.is_some_and(|name| KNOWN.contains(&name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(context: &Value) -> Vec<String> {
        let mut findings = Findings::default();
        check(&json!({"securityContext": context}), &Path::root(), &mut findings);
        let paths = findings.faults.iter().map(|(path, _)| path.to_string());
        paths
            .map(|path| path.replace("securityContext.capabilities.", ""))
            .collect()
    }

    #[test]
    fn capabilities_are_added_and_dropped_as_podman_can() {
        for context in [
            json!({}),
            json!({"capabilities": {}}),
            json!({"capabilities": {"add": ["NET_ADMIN", "cap_sys_time", "Cap_Bpf"], "drop": ["ALL"]}}),
            json!({"capabilities": {"add": ["all"], "drop": ["KILL"]}}),
            json!({"capabilities": {"add": ["ALL", "KILL"], "drop": ["KILL"]}}),
            json!({"capabilities": {"add": ["KILL"], "drop": ["KILL", "All"]}}),
            json!({"capabilities": {"add": ["KILL", "CAP_KILL"]}}),
            json!({"privileged": true, "capabilities": {"add": ["nonsense"]}}),
        ] {
            assert_eq!(paths(&context), [""; 0], "{context}");
        }
        for (context, expected) in [
            (json!({"capabilities": {"add": ["NET_ADMN"]}}), vec!["add[0]"]),
            (
                json!({"capabilities": {"add": [""], "drop": ["KILL", "CAP_ALL", "CAP_CAP_KILL"]}}),
                vec!["add[0]", "drop[1]", "drop[2]"],
            ),
            (
                json!({"capabilities": {"add": ["CAP_KILL", "KILL"], "drop": ["kill"]}}),
                vec!["drop[0]"],
            ),
            (
                json!({"capabilities": {"add": ["ALL", "KILL"], "drop": ["KILL", "ALL"]}}),
                vec!["drop[1]"],
            ),
            (
                json!({"privileged": false, "capabilities": {"drop": ["A B"]}}),
                vec!["drop[0]"],
            ),
        ] {
            assert_eq!(paths(&context), expected, "{context}");
        }
    }
}
