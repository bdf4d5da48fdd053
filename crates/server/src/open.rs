//! Opens the store that the settings name.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use store::{
    KeyFileFault, Keyring, Loaded, Store, StoreError,
    postgres::{ConnectOptions, PostgresStore},
    sqlite::{OpenOptions, SqliteStore},
};

use crate::{
    ops::Health,
    settings::{Settings, StoreLocation},
    telemetry,
};

/// What is said of a store that [`Store::is_unerased`].
pub const UNERASED: &str = "the store's files may still hold Secrets that were stored plain or under an earlier key; \
     'edge-config-server rekey' erases what is left of them";

/// Pause between two attempts to reach a database.
const PAUSE: Duration = Duration::from_secs(1);

/// Opens the store. Fails where a person is needed; a database that cannot be reached is waited
/// for.
pub async fn store(settings: &Settings, health: &Health) -> anyhow::Result<Arc<dyn Store>> {
    let keyring = keyring(settings)?;
    if keyring.is_empty() {
        tracing::warn!(
            "Secrets are stored as they are, readable for whoever reads the store; --secret-keys has them encrypted"
        );
    }
    let store = open(settings, keyring, health).await?;
    // Only a warning depends on it: devices are served meanwhile.
    if let Ok(true) = store.is_unerased().await {
        tracing::warn!("{UNERASED}");
    }
    Ok(store)
}

async fn open(settings: &Settings, keyring: Keyring, health: &Health) -> anyhow::Result<Arc<dyn Store>> {
    match &settings.store {
        StoreLocation::Sqlite(path) => {
            let options = OpenOptions {
                bounds: settings.bounds,
                restored: settings.restored,
                keyring,
            };
            let path = path.clone();
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(path, options));
            Ok(Arc::new(opened.await.context(
                "opening the store failed because of a defect in this program",
            )??))
        }
        StoreLocation::Postgres(url) => {
            let options = ConnectOptions {
                keyring,
                ..connect_options(settings)
            };
            postgres(url.expose(), options, health).await
        }
    }
}

/// The keys that Secrets are encrypted with; none if there is no file of them.
pub fn keyring(settings: &Settings) -> Result<Keyring, KeyFileFault> {
    let Some(path) = &settings.secret_keys else {
        return Ok(Keyring::default());
    };
    let Loaded { keyring, warning } = Keyring::load(path)?;
    if let Some(warning) = warning {
        tracing::warn!(path = %path.display(), "{warning}");
    }
    Ok(keyring)
}

/// How PostgreSQL is spoken with: a call ends early enough for its request to be answered in time.
pub fn connect_options(settings: &Settings) -> ConnectOptions {
    ConnectOptions {
        bounds: settings.bounds,
        restored: settings.restored,
        timeout: settings.limits.request * 3 / 4,
        ..ConnectOptions::default()
    }
}

async fn postgres(url: &str, options: ConnectOptions, health: &Health) -> anyhow::Result<Arc<dyn Store>> {
    let mut told = String::new();
    loop {
        match PostgresStore::connect(url, options.clone()).await {
            Ok(store) => return Ok(Arc::new(store)),
            Err(error @ StoreError::Unavailable { .. }) => {
                let reason = telemetry::chain(&error).to_string();
                if reason != told {
                    tracing::warn!(reason, "waiting for the store");
                    health.set_waiting_for_store(&reason);
                    told = reason;
                }
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
