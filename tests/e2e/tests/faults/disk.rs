//! The disk of an SQLite store fills up while devices work, and has room again later.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::traffic::Crew;
use e2e::{Stage, Store};
use tempfile::TempDir;
use testkit::caller::Connections;
use testkit::device::heartbeat_with_event;
use testkit::process::{is_root, wait_until};

use super::keeping_all_events;

/// A file system of its own, in memory; unmounted when dropped.
#[derive(Debug)]
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("flotta-disk-").tempdir()?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"])
            .arg(folder.path());
        let status = mount.status().context("cannot run mount")?;
        ensure!(status.success(), "mount failed ({status})");
        Ok(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all room that is left, or has become free since.
    fn fill(&self) -> Result<()> {
        let mut options = File::options();
        let mut filler = options
            .create(true)
            .append(true)
            .open(self.path().join("filler"))?;
        // Ends with an error, and that is what it is for.
        while filler.write_all(&[0; 4096]).is_ok() {}
        Ok(())
    }

    fn make_room(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path().join("filler"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there keeps it until it ends.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_until_there_is_room_again() -> Result<()> {
    if !is_root() {
        skipped();
        return Ok(());
    }
    let disk = SmallDisk::mount()?;
    let url = format!("sqlite:{}", disk.path().join("fleet.db").display());
    let mut stage = Stage::with(Store::Sqlite, |settings| keeping_all_events(settings).store(url)).await?;
    let crew = Crew::muster(&stage, 4).await?;
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
    let not_ready = async || {
        let filled = disk.fill().is_ok();
        let answer = stage.server.ops("/readyz").await;
        filled && answer.is_ok_and(|answer| answer.status == 503)
    };
    wait_until("the server is not ready", Duration::from_secs(30), not_ready).await?;

    disk.make_room()?;
    let before = traffic.counts();
    traffic
        .wait_until("work after there is room", |counts| {
            counts.acknowledged >= before.acknowledged + 50 && counts.polled >= before.polled + 20
        })
        .await?;
    let crew = traffic.finish().await?;
    crew.check(&stage)?;
    let server = &stage.server;
    let ready = async || {
        server
            .ops("/readyz")
            .await
            .is_ok_and(|answer| answer.status == 200)
    };
    wait_until("the server is ready again", Duration::from_secs(30), ready).await?;

    // What was acknowledged before, meanwhile and after is also what a crash leaves.
    stage.server.kill()?;
    stage.server.start_again().await?;
    crew.check(&stage)
}

#[expect(clippy::print_stderr, reason = "a test that did not run must say so")]
fn skipped() {
    eprintln!("SKIPPED: only root can mount a small disk");
}
