//! What tells one verification call from another.

use std::fmt;

use contract::{MAX_NAME, PROBE_PREFIX};

/// A nonce of a verification call, to be drawn at random by the caller and never used twice: ASCII
/// digits and lower-case letters, so that no spelling on its way changes it, and few enough that
/// the device id made of it is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(String);

/// A text that cannot be a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a nonce has 1 to {} characters out of a-z and 0-9", Nonce::LONGEST)]
pub struct InvalidNonce;

impl Nonce {
    /// So many characters fit behind the prefix into a device id.
    pub const LONGEST: usize = MAX_NAME - PROBE_PREFIX.len();

    /// Takes a text as a nonce.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidNonce> {
        let text = text.into();
        let fits = (1..=Self::LONGEST).contains(&text.len());
        let plain = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit();
        if fits && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(InvalidNonce)
        }
    }

    /// The nonce, as our server reports it ([`ProbeSeen`](crate::ProbeSeen)).
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the device that a verification call is about. It is also the common name of the
    /// certificate to probe an Edge API with, since that lets nobody ask about another device.
    pub fn device_id(&self) -> String {
        format!("{PROBE_PREFIX}{}", self.0)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_makes_a_device_id() {
        let longest = Nonce::new("7".repeat(Nonce::LONGEST)).unwrap();
        assert_eq!(longest.device_id().len(), MAX_NAME);
        assert_eq!(Nonce::new("7f").unwrap().device_id(), "flotta-companion-probe-7f");
    }

    #[test]
    fn what_would_not_arrive_as_it_is_is_no_nonce() {
        let too_long = "7".repeat(Nonce::LONGEST + 1);
        for text in ["", "A", "a b", "a/b", "ä", "-a", &too_long] {
            assert_eq!(Nonce::new(text), Err(InvalidNonce), "{text:?}");
        }
    }
}
