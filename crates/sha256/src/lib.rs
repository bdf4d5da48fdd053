//! SHA-256 digests: how they are made, written and read, once for all crates.
//!
//! Rather than a crate for hexadecimal: it would bring the digits and none of the types, and those
//! are twenty lines. `u8::from_str_radix` is not used for them: it takes a sign, and so reads `+f`
//! as a byte.

use std::{fmt, io, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, written as 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hashing = Hashing::default();
        hashing.update(bytes);
        hashing.finish()
    }

    /// The digest itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

/// A digest of bytes that come one after the other.
#[derive(Clone, Default)]
pub struct Hashing(Sha256);

impl Hashing {
    /// Takes in bytes.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes);
    }

    /// The digest of all of them.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Takes in what is written.
impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// Secrets are hashed; what was taken in so far is not for a log.
impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hashing").finish_non_exhaustive()
    }
}

/// A text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// Not 64 characters.
    #[error("a SHA-256 fingerprint has 64 hexadecimal digits, this has {0} characters")]
    Length(usize),
    /// A character that is no hexadecimal digit.
    #[error("{0:?} is not a hexadecimal digit")]
    Digit(char),
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    /// Reads 64 hexadecimal digits of either case, without separators.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(stranger) = text.chars().find(|character| !character.is_ascii_hexdigit()) {
            return Err(InvalidDigest::Digit(stranger));
        }
        let mut value = [0; 32];
        if text.len() != 2 * value.len() {
            return Err(InvalidDigest::Length(text.len()));
        }
        for (byte, pair) in value.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, &digit| byte << 4 | nibble(digit));
        }
        Ok(Self(value))
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// Two digits in lower case per byte, also of what is no digest.
pub fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of FIPS 180-2, appendix B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn is_sha_256_in_hexadecimal() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        assert_eq!(ABC.to_uppercase().parse(), Ok(Digest::of(b"abc")));
        let mut hashing = Hashing::default();
        hashing.update("a");
        io::Write::write_all(&mut hashing, b"bc").unwrap();
        assert_eq!(hashing.finish(), Digest::of(b"abc"));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        assert_eq!("ab".parse::<Digest>(), Err(InvalidDigest::Length(2)));
        let colons = "ba:78".parse::<Digest>();
        assert_eq!(colons, Err(InvalidDigest::Digit(':')));
        let wide = format!("{}é", "a".repeat(62));
        assert_eq!(wide.parse::<Digest>(), Err(InvalidDigest::Digit('é')));
    }

    #[test]
    fn a_sign_is_no_digit() {
        for sign in ["+f", "-f"] {
            let signed = format!("{}{sign}", &ABC[..62]);
            let first = sign.chars().next().unwrap();
            assert_eq!(signed.parse::<Digest>(), Err(InvalidDigest::Digit(first)));
            assert!(serde_json::from_str::<Digest>(&format!("{signed:?}")).is_err());
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let digest = Digest::of(b"abc");
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("{ABC:?}"));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }
}
