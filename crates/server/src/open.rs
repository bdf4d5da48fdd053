//! Opens the store that the settings name.

use std::sync::Arc;

use anyhow::Context as _;
use store::{
    Store,
    sqlite::{OpenOptions, SqliteStore},
};

use crate::settings::{Settings, StoreLocation};

/// Opens the store. Fails at once where a person is needed.
pub async fn store(settings: &Settings) -> anyhow::Result<Arc<dyn Store>> {
    match &settings.store {
        StoreLocation::Sqlite(path) => {
            let (path, options) = (
                path.clone(),
                OpenOptions {
                    bounds: settings.bounds,
                    restored: settings.restored,
                },
            );
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(path, options));
            Ok(Arc::new(opened.await.context(
                "opening the store failed because of a defect in this program",
            )??))
        }
        StoreLocation::Postgres(_) => anyhow::bail!("this build has no PostgreSQL store"),
    }
}
