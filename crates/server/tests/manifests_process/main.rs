//! The program itself, with a folder of manifests and with two servers on one database.
//!
//! Not in one process with the tests that open stores themselves: a child holds its parent's locks
//! until it has become the program that it is to be.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod confirm;
mod disk;
#[path = "../manifests/fleet.rs"]
mod fleet;
mod printing;
mod rekey;
mod status;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use bytes::Bytes;
use edge_config_server::device_plane::BASE_PATH;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use testkit::{
    http_client::Connection,
    postgres::Postgres,
    process::{Signal, wait_until},
    server::{Server, Settings},
};

use fleet::{DEVICES, KEY, OTHER_KEY, files, names, shows, version};

const BINARY: &str = env!("CARGO_BIN_EXE_edge-config-server");

/// How long a condition may take; long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that answers late rather than not at all: how fast it is on a busy machine is not what
/// a test is about.
const PATIENT: [&str; 2] = ["--request-timeout", "20s"];

fn write(folder: &Path, limit: usize, secrets: bool) {
    fs::create_dir_all(folder).unwrap();
    for (name, text) in files() {
        let path = folder.join(name);
        if name == "secrets.yaml" && !secrets {
            let _ = fs::remove_file(path);
        } else {
            fs::write(path, text.replace("limit: \"4\"", &format!("limit: \"{limit}\""))).unwrap();
        }
    }
}

async fn call(server: &Server, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let request = Request::builder()
        .method(method)
        .uri(format!("{BASE_PATH}/namespaces/default/devices/{path}"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .unwrap();
    let answer = Connection::open(server.device_plane(), None)
        .await
        .ok()?
        .send(request)
        .await
        .ok()?;
    Some((answer.status, answer.json().unwrap_or_default()))
}

async fn join(server: &Server, id: &str) {
    let body = json!({"features": {"hardware": {"hostname": id}}, "target_namespace": "default"});
    for status in [201, 200] {
        let answer = call(server, "POST", &format!("{id}/enrolment"), &body)
            .await
            .unwrap();
        assert_eq!(answer.0, status);
    }
}

async fn poll(server: &Server, id: &str) -> Option<(u16, Value)> {
    call(server, "GET", &format!("{id}/configuration"), &Value::Null).await
}

fn command(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .arg("--socket")
        .arg(folder.join("admin.sock"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Killed while it takes manifests over, good and bad ones, again and again. And nothing that it
/// wrote shows a Secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn a_server_that_is_killed_while_it_reads_takes_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("manifests");
    let keys = folder.path().join("keys");
    fs::write(&keys, KEY).unwrap();
    write(&source, 4, true);
    let settings = Settings::new(folder.path()).binary(BINARY).flags([
        "--manifests",
        source.to_str().unwrap(),
        "--settle-removals",
        "20s",
        "--secret-keys",
        keys.to_str().unwrap(),
        "--log-level",
        "trace",
    ]);
    let mut server = Server::start(settings).await.unwrap();
    let mut before = BTreeMap::new();
    for id in DEVICES {
        join(&server, id).await;
        let (status, told) = poll(&server, id).await.unwrap();
        assert_eq!(status, 200, "{told}");
        before.insert(id, names(&told));
    }
    let mut versions = BTreeSet::new();
    for round in 0..8 {
        for step in 0..=round {
            write(&source, 10 * round + step, step % 3 != 1);
            server.process().signal(Signal::HUP).unwrap();
            for id in DEVICES {
                let (status, told) = poll(&server, id).await.unwrap();
                if status == 200 {
                    assert_eq!(names(&told), before[id], "round {round}, step {step}");
                    versions.insert(version(&told));
                } else {
                    // 500 where what was read while it was written lacks something that the device
                    // needs.
                    assert!(matches!(status, 500 | 503), "{status} {told}");
                }
            }
        }
        if round % 2 == 1 {
            write(&source, 10 * round + 9, true);
            let known = &versions;
            let arrived = async || {
                let told = poll(&server, "one").await.filter(|(status, _)| *status == 200);
                told.is_some_and(|(_, told)| !known.contains(&version(&told)))
            };
            wait_until("it is taken over", PATIENCE, arrived).await.unwrap();
        }
        server.kill().unwrap();
        // What is there when it comes back may be half of it.
        if round % 2 == 0 {
            let path = source.join("workloads.yaml");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, &text[..text.len() / 2]).unwrap();
        }
        server.start_again().await.unwrap();
        for id in DEVICES {
            let (status, told) = poll(&server, id).await.unwrap();
            assert_eq!(status, 200, "it is ready: {told}");
            assert_eq!(names(&told), before[id], "after kill {round}");
        }
    }
    let shown = server.show("one").unwrap().to_string();
    let seen = [
        ("device show", shown),
        ("/status", server.ops("/status").await.unwrap().text()),
        ("/metrics", server.ops("/metrics").await.unwrap().text()),
        (
            "manifests status",
            said(&command(folder.path(), &["manifests", "status"])),
        ),
        (
            "manifests list",
            said(&command(folder.path(), &["manifests", "list", "-o", "json"])),
        ),
        (
            "workload list",
            said(&command(folder.path(), &["workload", "list"])),
        ),
        (
            "workload show",
            said(&command(folder.path(), &["workload", "show", "default/press"])),
        ),
        (
            "device configuration",
            said(&command(folder.path(), &["device", "configuration", "one"])),
        ),
    ];
    for (what, text) in seen {
        assert!(!text.is_empty() && !text.contains("Usage:"), "{what}: {text}");
        assert!(!shows(text.as_bytes()), "{what}: {text}");
    }
    let open = command(
        folder.path(),
        &["device", "configuration", "one", "--show-secrets"],
    );
    assert!(shows(&open.stdout), "{}", said(&open));
    assert!(server.stop().unwrap().success());
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert!(!shows(&fs::read(&path).unwrap()), "{}", path.display());
        }
    }
}

/// Another key than the one that the store was written with: what needs it is named, before a start
/// and in it.
#[tokio::test]
async fn a_key_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("manifests");
    let keys = folder.path().join("keys");
    fs::write(&keys, KEY).unwrap();
    write(&source, 4, true);
    let settings = Settings::new(folder.path())
        .binary(BINARY)
        .flags(["--secret-keys", keys.to_str().unwrap()]);
    let mut server = Server::start(settings).await.unwrap();
    let mut arguments = vec!["manifests".to_owned(), "apply".to_owned()];
    arguments.extend(
        files()
            .iter()
            .map(|(name, _)| source.join(name).to_str().unwrap().to_owned()),
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let applied = command(folder.path(), &arguments);
    assert!(applied.status.success(), "{}", said(&applied));
    join(&server, "one").await;
    assert_eq!(poll(&server, "one").await.unwrap().0, 200);
    assert!(server.stop().unwrap().success());

    fs::write(&keys, OTHER_KEY).unwrap();
    let check = Command::new(BINARY)
        .args(["check", "--insecure-http", "--store"])
        .arg(format!("sqlite:{}", folder.path().join("fleet.db").display()))
        .arg("--secret-keys")
        .arg(&keys)
        .output()
        .unwrap();
    let told = said(&check);
    assert_eq!(check.status.code(), Some(1), "{told}");
    assert!(told.contains("encrypted with key first"), "{told}");
    // Not ready, so it is not waited for.
    let settings = Settings::new(folder.path())
        .binary(BINARY)
        .flags(["--secret-keys", keys.to_str().unwrap()]);
    let mut server = Server::launch(settings).unwrap();
    let reason = "secret values in the store cannot be read";
    let not_ready = async || match server.ops("/readyz").await {
        Ok(answer) => answer.status == 503 && answer.text().contains(reason),
        Err(_) => false,
    };
    wait_until("it is not ready", PATIENCE, not_ready).await.unwrap();
    assert_eq!(poll(&server, "one").await.unwrap().0, 503);
    let log = fs::read_to_string(server.process().log_file()).unwrap();
    let log = log.replace('\\', "");
    assert!(
        log.contains("the key \"first\", which the key file lacks"),
        "{log}"
    );
    server.kill().unwrap();
}

/// The one follows the other, and then both say the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_on_one_database_follow_each_other() {
    let postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database().unwrap();
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings = |folder: &Path| Settings::new(folder).binary(BINARY).store(&url);
    let mut one = Server::start(settings(here.path())).await.unwrap();
    let mut other = Server::start(settings(there.path())).await.unwrap();
    let apply = |server: &Path, limit: usize| {
        let source = server.join("source");
        write(&source, limit, true);
        let mut arguments = vec!["manifests".to_owned(), "apply".to_owned()];
        arguments.extend(
            files()
                .iter()
                .map(|(name, _)| source.join(name).to_str().unwrap().to_owned()),
        );
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let applied = command(server, &arguments);
        assert!(applied.status.success(), "{}", said(&applied));
    };
    apply(here.path(), 4);
    join(&one, "one").await;
    // Each takes its turn; the limit grows.
    for round in 1..=3 {
        let (by, with) = if round % 2 == 0 {
            (here.path(), &other)
        } else {
            (there.path(), &one)
        };
        let before = version(&poll(with, "one").await.unwrap().1);
        apply(by, 4 + round);
        let arrived = async || version(&poll(with, "one").await.unwrap().1) != before;
        wait_until("the other server follows", PATIENCE, arrived)
            .await
            .unwrap();
        let mut versions = BTreeSet::new();
        for _ in 0..30 {
            for server in [&one, &other] {
                let (status, told) = poll(server, "one").await.unwrap();
                assert_eq!(status, 200, "{told}");
                assert_eq!(names(&told).0.len(), 2);
                versions.insert(version(&told));
            }
        }
        assert_eq!(versions.len(), 1, "both say the same, round {round}");
    }
    assert!(one.stop().unwrap().success());
    assert!(other.stop().unwrap().success());
}
