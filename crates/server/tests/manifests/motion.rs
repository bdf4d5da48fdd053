//! A source in motion is not taken for a whole one: what is half written takes nothing off a
//! device.

use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::json;

use crate::{
    fleet::{files, names, version},
    parts::parts,
    world::{World, set},
};

/// The workloads of device `two`.
async fn held(world: &World) -> Vec<String> {
    let (status, told) = world.poll("two").await;
    assert_eq!(status, 200, "{told}");
    names(&told).0.into_iter().collect()
}

/// A file's first part, and the whole of it.
fn halves(name: &str, mark: &str) -> (String, String) {
    let whole = files().into_iter().find(|(file, _)| *file == name).unwrap().1;
    let end = whole[..whole.find(mark).unwrap()].rfind("---").unwrap();
    (whole[..end].to_owned(), whole)
}

#[tokio::test]
async fn a_file_that_is_written_in_two_steps_takes_nothing_away() {
    let world = World::serving(true).await;
    let before = world.poll("two").await;
    let (first, whole) = halves("workloads.yaml", "metadata: {name: own}");
    for pause in [1, 2, 3, 10, 29] {
        for step in ["", &first, &whole] {
            world.write("workloads.yaml", step);
            world.watch(pause).await;
            assert_eq!(world.poll("two").await, before, "after {pause} s of {step:?}");
        }
        assert_eq!(world.unconfirmed(), None, "after {pause} s");
    }
}

#[tokio::test]
async fn a_half_written_file_that_stays_so_waits_and_is_said_to() {
    let world = World::serving(true).await;
    let (first, whole) = halves("workloads.yaml", "metadata: {name: own}");
    world.write("workloads.yaml", &first);
    world.watch(5).await;
    let status = world.service().documents().status();
    let settling = status.sources[0].settling.clone().unwrap();
    assert!(
        settling.reason.contains("takes away EdgeWorkload default/own")
            && status.sources[0].faults.is_empty(),
        "{settling:?}"
    );
    let (_, view) = world.admin("GET", "/manifests", &serde_json::Value::Null).await;
    assert_eq!(
        view["sources"][0]["settling"]["digest"], settling.digest,
        "{view}"
    );
    assert_eq!(held(&world).await, ["own", "press", "watch"]);

    // A disk that was full stays so: it is a loss like any other then.
    world.watch(40).await;
    assert_eq!(world.unconfirmed(), Some(settling.digest));
    assert_eq!(held(&world).await, ["own", "press", "watch"]);
    world.write("workloads.yaml", &whole);
    world.watch(4).await;
    assert_eq!(world.unconfirmed(), None);
}

#[tokio::test]
async fn what_only_adds_counts_after_two_seconds_and_what_takes_away_after_thirty() {
    let mut world = World::stopped();
    world.allowed = edge_config_server::sources::Share::percent(100).unwrap();
    world.start().await;
    world.watch(2).await;
    let applied = world.service().documents().catalogue().unwrap().applied.len();
    assert_eq!(applied, 0, "it has just been seen");
    world.watch(1).await;
    world.join("two").await;
    assert_eq!(held(&world).await, ["own", "press", "watch"]);

    let more = "apiVersion: management.project-flotta.io/v1alpha1\nkind: EdgeWorkload\nmetadata: {name: more}\nspec: {type: pod, device: two, pod: {spec: {containers: [{name: c, image: i}, {name: d, image: i}]}}}\n";
    world.write("more.yaml", more);
    world.watch(2).await;
    assert_eq!(held(&world).await.len(), 3);
    world.watch(1).await;
    assert_eq!(held(&world).await.len(), 4);

    // A container, a label, a file: each is a loss.
    let without_container = more.replace(", {name: d, image: i}", "");
    for (name, text) in [
        ("more.yaml", Some(without_container.as_str())),
        ("more.yaml", None),
        ("devices.yaml", None),
    ] {
        let before = parts(&world.poll("two").await.1);
        match text {
            Some(text) => world.write(name, text),
            None => fs::remove_file(world.source().join(name)).unwrap(),
        }
        world.watch(30).await;
        assert_eq!(parts(&world.poll("two").await.1), before, "{name}");
        world.watch(1).await;
        assert_ne!(parts(&world.poll("two").await.1), before, "{name}");
    }
}

/// A file that ends inside of an object is read as well.
#[tokio::test]
async fn a_file_that_ends_inside_of_an_object_waits_as_one_that_lacks_another() {
    let world = World::serving(true).await;
    let whole = "apiVersion: management.project-flotta.io/v1alpha1
kind: EdgeWorkload
metadata: {name: more}
spec:
  type: pod
  device: two
  pod:
    spec:
      containers:
        - name: c
          image: registry.example/c:1
          env:
            - name: MODE
              value: quiet
            - name: LEVEL
              value: '4'
";
    let told = || async { version(&world.poll("two").await.1) };
    world.write("more.yaml", whole);
    world.watch(3).await;
    let before = told().await;
    for (mark, lacks) in [
        ("            - name: LEVEL", "spec.pod.spec.containers[0].env[1]"),
        ("et\n", "the end of spec.pod.spec.containers[0].env[0].value"),
        ("          env:", "spec.pod.spec.containers[0].env"),
    ] {
        let mut half = whole[..whole.find(mark).unwrap()].to_owned();
        if mark.starts_with("et") {
            half += "\n            - name: LEVEL\n              value: '4'\n";
        }
        world.write("more.yaml", &half);
        world.watch(30).await;
        assert_eq!(told().await, before, "{half}");
        let status = world.service().documents().status();
        let settling = status.sources[0].settling.as_ref().unwrap();
        let said = format!("takes away {lacks} of EdgeWorkload default/more; that counts");
        assert!(settling.reason.contains(&said), "{settling:?}");
        assert_eq!(world.unconfirmed(), None, "nobody is asked");
        world.write("more.yaml", whole);
        world.watch(3).await;
        assert_eq!(told().await, before);
    }

    // What changes otherwise counts at once, and what stays so counts as well.
    world.write("more.yaml", &whole.replace("c:1", "c:2"));
    world.watch(3).await;
    let after = told().await;
    assert_ne!(after, before);
    let half = whole[..whole.find("          env:").unwrap()].replace("c:1", "c:2");
    world.write("more.yaml", &half);
    world.watch(31).await;
    assert_ne!(told().await, after);
}

#[tokio::test]
async fn who_confirms_what_is_there_need_not_wait() {
    let world = World::serving(true).await;
    world.edit("workloads.yaml", "device: two", "device: nobody");
    world.watch(4).await;
    let settling = world.service().documents().status().sources[0]
        .settling
        .clone()
        .unwrap();
    assert_eq!(world.unconfirmed(), None, "nobody is bothered yet");
    assert_eq!(world.confirm("0000").await, 404);
    assert_eq!(world.confirm(&settling.digest).await, 200);
    world.watch(1).await;
    assert_eq!(held(&world).await, ["press", "watch"]);

    // It was said of that content alone.
    world.edit("workloads.yaml", "name: press}\nspec", "name: pres}\nspec");
    world.watch(29).await;
    assert_eq!(held(&world).await, ["press", "watch"]);
}

/// Over a network a look may take longer than the rest that is asked for.
#[tokio::test]
async fn the_time_that_a_look_takes_is_no_rest() {
    let world = World::serving(true).await;
    let (first, _) = halves("workloads.yaml", "metadata: {name: own}");
    world.write("workloads.yaml", &first);
    for look in 0..2 {
        world.look_slowly(60).await;
        let status = world.service().documents().status();
        assert!(
            world.unconfirmed().is_none() && status.sources[0].settling.is_none(),
            "it was read at look {look}"
        );
    }
    world.look_slowly(60).await;
    assert!(world.unconfirmed().is_some(), "it has rested between two looks");
}

#[tokio::test]
async fn what_changes_while_it_is_read_was_not_read() {
    let world = World::serving(true).await;
    let before = version(&world.poll("two").await.1);
    world.edit("maps.yaml", "limit: \"4\"", "limit: \"5\"");
    for round in 0..100 {
        // Longer each time: times alone may be of the same tick.
        world.write(
            "maps.yaml",
            &format!("{}\n{}", "#".repeat(round + 1), files()[2].1),
        );
        world.watch(1).await;
    }
    assert_eq!(version(&world.poll("two").await.1), before);
    let status = world.service().documents().status();
    assert!(
        status.sources[0].faults[0].contains("changes all the time"),
        "{status:?}"
    );
    world.write_all();
    world.watch(3).await;
    assert!(world.service().documents().status().sources[0].faults.is_empty());
}

fn lead(link: &Path, target: &str) {
    let draft = link.with_file_name("draft");
    symlink(target, &draft).unwrap();
    fs::rename(draft, link).unwrap();
}

/// Versions `1` with all, and `2` without the workload of device `two`, in folders of these names.
fn versions(at: &Path, names: [&str; 2]) {
    for (index, version) in names.into_iter().enumerate() {
        fs::create_dir_all(at.join(version)).unwrap();
        for (name, text) in files() {
            let text = if index == 1 {
                text.replace("device: two", "device: nobody")
            } else {
                text
            };
            fs::write(at.join(version).join(name), text).unwrap();
        }
    }
}

async fn all_at_once(prepare: impl Fn(&World), replace: impl Fn(&World)) {
    let mut world = World::stopped();
    world.allowed = edge_config_server::sources::Share::percent(100).unwrap();
    fs::remove_dir_all(world.source()).unwrap();
    prepare(&world);
    world.start().await;
    world.watch(3).await;
    world.join("two").await;
    assert_eq!(held(&world).await, ["own", "press", "watch"]);
    replace(&world);
    world.watch(2).await;
    assert_eq!(held(&world).await, ["own", "press", "watch"]);
    world.watch(1).await;
    assert_eq!(held(&world).await, ["press", "watch"], "it is whole");
    assert_eq!(set(&["press", "watch"]), names(&world.poll("two").await.1).0);
}

#[tokio::test]
async fn a_volume_that_is_replaced_at_once_is_whole() {
    let prepare = |world: &World| {
        let volume = world.source();
        fs::create_dir(&volume).unwrap();
        versions(&volume, ["..1", "..2"]);
        lead(&volume.join("..data"), "..1");
        for (name, _) in files() {
            symlink(format!("..data/{name}"), volume.join(name)).unwrap();
        }
    };
    all_at_once(prepare, |world| lead(&world.source().join("..data"), "..2")).await;
}

#[tokio::test]
async fn a_link_that_is_led_elsewhere_is_whole() {
    let prepare = |world: &World| {
        versions(world.folder(), ["v1", "v2"]);
        lead(&world.source(), "v1");
    };
    all_at_once(prepare, |world| lead(&world.source(), "v2")).await;
}

/// A copy of a mounted ConfigMap, say.
#[tokio::test]
async fn a_file_that_is_written_behind_the_link_of_a_volume_is_not() {
    let mut world = World::stopped();
    fs::remove_dir_all(world.source()).unwrap();
    let volume = world.source();
    fs::create_dir(&volume).unwrap();
    versions(&volume, ["..1", "..2"]);
    lead(&volume.join("..data"), "..1");
    for (name, _) in files() {
        symlink(format!("..data/{name}"), volume.join(name)).unwrap();
    }
    world.start().await;
    world.watch(3).await;
    world.join("two").await;
    let (first, whole) = halves("workloads.yaml", "metadata: {name: own}");
    world.write("workloads.yaml", &first);
    world.watch(29).await;
    assert_eq!(held(&world).await, ["own", "press", "watch"]);
    world.write("workloads.yaml", &whole);
    world.watch(3).await;
    assert_eq!(held(&world).await, ["own", "press", "watch"]);
}

/// What nobody was configured by yet is half written as well, and what a device runs is known by
/// its heartbeats then.
#[tokio::test]
async fn the_first_reading_takes_nothing_off_a_device_that_reports() {
    let mut world = World::stopped();
    let (first, whole) = halves("workloads.yaml", "metadata: {name: own}");
    world.write("workloads.yaml", &first);
    world.start().await;
    world.join_by_hand("two").await;
    let listed = ["own", "press", "watch"].map(|name| json!({"name": name, "status": "Running"}));
    let beat = json!({"status": "up", "version": "7", "workloads": listed, "events": []});
    assert_eq!(world.heartbeat("two", &beat).await, 200);
    world.watch(29).await;
    assert_eq!(world.poll("two").await.0, 503, "half of it was taken for all");
    world.watch(3).await;
    assert_eq!(world.poll("two").await.0, 503);
    assert!(world.unconfirmed().is_some(), "it is a loss like any other");
    world.write("workloads.yaml", &whole);
    world.watch(3).await;
    assert_eq!(held(&world).await, ["own", "press", "watch"]);
}
