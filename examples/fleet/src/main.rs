//! `example-fleet`: a server of its own with a handful of simulated devices on it, for a first
//! look.
//!
//! Everything is kept in one folder and goes on where it was at the next start. There is no Edge
//! API in between: the devices' calls are made as the Edge API makes them, over mutual TLS with a
//! host certificate like Flotta's. (The end-to-end tests in `tests/e2e` use the real one.)
//!
//! It also watches its server: what was acknowledged to the devices is written down beside them and
//! looked for in the store, at the start and at the end. Something missing is an error.

#![allow(
    clippy::print_stdout,
    reason = "telling a person what happens is this program's purpose"
)]

mod certificates;
mod device;
mod fleet;
mod manifests;
mod record;
mod server;
mod settled;

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::certificates::Certificates;
use crate::fleet::Fleet;
use crate::manifests::Manifests;
use crate::server::{Ports, Server};

/// How often the state of the fleet is printed.
const STATUS_EVERY: Duration = Duration::from_secs(10);

/// Starts an edge-config-server with an example fleet of simulated devices and keeps both going
/// until Ctrl-C.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Folder of the fleet: store, certificates, devices and the server's log. It is made if it is
    /// not there.
    #[arg(long, default_value = "data", value_name = "FOLDER")]
    data: PathBuf,
    /// Stop after this time, for example 30s; without it the fleet runs until Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    run_for: Option<Duration>,
    /// Where the server listens for the Edge API. By default port 8443 of 127.0.0.1 if it is free,
    /// otherwise another.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// Where the server shows metrics and its status. By default port 9090 of 127.0.0.1 if it is
    /// free, otherwise another.
    #[arg(long, value_name = "IP:PORT")]
    ops_listen: Option<SocketAddr>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("example-fleet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(args: &Args) -> Result<()> {
    // Before anything is started, so that a signal always finds what there is to stop.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    // Private keys will be in it.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&args.data)
        .with_context(|| format!("cannot make the folder {}", args.data.display()))?;
    let certificates = Certificates::load_or_make(&args.data)?;
    let manifests = Manifests::load_or_copy(&args.data)?;
    let ports = Ports::choose(args.listen, args.ops_listen)?;
    let mut server = tokio::select! {
        started = Server::start(&args.data, &manifests, ports) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    server.introduce(&certificates, &manifests);

    let mut fleet = Fleet::load_or_make(&args.data, &server, &certificates)?;
    let found = settled::look(&server.administrator(), &fleet.records()?)?;
    fleet.introduce(&found, &server);
    fleet.start();

    let end = async {
        match args.run_for {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let mut status = tokio::time::interval_at(tokio::time::Instant::now() + STATUS_EVERY, STATUS_EVERY);
    loop {
        tokio::select! {
            () = &mut end => break,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = status.tick() => {
                server.still_runs()?;
                fleet.print_status().await?;
            }
        }
    }

    println!("\nStopping: devices first, then the server.");
    fleet.stop().await?;
    let settled = settled::look(&server.administrator(), &fleet.records()?)?;
    let status = server.stop()?;
    if !status.success() {
        bail!(
            "the server did not stop cleanly ({status}); see {}",
            server.log().display()
        );
    }
    println!(
        "Stopped. {settled}\nThe fleet is kept in {}; start again and it goes on from here.",
        args.data.display()
    );
    Ok(())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let digits = text.strip_suffix('s').unwrap_or(text);
    match digits.parse() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err("a time is a number of seconds, such as 30s".to_owned()),
    }
}
