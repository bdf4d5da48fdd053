//! The test-only Go program on Flotta's own models (`tests/go-models`).

use std::process::Command;

use serde_json::{Value, json};
use testkit::go_oracle::{self, Oracle};

/// A running `go-models echo`.
pub(crate) struct Echo(Oracle);

impl Echo {
    /// Starts one.
    pub(crate) fn start() -> Self {
        Self(Oracle::start("go-models", &["echo"]).unwrap())
    }

    /// What the Go model reads from this value, as it writes it; or why it does not read it.
    pub(crate) fn ask(&mut self, model: &str, value: &Value) -> Result<Value, String> {
        let mut answer = self.0.ask(&json!({ "model": model, "json": value })).unwrap();
        match answer["error"].take() {
            Value::String(error) => Err(error),
            _ => Ok(answer["json"].take()),
        }
    }
}

/// Random instances of every model, made by Go: model and value.
pub(crate) fn generated(seed: i64, count: u32) -> Vec<(String, Value)> {
    let output = Command::new(go_oracle::program("go-models").unwrap())
        .args(["generate", &seed.to_string(), &count.to_string()])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            (line["model"].as_str().unwrap().to_owned(), line["json"].take())
        })
        .collect()
}
