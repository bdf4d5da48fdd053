//! A change reaches no device that has nothing to do with the object, also where last good forms
//! are about.

use configuration::{Catalogue, LastGood, Policy};
use manifests::{Key, Kind};
use proptest::{collection::vec, prelude::*};

use crate::{
    objects::{self, Change},
    world::{self, DEVICES, Labels, World, changes, labels},
};

/// What a device is answered, with all that a person is told.
fn answer(catalogue: &Catalogue, device: &str, labels: &Labels, reported: bool) -> String {
    match catalogue.assemble(&world::subject(device, labels, move |_| reported)) {
        Ok(assembly) => {
            let text = String::from_utf8(assembly.segments.concat()).unwrap();
            format!("{text} {:?}", assembly.faults)
        }
        Err(refusal) => format!("{refusal:?}"),
    }
}

/// Whether the name of an object is in anything that the device follows from.
fn concerns(
    key: &Key,
    world: &World,
    stored: &[LastGood],
    catalogue: &Catalogue,
    device: &str,
    labels: &Labels,
) -> bool {
    let set = labels.get("flotta/member-of").map_or("", String::as_str);
    let selected = catalogue.selected(&world::subject(device, labels, |_| true));
    let own = match key.kind {
        Kind::EdgeWorkload => return selected.contains(&key.name),
        Kind::EdgeDevice => return key.name == device,
        Kind::EdgeDeviceSet => return key.name == set,
        _ => [
            objects::key(Kind::EdgeDevice, device),
            objects::key(Kind::EdgeDeviceSet, set),
        ],
    };
    let workloads = selected.iter().map(|name| objects::key(Kind::EdgeWorkload, name));
    let documents = own
        .into_iter()
        .chain(workloads)
        .filter_map(|key| Some(world.objects.get(&key)?.document.to_string()));
    let forms = stored
        .iter()
        .filter(|last| selected.contains(&last.workload))
        .map(|last| last.document.to_string());
    documents
        .chain(forms)
        .any(|text| text.contains(&format!("\"{}\"", key.name)))
}

fn elsewhere(change: &mut Change) {
    let key = match change {
        Change::Put(object) => &mut object.0.key,
        Change::Remove(key) | Change::Seal(key, _) => key,
    };
    "elsewhere".clone_into(&mut key.namespace);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_change_reaches_nobody_else(
        history in changes(40), breakages in vec(objects::breakage(), 0..8), change in objects::change(), labels in labels(),
        in_another_namespace in prop::bool::weighted(0.2), strict in prop::bool::weighted(0.2), reported in any::<bool>(),
    ) {
        let policy = Policy { strict };
        let mut world = World::after(&history);
        let stored = world.catalogue(Vec::new(), Vec::new(), policy).renderings();
        for breakage in &breakages {
            world.apply(breakage);
        }
        let before = world.catalogue(stored, Vec::new(), policy);
        let stored = before.renderings();
        let mut change = change;
        if in_another_namespace {
            elsewhere(&mut change);
        }
        let mut changed = world.clone();
        changed.apply(&change);
        let after = changed.catalogue(stored.clone(), Vec::new(), policy);
        let key = match &change {
            Change::Put(object) => &object.0.key,
            Change::Remove(key) | Change::Seal(key, _) => key,
        };
        for (device, labels) in DEVICES.iter().zip(&labels) {
            let concerned = !in_another_namespace
                && [(&world, &before), (&changed, &after)]
                    .iter()
                    .any(|(world, catalogue)| concerns(key, world, &stored, catalogue, device, labels));
            if !concerned {
                let answers = [&before, &after].map(|catalogue| answer(catalogue, device, labels, reported));
                prop_assert_eq!(&answers[0], &answers[1], "{} is told of {}", device, key);
            }
        }
    }
}
