//! Files that others replace while the server runs: read whole, looked at again and again.
//!
//! Rejected: a file watcher (inotify). It misses what happens on network file systems and during a directory swap; reading
//! a few small files every second does not.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// A file is at most this long; a bundle of a hundred CAs is a tenth of it.
const LONGEST: u64 = 1024 * 1024;

/// Time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// What a file holds now.
pub(crate) fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > LONGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is longer than 1 MiB",
        ));
    }
    Ok(contents)
}

/// Has `look` look at files every second and on SIGHUP, until `shutdown` is cancelled. It may block; `what` names the files
/// in logs.
pub(crate) async fn watch(
    what: &'static str,
    look: impl Fn() + Clone + Send + 'static,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let mut tick = interval(PERIOD);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            _ = tick.tick() => {}
            _ = hangup.recv() => tracing::info!("looking at the {what} because of SIGHUP"),
        }
        if tokio::task::spawn_blocking(look.clone()).await.is_err() {
            tracing::error!("a look at the {what} failed because of a defect in this program");
        }
    }
}
