//! Devices of the store, asked about in parts.

use flotta_calls::{Comparison, DevicePhase, Fault, Listing, compare, list};
use serde_json::{Value, json};

use crate::world::{Act, Flotta, Server, answer, json as answer_json, soon};

/// Says of each device that it is approved, as this store.
fn approve_all(request: &str, store: &str) -> Act {
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let ids = body["devices"].as_array().unwrap().iter();
    let devices: serde_json::Map<_, _> = ids
        .map(|id| (id.as_str().unwrap().to_owned(), json!("Approved")))
        .collect();
    answer_json(&json!({"store": store, "devices": devices, "later": 1}).to_string())
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("device-{number:054}")).collect()
}

fn texts(ids: &[String]) -> impl Iterator<Item = &str> {
    ids.iter().map(String::as_str)
}

#[tokio::test]
async fn a_fleet_is_compared_in_parts_and_goes_on_after_a_fault() {
    let flotta = Flotta::new();
    let script = |number, request: &str| {
        assert!(request.len() < 1 << 20);
        match number {
            1 => answer("503 Service Unavailable", "", r#"{"message":"not now"}"#),
            _ => approve_all(request, "a"),
        }
    };
    let server = Server::start(None, script).await;
    let url = server.url("http");
    let call = flotta.call(&url);
    // Each takes 61 octets, so they need three parts.
    let ids = ids(10_000);
    let mut so_far = Comparison::default();
    let error = compare(&call, texts(&ids), &mut so_far, soon())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("answered 503 (not now)"), "{error}");
    let first = so_far.devices.len();
    assert!(first > 0 && first < ids.len());
    compare(&call, texts(&ids).chain(texts(&ids[..7])), &mut so_far, soon())
        .await
        .unwrap();
    assert_eq!(so_far.store.as_deref(), Some("a"));
    assert!(so_far.devices.keys().eq(&ids));
    let asked = server.seen();
    let expected = "POST /api/flotta-companion/v1/comparison HTTP/1.1\r\n";
    assert!(asked.iter().all(|request| request.starts_with(expected)));
    let questions: usize = asked
        .iter()
        .map(|request| request.matches("\"device-").count())
        .sum();
    // All of them once, and those of the part that failed twice.
    assert_eq!(questions, ids.len() + asked[1].matches("\"device-").count());
}

#[tokio::test]
async fn two_stores_are_not_compared_as_one() {
    let flotta = Flotta::new();
    let script = |number, request: &str| approve_all(request, if number == 0 { "a" } else { "b" });
    let server = Server::start(None, script).await;
    let (url, ids) = (server.url("http"), ids(10_000));
    let mut so_far = Comparison::default();
    let error = compare(&flotta.call(&url), texts(&ids), &mut so_far, soon())
        .await
        .unwrap_err();
    let expected = Fault::OtherStore {
        before: "a".to_owned(),
        now: "b".to_owned(),
    };
    assert_eq!(error.fault, expected);
    assert_eq!(so_far, Comparison::default());
}

#[tokio::test]
async fn a_device_that_nothing_is_said_of_is_not_taken_for_anything() {
    let flotta = Flotta::new();
    for (body, part) in [
        (r#"{"store":"a","devices":{}}"#, "it says nothing of device x"),
        (r#"{"store":"a","devices":{"x":"Odd"}}"#, "unknown variant `Odd`"),
    ] {
        let server = Server::start(None, move |_, _| answer_json(body)).await;
        let url = server.url("http");
        let mut so_far = Comparison::default();
        let error = compare(&flotta.call(&url), ["x"], &mut so_far, soon())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(so_far.devices.is_empty());
    }
}

#[tokio::test]
async fn a_store_is_listed_page_by_page_and_goes_on_after_a_fault() {
    let flotta = Flotta::new();
    let script = |number, request: &str| {
        let first = r#"{"store":"a","devices":[{"id":"a","phase":"Approved"},{"id":"b","phase":"Deleted"}],"next":"b"}"#;
        let last = r#"{"store":"a","devices":[{"id":"c","phase":"Waiting"}],"next":null}"#;
        let base = "GET /api/flotta-companion/v1/devices";
        match number {
            0 => {
                assert!(request.starts_with(&format!("{base}?limit=500 ")), "{request}");
                answer_json(first)
            }
            1 => answer("503 Service Unavailable", "", ""),
            _ => {
                assert!(
                    request.starts_with(&format!("{base}?after=b&limit=500 ")),
                    "{request}"
                );
                answer_json(last)
            }
        }
    };
    let server = Server::start(None, script).await;
    let url = server.url("http");
    let mut so_far = Listing::default();
    list(&flotta.call(&url), &mut so_far, soon()).await.unwrap_err();
    assert_eq!((so_far.devices.len(), so_far.complete), (2, false));
    list(&flotta.call(&url), &mut so_far, soon()).await.unwrap();
    let expected = [
        ("a", DevicePhase::Approved),
        ("b", DevicePhase::Deleted),
        ("c", DevicePhase::Waiting),
    ];
    assert_eq!(
        so_far.devices,
        expected.map(|(id, phase)| (id.to_owned(), phase)).into()
    );
    assert!(so_far.complete);
    // What is complete is not asked for again.
    list(&flotta.call(&url), &mut so_far, soon()).await.unwrap();
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_list_that_stands_still_is_given_up() {
    let flotta = Flotta::new();
    for (body, part) in [
        (
            r#"{"store":"a","devices":[{"id":"a","phase":"Approved"}],"next":"a"}"#,
            "it lists device a twice",
        ),
        (
            r#"{"store":"a","devices":[],"next":"a"}"#,
            "is empty and not the last",
        ),
    ] {
        let server = Server::start(None, move |_, _| answer_json(body)).await;
        let url = server.url("http");
        let error = list(&flotta.call(&url), &mut Listing::default(), soon())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_device_that_cannot_be_read_may_have_any_id() {
    let flotta = Flotta::new();
    let script = |number, request: &str| {
        let base = "GET /api/flotta-companion/v1/devices";
        if number == 0 {
            return answer_json(
                r#"{"store":"a","devices":[{"id":"b \u00e9&?","phase":"Unreadable"}],"next":"b"}"#,
            );
        }
        assert!(
            request.starts_with(&format!("{base}?after=b%20%C3%A9%26%3F&limit=500 ")),
            "{request}"
        );
        answer_json(r#"{"store":"a","devices":[{"id":"c-1.x","phase":"Approved"}],"next":null}"#)
    };
    let server = Server::start(None, script).await;
    let url = server.url("http");
    let mut so_far = Listing::default();
    list(&flotta.call(&url), &mut so_far, soon()).await.unwrap();
    assert_eq!(so_far.devices["b \u{e9}&?"], DevicePhase::Unreadable);
    assert!(so_far.complete);
}
