//! The ConfigMap with the Edge API's settings.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::{
    action::{How, Kind, Purpose, Write},
    managers::{self, Manager},
    names::{MANAGER, RESTORE_MANAGER, SETTINGS_ANNOTATION},
    object::Read,
    previous::{Former, Owned, Previous},
    settings,
};

/// What whoever looks at the ConfigMap has to know.
const NOTICE: &str = "BACKEND and REMOTE_BACKEND_URL have no effect here: the Deployment carries them, and flotta-companion \
                      writes both";

/// The ConfigMap as it was observed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettingsMap<'a>(&'a Read<ConfigMap>);

impl<'a> SettingsMap<'a> {
    /// Of this object.
    pub(crate) fn new(object: &'a Read<ConfigMap>) -> Self {
        Self(object)
    }

    /// A setting.
    pub(crate) fn get(self, key: &str) -> Option<&'a str> {
        self.0.data.as_ref()?.get(key).map(String::as_str)
    }

    /// All settings.
    pub(crate) fn all(self) -> BTreeMap<String, String> {
        self.0.data.clone().unwrap_or_default()
    }

    /// Keys that are not as desired, each with whoever set it so.
    pub(crate) fn differences(
        self,
        desired: &BTreeMap<&'static str, String>,
    ) -> Vec<(&'static str, Option<Manager>)> {
        desired
            .iter()
            .filter(|(key, value)| self.get(key) != Some(value.as_str()))
            .map(|(key, _)| (*key, self.setter(key)))
            .collect()
    }

    /// Whether a key that could be ours is held by us although it is not desired any more.
    pub(crate) fn has_leftovers(self, desired: &BTreeMap<&'static str, String>) -> bool {
        settings::OWNABLE
            .iter()
            .any(|key| !desired.contains_key(key) && self.is_ours(key))
    }

    /// Whether all of it is as desired, and says what it is good for.
    pub(crate) fn is_as(self, desired: &BTreeMap<&'static str, String>) -> bool {
        self.differences(desired).is_empty() && !self.has_leftovers(desired) && self.notice() == Some(NOTICE)
    }

    fn notice(self) -> Option<&'a str> {
        let annotations = self.0.metadata.annotations.as_ref()?;
        annotations.get(SETTINGS_ANNOTATION).map(String::as_str)
    }

    /// Writes what is desired, and that alone.
    pub(crate) fn write(self, desired: &BTreeMap<&'static str, String>) -> Write {
        let force = self
            .differences(desired)
            .iter()
            .any(|(key, _)| self.get(key).is_some());
        self.apply(json!(desired), force, Purpose::Settings)
    }

    /// What is there now, as what was before. Values that are ours already are lost.
    pub(crate) fn save(self, desired: &BTreeMap<&'static str, String>) -> Owned {
        // Our URL in place: whoever looks now looks too late.
        let ours = self.get(settings::URL) == desired.get(settings::URL).map(String::as_str)
            && self.get(settings::BACKEND) == Some("remote");
        let former = |key: &str| match self.get(key) {
            _ if self.is_ours(key) || (ours && desired.contains_key(key)) => Former::Lost,
            None => Former::Absent,
            Some(value) => Former::Value {
                value: value.to_owned(),
                manager: self.setter(key).map(|manager| manager.name),
            },
        };
        Owned {
            name: self.0.reference().name().to_owned(),
            uid: self.0.reference().uid().to_owned(),
            values: settings::OWNABLE
                .iter()
                .map(|key| ((*key).to_owned(), former(key)))
                .collect(),
        }
    }

    /// What rolls back: former values in the place of ours. None when nothing of ours is in force.
    /// A value that somebody else has set since stays.
    pub(crate) fn restore(
        self,
        previous: &Previous,
        desired: &BTreeMap<&'static str, String>,
    ) -> Option<Write> {
        let mut data = BTreeMap::new();
        for key in settings::OWNABLE {
            let ours = self.is_ours(key)
                || (desired.get(key).map(String::as_str) == self.get(key) && self.get(key).is_some());
            let former = previous.settings.values.get(key).unwrap_or(&Former::Absent);
            match former {
                _ if !ours => {}
                Former::Value { value, .. } if self.get(key) == Some(value) => {}
                Former::Value { value, .. } => {
                    data.insert(key, json!(value));
                }
                Former::Absent => {
                    data.insert(key, Value::Null);
                }
                Former::Lost => {}
            }
        }
        let mut metadata = self.0.reference().precondition();
        metadata["annotations"] = json!({ SETTINGS_ANNOTATION: null });
        (!data.is_empty() || self.notice().is_some()).then(|| Write {
            kind: Kind::ConfigMap,
            object: self.0.reference().clone(),
            how: How::StrategicMerge {
                manager: RESTORE_MANAGER,
            },
            document: json!({ "metadata": metadata, "data": data }),
            purpose: Purpose::RestoreSettings,
        })
    }

    /// Gives up what is still held by our manager and by others too; changes no value. None when
    /// nothing is.
    pub(crate) fn release(self) -> Option<Write> {
        managers::anything_ours(&self.0.metadata).then(|| self.apply(json!({}), false, Purpose::Release))
    }

    fn is_ours(self, key: &str) -> bool {
        managers::is_ours(&self.0.metadata, &["f:data", &format!("f:{key}")])
    }

    fn setter(self, key: &str) -> Option<Manager> {
        managers::other(&self.0.metadata, &["f:data", &format!("f:{key}")])
    }

    fn apply(self, data: Value, force: bool, purpose: Purpose) -> Write {
        let mut metadata = self.0.reference().metadata();
        if purpose == Purpose::Settings {
            metadata["annotations"] = json!({ SETTINGS_ANNOTATION: NOTICE });
        }
        let mut document = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
        if data.as_object().is_some_and(|data| !data.is_empty()) {
            document["data"] = data;
        }
        Write {
            kind: Kind::ConfigMap,
            object: self.0.reference().clone(),
            how: How::Apply {
                manager: MANAGER,
                force,
            },
            document,
            purpose,
        }
    }
}
