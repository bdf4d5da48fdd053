//! What is left of the log (`-wal`) of a store that was not closed, before SQLite takes it over.
//!
//! SQLite reads a log up to the first frame that does not check and says nothing of the rest: right
//! for the last transaction, which a crash may tear, and silent about a log that is missing or
//! damaged further ahead. Under a running server it is asked of the file whether it still holds
//! what SQLite has written ([`Extent`]): SQLite goes on behind what was cut off, and a start finds
//! none of it. SQLite has no locks on this file, so it may be opened and closed. The format is
//! <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt as _,
    path::Path,
};

/// What a log is, seen from outside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// There is no file.
    Missing,
    /// All of it is read, but for a last transaction that was not finished.
    Whole,
    /// Transactions behind what SQLite reads are there and are passed over.
    Damaged(&'static str),
}

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The magic number, whose last bit says in which order of bytes sums are made.
const MAGIC: u32 = 0x377f_0682;

/// Looks at a log. Nothing may write it meanwhile.
pub(super) fn look(path: &Path) -> io::Result<Log> {
    match File::open(path) {
        Ok(file) => read(BufReader::with_capacity(1 << 16, file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Log::Missing),
        Err(error) => Err(error),
    }
}

/// How far a log went when it was looked at: so many frames, of the log that was begun with these
/// salts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    frames: u64,
    salt: [u32; 2],
}

impl Extent {
    /// Of a log that has to hold so many frames; `None` if it does not.
    pub(super) fn of(path: &Path, frames: u64) -> io::Result<Option<Self>> {
        if frames == 0 {
            // SQLite reads nothing of it, whatever it is.
            return Ok(Some(Self { frames, salt: [0; 2] }));
        }
        let log = File::open(path)?;
        let (mut header, mut last) = ([0; HEADER], [0; FRAME_HEADER]);
        if !filled_at(&log, &mut header, 0)? || sum_of_header(&header).is_none() {
            return Ok(None);
        }
        let salt = [word(&header, 16), word(&header, 20)];
        let frame = (FRAME_HEADER as u64) + u64::from(word(&header, 8));
        let end = (HEADER as u64).saturating_add(frame.saturating_mul(frames));
        let whole = log.metadata()?.len() >= end
            && filled_at(&log, &mut last, end - frame)?
            && [word(&last, 8), word(&last, 12)] == salt;
        Ok(whole.then_some(Self { frames, salt }))
    }

    /// Whether the log still holds it.
    pub(super) fn is_held(&self, path: &Path) -> io::Result<bool> {
        Ok(Self::of(path, self.frames)? == Some(*self))
    }

    /// Whether this one was begun when the other was, so that it holds that one as well.
    pub(super) fn continues(&self, other: &Self) -> bool {
        self.salt == other.salt
    }
}

/// The sum up to the end of a header; `None` if it is no header of a log.
fn sum_of_header(header: &[u8; HEADER]) -> Option<Sum> {
    let mut sum = Sum {
        big_endian: word(header, 0) & 1 == 1,
        at: (0, 0),
    };
    sum.add(&header[..24]);
    (word(header, 0) & !1 == MAGIC && sum.at == (word(header, 24), word(header, 28))).then_some(sum)
}

/// Whether there was as much.
fn filled_at(log: &File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match log.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn read(mut log: impl Read) -> io::Result<Log> {
    let mut header = [0; HEADER];
    match filled(&mut log, &mut header)? {
        // It was emptied, or nothing was ever written.
        0 => return Ok(Log::Whole),
        HEADER => {}
        _ => return Ok(Log::Damaged("its header is cut off")),
    }
    let Some(mut sum) = sum_of_header(&header) else {
        return Ok(Log::Damaged("its header does not check"));
    };
    let salt = [word(&header, 16), word(&header, 20)];
    let mut frame = vec![0; FRAME_HEADER + word(&header, 8) as usize];
    // The transactions that end behind the first frame that does not check.
    let (mut broken, mut behind) = (false, 0);
    while filled(&mut log, &mut frame)? == frame.len() {
        if [word(&frame, 8), word(&frame, 12)] != salt {
            // Of before the log was begun anew, or a frame that was never finished.
            broken = true;
            continue;
        }
        if !broken {
            sum.add(&frame[..8]);
            sum.add(&frame[FRAME_HEADER..]);
            broken = sum.at != (word(&frame, 16), word(&frame, 20));
        }
        if broken && word(&frame, 4) != 0 {
            behind += 1;
        }
    }
    // The last transaction may have reached the disk in any order, its end before its beginning.
    Ok(if behind > 1 {
        Log::Damaged("a part in the middle of it does not check")
    } else {
        Log::Whole
    })
}

/// Reads as much as there is.
fn filled(log: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match log.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(word)
}

/// SQLite's sum over pairs of words, carried from frame to frame.
struct Sum {
    big_endian: bool,
    at: (u32, u32),
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        let (mut one, mut two) = self.at;
        for pair in bytes.chunks_exact(8) {
            let [first, second] = [0, 4].map(|at| {
                let word = word(pair, at);
                if self.big_endian { word } else { word.swap_bytes() }
            });
            one = one.wrapping_add(first).wrapping_add(two);
            two = two.wrapping_add(second).wrapping_add(one);
        }
        self.at = (one, two);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use rusqlite::Connection;
    use tempfile::TempDir;

    use super::*;

    const PAGE: usize = 4096;

    /// A database with so many transactions in its log, still open.
    fn written(folder: &TempDir, transactions: usize) -> (Connection, PathBuf) {
        let path = folder.path().join("some.db");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (x)")
            .unwrap();
        for _ in 1..transactions {
            connection.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        }
        (connection, folder.path().join("some.db-wal"))
    }

    fn seen(folder: &TempDir, bytes: &[u8]) -> Log {
        let path = folder.path().join("copy-wal");
        fs::write(&path, bytes).unwrap();
        look(&path).unwrap()
    }

    #[test]
    fn a_log_that_sqlite_wrote_is_whole_wherever_its_last_transaction_is_torn() {
        let folder = TempDir::new().unwrap();
        let (connection, log) = written(&folder, 5);
        assert_eq!(Log::Whole, look(&log).unwrap());
        let bytes = fs::read(&log).unwrap();
        let last = bytes.len() - PAGE - FRAME_HEADER;
        for cut in [last, last + 1, last + FRAME_HEADER, bytes.len() - 1] {
            assert_eq!(Log::Whole, seen(&folder, &bytes[..cut]), "{cut}");
        }
        let mut torn = bytes.clone();
        torn[last + FRAME_HEADER + 7] ^= 1;
        assert_eq!(Log::Whole, seen(&folder, &torn));
        // Begun anew, with frames of before behind it.
        connection
            .query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))
            .unwrap();
        connection.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        assert_eq!(bytes.len(), fs::read(&log).unwrap().len());
        assert_eq!(Log::Whole, look(&log).unwrap());
        // Emptied.
        assert_eq!(Log::Whole, seen(&folder, b""));
    }

    #[test]
    fn what_a_log_has_to_hold_is_missed_wherever_it_is_cut_off() {
        let folder = TempDir::new().unwrap();
        let (connection, log) = written(&folder, 5);
        let frames = |connection: &Connection| {
            let frames: i64 = connection
                .query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))
                .unwrap();
            u64::try_from(frames).unwrap()
        };
        let before = Extent::of(&log, frames(&connection)).unwrap().unwrap();
        assert!(before.frames > 4 && before.is_held(&log).unwrap());
        connection.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        let after = Extent::of(&log, frames(&connection)).unwrap().unwrap();
        assert!(after.continues(&before) && after != before && before.is_held(&log).unwrap());

        let bytes = fs::read(&log).unwrap();
        let copy = folder.path().join("copy-wal");
        for length in [0, 1, HEADER, HEADER + FRAME_HEADER, bytes.len() - 1] {
            fs::write(&copy, &bytes[..length]).unwrap();
            assert!(!after.is_held(&copy).unwrap(), "{length}");
            // Written on behind what was cut off.
            fs::File::options()
                .write(true)
                .open(&copy)
                .unwrap()
                .set_len(bytes.len() as u64 * 2)
                .unwrap();
            assert_eq!(
                length == bytes.len() - 1,
                after.is_held(&copy).unwrap(),
                "{length}"
            );
        }

        connection
            .query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))
            .unwrap();
        connection.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        let anew = Extent::of(&log, frames(&connection)).unwrap().unwrap();
        assert!(!anew.continues(&after) && !after.is_held(&log).unwrap());
        connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .unwrap();
        assert!(
            Extent::of(&log, frames(&connection))
                .unwrap()
                .unwrap()
                .is_held(&log)
                .unwrap()
        );
    }

    #[test]
    fn what_is_missing_or_damaged_is_told() {
        let folder = TempDir::new().unwrap();
        let (_connection, log) = written(&folder, 5);
        let bytes = fs::read(&log).unwrap();
        assert_eq!(Log::Missing, look(&folder.path().join("nothing-wal")).unwrap());
        assert!(matches!(seen(&folder, &bytes[..HEADER - 1]), Log::Damaged(_)));
        for at in 0..HEADER {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(matches!(seen(&folder, &damaged), Log::Damaged(_)), "{at}");
        }
        // In the first frames: the transactions behind are passed over.
        for at in [
            HEADER + 16,
            HEADER + FRAME_HEADER + 100,
            HEADER + FRAME_HEADER + PAGE + 8,
        ] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(matches!(seen(&folder, &damaged), Log::Damaged(_)), "{at}");
        }
    }
}
