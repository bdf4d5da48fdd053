//! The disk of an SQLite store fills up while devices work, and has room again later.

use std::time::Duration;

use anyhow::Result;
use e2e::traffic::Crew;
use e2e::{Stage, Store};
use testkit::caller::Connections;
use testkit::device::heartbeat_with_event;
use testkit::disk::SmallDisk;
use testkit::process::{is_root, wait_until};

use super::keeping_all_events;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_until_there_is_room_again() -> Result<()> {
    if !is_root() {
        skipped();
        return Ok(());
    }
    let disk = SmallDisk::mount(32)?;
    let url = format!("sqlite:{}", disk.path().join("fleet.db").display());
    let mut stage = Stage::with(Store::Sqlite, |settings| keeping_all_events(settings).store(url)).await?;
    let crew = Crew::muster(&stage, 4).await?;
    stage.member("leaver", None).await?;
    let mut traffic = crew.set_out();
    traffic
        .wait_until("writes before the disk is full", |counts| {
            counts.acknowledged >= 50
        })
        .await?;

    disk.fill()?;
    let refused = traffic.counts().refused;
    traffic
        .wait_until("errors on a full disk", |counts| counts.refused >= refused + 20)
        .await?;
    let mut caller = stage.caller(Connections::KeptAlive)?;
    // The store's log may free a page once more, so one write may still find its place.
    let answer = loop {
        disk.fill()?;
        let beat = heartbeat_with_event("info", "NoRoom", &uuid::Uuid::new_v4().to_string());
        let answer = caller.heartbeat("default", "witness", &beat).await?;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.json()?["message"].is_string());
    assert_eq!(stage.server.ops("/healthz").await?.status, 200);
    let told = async || {
        let filled = disk.fill().is_ok();
        filled && not_writable(&stage).await.is_ok_and(|told| told)
    };
    wait_until("the store is said to be full", Duration::from_secs(30), told).await?;
    // Devices are answered from what is there.
    assert_eq!(stage.server.ops("/readyz").await?.status, 200);
    let before = traffic.counts();
    traffic
        .wait_until("polls on a full disk", |counts| {
            counts.polled >= before.polled + 20
        })
        .await?;
    let deleted = stage.server.device(&["delete", "leaver"])?;
    assert_eq!(deleted["state"]["phase"], "deleted", "{deleted}");

    disk.make_room()?;
    let before = traffic.counts();
    traffic
        .wait_until("work after there is room", |counts| {
            counts.acknowledged >= before.acknowledged + 50 && counts.polled >= before.polled + 20
        })
        .await?;
    let crew = traffic.finish().await?;
    crew.check(&stage)?;
    let writable = async || not_writable(&stage).await.is_ok_and(|told| !told);
    wait_until(
        "the store can be written again",
        Duration::from_secs(30),
        writable,
    )
    .await?;

    // What was acknowledged before, meanwhile and after is also what a crash leaves.
    stage.server.kill()?;
    stage.server.start_again().await?;
    crew.check(&stage)
}

async fn not_writable(stage: &Stage) -> Result<bool> {
    let status = stage.server.ops("/status").await?.json()?;
    Ok(status["storeNotWritable"].is_string())
}

#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn skipped() {
    eprintln!("SKIPPED: only root can mount a small disk");
}
