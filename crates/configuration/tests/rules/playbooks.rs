//! Which playbooks a device is to run.

use configuration::WantedPlaybook;
use manifests::Kind;

use super::world::{Device, World};

/// Two playbooks, `one` and `two`.
const CONFIG: &str = "
apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeConfig
metadata: {name: ntp}
spec:
  edgePlaybook:
    playbooks:
      - {content: b25l, executionStrategy: RetryOnFailure}
      - {content: dHdv, executionStrategy: ExecuteOnce}
";

const EXECUTION: &str = "
apiVersion: management.project-flotta.io/v1alpha1
kind: PlaybookExecution
metadata: {name: press-1-reboot}
spec: {playbook: {content: dGhyZWU=}}
";

fn wanted(config: &str, content: &str, retry: bool) -> WantedPlaybook {
    WantedPlaybook {
        config: config.to_owned(),
        content: content.to_owned(),
        retry,
    }
}

fn of(device: &Device, world: &World) -> Vec<WantedPlaybook> {
    world.catalogue().playbooks(&device.subject())
}

#[test]
fn each_playbook_of_the_edge_config_that_a_label_names_in_its_order() {
    let labelled = Device::new("press-1").labelled("config/device-by-config", "ntp");
    // Labelled first: there is nothing, and it is no error.
    let mut world = World::of(EXECUTION);
    assert_eq!(of(&labelled, &world), []);
    world.apply(CONFIG);
    assert_eq!(
        of(&labelled, &world),
        [wanted("ntp", "one", true), wanted("ntp", "two", false)]
    );
    assert_eq!(of(&Device::new("press-1"), &world), []);
    assert_eq!(
        of(
            &labelled.clone().labelled("config/device-by-config", "other"),
            &world
        ),
        []
    );
    let mut elsewhere = labelled.clone();
    elsewhere.namespace = contract::Namespace::parse("plant-a").unwrap();
    assert_eq!(of(&elsewhere, &world), []);
    world.remove(Kind::EdgeConfig, "ntp");
    assert_eq!(of(&labelled, &world), []);
}

#[test]
fn a_playbook_execution_is_for_the_device_that_its_name_begins_with() {
    let world = World::of(&format!("{CONFIG}\n---\n{EXECUTION}"));
    let three = wanted("reboot", "three", false);
    // Any key will do for these, as with Flotta.
    for key in ["config/device-by-config", "config/x", "config/"] {
        assert_eq!(
            of(&Device::new("press-1").labelled(key, "reboot"), &world),
            std::slice::from_ref(&three),
            "{key}"
        );
    }
    for (id, key) in [
        ("press-2", "config/x"),
        ("press-1", "configuration/x"),
        ("press-1", "x"),
    ] {
        assert_eq!(
            of(&Device::new(id).labelled(key, "reboot"), &world),
            [],
            "{id} {key}"
        );
    }
    let both = Device::new("press-1")
        .labelled("config/device-by-config", "ntp")
        .labelled("config/more", "reboot");
    assert_eq!(
        of(&both, &world),
        [wanted("ntp", "one", true), wanted("ntp", "two", false), three]
    );
    // An EdgeConfig is named by its own key alone.
    assert_eq!(
        of(&Device::new("press-1").labelled("config/x", "ntp"), &world),
        []
    );
}

#[test]
fn an_edge_config_without_playbooks_and_content_that_is_no_text_ask_for_nothing() {
    let labelled = Device::new("press-1").labelled("config/device-by-config", "ntp");
    let mut world = World::default();
    world.apply(
        "{apiVersion: management.project-flotta.io/v1alpha1, kind: EdgeConfig, metadata: {name: ntp}, spec: {}}",
    );
    assert_eq!(of(&labelled, &world), []);
    for content in ["/w==", "no base64"] {
        world.force(CONFIG, |config| {
            config.document["spec"]["edgePlaybook"]["playbooks"][0]["content"] = content.into();
        });
        assert_eq!(of(&labelled, &world), [wanted("ntp", "two", false)], "{content}");
    }
}
