//! Child processes of a test: their output goes to a file, and they end with the value that holds
//! them.
//!
//! A test that is itself killed cannot clean up, so each child runs under `setpriv --pdeathsig`:
//! the kernel ends it when its parent is gone. Linux ties that to the *thread* that started the
//! child, which is why one thread that lives as long as the process starts them all. Process groups
//! were rejected: they keep a Ctrl-C from reaching the children.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::future::Future;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, kill_process};

pub use rustix::process::Signal;

/// How often a condition is looked at again.
const TICK: Duration = Duration::from_millis(20);

/// What to start, and how it is to be ended.
#[derive(Debug)]
pub struct Program {
    name: String,
    path: PathBuf,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    user: Option<Account>,
    stop_signal: Signal,
    grace: Duration,
}

/// A user and group id to run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
}

impl Program {
    /// A program at `path`; `name` is what it is called in messages and log file names.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            args: Vec::new(),
            environment: Vec::new(),
            user: None,
            stop_signal: Signal::TERM,
            grace: Duration::from_secs(10),
        }
    }

    /// Appends one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable, on top of those of this process.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Runs as another user; needs root.
    #[must_use]
    pub fn as_user(mut self, account: Account) -> Self {
        self.user = Some(account);
        self
    }

    /// The signal that asks this program to end (SIGTERM by default), and how long it may take
    /// before SIGKILL.
    #[must_use]
    pub fn stop_with(mut self, signal: Signal, grace: Duration) -> Self {
        self.stop_signal = signal;
        self.grace = grace;
        self
    }

    /// Starts it; output is appended to `<folder>/<name>.log`.
    pub fn start(&self, log_folder: &Path) -> Result<Process> {
        if !self.path.exists() {
            bail!("cannot start {}: there is no {}", self.name, self.path.display());
        }
        let log = log_folder.join(format!("{}.log", self.name));
        let output = File::options().create(true).append(true).open(&log);
        let output = output.with_context(|| format!("cannot write the log file {}", log.display()))?;

        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=KILL");
        if let Some(Account { uid, gid }) = self.user {
            command.args([
                format!("--reuid={uid}"),
                format!("--regid={gid}"),
                "--clear-groups".into(),
            ]);
        }
        command
            .arg("--")
            .arg(&self.path)
            .args(&self.args)
            .envs(self.environment.iter().cloned());
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = start_from_lasting_thread(command)
            .with_context(|| format!("cannot start {} (is setpriv of util-linux installed?)", self.name))?;
        Ok(Process {
            name: self.name.clone(),
            child,
            log,
            stop_signal: self.stop_signal,
            grace: self.grace,
        })
    }
}

type Request = (Command, mpsc::Sender<std::io::Result<Child>>);

fn start_from_lasting_thread(command: Command) -> Result<Child> {
    static STARTER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, answer) in requests {
                // The caller may have gone away; its child then ends with the dropped handle's
                // owner, this process.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (sender, answer) = mpsc::channel();
    starter
        .send((command, sender))
        .map_err(|_| anyhow!("the thread that starts processes has ended"))?;
    Ok(answer
        .recv()
        .context("the thread that starts processes has ended")??)
}

/// A running child. Dropping it ends it: the stop signal, then SIGKILL after the grace.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    stop_signal: Signal,
    grace: Duration,
}

impl Process {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// The last lines of its output, for messages.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("no such process id")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// `kill -9`, and waits until it is gone. An error if it had ended by itself before: then
    /// whatever a test finds afterwards says nothing about a kill.
    pub fn kill(&mut self) -> Result<()> {
        let status = self.end()?;
        ensure!(
            status.signal() == Some(Signal::KILL.as_raw()),
            "{} had ended by itself when it was to be killed, {status}; the end of its log:\n{}",
            self.name,
            self.log_tail(20)
        );
        Ok(())
    }

    fn end(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// Asks it to end and waits; an error when it had to be killed after the grace.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(self.stop_signal)?;
        let deadline = Instant::now() + self.grace;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(TICK);
        }
        self.end()?;
        bail!("{} did not end within {:?} and was killed", self.name, self.grace)
    }

    /// Waits for it to end by itself.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + deadline;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("{} is still running after {deadline:?}", self.name);
            }
            tokio::time::sleep(TICK).await;
        }
    }

    /// Waits until `condition` holds. Fails at once, with the end of its log, when the process ends
    /// before.
    pub async fn wait_until<F, Fut>(&mut self, what: &str, deadline: Duration, mut condition: F) -> Result<()>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = bool>,
    {
        let end = Instant::now() + deadline;
        loop {
            if condition().await {
                return Ok(());
            }
            if let Some(status) = self.ended()? {
                let how = status
                    .signal()
                    .map_or(format!("{status}"), |signal| format!("signal {signal}"));
                bail!(
                    "{} ended ({how}) before {what}; its log ends with:\n{}",
                    self.name,
                    self.log_tail(20)
                );
            }
            if Instant::now() > end {
                let name = &self.name;
                bail!(
                    "gave up after {deadline:?} waiting for {name}: {what}; its log ends with:\n{}",
                    self.log_tail(20)
                );
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A drop cannot fail; a child that had to be killed has ended all the same.
        let _ = self.stop();
    }
}

/// Waits until `condition` holds; `what` completes "gave up waiting for ...".
pub async fn wait_until<F, Fut>(what: &str, deadline: Duration, mut condition: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let found = wait_for(what, deadline, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    });
    found.await
}

/// Waits until `look` finds a value; `what` completes "gave up waiting for ...".
pub async fn wait_for<T, F, Fut>(what: &str, deadline: Duration, look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    wait_at_pace(TICK, what, deadline, look).await
}

/// The same with this time between two looks, for looks that cost somebody something.
pub async fn wait_at_pace<T, F, Fut>(pace: Duration, what: &str, deadline: Duration, mut look: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("gave up after {deadline:?} waiting for {what}");
        }
        tokio::time::sleep(pace).await;
    }
}

/// The account of a user of this machine, from `/etc/passwd`.
pub fn account(name: &str) -> Option<Account> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|f| f[0] == name)?;
    Some(Account {
        uid: fields.get(2)?.parse().ok()?,
        gid: fields.get(3)?.parse().ok()?,
    })
}

/// Whether this process is root, and so may (and for PostgreSQL must) start children as somebody
/// else.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
