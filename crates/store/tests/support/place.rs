//! Where a store of the suite lives.

use std::{
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use flotta_store::{
    Bounds, Inspection, Keyring, Store, StoreError,
    postgres::{self, ConnectOptions, PostgresStore},
    sqlite::{self, OpenOptions, SqliteStore},
};
use tempfile::TempDir;
use testkit::postgres::Postgres;
use tokio::sync::Mutex;

/// A place that holds one store, open or not.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Opens it as a server would at its start.
    async fn open_as(&self, bounds: Bounds, restored: bool) -> Result<Arc<dyn Store>, StoreError>;

    /// Opens it with keys for confidential texts.
    async fn open_with_keys(&self, keyring: Keyring) -> Arc<dyn Store>;

    /// What `check` sees of it.
    async fn inspect(&self) -> Inspection;

    /// Runs statements behind the store's back.
    async fn run(&self, sql: &str);

    /// Whether these are in the words of SQLite.
    fn is_sqlite(&self) -> bool {
        false
    }

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
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("fleet.db")
    }

    async fn open_by(&self, options: OpenOptions) -> Result<Arc<dyn Store>, StoreError> {
        let path = self.path();
        let open = move || SqliteStore::open(path, options);
        let store = tokio::task::spawn_blocking(open).await.unwrap()?;
        Ok(Arc::new(store))
    }
}

#[async_trait]
impl Place for SqlitePlace {
    async fn open_as(&self, bounds: Bounds, restored: bool) -> Result<Arc<dyn Store>, StoreError> {
        let options = OpenOptions {
            bounds,
            restored,
            ..OpenOptions::default()
        };
        self.open_by(options).await
    }

    async fn open_with_keys(&self, keyring: Keyring) -> Arc<dyn Store> {
        let options = OpenOptions {
            keyring,
            ..OpenOptions::default()
        };
        self.open_by(options).await.unwrap()
    }

    fn is_sqlite(&self) -> bool {
        true
    }

    async fn inspect(&self) -> Inspection {
        sqlite::inspect(&self.path()).unwrap()
    }

    async fn run(&self, sql: &str) {
        rusqlite::Connection::open(self.path())
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    }
}

/// A database of its own on a server that the tests of one binary share; it ends with the last of
/// them.
pub(crate) struct PostgresPlace {
    pub(crate) server: Arc<Postgres>,
    database: String,
}

impl PostgresPlace {
    pub(crate) async fn new() -> Self {
        static SERVER: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());
        let mut shared = SERVER.lock().await;
        let server = match shared.upgrade() {
            Some(server) => server,
            None => Arc::new(Postgres::start().await.unwrap()),
        };
        *shared = Arc::downgrade(&server);
        drop(shared);
        let database = format!("contract_{}", uuid::Uuid::new_v4().simple());
        // A collation that passes over '-' and '.', so that what relies on the order of bytes must
        // say so.
        let create = format!(
            "CREATE DATABASE {database} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-u-ka-shifted' LOCALE 'C'"
        );
        server.sql("postgres", &create).unwrap();
        Self { server, database }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url(&self.database)
    }

    pub(crate) fn sql(&self, statement: &str) -> String {
        self.server.sql(&self.database, statement).unwrap()
    }

    /// Patient, since a busy machine is no fault of the store.
    pub(crate) fn options() -> ConnectOptions {
        ConnectOptions {
            timeout: Duration::from_secs(10),
            connections: 8,
            ..ConnectOptions::default()
        }
    }
}

#[async_trait]
impl Place for PostgresPlace {
    async fn open_as(&self, bounds: Bounds, restored: bool) -> Result<Arc<dyn Store>, StoreError> {
        let options = ConnectOptions {
            bounds,
            restored,
            ..Self::options()
        };
        Ok(Arc::new(PostgresStore::connect(&self.url(), options).await?))
    }

    async fn open_with_keys(&self, keyring: Keyring) -> Arc<dyn Store> {
        let options = ConnectOptions {
            keyring,
            ..Self::options()
        };
        Arc::new(PostgresStore::connect(&self.url(), options).await.unwrap())
    }

    async fn inspect(&self) -> Inspection {
        postgres::inspect(&self.url(), &Self::options()).await.unwrap()
    }

    async fn run(&self, sql: &str) {
        self.sql(sql);
    }
}
