//! Files: those that others replace while the server runs, read whole and looked at again and
//! again; and what is read once and may be a pipe, waited for, but not for ever.
//!
//! Rejected: a file watcher (inotify). It misses what happens on network file systems and during a
//! directory swap; reading a few small files every second does not.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    sync::mpsc,
    thread,
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

/// How long a settings file or a password may take to be written, where it is a pipe.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a file holds now. A pipe or a device has nothing that could be looked at again, and may
/// never end.
pub(crate) fn contents(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no regular file, and pipes and devices cannot be looked at again; name a file",
        ));
    }
    whole(File::open(path)?, LONGEST)
}

/// What is written into a file or a pipe that is read once.
pub(crate) fn once(path: &Path) -> io::Result<String> {
    let path = path.to_owned();
    let contents = to_its_end(move || File::open(path), LONGEST, PATIENCE)?;
    String::from_utf8(contents).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"))
}

/// All of what can be read, if it is so long at most and there within this time.
pub(crate) fn to_its_end<R: Read>(
    open: impl FnOnce() -> io::Result<R> + Send + 'static,
    longest: u64,
    patience: Duration,
) -> io::Result<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    // Opening a pipe waits as well. What does not end is left behind, and ends with the process.
    thread::Builder::new().spawn(move || {
        let _ = sender.send(open().and_then(|input| whole(input, longest)));
    })?;
    receiver.recv_timeout(patience).unwrap_or_else(|_| {
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("it was not written to its end within {} s", patience.as_secs()),
        ))
    })
}

fn whole(input: impl Read, longest: u64) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    // One byte more than is taken, so that what is too long is seen to be.
    input.take(longest + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > longest {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {} MiB", longest >> 20),
        ));
    }
    Ok(contents)
}

/// Has `look` look at files every second and on SIGHUP, until `shutdown` is cancelled. It may
/// block; `what` names the files in logs.
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_is_looked_at_again_is_a_regular_file() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [&*pipe, Path::new("/dev/zero"), folder.path()] {
            assert_eq!(contents(path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        let file = folder.path().join("file");
        fs::write(&file, "a").unwrap();
        assert_eq!(contents(&file).unwrap(), b"a");
    }

    #[test]
    fn what_is_read_once_may_be_a_pipe_and_has_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let writer = {
            let pipe = pipe.clone();
            thread::spawn(move || fs::write(pipe, "a: b\n"))
        };
        assert_eq!(once(&pipe).unwrap(), "a: b\n");
        writer.join().unwrap().unwrap();
        // Nobody writes: a look at it waits no longer than it is told to.
        let at = pipe.clone();
        let error = to_its_end(move || File::open(at), 1, Duration::from_millis(10)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(
            once(Path::new("/dev/zero")).unwrap_err().to_string(),
            "it is longer than 1 MiB"
        );
        // The reader that was left behind may end.
        let _ = fs::OpenOptions::new().write(true).open(pipe);
    }
}
