//! `edge-config-server device`: the administrator's commands.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand, ValueEnum};
use contract::{DeviceId, Namespace};
use fleet::{DeletionMode, administration::Act};

use super::{Connection, json, print, write};
use crate::admin::{client::Acting, table};

/// Shows and administers the devices of a running server, through its admin socket.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
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
        /// Where it shall live, if not where its EdgeDeviceSignedRequest says, or where it asked
        /// to.
        #[arg(long)]
        namespace: Option<Namespace>,
        /// The EdgeDeviceSet that it shall be a member of.
        #[arg(long)]
        set: Option<String>,
        /// Do it also if that takes a workload, container or volume from the device, or if what it
        /// runs is not known.
        #[arg(long)]
        confirm: bool,
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
        /// Do it also if that takes a workload, container or volume from the device, or if what it
        /// runs is not known.
        #[arg(long)]
        confirm: bool,
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
        /// Send it its configuration at once: what it runs and the configuration does not list is
        /// removed.
        #[arg(long)]
        release: bool,
        /// Do it also if that takes a workload, container or volume from the device, or if what it
        /// runs is not known.
        #[arg(long)]
        confirm: bool,
    },
    /// Send an adopted device its configuration from now on: what it runs and the configuration
    /// does not list is removed.
    Release {
        /// The device.
        id: DeviceId,
        /// Do it also if that takes a workload, container or volume from the device, or if what it
        /// runs is not known.
        #[arg(long)]
        confirm: bool,
    },
    /// Give a device labels, or take away those given here: `line=press` gives, `line-` takes away.
    ///
    /// Labels from manifests, approval and hardware stay as they are; for one key a label given
    /// here counts before those of manifests and approval. Selected workloads follow at the
    /// device's next poll.
    Label {
        /// The device.
        id: DeviceId,
        /// `KEY=VALUE` or `KEY-`.
        #[arg(required = true, value_parser = label)]
        labels: Vec<Label>,
        /// Do it also if that takes a workload, container or volume from the device, or if what it
        /// runs is not known.
        #[arg(long)]
        confirm: bool,
    },
    /// Run the playbooks of an EdgeConfig again on a device.
    RerunPlaybooks {
        /// The device.
        id: DeviceId,
        /// The EdgeConfig.
        config: String,
    },
    /// Print the configuration that a device gets, as it stands now; nothing is handed over.
    Configuration {
        /// The device.
        id: DeviceId,
        /// Print the values of Secrets, keys of buckets and files of image registries too.
        #[arg(long)]
        show_secrets: bool,
    },
    /// Confirm a deletion that was made before the store was restored: the device is told to
    /// disconnect.
    Confirm {
        /// The device.
        id: DeviceId,
    },
}

/// A label to give or to take away.
#[derive(Clone, Debug)]
enum Label {
    Set(String, String),
    Remove(String),
}

fn label(text: &str) -> Result<Label, String> {
    match (text.split_once('='), text.strip_suffix('-')) {
        (Some((key, value)), _) => Ok(Label::Set(key.to_owned(), value.to_owned())),
        (None, Some(key)) => Ok(Label::Remove(key.to_owned())),
        (None, None) => Err("a label is given as KEY=VALUE and taken away as KEY-".to_owned()),
    }
}

fn labelling(labels: &[Label]) -> Act {
    let (mut set, mut remove) = (BTreeMap::new(), BTreeSet::new());
    for label in labels {
        match label {
            Label::Set(key, value) => {
                set.insert(key.clone(), value.clone());
            }
            Label::Remove(key) => {
                remove.insert(key.clone());
            }
        }
    }
    Act::SetLabels { set, remove }
}

impl Command {
    /// The act of a command that is one.
    fn act(&self) -> Option<(&DeviceId, Act)> {
        Some(match self {
            Self::List { .. } | Self::Show { .. } | Self::Strays | Self::Configuration { .. } => {
                return None;
            }
            Self::Approve {
                id, namespace, set, ..
            } => (
                id,
                Act::Approve {
                    namespace: namespace.clone(),
                    set: set.clone(),
                },
            ),
            Self::Label { id, labels, .. } => (id, labelling(labels)),
            Self::RerunPlaybooks { id, config } => (
                id,
                Act::RerunPlaybooks {
                    config: config.clone(),
                },
            ),
            Self::Reject { id } => (id, Act::Reject),
            Self::Move { id, namespace, .. } => (
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
                ..
            } => (
                id,
                Act::Adopt {
                    namespace: namespace.clone(),
                    release: *release,
                },
            ),
            Self::Release { id, .. } => (id, Act::Release),
            Self::Confirm { id } => (id, Act::Confirm),
        })
    }

    /// Whether a person has said that it is meant, whatever it takes from the device.
    fn is_confirmed(&self) -> bool {
        match self {
            Self::Approve { confirm, .. }
            | Self::Move { confirm, .. }
            | Self::Adopt { confirm, .. }
            | Self::Release { confirm, .. }
            | Self::Label { confirm, .. } => *confirm,
            _ => false,
        }
    }
}

/// Runs a command against a running server and prints its result.
pub async fn run(args: DeviceArgs) -> anyhow::Result<()> {
    let client = args.connection.client();
    let output = args.connection.output;
    let text = if let Some((id, act)) = args.command.act() {
        let confirm = args.command.is_confirmed();
        let device = client.act(id, &Acting { act, confirm }).await?;
        print(output, &device, table::outcome)?
    } else {
        match &args.command {
            Command::List { phase } => {
                let phase = phase.and_then(|phase| phase.to_possible_value());
                let devices = client
                    .list(phase.as_ref().map(clap::builder::PossibleValue::get_name))
                    .await?;
                print(output, &devices, |devices| table::devices(devices))?
            }
            Command::Configuration { id, show_secrets } => {
                let configuration = client.configuration(id, *show_secrets).await?;
                json(&configuration)?
            }
            Command::Show { id } => print(output, &client.show(id).await?, table::device)?,
            _ => print(output, &client.strays().await?, |strays| table::strays(strays))?,
        }
    };
    write(&text)
}
