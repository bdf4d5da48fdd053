//! The Edge API, called as a device calls it.

use flotta_calls::{CallError, Callee, EdgeAnswer, EdgeProbe, Fault, Heard, probe_edge_api};
use testkit::pki::Profile;

use crate::world::{Act, Flotta, Server, answer, json, leaf, mutual, nonce, ours, say, soon};

const DISCONNECT: &str = r#"{"type":"command","message_id":"1","version":1,"sent":"2026-11-24T12:00:00.000Z",
    "content":{"command":"disconnect","arguments":null}}"#;

/// Probes a server that answers the control poll and the post so.
async fn probe(get: Act, post: Act) -> (Result<EdgeAnswer, CallError>, Vec<String>) {
    let flotta = Flotta::new();
    let host = flotta.authority.issue(&Profile::host()).unwrap();
    let tls = mutual(&host, flotta.authority.roots().unwrap(), &["h2", "http/1.1"]);
    let script = move |_, request: &str| {
        if request.starts_with("GET") {
            get.clone()
        } else {
            post.clone()
        }
    };
    let server = Server::start(Some(tls), script).await;
    let device = flotta
        .authority
        .issue(&Profile::device(&nonce().device_id(), "default"));
    let outcome = probe_edge_api(
        &EdgeProbe {
            pod: server.address,
            server_name: "project-flotta.io",
            intended: &leaf(&host),
            identity: &ours(&device.unwrap()),
            nonce: &nonce(),
        },
        soon(),
    )
    .await;
    (outcome, server.seen())
}

fn bad_request() -> Act {
    answer("400 Bad Request", "", "")
}

#[tokio::test]
async fn the_calls_are_a_devices() {
    let (outcome, seen) = probe(answer("200 OK", "", ""), bad_request()).await;
    let expected = EdgeAnswer {
        heard: Heard::Nothing,
        post: 400,
    };
    assert_eq!(outcome, Ok(expected));
    let [get, post] = seen.try_into().unwrap();
    let control = "GET /api/flotta-management/v1/control/flotta-companion-probe-7f/in HTTP/1.1\r\n\
                   Host: project-flotta.io:";
    assert!(get.starts_with(control), "{get}");
    let data = "POST /api/flotta-management/v1/data/flotta-companion-probe-7f/out HTTP/1.1\r\n";
    assert!(
        post.starts_with(data) && post.contains("Content-Type: application/json\r\n"),
        "{post}"
    );
    assert!(post.contains(r#""directive":"flotta-companion-probe""#), "{post}");
}

#[tokio::test]
async fn whatever_is_heard_is_an_answer() {
    let other = |status, words: &str| Heard::Other {
        status,
        words: words.to_owned(),
    };
    for (act, expected) in [
        (json(DISCONNECT), Heard::Disconnect),
        (json("{}"), other(200, "{}")),
        (
            answer("500 Internal Server Error", "", "it\nfailed"),
            other(500, "it failed"),
        ),
        (answer("403 Forbidden", "", ""), other(403, "")),
        (say(""), Heard::ClosedWithoutAnswer),
    ] {
        let (outcome, _) = probe(act, bad_request()).await;
        assert_eq!(outcome.map(|answer| answer.heard), Ok(expected));
    }
}

#[tokio::test]
async fn not_being_let_in_is_an_error() {
    let (unauthorized, fine) = (|| answer("401 Unauthorized", "", ""), || answer("200 OK", "", ""));
    let (outcome, _) = probe(unauthorized(), bad_request()).await;
    assert_eq!(outcome.unwrap_err().fault, Fault::NotLetIn { method: "GET" });
    let (outcome, _) = probe(fine(), unauthorized()).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.fault, Fault::NotLetIn { method: "POST" });
    assert!(
        error
            .to_string()
            .contains("first CA certificate is not the one in flotta-ca"),
        "{error}"
    );
    // A pod that just ended is none without a backend.
    let (outcome, _) = probe(say(""), say("")).await;
    assert_eq!(outcome.unwrap_err().fault, Fault::Closed);
}

#[tokio::test]
async fn the_served_certificate_must_be_the_intended_one() {
    let flotta = Flotta::new();
    let host = flotta.authority.issue(&Profile::host()).unwrap();
    // The same key, name and CA, and not the same certificate.
    let renewed = flotta.authority.issue_for(&Profile::host(), host.key()).unwrap();
    let tls = mutual(&host, flotta.authority.roots().unwrap(), &[]);
    let server = Server::start(Some(tls), |_, _| answer("200 OK", "", "")).await;
    let device = flotta
        .authority
        .issue(&Profile::device(&nonce().device_id(), "default"));
    let intended = leaf(&renewed);
    let probe = EdgeProbe {
        pod: server.address,
        server_name: "project-flotta.io",
        intended: &intended,
        identity: &ours(&device.unwrap()),
        nonce: &nonce(),
    };
    let error = probe_edge_api(&probe, soon()).await.unwrap_err();
    assert_eq!(error.callee, Callee::EdgeApiPod(server.address));
    let expected = Fault::OtherLeaf {
        served: Box::new(leaf(&host).facts().clone()),
        intended: intended.facts().fingerprint,
    };
    assert_eq!(error.fault, expected);
    assert_eq!(server.seen(), [""; 0], "it was asked all the same");
}
