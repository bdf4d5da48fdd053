//! What an operator can set, read into types at start; all faults are told together.
//!
//! Sources, the first that has a value wins: command line, environment, file (`--config`),
//! defaults. Defaults are written once, in [`cli`].

pub mod cli;

mod fault;
mod layers;
#[cfg(test)]
mod tests;
mod value;
mod yaml;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use clap::ArgMatches;
use contract::Confidential;
use fleet::Policy;
use manifests::UnknownFields;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use store::Bounds;

pub use fault::{Fault, Faults, Origin};
pub(crate) use yaml::flat;

use crate::{files, service::MemoryLimits, sources::Share, telemetry::Format, tls::Files, transport::Limits};
use layers::Layers;

/// The port of plain HTTP, unless `--listen` says otherwise.
const HTTP_PORT: u16 = 8080;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the device plane.
    pub listen: SocketAddr,
    /// Address of the ops port.
    pub ops_listen: SocketAddr,
    /// The admin socket.
    pub admin_socket: PathBuf,
    /// The files of TLS material; `None` for plain HTTP.
    pub tls: Option<Files>,
    /// Where the fleet is kept.
    pub store: StoreLocation,
    /// Whether the store was restored from a backup and does not show it.
    pub restored: bool,
    /// The admission file; `None` to take in whomever the rules let in, on whatever store.
    pub admission: Option<PathBuf>,
    /// The manifests to watch; `None` for those that are in the store or come by the admin socket.
    pub manifests: Option<PathBuf>,
    /// What of a change waits for a person.
    pub confirm_above: Share,
    /// What becomes of a field of a manifest that nobody knows.
    pub unknown_fields: UnknownFields,
    /// How long the manifests have to rest before what takes something away counts.
    pub settle_removals: Duration,
    /// The keys of Secrets; `None` to store them as they are.
    pub secret_keys: Option<PathBuf>,
    /// Whether one broken workload fails a device's whole configuration.
    pub strict: bool,
    /// What an administrator can set about the rules.
    pub policy: Policy,
    /// How much the store keeps.
    pub bounds: Bounds,
    /// Bytes of memory for devices, and for requests.
    pub memory: MemoryLimits,
    /// What a caller of the device plane may use.
    pub limits: Limits,
    /// Time to stop in.
    pub shutdown_timeout: Duration,
    /// Form of log lines.
    pub log_format: Format,
    /// Which of them are written: a filter that was read once without a fault.
    pub log_level: String,
}

/// Where a fleet is kept. `Display` shows no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreLocation {
    /// One file.
    Sqlite(PathBuf),
    /// A database server: `postgres://...`, with the password in it.
    Postgres(Confidential),
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let rest = url.expose().split_once("://").map_or("", |(_, rest)| rest);
                let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
                // Parameters may hold a password too.
                write!(f, "postgres://{}", place.split('?').next().unwrap_or_default())
            }
        }
    }
}

impl Settings {
    /// Reads the settings of `serve` or `check` from all sources.
    pub fn resolve(matches: &ArgMatches) -> Result<Self, Faults> {
        let mut layers = Layers::new(matches);
        let settings = read(&mut layers);
        match settings {
            Some(settings) if layers.faults.is_empty() => Ok(settings),
            _ => Err(Faults(layers.faults)),
        }
    }
}

/// Reads every setting before it gives up on any. `None` goes with at least one fault.
fn read(layers: &mut Layers<'_>) -> Option<Settings> {
    let insecure = layers.optional("insecure-http", value::truth);
    let listen = layers.optional("listen", value::address);
    let ops_listen = layers.optional("ops-listen", value::address);
    let admin_socket = layers.optional("admin-socket", value::path);
    let tls = files(layers, insecure.unwrap_or(false));
    let store = store(layers);
    let restored = layers.optional("restored", value::truth);
    let admission = layers.optional("admission", value::path);
    let manifests = layers.optional("manifests", value::path);
    let confirm_above = layers.optional("confirm-above", value::share);
    let unknown_fields = layers.optional("unknown-fields", value::unknown_fields);
    let settle_removals = layers.optional("settle-removals", value::duration);
    let secret_keys = layers.optional("secret-keys", value::path);
    let strict = layers.optional("strict", value::truth);
    let policy = policy(layers);
    let bounds = bounds(layers);
    let shutdown_timeout = layers.optional("shutdown-timeout", value::duration);
    let cache = layers.optional("cache", value::size);
    let requests = layers.optional("request-memory", value::size);
    let limits = limits(
        layers,
        requests.unwrap_or_default(),
        shutdown_timeout.unwrap_or_default(),
    );
    let log_format = layers.optional("log-format", value::log_format);
    let log_level = layers.optional("log-level", value::log_level);
    let mut listen = listen?;
    if insecure? && layers.origin("listen") == Origin::Default {
        listen.set_port(HTTP_PORT);
    }
    Some(Settings {
        listen,
        ops_listen: ops_listen?,
        admin_socket: admin_socket?,
        tls: tls?,
        store: store?,
        restored: restored?,
        admission,
        manifests,
        confirm_above: confirm_above?,
        unknown_fields: unknown_fields?,
        settle_removals: settle_removals?,
        secret_keys,
        strict: strict?,
        policy: policy?,
        bounds: bounds?,
        memory: MemoryLimits {
            cache: cache?,
            requests: requests?,
        },
        limits: limits?,
        shutdown_timeout: shutdown_timeout?,
        log_format: log_format?,
        log_level: log_level?,
    })
}

#[expect(
    clippy::option_option,
    reason = "the outer level says whether it could be read, the inner whether there is TLS"
)]
fn files(layers: &mut Layers<'_>, insecure: bool) -> Option<Option<Files>> {
    let mut file = |setting| {
        let path = layers.optional(setting, value::path);
        if path.is_none() && !insecure {
            layers.missing(
                setting,
                "it must name a file (or set insecure-http, where nobody else reaches the port)",
            );
        }
        path
    };
    let [certificate, key] = [file("tls-cert"), file("tls-key")];
    let [client_ca, client_pins] = [file("client-ca"), file("client-pins")];
    if insecure {
        return Some(None);
    }
    let (client_ca, client_pins) = (client_ca?, client_pins?);
    Some(Some(Files {
        certificate: certificate?,
        key: key?,
        client_ca,
        client_pins,
    }))
}

fn store(layers: &mut Layers<'_>) -> Option<StoreLocation> {
    let location = layers.secret("store", value::store);
    let password = layers.optional("store-password-file", |path| {
        let file = files::once(path.as_ref()).map_err(|error| format!("it cannot be read: {error}"))?;
        Ok(Confidential::from(file.trim_end_matches(['\r', '\n'])))
    });
    match (location?, password) {
        (location, None) => Some(location),
        (StoreLocation::Postgres(url), Some(password)) => {
            Some(StoreLocation::Postgres(joined(&url, &password)))
        }
        (StoreLocation::Sqlite(_), Some(_)) => layers.optional("store-password-file", |_| {
            Err(
                "it has no meaning for a store in a file; remove it or set store to postgres://..."
                    .to_owned(),
            )
        }),
    }
}

/// The URL with the password in it, in the form that needs no knowledge of the rest.
fn joined(url: &Confidential, password: &Confidential) -> Confidential {
    let separator = if url.expose().contains('?') { '&' } else { '?' };
    let password = utf8_percent_encode(password.expose(), NON_ALPHANUMERIC);
    Confidential::from(format!("{}{separator}password={password}", url.expose()))
}

fn policy(layers: &mut Layers<'_>) -> Option<Policy> {
    let approval = layers.optional("approval", value::approval);
    let permission_window = layers.optional("permission-window", value::signed_duration);
    let unknown_key = layers.optional("unknown-key", value::unknown_key);
    let silent_after_periods = layers.optional("silent-after-periods", value::small);
    let playbook_offers = layers.optional("playbook-offers", value::small);
    let playbook_retries = layers.optional("playbook-retries", value::small);
    Some(Policy {
        approval: approval?,
        permission_window: permission_window?,
        unknown_key: unknown_key?,
        silent_after_periods: silent_after_periods?,
        playbook_offers: playbook_offers?,
        playbook_retries: playbook_retries?,
    })
}

fn bounds(layers: &mut Layers<'_>) -> Option<Bounds> {
    let events = layers.optional("events-per-device", value::count);
    let event_bytes = layers.optional("event-bytes-per-device", value::size);
    let event_age = layers.optional("event-age", value::signed_duration);
    let strays = layers.optional("max-strays", value::count);
    Some(Bounds {
        events: events?,
        event_bytes: event_bytes?,
        event_age: event_age?,
        strays: strays?,
    })
}

fn limits(layers: &mut Layers<'_>, requests: usize, shutdown_timeout: Duration) -> Option<Limits> {
    let body = layers.optional("max-body", value::size);
    let request = layers.optional("request-timeout", value::duration);
    let header = layers.optional("header-timeout", value::duration);
    let idle = layers.optional("idle-timeout", value::duration);
    let handshake = layers.optional("handshake-timeout", value::duration);
    let write = layers.optional("write-timeout", value::duration);
    let connections = layers.optional("max-connections", value::count);
    let handshakes = layers.optional("max-handshakes", value::count);
    let concurrent_requests = layers.optional("max-concurrent-requests", value::count);
    Some(Limits {
        body: body?,
        // The rest is for what follows from them.
        bodies: requests / 4,
        request: request?,
        header: header?,
        idle: idle?,
        handshake: handshake?,
        write: write?,
        silent: connections?.saturating_mul(2),
        connections: connections?,
        handshakes: handshakes?,
        concurrent_requests: concurrent_requests?,
        interruptible: false,
        drain: shutdown_timeout / 2,
    })
}
