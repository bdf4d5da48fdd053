//! What a pod of our server says of itself.

use flotta_calls::{Admission, Callee, Fault, Nonce, probes_seen, server_report};
use testkit::net::free_port;

use crate::world::{Server, answer, json, soon};

const PRINT: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn full() -> String {
    let certificate = |names: &str| {
        format!(
            r#"{{"subject":"CN=x","issuer":"CN=y","serial":"01","notBefore":"2026-01-01T00:00:00Z",
                "notAfter":"2026-04-01T00:00:00Z","names":{names},"ca":false,"serverAuth":true,"clientAuth":true,
                "fingerprint":"{PRINT}","key":"{PRINT}","expiry":"fine","later":1}}"#
        )
    };
    let (server, authority) = (certificate(r#"["localhost"]"#), certificate("[]"));
    format!(
        r#"{{"version":"0.1.0","started":"2026-11-24T12:00:00Z","notReadyBecause":["it waits"],"insecureHttp":false,
            "tls":{{"loaded":{{"at":"2026-11-24T12:00:00Z","server":{server},"authorities":[{authority}],
                "pins":["{PRINT}"]}},"faults":["a fault"],"faultsSince":null}},
            "store":{{"id":"0198c0de-0000-7000-8000-000000000001","epoch":"0198c0de-0000-4000-8000-000000000002"}},
            "admission":{{"admission":"Hold","storeId":null,"faults":[],"faultsSince":null}},
            "probes":[{{"nonce":"7f","seen":"2026-11-24T12:00:01Z","from":"{PRINT}"}},
                {{"nonce":"8f","seen":"2026-11-24T12:00:00Z","from":null}}],
            "later":{{"more":[]}}}}"#
    )
}

#[tokio::test]
async fn a_report_is_read() {
    let server = Server::start(None, |_, _| json(&full())).await;
    let report = server_report(server.address, soon()).await.unwrap();
    assert!(server.seen()[0].starts_with("GET /status HTTP/1.1\r\n"));
    let print = PRINT.parse().unwrap();
    assert_eq!(report.not_ready_because, ["it waits"]);
    let tls = report.tls.unwrap();
    assert_eq!(tls.faults, ["a fault"]);
    let loaded = tls.loaded.unwrap();
    assert_eq!((loaded.certificate, loaded.key), (print, print));
    assert_eq!(loaded.names, ["localhost"]);
    assert_eq!(loaded.not_after.to_string(), "2026-04-01T00:00:00Z");
    assert_eq!((loaded.authorities, loaded.pins), (vec![print], [print].into()));
    let store = report.store.unwrap();
    assert_eq!(store.id, "0198c0de-0000-7000-8000-000000000001");
    assert_eq!(store.epoch, "0198c0de-0000-4000-8000-000000000002");
    let admission = report.admission.unwrap();
    assert_eq!(
        (admission.admission, admission.store_id),
        (Some(Admission::Hold), None)
    );
    let probes: Vec<_> = report
        .probes
        .iter()
        .map(|probe| (probe.nonce.as_str(), probe.from))
        .collect();
    assert_eq!(probes, [("7f", Some(print)), ("8f", None)]);
}

#[tokio::test]
async fn a_server_is_asked_for_one_verification_call_and_may_not_understand_that() {
    let server = Server::start(None, |_, _| json(&full())).await;
    let nonce = Nonce::new("8f").unwrap();
    let seen = probes_seen(server.address, &nonce, soon()).await.unwrap();
    assert!(server.seen()[0].starts_with("GET /status?probe=8f HTTP/1.1\r\n"));
    let seen: Vec<_> = seen
        .iter()
        .map(|probe| (probe.nonce.as_str(), probe.from))
        .collect();
    assert_eq!(seen, [("8f", None)]);
}

#[tokio::test]
async fn an_older_or_barer_server_has_less_to_report() {
    let bare = r#"{"version":"0.0.1","started":"2026-11-24T12:00:00Z","notReadyBecause":[],"insecureHttp":true,
        "tls":null,"store":null}"#;
    let server = Server::start(None, move |_, _| json(bare)).await;
    let report = server_report(server.address, soon()).await.unwrap();
    assert!(report.insecure_http && report.tls.is_none() && report.store.is_none());
    assert!(report.admission.is_none() && report.probes.is_empty());
}

#[tokio::test]
async fn what_is_no_report() {
    for (act, part) in [
        (json("{}"), "missing field"),
        (json(&full().replace(PRINT, "7f")), "a SHA-256 fingerprint has 64"),
        (answer("404 Not Found", "", "no"), "answered 404 (no)"),
    ] {
        let server = Server::start(None, move |_, _| act.clone()).await;
        let error = server_report(server.address, soon()).await.unwrap_err();
        assert_eq!(error.callee, Callee::ServerPod(server.address));
        assert!(error.to_string().contains(part), "{error}");
    }
    let nobody = ([127, 0, 0, 1], free_port().unwrap()).into();
    assert_eq!(
        server_report(nobody, soon()).await.unwrap_err().fault,
        Fault::Refused
    );
}
