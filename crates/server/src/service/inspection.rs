//! What a person sees of a device's configuration.

use std::collections::BTreeMap;

use contract::DeviceId;
use fleet::{Device, Phase, administration::ActError, condition::Condition};
use serde_json::Value;

use super::{Service, ServiceError, configured, pieces};

/// What is shown in place of a secret.
const HIDDEN: &str = "(not shown)";

/// What is seen of a device's configuration as things stand.
pub(super) struct Inspected {
    /// Its labels of all origins.
    pub(super) labels: BTreeMap<String, String>,
    /// What is wrong with its configuration.
    pub(super) conditions: Vec<Condition>,
    /// The version that it gets at its next poll, where it gets one.
    pub(super) offered: Option<String>,
}

impl Service {
    pub(super) fn inspected(&self, device: &Device) -> Inspected {
        let condition = |r#type: &str, message: String| Condition {
            r#type: r#type.to_owned(),
            since: None,
            message,
        };
        let was_given_one = device.life.delivery.was_handed_over();
        let known = self.0.documents.catalogue();
        let current = match known.and_then(|current| self.0.documents.released(current, was_given_one)) {
            Ok(current) => current,
            Err(reason) => {
                return Inspected {
                    labels: device.labels(&BTreeMap::new()),
                    conditions: vec![condition("NotConfigured", reason.to_string())],
                    offered: None,
                };
            }
        };
        let labels = configured::labels(device, &current);
        if device.life.state.phase() != Phase::Approved {
            return Inspected {
                labels,
                conditions: Vec::new(),
                offered: None,
            };
        }
        let outcome = self
            .0
            .configurations
            .of(device, self.0.store.identity().epoch, &current);
        let (conditions, offered) = match &*outcome {
            Ok(assembly) => {
                let faults = assembly.faults.iter();
                let conditions = faults
                    .map(|fault| condition(fault.reason, format!("{}: {}", fault.object, fault.message)));
                (conditions.collect(), Some(assembly.version.clone()))
            }
            Err(refusal) => (vec![condition(refusal.reason, refusal.message.clone())], None),
        };
        Inspected {
            labels,
            conditions,
            offered,
        }
    }

    /// Forgets all configurations that are kept: each is assembled again when its device asks.
    pub fn forget_configurations(&self) {
        self.0.configurations.evict();
    }

    /// The configuration that a device gets as things stand; nothing is handed over by it.
    pub async fn show_configuration(&self, id: DeviceId, secrets: bool) -> Result<Value, ServiceError> {
        let (device, _) = self
            .snapshot(&id)
            .await?
            .ok_or(ActError::NoSuchDevice(id.clone()))?;
        let known = self.0.documents.catalogue();
        let outcome = self.0.configured(&device, &known)?;
        let assembly = match &*outcome {
            Ok(assembly) => assembly,
            Err(refusal) => return Err(ServiceError::Refused(refusal.message.clone())),
        };
        let mut document: Value = serde_json::from_slice(&pieces(assembly).whole())?;
        if !secrets {
            hide(&mut document);
        }
        Ok(document)
    }
}

/// Takes out what is secret: Secrets, keys of buckets, files of image registries.
fn hide(document: &mut Value) {
    for pointer in [
        "/device-configuration/configuration/storage/s3/aws_access_key_id",
        "/device-configuration/configuration/storage/s3/aws_secret_access_key",
    ] {
        if let Some(value) = document.pointer_mut(pointer) {
            *value = HIDDEN.into();
        }
    }
    for (list, member) in [
        ("/device-configuration/secrets", "/data"),
        ("/device-configuration/workloads", "/imageRegistries/authFile"),
    ] {
        let entries = document.pointer_mut(list).and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            if let Some(value) = entry.pointer_mut(member) {
                *value = HIDDEN.into();
            }
        }
    }
}
