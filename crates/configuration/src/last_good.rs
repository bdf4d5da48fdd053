//! What becomes of a workload that cannot be rendered: its last good form, unless something cannot
//! be read.
//!
//! A last good form that is of no use now is kept all the same: what cannot be read today may be
//! readable tomorrow.

use std::{collections::HashMap, sync::Arc};

use manifests::Key;
use serde_json::Value;

use crate::{
    catalogue::{LastGood, UnreadableRendering},
    fault::Trouble,
    lookup::Objects,
    render::Rendering,
    workloads::State,
};

/// Last good forms by namespace and name, while a catalogue is made.
pub(crate) struct Former {
    good: HashMap<(String, String), Value>,
    lost: HashMap<(String, String), String>,
    /// Of workloads that have no form now, because something cannot be read.
    pub(crate) carried: Vec<LastGood>,
}

impl Former {
    pub(crate) fn new(last_good: Vec<LastGood>, lost: Vec<UnreadableRendering>) -> Self {
        Self {
            good: last_good
                .into_iter()
                .map(|last| ((last.namespace, last.workload), last.document))
                .collect(),
            lost: lost
                .into_iter()
                .map(|lost| ((lost.namespace, lost.workload), lost.why))
                .collect(),
            carried: Vec::new(),
        }
    }

    /// Keeps the last good form, though nothing can be made of it now.
    pub(crate) fn carry(&mut self, key: &Key) {
        let place = (key.namespace.clone(), key.name.clone());
        if let Some(document) = self.good.remove(&place) {
            let (namespace, workload) = place;
            self.carried.push(LastGood {
                namespace,
                workload,
                document,
            });
        }
    }

    /// What there is of a workload that cannot be rendered.
    pub(crate) fn state(&mut self, key: &Key, trouble: Trouble, objects: &Objects) -> State {
        if trouble.unreadable {
            self.carry(key);
            return State::Unreadable(trouble);
        }
        let place = (key.namespace.clone(), key.name.clone());
        if let Some(why) = self.lost.get(&place) {
            let message = format!("{}; its last good form cannot be read: {why}", trouble.message);
            return State::Unreadable(Trouble::unreadable(message));
        }
        let Some(kept) = self.good.get(&place) else {
            return State::Broken(trouble);
        };
        // The error's text could show a value.
        let Ok(former) = Rendering::from_kept(kept) else {
            self.carry(key);
            return State::Unreadable(Trouble::unreadable(format!(
                "{}; its last good form is damaged; fix the workload",
                trouble.message
            )));
        };
        let Some(former) = former else {
            return State::Broken(trouble);
        };
        match former.with_present_secrets(objects) {
            Ok(rendering) => State::Stale(Arc::new(rendering), trouble),
            Err(unreadable) => {
                self.carry(key);
                State::Unreadable(unreadable)
            }
        }
    }
}
