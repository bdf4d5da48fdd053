//! SHA-256 fingerprints, of keys and of whole certificates.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest;
use serde::{Serialize, Serializer};

/// A SHA-256 digest, written as 64 hexadecimal digits in lower case.
///
/// Of a key it is taken over the DER SubjectPublicKeyInfo (as RFC 7469 pins do), of a certificate
/// over its DER form (as `openssl x509 -fingerprint -sha256` does).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut value = [0; 32];
        value.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
        Self(value)
    }

    /// The digest itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Fingerprint {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFingerprint {
    /// Not 64 characters.
    #[error("a SHA-256 fingerprint has 64 hexadecimal digits, this has {0} characters")]
    Length(usize),
    /// A character that is no hexadecimal digit.
    #[error("{0:?} is not a hexadecimal digit")]
    Digit(char),
}

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    /// Reads 64 hexadecimal digits of either case, without separators.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(stranger) = text.chars().find(|character| !character.is_ascii_hexdigit()) {
            return Err(InvalidFingerprint::Digit(stranger));
        }
        let mut value = [0; 32];
        if text.len() != 2 * value.len() {
            return Err(InvalidFingerprint::Length(text.len()));
        }
        for (byte, pair) in value.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, &digit| byte << 4 | nibble(digit));
        }
        Ok(Self(value))
    }
}

/// Two digits in lower case per byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

fn nibble(hex_digit: u8) -> u8 {
    match hex_digit {
        b'0'..=b'9' => hex_digit - b'0',
        _ => (hex_digit | 0x20) - b'a' + 10,
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sha_256_in_hexadecimal() {
        // The example of FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Fingerprint::of(b"abc").to_string(), abc);
        assert_eq!(abc.to_uppercase().parse(), Ok(Fingerprint::of(b"abc")));
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        assert_eq!("ab".parse::<Fingerprint>(), Err(InvalidFingerprint::Length(2)));
        let colons = "ba:78".parse::<Fingerprint>();
        assert_eq!(colons, Err(InvalidFingerprint::Digit(':')));
        let wide = format!("{}é", "a".repeat(62));
        assert_eq!(wide.parse::<Fingerprint>(), Err(InvalidFingerprint::Digit('é')));
    }
}
