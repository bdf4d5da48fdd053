//! Whether a thread or task of a store has ended by a defect of this program: what it did is done
//! by nobody any more, and only a restart brings it back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// What has ended, shared by all who might.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defects(Arc<Mutex<Option<&'static str>>>);

/// Held by a thread or task for as long as it works.
#[derive(Debug)]
pub(crate) struct Sentinel {
    name: &'static str,
    defects: Defects,
}

impl Defects {
    pub(crate) fn watch(&self, name: &'static str) -> Sentinel {
        Sentinel {
            name,
            defects: self.clone(),
        }
    }

    /// One sentence, if anything has ended.
    pub(crate) fn sentence(&self) -> Option<String> {
        let ended = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ended.map(|name| format!("{name} has ended by a defect of this program; restart the server"))
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        if thread::panicking() {
            *self.defects.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_and_the_orderly_one_is_none() {
        let defects = Defects::default();
        let sentinel = defects.watch("the writer");
        thread::spawn(move || drop(sentinel)).join().unwrap();
        assert_eq!(None, defects.sentence());
        let sentinel = defects.watch("the writer");
        let defective = thread::spawn(move || {
            let _works = sentinel;
            assert!(std::hint::black_box(false), "a defect");
        });
        assert!(defective.join().is_err());
        assert!(
            defects
                .sentence()
                .is_some_and(|said| said.starts_with("the writer has ended"))
        );
    }
}
