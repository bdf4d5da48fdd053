//! `cluster-bench`: how long an installation takes until the Edge API is switched, and what the
//! companion costs; the second half of `make bench`.
//!
//! On one throwaway cluster, in each round: the Edge API is restarted by an annotation, as a person
//! restarts it; then the chart is installed, and removed again with the way back. So each
//! installation has a plain restart beside it that met the same machine. Devices poll throughout;
//! every request of theirs that failed is accounted for. Results are medians.
//!
//! What happens to pods is taken by looking at them every 100 ms, since the times in Kubernetes'
//! objects are whole seconds. A pod is told to end (SIGTERM) when its deletion is recorded: the
//! kubelet sends the signal at once, there is no hook.
//!
//! Before the first round everything is done once: images, programs and the volume with the store
//! are there then. The CustomResourceDefinition is removed each time, as it is missing at a user's
//! first installation. Needs root.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is this program's purpose"
)]

mod devices;
mod durations;
mod pods;
mod report;
mod resources;
mod rounds;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use cluster::timeline::Timeline;
use cluster::{Cluster, Helm, Image};

/// Measures an installation beside a plain restart of the Edge API, on a throwaway cluster.
#[derive(Debug, Parser)]
#[command(version)]
struct Settings {
    /// Rounds: a plain restart, an installation, an uninstallation.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds for which the companion is watched when nothing happens.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    idle: u64,
}

fn main() -> ExitCode {
    match run(&Settings::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(settings: &Settings) -> Result<()> {
    ensure!(
        settings.rounds > 0 && settings.idle > 0,
        "nothing is measured in no time; give --rounds and --idle at least 1"
    );
    let mut timeline = Timeline::default();
    let cluster = Cluster::up(&Image::ALL, &[Helm::Four])?;
    timeline.reached("a cluster is up");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let idle = Duration::from_secs(settings.idle);
    let measured = runtime.block_on(rounds::measure(&cluster, &mut timeline, settings.rounds, idle));
    drop(runtime);
    let measured = measured?;
    cluster.down()?;
    println!("\n{}", report::render(&measured));
    // Said after the table, which a reader wants in any case.
    measured.seen.nobody_was_disconnected()
}
