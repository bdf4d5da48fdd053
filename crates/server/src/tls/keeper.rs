//! Keeps the newest good set of material, whatever happens to the files.
//!
//! A server that has none yet takes certificates in part, as far as they can be read, and says so.
//! The same bytes are then taken again together with whatever else is new, so that a certificate or
//! a pin can be replaced beside them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use pki::{Facts, Fingerprint};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    admitted::Admitted,
    material::{Fault, Files, InPart, Material},
};
use crate::{files, metrics::Metrics};

/// Remaining life at which a certificate is reported as expiring soon.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Whether a certificate is near its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expiry {
    /// More than 30 days are left.
    Fine,
    /// At most 30 days are left.
    Soon,
    /// It has expired.
    Expired,
}

impl Expiry {
    /// Of a certificate, at `now`.
    pub fn of(certificate: &Facts, now: Timestamp) -> Self {
        let left = certificate.not_after.duration_since(now);
        if left.is_negative() {
            Self::Expired
        } else if left <= SOON {
            Self::Soon
        } else {
            Self::Fine
        }
    }
}

/// The newest good set, and what is wrong with the files now.
#[derive(Debug)]
pub struct Reloader {
    files: Files,
    current: ArcSwapOption<Material>,
    /// The pins of `current`, and never behind it: a key that is let in by it is among them.
    pins: watch::Sender<Vec<Fingerprint>>,
    state: Mutex<State>,
    /// Held while files are read, so that `state` never is.
    looking: Mutex<()>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    /// Of the contents that were judged last.
    judged: Option<Fingerprint>,
    /// Whether these were refused: they are judged again, since a certificate may have become valid
    /// by now.
    refused: bool,
    faults: Vec<Fault>,
    /// When the present faults were first seen.
    since: Option<Timestamp>,
    /// The expiry of each certificate as it was told last.
    told: BTreeMap<Fingerprint, Expiry>,
}

/// What a person asks a keeper.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The set that is served with; absent before the first.
    pub loaded: Option<Loaded>,
    /// What is wrong with the files now; the set above goes on serving, or is what could be read of
    /// them.
    pub faults: Vec<String>,
    /// Since when.
    pub faults_since: Option<Timestamp>,
}

/// A set that is served with.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Loaded {
    /// When it was loaded.
    pub at: Timestamp,
    /// The server's certificate.
    pub server: Described,
    /// The CAs of the bundle.
    pub authorities: Vec<Described>,
    /// SHA-256 of each public key that may connect.
    pub pins: Vec<Fingerprint>,
}

/// A certificate and whether it is near its end.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// What it says.
    #[serde(flatten)]
    pub facts: Facts,
    /// Whether it is near its end.
    pub expiry: Expiry,
}

impl Described {
    fn new(facts: &Facts, now: Timestamp) -> Self {
        Self {
            facts: facts.clone(),
            expiry: Expiry::of(facts, now),
        }
    }
}

impl Reloader {
    /// A keeper that has not looked yet.
    pub fn new(files: Files, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            files,
            current: ArcSwapOption::empty(),
            pins: watch::Sender::default(),
            state: Mutex::default(),
            looking: Mutex::default(),
            metrics,
        })
    }

    /// The set to accept the next connection with; `None` until there was a good one.
    pub fn current(&self) -> Option<Arc<Material>> {
        self.current.load_full()
    }

    /// The holder of this key was let in by a set of this keeper's.
    pub fn admit(&self, key: Fingerprint) -> Admitted {
        Admitted::new(key, self.pins.subscribe())
    }

    /// What is loaded and what is wrong.
    pub fn status(&self, now: Timestamp) -> Status {
        let state = self.state();
        let loaded = self.current.load().as_ref().map(|material| Loaded {
            at: material.loaded(),
            server: Described::new(material.server(), now),
            authorities: material.authorities().map(|ca| Described::new(ca, now)).collect(),
            pins: material.pins().to_vec(),
        });
        Status {
            loaded,
            faults: state.faults.iter().map(ToString::to_string).collect(),
            faults_since: state.since,
        }
    }

    /// Looks at the files and publishes what they hold, if it is new and good. Blocks for as long
    /// as reading takes.
    pub fn look(&self, now: Timestamp) {
        let _one_at_a_time = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.files.read();
        let digest = snapshot.digest();
        let (changed, refused) = {
            let state = self.state();
            (state.judged != Some(digest), state.refused)
        };
        if changed && self.files.read().digest() != digest {
            // Somebody is writing; the next look sees the rest.
            return;
        }
        let current = self.current();
        let outdated = current
            .as_ref()
            .is_some_and(|material| material.roots_changed(now));
        if changed || refused || outdated {
            let in_part = current.map_or(InPart::Any, |material| material.in_part());
            let outcome = self.files.judge(&snapshot, &in_part, now);
            let mut state = self.state();
            state.judged = Some(digest);
            match outcome {
                Ok(material) => self.publish(&mut state, material),
                Err(faults) => self.remember(&mut state, faults, now),
            }
        }
        self.tell_expiry(&mut self.state(), now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, state: &mut State, material: Material) {
        state.refused = false;
        let pins: Vec<_> = material.pins().iter().map(ToString::to_string).collect();
        tracing::info!(
            certificate = %material.server().fingerprint,
            expires = %material.server().not_after,
            authorities = material.authorities().count(),
            pins = pins.join(","),
            "TLS material loaded"
        );
        self.metrics.material_loaded(&material);
        if state.faults != material.faults() {
            for fault in material.faults() {
                tracing::error!(%fault, "TLS material is served with as far as it can be read");
            }
            state.faults = material.faults().to_vec();
            state.since = (!state.faults.is_empty()).then_some(material.loaded());
        }
        // Before the set is there to let anybody in: whoever it lets in is pinned by then.
        self.pins.send_if_modified(|pins| {
            let changed = pins != material.pins();
            *pins = material.pins().to_vec();
            changed
        });
        self.current.store(Some(Arc::new(material)));
    }

    fn remember(&self, state: &mut State, faults: Vec<Fault>, now: Timestamp) {
        state.refused = true;
        if state.faults == faults {
            return;
        }
        self.metrics.material_refused();
        let serving = self.current.load().is_some();
        for fault in &faults {
            if serving {
                tracing::error!(%fault, "new TLS material was refused; the old goes on serving");
            } else {
                tracing::warn!(%fault, "waiting for TLS material; connections are closed until it is there");
            }
        }
        state.faults = faults;
        state.since = Some(now);
    }

    /// Logs each certificate once when it is near its end and once when it is over.
    fn tell_expiry(&self, state: &mut State, now: Timestamp) {
        let current = self.current.load();
        let Some(material) = current.as_ref() else { return };
        let authorities = material.authorities().map(|ca| ("CA", ca));
        let certificates: Vec<_> = std::iter::once(("server", material.server()))
            .chain(authorities)
            .collect();
        let found = certificates
            .iter()
            .map(|(_, certificate)| (certificate.fingerprint, Expiry::of(certificate, now)));
        let found: BTreeMap<_, _> = found.collect();
        for (kind, certificate) in certificates {
            let (fingerprint, at) = (certificate.fingerprint, certificate.not_after);
            let expiry = found.get(&fingerprint);
            if expiry == state.told.get(&fingerprint) {
                continue;
            }
            match expiry {
                Some(Expiry::Soon) => {
                    tracing::warn!(kind, %fingerprint, expires = %at, "a certificate expires soon; replace it");
                }
                Some(Expiry::Expired) => {
                    tracing::error!(kind, %fingerprint, expired = %at, "a certificate has expired; replace it");
                }
                Some(Expiry::Fine) | None => {}
            }
        }
        state.told = found;
    }

    /// Looks at the files every second and on SIGHUP, until `shutdown` is cancelled.
    pub async fn watch(self: Arc<Self>, shutdown: CancellationToken) -> std::io::Result<()> {
        files::watch("TLS material", move || self.look(Timestamp::now()), shutdown).await
    }
}
