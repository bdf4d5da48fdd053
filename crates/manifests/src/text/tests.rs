//! What a text may become in memory.

use std::fmt::Write as _;

use super::{Format, MAX_BYTES, Outcome, documents};

/// How many documents a text has, and why something of it is refused.
pub(super) fn read(text: &str, format: Format) -> (usize, Vec<String>) {
    let (mut count, mut faults) = (0, Vec::new());
    documents(text, format, &mut |outcome| match outcome {
        Outcome::Document(_) => count += 1,
        Outcome::Unreadable(unreadable) => faults.push(unreadable.reason),
        Outcome::MoreFaults(more) => faults.push(format!("{more} more")),
    });
    (count, faults)
}

/// Levels of aliases, each with sixteen of the one before, in a list or an object.
fn bomb(first: &str, open: &str, field: impl Fn(usize) -> String, close: &str) -> String {
    (1..9).fold(format!("a0: &a0 {first}\n"), |mut text, level| {
        let of = |index| format!("{}*a{}", field(index), level - 1);
        let aliases: Vec<String> = (0..16).map(of).collect();
        writeln!(text, "a{level}: &a{level} {open}{}{close}", aliases.join(", ")).unwrap();
        text
    })
}

#[test]
fn what_becomes_too_large_is_refused_as_soon_as_it_does() {
    let lists = bomb("[lol]", "[", |_| String::new(), "]");
    let objects = bomb("{a: b}", "{", |index| format!("k{index}: "), "}");
    let texts = bomb(&"x".repeat(1 << 20), "[", |_| String::new(), "]");
    let anchors = format!(
        "a: {}",
        "&a [".repeat(90) + &"x, ".repeat(100_000) + &"]".repeat(90)
    );
    let small = format!("[{}]", "{a: }, ".repeat(1_000_000));
    for (text, what) in [
        (lists, "lists"),
        (objects, "objects"),
        (texts, "texts"),
        (anchors, "anchors in one another"),
    ] {
        let (count, faults) = read(&text, Format::Any);
        assert!(
            count == 0 && faults.len() == 1 && faults[0].contains("by 32 MiB in memory by its anchors"),
            "{what}: {faults:?}"
        );
    }
    let (count, faults) = read(&small, Format::Any);
    assert!(
        count == 0 && faults.len() == 1 && faults[0].contains("larger than 256 MiB in memory"),
        "{faults:?}"
    );
    let json = format!("[{}1]", "{\"a\":1},".repeat(900_000));
    let (count, faults) = read(&json, Format::Json);
    assert!(
        count == 0 && faults.len() == 1 && faults[0].contains("larger than 256 MiB in memory"),
        "{faults:?}"
    );
}

#[test]
fn what_people_write_is_not_too_large() {
    // A file of the largest size, of many documents.
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: |\n{}---\n",
        "    some line of a file\n".repeat(20)
    );
    let maps = map.repeat(MAX_BYTES / map.len());
    assert_eq!(read(&maps, Format::Any), (MAX_BYTES / map.len(), Vec::new()));
    // As `kubectl get -o yaml` writes it: one document.
    let item = "- apiVersion: v1\n  kind: ConfigMap\n  metadata:\n    name: some-name\n    labels:\n      app.kubernetes.io/name: some\n  data:\n    \
                key: value of some length\n";
    let list = format!("kind: List\nitems:\n{}", item.repeat((4 << 20) / item.len()));
    assert_eq!(read(&list, Format::Any), (1, Vec::new()));
    // Many workloads that merge one base.
    let base = format!(
        "base: &base {{{}x: y}}\nall:\n",
        "key of some length: \"value\", "
    );
    let merged = format!("{base}{}", "- {<<: *base, name: some}\n".repeat(10_000));
    assert_eq!(read(&merged, Format::Any), (1, Vec::new()));
}
