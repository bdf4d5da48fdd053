//! `edge-config-server`: reads the command line, does what it says, and says how it went.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use edge_config_server::{
    admin, check, run,
    settings::{
        Settings,
        cli::{Cli, Command},
    },
    telemetry,
};
use jiff::Timestamp;
use tokio::runtime::Runtime;

/// The command line or a setting is wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let command = Cli::from_arg_matches(&matches)
        .unwrap_or_else(|error| error.exit())
        .command;
    let settings = matches.subcommand().map(|(_, matches)| matches);
    match (command, settings) {
        (Command::Device(arguments), _) => exit_code(block_on(admin::cli::device::run(arguments))),
        (Command::Manifests(arguments), _) => exit_code(block_on(admin::cli::manifests::run(arguments))),
        (Command::Rekey(arguments), _) => exit_code(block_on(admin::cli::rekey::run(arguments))),
        (Command::Workload(arguments), _) => exit_code(block_on(admin::cli::workload::run(arguments))),
        (Command::Check(_), Some(matches)) => check(matches),
        (Command::Serve(_), Some(matches)) => serve(matches),
        (_, None) => ExitCode::from(USAGE),
    }
}

fn serve(matches: &ArgMatches) -> ExitCode {
    let settings = match Settings::resolve(matches) {
        Ok(settings) => settings,
        Err(faults) => {
            tell(&faults);
            return ExitCode::from(USAGE);
        }
    };
    telemetry::init(settings.log_format, &settings.log_level);
    exit_code(block_on(run::serve(settings)))
}

fn check(matches: &ArgMatches) -> ExitCode {
    let findings = match Settings::resolve(matches) {
        Ok(settings) => match block_on(async { Ok(check::findings(&settings, Timestamp::now()).await) }) {
            Ok(findings) => findings,
            failed => return exit_code(failed.map(|_| ())),
        },
        Err(faults) => check::of_faults(&faults),
    };
    let mut output = io::stdout().lock();
    let written = findings
        .iter()
        .try_for_each(|finding| writeln!(output, "{}", telemetry::printable_lines(&finding.to_string())));
    if written.is_ok() && check::passes(&findings) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(work);
    // A blocked look at a file must not hold the end.
    runtime.shutdown_background();
    outcome
}

fn exit_code(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&telemetry::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn tell(what: &dyn std::fmt::Display) {
    // Nobody is left to tell that standard error is closed.
    let _ = writeln!(
        io::stderr(),
        "edge-config-server: {}",
        telemetry::printable_lines(&what.to_string())
    );
}
