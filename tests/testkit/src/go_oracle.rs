//! Go programs of our own on Flotta's published modules, which say what Flotta itself would read or
//! write: built once per content, outside the clone, and asked one line of JSON at a time.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A program whose sources are the folder `name` beside this crate, built if that has not been done
/// yet. Needs Go.
///
/// # Errors
/// When the sources cannot be read or built, or neither `FLOTTA_CACHE` nor `HOME` says where built
/// programs are kept.
pub fn program(name: &str) -> Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let home = cache()?.join(name).join(fingerprint(&sources)?);
    let program = home.join(name);
    if !program.exists() {
        build(&sources, &home, &program)?;
    }
    Ok(program)
}

fn cache() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value: &OsString| !value.is_empty());
    if let Some(cache) = variable("FLOTTA_CACHE") {
        return Ok(cache.into());
    }
    let home =
        variable("HOME").context("HOME or FLOTTA_CACHE says where built programs are kept; set one")?;
    Ok(Path::new(&home).join(".cache/flotta-companion"))
}

fn fingerprint(sources: &Path) -> Result<String> {
    let entries = fs::read_dir(sources).with_context(|| format!("{} cannot be read", sources.display()))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update(fs::read(&file)?);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let first = digest.first_chunk().context("a digest has 32 bytes")?;
    Ok(format!("{:016x}", u64::from_be_bytes(*first)))
}

/// Builds beside the place and renames, so that of two builders at once either result is whole.
fn build(sources: &Path, home: &Path, program: &Path) -> Result<()> {
    fs::create_dir_all(home)?;
    let staging = tempfile::tempdir_in(home)?;
    let built = staging.path().join("program");
    let status = Command::new("go")
        // As tests/build-peers.sh builds, so that packages which both use are compiled once.
        .args(["build", "-mod=readonly", "-buildvcs=false", "-trimpath"])
        .args(["-gcflags=all=-dwarf=false", "-ldflags=-s -w", "-o"])
        .arg(&built)
        .arg(".")
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .status()
        .context("Flotta's own code is asked through a Go program; install Go 1.26 or newer")?;
    ensure!(status.success(), "building {} failed", sources.display());
    fs::rename(&built, program)?;
    Ok(())
}

/// A running program that answers each line with a line; it ends when its input does.
#[derive(Debug)]
pub struct Oracle {
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    /// Starts one, see [`program`].
    ///
    /// # Errors
    /// When it cannot be built or started.
    pub fn start(name: &str, arguments: &[&str]) -> Result<Self> {
        let mut process = Command::new(program(name)?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let questions = process.stdin.take();
        let answers = process.stdout.take().context("a pipe was asked for")?;
        Ok(Self {
            process,
            questions,
            answers: BufReader::new(answers),
        })
    }

    /// Its answer.
    ///
    /// # Errors
    /// When it has ended, or does not answer in JSON.
    pub fn ask(&mut self, question: &Value) -> Result<Value> {
        let questions = self
            .questions
            .as_mut()
            .context("its input is open until it is dropped")?;
        writeln!(questions, "{question}")?;
        questions.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        serde_json::from_str(&answer).with_context(|| format!("it answers {answer:?}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.questions.take());
        // A test that fails is no reason to wait for a program that may wait for it.
        if self.process.wait().is_err() {
            let _ = self.process.kill();
        }
    }
}
