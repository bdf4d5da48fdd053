//! The mark: a small file beside the database that says how far this store had come.
//!
//! A database that is behind its mark was put back from a backup, even if nobody says so. The mark is written after the
//! commit that it speaks of, so it is never ahead of what is durable, and it may be some seconds behind. Which restores
//! it cannot show is in `docs/store.md`.

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
}

/// The file's name: the database's with `.mark` appended.
pub(super) fn path(database: &Path) -> PathBuf {
    super::beside(database, ".mark")
}

/// The mark; `None` if there is none or it cannot be understood, which is evidence of nothing.
pub(super) fn read(database: &Path) -> Option<Mark> {
    let path = path(database);
    let text = fs::read(&path).ok()?;
    serde_json::from_slice(&text)
        .inspect_err(
            |error| tracing::warn!(path = %path.display(), %error, "the mark of the store cannot be read"),
        )
        .ok()
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
    /// Whether a database with this identity and highest revision is an earlier state of what the mark saw.
    pub(super) fn shows_restore(&self, found: Identity, revision: i64) -> bool {
        self.store.id == found.id && (self.store.epoch != found.epoch || revision < self.revision)
    }
}
