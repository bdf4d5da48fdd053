//! Reads `--manifests` when it has changed.
//!
//! Looked at every second by names, sizes and times alone, and read when these differ from those of the last reading, or on
//! SIGHUP. Rejected: inotify, for the reasons in `files`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use manifests::source::{self, SourceError, SourceReading};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{Applied, ApplyError, Keeper, WATCHED};

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// What did not fail for a fault of the source is tried again so often.
const AGAIN: Duration = Duration::from_secs(10);

/// What shows that something was changed.
type Trace = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// The source at `--manifests`.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    /// What a person has confirmed.
    confirmed: Mutex<Option<String>>,
    asked: tokio::sync::Notify,
    /// What was wrong last, so that it is said once.
    told: Mutex<Vec<String>>,
}

impl Watched {
    /// The source at this path.
    pub fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            confirmed: Mutex::default(),
            asked: tokio::sync::Notify::new(),
            told: Mutex::default(),
        })
    }

    /// A person says that what has this digest may take workloads away.
    pub fn confirm(&self, digest: String) {
        *self.confirmed.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
        self.asked.notify_one();
    }

    fn confirmed(&self) -> Option<String> {
        self.confirmed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
    /// Reads the source and has it taken over; whether that is to be tried again though nothing changes.
    pub async fn look(&self, keeper: &Keeper) -> bool {
        let path = self.path.clone();
        let read = match spawn_blocking(move || source::read(&path)).await {
            Ok(Ok(reading)) => Ok(reading),
            Ok(Err(SourceError::Faults(faults))) => {
                Err((faults.iter().map(ToString::to_string).collect(), false))
            }
            // Names, sizes and times do not show when it can be read again.
            Ok(Err(error)) => Err((vec![error.to_string()], true)),
            Err(_) => {
                let defect = "reading it failed because of a defect in this program";
                Err((vec![defect.to_owned()], true))
            }
        };
        let (outcome, unconfirmed, repeat) = match read {
            Err((faults, repeat)) => (Err(faults), None, repeat),
            Ok(reading) => self.apply(keeper, &reading).await,
        };
        keeper.remember(WATCHED, &outcome, unconfirmed);
        self.tell(outcome);
        repeat
    }

    async fn apply(&self, keeper: &Keeper, reading: &SourceReading) -> Outcome {
        let confirmed = self.confirmed();
        match keeper.apply(WATCHED, reading, confirmed.as_deref()).await {
            Ok(applied) => {
                // It was said of this change, not of every later one to the same content.
                if confirmed.as_ref() == Some(&reading.digest) {
                    self.confirmed
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .take();
                }
                (Ok(applied), None, false)
            }
            Err(error) => {
                let repeat = matches!(error, ApplyError::Store(_));
                (Err(vec![error.to_string()]), error.unconfirmed(), repeat)
            }
        }
    }

    fn tell(&self, outcome: Result<Applied, Vec<String>>) {
        let path = self.path.display();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(applied) => {
                told.clear();
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
            Err(faults) if *told != faults => {
                for fault in &faults {
                    tracing::error!(%path, reason = fault, "the manifests were not taken over; what was before stays");
                }
                *told = faults;
            }
            Err(_) => {}
        }
    }
}

/// Has the source taken over whenever it changed, until `shutdown`.
pub async fn watch(
    watched: Arc<Watched>,
    keeper: Arc<Keeper>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen: Option<Trace> = None;
    let mut again: Option<tokio::time::Instant> = None;
    loop {
        let mut asked = false;
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = tick.tick() => {}
            _ = hangup.recv() => asked = true,
            () = watched.asked.notified() => asked = true,
        }
        let path = watched.path.clone();
        let Ok(trace) = spawn_blocking(move || trace(&path)).await else {
            continue;
        };
        let due = again.is_some_and(|at| tokio::time::Instant::now() >= at);
        if !asked && !due && seen.as_ref() == Some(&trace) {
            continue;
        }
        seen = Some(trace);
        let repeat = watched.look(&keeper).await;
        again = repeat.then(|| tokio::time::Instant::now() + AGAIN);
    }
}

type Outcome = (Result<Applied, Vec<String>>, Option<String>, bool);

/// What shows that something was changed. An entry that cannot be looked at shows as one without size and time, and reading
/// tells why.
fn trace(path: &Path) -> Trace {
    let mut trace = vec![of(path.to_owned())];
    if let Ok(entries) = fs::read_dir(path) {
        trace.extend(entries.flatten().map(|entry| of(entry.path())));
        // The symbolic link that a Kubernetes volume is swapped by.
        trace.extend(fs::read_link(path.join("..data")).ok().map(of));
    }
    trace.sort();
    trace
}

fn of(path: PathBuf) -> (PathBuf, u64, Option<SystemTime>) {
    let metadata = fs::metadata(&path).ok();
    let size = metadata.as_ref().map_or(0, fs::Metadata::len);
    let time = metadata.and_then(|metadata| metadata.modified().ok());
    (path, size, time)
}
