//! The backend, called as the Edge API calls it.

use flotta_calls::{BackendAnswer, CallError, Callee, Fault, Step, call_as_edge_api};
use rustls::RootCertStore;
use testkit::{
    net::free_port,
    pki::{Authority, Identity, KeyKind, Profile, Validity},
};

use crate::world::{
    Act, Flotta, Server, answer, certificates, json, mutual, nonce, ours, say, soon, very_soon,
};

const UNKNOWN: &str = r#"{"status":"unknown","namespace":"default","message":""}"#;

async fn call(flotta: &Flotta, url: &str) -> Result<BackendAnswer, CallError> {
    call_as_edge_api(&flotta.call(url), &nonce(), soon()).await
}

/// The fault of a backend that serves this certificate, or asks for certificates of these CAs.
async fn fault_with(flotta: &Flotta, server: &Identity, clients: RootCertStore, alpn: &[&str]) -> CallError {
    let server = Server::start(Some(mutual(server, clients, alpn)), |_, _| json(UNKNOWN)).await;
    let error = call(flotta, &server.url("https")).await.unwrap_err();
    assert_eq!(server.seen(), [""; 0], "a request came through");
    error
}

async fn fault_of_certificate(flotta: &Flotta, server: &Identity) -> CallError {
    fault_with(flotta, server, flotta.authority.roots().unwrap(), &["http/1.1"]).await
}

/// The fault of a backend that answers so.
async fn fault_of_answer(act: Act) -> CallError {
    let flotta = Flotta::new();
    let tls = mutual(&flotta.server(), flotta.authority.roots().unwrap(), &["http/1.1"]);
    let server = Server::start(Some(tls), move |_, _| act.clone()).await;
    call(&flotta, &server.url("https")).await.unwrap_err()
}

#[tokio::test]
async fn the_call_is_the_edge_apis() {
    let flotta = Flotta::new();
    let certificate = flotta.server();
    for alpn in [&["http/1.1"][..], &[]] {
        let tls = mutual(&certificate, flotta.authority.roots().unwrap(), alpn);
        let server = Server::start(Some(tls), |_, _| json(UNKNOWN)).await;
        let answer = call(&flotta, &server.url("https")).await.unwrap();
        assert_eq!(answer.peer, server.address);
        let shown = answer.certificate.unwrap();
        assert_eq!(shown.key.to_string(), certificate.key().fingerprint());
        let expected = format!(
            "GET /api/flotta-backend/v1/namespaces/default/devices/flotta-companion-probe-7f/registration HTTP/1.1\r\n\
             Host: localhost:{}\r\nUser-Agent: Go-http-client/1.1\r\nAccept: application/json\r\n\r\n",
            server.address.port()
        );
        assert_eq!(server.seen(), [expected]);
    }
}

#[tokio::test]
async fn over_plain_http_nobody_is_identified() {
    let flotta = Flotta::new();
    let server = Server::start(None, |_, _| json(UNKNOWN)).await;
    let answer = call(&flotta, &server.url("http")).await.unwrap();
    assert_eq!((answer.peer, answer.certificate), (server.address, None));
}

#[tokio::test]
async fn each_ca_of_the_bundle_is_a_root() {
    let flotta = Flotta::new();
    let mut roots = certificates(&Authority::new(KeyKind::P256).unwrap());
    roots.push(vec![0; 8].into());
    roots.extend(certificates(&flotta.authority));
    let flotta = Flotta { roots, ..flotta };
    let tls = mutual(&flotta.server(), flotta.authority.roots().unwrap(), &[]);
    let server = Server::start(Some(tls), |_, _| json(UNKNOWN)).await;
    call(&flotta, &server.url("https")).await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_ca() {
    let flotta = Flotta::new();
    let error = fault_of_certificate(&flotta, &Flotta::new().server()).await;
    assert!(matches!(error.fault, Fault::OtherCa { .. }), "{error}");
    let error = error.to_string();
    assert!(error.starts_with("the backend https://localhost:"), "{error}");
    assert!(
        error.contains("of another CA") && error.contains("issue its certificate from flotta-ca"),
        "{error}"
    );
}

#[tokio::test]
async fn a_chain_in_which_a_path_is_hard_to_find() {
    let flotta = Flotta::new();
    let crowd = Authority::cross_signed("flotta-crowd", 35).unwrap();
    let server = crowd[0].issue(&Profile::server(&["localhost"]).unwrap()).unwrap();
    let error = fault_of_certificate(&flotta, &server.followed_by_authorities(&crowd)).await;
    let bounded = matches!(&error.fault, Fault::BadCertificate(reason) if reason.contains("36 certificates"));
    assert!(bounded, "{error}");
}

#[tokio::test]
async fn a_certificate_of_a_ca_that_has_expired() {
    let flotta = Flotta::new();
    let roots = certificates(&flotta.authority.expired().unwrap());
    let (server, clients) = (flotta.server(), flotta.authority.roots().unwrap());
    let flotta = Flotta { roots, ..flotta };
    let error = fault_with(&flotta, &server, clients, &[]).await;
    let expected = Fault::UnusableCa {
        ca: "O=flotta-operator".to_owned(),
        reason: "it has expired",
    };
    assert_eq!(error.fault, expected, "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let flotta = Flotta::new();
    let server = flotta
        .authority
        .issue(&Profile::server(&["backend.example", "10.0.0.1"]).unwrap());
    let error = fault_of_certificate(&flotta, &server.unwrap()).await;
    let expected = Fault::WrongName {
        host: "localhost".to_owned(),
        names: vec!["backend.example".to_owned(), "10.0.0.1".to_owned()],
    };
    assert_eq!(error.fault, expected);
    assert!(
        error
            .to_string()
            .contains("serves a certificate for backend.example, 10.0.0.1 and is called localhost")
    );
}

#[tokio::test]
async fn a_common_name_is_no_name() {
    let flotta = Flotta::new();
    let server = flotta
        .authority
        .issue(&Profile::device("localhost", "default"))
        .unwrap();
    let error = fault_of_certificate(&flotta, &server).await;
    assert!(
        error.to_string().contains("serves a certificate for nobody"),
        "{error}"
    );
}

#[tokio::test]
async fn a_certificate_out_of_its_time() {
    let flotta = Flotta::new();
    let of = |validity| {
        let profile = Profile::server(&["localhost"]).unwrap().valid(validity);
        flotta.authority.issue(&profile).unwrap()
    };
    let error = fault_of_certificate(&flotta, &of(Validity::Expired)).await;
    assert!(
        error.to_string().contains("that expired at 2011-01-01T00:00:00Z"),
        "{error}"
    );
    let error = fault_of_certificate(&flotta, &of(Validity::Future)).await;
    assert!(
        error
            .to_string()
            .contains("is not valid before 2080-01-01T00:00:00Z"),
        "{error}"
    );
}

#[tokio::test]
async fn a_certificate_that_no_server_may_use() {
    let flotta = Flotta::new();
    let profile = Profile::server(&["localhost"]).unwrap().client_auth_only();
    let error = fault_of_certificate(&flotta, &flotta.authority.issue(&profile).unwrap()).await;
    assert!(matches!(error.fault, Fault::NotForServers { .. }), "{error}");
}

#[tokio::test]
async fn the_host_certificate_is_refused() {
    // All of Flotta's CAs have one name, so the certificate is asked for and then refused.
    let flotta = Flotta::new();
    let clients = Flotta::new().authority.roots().unwrap();
    let error = fault_with(&flotta, &flotta.server(), clients, &["http/1.1"]).await;
    let expected = Fault::CertificateRefused {
        alert: "DecryptError".to_owned(),
        key: flotta.host.facts().key,
    };
    assert_eq!(error.fault, expected, "{error}");
    assert!(
        error
            .to_string()
            .ends_with("; give it the ca.crt of flotta-ca as bundle of client CAs"),
        "{error}"
    );

    let expired = Profile::host().valid(Validity::Expired);
    let host = ours(&flotta.authority.issue(&expired).unwrap());
    let flotta = Flotta { host, ..flotta };
    let clients = flotta.authority.roots().unwrap();
    let error = fault_with(&flotta, &flotta.server(), clients, &["http/1.1"]).await;
    let alert =
        matches!(&error.fault, Fault::CertificateRefused { alert, .. } if alert == "CertificateExpired");
    assert!(alert, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reason_of_a_refusal_is_heard_whenever_it_comes() {
    let flotta = Flotta::new();
    let clients = Flotta::new().authority.roots().unwrap();
    let tls = mutual(&flotta.server(), clients, &["http/1.1"]);
    let server = Server::start(Some(tls), |_, _| json(UNKNOWN)).await;
    let url = server.url("https");
    // With TLS 1.3 it comes before, with or after the request.
    for _ in 0..300 {
        let error = call(&flotta, &url).await.unwrap_err();
        assert!(matches!(error.fault, Fault::CertificateRefused { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_host_certificate_is_not_asked_for() {
    let flotta = Flotta::new();
    let mut clients = RootCertStore::empty();
    clients
        .add(Profile::host().self_signed().unwrap().leaf().clone())
        .unwrap();
    let error = fault_with(&flotta, &flotta.server(), clients, &["http/1.1"]).await;
    let expected = Fault::Withheld {
        issuer: "O=flotta-operator".to_owned(),
    };
    assert_eq!(error.fault, expected, "{error}");
}

#[tokio::test]
async fn http_2_is_selected() {
    let flotta = Flotta::new();
    let clients = flotta.authority.roots().unwrap();
    let error = fault_with(&flotta, &flotta.server(), clients, &["h2", "http/1.1"]).await;
    assert_eq!(error.fault, Fault::Http2);
    let clients = flotta.authority.roots().unwrap();
    let error = fault_with(&flotta, &flotta.server(), clients, &["h3"]).await;
    assert!(matches!(error.fault, Fault::Handshake(_)), "{error}");
}

#[tokio::test]
async fn what_speaks_no_tls_or_another() {
    let flotta = Flotta::new();
    for (octets, expected) in [
        (&b"\x15\x03\x03\x00\x02\x02\x46"[..], Fault::NotTls13),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Fault::NotTls),
        (b"", Fault::Handshake("the connection was closed".to_owned())),
    ] {
        let server = Server::start(None, move |_, _| say(octets)).await;
        let error = call(&flotta, &server.url("https")).await.unwrap_err();
        assert_eq!(error.fault, expected);
    }
}

#[tokio::test]
async fn plain_http_to_a_server_that_speaks_tls() {
    let flotta = Flotta::new();
    let tls = mutual(&flotta.server(), flotta.authority.roots().unwrap(), &[]);
    let server = Server::start(Some(tls), |_, _| json(UNKNOWN)).await;
    let error = call(&flotta, &server.url("http")).await.unwrap_err();
    assert!(matches!(error.fault, Fault::NotHttp(_)), "{error:?}");
    assert!(error.to_string().contains("use https://"), "{error}");
}

#[tokio::test]
async fn nobody_is_there() {
    let flotta = Flotta::new();
    let url = format!("https://127.0.0.1:{}/x", free_port().unwrap());
    let error = call(&flotta, &url).await.unwrap_err();
    assert_eq!(error.fault, Fault::Refused);
    assert_eq!(
        error.to_string(),
        format!(
            "the backend {url} refuses connections; start the server, or correct the port in spec.backend.url"
        )
    );

    // A label of more than 63 octets has no address, and no name server is asked for it.
    let host = "a".repeat(64);
    let error = call(&flotta, &format!("http://{host}/x")).await.unwrap_err();
    let unresolved = matches!(&error.fault, Fault::NotResolved { host: named, .. } if *named == host);
    assert!(unresolved, "{error:?}");
}

#[tokio::test]
async fn a_url_that_names_nobody() {
    let error = call(&Flotta::new(), "backend:8443/x").await.unwrap_err();
    assert_eq!(error.callee, Callee::Backend("\"backend:8443/x\"".to_owned()));
    assert!(matches!(error.fault, Fault::Url(_)));
}

#[tokio::test]
async fn a_connection_that_hangs_once_is_tried_again() {
    let flotta = Flotta::new();
    let tls = mutual(&flotta.server(), flotta.authority.roots().unwrap(), &["http/1.1"]);
    let server = Server::deaf_at_first(1, Some(tls), json(UNKNOWN)).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(6);
    let url = server.url("https");
    let call = flotta.call(&url);
    call_as_edge_api(&call, &nonce(), deadline).await.unwrap();
}

#[tokio::test]
async fn what_hangs_ends_with_the_deadline() {
    let flotta = Flotta::new();
    let tls = || mutual(&flotta.server(), flotta.authority.roots().unwrap(), &["http/1.1"]);
    let deaf = Server::deaf_at_first(usize::MAX, Some(tls()), Act::Hang).await;
    let mute = Server::start(Some(tls()), |_, _| Act::Hang).await;
    let half = Server::start(Some(tls()), |_, _| say("HTTP/1.1 200 OK\r\n")).await;
    for (server, expected) in [
        (&deaf, Fault::Timeout(Step::Handshake)),
        (&mute, Fault::Timeout(Step::Answer)),
        (&half, Fault::Closed),
    ] {
        let url = server.url("https");
        let error = call_as_edge_api(&flotta.call(&url), &nonce(), very_soon())
            .await
            .unwrap_err();
        assert_eq!(error.fault, expected);
    }
}

#[tokio::test]
async fn an_answer_that_is_no_success() {
    let path = r#"{"message":"there is no such path"}"#;
    let busy = r#"{"message":"the store is\nnot available"}"#;
    for (act, status, words, remedy) in [
        (
            answer("404 Not Found", "", path),
            404,
            "there is no such path",
            "correct the path",
        ),
        (
            answer("503 Service Unavailable", "", busy),
            503,
            "the store is not available",
            "readiness and log",
        ),
        (
            answer("302 Found", "Location: https://elsewhere\r\n", ""),
            302,
            "",
            "redirected PUT or POST is lost",
        ),
        (answer("201 Created", "", ""), 201, "", "something else"),
        (
            answer("400 Bad Request", "", "<html> <p>\u{7}Hello  you"),
            400,
            "<html> <p>\\u{7}Hello you",
            "something else",
        ),
    ] {
        let error = fault_of_answer(act).await;
        let expected = Fault::Status {
            status,
            words: words.to_owned(),
        };
        assert_eq!(error.fault, expected);
        assert!(error.to_string().contains(remedy), "{error}");
    }
}

#[tokio::test]
async fn a_success_of_somebody_else() {
    let json_type = "Content-Type: application/json; charset=utf-8\r\n";
    let unregistered = r#"{"status":"unregistered","namespace":"default"}"#;
    let nowhere = r#"{"status":"unknown"}"#;
    let long = format!("{{\"status\":\"{}\"}}", "x".repeat(65 << 10));
    for (act, reason) in [
        (
            answer("200 OK", "Content-Type: text/html\r\n", "<html>"),
            "Content-Type is \"text/html\"",
        ),
        (
            answer("200 OK", "Content-Type: application/problem+json\r\n", UNKNOWN),
            "application/problem+json",
        ),
        (answer("200 OK", "", "<html>"), "expected value"),
        (answer("200 OK", json_type, r#"{"status":7}"#), "invalid type"),
        (answer("200 OK", json_type, unregistered), "\"unregistered\""),
        (answer("200 OK", json_type, nowhere), "in namespace \"\""),
        (answer("200 OK", json_type, ""), "is \"\" in namespace"),
        (answer("200 OK", json_type, &long), "more than 65536 octets"),
    ] {
        let error = fault_of_answer(act).await;
        let told = matches!(&error.fault, Fault::NotUnderstood(told) if told.contains(reason));
        assert!(told, "{error}");
        assert!(
            error
                .to_string()
                .contains("something else than edge-config-server"),
            "{error}"
        );
    }
    // As the Edge API reads it: no type means JSON, and what follows the first value is passed
    // over.
    let flotta = Flotta::new();
    let server = Server::start(None, |_, _| answer("200 OK", "", &format!("{UNKNOWN} and more"))).await;
    call(&flotta, &server.url("http")).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_closed_without_an_answer() {
    assert_eq!(fault_of_answer(say("")).await.fault, Fault::Closed);
    let cut = say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{");
    assert_eq!(fault_of_answer(cut).await.fault, Fault::Closed);
    let error = fault_of_answer(say("220 mail.example ESMTP\r\n")).await;
    assert!(matches!(error.fault, Fault::NotHttp(_)), "{error:?}");
}
