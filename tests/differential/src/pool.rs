//! Many calls at once, each worker with something of its own, such as a connection.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::task::JoinSet;

/// So many are under way at once: enough to keep two processors busy on both sides of the wire.
const WORKERS: usize = 12;

/// Does `work` for every item; the results have the order of the items. The first failure ends it.
pub async fn each<T, W, R, F>(items: Vec<T>, worker: impl Fn() -> W, work: F) -> Result<Vec<R>>
where
    T: Send + 'static,
    W: Send + 'static,
    R: Send + 'static,
    F: AsyncWork<T, W, R> + Clone + Send + 'static,
{
    let count = items.len();
    let queue = Arc::new(Mutex::new(items.into_iter().enumerate()));
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (queue, mut own, work) = (queue.clone(), worker(), work.clone());
        workers.spawn(async move {
            let mut done = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((index, item)) = next else {
                    return anyhow::Ok(done);
                };
                done.push((index, work.call(item, &mut own).await?));
            }
        });
    }
    let mut results = Vec::with_capacity(count);
    while let Some(done) = workers.join_next().await {
        results.extend(done??);
    }
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// One piece of work, with what the worker has.
pub trait AsyncWork<T, W, R> {
    /// Does it.
    fn call(&self, item: T, own: &mut W) -> impl Future<Output = Result<R>> + Send;
}
