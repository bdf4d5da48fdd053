//! A question that costs the store something, asked once for all who ask it at the same time.
//!
//! Whoever asks the ops port carries no certificate, so what it asks must not cost the store a call
//! each: there is one at a time, all wait for it, and its outcome is told for a while. One that
//! takes too long is waited for no longer, and goes on: a read of a store cannot be stopped, and a
//! second one beside it would only take another of the few that there are.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// The last outcome of a question, and the call that finds the next one.
#[derive(Debug)]
pub(super) struct Shared<T> {
    /// An outcome is told for so long.
    age: Duration,
    state: Arc<Mutex<State<T>>>,
}

#[derive(Debug)]
struct State<T> {
    known: Option<(Instant, T)>,
    /// Of the call under way: its outcome.
    ends: Option<watch::Receiver<Option<T>>>,
}

impl<T: Clone + Send + Sync + 'static> Shared<T> {
    pub(super) fn new(age: Duration) -> Self {
        let state = State {
            known: None,
            ends: None,
        };
        Self {
            age,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The outcome of a call that has ended lately, or else within `patience`; `None` if there is
    /// none by then.
    pub(super) async fn ask<F>(&self, patience: Duration, call: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut ends = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = state.lately(self.age) {
                return Some(known);
            }
            match &state.ends {
                // One whose sender is gone has ended by a defect.
                Some(ends) if ends.has_changed().is_ok() => ends.clone(),
                _ => self.begin(&mut state, call()),
            }
        };
        let ended = timeout(patience, ends.wait_for(Option::is_some)).await;
        ended.ok()?.ok()?.clone()
    }

    fn begin(
        &self,
        state: &mut State<T>,
        call: impl Future<Output = T> + Send + 'static,
    ) -> watch::Receiver<Option<T>> {
        let (end, ends) = watch::channel(None);
        state.ends = Some(ends.clone());
        let shared = Arc::clone(&self.state);
        tokio::spawn(async move {
            let outcome = call.await;
            let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
            state.known = Some((Instant::now(), outcome.clone()));
            state.ends = None;
            end.send_replace(Some(outcome));
        });
        ends
    }
}

impl<T: Clone> State<T> {
    fn lately(&self, age: Duration) -> Option<T> {
        let (at, known) = self.known.as_ref()?;
        (at.elapsed() < age).then(|| known.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    const AGE: Duration = Duration::from_secs(1);
    const PATIENCE: Duration = Duration::from_secs(4);

    #[derive(Default)]
    struct Store {
        calls: AtomicUsize,
        under_way: AtomicUsize,
        answers: Notify,
    }

    async fn call(store: Arc<Store>) -> usize {
        store.under_way.fetch_add(1, Ordering::Relaxed);
        store.answers.notified().await;
        store.under_way.fetch_sub(1, Ordering::Relaxed);
        store.calls.fetch_add(1, Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_share_one_call_and_its_outcome_for_a_while() {
        let (shared, store) = (Shared::new(AGE), Arc::new(Store::default()));
        let ask = || shared.ask(PATIENCE, || call(Arc::clone(&store)));
        store.answers.notify_one();
        assert_eq!(tokio::join!(ask(), ask(), ask()), (Some(0), Some(0), Some(0)));
        assert_eq!(ask().await, Some(0), "without a call");
        tokio::time::advance(AGE).await;
        store.answers.notify_one();
        assert_eq!(ask().await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_takes_too_long_is_the_only_one_and_is_told_when_it_ends() {
        let (shared, store) = (Shared::new(AGE), Arc::new(Store::default()));
        let ask = || shared.ask(PATIENCE, || call(Arc::clone(&store)));
        for _ in 0..5 {
            assert_eq!(tokio::join!(ask(), ask()), (None, None));
            assert_eq!(store.under_way.load(Ordering::Relaxed), 1);
        }
        // Those who gave up took nothing along.
        store.answers.notify_one();
        assert_eq!(ask().await, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_by_a_defect_is_made_again() {
        let shared = Shared::new(AGE);
        let failed = shared.ask(PATIENCE, || async {
            assert!(std::hint::black_box(false), "a defect");
            1
        });
        assert_eq!(failed.await, None);
        assert_eq!(shared.ask(PATIENCE, || async { 2 }).await, Some(2));
    }
}
