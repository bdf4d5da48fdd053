//! The switch as a person does it without chart and companion: what both have to do better.

use anyhow::{Context, Result};
use cluster::backend;
use cluster::flotta::{approve_as_operator, edge_device, enrol_until, signed_request, switch_by_hand};
use testkit::device::Device;

use super::holds::{on_our_store, register_and_poll};
use crate::stage::Stage;

/// A device lives on the custom resources; the Edge API is switched by hand; a device lives on our
/// store.
pub(crate) async fn switch(stage: &mut Stage) -> Result<()> {
    on_custom_resources(stage).await?;
    stage.reached("a device enrolled, registered and polled; it is an EdgeDevice");

    backend::deploy(stage.cluster(), stage.flotta()?).await?;
    stage.reached("edge-config-server is ready, with TLS material of the Flotta CA");
    switch_by_hand(stage.cluster(), backend::URL).await?;
    stage.reached("the Edge API was restarted with BACKEND=remote");
    on_our_store(stage, "on-store").await?;
    stage.reached("a device enrolled, registered, polled and sent a heartbeat; it is in our store");
    Ok(())
}

async fn on_custom_resources(stage: &Stage) -> Result<()> {
    let (cluster, flotta) = (stage.cluster(), stage.flotta()?);
    let mut device = Device::new("on-crd", flotta.provisioning(cluster).await?);
    enrol_until(&mut device, &[200], "default").await?;
    signed_request(cluster, "on-crd")
        .await?
        .context("an enrolment leaves an EdgeDeviceSignedRequest")?;
    approve_as_operator(cluster, "on-crd", "default").await?;
    enrol_until(&mut device, &[208], "default").await?;
    register_and_poll(&mut device).await?;
    edge_device(cluster, "on-crd", "default")
        .await?
        .context("the EdgeDevice is there")?;
    Ok(())
}
