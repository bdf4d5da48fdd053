//! What a set says for all of its members, read once: each assembly of a member would otherwise
//! read the set, its allow lists and its receivers' certificates anew.

use std::collections::BTreeMap;

use contract::{DeviceConfiguration, StorageConfiguration};
use manifests::{
    Key, Kind,
    kinds::{DeviceSettings, EdgeDeviceSet, S3},
};

use crate::{
    fault::{Trouble, Troubles},
    lookup::Objects,
    sections, storage,
};

/// The sets, by namespace and name. One that cannot be read is there with its trouble.
#[derive(Debug, Default)]
pub(crate) struct Sets(BTreeMap<(String, String), Result<Settings, Trouble>>);

/// Settings of a device or of a set, with all that they refer to.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Everything but storage.
    sections: Result<DeviceConfiguration, Trouble>,
    s3: Option<S3>,
    /// Of a device that has no bucket claim.
    storage: Result<Option<StorageConfiguration>, Trouble>,
}

impl Sets {
    /// Reads a set; the error is why its members keep the configuration they have.
    pub(crate) fn add(&mut self, key: &Key, objects: &Objects) -> Result<(), Trouble> {
        let set: Result<EdgeDeviceSet, Trouble> = objects.required(key.kind, &key.namespace, &key.name);
        let set = set.map(|set| Settings::read(&set.spec, &key.namespace, objects));
        let outcome = match &set {
            Ok(settings) => settings.sections.as_ref().map(drop).map_err(Trouble::clone),
            Err(trouble) => Err(trouble.clone()),
        };
        self.0.insert((key.namespace.clone(), key.name.clone()), set);
        outcome
    }

    /// A set, `None` if there is none of that name.
    pub(crate) fn get(
        &self,
        namespace: &str,
        name: &str,
        objects: &Objects,
    ) -> Result<Option<&Settings>, Trouble> {
        objects.readable(&Key::new(Kind::EdgeDeviceSet, namespace, name))?;
        let set = self.0.get(&(namespace.to_owned(), name.to_owned()));
        set.map(Result::as_ref).transpose().map_err(Trouble::clone)
    }
}

impl Settings {
    pub(crate) fn read(settings: &DeviceSettings, namespace: &str, objects: &Objects) -> Self {
        let s3 = settings.storage.as_ref().and_then(|storage| storage.s3.as_ref());
        Self {
            sections: sections::of(settings, namespace, objects),
            s3: s3.cloned(),
            storage: storage::of("", s3, namespace, objects),
        }
    }

    /// The configuration of a device with these settings and this bucket claim, which is empty for
    /// none. Missing storage is told to `without_storage` and leaves the section out.
    pub(crate) fn configuration(
        &self,
        claim: &str,
        namespace: &str,
        objects: &Objects,
        without_storage: impl FnOnce(&Trouble),
    ) -> Result<DeviceConfiguration, Trouble> {
        let mut troubles = Troubles::default();
        let mut configuration = troubles.note(self.sections.clone());
        let storage = match claim {
            "" => self.storage.clone(),
            claim => storage::of(claim, self.s3.as_ref(), namespace, objects),
        };
        match storage {
            Ok(storage) => configuration.storage = storage,
            Err(trouble) if trouble.unreadable => troubles.note(Err(trouble)),
            Err(trouble) => without_storage(&trouble),
        }
        troubles.none()?;
        Ok(configuration)
    }
}
