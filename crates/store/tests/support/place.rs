//! Where a store of the suite lives.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use flotta_store::{
    Bounds, Store, StoreError,
    sqlite::{OpenOptions, SqliteStore},
};
use tempfile::TempDir;

/// A place that holds one store, open or not.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Opens it as a server would at its start.
    async fn open_as(&self, bounds: Bounds, restored: bool) -> Result<Arc<dyn Store>, StoreError>;

    /// Runs statements behind the store's back.
    async fn run(&self, sql: &str);

    async fn open_with(&self, bounds: Bounds) -> Arc<dyn Store> {
        self.open_as(bounds, false).await.unwrap()
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.open_with(Bounds::default()).await
    }
}

pub(crate) struct SqlitePlace {
    folder: TempDir,
}

impl SqlitePlace {
    pub(crate) async fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("fleet.db")
    }
}

#[async_trait]
impl Place for SqlitePlace {
    async fn open_as(&self, bounds: Bounds, restored: bool) -> Result<Arc<dyn Store>, StoreError> {
        let path = self.path();
        let open = move || SqliteStore::open(path, OpenOptions { bounds, restored });
        let store = tokio::task::spawn_blocking(open).await.unwrap()?;
        Ok(Arc::new(store))
    }

    async fn run(&self, sql: &str) {
        rusqlite::Connection::open(self.path())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }
}
