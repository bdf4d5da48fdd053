//! What configures the devices that are measured with workloads.

use std::fmt::Write as _;

/// Workloads of each of these devices.
pub(crate) const WORKLOADS: usize = 8;

/// A set whose members get [`WORKLOADS`] pods, half of them with a ConfigMap and a Secret, and an
/// allow list of metrics.
pub(crate) fn of(devices: impl Iterator<Item = String>) -> String {
    let mut text = String::from(
        r#"
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDeviceSet
metadata: {name: bench}
spec:
  heartbeat: {periodSeconds: 30}
  metrics: {system: {interval: 60, allowList: {name: metrics}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: metrics}
data:
  metrics_list.yaml: "names: [node_load1, node_load5, node_memory_MemFree_bytes]"
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data:
  settings.ini: |
    interval = 30
    target = somewhere
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {user: bench, password: of-no-use}
"#,
    );
    for number in 0..WORKLOADS {
        let refers = if number % 2 == 0 {
            "\n          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: login}}]"
        } else {
            ""
        };
        let _ = write!(
            text,
            r"---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {{name: workload-{number}}}
spec:
  type: pod
  deviceSelector: {{matchLabels: {{flotta/member-of: bench}}}}
  pod:
    spec:
      containers:
        - name: main
          image: registry.example/workload-{number}:1.0
          args: [--verbose, --number={number}]
          ports: [{{containerPort: 8080, hostPort: {port}}}]{refers}
",
            port = 8080 + number,
        );
    }
    for device in devices {
        let _ = write!(
            text,
            "---\napiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeDevice\n\
             metadata: {{name: {device}, labels: {{flotta/member-of: bench}}}}\n"
        );
    }
    text
}
