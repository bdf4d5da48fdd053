//! PostgreSQL's errors in the words of the store. The only place that looks at SQLSTATE.

use std::error::Error as _;

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::error::SqlState;

use crate::StoreError;

/// Why a statement or a transaction failed.
#[derive(Debug)]
pub(super) enum Failure {
    Postgres(tokio_postgres::Error),
    Store(StoreError),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<PoolError> for Failure {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                Self::Postgres(error)
            }
            PoolError::Closed => Self::Store(StoreError::unavailable("it is closed")),
            PoolError::Timeout(_) => Self::Store(StoreError::unavailable(
                "no connection to PostgreSQL became free in time",
            )),
            other => Self::Store(StoreError::unavailable(other.to_string())),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Postgres(error) => StoreError::unavailable(describe(&error)),
            Failure::Store(error) => error,
        }
    }
}

impl Failure {
    /// Nothing of the transaction happened, and it may succeed when it is tried again.
    pub(super) fn can_be_retried(&self) -> bool {
        self.is_state(&[
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ])
    }

    /// Another server did the same at the same time.
    pub(super) fn lost_a_race_of_migrations(&self) -> bool {
        self.can_be_retried()
            || self.is_state(&[
                SqlState::UNIQUE_VIOLATION,
                SqlState::DUPLICATE_TABLE,
                SqlState::DUPLICATE_OBJECT,
                SqlState::DUPLICATE_COLUMN,
            ])
            // "tuple concurrently updated", which has no state of its own.
            || self.is_state(&[SqlState::INTERNAL_ERROR])
    }

    /// What a person has to do about it, if waiting does not help.
    pub(super) fn remedy(&self) -> Option<&'static str> {
        let Self::Postgres(error) = self else { return None };
        Some(match error.code()?.code().get(..2)? {
            "28" => "correct user and password in the URL",
            "3D" => "create the database, or name another in the URL",
            "3F" => "create the schema that search_path names",
            "42" => {
                "give the user the right to create tables there, and name a database without tables of others"
            }
            _ => return None,
        })
    }

    /// One write among several may be at fault: a value that the database cannot hold (class 22),
    /// or a constraint (23).
    pub(super) fn blames_data(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        error
            .code()
            .is_some_and(|state| state.code().starts_with("22") || state.code().starts_with("23"))
    }

    /// PostgreSQL has found that what it keeps is damaged, or a disk of its cannot read it.
    pub(super) fn tells_damage(&self) -> bool {
        self.is_state(&[
            SqlState::DATA_CORRUPTED,
            SqlState::INDEX_CORRUPTED,
            SqlState::IO_ERROR,
        ])
    }

    /// The server answered, so the connection is in order.
    pub(super) fn leaves_connection_usable(&self) -> bool {
        match self {
            Self::Postgres(error) => error.code().is_some(),
            Self::Store(_) => true,
        }
    }

    fn is_state(&self, states: &[SqlState]) -> bool {
        let Self::Postgres(error) = self else { return false };
        error.code().is_some_and(|state| states.contains(state))
    }
}

/// PostgreSQL's word for it, without the detail that may quote content.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!(
            "PostgreSQL says: {} (SQLSTATE {})",
            error.message(),
            error.code().code()
        );
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
