//! The test-only Go program on Flotta's own models (`tests/go-models`): built once per content, outside the clone.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The program, built if it is not there yet.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/go-models");
        let home = cache().join("go-models").join(fingerprint(&sources));
        let program = home.join("go-models");
        if !program.exists() {
            build(&sources, &home, &program);
        }
        program
    })
}

fn cache() -> PathBuf {
    match env::var_os("FLOTTA_CACHE") {
        Some(cache) => cache.into(),
        None => {
            Path::new(&env::var_os("HOME").expect("HOME or FLOTTA_CACHE says where built programs are kept"))
                .join(".cache/flotta-companion")
        }
    }
}

fn fingerprint(sources: &Path) -> String {
    let mut files: Vec<_> = fs::read_dir(sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.file_name().unwrap().as_encoded_bytes());
        hash.update(fs::read(&file).unwrap());
    }
    let digest: [u8; 32] = hash.finalize().into();
    format!("{:016x}", u64::from_be_bytes(*digest.first_chunk().unwrap()))
}

/// Builds beside the place and renames, so that of two builders at once either result is whole.
fn build(sources: &Path, home: &Path, program: &Path) {
    fs::create_dir_all(home).unwrap();
    let staging = tempfile::tempdir_in(home).unwrap();
    let built = staging.path().join("go-models");
    let status = Command::new("go")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-o"])
        .arg(&built)
        .arg(".")
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .status()
        .expect("Flotta's own models are asked through a Go program: install Go 1.26 or newer");
    assert!(status.success(), "building {} failed", sources.display());
    fs::rename(&built, program).unwrap();
}

/// A running `go-models echo`; it ends when its input does.
pub(crate) struct Echo {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Echo {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let mut process = Command::new(program())
            .arg("echo")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let questions = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            questions,
            answers,
        }
    }

    /// What the Go model reads from this value, as it writes it; or why it does not read it.
    pub(crate) fn ask(&mut self, model: &str, value: &Value) -> Result<Value, String> {
        let questions = self.questions.as_mut().unwrap();
        writeln!(questions, "{}", json!({ "model": model, "json": value })).unwrap();
        questions.flush().unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let mut answer: Value = serde_json::from_str(&answer).expect("an answer for each question");
        match answer["error"].take() {
            Value::String(error) => Err(error),
            _ => Ok(answer["json"].take()),
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        drop(self.questions.take());
        // A test that fails is no reason to wait for a program that may wait for it.
        if self.process.wait().is_err() {
            let _ = self.process.kill();
        }
    }
}

/// Random instances of every model, made by Go: model and value.
pub(crate) fn generated(seed: i64, count: u32) -> Vec<(String, Value)> {
    let output = Command::new(program())
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
