//! An object as it is kept: what it is, its labels, and its document.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// The kinds that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the kind of that name")]
pub enum Kind {
    ConfigMap,
    EdgeConfig,
    EdgeDevice,
    EdgeDeviceSet,
    EdgeDeviceSignedRequest,
    EdgeWorkload,
    ObjectBucketClaim,
    PlaybookExecution,
    Route,
    Secret,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ConfigMap,
        Self::EdgeConfig,
        Self::EdgeDevice,
        Self::EdgeDeviceSet,
        Self::EdgeDeviceSignedRequest,
        Self::EdgeWorkload,
        Self::ObjectBucketClaim,
        Self::PlaybookExecution,
        Self::Route,
        Self::Secret,
    ];

    /// Its name as it is written in `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::EdgeConfig => "EdgeConfig",
            Self::EdgeDevice => "EdgeDevice",
            Self::EdgeDeviceSet => "EdgeDeviceSet",
            Self::EdgeDeviceSignedRequest => "EdgeDeviceSignedRequest",
            Self::EdgeWorkload => "EdgeWorkload",
            Self::ObjectBucketClaim => "ObjectBucketClaim",
            Self::PlaybookExecution => "PlaybookExecution",
            Self::Route => "Route",
            Self::Secret => "Secret",
        }
    }

    /// The `apiVersion` that it is kept under.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::ConfigMap | Self::Secret => "v1",
            Self::ObjectBucketClaim => "objectbucket.io/v1alpha1",
            Self::Route => "route.openshift.io/v1",
            _ => "management.project-flotta.io/v1alpha1",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace; all kinds have one.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The object of this kind, namespace and name.
    pub fn new(kind: Kind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// As a person reads it: `EdgeWorkload plant-a/web`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// An object as an API server would keep it, without what only an API server needs.
///
/// `Debug` shows its key alone: the document of a Secret is secret.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Which one.
    #[serde(flatten)]
    pub key: Key,
    /// Its labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Everything beside `apiVersion`, `kind` and `metadata`: `spec` and `status`, or `data` and so
    /// on. Defaults are filled in, unknown fields are gone, keys are sorted.
    pub document: Value,
}

impl Object {
    /// Reads the document as the type of its kind, see [`crate::kinds`].
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.document)
    }

    /// It as a person may write it: reading that gives the same object again.
    pub fn manifest(&self) -> Value {
        let mut metadata = json!({"name": self.key.name, "namespace": self.key.namespace});
        for (name, texts) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !texts.is_empty() {
                metadata[name] = json!(texts);
            }
        }
        let mut manifest = self.document.as_object().cloned().unwrap_or_default();
        manifest.insert("apiVersion".to_owned(), self.key.kind.api_version().into());
        manifest.insert("kind".to_owned(), self.key.kind.as_str().into());
        manifest.insert("metadata".to_owned(), metadata);
        Value::Object(manifest)
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
