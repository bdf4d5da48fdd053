//! Two servers on one PostgreSQL, each behind an Edge API of its own: one fleet.

use anyhow::{Result, ensure};
use e2e::{Common, Stage, Store};
use testkit::caller::Connections;
use testkit::device::{heartbeat_with_event, is_disconnect};

use super::keeping_all_events;

async fn two_stages() -> Result<(Stage, Stage)> {
    let common = Common::get().await?;
    let url = common.postgres.create_database()?;
    let one = Stage::with(Store::Sqlite, |settings| keeping_all_events(settings).store(&url)).await?;
    let other = Stage::with(Store::Sqlite, |settings| keeping_all_events(settings).store(&url)).await?;
    let (first, second) = (one.status().await?, other.status().await?);
    ensure!(
        first["store"]["id"].is_string() && first["store"] == second["store"],
        "not one store: {first} {second}"
    );
    Ok((one, other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_of_a_heartbeat_at_two_servers_count_once() -> Result<()> {
    let (one, other) = two_stages().await?;
    let mut device = one.member("device-1", None).await?;
    let mut callers = [
        one.caller(Connections::KeptAlive)?,
        other.caller(Connections::KeptAlive)?,
        one.caller(Connections::KeptAlive)?,
        other.caller(Connections::KeptAlive)?,
    ];
    for number in 0..25 {
        let beat = heartbeat_with_event("info", &format!("AtOnce{number}"), "four copies at once");
        let [a, b, c, d] = &mut callers;
        let answers = tokio::join!(
            a.heartbeat("default", "device-1", &beat),
            b.heartbeat("default", "device-1", &beat),
            c.heartbeat("default", "device-1", &beat),
            d.heartbeat("default", "device-1", &beat),
        );
        let statuses = [answers.0?, answers.1?, answers.2?, answers.3?].map(|answer| answer.status);
        assert_eq!(statuses, [200; 4], "round {number}");
    }
    // As a device's own heartbeat does when its Edge API is replaced in between.
    let beat = heartbeat_with_event("info", "OneByOne", "one copy after the other");
    assert_eq!(device.heartbeat(beat.clone()).await?.status, 200);
    device.move_to(other.provisioning.clone());
    assert_eq!(device.heartbeat(beat).await?.status, 200);

    for stage in [&one, &other] {
        let held = stage.show("device-1")?;
        for number in 0..25 {
            assert_eq!(held.count(&format!("AtOnce{number}"))?, 1, "round {number}");
        }
        assert_eq!(held.count("OneByOne")?, 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_does_the_other_answers_by_at_the_next_call() -> Result<()> {
    let (one, other) = two_stages().await?;
    // Known to both, so that neither could answer from memory by chance.
    let mut device = one.member("device-1", None).await?;
    device.move_to(other.provisioning.clone());
    assert_eq!(device.poll_data().await?.status, 200);
    let control = device.poll_control().await?;
    assert_eq!((control.status, control.body.len()), (200, 0));

    one.act(&["delete", "device-1", "--mode", "forget"])?;
    assert!(is_disconnect(&device.poll_control().await?));
    assert_eq!(device.poll_data().await?.status, 500);
    let beat = heartbeat_with_event("info", "Late", "sent after the deletion");
    assert_eq!(device.heartbeat(beat).await?.status, 500);
    assert_eq!(other.show("device-1")?.phase(), "deleted");
    assert_eq!(one.show("device-1")?.count("Late")?, 0);

    // The daemon is restarted behind the first Edge API: told by the one, back by the other.
    device.move_to(one.provisioning.clone());
    assert!(is_disconnect(&device.poll_control().await?));
    e2e::join(&mut device, None).await?;
    device.move_to(other.provisioning.clone());
    let control = device.poll_control().await?;
    assert_eq!((control.status, control.body.len()), (200, 0));
    assert_eq!(device.poll_data().await?.status, 200);
    Ok(())
}
