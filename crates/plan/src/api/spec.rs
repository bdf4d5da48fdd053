//! What a person asks for.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::RemoteBackendStatus;

/// Which backend an Edge API of Project Flotta is to use, and under which conditions it may be switched.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "companion.project-flotta.io",
    version = "v1alpha1",
    kind = "RemoteBackend",
    plural = "remotebackends",
    shortname = "rb",
    category = "flotta",
    namespaced,
    status = "RemoteBackendStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase","description":"Where the companion is"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status","description":"Whether what the spec asks for is so"}"#,
    printcolumn = r#"{"name":"Mode","type":"string","jsonPath":".spec.mode","description":"What is asked for"}"#,
    printcolumn = r#"{"name":"Backend","type":"string","jsonPath":".status.backend","description":"What the Edge API uses"}"#,
    printcolumn = r#"{"name":"Verified","type":"string","jsonPath":".status.conditions[?(@.type==\"Verified\")].status","description":"Whether a real call proved it"}"#,
    printcolumn = r#"{"name":"Next Action","type":"string","jsonPath":".status.nextAction","description":"What happens next, or what a person has to do"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct RemoteBackendSpec {
    /// Remote switches the Edge API to the backend below and keeps it there; Crd rolls it back to what was before; Observe
    /// checks everything and says what Remote would do, without doing it.
    #[serde(default)]
    pub mode: Mode,
    /// The backend.
    #[serde(default)]
    pub backend: Backend,
    /// The Edge API, by the names of its objects in this namespace.
    #[serde(default)]
    pub edge_api: EdgeApi,
    /// What happens to devices that one backend has and the other lacks.
    #[serde(default)]
    pub devices: Devices,
    /// Days that certificates of devices are valid (CLIENT_CERT_EXPIRATION_DAYS). A device that is off for longer is locked
    /// out for good; so less than 365 is warned of. Unset leaves the Edge API's setting alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub client_cert_expiration_days: Option<u32>,
    /// While present the companion changes nothing; it goes on to observe and report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Use the remote backend.
    #[default]
    Remote,
    /// Go back to what was before the switch: Flotta's custom resources.
    Crd,
    /// Say what Remote would do.
    Observe,
}

/// The remote backend and our server behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Backend {
    /// REMOTE_BACKEND_URL: scheme, host, port if it is not the scheme's own, and the path of the Edge Configuration API.
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^https?://"))]
    pub url: String,
    /// REMOTE_BACKEND_TIMEOUT, a Go duration with a unit. The Edge API checks its form and makes no use of it.
    #[schemars(regex(pattern = r"^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$"))]
    pub timeout: String,
    /// Names and addresses for the server's certificate, besides the host of the URL.
    #[schemars(length(max = 64))]
    pub server_names: Vec<String>,
    /// Service of the server's pods.
    #[schemars(length(min = 1, max = 63))]
    pub service: String,
    /// Secret that the server's pods mount; the companion fills it.
    #[schemars(length(min = 1, max = 253))]
    pub secret: String,
    /// The store with this id is to serve although another one is recorded in status.storeId, for
    /// example because the volume was lost. Devices that only the former store knew get no configuration from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub accept_store_id: Option<String>,
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            url: "https://edge-config-server.flotta.svc:8443/api/flotta-backend/v1".to_owned(),
            timeout: "5s".to_owned(),
            server_names: Vec::new(),
            service: "edge-config-server".to_owned(),
            secret: "edge-config-server-tls".to_owned(),
            accept_store_id: None,
        }
    }
}

/// Names of the Edge API's objects. The defaults are those of Flotta's own manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EdgeApi {
    /// Its Deployment.
    #[schemars(length(min = 1, max = 253))]
    pub deployment: String,
    /// The container of it that serves devices.
    #[schemars(length(min = 1, max = 63))]
    pub container: String,
    /// Its Service.
    #[schemars(length(min = 1, max = 63))]
    pub service: String,
    /// The ConfigMap with its settings.
    #[schemars(length(min = 1, max = 253))]
    pub config_map: String,
    /// The Secret with Flotta's CA.
    #[schemars(length(min = 1, max = 253))]
    pub ca_secret: String,
    /// The Secret with its host certificate.
    #[schemars(length(min = 1, max = 253))]
    pub host_certificate_secret: String,
    /// Seconds that a restart may take until the new pods are ready; after that a new switch is rolled back.
    #[schemars(range(min = 10, max = 3600))]
    pub rollout_seconds: u32,
}

impl Default for EdgeApi {
    fn default() -> Self {
        Self {
            deployment: "flotta-edge-api".to_owned(),
            container: "http".to_owned(),
            service: "flotta-edge-api".to_owned(),
            config_map: "flotta-edge-api-config".to_owned(),
            ca_secret: "flotta-ca".to_owned(),
            host_certificate_secret: "flotta-host-certificate".to_owned(),
            rollout_seconds: 300,
        }
    }
}

/// What happens to devices that the other backend lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Devices {
    /// Devices of the custom resources that the server's store would not serve.
    pub entering: EnteringDevices,
    /// Devices of the server's store that the custom resources lack.
    pub leaving: LeavingDevices,
}

/// Devices of the custom resources that the store would not serve, at a switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EnteringDevices {
    /// No switch while there is one.
    #[default]
    Refuse,
    /// Switch. They keep what they run and get no configuration until they are adopted.
    LeaveThemWithoutConfiguration,
}

/// Devices of the store that the custom resources lack, on the way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LeavingDevices {
    /// No way back while there is one.
    #[default]
    Refuse,
    /// Go back. Flotta tells each of them to disconnect, and they remove all their workloads.
    DisconnectThemAndRemoveTheirWorkloads,
}

/// A pause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Paused {
    /// When it ends by itself (RFC 3339); without it the pause lasts until it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub until: Option<String>,
    /// Why, for whoever looks at 3 a.m.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
}
