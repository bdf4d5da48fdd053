//! A caller that was let in, for as long as its key is pinned.
//!
//! Only the pins of a set that was loaded end it. A set that was refused ends nothing, and nor does
//! another CA or a certificate that has expired meanwhile: what those say is judged when a
//! connection begins, and a mistake in them must not cut the Edge API off before it is noticed.

use std::future::pending;

use pki::Fingerprint;
use tokio::sync::watch;

/// The holder of a key that was let in.
#[derive(Clone, Debug)]
pub struct Admitted {
    key: Fingerprint,
    pins: watch::Receiver<Vec<Fingerprint>>,
}

impl Admitted {
    pub(super) fn new(key: Fingerprint, pins: watch::Receiver<Vec<Fingerprint>>) -> Self {
        Self { key, pins }
    }

    /// The key.
    pub fn key(&self) -> Fingerprint {
        self.key
    }

    /// Whether the key is pinned now.
    pub fn holds(&self) -> bool {
        self.pins.borrow().contains(&self.key)
    }

    /// Completes when the key is pinned no longer.
    pub async fn ended(&self) {
        let mut pins = self.pins.clone();
        if pins.wait_for(|pins| !pins.contains(&self.key)).await.is_err() {
            // Nobody is left to load another set.
            pending::<()>().await;
        }
    }
}
