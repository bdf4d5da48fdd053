//! Which rows [`crate::Store::rekey`] writes anew: the same for both stores.

use super::{Body, Place, Rekeyed, Row};
use crate::{StoreError, sealing::Keyring};

/// Most texts that a refusal names.
const NAMED: usize = 5;

/// Seals one confidential row after the other with the first key, and remembers what stood in the
/// way.
pub(crate) struct Resealing<'a> {
    keyring: &'a Keyring,
    key_id: String,
    resealed: u64,
    newly_sealed: u64,
    unreadable: Vec<String>,
}

impl<'a> Resealing<'a> {
    pub(crate) fn new(keyring: &'a Keyring) -> Result<Self, StoreError> {
        let key_id = keyring.ids().next().ok_or_else(|| StoreError::Keys {
            reason: "this server was given no key; name the key file".to_owned(),
        })?;
        Ok(Self {
            key_id: key_id.to_owned(),
            keyring,
            resealed: 0,
            newly_sealed: 0,
            unreadable: Vec::new(),
        })
    }

    /// The row as it shall be; `None` if it is so already, or cannot be read.
    pub(crate) fn row(&mut self, place: Place<'_>, row: Row) -> Result<Option<Row>, StoreError> {
        let before = row.key_id.clone();
        let text = match row.read(self.keyring, place) {
            Body::Plain(text) => text,
            Body::Unreadable { why, .. } | Body::Damaged { why } => {
                self.unreadable.push(why);
                return Ok(None);
            }
        };
        match before {
            Some(id) if id == self.key_id => return Ok(None),
            Some(_) => self.resealed += 1,
            None => self.newly_sealed += 1,
        }
        Row::of(self.keyring, place, true, &text).map(Some)
    }

    /// Refuses if anything could not be read: nothing of it may be written then.
    pub(crate) fn finish(self) -> Result<Rekeyed, StoreError> {
        if self.unreadable.is_empty() {
            return Ok(Rekeyed {
                key_id: self.key_id,
                resealed: self.resealed,
                newly_sealed: self.newly_sealed,
                leftover: None,
            });
        }
        let mut reason = self.unreadable[..self.unreadable.len().min(NAMED)].join("; ");
        if let Some(more @ 1..) = self.unreadable.len().checked_sub(NAMED) {
            reason = format!("{reason}; and {more} more");
        }
        Err(StoreError::Keys { reason })
    }
}
