//! Which labels has a device?

use std::collections::{BTreeMap, BTreeSet};

use contract::labels::{InvalidLabel, check_key, check_value};
use fleet::{
    DeletionMode, State,
    administration::{Act, ActError},
    labels::{self, Labels, MEMBER_OF},
};
use proptest::prelude::*;

use crate::world::{World, hardware};

fn of(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|&(key, value)| (key.into(), value.into()))
        .collect()
}

fn set(pairs: &[(&str, &str)]) -> Act {
    Act::SetLabels {
        set: of(pairs),
        remove: BTreeSet::new(),
    }
}

fn remove(key: &str) -> Act {
    Act::SetLabels {
        set: Labels::new(),
        remove: [key.to_owned()].into(),
    }
}

#[test]
fn taking_a_label_away_shows_the_one_of_another_origin() {
    let mut world = World::manual();
    world.enrol();
    world
        .act(Act::Approve {
            namespace: None,
            set: Some("line-1".into()),
        })
        .unwrap();
    let manifest = of(&[("zone", "a"), (MEMBER_OF, "line-2")]);
    let label = |world: &World, manifest: &Labels| world.known().labels(manifest).get(MEMBER_OF).cloned();
    assert_eq!(label(&world, &Labels::new()).as_deref(), Some("line-1"));
    assert_eq!(label(&world, &manifest).as_deref(), Some("line-2"));
    world.act(set(&[(MEMBER_OF, "line-3")])).unwrap();
    assert_eq!(label(&world, &manifest).as_deref(), Some("line-3"));
    world.act(remove(MEMBER_OF)).unwrap();
    assert_eq!(label(&world, &manifest).as_deref(), Some("line-2"));
    assert_eq!(label(&world, &Labels::new()).as_deref(), Some("line-1"));
    assert_eq!(world.known().labels(&manifest)["zone"], "a");
}

#[test]
fn what_changes_nothing_records_nothing() {
    let mut world = World::in_service();
    world.act(set(&[("zone", "a")])).unwrap();
    world.act(set(&[("zone", "a")])).unwrap();
    world.act(remove("other")).unwrap();
    assert_eq!(world.reasons(), ["LabelsChanged"]);
    assert_eq!(world.events[0].message, "zone=a by uid 1000");
    world.act(remove("zone")).unwrap();
    assert_eq!(world.events[1].message, "zone- by uid 1000");
    assert!(world.known().life.assigned_labels.is_empty());
}

#[test]
fn what_kubernetes_would_refuse_is_refused_with_its_reason() {
    let mut world = World::in_service();
    let before = world.known().clone();
    for (key, value, reason) in [
        ("", "a", InvalidLabel::Name),
        ("a b", "a", InvalidLabel::Name),
        ("Upper/a", "a", InvalidLabel::Prefix),
        ("zone", "a b", InvalidLabel::Value),
    ] {
        let error = world.act(set(&[("fine", "x"), (key, value)])).unwrap_err();
        assert!(
            matches!(&error, ActError::Label { reason: found, .. } if *found == reason),
            "{error}"
        );
    }
    let error = world.act(set(&[("device.hostname", "forged")])).unwrap_err();
    assert_eq!(error, ActError::OfHardware("device.hostname".into()));
    let both = Act::SetLabels {
        set: of(&[("zone", "a")]),
        remove: ["zone".to_owned()].into(),
    };
    assert_eq!(world.act(both), Err(ActError::Contradiction("zone".into())));
    assert_eq!(world.known(), &before, "all or nothing");
}

#[test]
fn a_set_is_given_at_approval_and_not_by_a_second_one() {
    let approve = |set: &str| Act::Approve {
        namespace: None,
        set: Some(set.into()),
    };
    let mut world = World::manual();
    world.enrol();
    for wrong in ["", "a b"] {
        assert!(matches!(world.act(approve(wrong)), Err(ActError::Label { .. })));
    }
    world.act(approve("line-1")).unwrap();
    world.act(approve("line-1")).unwrap();
    assert_eq!(world.reasons(), ["WaitingForApproval", "Approved"]);
    assert!(matches!(
        world.act(approve("line-2")),
        Err(ActError::WrongState { .. })
    ));
}

#[test]
fn labels_can_be_given_to_a_device_that_waits_and_not_to_one_that_is_gone() {
    let mut world = World::manual();
    world.enrol();
    world.act(set(&[("zone", "a")])).unwrap();
    world
        .act(Act::Approve {
            namespace: None,
            set: None,
        })
        .unwrap();
    assert_eq!(world.known().labels(&Labels::new())["zone"], "a");
    world.delete(DeletionMode::Forget);
    assert!(matches!(
        world.act(set(&[("zone", "b")])),
        Err(ActError::WrongState { .. })
    ));
    assert!(matches!(world.state(), State::Deleted(_)));
    world.ask();
    world.enrol();
    assert!(world.known().life.assigned_labels.is_empty());
}

#[test]
fn hardware_labels_follow_the_hardware_alone() {
    let mut world = World::in_service();
    world.beat(&contract::Heartbeat {
        hardware: Some(hardware("edge")),
        ..contract::Heartbeat::default()
    });
    let manifest = of(&[("device.hostname", "forged"), ("device.room", "7")]);
    assert_eq!(
        world.known().labels(&manifest),
        of(&[("device.hostname", "edge")])
    );
}

fn some() -> impl Strategy<Value = Labels> {
    let key = prop::sample::select(vec![
        "zone".to_owned(),
        MEMBER_OF.to_owned(),
        "device.hostname".to_owned(),
        "device.x".to_owned(),
        "a".to_owned(),
    ]);
    prop::collection::btree_map(key, "[a-c]", 0..5)
}

proptest! {
    #[test]
    fn every_key_has_the_value_of_its_first_origin(
        hardware in some(), approval in some(), manifest in some(), administrator in some(),
    ) {
        let joined = labels::join(&hardware, &approval, &manifest, &administrator);
        let keys: BTreeSet<&String> = [&hardware, &approval, &manifest, &administrator]
            .into_iter()
            .flat_map(BTreeMap::keys)
            .collect();
        for key in keys {
            let expected = if key.starts_with("device.") {
                hardware.get(key)
            } else {
                administrator.get(key).or(manifest.get(key)).or(approval.get(key))
            };
            prop_assert_eq!(joined.get(key), expected);
        }
    }

    #[test]
    fn what_was_set_is_a_label_and_the_rest_stays(
        key in "[a-z./A-Z_-]{0,12}", value in "[a-z._A-Z /-]{0,8}", others in some(),
    ) {
        let mut world = World::in_service();
        let others: Labels = others.into_iter().filter(|(key, _)| !key.starts_with("device.")).collect();
        world.act(Act::SetLabels { set: others.clone(), remove: BTreeSet::new() }).unwrap();
        let valid = check_key(&key).is_ok() && check_value(&value).is_ok() && !key.starts_with("device.");
        prop_assert_eq!(world.act(set(&[(&key, &value)])).is_ok(), valid);
        let mut expected = others;
        if valid {
            expected.insert(key, value);
        }
        prop_assert_eq!(&world.known().life.assigned_labels, &expected);
    }
}
