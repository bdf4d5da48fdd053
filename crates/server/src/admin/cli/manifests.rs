//! `edge-config-server manifests`: what devices are configured by.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{Connection, print, write};
use crate::admin::{client::Text, table};

/// Shows and changes the manifests that a running server configures its devices by, through its admin socket.
#[derive(Debug, Args)]
pub struct ManifestsArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the sources, what is wrong with them and with the objects from them, and what waits for a person.
    Status,
    /// List the objects that devices are configured by.
    List,
    /// Take files over as one source: what it held before and holds no more is removed.
    Apply {
        /// Files of YAML or JSON; `-` is standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Name of the source. `manifests` is that of --manifests.
        #[arg(long, default_value = "administrator")]
        source: String,
        /// Take them over also if that takes workloads away from devices.
        #[arg(long)]
        confirm: bool,
    },
    /// Say that what waits for a person is meant, though it takes workloads away from devices.
    Confirm {
        /// As `status` shows it.
        digest: String,
    },
}

/// Runs a command against a running server and prints its result.
pub async fn run(args: ManifestsArgs) -> anyhow::Result<()> {
    let client = args.connection.client();
    let output = args.connection.output;
    let text = match args.command {
        Command::Status => print(output, &client.manifests().await?, table::manifests)?,
        Command::List => print(output, &client.objects().await?, |objects| {
            table::objects(objects)
        })?,
        Command::Apply {
            files,
            source,
            confirm,
        } => {
            let texts = files.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
            let applied = client.apply(&source, confirm, &texts).await?;
            print(output, &applied, table::applied)?
        }
        Command::Confirm { digest } => {
            let view = client.confirm(&digest).await?;
            print(output, &view, table::manifests)?
        }
    };
    write(&text)
}

fn read(path: &PathBuf) -> anyhow::Result<Text> {
    let text = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).context("standard input cannot be read")?
    } else {
        std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?
    };
    Ok(Text {
        origin: path.display().to_string(),
        text,
    })
}
