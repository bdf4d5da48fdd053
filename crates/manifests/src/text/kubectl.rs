//! What is taken, kubectl reads the same: random texts, read here and by kubectl's own reader. More
//! may be refused here.
//!
//! Needs Go: kubectl's reader is asked through the program in `tests/kubectl-reader`, on the
//! published modules.

use std::cell::{Cell, RefCell};

use proptest::{
    collection,
    prelude::*,
    sample::select,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};
use testkit::go_oracle::Oracle;

use super::{Format, Outcome, documents};

const CASES: u32 = 20_000;

/// Documents, if nothing of the text is refused.
fn ours(text: &str) -> Option<Vec<Value>> {
    let mut values = Some(Vec::new());
    documents(text, Format::Any, &mut |outcome| match outcome {
        Outcome::Document(document) => values
            .iter_mut()
            .for_each(|values| values.push(document.value.clone())),
        Outcome::Unreadable(_) | Outcome::MoreFaults(_) => values = None,
    });
    values
}

/// How the two differ, if this is taken here; `Ok(false)` if it is not.
fn compare(kubectl: &mut Oracle, text: &str) -> Result<bool, String> {
    let Some(ours) = ours(text) else {
        return Ok(false);
    };
    let answer = kubectl.ask(&json!({"text": text})).unwrap();
    if let Some(error) = answer["error"].as_str() {
        // It is said of small texts as well.
        let is_a_bound = error.contains("excessive aliasing");
        return if is_a_bound {
            Ok(true)
        } else {
            Err(format!("kubectl refuses it: {error}; here it is {ours:?}"))
        };
    }
    let theirs = answer["documents"].as_array().unwrap();
    if theirs.len() == ours.len() && theirs.iter().zip(&ours).all(|(theirs, ours)| same(theirs, ours)) {
        Ok(true)
    } else {
        Err(format!("kubectl reads {theirs:?}, and here it is {ours:?}"))
    }
}

/// Equal, but for the last digit of a fraction and the way in which a number is kept.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            _ if one == other => true,
            (Some(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-15,
            _ => false,
        },
        (Value::Array(ones), Value::Array(others)) => {
            ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| same(one, other))
        }
        (Value::Object(ones), Value::Object(others)) => {
            ones.len() == others.len()
                && ones
                    .iter()
                    .all(|(key, one)| others.get(key).is_some_and(|other| same(one, other)))
        }
        (one, other) => one == other,
    }
}

#[test]
fn what_people_write_is_read_as_by_kubectl() {
    let mut kubectl = Oracle::start("kubectl-reader", &[]).unwrap();
    let mut wrong = Vec::new();
    for text in [
        "a: 1\n---\nb: [x, 'y', \"z\\n\"]\n",
        "{\"a\": 1}\n{\"b\": 2}\n",
        "{\"a\": 1}\n---\n{\"b\": 2}\n---\nc: d\n",
        "{a: 1, b: {c: [d, e]}}",
        "{\n\t\"a\": [\n\t\t1\n\t]\n}\n",
        "a:\n- b\n- c: d\n  e: f\n",
        "# comment\n\na: b # comment\n",
        "a: |\n  x\n  \ty\n\n  z\nb: >-\n  one\n  two\n\n  three\n",
        "a: |2-\n    x\n",
        "a: |2\n  \tx\n",
        "a: plain text\n  that goes on\n",
        "a: \"text that\n  goes on\"\nb: 'and\n\n  on'\n",
        "base: &base {a: 1}\nother:\n  <<: *base\n  b: 2\n",
        "one: &one {a: 1}\ntwo: &two {b: 1}\nboth: {<<: [*one, *two], c: 1}\n",
        "a: !!str 1\nb: !!str yes\n",
        "a: http://x/?y=z&a=b\nb: {c: http://x:80/, d: 'e?f'}\n",
        "a: 2022-10-14\nb: 0x1f\nc: 1_000\nd: 1e3\ne: ~\nf: 08\n",
        "a: b\r\nc: |\r\n  d\r\n---\r\ne: f\r\n",
        "\u{feff}a: b\n",
        "a: {}\nb: []\nc: ''\nd:\ne: null\n",
        "- a\n-\n  - b\n  -\n    c: d\n",
        "\"a b\": 'c'\n'd': e\n",
        "a: [\n  b,\n  c # comment\n  , d,\n]\n",
        "a: b\n...\n",
        "--- # first\na: b\n---\n---\n# nothing\n---\nc: d",
    ] {
        let compared = compare(&mut kubectl, text);
        if compared != Ok(true) {
            let faults = super::tests::read(text, Format::Any).1;
            wrong.push((text, compared, faults));
        }
    }
    assert_eq!(wrong, []);
}

#[test]
fn what_is_doubtful_is_refused() {
    let mut taken = Vec::new();
    for text in [
        "---# a\n",
        "{} #\n",
        "{}\n{}\n---\na: b\n",
        "{\"a\": 1}\nb: c\n",
        "\u{a0}{a: }",
        "\t\n---\na: b\n",
        "a: {b: c\n  // d\n  e: f}\n",
        "a: {b: c,\n  // d\n  \"e\": f}\n",
        "{a: 1,\n b\n c: 2}\n",
        "<<: &x {a: 1}\n<<: &y {a: 2}\n",
        "&x <<: {a: 1}\n",
        "x: &x [{a: 1}]\n<<: *x\n",
        "- a: [\n    0a, !!int ---\n\"1\"]\n",
        "a: [b\n  c]\n",
        "a: [b?c]\n",
        "a: {b:}\n",
        "a: {b, c: d}\n",
        "a: !!int 1\n",
        "a: !!map {}\n",
        "!!str a: 1\n",
        "a:\tb\n",
        "a: b\n\t\n",
        "a: |\n  \tb\n",
        "a b",
        "-\ta\n",
        "a: \t&b c\n",
        "? a\n: b\n",
        "&a.b c: d\n",
        "a: &b{c: d}\n",
        "a: b\n...\nc: d\n",
        "%YAML 1.1\n---\na: b\n",
        "--- a\n",
        "...\na: b\n",
        "a: b\u{2028}c\n",
        "a: b\rc: d\n",
    ] {
        if ours(text).is_some() {
            taken.push(text);
        }
    }
    assert_eq!(taken, Vec::<&str>::new());
}

/// What a text is made of; what the two readers differ about is among it.
fn piece() -> impl Strategy<Value = &'static str> {
    const PIECES: &[&str] = &[
        "a",
        "b",
        "cd",
        "1",
        "0",
        "~",
        "yes",
        "0a",
        "-",
        "--",
        "---",
        "...",
        ".",
        "?",
        ":",
        ",",
        "[",
        "]",
        "{",
        "}",
        "#",
        "&a",
        "*a",
        "&b",
        "*b",
        "!",
        "!!str ",
        "!!int ",
        "|",
        ">",
        "|-",
        ">+",
        "|2",
        "'",
        "\"",
        "%",
        "@",
        "`",
        "<<",
        "<<: *a",
        "\\",
        "\\n",
        "\\x41",
        "\\/",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\\U0001F600",
        "\\e",
        "\\'",
        "\t",
        " ",
        "  ",
        "\n",
        "\n",
        "\n\n",
        "\n  ",
        "\n    ",
        "\r\n",
        ": ",
        ": ",
        ": ",
        "- ",
        "- ",
        ", ",
        " #",
        "\n- ",
        "\n---\n",
        "\n...\n",
        "? ",
        "//",
        "\u{feff}",
        "\u{85}",
        "\u{2028}",
        "\u{a0}",
        "é",
        "\"a\": ",
        "{a: ",
        "[a, ",
        "1e3",
        "0x1",
        "1_0",
        "2001-01-01",
    ];
    select(PIECES)
}

/// A document that people might write, of any style.
fn written(depth: u32) -> BoxedStrategy<String> {
    let scalar = prop_oneof![
        4 => select(&["a", "b c", "1", "true", "~", "http://x?y", "-1", "0777", "1.5", "a:b", "a#b", "-x"][..]).prop_map(str::to_owned),
        1 => select(&["'a'", "\"b\\n\"", "'it''s'", "\"\"", "\"a\\/b\"", "\"\\ud83d\\ude00\"", "\"\\u00e9\"", "!!str 1", "*a", "&a x", "{}", "[]", "", "\"a\n   b\"", "a\n   b"][..])
            .prop_map(str::to_owned),
        1 => select(&["|\n   x\n    y\n", ">-\n   x\n   y\n\n   z", "|+\n   x\n\n", "|2\n     x"][..]).prop_map(str::to_owned),
    ];
    if depth == 0 {
        return scalar.boxed();
    }
    let keys = || select(&["a", "b", "\"c\"", "'d'", "e f", "<<", "1"][..]);
    let inner = || written(depth - 1);
    let indented = |text: String| text.replace('\n', "\n  ");
    prop_oneof![
        2 => scalar,
        3 => collection::vec((keys(), inner()), 1..4).prop_map(move |fields| {
            let fields = fields.into_iter().map(|(key, value)| format!("\n{key}: {}", indented(value)));
            fields.collect::<Vec<_>>().concat()
        }),
        2 => collection::vec(inner(), 1..4).prop_map(move |list| {
            let entries: Vec<_> = list.into_iter().map(|value| format!("\n- {}", indented(value))).collect();
            entries.concat()
        }),
        2 => (collection::vec((keys(), inner()), 0..4), select(&[", ", ",\n", ",", " # x\n, "][..])).prop_map(|(fields, comma)| {
            let fields: Vec<_> = fields.into_iter().map(|(key, value)| format!("{key}: {}", value.trim_start())).collect();
            format!("{{{}}}", fields.join(comma))
        }),
        1 => collection::vec(inner(), 0..4).prop_map(|list| format!("[{}]", list.join(", "))),
    ]
    .boxed()
}

/// Such a document with a few pieces put in or in the place of others.
fn damaged() -> impl Strategy<Value = String> {
    let changes = collection::vec((any::<prop::sample::Index>(), piece(), 0..3_usize), 0..4);
    (written(3), changes).prop_map(|(text, changes)| {
        let mut letters: Vec<char> = text.trim_start().chars().collect();
        for (place, piece, without) in changes {
            let at = place.index(letters.len() + 1);
            let end = letters.len().min(at + without);
            letters.splice(at..end, piece.chars());
        }
        letters.into_iter().collect()
    })
}

fn compared(texts: &impl Strategy<Value = String>) -> u32 {
    let kubectl = RefCell::new(Oracle::start("kubectl-reader", &[]).unwrap());
    let taken = Cell::new(0);
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // The same texts each time: what is new to find is found by more of them, not by chance in
    // somebody else's change.
    let generator = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let outcome = TestRunner::new_with_rng(config, generator).run(texts, |text| {
        let is_taken = compare(&mut kubectl.borrow_mut(), &text).map_err(TestCaseError::fail)?;
        taken.set(taken.get() + u32::from(is_taken));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    taken.get()
}

#[test]
fn pieces_of_yaml_are_read_as_by_kubectl_or_refused() {
    let soup = collection::vec(piece(), 0..14).prop_map(|pieces| pieces.concat());
    let taken = compared(&soup);
    assert!(taken > CASES / 50, "only {taken} were taken");
}

#[test]
fn documents_with_a_mistake_are_read_as_by_kubectl_or_refused() {
    let taken = compared(&damaged());
    assert!(taken > CASES / 10, "only {taken} were taken");
}
