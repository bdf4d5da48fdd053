//! What a reader needs when a scenario went wrong; the cluster is cleared afterwards.

use cluster::Cluster;

const LOOKS: [(&str, &[&str]); 9] = [
    ("pods", &["get", "pods", "--output=wide"]),
    ("RemoteBackends", &["get", "remotebackends", "--output=wide"]),
    (
        "their status",
        &["get", "remotebackends", "--output=jsonpath={.items[*].status}"],
    ),
    ("events", &["get", "events", "--sort-by=.lastTimestamp"]),
    (
        "settings of the Edge API",
        &[
            "get",
            "configmap/flotta-edge-api-config",
            "--output=jsonpath={.data}",
        ],
    ),
    (
        "what was before",
        &[
            "get",
            "configmap/flotta-companion-previous",
            "--output=jsonpath={.data}",
        ],
    ),
    (
        "log of the Edge API",
        &["logs", "--selector=app=flotta-edge-api", "--tail=25", "--prefix"],
    ),
    (
        "log of the server",
        &[
            "logs",
            "--selector=app.kubernetes.io/name=edge-config-server",
            "--tail=25",
            "--prefix",
        ],
    ),
    (
        "log of the companion",
        &[
            "logs",
            "--selector=app.kubernetes.io/name=flotta-companion",
            "--tail=30",
            "--prefix",
        ],
    ),
];

/// Prints it.
#[expect(clippy::print_stderr, reason = "it is read by a person")]
pub(crate) fn print(cluster: &Cluster) {
    for (what, arguments) in LOOKS {
        // Something that is not there, such as a chart that was not installed, is no news.
        if let Ok(text) = cluster.kubectl(&[&["--namespace=flotta"], arguments].concat())
            && !text.trim().is_empty()
        {
            eprintln!("--- {what}\n{}", text.trim_end());
        }
    }
}
