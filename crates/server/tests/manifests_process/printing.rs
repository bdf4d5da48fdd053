//! What a device sends is shown to people and does nothing to their terminals, whichever command
//! shows it.

use super::*;

/// Codes of a terminal, a title, hidden text, line breaks of all kinds, C1's form of an escape, a
/// text from the right.
const HOSTILE: &str =
    "Running\u{1b}[2K\r\ndefault/press  all well\u{1b}]0;owned\u{7}\u{9b}8m\u{2028}\u{85}\u{202e}";

/// What must not reach a terminal; the line feeds of the output itself are not looked at.
fn acts(text: &str) -> Option<char> {
    let direction = |c: char| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .find(|&character| character != '\n' && (character.is_control() || direction(character)))
}

fn heartbeat(status: &str, message: &str) -> Value {
    json!({
        "status": status,
        "version": status,
        "workloads": [{"name": "press", "status": status}, {"name": status, "status": status}],
        "events": [{"type": "warn", "reason": status, "message": message}],
        "hardware": {"hostname": status},
    })
}

#[tokio::test]
async fn nothing_of_a_device_acts_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("manifests");
    write(&source, 4, true);
    let settings = Settings::new(folder.path())
        .binary(BINARY)
        .flags(["--manifests", source.to_str().unwrap()])
        .flags(PATIENT);
    let mut server = Server::start(settings).await.unwrap();
    join(&server, "one").await;
    assert_eq!(poll(&server, "one").await.unwrap().0, 200);
    // Longer than the widest column that Rust's own padding takes.
    let long = "x".repeat(70_000);
    for text in [HOSTILE.to_owned(), format!("{HOSTILE}{long}")] {
        let answer = call(&server, "PUT", "one/heartbeat", &heartbeat(&text, &text)).await;
        assert_eq!(answer.unwrap().0, 200);
        for arguments in [
            ["device", "show", "one"].as_slice(),
            &["device", "list"],
            &["device", "strays"],
            &["workload", "list"],
            &["workload", "show", "default/press"],
            &["manifests", "status"],
            &["device", "show", "one", "-o", "json"],
            &["workload", "list", "-o", "json"],
        ] {
            let output = command(folder.path(), arguments);
            assert!(output.status.success(), "{arguments:?}: {}", said(&output));
            let told = said(&output);
            assert_eq!(acts(&told), None, "{arguments:?}: {told}");
            let begins = |line: &str| line.starts_with("default/press  all well");
            assert!(!told.lines().any(begins), "{arguments:?}: {told}");
            if !arguments.contains(&"json") {
                let longest = told.lines().map(|line| line.chars().count()).max();
                assert!(longest < Some(2100), "{arguments:?}: {longest:?}");
            }
        }
        // A program gets it as it came, as far as it is kept.
        let one = server.show("one").unwrap();
        let status = one["report"]["status"].as_str().unwrap();
        assert!(text.starts_with(status), "{status}");
        assert_eq!(status.len(), text.len().min(4096));
    }
    assert!(server.stop().unwrap().success());
}

#[tokio::test]
async fn a_refused_body_is_neither_logged_nor_echoed_at_length() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(Settings::new(folder.path()).binary(BINARY))
        .await
        .unwrap();
    let before = fs::metadata(server.process().log_file()).unwrap().len();
    let megabyte = format!("{HOSTILE}{}", "x".repeat(900_000));
    let body = json!({"status": "up", "workloads": megabyte});
    let (status, answer) = call(&server, "PUT", "one/heartbeat", &body).await.unwrap();
    assert_eq!(status, 400);
    let message = answer["message"].as_str().unwrap();
    assert!(message.len() < 2000 && acts(message).is_none(), "{message}");
    let log = fs::read_to_string(server.process().log_file()).unwrap();
    let grown = log.len() as u64 - before;
    assert!(log.contains("refused a body") && grown < 10_000, "{grown}");
    assert_eq!(acts(&log), None);
    assert!(server.stop().unwrap().success());
}
