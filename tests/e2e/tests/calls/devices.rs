//! Devices of a real store, compared and listed.

use std::collections::BTreeMap;

use anyhow::Result;
use calls::{Comparison, DevicePhase, Listing, compare, list};
use e2e::{Stage, Store, on_both_stores};
use serde_json::json;
use testkit::caller::Connections;
use tokio::time::Instant;

use crate::{Material, soon};

on_both_stores!(each_device_is_what_the_store_says);

/// More than one page.
const WAITING: usize = 620;

async fn each_device_is_what_the_store_says(store: Store) -> Result<()> {
    let stage = Stage::with(store, |settings| settings.flags(["--approval", "manual"])).await?;
    let material = Material::of(&stage.common.flotta)?;
    let url = stage.server.backend_url();
    let call = material.call(&url);

    let mut caller = stage.caller(Connections::KeptAlive)?;
    let mut expected = BTreeMap::new();
    for number in 0..WAITING {
        let id = format!("device-{number:04}");
        let deadline = soon();
        // On a busy machine a write may take longer than a request may; then the device asks again.
        let answer = loop {
            let answer = caller.enrol("default", &id, &json!({"features": {}})).await?;
            if answer.status != 503 || Instant::now() > deadline {
                break answer;
            }
        };
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
        expected.insert(id, DevicePhase::Waiting);
    }
    for (act, id, phase) in [
        ("approve", "device-0001", DevicePhase::Approved),
        ("reject", "device-0002", DevicePhase::Rejected),
    ] {
        stage.act(&[act, id])?;
        expected.insert(id.to_owned(), phase);
    }

    let mut listed = Listing::default();
    list(&call, &mut listed, soon()).await?;
    assert!(listed.complete);
    assert_eq!(listed.devices, expected);
    assert_eq!(
        listed.store,
        stage.status().await?["store"]["id"].as_str().map(str::to_owned)
    );

    for stranger in ["device-9999", "no id at all"] {
        expected.insert(stranger.to_owned(), DevicePhase::Unknown);
    }
    let mut compared = Comparison::default();
    compare(&call, expected.keys().map(String::as_str), &mut compared, soon()).await?;
    assert_eq!(compared.devices, expected);
    assert_eq!(compared.store, listed.store);
    Ok(())
}
