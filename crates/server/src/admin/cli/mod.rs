//! The administrator's commands, each against a running server through its admin socket.

pub mod device;
pub mod manifests;
pub mod rekey;
pub mod workload;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::client::Client;
use crate::telemetry::{printable_json, printable_lines};

/// Where the admin socket is unless it is said.
pub const DEFAULT_SOCKET: &str = "/run/edge-config-server/admin.sock";

/// How a command reaches its server and prints what it hears.
#[derive(Debug, Args)]
struct Connection {
    /// Admin socket of the server.
    #[arg(long, global = true, env = "EDGE_CONFIG_ADMIN_SOCKET", default_value = DEFAULT_SOCKET, value_name = "PATH")]
    socket: PathBuf,
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs; everything that is known.
    Json,
}

impl Connection {
    fn client(&self) -> Client<'_> {
        Client {
            socket: &self.socket,
            author: author(),
        }
    }
}

fn print<T: Serialize>(output: Output, value: &T, text: impl Fn(&T) -> String) -> anyhow::Result<String> {
    Ok(match output {
        // What is on one line is one already, by the tables.
        Output::Text => printable_lines(&text(value)).into_owned(),
        Output::Json => json(value)?,
    })
}

fn json<T: Serialize>(value: &T) -> anyhow::Result<String> {
    let document = serde_json::to_string_pretty(value)?;
    Ok(printable_json(&document).into_owned() + "\n")
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
