//! The mark: a small file beside the database that says which store is kept here, how far it had
//! come, and whether it was closed.
//!
//! A database that is behind its mark was put back from a backup, even if nobody says so; one that
//! is another store than its mark says came here by mistake. The mark is written after the commit
//! that it speaks of, so it is never ahead of what is durable, and it may be some seconds behind.
//! Which restores it cannot show is in `docs/store.md`.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::Identity;

/// The content of the mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) store: Identity,
    /// The highest revision that was durable when the mark was written.
    pub(super) revision: i64,
    /// The store was open, so that its log belongs to it. Earlier programs did not say.
    #[serde(default)]
    pub(super) open: bool,
    /// The server has ended in order, so that `revision` is the last that there is.
    #[serde(default)]
    pub(super) ended: bool,
}

/// The file's name: the database's with `.mark` appended.
pub(super) fn path(database: &Path) -> PathBuf {
    super::beside(database, ".mark")
}

/// The mark, `None` if there is none. One that cannot be read is an error: it may say that this is
/// another store, or an earlier state of it.
pub(super) fn read(database: &Path) -> Result<Option<Mark>, String> {
    match fs::read(path(database)) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// Replaces the mark in one step.
pub(super) fn write(database: &Path, mark: &Mark) -> io::Result<()> {
    let path = path(database);
    let next = super::beside(database, ".mark.next");
    let mut file = super::private()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&next)?;
    file.write_all(serde_json::to_string(mark)?.as_bytes())?;
    file.sync_all()?;
    fs::rename(&next, &path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

impl Mark {
    /// Whether a database with this identity and highest revision is an earlier state of what the
    /// mark saw.
    pub(super) fn shows_restore(&self, found: Identity, revision: i64) -> bool {
        self.store.id == found.id && (self.store.epoch != found.epoch || revision < self.revision)
    }

    /// Why a database of another store is not opened beside this mark.
    pub(super) fn contradicts(&self, database: &Path, found: Identity) -> Option<String> {
        (self.store.id != found.id).then(|| {
            format!(
                "it is store {}, and {} says that store {} is kept here; put that store's file back, or start once with \
                 --restored if this one is meant to take its place",
                found.id,
                path(database).display(),
                self.store.id
            )
        })
    }
}

/// Why a database is not opened beside a mark that cannot be read.
pub(super) fn unreadable(database: &Path, reason: &str) -> String {
    format!(
        "its mark {} cannot be read ({reason}), so that nobody knows whether the database is the one that was kept here; restore \
         it, or start once with --restored",
        path(database).display()
    )
}
