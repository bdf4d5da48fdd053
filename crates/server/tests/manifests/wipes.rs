//! No failure makes an answer with fewer workloads or fewer Secrets: it is the same as before, or
//! an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;
use serde_json::Value;
use testkit::process::wait_until;

use crate::{
    fleet::{DEVICES, KEY, names, version},
    harms::{
        HARMS,
        Harm::{self, Keys, KeysAndSource, Rows, RowsAndSource, Source},
    },
    parts::parts,
    world::World,
};

/// How long a condition may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Workloads and Secrets.
type Names = (BTreeSet<String>, BTreeSet<String>);

/// Containers and volumes, each with its workload.
type Parts = BTreeSet<(String, String)>;

/// What devices were told while nothing was wrong.
struct Before(BTreeMap<&'static str, (Names, Parts)>);

impl Before {
    async fn of(world: &World) -> Self {
        let mut before = BTreeMap::new();
        for id in DEVICES {
            let (status, told) = world.poll(id).await;
            assert_eq!(status, 200, "{told}");
            before.insert(id, (names(&told), parts(&told)));
        }
        let workloads = |id| before[id].0.0.len();
        assert_eq!(
            [workloads("one"), workloads("two"), workloads("three")],
            [2, 3, 1]
        );
        assert_eq!(before["one"].0.1.len(), 2, "{before:?}");
        assert_eq!(before["one"].1.len(), 4, "{before:?}");
        Self(before)
    }

    /// Everybody polls: nobody hears of fewer. How many heard an error.
    async fn check(&self, world: &World, when: &str) -> usize {
        let mut errors = 0;
        for id in DEVICES {
            let (status, told) = world.poll(id).await;
            errors += usize::from(self.judge(id, status, &told, when));
        }
        errors
    }

    fn judge(&self, id: &str, status: u16, told: &Value, when: &str) -> bool {
        if status == 200 {
            assert_eq!(
                (names(told), parts(told)),
                self.0[id],
                "device {id} would lose something: {when}"
            );
        } else {
            assert!(
                matches!(status, 500 | 503),
                "device {id} gets {status}: {when}: {told}"
            );
        }
        status != 200
    }
}

/// Everything that a running server does, with everybody asking in between.
async fn play(world: &mut World, before: &Before, when: &str) {
    before.check(world, when).await;
    world.look().await;
    before.check(world, &format!("{when}, looked at")).await;
    world.service().forget_configurations();
    before.check(world, &format!("{when}, nothing is kept")).await;
    world.look().await;
    before.check(world, &format!("{when}, looked at again")).await;
    world.restart().await;
    before.check(world, &format!("{when}, restarted")).await;
    world.look().await;
    before
        .check(world, &format!("{when}, restarted and looked at"))
        .await;
    world.restored = true;
    world.restart().await;
    world.restored = false;
    before.check(world, &format!("{when}, restored")).await;
}

async fn harm(world: &mut World, before: &Before, when: &str, harm: Harm) {
    let source = match harm {
        Source(source) | KeysAndSource(_, source) | RowsAndSource(_, source) => Some(source),
        Rows(_) | Keys(_) => None,
    };
    let rows = match harm {
        Rows(rows) | RowsAndSource(rows, _) => Some(rows),
        _ => None,
    };
    let keys = match harm {
        Keys(keys) | KeysAndSource(keys, _) => Some(keys),
        _ => None,
    };
    if let Some(source) = source {
        source(&world.source());
    }
    if rows.is_some() || keys.is_some() {
        world.stop().await;
        if let Some(rows) = rows {
            let database = Connection::open(world.db()).unwrap();
            database.execute_batch(rows).unwrap();
            assert!(database.total_changes() > 0, "{when}: nothing was damaged");
        }
        if let Some(keys) = keys {
            world.keys = keys;
        }
        world.start().await;
    }
    play(world, before, when).await;
}

async fn every_harm(watches: bool) {
    for (when, what) in HARMS {
        let when = format!("{when} (watched: {watches})");
        let mut world = World::serving(watches).await;
        let before = Before::of(&world).await;
        harm(&mut world, &before, &when, *what).await;

        // A person puts it in order, and everybody gets what they had.
        world.keys = Some(KEY);
        world.write_all();
        world.restart().await;
        world.look().await;
        if let Some(digest) = world.unconfirmed() {
            let (status, _) = world
                .admin("POST", "/manifests/confirmations", &digest.into())
                .await;
            assert_eq!(status, 200, "{when}");
            world.look().await;
        }
        if !watches {
            let (status, answer) = world.apply("administrator", true).await;
            assert_eq!(status, 200, "{when}: {answer}");
        }
        let errors = before.check(&world, &format!("{when}, put in order")).await;
        assert_eq!(errors, 0, "{when}: {:?}", world.service().documents().status());
    }
}

#[tokio::test]
async fn no_failure_of_a_watched_source_or_its_store_takes_anything_away() {
    every_harm(true).await;
}

#[tokio::test]
async fn no_failure_of_an_administrators_source_or_its_store_takes_anything_away() {
    every_harm(false).await;
}

/// One harm after the other, without order in between.
#[tokio::test]
async fn failures_of_the_source_that_follow_each_other_take_nothing_away() {
    let mut world = World::serving(true).await;
    let before = Before::of(&world).await;
    for seed in 0..HARMS.len() {
        for step in 0..2 {
            let (when, what) = HARMS[(seed * 7 + step * 13) % HARMS.len()];
            if let Source(source) = what {
                world.write_all();
                source(&world.source());
                play(&mut world, &before, when).await;
            }
        }
    }
    world.write_all();
    world.look().await;
    assert_eq!(before.check(&world, "put in order").await, 0);
}

/// Every call of the store fails once, with and without effect, for one and for many calls.
#[tokio::test]
async fn no_failing_call_of_the_store_takes_anything_away() {
    for effect in [false, true] {
        for run in [1, 3, 1_000] {
            let mut world = World::serving(true).await;
            let before = Before::of(&world).await;
            let mut after = 0;
            loop {
                let when = format!("call {after} and {run} more fail, with effect: {effect}");
                world.write_all();
                world.edit("maps.yaml", "limit: \"4\"", &format!("limit: \"{}\"", after + 5));
                if after % 2 == 1 {
                    world.edit(
                        "maps.yaml",
                        "metadata: {name: watch}",
                        "metadata: {name: elsewhere}",
                    );
                }
                world.faults.fail(after, run, effect);
                world.look().await;
                before.check(&world, &when).await;
                world.service().forget_configurations();
                for id in DEVICES {
                    world.pass(1);
                    let _ = world.heartbeat(id, &serde_json::json!({"status": "up", "version": after.to_string(), "workloads": []})).await;
                }
                before.check(&world, &when).await;
                let failed = world.faults.lift();
                before.check(&world, &format!("{when}, fixed")).await;
                world.look().await;
                before
                    .check(&world, &format!("{when}, fixed and looked at"))
                    .await;
                if after % 5 == 0 {
                    world.restart().await;
                    before.check(&world, &format!("{when}, restarted")).await;
                }
                if !failed {
                    break;
                }
                after += 1;
            }
            assert!(after > 8, "only {after} calls were made");
        }
    }
}

/// A server that starts on a store which fails serves nothing until it has read all.
#[tokio::test]
async fn a_start_on_a_failing_store_takes_nothing_away() {
    let mut world = World::serving(true).await;
    let before = Before::of(&world).await;
    for after in 0..12 {
        world.stop().await;
        world.faults.fail(after, 2, false);
        world.start().await;
        before
            .check(&world, &format!("call {after} of a start fails"))
            .await;
        world.look().await;
        before
            .check(&world, &format!("call {after} of a start fails, looked at"))
            .await;
        world.faults.lift();
        world.look().await;
        assert_eq!(before.check(&world, "fixed").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_polls_while_manifests_change_loses_nothing() {
    let world = Arc::new(World::serving(true).await);
    let before = Arc::new(Before::of(&world).await);
    let polls = (0..4).map(|worker: usize| {
        let (world, before) = (Arc::clone(&world), Arc::clone(&before));
        tokio::spawn(async move {
            for round in 0..300 {
                let id = DEVICES[(worker + round) % DEVICES.len()];
                let (status, told) = world.poll(id).await;
                before.judge(id, status, &told, "manifests change");
                if round % 17 == worker {
                    world.service().forget_configurations();
                }
            }
        })
    });
    let polls: Vec<_> = polls.collect();
    let mut versions = BTreeSet::new();
    let mut round = 0;
    while polls.iter().any(|poll| !poll.is_finished()) || round < 8 {
        world.write_all();
        world.edit("maps.yaml", "limit: \"4\"", &format!("limit: \"1{round}\""));
        match round % 4 {
            1 => fs::remove_file(world.source().join("secrets.yaml")).unwrap(),
            2 => fs::remove_file(world.source().join("workloads.yaml")).unwrap(),
            3 => world.write("workloads.yaml", "kind: EdgeWorkl"),
            _ => {}
        }
        world.look().await;
        versions.insert(version(&world.poll("one").await.1));
        round += 1;
    }
    for poll in polls {
        poll.await.unwrap();
    }
    assert!(versions.len() > 1, "nothing changed meanwhile");
}

/// The store hangs in the middle of a change, at each call that it makes: who asks meanwhile is
/// told what was.
#[tokio::test]
async fn a_store_that_hangs_while_manifests_are_taken_over_takes_nothing_away() {
    for call in [
        "documents",
        "list",
        "load",
        "apply_documents",
        "documents_revision",
    ] {
        for gone in ["maps.yaml", "workloads.yaml", "more.yaml"] {
            let world = Arc::new(World::serving(true).await);
            let before = Before::of(&world).await;
            world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
            let _ = fs::remove_file(world.source().join(gone));
            world.faults.hang(call);
            let looking = tokio::spawn({
                let world = Arc::clone(&world);
                async move { world.look().await }
            });
            let there = async || world.faults.hangs() || looking.is_finished();
            wait_until("the store hangs", PATIENCE, there).await.unwrap();
            let errors = before.check(&world, &format!("{call} hangs")).await;
            assert_eq!(errors, 0, "{call}: what was is served");
            world.service().forget_configurations();
            before
                .check(&world, &format!("{call} hangs, nothing is kept"))
                .await;
            world.faults.release();
            looking.await.unwrap();
            before.check(&world, &format!("{call} hung")).await;
        }
    }
}
