//! `edge-config-server device`: the administrator's commands.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use contract::{DeviceId, Namespace};
use fleet::{DeletionMode, administration::Act};
use serde::Serialize;

use super::{client::Client, table};

/// Where the admin socket is unless it is said.
pub const DEFAULT_SOCKET: &str = "/run/edge-config-server/admin.sock";

/// Shows and administers the devices of a running server, through its admin socket.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// Admin socket of the server.
    #[arg(long, global = true, env = "EDGE_CONFIG_ADMIN_SOCKET", default_value = DEFAULT_SOCKET, value_name = "PATH")]
    socket: PathBuf,
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs; what `show` prints is everything that is known.
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PhaseArg {
    Waiting,
    Rejected,
    Approved,
    Deleted,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    /// A later enrolment waits for a person, even with automatic approval.
    Remove,
    /// A later enrolment follows the ordinary rules.
    Forget,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List devices.
    List {
        /// Only those of one phase.
        #[arg(long, value_enum)]
        phase: Option<PhaseArg>,
    },
    /// Show everything that is known about a device, with its events.
    Show {
        /// The device.
        id: DeviceId,
    },
    /// List ids that speak to the server and are no approved device.
    Strays,
    /// Let a waiting or rejected device join.
    Approve {
        /// The device.
        id: DeviceId,
        /// Where it shall live, if not where it asked to.
        #[arg(long)]
        namespace: Option<Namespace>,
    },
    /// Turn a waiting device down; it stays known and waits.
    Reject {
        /// The device.
        id: DeviceId,
    },
    /// Have an approved device live in another namespace.
    Move {
        /// The device.
        id: DeviceId,
        /// Where.
        namespace: Namespace,
    },
    /// Take a device out of the fleet: it is told to disconnect and removes its workloads.
    Delete {
        /// The device.
        id: DeviceId,
        /// What a later enrolment of it means.
        #[arg(long, value_enum, default_value_t = Mode::Remove)]
        mode: Mode,
    },
    /// Let a device register with any key for a while, for example after a reinstallation.
    AllowRegistration {
        /// The device.
        id: DeviceId,
    },
    /// Make an id that speaks to the server an approved device, without a disconnect.
    ///
    /// It keeps what it runs: its configuration is withheld until `release`.
    Adopt {
        /// The device.
        id: DeviceId,
        /// Where it lives, if not where it was heard.
        #[arg(long)]
        namespace: Option<Namespace>,
        /// Send it its configuration at once: what it runs and the configuration does not list is removed.
        #[arg(long)]
        release: bool,
    },
    /// Send an adopted device its configuration from now on: what it runs and the configuration does not list is removed.
    Release {
        /// The device.
        id: DeviceId,
    },
    /// Confirm a deletion that was made before the store was restored: the device is told to disconnect.
    Confirm {
        /// The device.
        id: DeviceId,
    },
}

impl Command {
    /// The act of a command that is one.
    fn act(&self) -> Option<(&DeviceId, Act)> {
        Some(match self {
            Self::List { .. } | Self::Show { .. } | Self::Strays => return None,
            Self::Approve { id, namespace } => (
                id,
                Act::Approve {
                    namespace: namespace.clone(),
                },
            ),
            Self::Reject { id } => (id, Act::Reject),
            Self::Move { id, namespace } => (
                id,
                Act::Move {
                    namespace: namespace.clone(),
                },
            ),
            Self::Delete {
                id,
                mode: Mode::Remove,
            } => (
                id,
                Act::Delete {
                    mode: DeletionMode::Remove,
                },
            ),
            Self::Delete {
                id,
                mode: Mode::Forget,
            } => (
                id,
                Act::Delete {
                    mode: DeletionMode::Forget,
                },
            ),
            Self::AllowRegistration { id } => (id, Act::AllowRegistration),
            Self::Adopt {
                id,
                namespace,
                release,
            } => (
                id,
                Act::Adopt {
                    namespace: namespace.clone(),
                    release: *release,
                },
            ),
            Self::Release { id } => (id, Act::Release),
            Self::Confirm { id } => (id, Act::Confirm),
        })
    }
}

/// Runs a command against a running server and prints its result.
pub async fn run(args: DeviceArgs) -> anyhow::Result<()> {
    let client = Client {
        socket: &args.socket,
        author: author(),
    };
    let text = if let Some((id, act)) = args.command.act() {
        let device = client.act(id, &act).await?;
        print(args.output, &device, table::outcome)?
    } else {
        match &args.command {
            Command::List { phase } => {
                let phase = phase.and_then(|phase| phase.to_possible_value());
                let devices = client
                    .list(phase.as_ref().map(clap::builder::PossibleValue::get_name))
                    .await?;
                print(args.output, &devices, |devices| table::devices(devices))?
            }
            Command::Show { id } => print(args.output, &client.show(id).await?, table::device)?,
            _ => print(args.output, &client.strays().await?, |strays| {
                table::strays(strays)
            })?,
        }
    };
    write(&text)
}

fn print<T: Serialize>(output: Output, value: &T, text: impl Fn(&T) -> String) -> anyhow::Result<String> {
    Ok(match output {
        Output::Text => text(value),
        Output::Json => serde_json::to_string_pretty(value)? + "\n",
    })
}

fn write(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        // A reader that has seen enough (`| head`) is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("the result cannot be printed"),
    }
}

/// Who is at the keyboard, for the record: behind sudo the person, not root.
fn author() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|name| !name.is_empty() && name.is_ascii())
        .unwrap_or_else(|| "administrator".to_owned())
}
