//! Answers that nobody reads.

use std::fmt::Write as _;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpSocket,
};

use super::*;

/// A ConfigMap nearly as large as Kubernetes allows, and two workloads that use it.
fn manifests() -> String {
    let mut text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\ndata: {{key: \"{}\"}}\n",
        "x".repeat(700_000)
    );
    for name in ["one", "two"] {
        let _ = write!(
            text,
            "---\napiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeWorkload\nmetadata: {{name: {name}}}\n\
             spec:\n  deviceSelector: {{matchExpressions: [{{key: device.hostname, operator: Exists}}]}}\n  type: pod\n  \
             pod: {{spec: {{containers: [{{name: c, image: \"registry.example/c:1\", \
             envFrom: [{{configMapRef: {{name: large}}}}]}}]}}}}\n"
        );
    }
    text
}

/// Polls until it is answered; how long the answer is.
async fn poll(caller: &mut Caller) -> usize {
    loop {
        if let Ok(answer) = caller.configuration("default", "device").await
            && answer.status == 200
        {
            return answer.text().len();
        }
    }
}

/// What all devices with the same workloads get is held once, however many do not take it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_take_little_memory_of_their_own() {
    let limit = limit_of_the_chart();
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("manifests");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("fleet.yaml"), manifests()).unwrap();
    let (_limited, mut server) = serve(folder.path(), limit, |settings| {
        settings.flags(["--manifests", source.to_str().unwrap()])
    })
    .await;
    let address = server.device_plane();
    let mut caller = Caller::plain(address, Connections::KeptAlive);
    let enrolled = async {
        let hardware = json!({"features": {"hardware": {"hostname": "h"}}});
        while caller.enrol("default", "device", &hardware).await.unwrap().status != 200 {}
        let beat = json!({"status": "up", "version": "1", "hardware": {"hostname": "h"}});
        caller.heartbeat("default", "device", &beat).await.unwrap();
    };
    timeout(PATIENCE, enrolled).await.unwrap();
    let length = timeout(PATIENCE, poll(&mut caller)).await.unwrap();
    assert!(length > 1_400_000, "{length}");

    let request = format!(
        "GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n",
        path("device", "configuration")
    );
    let mut unread = Vec::new();
    for _ in 0..AT_ONCE {
        // Else the kernel takes the answer for a caller that does not.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        unread.push(stream);
    }
    let mut begun = 0;
    for stream in &mut unread {
        let mut beginning = [0; 12];
        let read = timeout(PATIENCE, stream.read_exact(&mut beginning))
            .await
            .unwrap();
        begun += usize::from(read.is_ok() && beginning.ends_with(b"200"));
    }
    assert!(begun > AT_ONCE / 2, "{begun} were answered");
    is_within(&mut server, limit, "answers that nobody reads");
    drop(unread);
    timeout(PATIENCE, poll(&mut caller)).await.unwrap();
    assert!(server.stop().unwrap().success());
}
