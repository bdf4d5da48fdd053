//! The command line. Its help is the manual of the program: every default is written here and
//! nowhere else.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;

use crate::telemetry::Format;

const AFTER_HELP: &str = "\
Everything that concerns the Edge API is in the RemoteBackend resource of the namespace; `kubectl get rb` tells how it is.
Flags can be given by environment variables too, which the description of each flag names.";

const RUN_HELP: &str = "\
Signals:
  SIGTERM, SIGINT  stop: give up the Lease, let go of the RemoteBackend if the Deployment is deleted, exit 0

Exit codes:
  0  stopped
  1  failed; the reason is in the last line on standard error
  2  the command line is wrong";

const PLAN_HELP: &str = "\
Looks once, makes the calls that prove something, and changes nothing.

Exit codes:
  0  nothing would be done: everything is as the RemoteBackend asks for
  1  it could not be found out; the reason is in the last line on standard error
  2  something would be done, or stands in the way";

const RESTORE_HELP: &str = "\
For the uninstallation: rolls the Edge API back to its previous settings, needing neither a running companion nor \
a running server, and takes the finalizer off the RemoteBackend.

Exit codes:
  0  it uses what it used before, or was never switched
  1  refused, failed or out of time, and everything stays; the reason is in the last line on standard error
  2  the command line is wrong";

/// The words of somebody who knows what they do.
const SKIP: &str = "leave the Edge API as it is";

/// Switches a Flotta Edge API to the remote backend of a RemoteBackend resource, proves it by real
/// calls, and keeps it so.
#[derive(Debug, Parser)]
#[command(name = "flotta-companion", version, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Do what the RemoteBackend of the namespace asks for, until a signal
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Print what would be done, and why
    #[command(after_help = PLAN_HELP)]
    Plan(PlanArgs),
    /// Roll the Edge API back to what it used before
    #[command(after_help = RESTORE_HELP)]
    Restore(RestoreArgs),
    /// Print the CustomResourceDefinition of RemoteBackend
    Crd(CrdArgs),
}

/// What all that talk to the cluster have in common.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Namespace of the Edge API and of the companion; default: that of the service account or the
    /// kubeconfig
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,

    /// Name of this process in the Lease and in Events, which no other process has; default: the
    /// host's name
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,

    /// Form of the lines on standard error
    #[arg(long, env = "FLOTTA_COMPANION_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: Format,

    /// error, warn, info, debug or trace, or directives as `info,flotta_companion=debug`
    #[arg(
        long,
        env = "FLOTTA_COMPANION_LOG_LEVEL",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: String,
}

impl Common {
    /// The name of this process.
    pub fn identity(&self) -> String {
        let of_host = || {
            std::fs::read_to_string("/proc/sys/kernel/hostname")
                .ok()
                .map(|name| name.trim().to_owned())
        };
        self.identity
            .clone()
            .or_else(of_host)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| format!("process-{}", std::process::id()))
    }
}

/// Of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What all have in common.
    #[command(flatten)]
    pub common: Common,

    /// Where /healthz, /readyz and /metrics are answered
    #[arg(
        long,
        env = "FLOTTA_COMPANION_OPS_LISTEN",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:9090"
    )]
    pub ops_listen: SocketAddr,

    /// The Deployment that this process belongs to. If it is deleted when the process stops, no
    /// companion will follow, and the finalizer is removed from RemoteBackend `flotta`, whose
    /// deletion would hang otherwise. Without a name the finalizer stays
    #[arg(long, env = "FLOTTA_COMPANION_DEPLOYMENT", value_name = "NAME")]
    pub deployment: Option<String>,
}

/// Of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// What all have in common.
    #[command(flatten)]
    pub common: Common,
}

/// Of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// What all have in common.
    #[command(flatten)]
    pub common: Common,

    /// Give up after this time, as `5m` or `90s`
    #[arg(
        long,
        env = "FLOTTA_COMPANION_TIMEOUT",
        value_name = "TIME",
        default_value = "5m"
    )]
    pub timeout: SignedDuration,

    /// Do not roll back: only take the finalizer off the RemoteBackend. The Edge API goes on with a
    /// backend that may be about to be removed; devices keep what they run. Has to be said in these
    /// words: "leave the Edge API as it is"
    #[arg(long, env = "FLOTTA_COMPANION_SKIP", value_name = "WORDS", value_parser = [SKIP])]
    pub skip: Option<String>,
}

/// Of `crd`.
#[derive(Debug, Args)]
pub struct CrdArgs {
    /// What all have in common.
    #[command(flatten)]
    pub common: Common,

    /// Bring the cluster's definition up to date instead of printing it
    #[arg(long)]
    pub apply: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_way_back_is_skipped_in_so_many_words_only() {
        let parse = |words| Cli::try_parse_from(["flotta-companion", "restore", "--skip", words]);
        assert!(parse("leave the Edge API as it is").is_ok());
        assert!(parse("true").is_err() && parse("").is_err());
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        let cli = Cli::try_parse_from(["flotta-companion", "restore", "--timeout", "90s"]).unwrap();
        let Command::Restore(arguments) = cli.command else {
            panic!("it is restore")
        };
        assert_eq!(arguments.timeout, SignedDuration::from_secs(90));
        assert!(Cli::try_parse_from(["flotta-companion", "restore", "--timeout", "90"]).is_err());
    }
}
