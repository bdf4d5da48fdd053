//! Connections: each is checked when it is made to lead to the store that was opened, and is thrown
//! away after a call that did not end in order.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::Client;

use super::{
    failure::{Failure, describe},
    open::Place,
    options::{ConnectOptions, Target},
};
use crate::{Identity, StoreError, record};

/// Which store the connections lead to. The epoch changes when another server begins a new one.
#[derive(Debug)]
pub(super) struct Known {
    identity: RwLock<Identity>,
    place: Place,
}

impl Known {
    pub(super) fn new(identity: Identity, place: Place) -> Self {
        Self {
            identity: RwLock::new(identity),
            place,
        }
    }

    pub(super) fn identity(&self) -> Identity {
        *self.identity.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads who is there. Another store is an error; another epoch of this one is taken over.
    pub(super) async fn check(&self, client: &Client) -> Result<(), Failure> {
        let row = client.query_opt("SELECT store_id, epoch FROM meta", &[]).await?;
        let found = match row {
            Some(row) => {
                let (store_id, epoch): (String, String) = (row.try_get(0)?, row.try_get(1)?);
                Some(record::identity(&store_id, &epoch)?)
            }
            None => None,
        };
        let before = self.identity();
        let Some(found) = found.filter(|found| found.id == before.id) else {
            return Err(StoreError::unavailable(format!(
                "PostgreSQL holds another store than {}, which was opened; bring that one back or restart the server",
                before.id
            ))
            .into());
        };
        if found.epoch != before.epoch {
            tracing::warn!(epoch = %found.epoch, "another server began a new epoch of the store");
            *self.identity.write().unwrap_or_else(PoisonError::into_inner) = found;
        }
        Ok(())
    }

    async fn check_place(&self, client: &Client) -> Result<(), Failure> {
        if Place::of(client).await?.differs(&self.place) {
            return Err(StoreError::unavailable(
                "the store was restored into another database meanwhile; restart the server, which begins a new epoch",
            )
            .into());
        }
        Ok(())
    }
}

pub(super) fn pool(
    target: &Target,
    known: &Arc<Known>,
    options: &ConnectOptions,
) -> Result<Pool, StoreError> {
    let config = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(target.config.clone(), target.tls.clone(), config);
    let known = Arc::clone(known);
    let timeout = options.timeout;
    let settings = settings(timeout);
    let check = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
        let (known, settings) = (Arc::clone(&known), settings.clone());
        Box::pin(async move {
            let checked = async {
                client.batch_execute(&settings).await?;
                known.check_place(client).await?;
                known.check(client).await
            };
            checked.await.map_err(|failure| match failure {
                Failure::Postgres(error) => HookError::Backend(error),
                Failure::Store(error) => HookError::message(error.to_string()),
            })
        })
    });
    Pool::builder(manager)
        .max_size(options.connections)
        .timeouts(Timeouts {
            wait: Some(timeout),
            create: Some(timeout),
            recycle: Some(timeout),
        })
        .runtime(Runtime::Tokio1)
        .post_create(check)
        .build()
        .map_err(|error| StoreError::Open {
            location: target.location.clone(),
            reason: error.to_string(),
        })
}

/// The server gives up before we do, so that a lock or a slow disk leaves nothing running there.
fn settings(timeout: Duration) -> String {
    let millis = timeout.as_millis().saturating_mul(9) / 10;
    format!("SET statement_timeout = {millis}; SET idle_in_transaction_session_timeout = {millis}")
}

/// A connection in use. Unless it is [given back](Self::done), it is thrown away: a call that was
/// cut short may have left an answer under way in it.
pub(super) struct Lease(Option<Object>);

impl Lease {
    pub(super) async fn take(pool: &Pool) -> Result<Self, Failure> {
        Ok(Self(Some(pool.get().await?)))
    }

    pub(super) fn client(&mut self) -> Result<&mut Object, StoreError> {
        self.0
            .as_mut()
            .ok_or_else(|| StoreError::unavailable("the connection was given back"))
    }

    /// Gives it back for others, if the result leaves it in order.
    pub(super) fn done<T>(mut self, result: Result<T, Failure>) -> Result<T, Failure> {
        if result
            .as_ref()
            .err()
            .is_none_or(Failure::leaves_connection_usable)
        {
            drop(self.0.take());
        }
        if let Err(Failure::Postgres(error)) = &result {
            tracing::debug!(error = %describe(error), "a statement failed");
        }
        result
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}
