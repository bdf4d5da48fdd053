//! Ours without a server and without an Edge API: the crates that read manifests and assemble
//! configurations, called directly. For a quick look while these are worked on; what counts is the
//! way over the wire.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use configuration::{Catalogue, Policy, Subject};
use contract::{DeviceId, Namespace};
use serde_json::Value;

use crate::fleet::Fleet;
use crate::flotta::{Member, Polled};
use crate::ours::written;

/// What each device would get.
pub fn poll(fleets: &[Arc<Fleet>], world: &[Value], members: &[Member]) -> Result<Vec<Polled>> {
    let mut objects = Vec::new();
    let mut texts = fleets
        .iter()
        .map(|fleet| Ok(written(fleet)?.0))
        .collect::<Result<Vec<_>>>()?;
    texts.extend(world.iter().map(ToString::to_string));
    for text in &texts {
        let reading = manifests::read(text, "case");
        ensure!(reading.faults.is_empty(), "{:?}", reading.faults);
        objects.extend(reading.objects.into_iter().map(Arc::new));
    }
    let catalogue = Catalogue::new(objects, Vec::new(), Vec::new(), Vec::new(), Policy::default());
    members
        .iter()
        .map(|member| assembled(&catalogue, member))
        .collect()
}

/// The same without the annotations of pods.
pub fn mistaken(mut answers: Vec<Polled>) -> Vec<Polled> {
    for answer in &mut answers {
        if let Polled::Configuration(content) = answer {
            let workloads = content.get_mut("workloads").and_then(Value::as_array_mut);
            for workload in workloads.into_iter().flatten().filter_map(Value::as_object_mut) {
                workload.remove("annotations");
            }
        }
    }
    answers
}

fn assembled(catalogue: &Catalogue, member: &Member) -> Result<Polled> {
    let id = DeviceId::parse(&member.id)?;
    let subject = Subject {
        id: &id,
        namespace: &Namespace::parse(&member.fleet.namespace)?,
        labels: &member.fleet.labels(&member.id),
        reported: Box::new(|_| false),
    };
    let Ok(assembly) = catalogue.assemble(&subject) else {
        return Ok(Polled::Refused(500));
    };
    let text: Vec<u8> = assembly
        .segments
        .iter()
        .flat_map(|segment| segment.to_vec())
        .collect();
    let mut envelope: Value = serde_json::from_slice(&text).context("an assembly is JSON")?;
    Ok(Polled::Configuration(envelope["device-configuration"].take()))
}
