//! What is kept in memory for devices, as the metrics show it.

use crate::world::World;

/// The value of a metric without labels.
fn metric(world: &World, name: &str) -> u64 {
    let text = world.metrics.encode().unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    assert!(line.is_some(), "{name} is not in {text}");
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_bytes_of_workloads_follow_from_the_manifests_and_not_from_the_devices() {
    const SHARED: &str = "edge_config_workloads_shared_bytes";
    let world = World::serving(true).await;
    let before = metric(&world, SHARED);
    assert!(before > 0);
    for number in 0..10 {
        world.join(&format!("more-{number}")).await;
    }
    assert_eq!(metric(&world, SHARED), before);

    world.edit("maps.yaml", "limit: \"4\"", "limit: \"4000\"");
    world.look().await;
    assert_eq!(
        metric(&world, SHARED),
        before + 3,
        "one ConfigMap is three bytes longer"
    );
}
