use jiff::Timestamp;
use pki::Fingerprint;
use tasks::Tasks;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::transport::Peer;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

async fn ask(plane: &OpsPlane, method: Method, path: &str) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Bytes::new())
        .unwrap();
    let response = plane.handle(request).await;
    (
        response.status(),
        String::from_utf8(response.body().whole().to_vec()).unwrap(),
    )
}

fn plane() -> (OpsPlane, Arc<Probes>) {
    let probes = Arc::new(Probes::default());
    let health = Arc::new(Health::new(None, None, Arc::clone(&probes), at(0)));
    (OpsPlane::new(health, Arc::new(Metrics::default())), probes)
}

#[test]
fn the_last_verification_calls_are_kept() {
    let probes = Probes::default();
    let pinned = Peer::Pinned(Fingerprint::of(b"host"));
    for second in 0..20 {
        probes.seen(&format!("nonce-{second}"), pinned, at(second));
    }
    assert_eq!(probes.latest().len(), 16);
    probes.seen("nonce-5", pinned, at(30));
    probes.seen("nonce-5", Peer::Anybody, at(31));
    let latest = probes.latest();
    assert_eq!(
        latest[0],
        Probe {
            nonce: "nonce-5".into(),
            seen: at(31),
            from: None
        }
    );
    assert_eq!(latest[1].seen, at(30));
    assert_eq!(latest.iter().filter(|probe| probe.nonce == "nonce-5").count(), 2);
}

#[test]
fn a_verification_call_is_found_whatever_else_was_seen() {
    let probes = Probes::default();
    let (host, other) = (Fingerprint::of(b"host"), Fingerprint::of(b"other"));
    probes.seen("mine", Peer::Pinned(host), at(0));
    for number in 0..20_000 {
        // As many as they like with another key, some thousand with the same.
        probes.seen(&format!("{number}"), Peer::Pinned(other), at(1));
        probes.seen(&format!("{}", number % 10_000), Peer::Pinned(host), at(2));
    }
    let mine = Probe {
        nonce: "mine".into(),
        seen: at(0),
        from: Some(host),
    };
    assert_eq!(probes.with("mine"), [mine]);
    let both: Vec<_> = probes.with("9999").into_iter().map(|probe| probe.from).collect();
    assert_eq!(both, [Some(host), Some(other)], "latest first");
    assert_eq!(probes.with("nobody's"), []);
    // Each list is bounded, and so is their number.
    let of_host = probes.with("0");
    assert_eq!(
        of_host.len(),
        1,
        "of the other key the oldest are gone: {of_host:?}"
    );
    for number in 0..10 {
        probes.seen("x", Peer::Pinned(Fingerprint::of(&[number])), at(3));
    }
    assert_eq!(probes.with("x").len(), 4);
}

#[tokio::test]
async fn the_status_lists_the_verification_calls_that_are_asked_for() {
    let (plane, probes) = plane();
    for number in 0..40 {
        probes.seen(&format!("n{number}"), Peer::Anybody, at(number));
    }
    let nonces = async |path: &str| {
        let (_, document) = ask(&plane, Method::GET, path).await;
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        let probes = document["probes"].as_array().unwrap().clone();
        probes
            .iter()
            .map(|probe| probe["nonce"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(nonces("/status?probe=n0").await, ["n0"]);
    assert!(nonces("/status?probe=n99").await.is_empty());
    let latest = nonces("/status").await;
    assert_eq!((latest.len(), &latest[0]), (16, &"n39".into()));
}

#[tokio::test]
async fn a_process_without_a_store_is_alive_and_not_ready() {
    let (plane, probes) = plane();
    assert_eq!(
        ask(&plane, Method::GET, "/healthz").await,
        (StatusCode::OK, "alive\n".to_owned())
    );
    let (status, reasons) = ask(&plane, Method::GET, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reasons, "not ready: the store is not open yet\n");

    probes.seen("abc", Peer::Anybody, at(7));
    let (status, document) = ask(&plane, Method::GET, "/status").await;
    assert_eq!(status, StatusCode::OK);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["insecureHttp"], true);
    assert_eq!(document["probes"][0]["nonce"], "abc");
    assert_eq!(document["notReadyBecause"][0], "the store is not open yet");
}

#[tokio::test]
async fn liveness_names_a_task_that_has_ended_and_not_what_it_said() {
    let tasks = Tasks::default();
    let health = Health::new(None, None, Arc::default(), at(0)).with_tasks(tasks.clone());
    let plane = OpsPlane::new(Arc::new(health), Arc::new(Metrics::default()));
    let until = CancellationToken::new();
    tasks.start("the watch", &until, async { Err::<(), _>("of device-7") });
    tasks.ended().await;
    let (status, said) = ask(&plane, Method::GET, "/healthz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        said,
        "not alive: the watch has ended, and the process ends with it; the log says why\n"
    );
}

#[tokio::test]
async fn only_what_is_there_is_answered() {
    let (plane, _) = plane();
    assert_eq!(ask(&plane, Method::GET, "/").await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        ask(&plane, Method::POST, "/status").await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn metrics_carry_what_was_counted() {
    let (plane, _) = plane();
    plane
        .metrics
        .request("GetRegistrationStatus", 200, Duration::from_millis(1));
    plane.metrics.store_commit(Duration::from_millis(3));
    let (status, text) = ask(&plane, Method::GET, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let line = r#"edge_config_requests_total{operation="GetRegistrationStatus",status="200"} 1"#;
    assert!(text.contains(line), "{text}");
    assert!(
        text.contains("edge_config_store_commit_duration_seconds_count 1"),
        "{text}"
    );
    assert!(text.ends_with("# EOF\n"));
}
