//! PostgreSQL goes away while devices work and comes back: errors meanwhile, nothing but errors,
//! and no restart of ours.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::traffic::Crew;
use e2e::{Stage, Store};
use serde_json::json;
use testkit::caller::{Caller, Connections};
use testkit::device::{hardware, heartbeat_with_event};
use testkit::http_client::Answer;
use testkit::pki::{Key, KeyKind};
use testkit::postgres::Postgres;
use testkit::process::wait_until;

use super::keeping_all_events;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_goes_away_and_comes_back_under_devices_at_work() -> Result<()> {
    // Of its own: others must not lose theirs.
    let mut postgres = Postgres::start().await?;
    let url = postgres.create_database()?;
    let mut stage = Stage::with(Store::Sqlite, |settings| keeping_all_events(settings).store(url)).await?;
    let process = stage.server.process().id();
    let mut crew = Crew::muster(&stage, 4).await?;
    for _ in 0..2 {
        let mut traffic = crew.set_out();
        traffic
            .wait_until("writes before the outage", |counts| counts.acknowledged >= 50)
            .await?;
        postgres.stop()?;
        let refused = traffic.counts().refused;
        traffic
            .wait_until("errors in the outage", |counts| counts.refused >= refused + 20)
            .await?;
        every_operation_is_unavailable(&stage).await?;
        assert_eq!(stage.server.ops("/healthz").await?.status, 200);
        let not_ready = async || {
            let answer = stage.server.ops("/readyz").await;
            answer.is_ok_and(|answer| answer.status == 503)
        };
        wait_until("the server is not ready", Duration::from_secs(30), not_ready).await?;

        postgres.start_again().await?;
        let before = traffic.counts();
        traffic
            .wait_until("work after the outage", |counts| {
                counts.acknowledged >= before.acknowledged + 50 && counts.polled >= before.polled + 20
            })
            .await?;
        crew = traffic.finish().await?;
        crew.check(&stage)?;
        // The store is asked at most once a second, however many want to know.
        let ready = async || {
            let answer = stage.server.ops("/readyz").await;
            answer.is_ok_and(|answer| answer.status == 200)
        };
        wait_until("the server is ready again", Duration::from_secs(30), ready).await?;
    }
    assert!(stage.server.process().ended()?.is_none());
    assert_eq!(stage.server.process().id(), process);
    Ok(())
}

/// Called without the Edge API, which would hide the status. The devices' id is one whose events
/// nobody compares.
async fn every_operation_is_unavailable(stage: &Stage) -> Result<()> {
    const ID: &str = "witness";
    let mut caller = stage.caller(Connections::KeptAlive)?;
    let enrolment = json!({"features": {"hardware": hardware(ID)}});
    unavailable(
        "an enrolment",
        &caller.enrol("default", "late", &enrolment).await?,
    )?;
    unavailable(
        "a registration status",
        &caller.registration_status("default", ID).await?,
    )?;
    let request = Key::generate(KeyKind::P256)?.certificate_request(ID)?;
    let registration = json!({"hardware": hardware(ID), "certificate_request": request});
    unavailable(
        "a registration",
        &caller.register("default", ID, &registration).await?,
    )?;
    unavailable("a configuration", &caller.configuration("default", ID).await?)?;
    unavailable("a heartbeat", &heartbeat(&mut caller, ID).await?)?;
    unavailable("playbooks", &caller.playbooks("default", ID).await?)
}

async fn heartbeat(caller: &mut Caller, id: &str) -> Result<Answer> {
    let event = heartbeat_with_event("info", "Unavailable", "there is no store");
    caller.heartbeat("default", id, &event).await
}

fn unavailable(what: &str, answer: &Answer) -> Result<()> {
    ensure!(
        answer.status == 503 && answer.json()?["message"].is_string(),
        "{what} was answered {} {}",
        answer.status,
        answer.text()
    );
    Ok(())
}
