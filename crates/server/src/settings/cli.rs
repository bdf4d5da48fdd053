//! The command line. Its help is the manual of the settings: every default is written here and
//! nowhere else.
//!
//! Values are taken as text and read in [`super::Settings::resolve`], so that all faults are told
//! together, wherever the values came from.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::admin::cli::{
    DEFAULT_SOCKET, device::DeviceArgs, manifests::ManifestsArgs, rekey::RekeyArgs, workload::WorkloadArgs,
};

const AFTER_HELP: &str = "\
Settings are taken from, in this order: command line, environment (EDGE_CONFIG_ and the name of the flag), the file \
named by --config, defaults. The file is YAML with the same names: `tls-cert: /etc/tls/tls.crt`.

Exit codes:
  0  done; after SIGTERM or SIGINT: stopped, everything acknowledged is stored
  1  failed; the reason is in the last lines on standard error
  2  the command line or a setting is wrong";

const EXAMPLES: &str = "\
Examples:
  Serve a fleet kept in a file, over mutual TLS:
    edge-config-server serve --store sqlite:/var/lib/edge-config-server/fleet.db \\
      --tls-cert /tls/tls.crt --tls-key /tls/tls.key --client-ca /tls/ca.crt --client-pins /tls/pins

  Try it on this machine, without TLS:
    edge-config-server serve --insecure-http --listen 127.0.0.1:8080 --ops-listen 127.0.0.1:9090 \\
      --store sqlite:fleet.db --admin-socket admin.sock

Signals:
  SIGTERM, SIGINT  stop: finish what is under way, store everything, exit 0
  SIGHUP           look at the TLS material and the admission file now instead of within a second

Exit codes:
  0  stopped, everything acknowledged is stored
  1  failed; the reason is in the last lines on standard error
  2  the command line or a setting is wrong";

const CHECK_HELP: &str = "\
Each finding is a line on standard output that begins with `ok`, `warning` or `problem`.

Exit codes:
  0  no problem was found; there may be warnings
  1  there is a problem
  2  the command line is wrong";

/// Serves the Edge Configuration API of Project Flotta from a store of its own.
///
/// A Flotta Edge API with BACKEND=remote and
/// REMOTE_BACKEND_URL=https://HOST:8443/api/flotta-backend/v1 keeps its devices here.
#[derive(Debug, Parser)]
#[command(name = "edge-config-server", version, after_help = AFTER_HELP, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve devices until stopped
    #[command(after_help = EXAMPLES)]
    Serve(Box<Options>),
    /// Say what is wrong with the settings, the TLS material, the store and the admission file, and
    /// change nothing
    #[command(after_help = CHECK_HELP)]
    Check(Box<Options>),
    /// Show and administer the devices of a running server
    Device(DeviceArgs),
    /// Show and change the manifests that a running server configures its devices by
    Manifests(ManifestsArgs),
    /// Show how far the workloads of a running server have reached its devices
    Workload(WorkloadArgs),
    /// Encrypt the Secrets in the store of a running server with the first of its keys
    Rekey(RekeyArgs),
}

/// The settings as text. What they mean is in [`super::Settings`].
#[derive(Debug, Args)]
pub struct Options {
    /// Settings file, YAML; a setting in it has the name of its flag
    #[arg(long, env = "EDGE_CONFIG_CONFIG", hide_env_values = true, value_name = "PATH")]
    pub config: Option<PathBuf>,

    /// Address of the device plane, where the Edge API connects; with --insecure-http the default
    /// port is 8080
    #[arg(
        long,
        env = "EDGE_CONFIG_LISTEN",
        hide_env_values = true,
        help_heading = "Addresses",
        value_name = "IP:PORT",
        default_value = "0.0.0.0:8443"
    )]
    pub listen: String,
    /// Address of /healthz, /readyz, /status and /metrics, plain HTTP
    #[arg(
        long,
        env = "EDGE_CONFIG_OPS_LISTEN",
        hide_env_values = true,
        help_heading = "Addresses",
        value_name = "IP:PORT",
        default_value = "0.0.0.0:9090"
    )]
    pub ops_listen: String,
    /// Unix socket for `edge-config-server device`; who may open it (mode 0600) may do everything
    #[arg(long, env = "EDGE_CONFIG_ADMIN_SOCKET", hide_env_values = true, help_heading = "Addresses", value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub admin_socket: String,

    /// The server's certificate and its chain, PEM; looked at every second, as the three below
    #[arg(
        long,
        env = "EDGE_CONFIG_TLS_CERT",
        hide_env_values = true,
        help_heading = "TLS",
        value_name = "PATH"
    )]
    pub tls_cert: Option<String>,
    /// Its private key, PEM: PKCS#8, PKCS#1 or SEC 1, not encrypted
    #[arg(
        long,
        env = "EDGE_CONFIG_TLS_KEY",
        hide_env_values = true,
        help_heading = "TLS",
        value_name = "PATH"
    )]
    pub tls_key: Option<String>,
    /// CA certificates of the Edge API (ca.crt of Secret flotta-ca), PEM
    #[arg(
        long,
        env = "EDGE_CONFIG_CLIENT_CA",
        hide_env_values = true,
        help_heading = "TLS",
        value_name = "PATH"
    )]
    pub client_ca: Option<String>,
    /// Public keys that may connect: per line the SHA-256 of a DER SubjectPublicKeyInfo in
    /// hexadecimal, # for comments
    #[arg(
        long,
        env = "EDGE_CONFIG_CLIENT_PINS",
        hide_env_values = true,
        help_heading = "TLS",
        value_name = "PATH"
    )]
    pub client_pins: Option<String>,
    /// Serve plain HTTP: everybody who reaches the port can speak for every device
    #[arg(long, env = "EDGE_CONFIG_INSECURE_HTTP", hide_env_values = true, help_heading = "TLS", value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pub insecure_http: String,

    /// Where the fleet is kept: sqlite:PATH or postgres://USER@HOST/DATABASE
    #[arg(
        long,
        env = "EDGE_CONFIG_STORE",
        hide_env_values = true,
        help_heading = "Store",
        value_name = "URL",
        default_value = "sqlite:/var/lib/edge-config-server/fleet.db"
    )]
    pub store: String,
    /// File that holds the password for PostgreSQL
    #[arg(
        long,
        env = "EDGE_CONFIG_STORE_PASSWORD_FILE",
        hide_env_values = true,
        help_heading = "Store",
        value_name = "PATH"
    )]
    pub store_password_file: Option<String>,
    /// The store was restored from a backup: deletions recorded in it disconnect no device until
    /// they are confirmed, and a mark that is of another store or cannot be read is replaced
    #[arg(long, env = "EDGE_CONFIG_RESTORED", hide_env_values = true, help_heading = "Store", value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pub restored: String,
    /// Events kept of each device
    #[arg(
        long,
        env = "EDGE_CONFIG_EVENTS_PER_DEVICE",
        hide_env_values = true,
        help_heading = "Store",
        value_name = "NUMBER",
        default_value = "256"
    )]
    pub events_per_device: String,
    /// Bytes of events kept of each device, beside which the latest one always stays
    #[arg(
        long,
        env = "EDGE_CONFIG_EVENT_BYTES_PER_DEVICE",
        hide_env_values = true,
        help_heading = "Store",
        value_name = "SIZE",
        default_value = "256KiB"
    )]
    pub event_bytes_per_device: String,
    /// Age at which an event is removed
    #[arg(
        long,
        env = "EDGE_CONFIG_EVENT_AGE",
        hide_env_values = true,
        help_heading = "Store",
        value_name = "DURATION",
        default_value = "720h"
    )]
    pub event_age: String,
    /// Ids kept that speak to the server and are no approved device
    #[arg(
        long,
        env = "EDGE_CONFIG_MAX_STRAYS",
        hide_env_values = true,
        help_heading = "Store",
        value_name = "NUMBER",
        default_value = "10000"
    )]
    pub max_strays: String,

    /// Manifests that the fleet is configured by: a file or a directory of YAML or JSON; looked at
    /// every second
    ///
    /// EdgeDevices, EdgeDeviceSets, EdgeWorkloads, EdgeConfigs, ConfigMaps and so on, as for
    /// Kubernetes. All of it is taken over or nothing. Until it was once, only devices that the
    /// store gave a configuration before get one.
    #[arg(
        long,
        env = "EDGE_CONFIG_MANIFESTS",
        hide_env_values = true,
        help_heading = "Configuration",
        value_name = "PATH"
    )]
    pub manifests: Option<String>,
    /// Share of devices that new manifests may take a workload from without a confirmation, and
    /// never any device's last one
    ///
    /// Beyond it they wait for `edge-config-server manifests confirm`, and devices keep what they
    /// have. 100% asks never.
    #[arg(
        long,
        env = "EDGE_CONFIG_CONFIRM_ABOVE",
        hide_env_values = true,
        help_heading = "Configuration",
        value_name = "PERCENT",
        default_value = "10%"
    )]
    pub confirm_above: String,
    /// What becomes of a field of a manifest that no one knows: refuse (as kubectl does) or warn
    /// (as an API server, which leaves it out)
    ///
    /// Left out, a mistyped `matchLabels` is a selector of every device. What is stored is not
    /// judged by it.
    #[arg(
        long,
        env = "EDGE_CONFIG_UNKNOWN_FIELDS",
        hide_env_values = true,
        help_heading = "Configuration",
        value_name = "RULE",
        default_value = "refuse"
    )]
    pub unknown_fields: String,
    /// How long manifests have to be unchanged before what they no longer have counts, for
    /// half-written files are never meant
    ///
    /// What only adds counts after 2 s. What is replaced at once, the volume of a ConfigMap or a
    /// link that is led elsewhere, counts after 2 s as a whole, and so does what a person has
    /// confirmed, at once.
    #[arg(
        long,
        env = "EDGE_CONFIG_SETTLE_REMOVALS",
        hide_env_values = true,
        help_heading = "Configuration",
        value_name = "DURATION",
        default_value = "30s"
    )]
    pub settle_removals: String,
    /// Keys that Secrets are encrypted with in the store: per line an id and 32 bytes in base64,
    /// the first for what is new
    #[arg(
        long,
        env = "EDGE_CONFIG_SECRET_KEYS",
        hide_env_values = true,
        help_heading = "Configuration",
        value_name = "PATH"
    )]
    pub secret_keys: Option<String>,
    /// Fail a device's whole configuration for one broken workload, as Flotta does, instead of
    /// keeping its last good form
    #[arg(long, env = "EDGE_CONFIG_STRICT", hide_env_values = true, help_heading = "Configuration", value_name = "BOOL", default_value = "false", default_missing_value = "true", num_args = 0..=1, require_equals = true)]
    pub strict: String,

    /// File that says whom the fleet takes in and which store is its; looked at every second
    ///
    /// Two lines of YAML: `admission: Open`, Hold or Closed, and, once a store is recorded,
    /// `storeId: ID`. No device is served before the file is there, or on another store. Without
    /// this setting: Open, on any store.
    #[arg(
        long,
        env = "EDGE_CONFIG_ADMISSION",
        hide_env_values = true,
        help_heading = "Rules",
        value_name = "PATH"
    )]
    pub admission: Option<String>,
    /// Who approves a new device: automatic (as Flotta does) or manual
    #[arg(
        long,
        env = "EDGE_CONFIG_APPROVAL",
        hide_env_values = true,
        help_heading = "Rules",
        value_name = "WHO",
        default_value = "automatic"
    )]
    pub approval: String,
    /// How long an administrator's permission lets a device register with any key
    #[arg(
        long,
        env = "EDGE_CONFIG_PERMISSION_WINDOW",
        hide_env_values = true,
        help_heading = "Rules",
        value_name = "DURATION",
        default_value = "1h"
    )]
    pub permission_window: String,
    /// First key of a device whose keys are not known: accept-first or require-permission
    #[arg(
        long,
        env = "EDGE_CONFIG_UNKNOWN_KEY",
        hide_env_values = true,
        help_heading = "Rules",
        value_name = "RULE",
        default_value = "accept-first"
    )]
    pub unknown_key: String,
    /// A device that is not heard for so many of its heartbeat periods is Silent
    #[arg(
        long,
        env = "EDGE_CONFIG_SILENT_AFTER_PERIODS",
        hide_env_values = true,
        help_heading = "Rules",
        value_name = "NUMBER",
        default_value = "3"
    )]
    pub silent_after_periods: String,
    /// Times that a playbook is offered to a device before it waits for a person
    #[arg(
        long,
        env = "EDGE_CONFIG_PLAYBOOK_OFFERS",
        hide_env_values = true,
        help_heading = "Rules",
        value_name = "NUMBER",
        default_value = "3"
    )]
    pub playbook_offers: String,
    /// Times that a playbook with the strategy RetryOnFailure is run again
    #[arg(
        long,
        env = "EDGE_CONFIG_PLAYBOOK_RETRIES",
        hide_env_values = true,
        help_heading = "Rules",
        value_name = "NUMBER",
        default_value = "3"
    )]
    pub playbook_retries: String,

    /// Every request ends within this time; devices give up after 1 s
    #[arg(
        long,
        env = "EDGE_CONFIG_REQUEST_TIMEOUT",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "DURATION",
        default_value = "800ms"
    )]
    pub request_timeout: String,
    /// Memory for devices and their configurations, so that polls are answered without the store;
    /// an estimate, beside what the manifests take and the process itself
    #[arg(
        long,
        env = "EDGE_CONFIG_CACHE",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "SIZE",
        default_value = "128MiB"
    )]
    pub cache: String,
    /// Memory for requests under way: bodies, what was read of them, and what is being written;
    /// more are answered 503 with Retry-After
    #[arg(
        long,
        env = "EDGE_CONFIG_REQUEST_MEMORY",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "SIZE",
        default_value = "64MiB"
    )]
    pub request_memory: String,
    /// Longest body of a request
    #[arg(
        long,
        env = "EDGE_CONFIG_MAX_BODY",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "SIZE",
        default_value = "1MiB"
    )]
    pub max_body: String,
    /// Requests under way at a time; more are answered 503 with Retry-After
    #[arg(
        long,
        env = "EDGE_CONFIG_MAX_CONCURRENT_REQUESTS",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "NUMBER",
        default_value = "1024"
    )]
    pub max_concurrent_requests: String,
    /// Open connections, without those whose TLS handshake is not finished; more are closed
    ///
    /// With --insecure-http a new one takes the place of one that waits for its caller: the oldest
    /// of the address that has most of them. Twice as many may be there beside them that have said
    /// nothing yet. Raise the hard limit of open files along with it.
    #[arg(
        long,
        env = "EDGE_CONFIG_MAX_CONNECTIONS",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "NUMBER",
        default_value = "4096"
    )]
    pub max_connections: String,
    /// Connections whose TLS handshake has begun and is not finished; a new one takes the place of
    /// the oldest of the address that has most
    #[arg(
        long,
        env = "EDGE_CONFIG_MAX_HANDSHAKES",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "NUMBER",
        default_value = "1024"
    )]
    pub max_handshakes: String,
    /// Time for a TLS handshake
    #[arg(
        long,
        env = "EDGE_CONFIG_HANDSHAKE_TIMEOUT",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "DURATION",
        default_value = "5s"
    )]
    pub handshake_timeout: String,
    /// Time for the head of a request, from its first byte
    #[arg(
        long,
        env = "EDGE_CONFIG_HEADER_TIMEOUT",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "DURATION",
        default_value = "5s"
    )]
    pub header_timeout: String,
    /// Time between two requests of a connection
    #[arg(
        long,
        env = "EDGE_CONFIG_IDLE_TIMEOUT",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "DURATION",
        default_value = "120s"
    )]
    pub idle_timeout: String,
    /// Time for a caller to take an answer
    #[arg(
        long,
        env = "EDGE_CONFIG_WRITE_TIMEOUT",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "DURATION",
        default_value = "10s"
    )]
    pub write_timeout: String,
    /// Time to stop in; half of it is for requests under way, the rest for the store
    #[arg(
        long,
        env = "EDGE_CONFIG_SHUTDOWN_TIMEOUT",
        hide_env_values = true,
        help_heading = "Limits",
        value_name = "DURATION",
        default_value = "10s"
    )]
    pub shutdown_timeout: String,

    /// Form of log lines on standard error: text or json
    #[arg(
        long,
        env = "EDGE_CONFIG_LOG_FORMAT",
        hide_env_values = true,
        help_heading = "Logs",
        value_name = "FORM",
        default_value = "text"
    )]
    pub log_format: String,
    /// Least important level that is logged: error, warn, info, debug, trace, or per module:
    /// info,edge_config_server=debug
    #[arg(
        long,
        env = "EDGE_CONFIG_LOG_LEVEL",
        hide_env_values = true,
        help_heading = "Logs",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: String,
}
