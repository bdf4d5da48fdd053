//! Who is let in: the pinned host certificate and nobody else, decided in the handshake.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{Stage, Store};
use testkit::caller::{Caller, Connections};
use testkit::pki::{Authority, Identity, KeyKind, Profile, Validity};
use testkit::process::wait_until;

/// Handshakes with this outcome so far.
async fn handshakes(stage: &Stage, outcome: &str) -> Result<f64> {
    let sample = format!("edge_config_tls_handshakes_total{{outcome=\"{outcome}\"}}");
    stage.metric(&sample).await
}

async fn is_refused(stage: &Stage, mut caller: Caller, who: &str, outcome: &str) -> Result<()> {
    let before = handshakes(stage, outcome).await?;
    let answer = caller.registration_status("default", "device-1").await;
    assert!(answer.is_err(), "{who} was answered: {answer:?}");
    // With TLS 1.3 the caller learns of its refusal after its own part is done, so an error alone
    // does not say when; and it may learn of it before the server has counted it.
    let counted = async || handshakes(stage, outcome).await.is_ok_and(|now| now > before);
    let what = format!("{who} being refused in the handshake as {outcome}");
    wait_until(&what, Duration::from_secs(10), counted).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_pinned_host_certificate_comes_through_the_handshake() -> Result<()> {
    let stage = Stage::new(Store::Sqlite).await?;
    let mut device = stage.member("device-1", None).await?;
    let flotta = &stage.common.flotta;
    let with = |identity: &Identity| stage.caller_as(identity, Connections::New);

    let expired = Profile::host().valid(Validity::Expired);
    let expired = flotta.authority.issue_for(&expired, flotta.host.key())?;
    is_refused(
        &stage,
        with(&expired)?,
        "an expired certificate with the pinned key",
        "expired",
    )
    .await?;

    let future = Profile::host().valid(Validity::Future);
    let future = flotta.authority.issue_for(&future, flotta.host.key())?;
    is_refused(
        &stage,
        with(&future)?,
        "a certificate of the future",
        "not_yet_valid",
    )
    .await?;

    let foreign = Authority::new(KeyKind::P256)?;
    let copied = foreign.issue_for(&Profile::host(), flotta.host.key())?;
    is_refused(
        &stage,
        with(&copied)?,
        "the pinned key in another CA's certificate",
        "unknown_issuer",
    )
    .await?;
    let other_host = foreign.issue(&Profile::host())?;
    is_refused(
        &stage,
        with(&other_host)?,
        "another CA's host certificate",
        "unknown_issuer",
    )
    .await?;

    let of_device = device
        .certificate()
        .context("a member has a certificate")?
        .clone();
    is_refused(&stage, with(&of_device)?, "an enrolled device", "not_pinned").await?;
    let behind = of_device.followed_by(&flotta.host);
    is_refused(
        &stage,
        with(&behind)?,
        "a device with the host certificate behind its own",
        "not_pinned",
    )
    .await?;
    let register = &stage.provisioning.register;
    is_refused(&stage, with(register)?, "the register certificate", "not_pinned").await?;
    let look_alike = flotta.authority.issue(&Profile::host())?;
    is_refused(
        &stage,
        with(&look_alike)?,
        "a host certificate that is not pinned",
        "not_pinned",
    )
    .await?;

    let roots = flotta.authority.roots()?;
    let anonymous = Caller::anonymous(stage.server.device_plane(), roots, Connections::New)?;
    is_refused(
        &stage,
        anonymous,
        "a caller without a certificate",
        "no_certificate",
    )
    .await?;

    // The real Edge API still passes, and so does whoever has its certificate.
    assert_eq!(device.poll_data().await?.status, 200);
    let mut host = stage.caller(Connections::New)?;
    assert_eq!(host.registration_status("default", "device-1").await?.status, 200);
    Ok(())
}
