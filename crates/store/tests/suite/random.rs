//! Any sequence of writes leaves what the model says.

use std::sync::Arc;

use contract::DeviceId;
use fleet::{Epoch, Event, Life, Operation, Stray};
use flotta_store::{Revision, Sighting, Store, StoreError, Write, WriteGuard};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};

use super::times::any_presence;
use crate::support::{model::Model, place::Place, *};

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "a few hundred of them, made once")]
enum Step {
    Commit {
        device: usize,
        /// 0: as it should be; 1: as if it were not known; 2: of a revision long past.
        guard: u8,
        life: Option<Life>,
        version: Option<u8>,
        presence: Option<fleet::Presence>,
        events: Vec<Event>,
        at: i64,
    },
    Observe(Vec<Sighting>, Vec<Stray>),
    Reopen,
}

const NAMES: [&str; 4] = ["d0", "d1", "d2", "d3"];

fn any_life() -> impl Strategy<Value = Life> {
    prop_oneof![
        Just(waiting()),
        Just(approved()),
        Just(rejected()),
        (0..3_u128).prop_map(|epoch| deleted(Epoch(uuid::Uuid::from_u128(epoch)))),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    (0..2_u8, 0..6_u8, 1..4_u64).prop_map(|(origin, kind, count)| {
        let kind = format!("k{kind}");
        let event = if origin == 0 {
            event(&kind, "")
        } else {
            device_event(&kind)
        };
        Event { count, ..event }
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let commit = (
        0..NAMES.len(),
        prop_oneof![8 => Just(0_u8), 1 => Just(1), 1 => Just(2)],
        proptest::option::of(any_life()),
        proptest::option::of(0..9_u8),
        proptest::option::of(any_presence()),
        proptest::collection::vec(any_event(), 0..5),
        0..40_i64,
    )
        .prop_map(
            |(device, guard, life, version, presence, events, at)| Step::Commit {
                device,
                guard,
                life,
                version,
                presence,
                events,
                at,
            },
        );
    let sightings = proptest::collection::vec((0..NAMES.len(), any_presence()), 0..4).prop_map(|all| {
        all.into_iter()
            .map(|(device, presence)| sighting(NAMES[device], presence))
            .collect::<Vec<_>>()
    });
    // Few instants, so that several sightings of one id share one.
    let strays = (0..6_u8, 0..6_usize, 0..2_u8, 0..20_i64).prop_map(|(name, operation, place, time)| {
        let (id, place) = (id(&format!("d{name}")), namespace(&format!("n{place}")));
        Stray::heard(id, place, Operation::ALL[operation], at(time))
    });
    let strays = proptest::collection::vec(strays, 0..4);
    let observe = (sightings, strays).prop_map(|(sightings, strays)| Step::Observe(sightings, strays));
    prop_oneof![12 => commit, 4 => observe, 1 => Just(Step::Reopen)]
}

pub(crate) async fn any_writes_leave_what_the_model_says(place: &dyn Place) {
    let mut store = place.open_with(few()).await;
    let mut model = Model {
        bounds: few(),
        ..Model::default()
    };
    let mut runner = TestRunner::deterministic();
    let steps = proptest::collection::vec(any_step(), 250)
        .new_tree(&mut runner)
        .unwrap()
        .current();
    for step in steps {
        match step {
            Step::Commit {
                device,
                guard,
                life,
                version,
                presence,
                events,
                at: time,
            } => {
                let id = id(NAMES[device]);
                let kept = model.devices.get(&id).map(|stored| stored.revision);
                let guard = match (guard, kept) {
                    (0, Some(revision)) => WriteGuard::At(revision),
                    (2, _) => WriteGuard::At(Revision(1)),
                    _ => WriteGuard::Absent,
                };
                let life = life
                    .or_else(|| (guard == WriteGuard::Absent).then(waiting))
                    .map(Arc::new);
                let report = version.map(|version| report(&version.to_string()).into());
                let write = Write {
                    id,
                    guard,
                    life,
                    report,
                    presence,
                    events,
                    at: at(time),
                };
                commit(&*store, &mut model, write).await;
            }
            Step::Observe(sightings, strays) => {
                model.observe(&sightings, &strays);
                store.observe(sightings, strays).await.unwrap();
            }
            Step::Reopen => {
                store.close().await;
                store = place.open_with(few()).await;
            }
        }
        compare(&*store, &model).await;
    }
    super::damage::all_is_sound(&*store).await;
    assert_eq!(
        NAMES.len(),
        model.devices.len(),
        "the steps must have created every device"
    );
    assert!(!model.strays.is_empty());
}

async fn commit(store: &dyn Store, model: &mut Model, write: Write) {
    match store.commit(write.clone()).await {
        Ok(revision) => assert!(model.commit(&write, Some(revision)), "{write:?}"),
        Err(StoreError::Conflict) => {
            let fits = match write.guard {
                WriteGuard::Absent => !model.devices.contains_key(&write.id),
                WriteGuard::At(at) => model
                    .devices
                    .get(&write.id)
                    .is_some_and(|kept| kept.revision == at),
                WriteGuard::Unreadable => false,
            };
            assert!(!fits, "{write:?}");
        }
        Err(error) => panic!("{error}"),
    }
}

async fn compare(store: &dyn Store, model: &Model) {
    for name in NAMES {
        let id: DeviceId = id(name);
        assert_eq!(model.devices.get(&id).cloned(), store.load(&id).await.unwrap());
        assert_eq!(model.events_of(&id), store.events(&id).await.unwrap());
    }
    assert_eq!(model.strays_latest_first(), store.strays(100).await.unwrap());
}
