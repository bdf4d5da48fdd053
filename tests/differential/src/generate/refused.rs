//! Objects that an API server with Flotta's definitions accepts, and that our admission must refuse
//! with a named fault.

use serde_json::{Value, json};

use super::{FLOTTA, Maker};
use crate::fleet::Refused;

impl Maker<'_> {
    /// One or two of them.
    pub(super) fn refused(&mut self) -> Vec<Refused> {
        let all = candidates();
        (0..self.dice.count(1..3))
            .map(|index| {
                let (kind, spec, path) = self.dice.pick(&all).clone();
                let mut object = self.object(FLOTTA, kind, &format!("refused-{index}"));
                object["spec"] = spec;
                Refused {
                    object,
                    path: path.to_owned(),
                }
            })
            .collect()
    }
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn candidates() -> Vec<(&'static str, Value, &'static str)> {
    let device = |spec: Value, path| ("EdgeDevice", spec, path);
    let container = |fields: Value, path| {
        let mut container = json!({"name": "c0", "image": "i"});
        for (name, value) in fields.as_object().into_iter().flatten() {
            container[name] = value.clone();
        }
        pod(&json!({"containers": [container]}), path)
    };
    vec![
        device(
            json!({"storage": {"s3": {"createOBC": true, "secretName": "s"}}}),
            "spec.storage.s3",
        ),
        device(
            json!({"logCollection": {"central": {"kind": "syslog"}}}),
            "spec.logCollection",
        ),
        (
            "EdgeDeviceSet",
            json!({"logCollection": {"central": {"kind": "syslog"}}}),
            "spec.logCollection",
        ),
        container(json!({"lifecycle": {}}), "lifecycle"),
        container(json!({"livenessProbe": {}}), "livenessProbe"),
        container(json!({"readinessProbe": {"periodSeconds": 1}}), "readinessProbe"),
        container(json!({"startupProbe": {}}), "startupProbe"),
        container(
            json!({"volumeDevices": [{"name": "v", "devicePath": "/dev/x"}]}),
            "volumeDevices",
        ),
        container(json!({"resources": {"limits": {"cpu": "1"}}}), "resources.limits"),
        container(
            json!({"resources": {"requests": {"memory": "1Gi"}}}),
            "resources.requests",
        ),
        container(
            json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            "fieldRef",
        ),
        container(
            json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]}),
            "resourceFieldRef",
        ),
        container(json!({"ports": [{"containerPort": 80}]}), "ports"),
        container(json!({"ports": [{"containerPort": 80, "hostPort": 0}]}), "ports"),
        container(
            json!({"ports": [{"containerPort": 80, "hostPort": 70000}]}),
            "ports",
        ),
        container(
            json!({"ports": [{"containerPort": 9100, "hostPort": 9100}]}),
            "ports",
        ),
        pod(&json!({"containers": []}), "spec.pod.spec.containers"),
        (
            "EdgeWorkload",
            json!({"type": "pod", "deviceSelector": {"matchLabels": {"nobody": "has-it"}}}),
            "spec.pod",
        ),
        pod(
            &json!({"containers": [{"name": "c0", "image": "i"}, {"name": "c0", "image": "i"}]}),
            "containers",
        ),
        pod(
            &json!({"containers": [{"name": "c0", "image": "i"}], "initContainers": [{"name": "c0", "image": "i"}]}),
            "ontainers",
        ),
        pod(
            &json!({"containers": [{"name": "c0", "image": "i"}], "volumes": [{"name": "v", "emptyDir": {}}]}),
            "volumes",
        ),
        pod(
            &json!({"containers": [{"name": "c0", "image": "i"}], "volumes": [{"name": "v", "configMap": {"name": "m"}}]}),
            "volumes",
        ),
        pod(&json!({"containers": [{"name": "c0"}]}), "image"),
        pod(
            &json!({"containers": [
                {"name": "c0", "image": "i", "ports": [{"containerPort": 80, "hostPort": 8077}]},
                {"name": "c1", "image": "i", "ports": [{"containerPort": 81, "hostPort": 8077}]},
            ]}),
            "hostPort",
        ),
        pod(
            &json!({
                "hostNetwork": true,
                "containers": [{"name": "c0", "image": "i", "ports": [{"containerPort": 80, "hostPort": 8077}]}],
            }),
            "ports",
        ),
        container(json!({"image": "Registry/Image"}), "image"),
        container(json!({"image": "a b"}), "image"),
        container(json!({"image": "a:"}), "image"),
        container(json!({"image": "a@sha256:abc"}), "image"),
        container(json!({"imagePullPolicy": "Sometimes"}), "imagePullPolicy"),
        container(json!({"name": "a b"}), "name"),
        container(
            json!({"securityContext": {"capabilities": {"add": ["NET_ADMN"]}}}),
            "capabilities.add",
        ),
        container(
            json!({"securityContext": {"capabilities": {"add": ["KILL"], "drop": ["CAP_KILL"]}}}),
            "capabilities.drop",
        ),
        container(
            json!({"ports": [{"containerPort": 80, "hostPort": 80, "hostIP": "eth0"}]}),
            "hostIP",
        ),
        container(
            json!({"ports": [
                {"containerPort": 80, "hostPort": 8077, "hostIP": "10.0.0.1"},
                {"containerPort": 81, "hostPort": 8077},
            ]}),
            "hostPort",
        ),
        pod(
            &json!({"containers": [{"name": "c0", "image": "i"}], "hostname": "not valid"}),
            "hostname",
        ),
        mounted(json!({"mountPath": "/export"}), "mountPath"),
        mounted(json!({"mountPath": "/x:y"}), "mountPath"),
        mounted(
            json!({"mountPath": "/x", "mountPropagation": "Both"}),
            "mountPropagation",
        ),
        container(
            json!({"ports": [{"containerPort": 70000, "hostPort": 80}]}),
            "containerPort",
        ),
        container(
            json!({"volumeMounts": [{"name": "nowhere", "mountPath": "/x"}]}),
            "volumeMounts",
        ),
        pod(
            &json!({
                "containers": [{"name": "c0", "image": "i"}],
                "volumes": [{"name": "v", "hostPath": {"path": "/x", "type": "Folder"}}],
            }),
            "hostPath.type",
        ),
        selector(&json!({"matchLabel": {"line": "press"}})),
        selector(&json!({"matchLabels": {"line": null}})),
        selector(&json!({"matchLabels": null})),
        selector(&json!({"matchLabels": {"line": "not valid"}})),
        selector(&json!({"matchLabels": {"not valid": "x"}})),
        selector(&json!({"matchExpressions": [{"key": "line", "operator": "Equals", "values": ["press"]}]})),
        selector(&json!({"matchExpressions": [{"key": "line", "operator": "In"}]})),
        selector(&json!({"matchExpressions": [{"key": "line", "operator": "NotIn", "values": []}]})),
        selector(&json!({"matchExpressions": [{"key": "line", "operator": "Exists", "values": ["press"]}]})),
        selector(&json!({"matchExpressions": [{"key": "", "operator": "Exists"}]})),
        pod(
            &json!({"containers": [{"name": "c0", "image": "i"}], "initContainers": [{"name": "i", "image": "i", "livenessProbe": {}}]}),
            "livenessProbe",
        ),
    ]
}

fn pod(spec: &Value, path: &'static str) -> (&'static str, Value, &'static str) {
    let spec = json!({"type": "pod", "deviceSelector": {"matchLabels": {"nobody": "has-it"}}, "pod": {"spec": spec}});
    ("EdgeWorkload", spec, path)
}

/// With a mount of a volume that the pod has.
fn mounted(mut mount: Value, path: &'static str) -> (&'static str, Value, &'static str) {
    mount["name"] = json!("v");
    let container = json!({"name": "c0", "image": "i", "volumeMounts": [mount]});
    let volume = json!({"name": "v", "hostPath": {"path": "/x"}});
    pod(&json!({"containers": [container], "volumes": [volume]}), path)
}

fn selector(selector: &Value) -> (&'static str, Value, &'static str) {
    let spec = json!({"type": "pod", "deviceSelector": selector, "pod": {"spec": {"containers": [{"name": "c0", "image": "i"}]}}});
    ("EdgeWorkload", spec, "spec.deviceSelector")
}
