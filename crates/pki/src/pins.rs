//! The file of pins: which public keys may open a connection.

use std::collections::BTreeSet;

use sha256::InvalidDigest;

use crate::Fingerprint;

/// Fingerprints of the public keys that are accepted; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins(BTreeSet<Fingerprint>);

/// Why a file of pins was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinFault {
    /// A line that is neither a fingerprint, a comment nor blank.
    #[error("line {line}: {reason}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: InvalidDigest,
    },
    /// No fingerprint at all: nobody could connect.
    #[error(
        "it holds no fingerprint; write the SHA-256 of the Edge API's public key (of its host certificate) into it"
    )]
    Empty,
    /// Not text.
    #[error("it is not UTF-8 text")]
    NotText,
}

impl Pins {
    /// Reads a file of pins: one fingerprint of a public key per line, as 64 hexadecimal digits.
    /// `#` begins a comment, blank lines are skipped. All faults are reported.
    pub fn parse(file: &[u8]) -> Result<Self, Vec<PinFault>> {
        let text = std::str::from_utf8(file).map_err(|_| vec![PinFault::NotText])?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut pins, mut faults) = (BTreeSet::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            match entry.parse() {
                Ok(pin) => {
                    pins.insert(pin);
                }
                Err(reason) => faults.push(PinFault::Line {
                    line: index + 1,
                    reason,
                }),
            }
        }
        if pins.is_empty() && faults.is_empty() {
            faults.push(PinFault::Empty);
        }
        if faults.is_empty() {
            Ok(Self(pins))
        } else {
            Err(faults)
        }
    }

    /// Whether this key is pinned.
    pub fn contains(&self, key: &Fingerprint) -> bool {
        self.0.contains(key)
    }

    /// The fingerprints, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = &Fingerprint> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        let (old, new) = (Fingerprint::of(b"old"), Fingerprint::of(b"new"));
        let file = format!("# host certificate\n\n  {old}  # until the restart\r\n{new}\n{new}\n");
        let pins = Pins::parse(file.as_bytes()).unwrap();
        assert!(pins.contains(&old) && pins.contains(&new));
        assert_eq!(pins.iter().count(), 2);
    }

    #[test]
    fn every_fault_is_reported_with_its_line() {
        let file = format!("abc\n{}\n# fine\nzz\n", Fingerprint::of(b"key"));
        assert_eq!(
            Pins::parse(file.as_bytes()),
            Err(vec![
                PinFault::Line {
                    line: 1,
                    reason: InvalidDigest::Length(3)
                },
                PinFault::Line {
                    line: 4,
                    reason: InvalidDigest::Digit('z')
                },
            ])
        );
        assert_eq!(Pins::parse(b"# none yet\n"), Err(vec![PinFault::Empty]));
        assert_eq!(Pins::parse(b"\xff\xfe"), Err(vec![PinFault::NotText]));
    }
}
