//! What assertions ask of the cluster in memory.

use plan::api::{Phase, RemoteBackendStatus};

use super::World;

impl World {
    pub(crate) fn setting(&self, key: &str) -> Option<String> {
        self.config.as_ref()?["data"][key].as_str().map(str::to_owned)
    }

    /// Whether a device gets its configuration from our server.
    pub(crate) fn serves_remotely(&self) -> bool {
        !self.edge.is_empty() && self.edge.iter().all(|pod| self.reaches_us(pod))
    }

    pub(crate) fn phase(&self) -> Phase {
        self.status().phase
    }

    pub(crate) fn status(&self) -> RemoteBackendStatus {
        self.resource.status.clone().unwrap_or_default()
    }

    pub(crate) fn condition(&self, kind: &str) -> (String, String, String) {
        let status = self.status();
        let found = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind)
            .unwrap();
        (found.status.clone(), found.reason.clone(), found.message.clone())
    }
}
