//! Of several companions one acts.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::coordination::v1::Lease as Record;
use plan::names::LEASE;
use serde_json::json;
use tokio::time::Instant;

use crate::{
    switch::{is_remote, start},
    world::{World, control_plane},
};

async fn holder(world: &World) -> Result<Option<String>> {
    let record: Record = world.api().get(LEASE).await?;
    Ok(record.spec.and_then(|spec| spec.holder_identity))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_held_by_one_handed_over_and_lost_when_it_was_taken() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "lease").await?;
    let (_first_proxy, first) = world.companion("first").await?;
    let (_second_proxy, second) = world.companion("second").await?;
    let (first, second) = (first.lease, second.lease);
    assert!(first.check().is_err());
    assert!(first.attend().await?);
    assert!(!second.attend().await?);
    assert!(first.check().is_ok() && second.check().is_err());

    // Given up, it can be taken at once, and the first does not take it back from under the second.
    first.give_up().await;
    assert!(first.check().is_err());
    assert_eq!(holder(&world).await?, None);
    assert!(second.attend().await?);
    first.resume();
    assert!(!first.attend().await?);
    assert_eq!(holder(&world).await?.as_deref(), Some("second"));

    // Taken from under the second, as after it was stopped for long: it finds that out at its next
    // look, and does not overwrite the new holder.
    world
        .merge::<Record>(LEASE, json!({"spec": {"holderIdentity": "third"}}))
        .await?;
    assert!(!second.attend().await?);
    assert!(second.check().is_err());
    assert_eq!(holder(&world).await?.as_deref(), Some("third"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_companion_goes_on_when_the_acting_one_ends_and_two_never_write_at_once() -> Result<()> {
    let control_plane = control_plane().await?;
    let world = World::new(&control_plane, "two").await?;
    let (first_proxy, first) = world.companion("first").await?;
    let (second_proxy, second) = world.companion("second").await?;
    let first = start(first);
    let deadline = Instant::now() + Duration::from_secs(30);
    while holder(&world).await?.as_deref() != Some("first") {
        assert!(Instant::now() < deadline, "the first does not take the Lease");
        tokio::task::yield_now().await;
    }
    let second = start(second);
    world.remote_backend(json!({})).await?;
    world.wait("Remote", is_remote).await?;
    assert_eq!(second_proxy.writes(), Vec::<String>::new());
    let written = first_proxy.writes().len();

    // A SIGTERM hands over, and the second brings things to order that were changed meanwhile.
    first.end().await?;
    world
        .merge::<k8s_openapi::api::core::v1::ConfigMap>(
            "flotta-edge-api-config",
            json!({"data": {"BACKEND": "crd"}}),
        )
        .await?;
    let deadline = Instant::now() + Duration::from_mins(1);
    while world.settings().await?["BACKEND"] != "remote" {
        assert!(
            Instant::now() < deadline,
            "the second does not go on: {:?}",
            world.resource().await?.status
        );
        tokio::task::yield_now().await;
    }
    assert_eq!(first_proxy.writes().len(), written);
    second.end().await
}
