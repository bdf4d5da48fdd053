//! The server is killed at random moments of its work, through the real Edge API over mutual TLS,
//! and started again on the same store: what devices were told has been done is there, once.
//!
//! `CRASH_SEED=n` repeats the moments of an earlier run (each run prints its seed); the machine
//! still has its say.

mod random;

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use e2e::ledger::{Kind, TIMES_WITHIN};
use e2e::traffic::{Counts, Crew};
use e2e::{Stage, Store};
use jiff::{SignedDuration, Timestamp};
use random::Random;
use testkit::binary;
use testkit::server::Settings;

/// Devices that report at the same time, so that a kill falls into a queue that is not empty.
const REPORTERS: usize = 8;
/// Writes acknowledged before a kill.
const WRITES: u64 = 200;

/// What happens after a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// All requests have failed before the server is back.
    Silence,
    /// The server comes back while devices go on sending, and the Edge API repeats what had no
    /// answer.
    Storm,
}

/// No event may be pushed out by another: the checker wants to see all of them.
fn keeping_all_events(settings: Settings) -> Settings {
    settings.flags([
        "--events-per-device",
        "100000",
        "--event-bytes-per-device",
        "64MiB",
    ])
}

/// Kills the server after [`WRITES`] and a bit, and starts it again.
async fn round(stage: &mut Stage, crew: Crew, random: &mut Random, after: After) -> Result<Crew> {
    let mut traffic = crew.set_out();
    let enough = WRITES + random.below(60);
    traffic
        .wait_until("enough writes before a kill", |counts| {
            counts.acknowledged >= enough
        })
        .await?;
    // Not a wait for something: this is the random moment, anywhere within a few commits.
    tokio::time::sleep(Duration::from_micros(random.below(10_000))).await;
    stage.server.kill()?;

    match after {
        After::Silence => {
            let crew = traffic.finish().await?;
            stage.server.start_again().await?;
            Ok(crew)
        }
        After::Storm => {
            stage.server.start_again().await?;
            let before = traffic.counts().acknowledged;
            traffic
                .wait_until("writes after a restart", |counts| {
                    counts.acknowledged >= before + 20
                })
                .await?;
            traffic.finish().await
        }
    }
}

async fn rounds(store: Store, number: u32) -> Result<()> {
    let mut random = Random::announced(&format!("crash rounds on {store:?}"));
    let mut stage = Stage::with(store, keeping_all_events).await?;
    let mut crew = Crew::muster(&stage, REPORTERS).await?;
    let mut came = 0;
    for number in 1..=number {
        let after = if number % 2 == 0 {
            After::Storm
        } else {
            After::Silence
        };
        crew = round(&mut stage, crew, &mut random, after).await?;
        if let Err(error) = crew.check(&stage) {
            bail!(
                "round {number}, {after:?}: {error:#}\n{}",
                stage.server.log_tail()
            );
        }
        came += crew.newcomers();
        crew.forget_newcomers();
    }
    ensure!(came > 0, "no device came while the server was being killed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_on_sqlite() -> Result<()> {
    rounds(Store::Sqlite, 25).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_on_postgres() -> Result<()> {
    rounds(Store::Postgres, 5).await
}

/// The checker against a server that tells before it has done: a checker that finds nothing there
/// would find nothing anywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_acknowledges_before_it_commits_is_found_out() -> Result<()> {
    let mut random = Random::announced("crash rounds with a server that tells too early");
    let dishonest = binary::server_that_acknowledges_early()?;
    let mut stage = Stage::with(Store::Sqlite, |settings| {
        keeping_all_events(settings).binary(dishonest)
    })
    .await?;
    let mut crew = Crew::muster(&stage, REPORTERS).await?;

    // Nothing else is wrong with it: what is lost below is lost by the kill.
    let mut traffic = crew.set_out();
    traffic
        .wait_until("writes without a kill", |counts| counts.acknowledged >= WRITES)
        .await?;
    crew = traffic.finish().await?;
    stage.server.stop()?;
    stage.server.start_again().await?;
    crew.check(&stage)?;

    for _ in 0..25 {
        crew = round(&mut stage, crew, &mut random, After::Silence).await?;
        let found = crew.compare(&stage)?;
        if found.iter().any(|discrepancy| discrepancy.kind == Kind::Lost) {
            return Ok(());
        }
    }
    bail!("25 rounds, and the checker has not noticed that the server acknowledges before it commits")
}

/// A heartbeat that tells nothing new is acknowledged before it is stored: its time may be lost,
/// for five seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_seen_times_are_at_most_five_seconds_old_after_a_kill() -> Result<()> {
    let mut stage = Stage::with(Store::Sqlite, keeping_all_events).await?;
    let mut crew = Crew::muster(&stage, 1).await?;
    for _ in 0..2 {
        crew.quiet.forget_beats();
        let begun = Timestamp::now();
        let mut traffic = crew.set_out();
        // Long enough that the first of the heartbeats must be there, whenever the last ones were
        // stored.
        let long_enough =
            |_: &Counts| begun.duration_until(Timestamp::now()) > TIMES_WITHIN + SignedDuration::from_secs(1);
        traffic
            .wait_until("heartbeats older than five seconds", long_enough)
            .await?;
        let killed = Timestamp::now();
        stage.server.kill()?;
        crew = traffic.finish().await?;
        stage.server.start_again().await?;
        let (first, _) = crew
            .quiet
            .span()
            .ok_or_else(|| anyhow::anyhow!("no heartbeat was acknowledged"))?;
        ensure!(
            killed.duration_since(first) > TIMES_WITHIN,
            "no heartbeat was old enough to have to be there"
        );
        crew.quiet.check_times(&stage.show("quiet")?, killed)?;
        crew.check(&stage)?;
    }
    Ok(())
}
