//! What a hand, a disk or a volume does to a folder of manifests.

use std::{fs, path::Path};

use crate::fleet::files;

pub(crate) fn remove(at: &Path, name: &str) {
    fs::remove_file(at.join(name)).unwrap();
}

pub(crate) fn empty(at: &Path) {
    for (name, _) in files() {
        remove(at, name);
    }
}

pub(crate) fn each(at: &Path, change: fn(&[u8]) -> Vec<u8>) {
    for (name, text) in files() {
        fs::write(at.join(name), change(text.as_bytes())).unwrap();
    }
}

pub(crate) fn text(at: &Path, name: &str) -> String {
    fs::read_to_string(at.join(name)).unwrap()
}

pub(crate) fn edit(at: &Path, name: &str, from: &str, to: &str) {
    let before = text(at, name);
    assert!(before.contains(from), "{name} has no {from:?}");
    fs::write(at.join(name), before.replace(from, to)).unwrap();
}

pub(crate) fn append(at: &Path, name: &str, more: &str) {
    fs::write(at.join(name), text(at, name) + more).unwrap();
}

pub(crate) fn cut(at: &Path, name: &str, length: usize) {
    fs::write(at.join(name), &text(at, name)[..length]).unwrap();
}

/// Ends a file after the last whole object before a text.
pub(crate) fn cut_before(at: &Path, name: &str, mark: &str) {
    let whole = text(at, name);
    let end = whole[..whole.find(mark).unwrap()].rfind("---").unwrap();
    fs::write(at.join(name), &whole[..end]).unwrap();
}

/// Takes one object out of a file.
pub(crate) fn without(at: &Path, file: &str, kind: &str, name: &str) {
    let whole = text(at, file);
    let kept: Vec<&str> = whole
        .split("---\n")
        .filter(|object| {
            let named = object.contains(&format!("name: {name}}}"))
                || object.contains(&format!("\n  name: {name}\n"));
            !(object.contains(&format!("kind: {kind}\n")) && named)
        })
        .collect();
    assert_eq!(
        kept.len() + 1,
        whole.split("---\n").count(),
        "{file} has no {kind} {name}"
    );
    fs::write(at.join(file), kept.join("---\n")).unwrap();
}
