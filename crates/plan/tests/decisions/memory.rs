//! What is remembered, in both forms in which it is kept.

use jiff::SignedDuration;
use plan::{
    Memory,
    api::{Attempt, Contest, Failures, Phase, Rejected, RemoteBackendStatus, Verified, WriteBack},
    memory::{Calls, Progress, Rollback, Switched},
};

use crate::world::World;

const AT: &str = "2026-06-01T00:00:00Z";

fn attempt() -> Attempt {
    Attempt {
        inputs: "0a1b".into(),
        begun: AT.into(),
        restarted: Some(AT.into()),
        ..Attempt::default()
    }
}

fn verified() -> Verified {
    Verified {
        inputs: "0a1b".into(),
        at: AT.into(),
        ca_public_key: "aa".into(),
        host_public_key: "bb".into(),
        settings: [("BACKEND".to_owned(), "remote".to_owned())].into(),
        pods: vec!["pod-1".into()],
    }
}

/// A memory in each state, and by its name.
fn states() -> [(&'static str, Memory); 4] {
    let with = |progress| Memory {
        progress,
        store_id: Some("store-a".into()),
        ..Memory::default()
    };
    let not_switched = Memory {
        failures: Some(Failures {
            inputs: "0a1b".into(),
            count: 2,
            last: "no answer".into(),
            at: AT.into(),
        }),
        ..with(Progress::NotSwitched)
    };
    let switching = with(Progress::Switching(Attempt {
        rolled_out: Some(AT.into()),
        resumed: true,
        ..attempt()
    }));
    let rolling_back = with(Progress::RollingBack(Rollback {
        attempt: attempt(),
        why: "no answer".into(),
    }));
    let switched = Memory {
        retry: Some("1".into()),
        write_backs: vec![WriteBack {
            field: "ConfigMap BACKEND".into(),
            manager: "argocd-controller".into(),
            seen: "7".into(),
            at: AT.into(),
        }],
        contest: Some(Contest {
            field: "ConfigMap BACKEND".into(),
            manager: "argocd-controller".into(),
            generation: Some(1),
            retry: None,
        }),
        ..with(Progress::Switched(Switched {
            verified: Some(verified()),
            restart: Some(attempt()),
            rejected: Some(Rejected {
                generation: Some(2),
                retry: None,
                why: "no answer".into(),
            }),
            calls: Calls::default(),
        }))
    };
    [
        ("not-switched", not_switched),
        ("switching", switching),
        ("rolling-back", rolling_back),
        ("switched", switched),
    ]
}

#[test]
fn each_state_is_kept_in_both_forms() {
    for (name, memory) in states() {
        let mut status = RemoteBackendStatus::default();
        memory.write(&mut status);
        insta::assert_json_snapshot!(name, status);
        assert_eq!(Memory::of(&status).as_ref(), Ok(&memory), "{name}");
        // As the version before leaves it: it knows nothing of the new form.
        status.memory = None;
        assert_eq!(Memory::of(&status), Ok(memory), "{name}");
    }
}

#[test]
fn what_the_version_before_has_written_since_counts() {
    for (name, before) in states() {
        for (later, after) in states() {
            let mut status = RemoteBackendStatus::default();
            before.write(&mut status);
            let kept = status.memory.take();
            after.write(&mut status);
            status.memory = kept;
            assert_eq!(Memory::of(&status), Ok(after), "{name}, then {later}");
        }
    }
}

#[test]
fn a_memory_that_cannot_be_read_is_kept_and_nothing_is_done() {
    let mut world = World::new();
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote);
    let known = world.status().memory;
    let unknown = serde_json::json!({ "progress": { "state": "SomethingLater" } });
    world.resource.status.as_mut().unwrap().memory = Some(unknown.clone());
    world.edit_config("kubectl-edit", &[("BACKEND", Some("crd"))]);
    let done = world.done.len();
    let end = world.now + SignedDuration::from_secs(120);
    while world.now < end {
        world.round();
        world.wait(5);
    }
    assert_eq!(world.done[done..], [] as [&str; 0]);
    assert_eq!(world.phase(), Phase::Degraded);
    let (_, reason, message) = world.condition("Ready");
    assert_eq!(reason, "MemoryUnreadable");
    assert!(message.contains("install that version again"), "{message}");
    assert_eq!(world.status().memory, Some(unknown));
    assert!(world.status().established, "what the version before reads stays");
    // That version is installed again.
    world.resource.status.as_mut().unwrap().memory = known;
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
}
