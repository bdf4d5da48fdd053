//! A stream that does not wait for its peer forever.
//!
//! hyper bounds the time of a head, but not that of an idle connection apart from it, nor that of a
//! peer that does not read. Both show in one place: a read or a write that is pending.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

/// What a connection waits for, told by the one that answers its requests.
#[derive(Debug, Default)]
pub(super) struct Phase {
    now: AtomicU8,
    /// How many requests there were.
    requests: AtomicU64,
}

impl Phase {
    const IDLE: u8 = 0;
    const HEAD: u8 = 1;
    const REQUEST: u8 = 2;

    /// A head is complete: until the answer is there, the request has its own deadline.
    pub(super) fn request(&self) {
        self.now.store(Self::REQUEST, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// The answer is there: the next byte begins a new head.
    ///
    /// To be awaited in the task of the connection. A read that is already pending has no deadline
    /// yet, and hyper does not always poll it again by itself, so the task is woken.
    pub(super) async fn answered(&self) {
        self.now.store(Self::IDLE, Ordering::Relaxed);
        poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Ready(())
        })
        .await;
    }

    fn head(&self) {
        self.now.store(Self::HEAD, Ordering::Relaxed);
    }

    fn get(&self) -> u8 {
        self.now.load(Ordering::Relaxed)
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

/// The times that [`Guarded`] enforces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until the first byte of a head.
    pub idle: Duration,
    /// From the first byte of a head to its last.
    pub header: Duration,
    /// For all bytes of an answer. Not renewed by progress: a byte now and then must not hold it.
    pub write: Duration,
}

/// The stream.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    stream: S,
    phase: Arc<Phase>,
    patience: Patience,
    /// Deadline of the read that is pending, with the phase that it was set for.
    reading: Deadline,
    timed_phase: Option<u8>,
    writing: Deadline,
    answering: Answering,
}

/// Which answer the deadline of a write is of.
#[derive(Debug, Default)]
struct Answering {
    /// How many requests there were when it began.
    requests: u64,
    /// Of everything before there is nothing left to be taken.
    taken: bool,
    /// Only the end of the connection is left to be said.
    closing: bool,
}

impl<S> Guarded<S> {
    pub(super) fn new(stream: S, phase: Arc<Phase>, patience: Patience) -> Self {
        let (reading, writing) = (Deadline::default(), Deadline::default());
        Self {
            stream,
            phase,
            patience,
            reading,
            timed_phase: None,
            writing,
            answering: Answering {
                taken: true,
                ..Answering::default()
            },
        }
    }

    /// Bounds a read that is pending.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let phase = self.phase.get();
        if phase == Phase::REQUEST {
            self.reading.clear();
            self.timed_phase = None;
            return Poll::Pending;
        }
        if self.timed_phase != Some(phase) {
            self.reading.clear();
            self.timed_phase = Some(phase);
        }
        let span = if phase == Phase::HEAD {
            self.patience.header
        } else {
            self.patience.idle
        };
        let what = if phase == Phase::HEAD {
            "the head did not arrive in time"
        } else {
            "idle for too long"
        };
        self.reading.poll(cx, span, what)
    }

    /// Bounds a write that is pending. A large answer is flushed part by part, and requests may be
    /// sent before answers are taken, so neither of both alone begins another answer.
    fn bound_write<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Pending => {
                let requests = self.phase.requests();
                if std::mem::take(&mut self.answering.taken) && self.answering.requests != requests {
                    self.answering.requests = requests;
                    self.writing.clear();
                }
                ready!(
                    self.writing
                        .poll(cx, self.patience.write, "the answer was not taken in time")
                )?;
                Poll::Pending
            }
            ready @ Poll::Ready(_) => ready,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(outcome) => {
                if buf.filled().len() > before && this.phase.get() == Phase::IDLE {
                    this.phase.head();
                }
                Poll::Ready(outcome)
            }
            Poll::Pending => this.poll_patience(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.bound_write(cx, outcome)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(cx);
        if matches!(outcome, Poll::Ready(Ok(()))) {
            this.answering.taken = true;
        }
        this.bound_write(cx, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !std::mem::replace(&mut this.answering.closing, true) {
            this.writing.clear();
        }
        let outcome = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.bound_write(cx, outcome)
    }
}

/// A timer that is made once and armed when it is first waited on.
#[derive(Debug, Default)]
struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Deadline {
    fn clear(&mut self) {
        self.armed = false;
    }

    fn poll<T>(&mut self, cx: &mut Context<'_>, span: Duration, what: &'static str) -> Poll<io::Result<T>> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + span)));
        if !self.armed {
            timer.as_mut().reset(Instant::now() + span);
            self.armed = true;
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)))
    }
}
