//! The objects that a configuration refers to, found by kind, namespace and name.
//!
//! An object that is there and cannot be read is never the same as one that is absent.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use manifests::{
    Key, Kind, Object,
    kinds::{ConfigMap, Secret},
};
use serde::de::DeserializeOwned;

use crate::{catalogue::SealedAway, fault::Trouble};

/// All objects.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    found: BTreeMap<Key, Arc<Object>>,
    sealed: BTreeMap<Key, String>,
}

impl Objects {
    pub(crate) fn new(objects: Vec<Arc<Object>>, sealed: Vec<SealedAway>) -> Self {
        Self {
            found: objects
                .into_iter()
                .map(|object| (object.key.clone(), object))
                .collect(),
            sealed: sealed
                .into_iter()
                .map(|sealed| (sealed.key, sealed.why))
                .collect(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.found.values()
    }

    /// An error if an object is there and cannot be read.
    pub(crate) fn readable(&self, key: &Key) -> Result<(), Trouble> {
        match self.sealed.get(key) {
            Some(why) => Err(Trouble::unreadable(format!("{key} cannot be read: {why}"))),
            None => Ok(()),
        }
    }

    /// An object, `None` if it is absent.
    pub(crate) fn get<T: DeserializeOwned>(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<T>, Trouble> {
        let key = Key::new(kind, namespace, name);
        self.readable(&key)?;
        let Some(object) = self.found.get(&key) else {
            return Ok(None);
        };
        let read = object.read();
        read.map(Some).map_err(|error| Trouble::misread(&error).of(&key))
    }

    /// An object that has to be there.
    pub(crate) fn required<T: DeserializeOwned>(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<T, Trouble> {
        self.get(kind, namespace, name)?
            .ok_or_else(|| missing(kind, namespace, name))
    }

    /// A ConfigMap that has to be there.
    pub(crate) fn config_map(&self, namespace: &str, name: &str) -> Result<ConfigMap, Trouble> {
        self.required(Kind::ConfigMap, namespace, name)
    }

    /// A Secret that has to be there.
    pub(crate) fn secret(&self, namespace: &str, name: &str) -> Result<Secret, Trouble> {
        self.required(Kind::Secret, namespace, name)
    }
}

fn missing(kind: Kind, namespace: &str, name: &str) -> Trouble {
    let reason = match kind {
        Kind::ConfigMap => "ConfigMapMissing",
        Kind::Secret => "SecretMissing",
        _ => "ObjectMissing",
    };
    let message = match name {
        "" => format!("a {kind} is referred to without its name"),
        name => format!("{kind} {namespace}/{name} is missing"),
    };
    Trouble::new(reason, message)
}

/// A text of a ConfigMap that has to be there.
pub(crate) fn text<'a>(map: &'a ConfigMap, place: &str, key: &str) -> Result<&'a str, Trouble> {
    let text = map.data.as_ref().and_then(|data| data.get(key));
    text.map(String::as_str).ok_or_else(|| {
        Trouble::new(
            "ConfigMapKeyMissing",
            format!("ConfigMap {place} has no key {key}"),
        )
    })
}

/// A value of a Secret as it is kept, base64; it has to be there.
pub(crate) fn value<'a>(secret: &'a Secret, place: &str, key: &str) -> Result<&'a str, Trouble> {
    let value = secret.data.get(key).map(String::as_str);
    value.ok_or_else(|| Trouble::new("SecretKeyMissing", format!("Secret {place} has no key {key}")))
}

/// A value of a Secret as text; each byte that is no part of UTF-8 becomes U+FFFD, as Go's JSON
/// writes them.
pub(crate) fn decoded(secret: &Secret, place: &str, key: &str) -> Result<String, Trouble> {
    let value = value(secret, place, key)?;
    let bytes = STANDARD.decode(value).map_err(|_| {
        Trouble::new(
            "SecretInvalid",
            format!("key {key} of Secret {place} is not base64"),
        )
    })?;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(text)
}
