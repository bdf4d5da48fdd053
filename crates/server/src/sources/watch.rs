//! When is `--manifests` read, and what is done about it?
//!
//! Looked at every second from outside ([`super::trace`]), and read when it has rested for as long
//! as [`super::settle`] asks, or on SIGHUP, or when a person has confirmed something. How it looks
//! is compared before and after: what changed while it was read was not read. A look or a reading
//! may take long, over a network, and none of that time is rest: it is counted from the end of the
//! look that saw the source so first to the beginning of the one that sees it so still. Rejected:
//! inotify, for the reasons in `files`.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use manifests::{
    UnknownFields,
    source::{self, SourceError, SourceReading},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    ApplyError, Consent, Reloader, WATCHED,
    outcome::Outcome,
    settle::{Settle, Standing, Stillness},
    trace::Trace,
};

/// Time on a clock that never goes back.
pub type Ticks<'a> = &'a (dyn Fn() -> Duration + Sync);

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// What did not fail for a fault of the source's content is tried again so often.
const AGAIN: Duration = Duration::from_secs(10);

/// What waits for a person is decided anew so often: devices that would have lost something may be
/// gone.
const ANEW: Duration = Duration::from_mins(1);

/// A source that changes for so long without rest is said to.
const RESTLESS: Duration = Duration::from_mins(1);

const DEFECT: &str =
    "taking it over met a defect in this program; what was before stays. Please report it with the log";

/// The source at `--manifests`.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    unknown_fields: UnknownFields,
    settle: Settle,
    /// What a person has confirmed.
    confirmed: Mutex<Option<String>>,
    /// It was confirmed since the last look.
    just_confirmed: AtomicBool,
    asked: tokio::sync::Notify,
    looking: tokio::sync::Mutex<Looking>,
    /// What was said last, so that it is said once.
    told: Mutex<Vec<String>>,
}

/// What is known of the source from one look to the next.
#[derive(Debug)]
struct Looking {
    stillness: Stillness<Trace>,
    /// As what the present look of it was dealt with.
    dealt_with: Option<Standing>,
    /// When it is to be read again though it looks the same.
    again: Option<Duration>,
}

impl Watched {
    /// The source at this path, which counts when it has rested for so long.
    pub fn new(path: PathBuf, unknown_fields: UnknownFields, settle: Settle) -> Arc<Self> {
        Arc::new(Self {
            path,
            unknown_fields,
            settle,
            confirmed: Mutex::default(),
            just_confirmed: AtomicBool::new(false),
            asked: tokio::sync::Notify::new(),
            looking: tokio::sync::Mutex::new(Looking {
                stillness: Stillness::new(settle),
                dealt_with: None,
                again: None,
            }),
            told: Mutex::default(),
        })
    }

    /// A person says that what has this digest may take workloads away.
    pub fn confirm(&self, digest: String) {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
        self.just_confirmed.store(true, Ordering::Release);
        self.asked.notify_one();
    }

    /// What it holds now, if it did not change while it was read.
    pub async fn reading(&self) -> Result<SourceReading, String> {
        let (path, unknown_fields) = (self.path.clone(), self.unknown_fields);
        let read = spawn_blocking(move || {
            let before = Trace::of(&path);
            let reading = source::read(&path, unknown_fields);
            (before == Trace::of(&path)).then_some(reading)
        });
        match read.await {
            Ok(Some(reading)) => reading.map_err(|error| error.to_string()),
            Ok(None) => Err(format!(
                "{} changed while it was read; try again when nobody writes it",
                self.path.display()
            )),
            Err(_) => Err(DEFECT.to_owned()),
        }
    }

    /// Something was done about it by an act: it is looked at now.
    pub fn wake(&self) {
        self.asked.notify_one();
    }

    fn forget_confirmation(&self) {
        self.confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }

    fn confirmed(&self) -> Option<String> {
        self.confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Looks at it from outside; whether it has changed.
    pub async fn glance(&self, clock: Ticks<'_>) -> bool {
        let mut looking = self.looking.lock().await;
        self.see(&mut looking, clock).await
    }

    async fn see(&self, looking: &mut Looking, clock: Ticks<'_>) -> bool {
        let path = self.path.clone();
        let Ok(trace) = spawn_blocking(move || Trace::of(&path)).await else {
            return true;
        };
        let changed = looking.stillness.see(trace, clock());
        if changed {
            looking.dealt_with = None;
        }
        changed
    }

    /// Looks at it, reads it if it is time to, and has it taken over if it can be; whether that is
    /// to be tried again though nothing changes. `asked` is whether somebody wants it read now,
    /// though it looks the same.
    pub async fn look(&self, keeper: &Arc<Reloader>, clock: Ticks<'_>, asked: bool) -> bool {
        let mut looking = self.looking.lock().await;
        let now = clock();
        self.see(&mut looking, clock).await;
        let standing = looking.stillness.standing(now);
        let confirmed = self.confirmed();
        let just_confirmed = self.just_confirmed.swap(false, Ordering::AcqRel);
        if standing == Standing::Moving && !just_confirmed {
            let restless = looking.stillness.moving_for(now);
            if restless >= RESTLESS {
                let fault = format!(
                    "{} changes all the time: for more than a minute it was never the same for {:?}, so it was not read; find \
                     out who writes it",
                    self.path.display(),
                    self.settle.additions
                );
                self.tell(keeper, Outcome::Rejected(vec![fault]));
            }
            return false;
        }
        let due = looking.again.is_some_and(|again| now >= again);
        if looking.dealt_with >= Some(standing) && !asked && !just_confirmed && !due {
            return looking.again.is_some();
        }
        let Some(read) = self.read().await else {
            self.tell(keeper, Outcome::Rejected(vec![DEFECT.to_owned()]));
            looking.dealt_with = Some(Standing::Settled);
            looking.again = Some(clock() + AGAIN);
            return true;
        };
        if self.see(&mut looking, clock).await {
            return false;
        }
        let (outcome, again) = match read {
            Ok(reading) => {
                let is_confirmed = confirmed.as_ref() == Some(&reading.digest);
                if !is_confirmed {
                    // It was said of what the source held then; should that come back, it is
                    // another change.
                    self.forget_confirmation();
                }
                if standing == Standing::Moving && !is_confirmed {
                    return false;
                }
                self.apply(keeper, reading, is_confirmed, standing == Standing::Settled)
                    .await
            }
            Err(_) if standing == Standing::Moving => return false,
            Err(error @ SourceError::Faults { .. }) => (Outcome::Rejected(error.sentences()), None),
            // How it looks does not show when it can be read again.
            Err(error) => (Outcome::Rejected(error.sentences()), Some(AGAIN)),
        };
        looking.dealt_with = Some(match &outcome {
            Outcome::Settling(_) => Standing::Still,
            _ => Standing::Settled,
        });
        looking.again = again.map(|again| clock() + again);
        self.tell(keeper, outcome);
        looking.again.is_some()
    }

    /// `None` for a defect.
    async fn read(&self) -> Option<Result<SourceReading, SourceError>> {
        let (path, unknown_fields) = (self.path.clone(), self.unknown_fields);
        spawn_blocking(move || source::read(&path, unknown_fields))
            .await
            .ok()
    }

    /// In a task of its own, so that a defect that some content meets is a fault of that content.
    async fn apply(
        &self,
        keeper: &Arc<Reloader>,
        reading: SourceReading,
        is_confirmed: bool,
        settled: bool,
    ) -> (Outcome, Option<Duration>) {
        let keeper = Arc::clone(keeper);
        let applied = tokio::spawn(async move {
            let consent = Consent {
                confirmed: is_confirmed.then_some(reading.digest.as_str()),
                settled,
                ..Consent::default()
            };
            keeper.apply(WATCHED, &reading, consent).await
        });
        match applied.await {
            Ok(Ok(applied)) => {
                // It was said of this change, not of every later one to the same content.
                if is_confirmed {
                    self.forget_confirmation();
                }
                (Outcome::Applied(applied), None)
            }
            Ok(Err(error)) => {
                let again = match &error {
                    ApplyError::Store(_) | ApplyError::Owned { .. } => Some(AGAIN),
                    ApplyError::Unconfirmed { .. } => Some(ANEW),
                    _ => None,
                };
                (Outcome::of(error), again)
            }
            Err(_) => (Outcome::Rejected(vec![DEFECT.to_owned()]), Some(AGAIN)),
        }
    }

    fn tell(&self, keeper: &Reloader, outcome: Outcome) {
        keeper.remember(WATCHED, &outcome);
        let path = self.path.display();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let said = outcome.sentences();
        if *told == said && !matches!(outcome, Outcome::Applied(_)) {
            return;
        }
        *told = said;
        match outcome {
            Outcome::Applied(applied) => {
                tracing::info!(
                    %path,
                    objects = applied.objects,
                    changed = applied.changed.len(),
                    removed = applied.removed.len(),
                    "manifests taken over"
                );
                for warning in &applied.warnings {
                    tracing::warn!(reason = warning, "something in the manifests was passed over");
                }
            }
            Outcome::Settling(settling) => {
                tracing::info!(%path, reason = settling.reason, "the manifests are not taken over yet");
            }
            Outcome::Rejected(faults) => {
                for fault in &faults {
                    tracing::error!(%path, reason = fault, "the manifests were not taken over; what was before stays");
                }
            }
            Outcome::Unconfirmed(_, fault) => {
                tracing::error!(%path, reason = fault, "the manifests were not taken over; what was before stays");
            }
        }
    }
}

/// Has the source taken over whenever it changed, until `shutdown`.
pub async fn watch(
    watched: Arc<Watched>,
    keeper: Arc<Reloader>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = Instant::now();
    loop {
        let mut asked = false;
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = tick.tick() => {}
            _ = hangup.recv() => asked = true,
            () = watched.asked.notified() => asked = true,
        }
        watched.look(&keeper, &|| begun.elapsed(), asked).await;
    }
}
