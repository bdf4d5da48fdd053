//! Whether a thread or task of a store has ended by a defect of this program: what it did is done
//! by nobody any more, and only a restart brings it back.
//!
//! None of them returns before the store is closed, so a panic is the only early end.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::task::JoinHandle;

/// What has ended, shared by all who might.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defects(Arc<Mutex<Option<&'static str>>>);

impl Defects {
    /// Does all the work of a thread.
    pub(crate) fn watch(&self, name: &'static str, work: impl FnOnce()) {
        // What was half done is dropped with the work.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            self.note(name, &*panic);
        }
    }

    /// Does all the work of a task. The handle ends with it, whatever became of it.
    pub(crate) fn watch_task<W>(&self, name: &'static str, work: W) -> JoinHandle<()>
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let (defects, work) = (self.clone(), tokio::spawn(work));
        tokio::spawn(async move {
            if let Err(error) = work.await
                && let Ok(panic) = error.try_into_panic()
            {
                defects.note(name, &*panic);
            }
        })
    }

    /// One sentence, if anything has ended. It does not say why: it is told to whoever asks.
    pub(crate) fn sentence(&self) -> Option<String> {
        let ended = *self.ended();
        ended.map(|name| format!("{name} has ended by a defect of this program; restart the server"))
    }

    fn note(&self, name: &'static str, panic: &(dyn Any + Send)) {
        self.ended().get_or_insert(name);
        let reason = tasks::panic_message(panic);
        tracing::error!(
            part = name,
            reason,
            "a part of the store has ended by a defect of this program"
        );
    }

    fn ended(&self) -> MutexGuard<'_, Option<&'static str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn defect() {
        assert!(std::hint::black_box(false), "a defect");
    }

    #[test]
    fn an_end_is_told_and_the_orderly_one_is_none() {
        let defects = Defects::default();
        let begin = |work: fn()| {
            let defects = defects.clone();
            thread::spawn(move || defects.watch("the writer", work))
        };
        begin(|| ()).join().unwrap();
        assert_eq!(None, defects.sentence());
        begin(defect).join().unwrap();
        assert!(
            defects
                .sentence()
                .is_some_and(|said| said.starts_with("the writer has ended"))
        );
    }

    #[tokio::test]
    async fn so_is_that_of_a_task() {
        let defects = Defects::default();
        defects.watch_task("a writer", async {}).await.unwrap();
        assert_eq!(None, defects.sentence());
        defects.watch_task("a writer", async { defect() }).await.unwrap();
        assert!(
            defects
                .sentence()
                .is_some_and(|said| said.starts_with("a writer has ended"))
        );
    }
}
