//! A change that takes workloads away waits for a confirmation, at one server and at several.

use super::*;

/// A confirmation at one of two servers is seen at the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_confirmed_at_one_server_waits_at_no_other() {
    let postgres = Postgres::start().await.unwrap();
    let url = postgres.create_database().unwrap();
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = here.path().join("manifests");
    write(&source, 4, true);
    let settings = |folder: &Path| {
        let settings = Settings::new(folder).binary(BINARY).store(&url);
        settings.flags(["--manifests", source.to_str().unwrap(), "--settle-removals", "1s"])
    };
    let mut one = Server::start(settings(here.path())).await.unwrap();
    let mut other = Server::start(settings(there.path())).await.unwrap();
    join(&one, "two").await;
    assert_eq!(names(&poll(&other, "two").await.unwrap().1).0.len(), 3);
    let path = source.join("workloads.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("device: two", "device: nobody")).unwrap();

    let of_source = |folder: &Path| {
        let told = command(folder, &["manifests", "status", "-o", "json"]);
        let status: Value = serde_json::from_slice(&told.stdout).unwrap();
        status["sources"][0].clone()
    };
    let both = [here.path(), there.path()];
    let waits = |folder: &Path| of_source(folder)["unconfirmed"].is_string();
    wait_until("both wait for a person", PATIENCE, async || {
        both.into_iter().all(waits)
    })
    .await
    .unwrap();
    for folder in both {
        assert_eq!(of_source(folder)["faults"].as_array().unwrap().len(), 1);
    }
    let waiting = of_source(there.path());
    let digest = waiting["unconfirmed"].as_str().unwrap();
    assert_ne!(waiting["digest"], digest);

    let confirmed = command(here.path(), &["manifests", "confirm", digest]);
    assert!(confirmed.status.success(), "{}", said(&confirmed));
    for folder in both {
        wait_until("it is taken over", PATIENCE, async || {
            of_source(folder)["digest"] == digest
        })
        .await
        .unwrap();
        let source = of_source(folder);
        assert_eq!(source["unconfirmed"], Value::Null, "{source}");
        assert_eq!(source["faults"], json!([]), "{source}");
    }
    let shown = said(&command(there.path(), &["manifests", "status"]));
    assert!(
        shown.contains("as it is in the source") && !shown.contains("confirm"),
        "{shown}"
    );
    for server in [&one, &other] {
        assert_eq!(names(&poll(server, "two").await.unwrap().1).0.len(), 2);
    }
    assert!(one.stop().unwrap().success());
    assert!(other.stop().unwrap().success());
}

/// What waits is shown with its digest, and goes on when it is confirmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_confirms_by_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("manifests");
    write(&source, 4, true);
    let settings = Settings::new(folder.path()).binary(BINARY).flags([
        "--manifests",
        source.to_str().unwrap(),
        "--settle-removals",
        "1s",
    ]);
    let mut server = Server::start(settings).await.unwrap();
    join(&server, "two").await;
    let before = poll(&server, "two").await.unwrap();
    assert_eq!(names(&before.1).0.len(), 3);
    let path = source.join("workloads.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("device: two", "device: nobody")).unwrap();
    let waiting = || {
        let told = command(folder.path(), &["manifests", "status", "-o", "json"]);
        let status: Value = serde_json::from_slice(&told.stdout).unwrap();
        status["sources"][0]["unconfirmed"].as_str().map(str::to_owned)
    };
    wait_until("it waits for a person", PATIENCE, async || waiting().is_some())
        .await
        .unwrap();
    assert_eq!(poll(&server, "two").await.unwrap(), before);
    let wrong = command(folder.path(), &["manifests", "confirm", "0123"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        said(&wrong).contains("nothing with digest 0123 waits for a person"),
        "{}",
        said(&wrong)
    );
    let digest = waiting().unwrap();
    let shown = said(&command(folder.path(), &["manifests", "status"]));
    assert!(
        shown.contains(&format!("edge-config-server manifests confirm {digest}")),
        "{shown}"
    );
    let confirmed = command(folder.path(), &["manifests", "confirm", &digest]);
    assert!(confirmed.status.success(), "{}", said(&confirmed));
    let gone = async || names(&poll(&server, "two").await.unwrap().1).0.len() == 2;
    wait_until("it is taken over", PATIENCE, gone).await.unwrap();
    assert!(server.stop().unwrap().success());

    let check = Command::new(BINARY)
        .args(["check", "--insecure-http", "--store"])
        .arg(format!("sqlite:{}", folder.path().join("fleet.db").display()))
        .args(["--manifests", "/nowhere/at/all"])
        .output()
        .unwrap();
    assert_eq!(check.status.code(), Some(1), "{}", said(&check));
    assert!(
        said(&check).contains("/nowhere/at/all cannot be read"),
        "{}",
        said(&check)
    );
}
