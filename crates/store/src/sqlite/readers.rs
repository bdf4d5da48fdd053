//! The connections that read.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{
    apply::Failure,
    closed, failure,
    open::{self, Access},
    unavailable,
};
use crate::StoreError;

/// Connections at a time.
const READERS: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            permits: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::default(),
        }
    }

    /// Runs a query on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| closed())?;
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let result = readers.with(query);
            drop(permit);
            result
        });
        task.await.map_err(|error| StoreError::Unavailable {
            reason: "a read was cut short".to_owned(),
            source: Some(Box::new(error)),
        })?
    }

    fn with<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, StoreError> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::connect(&self.path, Access::Read).map_err(|error| unavailable(&error))?,
        };
        let result = query(&connection);
        // After an error the connection is not used again: the next one may find the disk in order.
        if !matches!(result, Err(Failure::Sqlite(_))) {
            self.idle().push(connection);
        }
        result.map_err(failure)
    }

    /// Waits for the reads under way; later ones fail.
    pub(super) async fn close(&self) {
        let all = self
            .permits
            .acquire_many(u32::try_from(READERS).unwrap_or(u32::MAX))
            .await;
        self.permits.close();
        drop(all);
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
