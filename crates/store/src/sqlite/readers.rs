//! The connections that read.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::Semaphore;

use super::{
    apply::Failure,
    closed,
    connection::{self, Access},
    failure,
    files::Files,
    unavailable,
};
use crate::StoreError;

/// Connections at a time.
const READERS: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    files: Arc<Files>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    /// Of a read that may take long.
    long: Mutex<Option<InterruptHandle>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, files: Arc<Files>) -> Self {
        Self {
            path,
            files,
            permits: Arc::new(Semaphore::new(READERS)),
            idle: Mutex::default(),
            long: Mutex::default(),
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
        task.await.map_err(cut_short)?
    }

    /// Runs one that may take long, on a connection of its own: others do not wait for it, and the
    /// end of the store ends it.
    pub(super) async fn read_long<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            readers.files.check()?;
            let connection =
                connection::connect(&readers.path, Access::Read).map_err(|error| unavailable(&error))?;
            *readers.long() = Some(connection.get_interrupt_handle());
            if readers.permits.is_closed() {
                return Err(closed());
            }
            let result = query(&connection).map_err(failure);
            *readers.long() = None;
            result
        });
        task.await.map_err(cut_short)?
    }

    fn with<T>(&self, query: impl FnOnce(&Connection) -> Result<T, Failure>) -> Result<T, StoreError> {
        self.files.usable()?;
        let idle = self.idle().pop();
        let connection = if let Some(connection) = idle {
            connection
        } else {
            self.files.check()?;
            connection::connect(&self.path, Access::Read).map_err(|error| unavailable(&error))?
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
        if let Some(long) = self.long().as_ref() {
            long.interrupt();
        }
    }

    fn long(&self) -> std::sync::MutexGuard<'_, Option<InterruptHandle>> {
        self.long.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cut_short(error: tokio::task::JoinError) -> StoreError {
    StoreError::Unavailable {
        reason: "a read was cut short".to_owned(),
        source: Some(Box::new(error)),
    }
}
