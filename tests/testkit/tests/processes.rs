//! Children end with the value that holds them, and PostgreSQL keeps its data over a stop.

use std::path::Path;
use std::time::Duration;

use testkit::pki::{Authority, Identity, Key, KeyKind, Profile};
use testkit::postgres::Postgres;
use testkit::process::{Program, Signal, wait_until};

/// Whether a process is there and not a zombie.
fn alive(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[tokio::test]
async fn a_kill_that_comes_too_late_is_told() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::new("brief", "/bin/sh").args(["-c", "echo no such luck; exit 3"]);
    let mut process = program.start(folder.path())?;
    process.wait(Duration::from_secs(10)).await?;
    let told = process.kill().unwrap_err().to_string();
    assert!(
        told.contains("brief had ended by itself") && told.contains("no such luck"),
        "{told}"
    );
    Ok(())
}

#[test]
fn a_dropped_process_is_gone_even_when_it_ignores_the_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "trap '' TERM; echo started; while :; do sleep 0.05; done";
    let program = Program::new("stubborn", "/bin/sh").args(["-c", script]);
    let program = program.stop_with(Signal::TERM, Duration::from_millis(300));
    let process = program.start(folder.path()).expect("a process");
    while !process.log_tail(1).contains("started") {
        std::thread::yield_now();
    }
    let id = process.id();
    assert!(alive(id));
    drop(process);
    assert!(!alive(id));
}

#[tokio::test]
async fn a_process_that_ends_early_is_reported_with_its_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = Program::new("brief", "/bin/sh").args(["-c", "echo no such luck; exit 3"]);
    let mut process = program.start(folder.path()).expect("a process");
    let waited = process
        .wait_until("it is ready", Duration::from_secs(10), async || false)
        .await;
    let message = waited.expect_err("it never gets ready").to_string();
    assert!(
        message.contains("no such luck") && message.contains("exit status: 3"),
        "{message}"
    );
}

#[tokio::test]
async fn postgres_keeps_its_data_over_a_stop() -> anyhow::Result<()> {
    let mut postgres = Postgres::start().await?;
    let url = postgres.create_database()?;
    let database = url.rsplit('/').next().expect("a database").to_owned();
    postgres.sql(&database, "CREATE TABLE kept AS SELECT 42 AS answer")?;
    postgres.stop()?;
    assert!(
        postgres.sql(&database, "SELECT 1").is_err(),
        "a stopped server answers nobody"
    );
    postgres.start_again().await?;
    assert_eq!(postgres.sql(&database, "SELECT answer FROM kept")?, "42");
    Ok(())
}

/// What openssl makes of a PEM file; the reader of others, not our own.
fn openssl(args: &[&str], folder: &Path) -> anyhow::Result<String> {
    let output = std::process::Command::new("openssl")
        .args(args)
        .current_dir(folder)
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn keys_and_certificates_are_readable_by_others() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let authority = Authority::new(KeyKind::P256)?;
    for kind in [KeyKind::P256, KeyKind::Rsa] {
        let key = Key::generate(kind)?;
        std::fs::write(folder.path().join("key"), key.traditional_pem()?)?;
        assert!(openssl(&["pkey", "-in", "key", "-check", "-noout"], folder.path())?.contains("valid"));
        assert_eq!(
            Key::from_pem(&key.traditional_pem()?)?.fingerprint(),
            key.fingerprint()
        );
        assert_eq!(
            Key::from_pem(&key.traditional_pem()?)?.pkcs8_pem(),
            key.pkcs8_pem()
        );
        assert_eq!(Key::from_pem(&key.pkcs8_pem())?.fingerprint(), key.fingerprint());

        let device = authority.issue_for(&Profile::device("device-1", "factory"), &key)?;
        std::fs::write(folder.path().join("ca.crt"), authority.pem())?;
        std::fs::write(folder.path().join("device.crt"), device.certificate_pem())?;
        assert!(openssl(&["verify", "-CAfile", "ca.crt", "device.crt"], folder.path())?.contains("OK"));
        let subject = openssl(
            &["x509", "-in", "device.crt", "-noout", "-subject"],
            folder.path(),
        )?;
        assert!(
            subject.contains("OU = factory") && subject.contains("CN = device-1"),
            "{subject}"
        );

        let fingerprint =
            "openssl x509 -in device.crt -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum";
        let shell = std::process::Command::new("sh")
            .args(["-c", fingerprint])
            .current_dir(folder.path())
            .output()?;
        assert_eq!(
            String::from_utf8(shell.stdout)?.split(' ').next(),
            Some(key.fingerprint().as_str())
        );
        assert!(Identity::from_pem(&device.certificate_pem(), &key.traditional_pem()?).is_ok());
    }
    Ok(())
}

/// Run by the test below in a process of its own.
#[test]
#[ignore = "started by a_killed_test_leaves_no_children"]
fn holds_a_child_until_it_is_killed() {
    let folder = std::env::var("HOLDER_FOLDER").expect("the folder of the other test");
    let program = Program::new("child", "/bin/sleep").arg("600");
    let child = program.start(Path::new(&folder)).expect("a child");
    std::fs::write(Path::new(&folder).join("id"), child.id().to_string()).expect("a file");
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn a_killed_test_leaves_no_children() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let program = Program::new("holder", std::env::current_exe()?)
        .args(["--exact", "holds_a_child_until_it_is_killed", "--ignored"])
        .env("HOLDER_FOLDER", folder.path());
    let mut holder = program.start(folder.path())?;
    let id = || {
        std::fs::read_to_string(folder.path().join("id"))
            .ok()?
            .parse::<u32>()
            .ok()
    };
    let deadline = Duration::from_secs(30);
    holder
        .wait_until("it has a child", deadline, async || id().is_some())
        .await?;
    let child = id().expect("an id");
    assert!(alive(child));
    holder.kill()?;
    wait_until("the child to be gone", deadline, async || !alive(child)).await
}
