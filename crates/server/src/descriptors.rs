//! The limit of open files: raised to what the settings allow callers, or the program does not
//! start.
//!
//! A server that runs out of descriptors accepts nothing on any port, reads no file and opens no
//! connection to its store, and says so only when it is full. Service managers and container
//! runtimes commonly begin with a soft limit of 1024, and leave it to the program to raise it up to
//! the hard one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{admin, ops, settings::Settings};

/// For everything that is no connection of a caller: the store's files or connections, what is
/// being read, logs, the runtime.
const OTHERS: u64 = 160;

/// Why the server cannot have as many descriptors as it may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "at most {hard} files may be open in this process, and {needed} are needed for as many connections as the settings \
     allow; raise the hard limit of open files (LimitNOFILE= of systemd, ulimit -Hn), or lower --max-connections \
     ({connections}) or --max-handshakes ({handshakes})"
)]
pub struct TooFew {
    needed: u64,
    hard: u64,
    connections: usize,
    handshakes: usize,
}

/// Most descriptors that a server with these settings has open.
fn needed(settings: &Settings) -> u64 {
    let connections = [
        settings.limits.descriptors(settings.tls.is_some()),
        admin::limits(settings.limits).descriptors(false),
        ops::LIMITS.descriptors(false),
    ];
    connections.into_iter().fold(OTHERS, |sum, connections| {
        sum.saturating_add(u64::try_from(connections).unwrap_or(u64::MAX))
    })
}

/// The soft limit to set; `None` if it need not be changed.
fn judge(settings: &Settings, now: Rlimit) -> Result<Option<u64>, TooFew> {
    let needed = needed(settings);
    // No limit is `None`.
    if now.current.is_none_or(|soft| soft >= needed) {
        return Ok(None);
    }
    match now.maximum {
        Some(hard) if hard < needed => Err(TooFew {
            needed,
            hard,
            connections: settings.limits.connections,
            handshakes: settings.limits.handshakes,
        }),
        _ => Ok(Some(needed)),
    }
}

/// Whether [`raise`] would succeed.
pub fn check(settings: &Settings) -> Result<(), TooFew> {
    judge(settings, getrlimit(Resource::Nofile)).map(drop)
}

/// Raises the limit to what is needed, where it is lower.
pub fn raise(settings: &Settings) -> anyhow::Result<()> {
    let now = getrlimit(Resource::Nofile);
    if let Some(needed) = judge(settings, now)? {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: Some(needed),
                ..now
            },
        )?;
        tracing::debug!(files = needed, "raised the limit of open files");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::settings::cli::Cli;

    fn settings(flags: &[&str]) -> Settings {
        let line = [
            "edge-config-server",
            "serve",
            "--store",
            "sqlite:never-opened.db",
            "--insecure-http",
        ];
        let matches = Cli::command()
            .try_get_matches_from(line.iter().chain(flags))
            .unwrap();
        Settings::resolve(matches.subcommand().unwrap().1).unwrap()
    }

    fn limit(current: u64, maximum: u64) -> Rlimit {
        Rlimit {
            current: Some(current),
            maximum: Some(maximum),
        }
    }

    #[test]
    fn a_soft_limit_is_raised_and_a_hard_one_refuses() {
        let settings = settings(&["--max-connections", "4096"]);
        let needed = needed(&settings);
        assert!(needed > 4096 + 256);
        assert_eq!(judge(&settings, limit(1024, 1 << 20)), Ok(Some(needed)));
        assert_eq!(judge(&settings, limit(1024, needed)), Ok(Some(needed)));
        assert_eq!(judge(&settings, limit(needed, needed)), Ok(None));
        let none = Rlimit {
            current: None,
            maximum: None,
        };
        assert_eq!(judge(&settings, none), Ok(None));
        let refusal = judge(&settings, limit(1024, needed - 1)).unwrap_err().to_string();
        assert!(
            refusal.contains("--max-connections (4096)") && refusal.contains("LimitNOFILE="),
            "{refusal}"
        );
    }
}
