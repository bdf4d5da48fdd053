//! `edge-config-server workload`: which devices should run a workload, and which do.

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{Connection, print, write};
use crate::admin::table;

/// Shows how far the workloads of a running server have reached its devices, through its admin
/// socket.
#[derive(Debug, Args)]
pub struct WorkloadArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List workloads: how many devices should run each, how many do, how many are behind.
    List,
    /// Show one workload with its devices.
    Show {
        /// NAMESPACE/NAME.
        workload: String,
    },
}

/// Runs a command against a running server and prints its result.
pub async fn run(args: WorkloadArgs) -> anyhow::Result<()> {
    let client = args.connection.client();
    let output = args.connection.output;
    let text = match args.command {
        Command::List => print(output, &client.workloads().await?, |workloads| {
            table::workloads(workloads)
        })?,
        Command::Show { workload } => {
            let (namespace, name) = workload
                .split_once('/')
                .context("a workload is named NAMESPACE/NAME, such as plant-a/web")?;
            print(output, &client.workload(namespace, name).await?, table::workload)?
        }
    };
    write(&text)
}
