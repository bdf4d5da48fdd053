//! What was in the place of our values before the first of them was written.
//!
//! It is kept in a ConfigMap of its own, created and never updated while a value of ours is in
//! force, so that no later look takes a value of ours for what was before. It is owned by nothing:
//! an uninstallation that skips the way back leaves it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::names::PREVIOUS;

const KEY: &str = "previous.json";

/// What was before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Previous {
    /// When it was saved, RFC 3339.
    pub saved: String,
    /// Settings, by their keys in the ConfigMap.
    pub settings: Owned,
    /// Environment of the container, by name.
    pub environment: Owned,
}

/// Values of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Owned {
    /// The object's name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The values.
    pub values: BTreeMap<String, Former>,
}

/// A value that was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Former {
    /// There was none.
    Absent,
    /// This one.
    Value {
        /// The value.
        value: String,
        /// Who had set it, if known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        manager: Option<String>,
    },
    /// Not known: when it was looked at, a value of ours was in force already.
    Lost,
}

/// A ConfigMap of that name that does not say what was before in this Edge API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It does not hold what it should.
    #[error(
        "ConfigMap {PREVIOUS} cannot be read ({reason}), so the settings of before the switch are not known; restore it from a backup"
    )]
    Damaged {
        /// Why.
        reason: String,
    },
    /// It is about another Edge API: put back, it would be wrong, and one with nothing in it means
    /// Flotta's custom resources.
    #[error(
        "ConfigMap {PREVIOUS} says what was before in ConfigMap {settings} and Deployment {deployment}, which are not those of this \
         RemoteBackend; lead that Edge API back first, or keep each in a namespace of its own"
    )]
    Others {
        /// Name of the other's settings.
        settings: String,
        /// Name of the other's Deployment.
        deployment: String,
    },
}

impl Previous {
    /// Reads the ConfigMap; it has to be about the Edge API that has its settings in this ConfigMap
    /// and is this Deployment. Their uids may be others by now: `kubectl replace --force` gives new
    /// ones.
    pub(crate) fn read(object: &ConfigMap, settings: &str, deployment: &str) -> Result<Self, Unreadable> {
        let text = object
            .data
            .as_ref()
            .and_then(|data| data.get(KEY))
            .ok_or_else(|| Unreadable::Damaged {
                reason: format!("it has no key {KEY}"),
            })?;
        let previous: Self = serde_json::from_str(text).map_err(|error| Unreadable::Damaged {
            reason: error.to_string(),
        })?;
        if previous.settings.name != settings || previous.environment.name != deployment {
            return Err(Unreadable::Others {
                settings: previous.settings.name,
                deployment: previous.environment.name,
            });
        }
        Ok(previous)
    }

    /// The ConfigMap as it is created.
    pub(crate) fn document(&self, namespace: &str) -> Value {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": PREVIOUS,
                "namespace": namespace,
                "labels": {
                    "app.kubernetes.io/name": "flotta-companion",
                    "app.kubernetes.io/managed-by": "flotta-companion",
                },
                "annotations": {
                    "companion.project-flotta.io/purpose":
                        "what the Edge API used before the switch; needed to roll back, do not delete",
                },
            },
            "data": { KEY: text },
        })
    }

    /// Whether something of it is lost.
    pub(crate) fn is_lost(&self) -> bool {
        self.settings
            .values
            .values()
            .chain(self.environment.values.values())
            .any(|former| *former == Former::Lost)
    }

    /// The same with everything that is lost taken for absent: a person's decision that it was
    /// Flotta's custom resources.
    #[must_use]
    pub(crate) fn assume_absent(mut self) -> Self {
        for former in self
            .settings
            .values
            .values_mut()
            .chain(self.environment.values.values_mut())
        {
            if *former == Former::Lost {
                *former = Former::Absent;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_read_again() {
        let value = Former::Value {
            value: "crd".into(),
            manager: Some("kubectl-edit".into()),
        };
        let mut previous = Previous {
            saved: "2026-01-01T00:00:00Z".into(),
            ..Previous::default()
        };
        previous.settings.name = "settings".into();
        previous.environment.name = "edge-api".into();
        previous.settings.values = BTreeMap::from([
            ("BACKEND".into(), value),
            ("X".into(), Former::Absent),
            ("Y".into(), Former::Lost),
        ]);
        let object: ConfigMap = serde_json::from_value(previous.document("flotta")).unwrap();
        assert_eq!(
            Previous::read(&object, "settings", "edge-api"),
            Ok(previous.clone())
        );
        assert!(previous.is_lost());
        assert!(!previous.assume_absent().is_lost());
    }

    #[test]
    fn what_cannot_be_read_is_said_and_not_guessed() {
        let empty = Previous::read(&ConfigMap::default(), "settings", "edge-api")
            .unwrap_err()
            .to_string();
        assert!(empty.contains("no key previous.json"), "{empty}");
    }
}
