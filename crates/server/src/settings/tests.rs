use std::fs;

use clap::{CommandFactory as _, FromArgMatches as _};

use super::{cli::Cli, *};

/// Reads a command line of `serve`. The environment of the test process has no `EDGE_CONFIG_`
/// variable.
fn resolve(arguments: &[&str]) -> Result<Settings, Faults> {
    let line = ["edge-config-server", "serve"].iter().chain(arguments);
    let matches = Cli::command().try_get_matches_from(line).unwrap();
    Settings::resolve(matches.subcommand().unwrap().1)
}

fn file(document: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, document).unwrap();
    file
}

/// Faults without the name of the temporary file.
fn faults(arguments: &[&str], file: &tempfile::NamedTempFile) -> String {
    let path = file.path().to_str().unwrap();
    let with_file = [arguments, &["--config", path]].concat();
    resolve(&with_file)
        .unwrap_err()
        .to_string()
        .replace(path, "settings.yaml")
}

fn help(subcommand: Option<&str>) -> String {
    let mut command = Cli::command().term_width(110);
    command.build();
    let command = match subcommand {
        Some(name) => command.find_subcommand_mut(name).unwrap(),
        None => &mut command,
    };
    command.render_long_help().to_string()
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
    let matches = Cli::command()
        .try_get_matches_from(["edge-config-server", "device", "list"])
        .unwrap();
    assert!(Cli::from_arg_matches(&matches).is_ok());
}

#[test]
fn help_reads_like_a_manual() {
    insta::assert_snapshot!("help", help(None));
    insta::assert_snapshot!("help-serve", help(Some("serve")));
    // `check` takes the settings of `serve`.
    assert!(
        help(Some("check"))
            .trim_end()
            .ends_with("2  the command line is wrong")
    );
}

#[test]
fn defaults_are_those_of_the_rules_and_the_store() {
    let settings = resolve(&["--insecure-http"]).unwrap();
    assert_eq!(settings.policy, Policy::default());
    assert_eq!(settings.bounds, Bounds::default());
    assert_eq!(settings.listen, "0.0.0.0:8080".parse().unwrap());
    assert_eq!(settings.limits.request, Duration::from_millis(800));
    assert_eq!(settings.limits.body, 1 << 20);
    assert_eq!(settings.memory, crate::service::MemoryLimits::default());
    assert_eq!(settings.limits.bodies, 16 << 20);
    assert_eq!(settings.shutdown_timeout, Duration::from_secs(10));
    assert!(settings.tls.is_none() && !settings.restored);
}

#[test]
fn a_flag_stands_above_the_file_and_the_file_above_a_default() {
    let file = file(
        "approval: auto\nmax-body: 2MiB\nlisten: 127.0.0.1:1\ninsecure-http: true\nmax-connections: 10\n",
    );
    let path = file.path().to_str().unwrap();
    let settings = resolve(&["--config", path, "--approval", "manual"]).unwrap();
    assert_eq!(settings.policy.approval, fleet::Approval::Manual);
    assert_eq!(settings.limits.body, 2 << 20);
    assert_eq!(settings.limits.connections, 10);
    assert_eq!(settings.listen, "127.0.0.1:1".parse().unwrap());
    assert_eq!(settings.limits.concurrent_requests, 1024);
}

#[test]
fn all_faults_are_told_together_each_with_its_origin() {
    let file = file("aproval: manual\nmax-body: 0\nlog-format: [json]\nidle-timeout: 5\nclient-pins: ''\n");
    let arguments = [
        "--listen",
        "8443",
        "--request-timeout",
        "fast",
        "--store",
        "mysql://root:secret@db/fleet",
    ];
    let faults = faults(&arguments, &file);
    assert!(!faults.contains("secret"));
    insta::assert_snapshot!("faults", faults);
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    insta::assert_snapshot!(
        "fault-no-mapping",
        faults(&["--insecure-http"], &file("- listen\n"))
    );
    insta::assert_snapshot!("fault-syntax", faults(&["--insecure-http"], &file("listen: [\n")));
    let missing = resolve(&["--insecure-http", "--config", "/nowhere/settings.yaml"]).unwrap_err();
    assert!(
        missing
            .to_string()
            .contains("config (command line) is \"/nowhere/settings.yaml\": it cannot be read")
    );
}

#[test]
fn a_password_is_read_from_its_file_and_shown_nowhere() {
    let password = file("hunter2&x\n");
    let path = password.path().to_str().unwrap();
    let url = "postgres://flotta:hunter2@db:5432/fleet?sslmode=require";
    let settings = resolve(&["--insecure-http", "--store", url, "--store-password-file", path]).unwrap();
    assert_eq!(settings.store.to_string(), "postgres://db:5432/fleet");
    assert!(!format!("{settings:?}").contains("hunter2"));
    let StoreLocation::Postgres(joined) = settings.store else {
        panic!("no database")
    };
    assert_eq!(joined.expose(), format!("{url}&password=hunter2%26x"));

    let senseless = resolve(&["--insecure-http", "--store-password-file", path]).unwrap_err();
    assert!(
        senseless
            .to_string()
            .contains("has no meaning for a store in a file")
    );
}

#[test]
fn truth_values_are_flags_and_values() {
    assert!(resolve(&["--insecure-http", "--restored"]).unwrap().restored);
    assert!(
        !resolve(&["--insecure-http=true", "--restored=false"])
            .unwrap()
            .restored
    );
}
