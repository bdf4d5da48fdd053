//! What the admission file does to each operation, and to the store.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use edge_config_server::{
    intake::Reloader,
    room::Room,
    service::{Clock, Service},
    sources,
};
use fleet::{
    Admission, Connectivity, DeletionMode, Digest, Policy,
    administration::Act,
    intake::PutOff,
    key_gate::VerifiedRequest,
    register::{RegistrationAnswer, RegistrationRequest},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use store::{
    Store,
    sqlite::{OpenOptions, SqliteStore},
};

use crate::world::{Fleet, WITHOUT_MANIFESTS, key};

const OPERATIONS: [(&str, &str); 6] = [
    ("POST", "enrolment"),
    ("GET", "registration"),
    ("PUT", "registration"),
    ("GET", "configuration"),
    ("PUT", "heartbeat"),
    ("GET", "playbookexecutions"),
];

async fn open() -> Fleet {
    let fleet = Fleet::with_admission(Policy::default()).await;
    fleet.order("admission: Open");
    fleet
}

async fn adopt(fleet: &Fleet, id: &str) {
    let act = Act::Adopt {
        namespace: Some(contract::Namespace::default()),
        release: true,
    };
    fleet.act_as_confirmed(id, act).await;
}

/// Every operation of this id is answered 503 with a sentence that contains `why`, whatever its
/// body is.
async fn nothing_is_served(fleet: &Fleet, id: &str, why: &str) {
    for (method, operation) in OPERATIONS {
        let path = format!("/namespaces/default/devices/{id}/{operation}");
        let (status, answer) = fleet.call(method, &path, "{").await;
        assert_eq!(status, 503, "{method} {operation}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn without_a_file_nobody_is_served_until_it_is_there() {
    let fleet = Fleet::with_admission(Policy::default()).await;
    nothing_is_served(&fleet, "d", "waiting for the admission file: not looked yet").await;
    fleet.admission().look(fleet.service().now());
    nothing_is_served(&fleet, "d", "(--admission): it cannot be read").await;
    fleet.order("admission: Maybe");
    nothing_is_served(&fleet, "d", "admission is \"Maybe\"").await;
    assert!(fleet.listed().await.is_empty());
    assert!(fleet.service().strays(10).await.unwrap().is_empty());
    let refused = r#"edge_config_admission_refusals_total{operation="enrolment",because="no-admission"}"#;
    assert_eq!(fleet.metric(refused), 3);
    assert_eq!(fleet.metric("edge_config_admission_current"), 0);

    fleet.order("admission: Open");
    assert_eq!(fleet.enrol("default", "d").await, 201);
    assert_eq!(fleet.enrol("default", "d").await, 200);
    assert_eq!(fleet.metric(r#"edge_config_admission{admission="Open"}"#), 1);
    assert_eq!(fleet.metric(r#"edge_config_admission{admission="Hold"}"#), 0);
    assert_eq!(fleet.metric("edge_config_admission_current"), 1);
}

#[tokio::test]
async fn a_file_that_becomes_bad_keeps_the_order_and_is_reported() {
    let fleet = open().await;
    let store = fleet.store_id();
    fleet.order(&format!("admission: Hold\nstoreId: {store}\n"));
    for bad in ["", "admission: Hold\nstoreId: none", "{"] {
        fleet.order(bad);
        let status = serde_json::to_value(fleet.admission().status()).unwrap();
        assert_eq!(
            (&status["admission"], &status["storeId"]),
            (&json!("Hold"), &json!(store))
        );
        assert_eq!(status["faults"].as_array().unwrap().len(), 1);
        assert!(status["faultsSince"].is_string());
        assert_eq!(fleet.metric("edge_config_admission_current"), 0);
        assert_eq!(fleet.enrol("default", "d").await, 201);
    }
    assert!(fleet.listed().await.is_empty());
    fleet.order("admission: Hold");
    let status = serde_json::to_value(fleet.admission().status()).unwrap();
    let good = json!({"admission": "Hold", "storeId": null, "faults": [], "faultsSince": null});
    assert_eq!(status, good);
}

#[tokio::test]
async fn on_hold_only_who_was_taken_over_gets_a_certificate() {
    let mut fleet = open().await;
    assert_eq!(fleet.enrol("default", "own").await, 201);
    adopt(&fleet, "adopted").await;
    fleet.order("admission: Hold");

    for _ in 0..2 {
        assert_eq!(fleet.enrol("default", "new").await, 201, "wait");
    }
    assert_eq!(fleet.status("default", "new").await["status"], "unknown");
    let put_off = (
        503,
        json!({"message":
        "the server is on hold until its switch is verified; the device will be let in when it tries again"}),
    );
    assert_eq!(fleet.register("default", "new", &key()).await, put_off);
    assert_eq!(fleet.register("default", "own", &key()).await, put_off);
    assert_eq!(fleet.configuration("default", "own").await.0, 200);

    assert_eq!(fleet.enrol("default", "adopted").await, 200);
    assert_eq!(
        fleet.register("default", "adopted", &key()).await,
        (200, Value::Null)
    );
    assert_eq!(fleet.configuration("default", "adopted").await.0, 200);
    let beat = json!({"status": "up", "version": "", "workloads": null, "upgrade": {}});
    assert_eq!(fleet.heartbeat("default", "adopted", &beat).await, 200);

    let refused = |operation| {
        let labels = format!(r#"{{operation="{operation}",because="hold"}}"#);
        fleet.metric(&format!("edge_config_admission_refusals_total{labels}"))
    };
    assert_eq!((refused("enrolment"), refused("registration")), (2, 2));
    let known: Vec<_> = fleet
        .listed()
        .await
        .into_iter()
        .map(|device| device.id.to_string())
        .collect();
    assert_eq!(known, ["adopted", "own"]);
    let strays = fleet.service().strays(10).await.unwrap();
    assert_eq!(strays.len(), 1);
    assert_eq!(strays[0].stray.id.as_str(), "new");

    fleet.restart().await;
    fleet.order("admission: Open");
    assert_eq!(fleet.enrol("default", "new").await, 201);
    assert_eq!(fleet.register("default", "new", &key()).await, (200, Value::Null));
    assert!(fleet.service().strays(10).await.unwrap().is_empty());
}

#[tokio::test]
async fn on_hold_no_deletion_disconnects() {
    let fleet = open().await;
    adopt(&fleet, "d").await;
    fleet
        .act(
            "d",
            Act::Delete {
                mode: DeletionMode::Remove,
            },
        )
        .await;
    fleet.order("admission: Hold");
    for _ in 0..3 {
        assert_eq!(fleet.status("default", "d").await["status"], "unknown");
        assert_eq!(fleet.configuration("default", "d").await.0, 404);
        fleet.pass(40);
    }
    fleet.order("admission: Open");
    assert_eq!(fleet.status("default", "d").await["status"], "unregistered");
}

#[tokio::test]
async fn closed_refuses_who_wants_in_and_serves_who_is_in() {
    let fleet = open().await;
    assert_eq!(fleet.enrol("default", "d").await, 201);
    fleet.order("admission: Closed");
    for id in ["d", "new"] {
        assert_eq!(fleet.enrol("default", id).await, 503);
        let (status, answer) = fleet.register("default", id, &key()).await;
        assert_eq!(
            (status, &answer["message"]),
            (
                503,
                &json!("the fleet is closed for enrolments and registrations; the device may try again")
            )
        );
    }
    assert_eq!(fleet.status("default", "d").await["status"], "registered");
    assert_eq!(fleet.configuration("default", "d").await.0, 200);
    assert_eq!(fleet.listed().await.len(), 1);
    let refused = r#"edge_config_admission_refusals_total{operation="registration",because="closed"}"#;
    assert_eq!(fleet.metric(refused), 2);
}

#[tokio::test]
async fn a_store_that_is_not_the_fleets_serves_nobody() {
    let fleet = open().await;
    assert_eq!(fleet.enrol("default", "kept").await, 201);
    fleet
        .act(
            "kept",
            Act::Delete {
                mode: DeletionMode::Remove,
            },
        )
        .await;
    let recorded = "0198c0de-0000-7000-8000-000000000001";
    fleet.order(&format!("admission: Open\nstoreId: {recorded}"));
    let why = format!(
        "this is store {}, but the fleet is recorded in store {recorded}: bring back",
        fleet.store_id()
    );
    for id in ["kept", "unknown"] {
        nothing_is_served(&fleet, id, &why).await;
    }
    assert!(fleet.service().strays(10).await.unwrap().is_empty());
    assert_eq!(fleet.listed().await.len(), 1, "who administers it still sees it");
    let refused =
        r#"edge_config_admission_refusals_total{operation="registration-status",because="other-store"}"#;
    assert_eq!(fleet.metric(refused), 2);

    fleet.order(&format!("admission: Open\nstoreId: {}", fleet.store_id()));
    assert_eq!(fleet.status("default", "kept").await["status"], "unregistered");
}

#[tokio::test]
async fn verification_calls_are_seen_in_every_case_and_answered_where_devices_are() {
    let fleet = Fleet::with_admission(Policy::default()).await;
    let probe = async |nonce: &str| {
        let path = format!("/namespaces/default/devices/flotta-companion-probe-{nonce}/registration");
        let (status, _) = fleet.call("GET", &path, "").await;
        assert_eq!(fleet.probes()[0], nonce);
        status.as_u16()
    };
    assert_eq!(probe("waiting").await, 503);
    for (word, expected) in [("Open", 200), ("Hold", 200), ("Closed", 200)] {
        fleet.order(&format!("admission: {word}"));
        assert_eq!(probe(&word.to_lowercase()).await, expected);
    }
    fleet.order("admission: Open\nstoreId: 0198c0de-0000-7000-8000-000000000001");
    assert_eq!(probe("foreign").await, 503);
}

/// The clock is read once for each decision, after the order: so the second decision finds another
/// order than the first.
#[tokio::test]
async fn an_order_holds_for_one_decision_and_is_over_with_its_last() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(folder.path().join("fleet.db"), OpenOptions::default()).unwrap());
    let file = folder.path().join("admission");
    std::fs::write(&file, "admission: Open").unwrap();
    let keeper = Reloader::new(file.clone(), Arc::default());
    keeper.look(Timestamp::UNIX_EPOCH);
    let (ordered, countdown) = (Arc::clone(&keeper), Arc::new(AtomicUsize::new(usize::MAX)));
    let until_closed = Arc::clone(&countdown);
    let clock = move || {
        if until_closed.fetch_sub(1, Ordering::Relaxed) == 1 {
            std::fs::write(&file, "admission: Closed").unwrap();
            ordered.look(Timestamp::UNIX_EPOCH);
            assert_eq!(
                ordered.status().admission,
                Some(Admission::Open),
                "a decision under it is under way"
            );
        }
        Timestamp::UNIX_EPOCH
    };
    let service = |admission, clock: Clock| {
        let (store, policy) = (Arc::clone(&store), Policy::default());
        let documents = sources::Reloader::new(
            Arc::clone(&store),
            WITHOUT_MANIFESTS,
            Arc::clone(&clock),
            Arc::default(),
        );
        Service::new(store, policy, admission, documents, clock, Arc::new(|_| {}))
    };
    let (here, there) = (
        service(Some(Arc::clone(&keeper)), Arc::new(clock)),
        service(None, Arc::new(|| Timestamp::UNIX_EPOCH)),
    );
    let id = contract::DeviceId::parse("d").unwrap();
    let adopt = Act::Adopt {
        namespace: Some(contract::Namespace::default()),
        release: true,
    };
    here.act_as_confirmed(id.clone(), adopt, "tester".into(), true)
        .await
        .unwrap();
    // Behind the back of the first, whose next write is in conflict with it.
    there
        .act(id.clone(), Act::AllowRegistration, "tester".into())
        .await
        .unwrap();

    let request = RegistrationRequest {
        namespace: contract::Namespace::default(),
        certificate_request: Ok(VerifiedRequest {
            fingerprint: Digest::of(b"key"),
            pem: String::new(),
        }),
        hardware: None,
        cut: contract::Cut::default(),
    };
    // One look at what is in memory, and the decision whose write fails.
    countdown.store(2, Ordering::Relaxed);
    let held = || Room::new(1).nothing();
    let answer = here.register(id.clone(), request.clone(), held()).await.unwrap();
    assert_eq!(answer, RegistrationAnswer::PutOff(PutOff::Closed));
    assert_eq!(keeper.status().admission, Some(Admission::Closed));
    assert!(there.show(id.clone()).await.unwrap().registration.keys.is_empty());
    assert_eq!(
        there.register(id, request, held()).await.unwrap(),
        RegistrationAnswer::Accepted
    );
}

#[tokio::test]
async fn nobody_is_missed_while_the_admission_lets_nobody_be_served() {
    let fleet = open().await;
    adopt(&fleet, "d").await;
    assert_eq!(fleet.status("default", "d").await["status"], "registered");
    let at_work = async |seconds| {
        for _ in 0..seconds / 2 {
            fleet.pass(2);
            fleet.service().attend(true).await.unwrap();
        }
        fleet.listed().await[0].connectivity.unwrap()
    };
    fleet.order("admission: Open\nstoreId: 0198c0de-0000-7000-8000-000000000001");
    assert_eq!(at_work(3600).await, Connectivity::Online);
    fleet.order(&format!("admission: Open\nstoreId: {}", fleet.store_id()));
    assert_eq!(at_work(180).await, Connectivity::Online);
    assert_eq!(at_work(2).await, Connectivity::Silent);
    for order in ["Hold", "Closed"] {
        // Whoever is approved is served.
        fleet.order(&format!("admission: {order}"));
        assert_eq!(at_work(180).await, Connectivity::Silent);
    }
}
