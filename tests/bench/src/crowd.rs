//! A good caller beside a crowd of strangers, who connect and do not go on, and connect again when
//! they are closed.
//!
//! The crowd is processes of its own, since one may not open as many files; each comes from an
//! address of its own, or all come from the good caller's. They share the machine's cores with the
//! server and the good caller, and leave them to those as far as being nice goes: what is measured
//! is what the server does about strangers, who have machines of their own.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use testkit::caller::{Caller, Connections};
use testkit::process::{Process, Program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use crate::times::Times;

/// Connections that each process keeps up.
const EACH: usize = 5000;

/// A stranger that was not even accepted comes again after this time.
const PAUSE: Duration = Duration::from_millis(100);

/// The good caller's pause between two calls.
const BETWEEN: Duration = Duration::from_millis(10);

/// Longer than any call may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the crowd is given to come.
const GATHERING: Duration = Duration::from_secs(5);

/// What strangers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Says {
    /// Nothing.
    Nothing,
    /// A head, and a body that does not come to its end.
    HalfABody,
}

/// One process of a crowd.
#[derive(Debug, Args)]
pub(crate) struct Crowd {
    /// Whom they call.
    #[arg(long)]
    to: SocketAddr,
    /// Where they come from.
    #[arg(long)]
    from: Ipv4Addr,
    /// What they say.
    #[arg(long)]
    says: Says,
}

/// Keeps the crowd's connections up until it is stopped.
pub(crate) fn run(crowd: &Crowd) -> Result<()> {
    // Before there are threads, which have it from here.
    rustix::process::nice(19)?;
    keep_up(crowd)
}

#[tokio::main]
async fn keep_up(crowd: &Crowd) -> Result<()> {
    let &Crowd { to, from, says } = crowd;
    let mut strangers = tokio::task::JoinSet::new();
    for _ in 0..EACH {
        strangers.spawn(async move {
            loop {
                if stranger(to, from, says).await.is_err() {
                    sleep(PAUSE).await;
                }
            }
        });
    }
    while let Some(ended) = strangers.join_next().await {
        let () = ended?;
    }
    Ok(())
}

/// One connection, to its end.
async fn stranger(to: SocketAddr, from: Ipv4Addr, says: Says) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let mut stream = socket.connect(to).await?;
    if says == Says::HalfABody {
        let words = b"GET /healthz HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n5\r\n";
        stream.write_all(words).await?;
    }
    let mut nothing = [0; 512];
    while stream.read(&mut nothing).await? > 0 {}
    Ok(())
}

/// How a good caller fared.
#[derive(Debug)]
pub(crate) struct Fared {
    times: Times,
    failures: usize,
}

/// What is measured: who calls, what beside, and where the crowd goes and comes from.
#[derive(Debug)]
pub(crate) struct Scene {
    /// The good caller, by a new connection for each call.
    pub(crate) good: Caller,
    /// What it asks.
    pub(crate) path: String,
    /// What the row is called.
    pub(crate) name: &'static str,
    /// Whom the crowd calls.
    pub(crate) to: SocketAddr,
    pub(crate) says: Says,
}

/// Measures a scene for `window`, with so many strangers.
pub(crate) async fn measure(
    scene: &Scene,
    strangers: usize,
    same_address: bool,
    window: Duration,
    folder: &Path,
) -> Result<Fared> {
    let mut crowd: Vec<Process> = Vec::new();
    for number in 0..strangers.div_ceil(EACH) {
        let last = if same_address {
            1
        } else {
            u8::try_from(number)? + 2
        };
        let says = scene.says.to_possible_value().context("each has a name")?;
        let program = Program::new("crowd", std::env::current_exe()?)
            .arg("crowd")
            .args(["--to", &scene.to.to_string()])
            .args(["--from", &Ipv4Addr::new(127, 0, 0, last).to_string()])
            .args(["--says", says.get_name()]);
        crowd.push(program.start(folder)?);
    }
    if !crowd.is_empty() {
        sleep(GATHERING).await;
    }
    let (begun, mut times, mut failures) = (Instant::now(), Vec::new(), 0);
    while begun.elapsed() < window {
        let mut caller = scene.good.another();
        let asked = Instant::now();
        let answer = timeout(PATIENCE, caller.call(http::Method::GET, &scene.path, None)).await;
        times.push(asked.elapsed());
        if !matches!(answer, Ok(Ok(answer)) if answer.status == 200) {
            failures += 1;
        }
        sleep(BETWEEN).await;
    }
    let times = Times::of(times).with_context(|| format!("nothing was measured in {window:?}"))?;
    Ok(Fared { times, failures })
}

/// The table's head.
pub(crate) const HEAD: &str = "| Good caller | Strangers | From | Calls | Failures | p50 ms | p99 ms |\n|---|--:|---|--:|--:|--:|--:|\n";

/// A row of it.
pub(crate) fn row(scene: &Scene, strangers: usize, same_address: bool, fared: &Fared) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "| {} | {strangers} | {} | {} | {} | {:.1} | {:.1} |",
        scene.name,
        match (strangers, same_address) {
            (0, _) => "-",
            (_, true) => "its address",
            (_, false) => "others",
        },
        fared.times.calls,
        fared.failures,
        fared.times.p50.as_secs_f64() * 1e3,
        fared.times.p99.as_secs_f64() * 1e3,
    );
    text
}

/// A good caller of an operations port.
pub(crate) fn probe(ops: SocketAddr) -> Caller {
    Caller::plain(ops, Connections::New)
}
