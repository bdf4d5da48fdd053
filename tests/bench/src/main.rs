//! `flotta-bench`: requests per second of a device's hot operations, beside a bare hyper program
//! that answers the same bytes over the same TLS settings.
//!
//! The servers are processes of their own; the client is this one, the same for all. All cells are
//! measured in each round, one after the other, so that whatever else the machine does falls on all
//! of them; a cell's result is the median of its rounds. Client and server share the machine's
//! cores, so a rate says what both reach together. The processor time that the server itself used
//! for a request is shown beside it, and is what two servers should be compared by.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is this program's purpose"
)]

mod bare;
mod chains;
mod crowd;
mod load;
mod manifests;
mod stage;
mod table;
mod times;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use testkit::caller::Connections;

use crate::load::Operation;
use crate::stage::Stage;
use crate::table::Table;

/// Measures requests per second of edge-config-server beside a bare hyper program.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Settings {
    /// Rounds; each measures every operation on every server.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Milliseconds for which one operation on one server is measured in a round.
    #[arg(long, default_value_t = 1000, value_name = "MILLISECONDS")]
    window: u64,
    /// Callers at the same time, each with one connection.
    #[arg(long, default_value_t = 16, value_name = "NUMBER")]
    callers: usize,
    /// Strangers beside a good caller.
    #[arg(long, default_value_t = 20_000, value_name = "NUMBER")]
    strangers: usize,
    /// Folder for the stores, to choose a disk; otherwise one that is removed afterwards.
    #[arg(long, value_name = "FOLDER")]
    disk: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The bare hyper program, started by the benchmark itself
    #[command(hide = true)]
    Bare(bare::Bare),
    /// Only a good caller beside crowds of strangers
    Crowds,
    /// Only what a handshake costs, by the chain of certificates that its caller presents
    Chains,
    /// A part of a crowd, started by the benchmark itself
    #[command(hide = true)]
    Crowd(crowd::Crowd),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cfg!(debug_assertions) {
        eprintln!(
            "flotta-bench: this is a debug build, whose figures say little; `make bench` builds a release"
        );
    }
    let outcome = match cli.command {
        Some(Command::Bare(settings)) => bare::run(&settings),
        Some(Command::Crowd(settings)) => crowd::run(&settings),
        Some(Command::Crowds) => crowds(&cli.settings),
        Some(Command::Chains) => chains(&cli.settings),
        None => run(&cli.settings)
            .and_then(|()| crowds(&cli.settings))
            .and_then(|()| chains(&cli.settings)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flotta-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// So many windows long is a good caller measured beside a crowd, and a chain of certificates.
const WINDOWS: u32 = 5;

#[tokio::main]
async fn crowds(settings: &Settings) -> Result<()> {
    let stage = Stage::small(settings.disk.as_deref()).await?;
    let window = Duration::from_millis(settings.window) * WINDOWS;
    let mut text = String::from(crowd::HEAD);
    for scene in stage.scenes() {
        for (strangers, same_address) in [
            (0, false),
            (settings.strangers, false),
            (settings.strangers, true),
        ] {
            let fared = crowd::measure(&scene, strangers, same_address, window, stage.folder()).await?;
            text += &crowd::row(&scene, strangers, same_address, &fared);
            eprintln!("{}: {strangers} strangers done", scene.name);
        }
    }
    print!("{text}");
    Ok(())
}

#[tokio::main]
async fn chains(settings: &Settings) -> Result<()> {
    let stage = Stage::small(settings.disk.as_deref()).await?;
    let window = Duration::from_millis(settings.window) * WINDOWS;
    let mut text = String::from(chains::HEAD);
    for chain in chains::chains(&stage.host)? {
        for peer in &stage.peers {
            text += &chains::measure(peer, &chain, window).await?;
        }
    }
    print!("{text}");
    Ok(())
}

#[tokio::main]
async fn run(settings: &Settings) -> Result<()> {
    let stage = Stage::set(settings.disk.as_deref(), settings.callers).await?;
    let window = Duration::from_millis(settings.window);
    let measured = |operation: Operation| {
        let peers = stage.peers.iter();
        peers.filter(move |peer| peer.measured_with(operation))
    };
    let cells = Operation::ALL
        .iter()
        .map(|operation| 2 * measured(*operation).count())
        .sum::<usize>();
    let total = window * u32::try_from(cells * settings.rounds)?;
    eprintln!(
        "measuring {cells} cells in {} rounds with {} callers, about {} s",
        settings.rounds,
        settings.callers,
        total.as_secs()
    );
    let mut table = Table::default();
    // The first round fills caches and is not counted.
    for round in 0..=settings.rounds {
        let window = if round == 0 { window / 5 } else { window };
        for operation in Operation::ALL {
            for connections in [Connections::KeptAlive, Connections::New] {
                for peer in measured(operation) {
                    let sample =
                        load::measure(peer, operation, connections, settings.callers, window).await?;
                    if round > 0 {
                        table.add(operation, connections, peer.name, sample);
                    }
                }
            }
        }
        eprintln!("round {round} of {} done", settings.rounds);
    }
    print!("{}", table.render());
    for text in &stage.skipped {
        println!("skipped: {text}");
    }
    Ok(())
}
