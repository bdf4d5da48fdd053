//! The test-only Go program that writes YAML as Flotta does (`tests/go-yaml`).

use serde_json::{Value, json};
use testkit::go_oracle::Oracle;

/// A running `go-yaml`.
pub(crate) struct Go(Oracle);

impl Go {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self(Oracle::start("go-yaml", &[]).unwrap())
    }

    /// The YAML that Go makes of this value, read as this kind; or why it makes none.
    pub(crate) fn ask(&mut self, kind: &str, value: &Value) -> Result<String, String> {
        let answer = self.0.ask(&json!({"kind": kind, "json": value})).unwrap();
        match (answer["yaml"].as_str(), answer["error"].as_str()) {
            (Some(text), None) => Ok(text.to_owned()),
            (_, Some(error)) => Err(error.to_owned()),
            _ => panic!("go-yaml answers {answer}"),
        }
    }

    /// What Go makes of this value, if need be asked again until it is `expected`: some sets of
    /// keys Go sorts differently from one time to the next.
    pub(crate) fn ask_for(&mut self, kind: &str, value: &Value, expected: &str) -> Result<String, String> {
        let first = self.ask(kind, value)?;
        for _ in 0..200 {
            if first == expected || self.ask(kind, value)? == expected {
                return Ok(expected.to_owned());
            }
        }
        Ok(first)
    }
}
