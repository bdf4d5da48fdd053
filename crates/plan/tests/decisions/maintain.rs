//! After the proof: what is reverted, what is restarted, and what is only reported.

use std::collections::BTreeMap;

use plan::api::{BackendInForce, Phase};

use crate::world::{Material, World};

type Spoil = fn(&mut World, &Material);

/// `flotta-ca` with something behind its certificate.
fn followed_by(material: &Material, text: &str) -> BTreeMap<String, String> {
    let mut secret = material.ca_secret.clone();
    secret.insert("ca.crt".into(), material.ca.pem() + text);
    secret
}

#[test]
fn a_setting_changed_by_hand_is_set_right_without_a_restart() {
    let mut world = World::switched();
    world.edit_config("kubectl-edit", &[("BACKEND", Some("crd"))]);
    world.run(30);
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
    assert_eq!((world.phase(), world.starts), (Phase::Remote, 0));
    world.edit_config("kubectl-edit", &[("REMOTE_BACKEND_URL", None)]);
    world.run(30);
    assert_eq!(
        world.setting("REMOTE_BACKEND_URL").as_deref(),
        Some(crate::world::URL)
    );
    assert_eq!(world.starts, 0);
}

#[test]
fn a_store_that_cannot_be_written_is_told_and_changes_nothing() {
    let mut world = World::switched();
    world.ours[0].store_not_writable = Some("its disk is full".into());
    world.run(60);
    let (status, reason, message) = world.condition("Degraded");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "StoreNotWritable"));
    assert!(message.contains("its disk is full"), "{message}");
    assert!(world.serves_remotely());
    assert_eq!(world.starts, 0);
    world.ours[0].store_not_writable = None;
    world.run(60);
    assert_eq!((world.phase(), world.starts), (Phase::Remote, 0));
}

#[test]
fn a_deployment_replaced_by_hand_gets_back_what_it_lost() {
    let mut world = World::switched();
    world.deploy();
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
    assert!(world.serves_remotely());
    assert!(world.starts <= 2, "one restart by whoever replaced it, one by us");
}

#[test]
fn a_host_certificate_rotated_properly_by_hand_restarts_once() {
    let mut world = World::switched();
    let rotated = world.material.rotated();
    world.put_material(&rotated, "cert-tool");
    world.run(60);
    assert_eq!(
        (world.phase(), world.starts),
        (Phase::Remote, 1),
        "{:#?}",
        world.status()
    );
    let pins = world.server_secret.as_ref().unwrap()["data"]["pins"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        pins.contains(&rotated.host_key) && !pins.contains(&world.material.host_key),
        "{pins}"
    );
}

/// Devices are served, so that it is said and nothing else is done.
#[test]
fn manifests_that_are_not_taken_over_are_reported_and_fixed_by_nobody() {
    let mut world = World::switched();
    for (waits, faulty, unconfirmed, reason, words) in [
        (false, 1, 0, "ManifestsRejected", "they have faults"),
        (false, 1, 1, "ManifestsRejected", "waits for a confirmation"),
        (
            true,
            1,
            0,
            "ManifestsPending",
            "cannot configure devices that come over",
        ),
    ] {
        let manifests = &mut world.ours[0].manifests;
        (manifests.faulty, manifests.unconfirmed) = (faulty, unconfirmed);
        manifests.switch_waits_for = if waits {
            vec!["never taken over".into()]
        } else {
            Vec::new()
        };
        world.run(60);
        let (status, told, message) = world.condition("Degraded");
        assert_eq!((status.as_str(), told.as_str()), ("True", reason), "{message}");
        assert!(
            message.contains(words) && message.contains("server-0"),
            "{message}"
        );
        let (ready, told, _) = world.condition("Ready");
        assert_eq!(
            (ready.as_str(), told.as_str()),
            ("True", "Degraded"),
            "devices are served"
        );
        assert_eq!((world.phase(), world.starts), (Phase::Degraded, 0));
    }
    world.ours[0].manifests = crate::world::OurManifests::default();
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote);
}

#[test]
fn both_keys_may_connect_until_the_new_one_is_seen() {
    let mut world = World::switched();
    let rotated = world.material.rotated();
    world.put_material(&rotated, "cert-tool");
    while !world.done.ends_with(&["ApplyDeployment"]) || world.starts == 0 {
        let pins = world.ours[0].loaded["pins"].clone();
        assert!(
            pins.contains(&world.material.host_key),
            "the old key is let in until the restart"
        );
        let status = world.round().status;
        assert_eq!(status.blocked_by, Vec::<String>::new(), "a renewal is no trouble");
        let fails = |name: &str| {
            let condition = status.conditions.iter().find(|condition| condition.type_ == name);
            condition
                .filter(|condition| condition.status == "False")
                .map(|condition| condition.reason.clone())
        };
        assert_eq!(fails("BackendReachable"), None);
        assert!(fails("Verified").is_none_or(|reason| reason == "RollingOut"));
        world.now += jiff::SignedDuration::from_millis(10);
    }
    let pins = world.ours[0].loaded["pins"].clone();
    assert!(
        pins.contains(&rotated.host_key),
        "the new key was loaded before the restart"
    );
}

#[test]
fn material_that_we_would_not_have_written_restarts_nothing() {
    let foreign = Material::new();
    let spoils: [(&str, Spoil, &str); 7] = [
        (
            "a foreign pair",
            |world, foreign| world.put_material(foreign, "kubectl-edit"),
            "MaterialUntrusted",
        ),
        (
            "a mismatched pair",
            |world, foreign| {
                let mut data = world.material.ca_secret.clone();
                data.insert("ca.key".into(), foreign.ca_secret["ca.key"].clone());
                world.put_ca(&data, "kubectl-edit");
            },
            "MaterialUnusable",
        ),
        (
            "an empty CA",
            |world, _| world.put_ca(&BTreeMap::new(), "kubectl-edit"),
            "MaterialUnusable",
        ),
        ("no CA", |world, _| world.ca = None, "MaterialUnusable"),
        (
            "a foreign CA alone",
            |world, foreign| world.put_ca(&foreign.ca_secret, "kubectl-edit"),
            "MaterialUntrusted",
        ),
        (
            "another CA that only some programs read",
            |world, other| {
                let bundle = followed_by(&world.material, &format!("  {}", other.ca.pem()));
                world.put_ca(&bundle, "kubectl-edit");
            },
            "MaterialUntrusted",
        ),
        (
            "another CA without a line break in between",
            |world, other| {
                let mut bundle = world.material.ca_secret.clone();
                let first = world.material.ca.pem();
                bundle.insert("ca.crt".into(), first.trim_end().to_owned() + &other.ca.pem());
                world.put_ca(&bundle, "kubectl-edit");
            },
            "MaterialUnusable",
        ),
    ];
    for (what, spoil, reason) in spoils {
        let mut world = World::switched();
        let secret = world.server_secret.clone().unwrap()["data"]["ca.crt"].clone();
        spoil(&mut world, &foreign);
        world.run(120);
        assert_eq!(world.starts, 0, "{what}");
        assert!(world.serves_remotely(), "{what}: devices are served throughout");
        let (status, told, message) = world.condition("Trusted");
        assert_eq!(
            (status.as_str(), told.as_str()),
            ("False", reason),
            "{what}: {message}"
        );
        assert!(message.contains("next restart"), "{what}: {message}");
        // Who removed entries is not kept anywhere.
        if !matches!(what, "no CA" | "an empty CA") {
            assert!(message.contains("kubectl-edit"), "{what}: {message}");
        }
        assert_eq!(world.condition("Degraded").0, "True", "{what}");
        assert_eq!(world.phase(), Phase::Degraded, "{what}");
        assert_eq!(
            world.server_secret.as_ref().unwrap()["data"]["ca.crt"],
            secret,
            "{what}: it is not passed on"
        );
        // Put right again.
        let good = world.material.clone();
        if world.ca.is_none() {
            world.ca = world.host.clone();
            world.ca.as_mut().unwrap()["metadata"]["name"] = "flotta-ca".into();
        }
        world.put_material(&good, "kubectl-edit");
        world.run(60);
        assert_eq!(
            (world.phase(), world.starts),
            (Phase::Remote, 0),
            "{what}: {:#?}",
            world.status()
        );
    }
}

#[test]
fn a_lost_field_is_not_put_back_by_a_restart_on_bad_material() {
    let mut world = World::switched();
    world.put_ca(&Material::new().ca_secret, "kubectl-edit");
    world.run(10);
    let before = world.done.len();
    // Replacing the Deployment restarts it by itself; what we would add is one more restart on the
    // foreign CA.
    world.deploy();
    world.run(60);
    assert!(!world.done[before..].contains(&"ApplyDeployment"));
}

#[test]
fn an_outage_is_reported_and_leads_nowhere() {
    let mut world = World::switched();
    world.unreachable = true;
    world.restart_pod();
    world.run(1200);
    assert_eq!(world.phase(), Phase::Degraded);
    assert_eq!(world.condition("Ready").0, "False");
    assert_eq!(world.condition("BackendReachable").0, "False");
    assert_eq!(world.condition("Verified").0, "False");
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
    assert!(!world.done.iter().any(|action| action.starts_with("Restore")));
    world.unreachable = false;
    world.run(120);
    assert_eq!(world.phase(), Phase::Remote);
}

#[test]
fn a_server_that_is_gone_is_noticed_at_once() {
    let mut world = World::switched();
    world.ours.clear();
    world.run(15);
    assert_eq!(world.phase(), Phase::Degraded);
    assert_eq!(world.condition("Ready").0, "False");
    assert_eq!(world.condition("BackendReachable").0, "False");
    assert_eq!(world.setting("BACKEND").as_deref(), Some("remote"));
}

#[test]
fn a_restart_by_anybody_else_is_verified_again() {
    let mut world = World::switched();
    let before = world.status().verified.unwrap().pods;
    world.restart_pod();
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote);
    assert_ne!(world.status().verified.unwrap().pods, before);
}

#[test]
fn a_lost_volume_serves_nothing_until_a_person_says_so() {
    let mut world = World::switched();
    world.ours[0].store = "store-b".into();
    world.run(60);
    assert_eq!(world.phase(), Phase::Degraded);
    let blocked = world.status().blocked_by.join(" ");
    assert!(
        blocked.contains("store-b") && blocked.contains("acceptStoreId"),
        "{blocked}"
    );
    assert_eq!(world.status().store_id.as_deref(), Some("store-a"));
    world.resource.spec.backend.accept_store_id = Some("store-b".into());
    world.resource.metadata.generation = Some(2);
    world.run(60);
    assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
    assert_eq!(world.status().store_id.as_deref(), Some("store-b"));
}

#[test]
fn a_new_pod_of_the_server_gets_what_it_needs() {
    let mut world = World::switched();
    world.ours[0].uid = "server-0-again".into();
    world.ours[0].loaded.clear();
    world.ours[0].nudge = None;
    world.run(30);
    assert_eq!(world.phase(), Phase::Remote);
    assert_eq!(world.status().served.pods, "1/1");
}

#[test]
fn the_certificate_of_the_server_is_renewed_without_a_restart() {
    let mut world = World::switched();
    let before = world.status().served.certificate.unwrap();
    world.now += jiff::SignedDuration::from_hours(61 * 24);
    world.run(60);
    let after = world.status().served.certificate.unwrap();
    assert_ne!(before.fingerprint, after.fingerprint);
    assert_eq!(
        (world.phase(), world.starts),
        (Phase::Remote, 0),
        "{:#?}",
        world.status()
    );
    assert_eq!(world.status().backend, BackendInForce::Remote);
}

#[test]
fn a_missing_right_is_reported_while_devices_are_served() {
    let mut world = World::switched();
    world.missing_rights = vec!["the companion may not get Secret flotta-ca".into()];
    world.run(900);
    assert_eq!(world.phase(), Phase::Degraded);
    assert_eq!(world.condition("Ready").0, "True");
    assert!(world.serves_remotely());
}

#[test]
fn a_foreign_ca_is_not_trusted_where_the_status_was_lost() {
    let mut world = World::switched();
    world.resource.status = None;
    world.put_material(&Material::new(), "kubectl-edit");
    world.run(120);
    assert_eq!(world.starts, 0);
    assert_eq!(world.condition("Trusted").0, "False");
    assert!(world.serves_remotely());
}

#[test]
fn no_ca_is_trusted_for_a_bundle_that_cannot_be_read_where_the_status_was_lost() {
    let mut world = World::switched();
    world.resource.status = None;
    world.server_secret.as_mut().unwrap()["data"]["ca.crt"] = "-----BEGIN CERTIFICATE-----\n".into();
    world.put_material(&Material::new(), "kubectl-edit");
    world.run(120);
    assert_eq!(world.starts, 0);
    let (status, _, message) = world.condition("Trusted");
    assert_eq!(status, "False");
    assert!(
        message.contains("flotta-ca holds another CA than the first that our server has"),
        "{message}"
    );
}

/// Written by a version that did not look so closely: pods have what they could read, and say so.
#[test]
fn what_a_pod_could_not_read_of_its_bundle_is_told_and_keeps_nothing_back() {
    let mut world = World::switched();
    let bundle = followed_by(&world.material, &format!("  {}", Material::new().ca.pem()));
    world.put_ca(&bundle, "kubectl-edit");
    world.server_secret.as_mut().unwrap()["data"]["ca.crt"] = bundle["ca.crt"].clone().into();
    let pod = &mut world.ours[0];
    pod.loaded.insert("ca.crt".into(), bundle["ca.crt"].clone());
    world.run(60);
    let status = world.status();
    assert_eq!(status.served.pods, "1/1");
    let blocked = status.blocked_by.join("\n");
    assert!(
        blocked.contains("says: /etc/tls/ca.crt: PEM block 2 (line ")
            && blocked.contains("its BEGIN line is indented; remove the spaces in front of it"),
        "{blocked}"
    );
    assert_eq!(world.condition("Degraded").0, "True");
    assert_eq!(world.starts, 0);
}

#[test]
fn the_former_host_stays_in_the_certificate_until_the_url_is_switched() {
    let mut world = World::switched();
    world.resource.spec.backend.url = "https://elsewhere.example:8443/api/flotta-backend/v1".into();
    world.resource.metadata.generation = Some(2);
    world.run(60);
    // Nobody answers there, so the Edge API does not hear of it, and what it uses goes on.
    assert_eq!(
        world.setting("REMOTE_BACKEND_URL").as_deref(),
        Some(crate::world::URL)
    );
    assert_eq!(world.phase(), Phase::Degraded);
    assert!(world.serves_remotely());
    let names = pki::pem::certificates(world.ours[0].loaded["tls.crt"].as_bytes()).unwrap();
    let names = pki::Certificate::parse(names[0].clone())
        .unwrap()
        .facts()
        .names
        .clone();
    assert!(names.contains(&"elsewhere.example".to_owned()), "{names:?}");
    assert!(
        names.contains(&"edge-config-server.flotta.svc".to_owned()),
        "{names:?}"
    );
}

#[test]
fn a_new_url_that_cannot_be_verified_is_undone_and_said() {
    let mut world = World::switched();
    // It answers the companion, and not the Edge API.
    let elsewhere = "https://elsewhere.example:8443/api/flotta-backend/v1";
    world.answers_at = Some(elsewhere.to_owned());
    world.resource.spec.backend.url = elsewhere.into();
    world.resource.metadata.generation = Some(2);
    world.run(40);
    assert_eq!(
        world.setting("REMOTE_BACKEND_URL").as_deref(),
        Some(elsewhere),
        "{:#?}",
        world.status()
    );
    world.run(300);
    assert_eq!(
        world.setting("REMOTE_BACKEND_URL").as_deref(),
        Some(crate::world::URL)
    );
    assert!(world.serves_remotely());
    assert_eq!(world.phase(), Phase::Degraded);
    assert_eq!(world.condition("Ready").0, "True");
    assert!(world.status().blocked_by.join(" ").contains("correct the spec"));
    assert_eq!(world.starts, 2);
    world.resource.spec.backend.url = crate::world::URL.into();
    world.resource.metadata.generation = Some(3);
    world.run(60);
    assert_eq!(
        (world.phase(), world.starts),
        (Phase::Remote, 2),
        "{:#?}",
        world.status()
    );
}

#[test]
fn a_malformed_setting_is_told_before_it_ends_the_edge_api() {
    let mut world = World::switched();
    world.edit_config("kubectl-edit", &[("LOG_LEVEL", Some("loud"))]);
    world.run(60);
    assert_eq!((world.phase(), world.starts), (Phase::Degraded, 0));
    assert_eq!(world.condition("Ready").0, "True", "devices are served");
    let (_, reason, message) = world.condition("Degraded");
    assert_eq!(reason, "SettingsUnusable");
    assert!(message.contains("LOG_LEVEL"), "{message}");
}

#[test]
fn a_ca_renewed_with_its_key_restarts_once_and_is_passed_on_first() {
    let mut world = World::switched();
    let renewed = world.material.renewed();
    world.put_material(&renewed, "kubectl-edit");
    world.run(60);
    assert_eq!(
        (world.phase(), world.starts),
        (Phase::Remote, 1),
        "{:#?}",
        world.status()
    );
    assert!(world.serves_remotely());
    assert_eq!(world.ours[0].loaded["ca.crt"], renewed.ca_secret["ca.crt"]);
}
