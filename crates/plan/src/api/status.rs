//! What a person is told, and the little that has to be remembered from one look to the next.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What was found and what is served.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RemoteBackendStatus {
    /// The generation of the spec that all this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the companion is, in one word.
    pub phase: Phase,
    /// Ready, BackendReachable, Switched, Verified, Trusted, Contested, Degraded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// What the Edge API uses now.
    pub backend: BackendInForce,
    /// What happens next, or what a person has to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub next_action: String,
    /// Why the next action does not happen yet; empty when nothing blocks it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
    /// What should be fixed although nothing is blocked by it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What was found.
    pub found: Found,
    /// What is served, and by whom.
    pub served: Served,
    /// The store that this fleet was recorded in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// Whether this switch was verified once. From then on only mode Crd or an uninstallation rolls back.
    pub established: bool,
    /// The change of the Edge API that is under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// What was verified last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// A change of the settings that could not be verified; those that were verified last are in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
    /// Switches that were rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<Failures>,
    /// The last value of annotation companion.project-flotta.io/retry that was heeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// The contest that ended our writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contest: Option<Contest>,
    /// Values of ours that somebody else changed lately, latest last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write_backs: Vec<WriteBack>,
    /// What the companion remembers, for itself. Do not edit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub memory: Option<serde_json::Value>,
}

/// An object of which the API server keeps every field.
fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// Where the companion is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nothing was looked at yet, or the Edge API is not there yet.
    #[default]
    Pending,
    /// Something has to be fixed before the switch; the Edge API is untouched.
    Blocked,
    /// Certificates are issued and loaded, the backend is called; the Edge API is untouched.
    Preparing,
    /// Settings are written and the Edge API is restarted.
    Switching,
    /// The calls that prove the switch are under way.
    Verifying,
    /// The Edge API uses the remote backend, proven by a call.
    Remote,
    /// The Edge API was told to use the remote backend, and something is wrong with it.
    Degraded,
    /// Somebody else writes our values back; nothing is written any more.
    Contested,
    /// A switch that could not be verified is being rolled back.
    RollingBack,
    /// It was tried three times; nothing happens until something changes or a person asks.
    SwitchFailed,
    /// The way back is under way.
    Restoring,
    /// Mode Crd: the Edge API uses what it used before.
    Crd,
    /// Mode Observe.
    Observing,
    /// Paused.
    Paused,
    /// Another RemoteBackend acts for this Edge API.
    NotResponsible,
    /// It is being uninstalled.
    Retiring,
}

/// What the Edge API uses now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BackendInForce {
    /// Not known.
    #[default]
    Unknown,
    /// Flotta's custom resources.
    Crd,
    /// The remote backend of this resource.
    Remote,
    /// Another remote backend.
    OtherRemote,
    /// Pods of both kinds, during a restart.
    Changing,
}

/// What was found of Flotta.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Found {
    /// REMOTE_BACKEND_URL in the ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The signing CA: the first certificate of ca.crt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateStatus>,
    /// The host certificate of the Edge API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_certificate: Option<CertificateStatus>,
    /// Devices here and there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<DeviceCounts>,
}

/// What is served.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Served {
    /// The URL that the Edge API was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The server's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateStatus>,
    /// Pods of the server that have loaded it, and pods there are.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pods: String,
}

/// A certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateStatus {
    /// Its subject.
    pub subject: String,
    /// SHA-256 of its DER form, hexadecimal.
    pub fingerprint: String,
    /// SHA-256 of its public key, hexadecimal.
    pub public_key: String,
    /// End of its validity, RFC 3339.
    pub not_after: String,
}

/// Devices here and there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceCounts {
    /// EdgeDevices in the custom resources.
    pub custom_resources: u64,
    /// Devices in the store, waiting ones included, deleted ones not.
    pub here: u64,
    /// EdgeDevices that the store would not serve.
    pub only_in_custom_resources: u64,
    /// Devices of the store without an EdgeDevice.
    pub only_here: u64,
    /// When they were counted, RFC 3339.
    pub counted: String,
}

/// A change of the Edge API that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Attempt {
    /// Hash of what it is made of.
    pub inputs: String,
    /// When it began, RFC 3339.
    pub begun: String,
    /// When the Edge API was told to restart, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarted: Option<String>,
    /// When its pods were first seen rolled out, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_out: Option<String>,
    /// What was before was saved by an earlier switch of which nothing else is known. Devices may have come with it, so this
    /// one is not rolled back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
    /// Why it is being rolled back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What was verified last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Verified {
    /// Hash of what the Edge API was started with.
    pub inputs: String,
    /// When, RFC 3339.
    pub at: String,
    /// Public key of the signing CA, SHA-256.
    pub ca_public_key: String,
    /// Public key of the host certificate, SHA-256.
    pub host_public_key: String,
    /// Our settings then.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The Edge API's pods (uid) that were called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
}

/// Switches that were rolled back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Failures {
    /// Hash of what they were made of; with other inputs the count begins anew.
    pub inputs: String,
    /// How many.
    pub count: u32,
    /// Why the last one was rolled back.
    pub last: String,
    /// When, RFC 3339.
    pub at: String,
}

/// A value of ours that somebody else changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WriteBack {
    /// Which value.
    pub field: String,
    /// The field manager that changed it.
    pub manager: String,
    /// The object's version (of a Deployment: its generation) that it was seen in. The same one is counted once.
    pub seen: String,
    /// When it was seen, RFC 3339.
    pub at: String,
}

/// Types of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// What the spec asks for is so, and was verified.
    Ready,
    /// The URL answers as it should when it is called as the Edge API would.
    BackendReachable,
    /// The Edge API's settings and pods are those of the remote backend.
    Switched,
    /// A call through every pod of the Edge API reached our server.
    Verified,
    /// The CA, the host certificate and the server's certificate are those that belong together.
    Trusted,
    /// Somebody else writes our values back.
    Contested,
    /// Something should be fixed.
    Degraded,
}

impl ConditionType {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Ready,
        Self::BackendReachable,
        Self::Switched,
        Self::Verified,
        Self::Trusted,
        Self::Contested,
        Self::Degraded,
    ];

    /// As written in a condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::BackendReachable => "BackendReachable",
            Self::Switched => "Switched",
            Self::Verified => "Verified",
            Self::Trusted => "Trusted",
            Self::Contested => "Contested",
            Self::Degraded => "Degraded",
        }
    }
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known.
    Unknown,
}

impl ConditionStatus {
    /// As written in a condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A contest about a value: nothing is written until the resource changes, a person asks, or the other gives in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Contest {
    /// Which value.
    pub field: String,
    /// The field manager that writes it back.
    pub manager: String,
    /// The generation of the spec then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The value of annotation companion.project-flotta.io/retry then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
}

/// A change of the settings that could not be verified and was undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Rejected {
    /// The generation of the spec that asked for it; another one is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The value of annotation companion.project-flotta.io/retry then; so is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// Why.
    pub why: String,
}
