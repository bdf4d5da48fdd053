//! What `manifests status` says of objects that were taken over and cannot be delivered as they
//! are.

use super::*;

const MANIFESTS: &str = "\
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: never-good, namespace: plant-a}
spec:
  type: pod
  device: one
  pod: {spec: {containers: [{name: c, image: i, envFrom: [{configMapRef: {name: absent}}]}]}}
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: once-good, namespace: plant-a}
spec:
  type: pod
  device: one
  pod: {spec: {containers: [{name: c, image: i, envFrom: [{configMapRef: {name: there-at-first}}]}]}}
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: whole, namespace: plant-a}
spec:
  type: pod
  device: one
  pod: {spec: {containers: [{name: c, image: i}]}}
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: for-whom, namespace: plant-b}
spec:
  type: pod
  deviceSelector: {matchLabels: {line: valid}}
  pod: {spec: {containers: [{name: c, image: i}]}}
---
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeDeviceSet
metadata: {name: pumps, namespace: plant-a}
spec:
  metrics: {system: {allowList: {name: absent}}}
";

const MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: there-at-first, namespace: plant-a}
data: {a: b}
";

/// Without the time.
fn golden(text: &str) -> String {
    let is_time = |word: &str| word.len() == 20 && word.starts_with("20") && word.ends_with('Z');
    let words = text.split(' ').map(|word| {
        if is_time(word) {
            "<time>              "
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_tells_what_stops_and_degrades_devices() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("manifests");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("fleet.yaml"), MANIFESTS).unwrap();
    fs::write(source.join("map.yaml"), MAP).unwrap();
    let settings = Settings::new(folder.path()).binary(BINARY).flags([
        "--manifests",
        source.to_str().unwrap(),
        "--settle-removals",
        "1s",
    ]);
    let mut server = Server::start(settings).await.unwrap();
    fs::remove_file(source.join("map.yaml")).unwrap();
    let objects = || server.manifests(&["list"]).unwrap().as_array().unwrap().len();
    wait_until("the map is gone", PATIENCE, async || objects() == 5)
        .await
        .unwrap();
    assert!(server.stop().unwrap().success());
    // Admission refuses such a selector; here it is what a store was damaged to before there were
    // checksums.
    let store = rusqlite::Connection::open(folder.path().join("fleet.db")).unwrap();
    let changed = store.execute(
        "UPDATE document SET body = replace(body, '\"valid\"', '\"not valid\"'), checksum = NULL WHERE name = 'for-whom'",
        [],
    );
    assert_eq!(changed, Ok(1));
    drop(store);
    fs::remove_dir_all(&source).unwrap();
    server.start_again().await.unwrap();
    let unread = async || {
        let status = server.manifests(&["status"]).unwrap();
        !status["sources"][0]["faults"].as_array().unwrap().is_empty()
    };
    wait_until("the source is seen to be gone", PATIENCE, unread)
        .await
        .unwrap();
    let told = said(&command(folder.path(), &["manifests", "status"]));
    let told = told.replace(source.to_str().unwrap(), "<folder>");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("status", golden(&told));
    });
    let status = server.manifests(&["status"]).unwrap();
    let broken: BTreeSet<&str> = status["broken"]
        .as_array()
        .unwrap()
        .iter()
        .map(|broken| broken["object"].as_str().unwrap())
        .collect();
    let wanted = [
        "EdgeDeviceSet plant-a/pumps",
        "EdgeWorkload plant-a/never-good",
        "EdgeWorkload plant-a/once-good",
        "EdgeWorkload plant-b/for-whom",
    ];
    assert_eq!(broken, BTreeSet::from(wanted));
    assert!(server.stop().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_tells_why_no_device_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("fleet.yaml");
    fs::write(&source, MANIFESTS).unwrap();
    let settings = || Settings::new(folder.path()).binary(BINARY);
    let mut server = Server::start(settings()).await.unwrap();
    let applied = command(folder.path(), &["manifests", "apply", source.to_str().unwrap()]);
    assert!(applied.status.success(), "{}", said(&applied));
    assert!(server.stop().unwrap().success());
    let store = rusqlite::Connection::open(folder.path().join("fleet.db")).unwrap();
    let changed = store.execute("UPDATE document SET body = 'no JSON' WHERE name = 'whole'", []);
    assert_eq!(changed, Ok(1));
    drop(store);
    // Not ready, so it is not waited for.
    let mut server = Server::launch(settings()).unwrap();
    let told = || said(&command(folder.path(), &["manifests", "status"]));
    let problem =
        "problem  no device is configured: EdgeWorkload plant-a/whole: its row is not what was written";
    wait_until("it is told", PATIENCE, async || told().contains(problem))
        .await
        .unwrap();
    assert!(server.stop().unwrap().success());
}
