//! What the companion can do. Each action can be repeated, and does nothing when what it was
//! decided on has changed since.

use std::fmt;

use serde_json::Value;

use crate::{api::Reason, object::ObjectRef};

/// One thing to do. Every write names the `uid` and `resourceVersion` that were observed, so one
/// decided on an older state fails with a conflict and creates nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Take (or give up) the finalizer of the resource.
    SetFinalizer(bool),
    /// Ask which rights are missing.
    CheckRights,
    /// Fill the Secret of our server's pods.
    WriteServerSecret(ServerSecret),
    /// Make the kubelet look at the volumes of these pods now.
    Nudge {
        /// The pods.
        pods: Vec<ObjectRef>,
        /// The new value of the annotation.
        value: String,
    },
    /// Call the URL as the Edge API would. The evidence is about `about`.
    CallBackend {
        /// What the evidence is about.
        about: String,
        /// The URL.
        url: String,
    },
    /// Compare the devices of the custom resources with those of the store.
    CompareDevices {
        /// What the evidence is about.
        about: String,
        /// The URL of the backend.
        url: String,
    },
    /// Save what is in the place of our values, create-only.
    SavePrevious(Value),
    /// Write an object of Flotta's.
    Write(Write),
    /// Call each of these pods as a device would, with a fresh nonce, and look for it in our
    /// server's pods.
    Verify {
        /// What the evidence is about.
        about: String,
        /// The Edge API's pods.
        pods: Vec<Called>,
        /// The name that devices use (`DOMAIN`).
        server_name: String,
    },
    /// Forget what was before: it is in force again.
    DeletePrevious(ObjectRef),
}

/// A pod that is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Which one.
    pub pod: ObjectRef,
    /// Its IP address.
    pub address: String,
}

impl Action {
    /// A short name for logs, metrics and events.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SetFinalizer(true) => "AddFinalizer",
            Self::SetFinalizer(false) => "RemoveFinalizer",
            Self::CheckRights => "CheckRights",
            Self::WriteServerSecret(_) => "WriteServerSecret",
            Self::Nudge { .. } => "Nudge",
            Self::CallBackend { .. } => "CallBackend",
            Self::CompareDevices { .. } => "CompareDevices",
            Self::SavePrevious(_) => "SavePrevious",
            Self::Write(write) => write.purpose.name(),
            Self::Verify { .. } => "Verify",
            Self::DeletePrevious(_) => "DeletePrevious",
        }
    }

    /// Whether it is about our server alone and touches nothing of Flotta's, nor begins to.
    pub fn is_about_our_server(&self) -> bool {
        matches!(self, Self::WriteServerSecret(_) | Self::Nudge { .. })
    }

    /// Whether it changes something in the cluster, and so needs the Lease.
    pub fn writes(&self) -> bool {
        !matches!(
            self,
            Self::CheckRights | Self::CallBackend { .. } | Self::CompareDevices { .. } | Self::Verify { .. }
        )
    }
}

/// The Secret of our server's pods, all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerSecret {
    /// The Secret, and the version that this was decided on.
    pub object: ObjectRef,
    /// The certificate: kept as it is, or issued anew for these names.
    pub certificate: CertificateWrite,
    /// `ca.crt`
    pub ca: Vec<u8>,
    /// `pins`
    pub pins: String,
    /// `admission`
    pub admission: String,
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSecret")
            .field("name", &self.object.name())
            .field("certificate", &self.certificate)
            .field("pins", &self.pins)
            .field("admission", &self.admission)
            .finish_non_exhaustive()
    }
}

/// What becomes of the server's certificate.
#[derive(Clone, PartialEq, Eq)]
pub enum CertificateWrite {
    /// It stays: `tls.crt` and `tls.key` as they are in the Secret.
    Keep {
        /// `tls.crt`
        chain: Vec<u8>,
        /// `tls.key`
        key: Vec<u8>,
    },
    /// A new one from the CA in Secret `flotta-ca`, for these DNS names and IP addresses; the first
    /// is its common name.
    Issue {
        /// The names.
        names: Vec<String>,
        /// Why, for the log and the event.
        because: String,
    },
    /// There is none: plain HTTP.
    None,
}

impl fmt::Debug for CertificateWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep { .. } => f.write_str("Keep"),
            Self::Issue { names, because } => f
                .debug_struct("Issue")
                .field("names", names)
                .field("because", because)
                .finish(),
            Self::None => f.write_str("None"),
        }
    }
}

/// A write to an object of Flotta's.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Whose.
    pub kind: Kind,
    /// The object, and the version that this was decided on.
    pub object: ObjectRef,
    /// How.
    pub how: How,
    /// The document; `metadata.uid` and `metadata.resourceVersion` are in it.
    pub document: Value,
    /// What for.
    pub purpose: Purpose,
}

/// Kinds that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `v1` ConfigMap.
    ConfigMap,
    /// `apps/v1` Deployment.
    Deployment,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Server-side apply.
    Apply {
        /// The field manager.
        manager: &'static str,
        /// Whether values of other managers are taken over.
        force: bool,
    },
    /// Strategic merge patch (with `$patch: delete` and null where something is removed).
    StrategicMerge {
        /// The field manager.
        manager: &'static str,
    },
}

/// What a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Settings of the remote backend.
    Settings,
    /// The Deployment with everything of ours; restarts the Edge API when something in it is new.
    Rollout,
    /// Former settings.
    RestoreSettings,
    /// The Deployment as it was; restarts the Edge API.
    RestoreRollout,
    /// Nothing is owned any more; changes no value.
    Release,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Settings => "WriteSettings",
            Self::Rollout => "ApplyDeployment",
            Self::RestoreSettings => "RestoreSettings",
            Self::RestoreRollout => "RestoreDeployment",
            Self::Release => "Release",
        }
    }
}

/// How far the companion has come with what is asked for. Programs go by this, and never by a
/// sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is so.
    Arrived,
    /// It goes on by itself.
    UnderWay,
    /// Something is in the way.
    Blocked {
        /// What.
        reason: Reason,
        /// Who has to act.
        who: Who,
    },
    /// Another RemoteBackend acts.
    NotResponsible,
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody: it may pass.
    Nobody,
    /// A person: no time will fix it.
    Person,
}

/// What [`crate::plan`] decided.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What the resource is to say, before the action is done. What is remembered is in it.
    pub status: crate::api::RemoteBackendStatus,
    /// What is remembered; none where that could not be read, which then stays as it is.
    pub memory: Option<crate::Memory>,
    /// What to do now; nothing when something has to happen first.
    pub action: Option<Action>,
    /// How far it has come with what is asked for.
    pub outcome: Outcome,
    /// Look again after this time at the latest.
    pub wake: std::time::Duration,
}
