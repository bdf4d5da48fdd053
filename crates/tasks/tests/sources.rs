//! What runs beside a program's main task is either started as one of its `Tasks`, or in the list
//! below with the reason why its end does not go unseen.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// File of `crates`, how often it spawns, and who sees the end.
const ELSEWHERE: &[(&str, usize, &str)] = &[
    (
        "calls/src/exchange.rs",
        1,
        "a connection, which ends with its call",
    ),
    (
        "companion/src/cluster/watch.rs",
        1,
        "a watch is begun anew, and it is logged",
    ),
    (
        "companion/src/ops.rs",
        1,
        "a connection, whose caller sees its end",
    ),
    (
        "server/src/admin/client.rs",
        1,
        "a connection, which ends with its command",
    ),
    (
        "server/src/admin/plane.rs",
        2,
        "an act, which its caller waits for",
    ),
    (
        "server/src/sources/reading.rs",
        1,
        "a reading, which the follower waits for",
    ),
    (
        "server/src/sources/watch.rs",
        4,
        "one look or taking over, which the watch waits for",
    ),
    (
        "server/src/files.rs",
        2,
        "one look at a file, which is waited for",
    ),
    (
        "server/src/open.rs",
        1,
        "the opening of a store, which the start waits for",
    ),
    (
        "server/src/ops/shared.rs",
        1,
        "a question, which is asked anew where it met a defect",
    ),
    (
        "server/src/service/decide.rs",
        2,
        "a decision, which its request waits for",
    ),
    (
        "server/src/transport/mod.rs",
        1,
        "a connection, whose caller sees its end",
    ),
    (
        "store/src/defects.rs",
        2,
        "a task of a store: `Store::defect` tells its end",
    ),
    (
        "store/src/postgres/open.rs",
        1,
        "a connection, whose client sees its end",
    ),
    ("store/src/sqlite/files.rs", 1, "a thread of `Store::defect`"),
    (
        "store/src/sqlite/housekeeper.rs",
        1,
        "a thread of `Store::defect`",
    ),
    (
        "store/src/sqlite/mod.rs",
        2,
        "a thread of `Store::defect`, and the wait for its end",
    ),
    ("store/src/sqlite/readers.rs", 2, "a read, which is waited for"),
    ("tasks/src/lib.rs", 2, "a task and who waits for its end"),
];

/// What is started, by name.
const TASKS: &[(&str, &[&str])] = &[
    ("companion/src/restore.rs", &["the keeper of the Lease"]),
    (
        "companion/src/run.rs",
        &[
            "the keeper of the Lease",
            "the operations port",
            "the wait for a signal",
            "the watch of the Lease",
        ],
    ),
    (
        "server/src/run.rs",
        &[
            "the follower of the documents",
            "the look whether the store can be written",
            "the operations port",
            "the store",
            "the upkeep of the store",
            "the wait for a signal",
            "the watch of the TLS material",
            "the watch of the admission file",
            "the watch of the manifests",
        ],
    ),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// All sources of what ships, without their tests.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(crates()).unwrap() {
        collect(&entry.unwrap().path().join("src"), &mut found);
    }
    assert!(found.contains_key("server/src/run.rs"), "nothing is looked at");
    found
}

fn collect(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let ships = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let name = path.strip_prefix(crates()).unwrap().to_str().unwrap();
            found.insert(name.to_owned(), ships.to_owned());
        }
    }
}

fn spawns(text: &str) -> usize {
    const WORDS: [&str; 4] = ["spawn(", "spawn_blocking(", "spawn_local(", "spawn_on("];
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.map(|line| WORDS.iter().map(|word| line.matches(word).count()).sum::<usize>())
        .sum()
}

/// The names after `start(` and `start_endless(`, sorted.
fn started(text: &str) -> Vec<&str> {
    let calls = [".start(", ".start_endless("].map(|call| text.split(call).skip(1));
    let names = calls.into_iter().flatten().filter_map(|rest| {
        let name = rest.trim_start().strip_prefix('"')?;
        name.split('"').next()
    });
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[test]
fn nothing_is_spawned_whose_end_nobody_sees() {
    let found: BTreeMap<_, _> = sources()
        .into_iter()
        .map(|(file, text)| (file, spawns(&text)))
        .filter(|(_, count)| *count > 0)
        .collect();
    let listed: BTreeMap<_, _> = ELSEWHERE
        .iter()
        .map(|(file, count, _)| ((*file).to_owned(), *count))
        .collect();
    assert_eq!(
        found, listed,
        "start it as one of the program's Tasks, or say in this list who sees its end"
    );
}

#[test]
fn these_are_the_tasks_of_the_programs() {
    let sources = sources();
    let found: Vec<_> = sources
        .iter()
        .map(|(file, text)| (file.as_str(), started(text)))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    let listed: Vec<_> = TASKS
        .iter()
        .map(|(file, names)| (*file, names.to_vec()))
        .collect();
    assert_eq!(found, listed);
}
