//! What the companion is told of the fleet, and that asking changes nothing.

use fleet::{DeletionMode, Policy, administration::Act};
use serde_json::{Value, json};

use crate::world::{Fleet, manual};

/// One device in each state.
async fn one_of_each() -> Fleet {
    let fleet = Fleet::new(manual()).await;
    for id in ["approved", "deleted", "rejected", "waiting"] {
        assert_eq!(fleet.enrol("default", id).await, 201);
    }
    fleet
        .act(
            "approved",
            Act::Approve {
                namespace: None,
                set: None,
            },
        )
        .await;
    fleet.act("rejected", Act::Reject).await;
    let mode = DeletionMode::Forget;
    fleet.act("deleted", Act::Delete { mode }).await;
    fleet
}

async fn compare(fleet: &Fleet, ids: Value) -> (u16, Value) {
    let body = json!({ "devices": ids }).to_string();
    let (status, answer) = fleet
        .companion("POST", "/api/flotta-companion/v1/comparison", body)
        .await;
    (status.as_u16(), answer)
}

async fn list(fleet: &Fleet, query: &str) -> (u16, Value) {
    let path = format!("/api/flotta-companion/v1/devices{query}");
    let (status, answer) = fleet.companion("GET", &path, "").await;
    (status.as_u16(), answer)
}

#[tokio::test]
async fn each_device_that_is_asked_for_has_a_word() {
    let fleet = one_of_each().await;
    let longer_than_any_id = "x".repeat(64);
    let ids = json!([
        "approved",
        "waiting",
        "rejected",
        "deleted",
        "stranger",
        longer_than_any_id,
        "under_score",
        "waiting"
    ]);
    let (status, answer) = compare(&fleet, ids).await;
    assert_eq!(status, 200);
    let expected = json!({"store": fleet.store_id(), "devices": {"approved": "Approved", "waiting": "Waiting",
        "rejected": "Rejected", "deleted": "Deleted", "stranger": "Unknown", "under_score": "Unknown",
        longer_than_any_id: "Unknown"}});
    assert_eq!(answer, expected);
    assert_eq!(compare(&fleet, json!([])).await.1["devices"], json!({}));
}

#[tokio::test]
async fn asking_leaves_no_trace() {
    let fleet = one_of_each().await;
    fleet.service().flush().await.unwrap();
    let before = fleet.listed().await;
    compare(
        &fleet,
        json!(["approved", "waiting", "rejected", "deleted", "stranger"]),
    )
    .await;
    list(&fleet, "").await;
    fleet.service().flush().await.unwrap();
    assert_eq!(fleet.listed().await, before);
    assert!(fleet.service().strays(10).await.unwrap().is_empty());
    assert_eq!(
        fleet.status("default", "deleted").await["status"],
        "unregistered",
        "it was not told before"
    );
}

#[tokio::test]
async fn the_whole_fleet_comes_in_pages() {
    let fleet = one_of_each().await;
    let (status, all) = list(&fleet, "").await;
    assert_eq!(status, 200);
    let devices = json!([{"id": "approved", "phase": "Approved"}, {"id": "deleted", "phase": "Deleted"},
        {"id": "rejected", "phase": "Rejected"}, {"id": "waiting", "phase": "Waiting"}]);
    assert_eq!(
        all,
        json!({"store": fleet.store_id(), "devices": devices, "next": null})
    );

    let first = list(&fleet, "?limit=3").await.1;
    assert_eq!(first["devices"].as_array().unwrap().len(), 3);
    assert_eq!(first["next"], "rejected");
    let second = list(&fleet, "?after=rejected&limit=1").await.1;
    assert_eq!(
        (&second["devices"][0]["id"], &second["next"]),
        (&json!("waiting"), &json!("waiting"))
    );
    let last = list(&fleet, "?after=waiting&limit=999999").await.1;
    assert_eq!((&last["devices"], &last["next"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let fleet = one_of_each().await;
    for (method, path, body, status, expected) in [
        ("GET", "/comparison", "", 405, "this path takes POST only"),
        ("POST", "/devices", "", 405, "this path takes GET only"),
        (
            "GET",
            "/fleet",
            "",
            404,
            "there is no such path; there are /api/flotta-companion/v1/comparison",
        ),
        (
            "POST",
            "/comparison",
            r#"{"devices": [1]}"#,
            400,
            "the body is not a valid comparison: devices[0]",
        ),
        (
            "POST",
            "/comparison",
            r#"{"device": []}"#,
            400,
            "the body is not a valid comparison",
        ),
        (
            "GET",
            "/devices?limit=few",
            "",
            400,
            "limit is not acceptable: it is a number",
        ),
        (
            "GET",
            "/devices?limit=0",
            "",
            400,
            "limit is not acceptable: it is at least 1",
        ),
        ("GET", "/devices?after=", "", 400, "after is not acceptable"),
        (
            "GET",
            "/devices?before=a",
            "",
            400,
            "before is not acceptable: there are after and limit",
        ),
    ] {
        let path = format!("/api/flotta-companion/v1{path}");
        let (found, answer) = fleet.companion(method, &path, body).await;
        let message = answer["message"].as_str().unwrap();
        assert_eq!(found, status, "{method} {path}: {message}");
        assert!(message.starts_with(expected), "{message}");
    }
}

#[tokio::test]
async fn a_question_of_too_many_devices_is_refused_whole() {
    let fleet = one_of_each().await;
    let ids = |count| vec!["a"; count];
    let (status, answer) = compare(&fleet, json!(ids(65_537))).await;
    assert_eq!(status, 400);
    assert_eq!(
        answer["message"],
        "devices is not acceptable: there are 65537; ask for at most 65536 at a time"
    );
    assert_eq!(compare(&fleet, json!(ids(65_536))).await.0, 200);
}

#[tokio::test]
async fn another_store_or_no_order_says_nothing_of_devices() {
    let fleet = Fleet::with_admission(Policy::default()).await;
    let answers = async || {
        let (status, answer) = compare(&fleet, json!(["d"])).await;
        let (listing, listed) = list(&fleet, "").await;
        assert_eq!((status, &answer), (listing, &listed));
        (status, answer["message"].as_str().unwrap_or_default().to_owned())
    };
    let (status, message) = answers().await;
    assert_eq!(status, 503);
    assert!(message.contains("waiting for the admission file"), "{message}");
    fleet.order("admission: Hold\nstoreId: 0198c0de-0000-7000-8000-000000000001");
    let (status, message) = answers().await;
    assert_eq!(status, 503);
    assert!(
        message.contains("but the fleet is recorded in store 0198c0de"),
        "{message}"
    );
    for word in ["Hold", "Closed", "Open"] {
        fleet.order(&format!("admission: {word}\nstoreId: {}", fleet.store_id()));
        assert_eq!(compare(&fleet, json!(["d"])).await.1["devices"]["d"], "Unknown");
        assert_eq!(list(&fleet, "").await.1["devices"], json!([]));
    }
}

#[tokio::test]
async fn a_device_that_cannot_be_read_is_here() {
    let fleet = one_of_each().await;
    let database = rusqlite::Connection::open(fleet.path()).unwrap();
    database
        .execute_batch(
            "UPDATE device SET life = replace(life, 'default', 'defaulu') WHERE id = 'deleted';
             UPDATE device SET id = 'Rej cted\u{e9}' WHERE id = 'rejected'",
        )
        .unwrap();
    let (status, answer) = compare(&fleet, json!(["approved", "deleted", "rejected"])).await;
    assert_eq!(status, 200, "{answer}");
    let expected = json!({"approved": "Approved", "deleted": "Unreadable", "rejected": "Unknown"});
    assert_eq!(answer["devices"], expected);
    // Also under an id that is none it is counted.
    let mut path = "?limit=1".to_owned();
    let mut found = Vec::new();
    loop {
        let (status, page) = list(&fleet, &path).await;
        assert_eq!(status, 200, "{page}");
        found.extend(page["devices"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        let next = next.replace(' ', "%20").replace('\u{e9}', "%C3%A9");
        path = format!("?after={next}&limit=1");
    }
    let expected = [
        json!({"id": "Rej cted\u{e9}", "phase": "Unreadable"}),
        json!({"id": "approved", "phase": "Approved"}),
        json!({"id": "deleted", "phase": "Unreadable"}),
        json!({"id": "waiting", "phase": "Waiting"}),
    ];
    assert_eq!(found, expected);
}
