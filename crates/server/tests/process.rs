//! The program as an operator meets it: it starts, says what it waits for, stops, and checks before
//! it is started.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use testkit::{
    pki::{Authority, Identity, KeyKind, Profile, Validity, write_server_folder},
    server::{Server, Settings},
};

const BINARY: &str = env!("CARGO_BIN_EXE_edge-config-server");

/// How long a condition may take; long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

struct Material {
    ca: Authority,
    host: Identity,
    server: Identity,
}

fn material(validity: Validity) -> Material {
    let ca = Authority::new(KeyKind::P256).unwrap();
    let host = ca.issue(&Profile::host()).unwrap();
    let server = ca
        .issue(&Profile::server(&["localhost"]).unwrap().valid(validity))
        .unwrap();
    Material { ca, host, server }
}

impl Material {
    fn write(&self, folder: &Path) {
        write_server_folder(
            folder,
            &self.server,
            &self.ca.pem(),
            &[self.host.key().fingerprint()],
        )
        .unwrap();
    }
}

async fn until_not_ready_because(server: &Server, reason: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "{}", server.log_tail());
        match server.ops("/readyz").await {
            Ok(answer) if answer.status == 503 && answer.text().contains(reason) => return,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

#[tokio::test]
async fn a_stop_by_signal_is_a_success_and_keeps_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Settings::new(folder.path()).binary(BINARY))
        .await
        .unwrap();
    let status = || async { server.ops("/status").await.unwrap().json().unwrap() };
    let before = status().await["store"].clone();
    assert!(before["id"].is_string() && before["epoch"].is_string());
    assert!(server.stop().unwrap().success());
    assert!(!folder.path().join("admin.sock").exists());
    server.start_again().await.unwrap();
    assert_eq!(
        server.ops("/status").await.unwrap().json().unwrap()["store"],
        before
    );
    assert!(server.stop().unwrap().success());
}

#[tokio::test]
async fn without_material_it_is_alive_says_what_it_waits_for_and_begins_when_it_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let tls = folder.path().join("tls");
    let mut server = Server::launch(Settings::new(folder.path()).binary(BINARY).tls(&tls)).unwrap();
    until_not_ready_because(&server, "(--tls-cert): it cannot be read").await;
    assert_eq!(server.ops("/healthz").await.unwrap().status, 200);
    material(Validity::Current).write(&tls);
    server.wait_until_ready().await.unwrap();
    let status = server.ops("/status").await.unwrap().json().unwrap();
    assert_eq!(status["tls"]["loaded"]["server"]["names"][0], "localhost");
    assert_eq!(status["tls"]["loaded"]["server"]["expiry"], "fine");
    assert_eq!(status["tls"]["loaded"]["pins"].as_array().unwrap().len(), 1);
    let metrics = server.ops("/metrics").await.unwrap().text();
    assert!(
        metrics.contains(r#"edge_config_certificate_expiry_timestamp_seconds{kind="server""#),
        "{metrics}"
    );
    assert!(server.stop().unwrap().success());
}

/// A volume as the kubelet makes it: files are links into `..data`, itself a link that is replaced
/// by a rename.
struct Volume {
    path: PathBuf,
    versions: u32,
}

impl Volume {
    fn new(path: PathBuf) -> Self {
        std::fs::create_dir(&path).unwrap();
        Self { path, versions: 0 }
    }

    fn put(&mut self, admission: &str) {
        self.versions += 1;
        let version = format!("..version-{}", self.versions);
        std::fs::create_dir(self.path.join(&version)).unwrap();
        std::fs::write(self.path.join(&version).join("admission"), admission).unwrap();
        symlink(&version, self.path.join("..data_tmp")).unwrap();
        std::fs::rename(self.path.join("..data_tmp"), self.path.join("..data")).unwrap();
        if self.versions == 1 {
            symlink("..data/admission", self.path.join("admission")).unwrap();
        }
    }
}

async fn until_admission(
    server: &Server,
    expected: impl Fn(&serde_json::Value) -> bool,
) -> serde_json::Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = server.ops("/status").await.unwrap().json().unwrap();
        if expected(&status["admission"]) {
            return status;
        }
        assert!(Instant::now() < deadline, "{status:#}\n{}", server.log_tail());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_admission_file_appears_late_is_swapped_by_its_link_and_may_be_bad() {
    let folder = tempfile::tempdir().unwrap();
    let mut volume = Volume::new(folder.path().join("volume"));
    let file = volume.path.join("admission");
    let mut server = Server::launch(
        Settings::new(folder.path())
            .binary(BINARY)
            .flags(["--admission", file.to_str().unwrap()]),
    )
    .unwrap();
    until_not_ready_because(&server, "waiting for the admission file: ").await;
    until_not_ready_because(&server, "(--admission): it cannot be read: No such file").await;
    let status = server.ops("/status").await.unwrap().json().unwrap();
    assert_eq!(status["admission"]["admission"], serde_json::Value::Null);

    volume.put("admission: Hold\n");
    server.wait_until_ready().await.unwrap();
    let status = until_admission(&server, |admission| admission["admission"] == "Hold").await;
    let id = status["store"]["id"].as_str().unwrap().to_owned();
    let expected =
        serde_json::json!({"admission": "Hold", "storeId": null, "faults": [], "faultsSince": null});
    assert_eq!(status["admission"], expected);

    volume.put("admission: Hold\nstoreld: typo\n");
    let status = until_admission(&server, |admission| admission["faults"] != serde_json::json!([])).await;
    assert_eq!(status["admission"]["admission"], "Hold");
    assert_eq!(
        server.ops("/readyz").await.unwrap().status,
        200,
        "it goes on with what it has"
    );

    volume.put(&format!("admission: Open\nstoreId: {id}\n"));
    let status = until_admission(&server, |admission| admission["admission"] == "Open").await;
    assert_eq!(
        (&status["admission"]["storeId"], &status["admission"]["faults"]),
        (&serde_json::json!(id), &serde_json::json!([]))
    );
    let metrics = server.ops("/metrics").await.unwrap().text();
    assert!(
        metrics.contains("edge_config_admission{admission=\"Open\"} 1\n"),
        "{metrics}"
    );

    std::fs::remove_file(&file).unwrap();
    until_admission(&server, |admission| admission["faults"] != serde_json::json!([])).await;
    server.wait_until_ready().await.unwrap();
    assert!(server.stop().unwrap().success());
}

#[tokio::test]
async fn a_store_that_came_in_the_place_of_a_lost_one_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut volume = Volume::new(folder.path().join("volume"));
    let file = volume.path.join("admission");
    let settings = Settings::new(folder.path())
        .binary(BINARY)
        .flags(["--admission", file.to_str().unwrap()]);
    volume.put("admission: Open");
    let mut server = Server::start(settings.clone()).await.unwrap();
    let status = server.ops("/status").await.unwrap().json().unwrap();
    let recorded = status["store"]["id"].as_str().unwrap().to_owned();
    volume.put(&format!("admission: Open\nstoreId: {recorded}"));
    assert!(server.stop().unwrap().success());

    let elsewhere = format!("sqlite:{}", folder.path().join("empty.db").display());
    let mut server = Server::launch(settings.store(elsewhere)).unwrap();
    until_not_ready_because(
        &server,
        &format!("but the fleet is recorded in store {recorded}: bring back"),
    )
    .await;
    let status = server.ops("/status").await.unwrap().json().unwrap();
    let present = status["store"]["id"].as_str().unwrap().to_owned();
    assert_eq!(status["admission"]["storeId"], serde_json::json!(recorded));
    // A person accepts it.
    volume.put(&format!("admission: Open\nstoreId: {present}"));
    server.wait_until_ready().await.unwrap();
    assert!(server.stop().unwrap().success());
}

#[test]
fn wrong_settings_end_the_start_with_their_own_exit_code() {
    let output = run(&[
        "serve",
        "--insecure-http",
        "--listen",
        "nowhere",
        "--max-body",
        "much",
    ]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.contains("listen (command line)") && told.contains("max-body (command line)"),
        "{told}"
    );
    assert_eq!(run(&["serve", "--no-such-flag"]).status.code(), Some(2));
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let away = Settings::new(folder.path())
        .binary(BINARY)
        .store("postgres://nobody@127.0.0.1:1/fleet");
    let mut server = Server::launch(away).unwrap();
    until_not_ready_because(&server, "waiting for the store").await;
    assert_eq!(server.ops("/healthz").await.unwrap().status, 200);
    assert!(server.stop().unwrap().success());
}

#[test]
fn the_environment_stands_between_command_line_and_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.yaml");
    std::fs::write(&file, "idle-timeout: of the file\n").unwrap();
    let told = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .args(["serve", "--listen", "a fault, so that nothing is started"])
            .args(arguments)
            .env("EDGE_CONFIG_CONFIG", &file)
            .env("EDGE_CONFIG_IDLE_TIMEOUT", "of the environment")
            .output()
            .unwrap();
        text(&output.stderr)
    };
    let environment =
        r#"idle-timeout (environment variable EDGE_CONFIG_IDLE_TIMEOUT) is "of the environment""#;
    assert!(told(&[]).contains(environment), "{}", told(&[]));
    let both = told(&["--idle-timeout", "of the line"]);
    assert!(
        both.contains(r#"idle-timeout (command line) is "of the line""#),
        "{both}"
    );
    assert!(!told(&["--idle-timeout", "5s"]).contains("idle-timeout"));
}

#[tokio::test]
async fn a_hangup_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Settings::new(folder.path()).binary(BINARY))
        .await
        .unwrap();
    let pid = server.process().id().to_string();
    assert!(
        Command::new("kill")
            .args(["-HUP", &pid])
            .status()
            .unwrap()
            .success()
    );
    server.wait_until_ready().await.unwrap();
    assert!(server.stop().unwrap().success());
}

#[test]
fn a_start_that_fails_says_why() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["serve", "--insecure-http", "--ops-listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.contains(&format!("{address} (--ops-listen) cannot be listened on")),
        "{told}"
    );
}

/// What `check` says about a folder, without the folder's name.
fn check(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (cert, key, ca, pins) = (path("tls.crt"), path("tls.key"), path("ca.crt"), path("pins"));
    let (store, socket) = (format!("sqlite:{}", path("fleet.db")), path("admin.sock"));
    let tls = [
        "--tls-cert",
        &cert,
        "--tls-key",
        &key,
        "--client-ca",
        &ca,
        "--client-pins",
        &pins,
    ];
    let given = more.contains(&"--store");
    let store = if given { &[][..] } else { &["--store", &store][..] };
    let rest = ["check", "--admin-socket", &socket];
    let output = run(&[&rest[..], store, &tls[..], more].concat());
    let told = text(&output.stdout).replace(folder.to_str().unwrap(), "FOLDER");
    (output.status.code(), told)
}

#[test]
fn check_finds_nothing_wrong_with_good_material() {
    let folder = tempfile::tempdir().unwrap();
    material(Validity::Current).write(folder.path());
    let (code, told) = check(folder.path(), &[]);
    assert_eq!(code, Some(0), "{told}");
    insta::assert_snapshot!("check-fine", told);
    assert!(!folder.path().join("fleet.db").exists(), "nothing is changed");
}

#[test]
fn check_tells_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    material(Validity::Expired).write(folder.path());
    std::fs::write(folder.path().join("ca.crt"), "").unwrap();
    std::fs::write(folder.path().join("pins"), "abc\n# fine\nxyz\n").unwrap();
    std::fs::write(folder.path().join("fleet.db"), "this is no database").unwrap();
    let (code, told) = check(folder.path(), &[]);
    assert_eq!(code, Some(1), "{told}");
    insta::assert_snapshot!("check-problems", told);
}

#[test]
fn check_says_that_a_start_could_make_no_store() {
    let folder = tempfile::tempdir().unwrap();
    material(Validity::Current).write(folder.path());
    let nowhere = folder.path().join("not-mounted/fleet.db");
    let (code, told) = check(
        folder.path(),
        &["--store", &format!("sqlite:{}", nowhere.display())],
    );
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("the folder FOLDER/not-mounted cannot be used") && told.contains("create it"),
        "{told}"
    );
    assert!(!told.contains("a start makes one"), "{told}");
}

#[tokio::test]
async fn check_says_whether_devices_would_be_served() {
    let folder = tempfile::tempdir().unwrap();
    material(Validity::Current).write(folder.path());
    let file = folder.path().join("admission");
    let said = |document: &str| {
        std::fs::write(&file, document).unwrap();
        let (code, told) = check(folder.path(), &["--admission", file.to_str().unwrap()]);
        let line = told.lines().find(|line| line.contains(" admission: ")).unwrap();
        (code, line.to_owned())
    };
    let other = "0198c0de-0000-7000-8000-000000000001";
    assert_eq!(
        said("admission: Hold"),
        (Some(0), "ok       admission: Hold, on any store".to_owned())
    );
    let lost = said(&format!("admission: Open\nstoreId: {other}"));
    assert_eq!(lost.0, Some(1));
    assert!(
        lost.1
            .starts_with("problem  admission: the fleet is recorded in store 0198c0de"),
        "{}",
        lost.1
    );
    let bad = said("admission: Open\nstore: x");
    assert_eq!(bad.0, Some(1));
    assert!(
        bad.1
            .contains("FOLDER/admission (--admission): there is no \"store\" in it"),
        "{}",
        bad.1
    );

    let mut server = Server::start(Settings::new(folder.path()).binary(BINARY))
        .await
        .unwrap();
    let id = server.ops("/status").await.unwrap().json().unwrap()["store"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(server.stop().unwrap().success());
    let right = said(&format!("admission: Closed\nstoreId: {id}"));
    assert_eq!(
        right,
        (Some(0), format!("ok       admission: Closed, on store {id}"))
    );
    let (code, foreign) = said(&format!("admission: Open\nstoreId: {other}"));
    assert_eq!(code, Some(1));
    assert!(
        foreign.contains(&format!(
            "this is store {id}, but the fleet is recorded in store {other}"
        )),
        "{foreign}"
    );
}

#[test]
fn check_warns_of_pins_that_are_surely_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let material = material(Validity::Current);
    let other = Authority::new(KeyKind::P256)
        .unwrap()
        .issue(&Profile::server(&["localhost"]).unwrap())
        .unwrap();
    let own = other.key().fingerprint();
    write_server_folder(folder.path(), &other, &material.ca.pem(), &[own]).unwrap();
    let (code, told) = check(folder.path(), &[]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("is this server's own key, not the Edge API's"),
        "{told}"
    );
    let faults = check(folder.path(), &["--idle-timeout", "soon"]);
    assert_eq!(faults.0, Some(1));
    assert!(
        faults
            .1
            .starts_with("problem  settings: idle-timeout (command line) is \"soon\""),
        "{}",
        faults.1
    );
}
