//! Values at rest: AES-256-GCM with a random nonce for each value, bound to the place where it is
//! kept.
//!
//! Of several keys the first seals, and all open, so that keys can be changed while values of the
//! earlier one are still there. Two limits: whoever can write to the store can put back an earlier
//! value of the same place; and a key should seal fewer than 2^32 values (NIST SP 800-38D, random
//! nonces), which is out of reach of a fleet's manifests.

mod key_file;

use std::{collections::BTreeSet, fmt, sync::Arc};

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::StoreError;

pub use key_file::{KeyFileFault, Loaded};

/// Bytes of a key.
const KEY_LENGTH: usize = 32;

/// The keys of a store; empty by default. `Debug` shows their ids alone.
#[derive(Clone, Default)]
pub struct Keyring {
    /// The first seals.
    keys: Arc<[Key]>,
}

struct Key {
    id: String,
    key: RandomizedNonceKey,
}

/// A sealed text.
pub(crate) struct Sealed {
    pub(crate) key_id: String,
    /// Base64 of nonce, ciphertext and tag.
    pub(crate) body: String,
}

/// Why a sealed text could not be opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Unopened {
    #[error("it is sealed with the key {0:?}, which the key file lacks; put that key back")]
    NoKey(String),
    #[error(
        "it does not open with the key {0:?}: the key file has another key of that id, or the value was damaged or moved; \
         put the right key back, or write the value again"
    )]
    Fails(String),
}

impl Keyring {
    /// Whether there is no key, so that everything is stored plain.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The ids of the keys, the one that seals first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// Those of `needed` that are not here.
    pub fn lacking<'a>(&self, needed: &'a [String]) -> Vec<&'a str> {
        let known: BTreeSet<&str> = self.ids().collect();
        needed
            .iter()
            .map(String::as_str)
            .filter(|id| !known.contains(id))
            .collect()
    }

    /// Seals with the first key; `None` if there is none.
    pub(crate) fn seal(&self, binding: &[u8], text: &str) -> Result<Option<Sealed>, StoreError> {
        let Some(Key { id, key }) = self.keys.first() else {
            return Ok(None);
        };
        let mut ciphertext = text.as_bytes().to_vec();
        let nonce = key
            .seal_in_place_append_tag(Aad::from(binding), &mut ciphertext)
            .map_err(|_| StoreError::Keys {
                reason: format!("encryption with the key {id:?} failed; check the system's random source"),
            })?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut ciphertext);
        Ok(Some(Sealed {
            key_id: id.clone(),
            body: STANDARD.encode(bytes),
        }))
    }

    pub(crate) fn open(&self, key_id: &str, binding: &[u8], body: &str) -> Result<String, Unopened> {
        let key = self
            .keys
            .iter()
            .find(|key| key.id == key_id)
            .ok_or_else(|| Unopened::NoKey(key_id.to_owned()))?;
        open(&key.key, binding, body).ok_or_else(|| Unopened::Fails(key_id.to_owned()))
    }
}

fn open(key: &RandomizedNonceKey, binding: &[u8], body: &str) -> Option<String> {
    let bytes = STANDARD.decode(body).ok()?;
    let (nonce, ciphertext) = bytes.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = ciphertext.to_vec();
    let length = key
        .open_in_place(nonce, Aad::from(binding), &mut text)
        .ok()?
        .len();
    text.truncate(length);
    String::from_utf8(text).ok()
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")?;
        f.debug_list().entries(self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keyring(letter: char) -> Keyring {
        let key = STANDARD.encode([u8::try_from(letter).unwrap_or_default(); KEY_LENGTH]);
        Keyring::parse(&format!("{letter} {key}")).unwrap()
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_with_its_key_in_its_place_alone(text in ".*", place in "[a-z]{0,9}") {
            let keyring = keyring('a');
            let sealed = keyring.seal(place.as_bytes(), &text).unwrap().unwrap();
            prop_assert_eq!(Ok(text.clone()), keyring.open("a", place.as_bytes(), &sealed.body));
            let elsewhere = format!("{place}x");
            prop_assert!(keyring.open("a", elsewhere.as_bytes(), &sealed.body).is_err());
            // Another key that calls itself the same.
            let impostor = Keyring::parse(&format!("a {}", STANDARD.encode([b'b'; KEY_LENGTH]))).unwrap();
            prop_assert!(impostor.open("a", place.as_bytes(), &sealed.body).is_err());
            // No nonce is used twice.
            let again = keyring.seal(place.as_bytes(), &text).unwrap().unwrap();
            prop_assert_ne!(sealed.body, again.body);
        }

        #[test]
        fn a_changed_value_does_not_open(text in ".{1,40}", position in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let keyring = keyring('a');
            let sealed = keyring.seal(b"place", &text).unwrap().unwrap();
            let mut bytes = STANDARD.decode(&sealed.body).unwrap();
            let position = position.index(bytes.len());
            bytes[position] ^= 1 << bit;
            prop_assert!(keyring.open("a", b"place", &STANDARD.encode(&bytes)).is_err());
            bytes.truncate(position);
            prop_assert!(keyring.open("a", b"place", &STANDARD.encode(&bytes)).is_err());
        }
    }

    #[test]
    fn without_a_key_nothing_is_sealed() {
        assert!(Keyring::default().seal(b"place", "text").unwrap().is_none());
        let lacking = Keyring::default().open("a", b"place", "");
        assert!(lacking.unwrap_err().to_string().contains("put that key back"));
    }
}
