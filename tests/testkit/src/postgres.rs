//! PostgreSQL as a process: Debian's server on a free port, its data in a temporary folder, a
//! database per test.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use uuid::Uuid;

use crate::net::free_port;
use crate::process::{self, Account, Process, Program, Signal};

const START: Duration = Duration::from_secs(30);

/// A running server, stopped and deleted when dropped.
#[derive(Debug)]
pub struct Postgres {
    process: Option<Process>,
    program: Program,
    binaries: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Postgres {
    /// Makes a new cluster of databases and starts a server on it.
    pub async fn start() -> Result<Self> {
        Self::start_also_at(&[]).await
    }

    /// The same, reachable at more addresses than the loopback. Who may log in from there is
    /// `pg_hba.conf`'s business, and by itself nobody may.
    pub async fn start_also_at(addresses: &[IpAddr]) -> Result<Self> {
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let addresses = [&["127.0.0.1".to_owned()], &addresses[..]].concat().join(",");
        let binaries = binaries()?;
        let account = unprivileged_account()?;
        let folder = tempfile::Builder::new().prefix("flotta-postgres-").tempdir()?;
        let data = folder.path().join("data");
        if let Some(Account { uid, gid }) = account {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))?;
        }
        initialise(&binaries, &data, folder.path(), account).await?;

        let port = free_port()?;
        let mut program = Program::new("postgres", binaries.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-h", &addresses, "-p", &port.to_string(), "-k", ""])
            // Durable on purpose: what a crash test finds afterwards has to have been on its way to
            // the disk.
            .args(["-c", "fsync=on", "-c", "max_connections=200"])
            // A fast shutdown does not wait for clients to leave.
            .stop_with(Signal::INT, Duration::from_secs(20));
        if let Some(account) = account {
            program = program.as_user(account);
        }
        let mut server = Self {
            process: None,
            program,
            binaries,
            port,
            folder,
        };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts a stopped server on the same data and port.
    pub async fn start_again(&mut self) -> Result<()> {
        let mut process = self.program.start(self.folder.path())?;
        let ready = self.binaries.join("pg_isready");
        let port = self.port.to_string();
        let answers = async || {
            let probe = Command::new(&ready)
                .args(["-q", "-h", "127.0.0.1", "-p", &port])
                .status();
            probe.is_ok_and(|status| status.success())
        };
        process
            .wait_until("it accepts connections", START, answers)
            .await?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops the server, breaking off what is under way; the data stays.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.stop()?;
        }
        Ok(())
    }

    /// Creates an empty database and returns its URL.
    pub fn create_database(&self) -> Result<String> {
        let name = format!("test_{}", Uuid::new_v4().simple());
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its data and its configuration files, which belong to who runs it.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs one statement with `psql` and returns its rows, columns separated by `|`.
    pub fn sql(&self, database: &str, statement: &str) -> Result<String> {
        let output = Command::new(self.binaries.join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-d",
                &self.url(database),
                "-c",
                statement,
            ])
            .output()?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

/// The newest version that Debian's packages have put on this machine.
fn binaries() -> Result<PathBuf> {
    let missing = "PostgreSQL's server is not installed; on Debian: apt-get install postgresql";
    let versions = fs::read_dir("/usr/lib/postgresql").context(missing)?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path().join("bin");
            folder.join("initdb").exists().then_some((version, folder))
        })
        .collect();
    found.sort();
    Ok(found.pop().context(missing)?.1)
}

/// PostgreSQL refuses to run as root; somebody else does it then.
fn unprivileged_account() -> Result<Option<Account>> {
    if !process::is_root() {
        return Ok(None);
    }
    let account = process::account("postgres").or_else(|| process::account("nobody"));
    Ok(Some(account.context(
        "running as root needs a user `postgres` or `nobody` to start PostgreSQL as",
    )?))
}

async fn initialise(binaries: &Path, data: &Path, log: &Path, account: Option<Account>) -> Result<()> {
    let mut program = Program::new("initdb", binaries.join("initdb"))
        .arg("-D")
        .arg(data)
        // Locale "C" and no sync: the cluster is a second old when it is thrown away.
        .args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]);
    if let Some(account) = account {
        program = program.as_user(account);
    }
    let mut initdb = program.start(log)?;
    let status = initdb.wait(START).await?;
    if !status.success() {
        bail!("initdb failed ({status}):\n{}", initdb.log_tail(20));
    }
    Ok(())
}
