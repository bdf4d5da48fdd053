//! What holds of any objects, devices and changes: who gets what, against a recomputation without
//! any index; when versions are equal, against the agent's own comparison; and that no breakage
//! takes a workload from a device.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking"
)]

mod naive;
mod objects;
mod reach;
mod versions;
mod wipes;
mod world;

use configuration::Policy;
use manifests::Kind;
use proptest::prelude::*;
use world::{DEVICES, World, changes, labels};

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_device_gets_what_a_recomputation_says(
        history in changes(60), labels in labels(), strict in any::<bool>(), reported in any::<bool>(),
    ) {
        let world = World::after(&history);
        let policy = Policy { strict };
        let catalogue = world.catalogue(Vec::new(), Vec::new(), policy);
        for (device, labels) in DEVICES.iter().zip(&labels) {
            let subject = world::subject(device, labels, move |_| reported);
            prop_assert_eq!(catalogue.selected(&subject), naive::selected(&world, device, labels));
            let expected = naive::message(&world, device, labels, policy, reported);
            let assembly = catalogue.assemble(&subject);
            prop_assert_eq!(
                assembly.as_ref().ok().map(world::message),
                expected.ok().map(|expected| world::through_the_edge_api(&expected)),
                "{:?}", assembly.as_ref().err()
            );
            if let Ok(assembly) = assembly {
                let joined = assembly.segments.concat();
                let typed: contract::DeviceConfigurationEnvelope = serde_json::from_slice(&joined).unwrap();
                prop_assert_eq!(&joined, &serde_json::to_vec(&typed).unwrap());
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_whatever_else_is_missing(
        history in changes(40), labels in labels(), strict in any::<bool>(),
    ) {
        let mut world = World::after(&history);
        world.objects.retain(|key, _| key.kind != Kind::ConfigMap);
        world.sealed = world.objects.keys().filter(|key| key.kind == Kind::Secret).cloned().collect();
        let catalogue = world.catalogue(Vec::new(), Vec::new(), Policy { strict });
        for (device, labels) in DEVICES.iter().zip(&labels) {
            let subject = world::subject(device, labels, |_| false);
            let touched = catalogue.selected(&subject).iter().any(|name| {
                let text = world.objects[&objects::key(Kind::EdgeWorkload, name)].document.to_string();
                world.sealed.iter().any(|secret| text.contains(&format!("\"name\":\"{}\"", secret.name)))
            });
            prop_assert!(!touched || catalogue.assemble(&subject).is_err_and(|refusal| refusal.server_fault));
        }
    }

    #[test]
    fn a_change_reaches_exactly_the_devices_that_a_recomputation_says(
        history in changes(30), change in objects::change(), labels in labels(), relabelled in labels(),
        relabel in any::<bool>(),
    ) {
        let before = World::after(&history);
        let mut after = before.clone();
        let mut labels_after = labels.clone();
        if relabel {
            labels_after[0] = relabelled[0].clone();
        } else {
            after.apply(&change);
        }
        let policy = Policy { strict: true };
        let catalogues = [&before, &after].map(|world| world.catalogue(Vec::new(), Vec::new(), policy));
        for (index, device) in DEVICES.iter().enumerate() {
            let assembled = [(0, &labels[index]), (1, &labels_after[index])].map(|(moment, labels)| {
                catalogues[moment].assemble(&world::subject(device, labels, |_| true)).ok().map(|it| it.segments.concat())
            });
            let expected = [(&before, &labels[index]), (&after, &labels_after[index])]
                .map(|(world, labels)| naive::message(world, device, labels, policy, true).ok());
            prop_assert_eq!(assembled[0] == assembled[1], expected[0] == expected[1]);
        }
    }
}
