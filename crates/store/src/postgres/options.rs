//! Where the database is and how to speak with it, from a URL as `psql` takes it.
//!
//! `sslmode` and `sslrootcert` mean what they mean to libpq. They are read here, since
//! tokio-postgres knows only three of the modes and leaves certificates to the TLS library.

use std::{path::PathBuf, time::Duration};

use percent_encoding::percent_decode_str;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::certificates::{Check, tls};
use crate::{Bounds, Keyring, StoreError};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// How much is kept.
    pub bounds: Bounds,
    /// It is a restored backup, though it may not look like one: begin a new epoch.
    pub restored: bool,
    /// Keys of confidential texts; without one they are stored plain.
    pub keyring: Keyring,
    /// Within this a call ends, whatever the database does; with an error if need be. Calls that
    /// read or write all documents have more time.
    pub timeout: Duration,
    /// Most connections at a time.
    pub connections: usize,
    /// Certificates (PEM) that the server's must follow from; instead of the URL's `sslrootcert`.
    pub root_certificates: Option<PathBuf>,
}

impl Default for ConnectOptions {
    /// 600 ms, well within the 800 ms in which a request ends, and 16 connections.
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            restored: false,
            keyring: Keyring::default(),
            timeout: Duration::from_millis(600),
            connections: 16,
            root_certificates: None,
        }
    }
}

/// How far the server's certificate is checked: libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// A database that could be spoken with.
pub(super) struct Target {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: MakeRustlsConnect,
    /// For people: host, port and database, no credentials.
    pub(super) location: String,
}

impl Target {
    pub(super) fn parse(url: &str, options: &ConnectOptions) -> Result<Self, StoreError> {
        // The text is not repeated: it may hold a password.
        let refused = |location: &str, reason: String| StoreError::Open {
            location: location.to_owned(),
            reason,
        };
        let nowhere = "named by the PostgreSQL URL";
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(refused(
                nowhere,
                "it does not begin with 'postgres://'; write it as postgres://user@host/database".to_owned(),
            ));
        }
        let (mode, root, rest) = split(url).map_err(|reason| refused(nowhere, reason))?;
        let mut config: tokio_postgres::Config = rest.parse().map_err(|_| {
            refused(
                nowhere,
                "the URL is not understood; check its form and parameters".to_owned(),
            )
        })?;
        let location = location(&config);
        let root = options.root_certificates.clone().or(root);
        let mode = match mode {
            // As libpq: with certificates at hand, `require` checks them.
            Mode::Require if root.is_some() => Mode::VerifyCa,
            mode => mode,
        };
        config
            .ssl_mode(match mode {
                Mode::Disable => SslMode::Disable,
                Mode::Prefer => SslMode::Prefer,
                _ => SslMode::Require,
            })
            .connect_timeout(options.timeout)
            .tcp_user_timeout(options.timeout * 4);
        if config.get_application_name().is_none() {
            config.application_name("edge-config-server");
        }
        let check = match mode {
            Mode::VerifyCa => Check::Issuer,
            Mode::VerifyFull => Check::IssuerAndName,
            Mode::Disable | Mode::Prefer | Mode::Require => Check::Nothing,
        };
        let tls = tls(check, root).map_err(|reason| refused(&location, reason))?;
        Ok(Self {
            config,
            tls,
            location,
        })
    }
}

/// Takes the two parameters about TLS out of a URL.
fn split(url: &str) -> Result<(Mode, Option<PathBuf>, String), String> {
    let (mut mode, mut root) = (Mode::Prefer, None);
    let Some((base, query)) = url.split_once('?') else {
        return Ok((mode, root, url.to_owned()));
    };
    let mut rest = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => {
                mode = match value {
                    "disable" => Mode::Disable,
                    "allow" | "prefer" => Mode::Prefer,
                    "require" => Mode::Require,
                    "verify-ca" => Mode::VerifyCa,
                    "verify-full" => Mode::VerifyFull,
                    _ => {
                        return Err(
                            "its sslmode is none of disable, prefer, require, verify-ca and verify-full"
                                .to_owned(),
                        );
                    }
                }
            }
            Some(("sslrootcert", value)) => {
                let path = percent_decode_str(value)
                    .decode_utf8()
                    .map_err(|_| "its sslrootcert is not UTF-8".to_owned())?;
                root = Some(PathBuf::from(path.as_ref()));
            }
            _ => rest.push(parameter),
        }
    }
    let url = if rest.is_empty() {
        base.to_owned()
    } else {
        format!("{base}?{}", rest.join("&"))
    };
    Ok((mode, root, url))
}

fn location(config: &tokio_postgres::Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let ports = config.get_ports();
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => path.display().to_string(),
            }
        })
        .collect();
    format!(
        "{}/{}",
        hosts.join(","),
        config.get_dbname().or(config.get_user()).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, StoreError> {
        Target::parse(url, &ConnectOptions::default())
    }

    #[test]
    fn parameters_about_tls_are_taken_out() {
        let (mode, root, rest) =
            split("postgres://h/d?connect_timeout=3&sslmode=verify-full&sslrootcert=%2Fa%20b&options=-csearch_path%3Dx")
                .unwrap();
        assert_eq!((Mode::VerifyFull, Some(PathBuf::from("/a b"))), (mode, root));
        assert_eq!("postgres://h/d?connect_timeout=3&options=-csearch_path%3Dx", rest);
    }

    #[test]
    fn no_message_holds_the_password() {
        for url in [
            "postgres://u:hunter2@h:1/d?sslmode=verify-full",
            "postgres://u:hunter2@h:1/d?sslmode=none",
            "postgres://u:hunter2@h:port/d",
            "mysql://u:hunter2@h/d",
        ] {
            let Err(error) = parse(url) else { panic!("{url}") };
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        let target = parse("postgres://u:hunter2@h:1/d").unwrap();
        assert_eq!("h:1/d", target.location);
    }

    #[test]
    fn a_mode_that_checks_demands_certificates() {
        for mode in ["verify-ca", "verify-full"] {
            let error = parse(&format!("postgres://h/d?sslmode={mode}")).err().unwrap();
            assert!(error.to_string().contains("sslrootcert"), "{error}");
        }
    }
}
