//! What was written is followed, also if it could not be read at once.

use std::{sync::Arc, time::Duration};

use testkit::process::wait_until;
use tokio_util::sync::CancellationToken;

use crate::{fleet::version, world::World};

/// An exclusive store has no other writer, so nothing but this brings what could not be read.
#[tokio::test]
async fn what_was_written_and_not_read_is_read_later() {
    let world = World::serving(true).await;
    let before = version(&world.poll("one").await.1);
    world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
    // The first reading is what the change is decided on.
    world.faults.fail_only("documents_revision", 1);
    world.look().await;
    assert_eq!(
        version(&world.poll("one").await.1),
        before,
        "it could not be read"
    );

    let end = CancellationToken::new();
    let following = tokio::spawn(Arc::clone(world.service().documents()).follow(end.clone()));
    let arrived = async || version(&world.poll("one").await.1) != before;
    wait_until("the change arrives", Duration::from_secs(20), arrived)
        .await
        .unwrap();
    end.cancel();
    following.await.unwrap();
}

#[tokio::test]
async fn a_source_whose_writing_failed_is_tried_again() {
    let world = World::serving(true).await;
    world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
    world.faults.fail_only("apply_documents", 1);
    assert!(world.look().await, "it is to be tried again");
    assert!(!world.look().await);
    std::fs::remove_dir_all(world.source()).unwrap();
    assert!(world.look().await, "it may come back without a trace");
    let status = world.service().documents().status();
    assert!(
        status.sources[0].faults[0].contains("cannot be read"),
        "{status:?}"
    );
    world.write_all();
    world.write("maps.yaml", "nonsense");
    assert!(!world.look().await, "only a change fixes it");
}

/// A reading that takes long comes to its end after a later change was written: the later one
/// stays.
#[tokio::test]
async fn an_earlier_reading_never_comes_after_a_later_one() {
    let world = Arc::new(World::serving(true).await);
    world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
    world.faults.fail_only("documents_revision", 1);
    world.look().await;
    world.faults.lift();
    world.faults.hang("documents");
    let reading = tokio::spawn({
        let keeper = Arc::clone(world.service().documents());
        async move { keeper.refresh().await }
    });
    let hangs = async || world.faults.hangs();
    wait_until("the reading hangs", Duration::from_mins(1), hangs)
        .await
        .unwrap();

    world.edit("maps.yaml", "limit: \"5\"", "limit: \"6\"");
    let revision = world.service().store().documents_revision().await.unwrap();
    let looking = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.look().await }
    });
    let written = async || world.service().store().documents_revision().await.unwrap() != revision;
    wait_until("the later change is written", Duration::from_mins(1), written)
        .await
        .unwrap();
    // It may read as far as it is let.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    world.faults.release();
    reading.await.unwrap().unwrap();
    looking.await.unwrap();
    let told = world.poll("one").await.1.to_string();
    assert!(told.contains(r#"limit: \"6\""#), "{told}");
}
