//! The test-only Go program that writes YAML as Flotta does (`tests/go-yaml`): built once per content, outside the clone.

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
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/go-yaml");
        let home = cache().join("go-yaml").join(fingerprint(&sources));
        let program = home.join("go-yaml");
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
    let built = staging.path().join("go-yaml");
    let status = Command::new("go")
        .args(["build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-o"])
        .arg(&built)
        .arg(".")
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .status()
        .expect("how Flotta writes YAML is asked of a Go program: install Go 1.26 or newer");
    assert!(status.success(), "building {} failed", sources.display());
    fs::rename(&built, program).unwrap();
}

/// A running `go-yaml`; it ends when its input does.
pub(crate) struct Go {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Go {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let mut process = Command::new(program())
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

    /// The YAML that Go makes of this value, read as this kind; or why it makes none.
    pub(crate) fn ask(&mut self, kind: &str, value: &Value) -> Result<String, String> {
        let question = json!({"kind": kind, "json": value});
        writeln!(self.questions.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        match (answer["yaml"].as_str(), answer["error"].as_str()) {
            (Some(text), None) => Ok(text.to_owned()),
            (_, Some(error)) => Err(error.to_owned()),
            _ => panic!("go-yaml answers {line}"),
        }
    }
}

impl Go {
    /// What Go makes of this value, if need be asked again until it is `expected`: some sets of keys Go sorts differently
    /// from one time to the next.
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

impl Drop for Go {
    fn drop(&mut self) {
        drop(self.questions.take());
        let _ = self.process.wait();
    }
}
