//! Room on the disk that is kept for deletions and pruning.
//!
//! On a full disk even a deletion needs room: SQLite writes it to its log first. So a file beside
//! the database holds some of the disk. When a deletion finds no room, the file gives its own up,
//! the deletion is made, and the room is taken again, most often at once, from the log that was
//! emptied. Until it is, nothing else is written: what has become free is not for heartbeats to
//! fill.
//!
//! Rejected: a lower `max_page_count` for ordinary writes. It bounds the database, and it is the
//! volume that is full, of the log or of others' files too.

use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    fs::{FallocateFlags, fallocate, statvfs},
    io::Errno,
};

/// How much is taken where there is as much, and what will do: an ordinary deletion takes some ten
/// kilobytes.
const ROOMS: [u64; 3] = [4 * MEBIBYTE, 2 * MEBIBYTE, MEBIBYTE];
const LEAST: u64 = MEBIBYTE;
const MEBIBYTE: u64 = 1024 * 1024;

/// So much of it is lent to a start: SQLite makes an index of its log beside the database, and
/// cannot open it without.
const LENT: u64 = 256 * 1024;

/// How often it is tried to take the room again.
const AGAIN: Duration = Duration::from_secs(1);

/// The file that holds the room.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// When it was last tried to take the room again that was given up.
    wanting: Option<Instant>,
}

impl Reserve {
    /// That of a database. Takes nothing yet.
    pub(super) fn beside(database: &Path) -> Self {
        Self {
            path: super::beside(database, ".reserve"),
            wanting: None,
        }
    }

    /// Takes the room if there is as much. One who never had it goes on without: what is written
    /// then is as before it was thought of.
    pub(super) fn take(&self) {
        if let Err(error) = self.allocate() {
            tracing::warn!(
                path = %self.path.display(),
                %error,
                "no room can be kept for deletions on a full disk; free space or enlarge the volume"
            );
        }
    }

    /// Lends some of it to a start, if the disk has no other room for that. Returns whether it did.
    pub(super) fn lend(&self) -> bool {
        let held = self.held();
        if held <= LENT || !self.is_scarce() {
            return false;
        }
        let file = File::options().write(true).open(&self.path);
        // If that fails as well, opening the database says what is wrong.
        file.and_then(|file| file.set_len(held - LENT)).is_ok()
    }

    /// Gives all of it up.
    pub(super) fn give(&mut self) -> io::Result<()> {
        self.wanting = Some(Instant::now());
        if self.path.exists() {
            File::options().write(true).open(&self.path)?.set_len(0)?;
        }
        Ok(())
    }

    /// Whether what can wait has to: the room was given up and is not there again.
    pub(super) fn is_wanting(&mut self, now: Instant) -> bool {
        let Some(tried) = self.wanting else { return false };
        if now.saturating_duration_since(tried) >= AGAIN {
            self.retake();
        }
        self.wanting.is_some()
    }

    /// Tries to take the room again.
    pub(super) fn retake(&mut self) {
        self.wanting = match self.allocate() {
            Ok(()) => None,
            Err(_) => Some(Instant::now()),
        };
    }

    /// How much room the file holds on the disk.
    fn held(&self) -> u64 {
        self.path
            .metadata()
            .map_or(0, |file| file.len().min(file.blocks() * 512))
    }

    fn is_scarce(&self) -> bool {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        // Where that cannot be asked, opening says what is wrong.
        statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LENT)
    }

    /// The most that there is room for; an error if that is not enough.
    fn allocate(&self) -> io::Result<()> {
        let mut file = super::private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)?;
        let before = self.held();
        for room in ROOMS {
            if before >= room {
                return Ok(());
            }
            let taken = match fallocate(&file, FallocateFlags::empty(), 0, room) {
                // Not of every file system.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&mut file, room),
                taken => taken.map_err(io::Error::from),
            };
            match taken {
                Ok(()) => return Ok(()),
                Err(error) => {
                    file.set_len(before)?;
                    if room == LEAST {
                        return Err(error);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes what no file system makes smaller.
fn fill(file: &mut File, room: u64) -> io::Result<()> {
    file.rewind()?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut block = Vec::with_capacity(64 * 1024);
    for _ in 0..room / (64 * 1024) {
        block.clear();
        while block.len() < 64 * 1024 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend(state.to_ne_bytes());
        }
        file.write_all(&block)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_held_until_it_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::beside(&folder.path().join("fleet.db"));
        assert_eq!(reserve.held(), 0);
        reserve.take();
        assert_eq!(reserve.held(), ROOMS[0]);
        assert!(!reserve.is_wanting(Instant::now()));
        reserve.give().unwrap();
        assert_eq!(reserve.path.metadata().unwrap().blocks(), 0);
        assert!(reserve.is_wanting(Instant::now()), "not tried again at once");
        assert!(!reserve.is_wanting(Instant::now() + AGAIN));
        assert_eq!(reserve.held(), ROOMS[0]);
    }

    #[test]
    fn what_was_never_there_is_wanting_once_it_was_needed() {
        let folder = tempfile::tempdir().unwrap();
        let mut reserve = Reserve::beside(&folder.path().join("missing/fleet.db"));
        reserve.take();
        assert!(!reserve.is_wanting(Instant::now()), "one goes on without");
        reserve.give().unwrap();
        assert!(reserve.is_wanting(Instant::now() + AGAIN));
    }

    #[test]
    fn a_file_system_without_allocation_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::beside(&folder.path().join("fleet.db"));
        fill(&mut File::create(&reserve.path).unwrap(), LEAST).unwrap();
        assert_eq!(reserve.held(), LEAST);
    }
}
