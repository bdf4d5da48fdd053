//! Why a condition is what it is: one word for programs, beside the sentence for people.

use std::fmt;

/// Reasons of conditions (`status.conditions[].reason`, CamelCase as Kubernetes asks).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It holds.
    AsExpected,
    /// Nothing was looked at yet.
    Pending,
    /// The Edge API is not there, or was never available.
    WaitingForEdgeApi,
    /// A Secret of Flotta is missing or a start of the Edge API would not accept it.
    MaterialUnusable,
    /// The CA and the host certificate do not belong together, or are not those that were verified.
    MaterialUntrusted,
    /// A setting of the Edge API would end its process or silently change its meaning.
    SettingsUnusable,
    /// The URL of the backend cannot work.
    UrlUnusable,
    /// The companion lacks a right.
    MissingPermission,
    /// The server's pods are not there or not ready.
    ServerNotReady,
    /// The server's pods have not loaded the latest material yet.
    LoadingMaterial,
    /// The server's store is not the one that is recorded.
    StoreChanged,
    /// The server's store answers and cannot be written, as on a full disk: devices poll and change nothing.
    StoreNotWritable,
    /// The URL, called as the Edge API would, does not answer as it should.
    BackendUnreachable,
    /// The server has not taken its manifests over once, so devices that come would get no configuration.
    ManifestsPending,
    /// The server does not take over what its manifests hold now.
    ManifestsRejected,
    /// Devices of the custom resources would be lost.
    DevicesWouldBeLost,
    /// Devices of the store would be told to disconnect.
    DevicesWouldBeDisconnected,
    /// The custom resources, or the devices of the store, could not be counted.
    DevicesUnknown,
    /// The switch is under way.
    Switching,
    /// The Edge API is being restarted.
    RollingOut,
    /// The restart did not finish in time.
    RolloutFailed,
    /// The calls that prove it are under way.
    Verifying,
    /// The calls that prove it failed.
    VerificationFailed,
    /// With plain HTTP nobody's identity is checked.
    IdentityNotChecked,
    /// A switch that could not be verified is being rolled back.
    RollingBack,
    /// It was tried three times and rolled back.
    SwitchFailed,
    /// The way back is under way.
    Restoring,
    /// Mode Crd: the Edge API uses its previous settings.
    Restored,
    /// What was before the switch is not known any more.
    PreviousUnknown,
    /// What the companion remembers was written by another version, and cannot be read.
    MemoryUnreadable,
    /// Somebody else writes a value of ours back.
    WrittenBack,
    /// A value of ours was changed by somebody else.
    ChangedByOthers,
    /// Mode Observe.
    Observing,
    /// Paused by the resource.
    Paused,
    /// An older RemoteBackend names the same Edge API.
    NotResponsible,
    /// It is being uninstalled.
    Retiring,
    /// The namespace is being deleted.
    NamespaceEnding,
    /// Something works, and something should be fixed.
    Degraded,
}

impl Reason {
    /// As written in a condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsExpected => "AsExpected",
            Self::Pending => "Pending",
            Self::WaitingForEdgeApi => "WaitingForEdgeApi",
            Self::MaterialUnusable => "MaterialUnusable",
            Self::MaterialUntrusted => "MaterialUntrusted",
            Self::SettingsUnusable => "SettingsUnusable",
            Self::UrlUnusable => "UrlUnusable",
            Self::MissingPermission => "MissingPermission",
            Self::ServerNotReady => "ServerNotReady",
            Self::LoadingMaterial => "LoadingMaterial",
            Self::StoreChanged => "StoreChanged",
            Self::StoreNotWritable => "StoreNotWritable",
            Self::BackendUnreachable => "BackendUnreachable",
            Self::ManifestsPending => "ManifestsPending",
            Self::ManifestsRejected => "ManifestsRejected",
            Self::DevicesWouldBeLost => "DevicesWouldBeLost",
            Self::DevicesWouldBeDisconnected => "DevicesWouldBeDisconnected",
            Self::DevicesUnknown => "DevicesUnknown",
            Self::Switching => "Switching",
            Self::RollingOut => "RollingOut",
            Self::RolloutFailed => "RolloutFailed",
            Self::Verifying => "Verifying",
            Self::VerificationFailed => "VerificationFailed",
            Self::IdentityNotChecked => "IdentityNotChecked",
            Self::RollingBack => "RollingBack",
            Self::SwitchFailed => "SwitchFailed",
            Self::Restoring => "Restoring",
            Self::Restored => "Restored",
            Self::PreviousUnknown => "PreviousUnknown",
            Self::MemoryUnreadable => "MemoryUnreadable",
            Self::WrittenBack => "WrittenBack",
            Self::ChangedByOthers => "ChangedByOthers",
            Self::Observing => "Observing",
            Self::Paused => "Paused",
            Self::NotResponsible => "NotResponsible",
            Self::Retiring => "Retiring",
            Self::NamespaceEnding => "NamespaceEnding",
            Self::Degraded => "Degraded",
        }
    }
}

impl Reason {
    /// Whether no time will fix what it names.
    pub fn needs_a_person(self) -> bool {
        matches!(
            self,
            Self::DevicesWouldBeDisconnected
                | Self::PreviousUnknown
                | Self::MissingPermission
                | Self::MemoryUnreadable
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
