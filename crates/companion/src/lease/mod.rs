//! The Lease: of several companions one acts, and before every write it makes sure that it is the
//! one.
//!
//! The Lease object is made by the chart, so that no right to create one is needed; every change of
//! it carries the `resourceVersion` that was seen. Why this is no library:
//! `docs/decisions/0021-lease.md`.

mod term;

use std::{
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::{
    api::coordination::v1::{Lease as Record, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};
use plan::names::{LEASE, MANAGER};
use term::{DURATION, LOOK, Moment, RENEWAL, Seen, Step, WRITES};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use crate::{cluster::Fault, rights::Right};

/// The API server has this long to answer.
const ANSWER: Duration = Duration::from_secs(4);

/// The lease is not ours, so nothing may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Lease {LEASE} is not held by this process (any more), so it writes nothing")]
pub struct NotHeld;

/// This process as a holder, or candidate, of the Lease.
pub struct Lease {
    api: Api<Record>,
    identity: String,
    state: Mutex<State>,
    yielding: AtomicBool,
    held: watch::Sender<bool>,
    /// Of two changes one goes first: giving it up does not overtake a renewal.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    seen: Option<Seen>,
    /// When the last renewal that succeeded was begun.
    renewed: Option<Moment>,
}

impl Lease {
    /// Under this name, which no other process has. Holds nothing yet.
    pub fn new(client: Client, namespace: &str, identity: impl Into<String>) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            identity: identity.into(),
            state: Mutex::default(),
            yielding: AtomicBool::new(false),
            held: watch::Sender::new(false),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Whether this process may write now. To be asked before every write.
    pub fn check(&self) -> Result<(), NotHeld> {
        let renewed = self.state().renewed;
        match renewed {
            Some(renewed) if !self.yielding() && Moment::now().is_within(WRITES, renewed) => Ok(()),
            Some(_) => {
                self.lose();
                Err(NotHeld)
            }
            None => Err(NotHeld),
        }
    }

    /// Tells when it was taken and when it was lost.
    pub fn changes(&self) -> watch::Receiver<bool> {
        self.held.subscribe()
    }

    /// Takes and renews it from here on, for as long as the future is polled.
    pub async fn keep(&self) {
        let mut told = None;
        loop {
            let looked = Instant::now();
            let period = match timeout(ANSWER, self.attend())
                .await
                .unwrap_or_else(|_| Err(no_answer()))
            {
                Ok(true) => RENEWAL,
                Ok(false) => LOOK,
                Err(fault) => {
                    let fault = fault.to_string();
                    if told.as_ref() != Some(&fault) {
                        tracing::warn!(error = fault, "the Lease cannot be looked at");
                        told = Some(fault);
                    }
                    LOOK
                }
            };
            // Says so to those who wait, when it has run out.
            let _ = self.check();
            sleep_until(looked + period).await;
        }
    }

    /// One look: takes or renews it if that may be. Whether it is held then.
    pub async fn attend(&self) -> Result<bool, Fault> {
        let _turn = self.turn.lock().await;
        if self.yielding() {
            return Ok(false);
        }
        let begun = Moment::now();
        let known = self.known_to_be_ours(begun);
        let lease = match known {
            Some(lease) => lease,
            None => self.read().await?,
        };
        let step = term::step(&mut self.state().seen, lease.clone(), &self.identity, begun);
        if step == Step::Wait {
            self.lose();
            return Ok(false);
        }
        match self.write(&lease, taken(&lease, &self.identity)).await {
            Ok(()) => {
                self.state().renewed = Some(begun);
                // Only a change is told: each one wakes the loop.
                if self.held.send_if_modified(|held| !std::mem::replace(held, true)) {
                    tracing::info!(identity = self.identity, "holds the Lease");
                }
                Ok(true)
            }
            Err(fault) if fault.is_stale() => {
                // Somebody else wrote to it: the next look reads it anew.
                self.state().seen = None;
                self.lose();
                Ok(false)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Gives it up until [`Lease::resume`]; others can take it at once.
    pub async fn give_up(&self) {
        self.yielding.store(true, Ordering::Relaxed);
        let _turn = self.turn.lock().await;
        let held = self.state().renewed.take();
        self.lose();
        let Some(renewed) = held else { return };
        let lease = self.state().seen.as_ref().map(|seen| seen.lease.clone());
        if let Some(lease) = lease
            && Moment::now().is_within(DURATION, renewed)
        {
            let _ = timeout(ANSWER, self.free(lease)).await;
        }
    }

    /// Empties the record. A renewal of ours whose answer was lost must not keep it for us.
    async fn free(&self, lease: Record) -> Result<(), Fault> {
        match self.write(&lease, freed(&lease)).await {
            Err(fault) if fault.is_stale() => {
                let lease = self.read().await?;
                let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref());
                if holder == Some(&self.identity) {
                    self.write(&lease, freed(&lease)).await
                } else {
                    Ok(())
                }
            }
            outcome => outcome,
        }
    }

    /// Takes it again from here on, when it is free.
    pub fn resume(&self) {
        self.yielding.store(false, Ordering::Relaxed);
    }

    fn yielding(&self) -> bool {
        self.yielding.load(Ordering::Relaxed)
    }

    /// The record as we wrote it last, while nobody else may have: it need not be read again.
    fn known_to_be_ours(&self, now: Moment) -> Option<Record> {
        let state = self.state();
        let renewed = state.renewed?;
        let seen = state.seen.as_ref()?;
        now.is_within(DURATION, renewed).then(|| seen.lease.clone())
    }

    fn lose(&self) {
        self.state().renewed = None;
        if self.held.send_if_modified(|held| std::mem::replace(held, false)) {
            tracing::info!(identity = self.identity, "does not hold the Lease any more");
        }
    }

    async fn read(&self) -> Result<Record, Fault> {
        self.api
            .get(LEASE)
            .await
            .map_err(|error| Fault::new(right("get"), error))
    }

    async fn write(&self, lease: &Record, spec: LeaseSpec) -> Result<(), Fault> {
        let record = Record {
            metadata: lease.metadata.clone(),
            spec: Some(spec),
        };
        let parameters = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let begun = Moment::now();
        let written = self.api.replace(LEASE, &parameters, &record).await;
        let lease = written.map_err(|error| Fault::new(right("update"), error))?;
        self.state().seen = Some(Seen { lease, since: begun });
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

fn taken(lease: &Record, identity: &str) -> LeaseSpec {
    let now = MicroTime(Timestamp::now());
    let spec = lease.spec.clone().unwrap_or_default();
    let ours = spec.holder_identity.as_deref() == Some(identity);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        acquire_time: if ours {
            spec.acquire_time.clone()
        } else {
            Some(now.clone())
        },
        renew_time: Some(now),
        lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(!ours)),
        ..spec
    }
}

fn freed(lease: &Record) -> LeaseSpec {
    LeaseSpec {
        holder_identity: None,
        lease_duration_seconds: Some(1),
        renew_time: Some(MicroTime(Timestamp::now())),
        ..lease.spec.clone().unwrap_or_default()
    }
}

fn right(verb: &'static str) -> Right {
    Right::new(verb, "coordination.k8s.io", "leases", Some(LEASE))
}

fn no_answer() -> Fault {
    Fault::NoAnswer {
        right: right("get"),
        reason: format!("within {} s", ANSWER.as_secs()),
    }
}
