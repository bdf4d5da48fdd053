//! The start on a database: migrations, who the store is, and whether it was restored into another
//! place.

use std::time::Duration;

use fleet::Epoch;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::{
    documents, examine,
    failure::Failure,
    options::{ConnectOptions, Target},
    sums,
};
use crate::{Identity, Inspection, Portion, StoreError, migrations, record};

/// A migration, or a database that is just starting, may take longer than a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Several servers may start on one empty database; each try lets one of them win.
const ATTEMPTS: usize = 20;

/// Where a database is, as far as it can tell: evidence of a dump that was restored elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// `pg_control_system()`: of the cluster of databases. `None` where there is no such thing.
    system_identifier: Option<String>,
    database_oid: Option<i64>,
}

impl Place {
    pub(super) async fn of(client: &Client) -> Result<Self, Failure> {
        let system = client
            .query_one("SELECT system_identifier::text FROM pg_control_system()", &[])
            .await;
        let system_identifier = match system {
            Ok(row) => row.try_get(0)?,
            // An engine without it, or a role that may not ask.
            Err(error) if error.code().is_some() => None,
            Err(error) => return Err(error.into()),
        };
        let oid = client
            .query_opt(
                "SELECT oid::bigint FROM pg_database WHERE datname = current_database()",
                &[],
            )
            .await?;
        Ok(Self {
            system_identifier,
            database_oid: oid.map(|row| row.try_get(0)).transpose()?,
        })
    }

    /// Both know, and differ.
    pub(super) fn differs(&self, other: &Self) -> bool {
        fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.zip(other).is_some_and(|(one, other)| one != other)
        }
        differ(self.system_identifier.as_ref(), other.system_identifier.as_ref())
            || differ(self.database_oid.as_ref(), other.database_oid.as_ref())
    }
}

/// What the store says about itself.
struct Meta {
    schema: u32,
    oldest_program: u32,
    identity: Identity,
    place: Place,
}

/// Creates or migrates the store, and settles identity and epoch.
pub(super) async fn open(target: &Target, restored: bool) -> Result<(Identity, Place), StoreError> {
    tokio::time::timeout(PATIENCE, attempt(target, restored))
        .await
        .unwrap_or_else(|_| {
            Err(StoreError::unavailable(format!(
                "PostgreSQL at {} did not finish the start within {PATIENCE:?}",
                target.location
            )))
        })
}

async fn attempt(target: &Target, restored: bool) -> Result<(Identity, Place), StoreError> {
    let mut client = connect(target).await?;
    let mut result = prepare(&mut client, target, restored).await;
    for _ in 1..ATTEMPTS {
        match &result {
            Err(failure) if failure.lost_a_race_of_migrations() => {
                result = prepare(&mut client, target, restored).await;
            }
            _ => break,
        }
    }
    result.map_err(|failure| located(target, failure))
}

/// A connection of its own, without the bounds of a request. It ends with the client.
async fn connect(target: &Target) -> Result<Client, StoreError> {
    let (client, connection) = target
        .config
        .connect(target.tls.clone())
        .await
        .map_err(|error| located(target, error.into()))?;
    // Its error, if any, is the client's too.
    tokio::spawn(connection);
    Ok(client)
}

fn located(target: &Target, failure: Failure) -> StoreError {
    let location = target.location.clone();
    if let Some(remedy) = failure.remedy() {
        let reason = format!("{}; {remedy}", StoreError::from(failure).reason());
        return StoreError::Open { location, reason };
    }
    match StoreError::from(failure) {
        StoreError::Unavailable { reason, source } => StoreError::Unavailable {
            reason: format!("{location}: {reason}"),
            source,
        },
        other => other,
    }
}

/// Looks at a store and changes nothing in it.
pub async fn inspect(url: &str, options: &ConnectOptions) -> Result<Inspection, StoreError> {
    let target = Target::parse(url, options)?;
    let mut client = connect(&target).await?;
    let meta = look(&mut client, &target)
        .await
        .map_err(|failure| located(&target, failure))?;
    let (schema, oldest_program) = meta
        .as_ref()
        .map_or((0, 0), |meta| (meta.schema, meta.oldest_program));
    let pending = migrations::pending(schema, oldest_program)?;
    let (key_ids, unsealed) = if schema < migrations::WITH_DOCUMENTS {
        (Vec::new(), 0)
    } else {
        documents::keys(&client)
            .await
            .map_err(|failure| located(&target, failure))?
    };
    let unerased = schema > 0
        && client
            .query_opt("SELECT FROM setting WHERE name = $1", &[&record::UNERASED])
            .await
            .map_err(|error| located(&target, error.into()))?
            .is_some();
    Ok(Inspection {
        schema: meta.as_ref().map(|meta| meta.schema),
        oldest_program,
        identity: meta.map(|meta| meta.identity),
        pending: pending.iter().map(|migration| migration.number).collect(),
        key_ids,
        unsealed,
        unerased,
        problems: damage(&mut client, schema)
            .await
            .map_err(|failure| located(&target, failure))?,
    })
}

/// Which rows are not what was written.
async fn damage(client: &mut Client, schema: u32) -> Result<Vec<String>, Failure> {
    let mut damaged = Vec::new();
    let mut next = (schema >= migrations::WITH_CHECKSUMS).then(Portion::first);
    while let Some(Portion::Devices(after)) = next {
        let (of_devices, _, behind) = examine::devices(&*client, &after).await?;
        damaged.extend(of_devices);
        next = Some(behind);
    }
    if next.is_some() {
        damaged.extend(sums::damaged(&client.transaction().await?).await?);
    }
    Ok(damaged)
}

/// What the store says about itself; `None` if there is none.
async fn look(client: &mut Client, target: &Target) -> Result<Option<Meta>, Failure> {
    let table = "SELECT to_regclass('meta') IS NOT NULL";
    if !client.query_one(table, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(None);
    }
    read_meta(&client.transaction().await?, target, "")
        .await
        .map(Some)
}

async fn prepare(client: &mut Client, target: &Target, restored: bool) -> Result<(Identity, Place), Failure> {
    let place = Place::of(client).await?;
    // Looked at before anything is locked or written, so that a store of a newer program stays as
    // it is.
    let Some(meta) = look(client, target).await? else {
        let identity = create(client, &place).await?;
        return Ok((identity, place));
    };
    let pending = migrations::pending(meta.schema, meta.oldest_program)?;
    let moved = meta.place.differs(&place);
    if pending.is_empty() && !moved && !restored && meta.place == place {
        return Ok((meta.identity, place));
    }

    let transaction = client.transaction().await?;
    let meta = read_meta(&transaction, target, " FOR UPDATE").await?;
    let pending = migrations::pending(meta.schema, meta.oldest_program)?;
    for migration in pending {
        tracing::info!(
            number = migration.number,
            name = migration.name,
            "migrating the store"
        );
        transaction.batch_execute(migration.postgres).await?;
    }
    let (schema, oldest) = migrations::after(meta.schema, meta.oldest_program, pending);
    let mut identity = meta.identity;
    if restored || meta.place.differs(&place) {
        identity.epoch = Epoch(Uuid::new_v4());
        tracing::warn!(
            store = %target.location,
            epoch = %identity.epoch,
            "the store is a restored backup: a new epoch begins, deletions of earlier epochs disconnect nobody until confirmed"
        );
    }
    transaction
        .execute(
            "UPDATE meta SET schema_number = $1, oldest_program = $2, epoch = $3,
                 system_identifier = coalesce($4, system_identifier), database_oid = coalesce($5, database_oid)",
            &[
                &i64::from(schema),
                &i64::from(oldest),
                &identity.epoch.to_string(),
                &place.system_identifier,
                &place.database_oid,
            ],
        )
        .await?;
    transaction.commit().await?;
    Ok((identity, place))
}

async fn create(client: &mut Client, place: &Place) -> Result<Identity, Failure> {
    let identity = Identity {
        id: Uuid::new_v4(),
        epoch: Epoch(Uuid::new_v4()),
    };
    let pending = migrations::pending(0, 0)?;
    let (schema, oldest) = migrations::after(0, 0, pending);
    let transaction = client.transaction().await?;
    for migration in pending {
        transaction.batch_execute(migration.postgres).await?;
    }
    transaction
        .execute(
            "INSERT INTO meta (one, schema_number, oldest_program, store_id, epoch, system_identifier, database_oid)
             VALUES (1, $1, $2, $3, $4, $5, $6)",
            &[
                &i64::from(schema),
                &i64::from(oldest),
                &identity.id.to_string(),
                &identity.epoch.to_string(),
                &place.system_identifier,
                &place.database_oid,
            ],
        )
        .await?;
    transaction.commit().await?;
    Ok(identity)
}

async fn read_meta(transaction: &Transaction<'_>, target: &Target, lock: &str) -> Result<Meta, Failure> {
    let columns =
        "SELECT schema_number, oldest_program, store_id, epoch, system_identifier, database_oid FROM meta";
    let row = transaction.query_opt(&format!("{columns}{lock}"), &[]).await?;
    let Some(row) = row else {
        return Err(StoreError::Open {
            location: target.location.clone(),
            reason: "its table 'meta' is empty, so it does not say which store it is; restore a backup or name an empty database"
                .to_owned(),
        }
        .into());
    };
    let number = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
    let (store_id, epoch): (String, String) = (row.try_get(2)?, row.try_get(3)?);
    Ok(Meta {
        schema: number(row.try_get(0)?),
        oldest_program: number(row.try_get(1)?),
        identity: record::identity(&store_id, &epoch)?,
        place: Place {
            system_identifier: row.try_get(4)?,
            database_oid: row.try_get(5)?,
        },
    })
}
