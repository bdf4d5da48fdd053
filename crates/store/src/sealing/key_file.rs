//! The file that keys come from: a line for each, `<key-id> <base64 of 32 bytes>`, the first for what is sealed from now on.
//!
//! Empty lines and lines that begin with `#` are passed over. A file that others may read is used with a warning: a
//! volume of a Kubernetes Secret has mode 0644 unless it says otherwise, inside a container that is nobody else's.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use aws_lc_rs::aead::{AES_256_GCM, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{KEY_LENGTH, Key, Keyring};

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
        let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode() & 0o777;
        let keyring = Self::parse(&fs::read_to_string(path).map_err(unreadable)?)?;
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
