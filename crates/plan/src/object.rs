//! Objects of the API server, with what every write of one has to name.

use std::{fmt, ops::Deref};

use kube::Resource;
use serde_json::{Value, json};

/// Which object, and in which version it was seen. A write that names both fails with a conflict
/// when the object is another one by now, or has changed. One without a version would overwrite
/// whatever is there, and one without a uid would create what is gone; so there is no reference
/// without both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    namespace: String,
    name: String,
    uid: String,
    version: String,
}

/// An object of the API server lacks what each of them has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it has no {0}, which every object of an API server has")]
pub struct Incomplete(&'static str);

impl ObjectRef {
    /// Of a namespaced object as it was read.
    pub fn of(object: &impl Resource) -> Result<Self, Incomplete> {
        let meta = object.meta();
        let needed = |what: &'static str, value: &Option<String>| {
            let value = value.clone().filter(|value| !value.is_empty());
            value.ok_or(Incomplete(what))
        };
        Ok(Self {
            namespace: needed("namespace", &meta.namespace)?,
            name: needed("name", &meta.name)?,
            uid: needed("uid", &meta.uid)?,
            version: needed("resourceVersion", &meta.resource_version)?,
        })
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `metadata.uid`
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// `metadata.resourceVersion`
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The metadata of a patch: the write counts for this version of this object alone.
    pub fn precondition(&self) -> Value {
        json!({ "uid": self.uid, "resourceVersion": self.version })
    }

    /// The same, of a server-side apply, which names the object as well.
    pub fn metadata(&self) -> Value {
        json!({
            "name": self.name,
            "namespace": self.namespace,
            "uid": self.uid,
            "resourceVersion": self.version,
        })
    }
}

/// An object as it was read from the API server.
#[derive(Clone)]
pub struct Read<T> {
    object: T,
    reference: ObjectRef,
}

impl<T: Resource> Read<T> {
    /// Takes it over.
    pub fn new(object: T) -> Result<Self, Incomplete> {
        let reference = ObjectRef::of(&object)?;
        Ok(Self { object, reference })
    }
}

impl<T> Read<T> {
    /// Which one it is, and in which version.
    pub fn reference(&self) -> &ObjectRef {
        &self.reference
    }
}

// A Secret would print its data.
impl<T> fmt::Debug for Read<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.reference, f)
    }
}

impl<T> Deref for Read<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.object
    }
}
