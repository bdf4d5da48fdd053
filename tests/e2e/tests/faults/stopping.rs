//! SIGTERM while devices work: what is under way is finished, everything is stored, exit code 0.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::ledger::Member;
use e2e::traffic::Crew;
use e2e::{Stage, Store};
use testkit::process::{Signal, wait_until};
use tokio::sync::Mutex;
use tokio_postgres::NoTls;

use super::keeping_all_events;

const STOP: Duration = Duration::from_secs(30);
/// All requests have to wait at the same moment, and the store ends each of them after some 20 s.
const GATHER: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_has_stored_everything_last_seen_times_included() -> Result<()> {
    let mut stage = Stage::with(Store::Sqlite, keeping_all_events).await?;
    let mut crew = Crew::muster(&stage, 4).await?;
    for _ in 0..3 {
        let mut traffic = crew.set_out();
        traffic
            .wait_until("writes before the stop", |counts| counts.acknowledged >= 50)
            .await?;
        stage.server.process().signal(Signal::TERM)?;
        let status = stage.server.process().wait(STOP).await?;
        assert_eq!(status.code(), Some(0), "{}", stage.server.log_tail());
        crew = traffic.finish().await?;
        stage.server.start_again().await?;
        crew.check(&stage)?;
        crew.quiet.check_last_time(&stage.show("quiet")?)?;
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Reporting {
    stopping: AtomicBool,
    refused: Mutex<Vec<String>>,
}

impl Reporting {
    /// Reports once; again when that is refused before the server is told to stop, as on a machine
    /// so busy that the store gives up. Whether the last one was acknowledged.
    async fn report(&self, mut member: Member) -> Result<(Member, bool)> {
        loop {
            let answered = member.report().await;
            if let Ok(true) = answered {
                return Ok((member, true));
            }
            let refusal = format!("{}: {answered:?}", member.device.id());
            self.refused.lock().await.push(refusal);
            if self.stopping.load(Ordering::SeqCst) {
                return Ok((member, answered?));
            }
        }
    }
}

/// A table lock holds the requests in the server for as long as the test wants.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_under_way_are_finished_before_the_server_ends() -> Result<()> {
    const DEVICES: u8 = 4;
    let common = e2e::Common::get().await?;
    let url = common.postgres.create_database()?;
    let patient = |settings: testkit::server::Settings| {
        settings
            .store(&url)
            .flags(["--request-timeout", "30s"])
            .flags(["--shutdown-timeout", "60s"])
    };
    let mut stage = Stage::with(Store::Sqlite, patient).await?;
    let mut members = Vec::new();
    for number in 0..DEVICES {
        members.push(Member::new(
            stage.member(&format!("device-{number}"), None).await?,
        ));
    }

    let (mut holder, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let lock = holder.transaction().await?;
    lock.batch_execute("LOCK TABLE device IN ACCESS EXCLUSIVE MODE")
        .await?;
    let reporting = Arc::new(Reporting::default());
    let under_way: Vec<_> = members
        .into_iter()
        .map(|member| {
            let reporting = Arc::clone(&reporting);
            tokio::spawn(async move { reporting.report(member).await })
        })
        .collect();
    // On a connection of its own: within a transaction PostgreSQL shows the activity of its
    // beginning.
    let (watcher, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let waiting = async || {
        let held = "SELECT count(*) FROM pg_stat_activity \
                    WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let row = watcher.query_one(held, &[]).await;
        row.is_ok_and(|row| row.get::<_, i64>(0) >= i64::from(DEVICES))
    };
    let gathered = wait_until("the requests wait for the lock", GATHER, waiting).await;
    let refused = reporting.refused.lock().await.join("\n");
    gathered.with_context(|| format!("refused meanwhile:\n{refused}"))?;

    reporting.stopping.store(true, Ordering::SeqCst);
    stage.server.process().signal(Signal::TERM)?;
    let address = stage.server.device_plane();
    let closed = async || tokio::net::TcpStream::connect(address).await.is_err();
    wait_until("the server takes no more connections", STOP, closed).await?;
    assert!(
        stage.server.process().ended()?.is_none(),
        "it waits for the requests"
    );
    lock.commit().await?;

    let status = stage.server.process().wait(STOP).await?;
    assert_eq!(status.code(), Some(0), "{}", stage.server.log_tail());
    stage.server.start_again().await?;
    for request in under_way {
        let (member, acknowledged) = request.await??;
        ensure!(acknowledged, "a request under way was not finished");
        let held = stage.show(member.device.id())?;
        let found = member.compare(Some(&held))?;
        ensure!(found.is_empty(), "{found:?}");
        let beat = held
            .at("/presence/beat")
            .as_str()
            .context("its heartbeat has a time")?;
        ensure!(!beat.is_empty());
    }
    Ok(())
}
