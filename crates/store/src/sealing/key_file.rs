//! The file that keys come from: a line for each, `<key-id> <base64 of 32 bytes>`, the first for
//! what is sealed from now on.
//!
//! Empty lines and lines that begin with `#` are passed over. A file that others may read is used
//! with a warning: a volume of a Kubernetes Secret has mode 0644 unless it says otherwise, inside a
//! container that is nobody else's.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{KEY_LENGTH, Key, Keyring};

/// A file is at most this long; a thousand keys are a tenth of it.
const LONGEST: u64 = 1 << 20;

/// Longest key id.
const LONGEST_ID: usize = 63;

/// Why a key file cannot be used. Names a line and never shows one.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileFault {
    /// It cannot be read.
    #[error("the key file {path} cannot be read ({source}); name a file that this user may read")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// It is no file that ends.
    #[error(
        "the key file {path} is no regular file of at most 1 MiB, and pipes and devices may never end; name a file of keys"
    )]
    NoFile {
        /// Which one.
        path: String,
    },
    /// It holds no key.
    #[error("the key file holds no key; write a line '<key-id> <base64 of 32 random bytes>'")]
    Empty,
    /// A line has not the form of a key.
    #[error("line {line} of the key file is no key: {reason}; write '<key-id> <base64 of 32 random bytes>'")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong, without the line itself.
        reason: &'static str,
    },
    /// Two keys have one id.
    #[error("line {line} of the key file names the key {id:?} again; give each key an id of its own")]
    Again {
        /// Counted from 1.
        line: usize,
        /// The id.
        id: String,
    },
}

/// The keys of a file.
#[derive(Debug)]
pub struct Loaded {
    /// The keys.
    pub keyring: Keyring,
    /// Why its permissions are too wide and what to do, if they are.
    pub warning: Option<String>,
}

impl Keyring {
    /// Reads a key file.
    pub fn load(path: &Path) -> Result<Loaded, KeyFileFault> {
        let unreadable = |source| KeyFileFault::Unreadable {
            path: path.display().to_string(),
            source,
        };
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() || metadata.len() > LONGEST {
            return Err(KeyFileFault::NoFile {
                path: path.display().to_string(),
            });
        }
        let mode = metadata.permissions().mode() & 0o777;
        let mut text = String::new();
        let file = File::open(path).map_err(unreadable)?;
        file.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
        let keyring = Self::parse(&text)?;
        let warning = (mode & 0o077 != 0).then(|| {
            format!(
                "the key file {} is open to other users (mode {mode:04o}); make it 0600, or 0400 in a volume's defaultMode",
                path.display()
            )
        });
        Ok(Loaded { keyring, warning })
    }

    /// Reads the text of a key file.
    pub fn parse(text: &str) -> Result<Self, KeyFileFault> {
        let mut keys = Vec::<Key>::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = key(line).map_err(|reason| KeyFileFault::Line { line: number, reason })?;
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyFileFault::Again {
                    line: number,
                    id: key.id,
                });
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyFileFault::Empty);
        }
        Ok(Self { keys: keys.into() })
    }
}

fn key(line: &str) -> Result<Key, &'static str> {
    let mut words = line.split_whitespace();
    let (Some(id), Some(encoded), None) = (words.next(), words.next(), words.next()) else {
        return Err("it has not two words");
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if id.len() > LONGEST_ID || !id.bytes().all(fits) {
        return Err("the id is not of up to 63 letters, digits, '-', '_' and '.'");
    }
    let bytes = STANDARD
        .decode(encoded)
        .map_err(|_| "the second word is not base64")?;
    if bytes.len() != KEY_LENGTH {
        return Err("the key is not 32 bytes long");
    }
    let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| "the key cannot be used")?;
    Ok(Key {
        id: id.to_owned(),
        key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn fault(text: &str) -> String {
        Keyring::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn keys_are_read_in_their_order() {
        let text = format!("# newest first\n\n  2026-03.b_ {ONE}  \r\n\tA {ONE}\n");
        let keyring = Keyring::parse(&text).unwrap();
        assert_eq!(["2026-03.b_", "A"], keyring.ids().collect::<Vec<_>>()[..]);
        assert_eq!("Keyring[\"2026-03.b_\", \"A\"]", format!("{keyring:?}"));
    }

    #[test]
    fn a_fault_names_the_line_and_does_not_show_it() {
        let long = "x".repeat(64);
        for (text, line, word) in [
            (format!("k1 {ONE}\n{ONE}"), "line 2", "two words"),
            (format!("k1 {ONE} more"), "line 1", "two words"),
            (format!("k/1 {ONE}"), "line 1", "63 letters"),
            (format!("{long} {ONE}"), "line 1", "63 letters"),
            ("k1 AQEB!QEB".to_owned(), "line 1", "not base64"),
            ("\nk1 AQEBAQEB".to_owned(), "line 2", "not 32 bytes"),
            (format!("k1 {ONE}\n#\nk1 {ONE}"), "line 3", "of its own"),
            ("# nothing\n".to_owned(), "no key", "write a line"),
        ] {
            let said = fault(&text);
            assert!(said.contains(line) && said.contains(word), "{said}");
            assert!(!said.contains("AQEB") && !said.contains(&long), "{said}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_used_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let missing = Keyring::load(&path).unwrap_err().to_string();
        assert!(
            missing.contains("keys") && missing.contains("may read"),
            "{missing}"
        );
        fs::write(&path, format!("k1 {ONE}")).unwrap();
        for (mode, warns) in [(0o600, false), (0o400, false), (0o440, true), (0o644, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let loaded = Keyring::load(&path).unwrap();
            assert_eq!(["k1"], loaded.keyring.ids().collect::<Vec<_>>()[..]);
            assert_eq!(warns, loaded.warning.is_some(), "{mode:o}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for path in [&*pipe, Path::new("/dev/zero"), folder.path()] {
            let fault = Keyring::load(path).unwrap_err();
            assert!(matches!(fault, KeyFileFault::NoFile { .. }), "{fault}");
        }
    }
}
