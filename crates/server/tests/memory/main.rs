//! The server under the chart's limit of memory, and bodies that are meant to take all of it.
//!
//! Where this machine lets the test make a control group, the kernel enforces the limit and ends a
//! server that exceeds it; the most that was resident is compared with the limit in any case.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]
#![allow(
    clippy::print_stderr,
    reason = "how close to the limit it came is worth knowing"
)]

mod bodies;
mod limited;
mod unread;

use std::{
    collections::BTreeMap, convert::identity, fs, net::SocketAddr, path::Path, sync::Arc, time::Duration,
};

use bytes::Bytes;
use contract::{DeviceId, Disk, Features, HardwareInfo};
use fleet::Report;
use serde_json::{Value, json};
use store::{
    Store as _, Write, WriteGuard,
    sqlite::{OpenOptions, SqliteStore},
};
use testkit::{
    caller::{BASE_PATH, Caller, Connections},
    process::Process,
    server::{Server, Settings},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use bodies::{Attack, DEVICES, KINDS, Kind};
use limited::Limited;

/// As many as the server takes at a time by default, twice over.
const CALLERS: usize = 2048;

/// Attackers at work at a time; each sends a megabyte.
const AT_ONCE: usize = 1024;

/// For a call, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the chart allows the server, in bytes.
fn limit_of_the_chart() -> u64 {
    let values = fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../charts/flotta-companion/values.yaml"
    ));
    let values: serde_yaml::Value = serde_yaml::from_str(&values.unwrap()).unwrap();
    let limit = values["server"]["resources"]["limits"]["memory"]
        .as_str()
        .unwrap();
    limit.strip_suffix("Mi").unwrap().parse::<u64>().unwrap() << 20
}

/// The most that was ever resident, in bytes.
fn peak(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim()
        .strip_suffix(" kB")
        .unwrap()
        .trim()
        .parse::<u64>()
        .unwrap()
        << 10
}

fn is_within(server: &mut Server, limit: u64, after: &str) {
    let ended = server.process().ended().unwrap();
    assert!(
        ended.is_none(),
        "{after}: the server ended ({ended:?})\n{}",
        server.log_tail()
    );
    let peak = peak(server.process());
    eprintln!("{after}: {} MiB at most", peak >> 20);
    assert!(peak < limit, "{after}: {} MiB of {}", peak >> 20, limit >> 20);
}

/// Starts the server under a limit; it has to be dropped first.
async fn serve(folder: &Path, limit: u64, further: impl FnOnce(Settings) -> Settings) -> (Limited, Server) {
    let limited = Limited::new(folder, limit);
    eprintln!("{limited}");
    // So that bodies are there together, however slow the machine is.
    let settings = Settings::new(folder)
        .binary(limited.program())
        .flags(["--request-timeout", "30s"]);
    let server = Server::start(further(settings)).await.unwrap();
    (limited, server)
}

/// Sends an attack on a connection of its own and returns the status of the answer, if there was
/// one.
async fn send(address: SocketAddr, attack: &Attack, number: usize) -> Option<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let (mut reader, mut writer) = stream.split();
        let writing = async {
            // The server may have answered and closed long before the end.
            let _ = writer.write_all(attack.head(number).as_bytes()).await;
            let _ = writer.write_all(&attack.body).await;
            if attack.unfinished {
                std::future::pending::<()>().await;
            }
        };
        let reading = async {
            let mut answer = [0; 12];
            reader.read_exact(&mut answer).await.ok()?;
            std::str::from_utf8(&answer[9..]).ok()?.parse().ok()
        };
        tokio::pin!(writing, reading);
        tokio::select! {
            biased;
            status = &mut reading => status,
            () = &mut writing => reading.await,
        }
    };
    timeout(PATIENCE, exchange).await.ok().flatten()
}

/// The same attack from many at once; how often it was answered by each status.
async fn storm(address: SocketAddr, attack: Attack, callers: usize) -> Vec<(Option<u16>, usize)> {
    let (attack, mut under_way) = (Arc::new(attack), JoinSet::new());
    let mut statuses = BTreeMap::new();
    for number in 0..callers {
        if under_way.len() >= AT_ONCE {
            let status = under_way.join_next().await.unwrap().unwrap();
            *statuses.entry(status).or_default() += 1;
        }
        let attack = Arc::clone(&attack);
        under_way.spawn(async move { send(address, &attack, number).await });
    }
    while let Some(status) = under_way.join_next().await {
        *statuses.entry(status.unwrap()).or_default() += 1;
    }
    statuses.into_iter().collect()
}

/// From then on there is more to a device than that it wants to join.
async fn polls(caller: &mut Caller, id: &str) {
    let answer = caller.configuration("default", id).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// On the port that anybody may reach, as many as have a place there.
async fn heads_without_an_end(address: SocketAddr) -> Vec<TcpStream> {
    let head = format!(
        "GET /status HTTP/1.1\r\nhost: localhost\r\nx-long: {}",
        "x".repeat(15 * 1024)
    );
    let mut crowd = Vec::new();
    for _ in 0..edge_config_server::ops::LIMITS.connections {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    crowd
}

/// A device that has not done anything unusual.
struct Good {
    caller: Caller,
    beats: usize,
}

impl Good {
    async fn join(address: SocketAddr) -> Self {
        let mut caller = Caller::plain(address, Connections::KeptAlive);
        let enrolment = json!({"features": {"hardware": {"hostname": "good"}}});
        let answer = caller.enrol("default", "good", &enrolment).await.unwrap();
        assert_eq!(answer.status, 201, "{}", answer.text());
        polls(&mut caller, "good").await;
        Self { caller, beats: 0 }
    }

    /// It tells something new, which has to be durable. Told to come again, it does.
    async fn beats(&mut self) {
        self.beats += 1;
        let beat = json!({"status": "up", "version": self.beats.to_string(), "workloads": [{"name": "web"}]});
        let served = async {
            let mut told = 0;
            while told != 200 {
                let answer = self.caller.heartbeat("default", "good", &beat).await;
                told = answer.map_or(0, |answer| answer.status);
            }
        };
        timeout(PATIENCE, served).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_takes_the_server_beyond_the_limit_of_the_chart() {
    let limit = limit_of_the_chart();
    let folder = tempfile::tempdir().unwrap();
    let (_limited, mut server) = serve(folder.path(), limit, identity).await;
    let address = server.device_plane();
    let mut good = Good::join(address).await;
    for number in 0..DEVICES {
        let mut caller = Caller::plain(address, Connections::KeptAlive);
        let id = format!("device-{number}");
        assert_eq!(
            caller.enrol("default", &id, &json!({})).await.unwrap().status,
            201
        );
        polls(&mut caller, &id).await;
    }
    good.beats().await;
    is_within(&mut server, limit, "before");
    for kind in KINDS {
        let attack = kind.attack();
        let name = attack.name;
        let _heads = heads_without_an_end(server.ops_port()).await;
        let statuses = storm(address, attack, CALLERS).await;
        eprintln!("{name}: {statuses:?}");
        let refused = statuses.iter().any(|(status, _)| *status == Some(400));
        assert_eq!(refused, kind.is_no_json(), "{name}: {statuses:?}");
        is_within(&mut server, limit, name);
        good.beats().await;
    }
    let metrics = server.ops("/metrics").await.unwrap().text();
    assert!(
        !metrics.contains(r#"edge_config_panics_total{plane="device"}"#),
        "{metrics}"
    );

    // What was kept of it is read again.
    let disks = Kind::Disks.attack();
    let taken = async { while send(address, &disks, 0).await != Some(200) {} };
    timeout(PATIENCE, taken).await.unwrap();
    assert!(server.stop().unwrap().success());
    server.start_again().await.unwrap();
    is_within(&mut server, limit, "after a restart");
    let polled = storm(address, Attack::poll(), CALLERS).await;
    assert!(
        polled.iter().any(|(status, _)| *status == Some(200)),
        "{polled:?}"
    );
    is_within(&mut server, limit, "polls after a restart");
    let cut = server.show("device-0").unwrap();
    let conditions = cut["conditions"].as_array().unwrap();
    assert!(
        conditions
            .iter()
            .any(|condition| condition["type"] == "ReportCut"),
        "{cut}"
    );
    assert!(server.stop().unwrap().success());
}

/// Reports that an earlier program took whole: 349,000 disks in one megabyte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_takes_no_start_beyond_the_limit_of_the_chart() {
    const DEVICES: usize = 64;
    let limit = limit_of_the_chart();
    let folder = tempfile::tempdir().unwrap();
    let (_limited, mut server) = serve(folder.path(), limit, identity).await;
    let mut caller = Caller::plain(server.device_plane(), Connections::KeptAlive);
    for number in 0..DEVICES {
        let id = format!("device-{number}");
        assert_eq!(
            caller.enrol("default", &id, &json!({})).await.unwrap().status,
            201
        );
    }
    assert!(server.stop().unwrap().success());

    overfill(&folder.path().join("fleet.db"), DEVICES).await;
    server.start_again().await.unwrap();
    let address = server.device_plane();
    let mut polls = JoinSet::new();
    for number in 0..DEVICES * 8 {
        let mut caller = Caller::plain(address, Connections::KeptAlive);
        polls.spawn(async move {
            let id = format!("device-{}", number % DEVICES);
            let polled = async {
                while !caller
                    .configuration("default", &id)
                    .await
                    .is_ok_and(|answer| answer.status != 503)
                {}
                let beat = json!({"status": "up", "version": "1", "workloads": null});
                while !caller
                    .heartbeat("default", &id, &beat)
                    .await
                    .is_ok_and(|answer| answer.status == 200)
                {}
            };
            timeout(PATIENCE, polled).await.unwrap();
        });
    }
    while let Some(polled) = polls.join_next().await {
        polled.unwrap();
    }
    is_within(
        &mut server,
        limit,
        "polls and heartbeats of devices with large reports",
    );
    let all = server.device(&["list"]).unwrap();
    assert_eq!(all.as_array().map(Vec::len), Some(DEVICES));
    is_within(&mut server, limit, "a list of them");
    let shown: Value = server.show("device-7").unwrap();
    let conditions = shown["conditions"].as_array().unwrap();
    assert!(
        conditions
            .iter()
            .any(|condition| condition["type"] == "ReportCut")
    );
    assert!(server.stop().unwrap().success());
}

/// Stores of each device what an earlier program took whole.
async fn overfill(database: &Path, devices: usize) {
    let store = SqliteStore::open(database, OpenOptions::default()).unwrap();
    let hardware = HardwareInfo {
        disks: Some(vec![Disk::default(); 349_000]),
        ..HardwareInfo::default()
    };
    let report = Arc::new(Report {
        hardware: Some(hardware.clone()),
        ..Report::default()
    });
    let features = Features {
        hardware: Some(hardware),
        ..Features::default()
    };
    for number in 0..devices {
        let id = DeviceId::parse(&format!("device-{number}")).unwrap();
        let stored = store.load(&id).await.unwrap().unwrap();
        let mut life = (*stored.device.life).clone();
        life.enrolment.as_mut().unwrap().features = Some(features.clone());
        let write = Write {
            id,
            guard: WriteGuard::At(stored.revision),
            life: Some(life.into()),
            report: Some(Arc::clone(&report)),
            presence: None,
            events: Vec::new(),
            at: jiff::Timestamp::now(),
        };
        store.commit(write).await.unwrap();
    }
    store.close().await;
}

/// The path of an operation of a device.
fn path(id: &str, operation: &str) -> String {
    format!("{BASE_PATH}/namespaces/default/devices/{id}/{operation}")
}

/// A body that is sent many times without being copied.
fn shared(text: String) -> Bytes {
    Bytes::from(text)
}
