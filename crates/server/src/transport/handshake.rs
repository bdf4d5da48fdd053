//! The TLS handshake, within its time and its bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{connection::Shared, listener::Stream};
use crate::tls::{self, Admitted, Refusal};

/// Most bytes that are read before a handshake is finished: a hello, the longest chain that is
/// looked at, and what the first request may bring along. rustls would keep 64 KiB of a message
/// that never ends.
const MOST: usize = 32 * 1024;

/// Who has finished the handshake, and its stream.
pub(super) async fn handshake<H>(
    shared: &Shared<H>,
    keeper: &tls::Reloader,
    stream: Stream,
) -> Result<(TlsStream<Metered<Stream>>, Admitted), Refusal> {
    let material = keeper.current().ok_or(Refusal::NoMaterial)?;
    let accept = TlsAcceptor::from(material.config()).accept(Metered::new(stream));
    let accepted = tokio::select! {
        () = shared.stopping.cancelled() => return Err(Refusal::Stopping),
        accepted = timeout(shared.limits.handshake, accept) => accepted,
    };
    let mut stream = accepted
        .map_err(|_| Refusal::Timeout)?
        .map_err(|error| Refusal::of(&error))?;
    stream.get_mut().0.left = None;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let key = certificate.and_then(tls::key_of).ok_or(Refusal::NoCertificate)?;
    Ok((stream, keeper.admit(key)))
}

/// A stream of which only so much is read.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    /// `None` when it no longer matters.
    left: Option<usize>,
}

impl<S> Metered<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            left: Some(MOST),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(left) = this.left {
            let read = buf.filled().len() - before;
            this.left = Some(left.checked_sub(read).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, "more bytes than a handshake takes")
            })?);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
