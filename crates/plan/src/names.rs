//! Names that the companion gives to things, and Flotta's own that it uses as defaults.

/// API group of [`crate::api::RemoteBackend`] and prefix of every annotation.
pub const GROUP: &str = "companion.project-flotta.io";

/// Name of the `RemoteBackend` that the chart makes, and of the one to make without it.
pub const REMOTE_BACKEND: &str = "flotta";

/// Field manager of everything that is in force because of the companion.
pub const MANAGER: &str = "flotta-companion";

/// Field manager of values that were given back to whoever had set them before.
pub const RESTORE_MANAGER: &str = "flotta-companion-restore";

/// Finalizer of a `RemoteBackend`: its deletion rolls the Edge API back first.
pub const FINALIZER: &str = "companion.project-flotta.io/restore";

/// Annotation on the Edge API's pod template: what the pods were started with. A change of it is
/// what restarts them.
pub const INPUTS_ANNOTATION: &str = "companion.project-flotta.io/inputs";

/// Annotation on our server's pods. A change makes the kubelet look at their volumes now and not in
/// a minute.
pub const NUDGE_ANNOTATION: &str = "companion.project-flotta.io/nudge";

/// Annotation on a `RemoteBackend` that is being uninstalled: the companion only watches, `restore`
/// acts.
pub const RETIRING_ANNOTATION: &str = "companion.project-flotta.io/retiring";

/// Annotation on a `RemoteBackend` with which a person asks to try a failed switch again; any new
/// value does.
pub const RETRY_ANNOTATION: &str = "companion.project-flotta.io/retry";

/// Annotation on a `RemoteBackend` with which a person says what was before, when that was lost;
/// the value is `crd`.
pub const ASSUME_PREVIOUS_ANNOTATION: &str = "companion.project-flotta.io/assume-previous";

/// Annotation on the ConfigMap of the Edge API's settings that says what they are good for.
pub const SETTINGS_ANNOTATION: &str = "companion.project-flotta.io/settings";

/// ConfigMap with what was in the place of our values before.
pub const PREVIOUS: &str = "flotta-companion-previous";

/// The Lease that the acting replica holds.
pub const LEASE: &str = "flotta-companion";

/// Volume in the Edge API's pods with the CA of Flotta and nothing else.
pub const CA_VOLUME: &str = "flotta-companion-ca";

/// Where that volume is mounted.
pub const CA_MOUNT: &str = "/etc/flotta-companion/ca";

/// Ids of devices that are verification calls begin so; such a device never appears in the fleet.
pub const PROBE_PREFIX: &str = "flotta-companion-probe-";

/// Port of the device API in the Edge API's pods.
pub const EDGE_API_PORT: u16 = 8043;

/// Port of `/status` in our server's pods.
pub const SERVER_OPS_PORT: u16 = 9090;
