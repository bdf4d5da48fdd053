//! `flotta-companion`: reads the command line, does what it says, and says how it went.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context as _;
use clap::Parser as _;
use flotta_companion::{
    cli::{Cli, Command, Common},
    control::Parts,
    definition,
    metrics::Metrics,
    ops::Health,
    restore, run, show, telemetry,
};

/// `plan` found something that would be done, or that stands in the way.
const UNSETTLED: u8 = 2;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let common = match &command {
        Command::Run(arguments) => &arguments.common,
        Command::Plan(arguments) => &arguments.common,
        Command::Restore(arguments) => &arguments.common,
        Command::Crd(arguments) => &arguments.common,
    };
    telemetry::init(common.log_format, &common.log_level);
    match block_on(perform(command)) {
        Ok(code) => code,
        Err(error) => {
            // Nobody is left to tell that standard error is closed.
            let error = telemetry::chain(&*error).to_string();
            let _ = writeln!(
                io::stderr(),
                "flotta-companion: {}",
                telemetry::printable_lines(&error)
            );
            ExitCode::FAILURE
        }
    }
}

async fn perform(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(arguments) => run::run(arguments).await?,
        Command::Plan(arguments) => {
            let shown = show::show(&parts(&arguments.common).await?).await?;
            print(&shown.text)?;
            if !shown.settled {
                return Ok(ExitCode::from(UNSETTLED));
            }
        }
        Command::Restore(arguments) => {
            let health = Arc::<Health>::default();
            let stop = run::stop_signal(health.tasks()).context("signals cannot be received")?;
            let parts = parts(&arguments.common).await?;
            let parts = Parts { health, ..parts };
            let said = match arguments.skip {
                Some(_) => restore::skip(&parts.cluster).await?,
                None => restore::restore(parts, plan::plan, arguments.timeout, stop).await?,
            };
            print(&format!("{said}\n"))?;
        }
        Command::Crd(arguments) if arguments.apply => {
            definition::apply(parts(&arguments.common).await?.cluster.client().clone()).await?;
        }
        Command::Crd(_) => print(&definition::text()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn parts(common: &Common) -> anyhow::Result<Parts> {
    run::parts(common, Arc::new(Metrics::default())).await
}

fn print(text: &str) -> anyhow::Result<()> {
    io::stdout()
        .lock()
        .write_all(telemetry::printable_lines(text).as_bytes())
        .context("standard output cannot be written")
}

/// Two threads: the Lease is renewed and probes are answered while the other looks through a large
/// fleet.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(work);
    // A name that is being resolved must not hold the end.
    runtime.shutdown_background();
    outcome
}
