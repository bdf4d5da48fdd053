//! A new connection: resolved, connected and encrypted within a deadline.
//!
//! Right after a rollout a connection to a Service can hang once (its address still leads to a pod
//! that is gone), so one that hangs is tried again on a fresh one. A connection that is refused is
//! not: whether to wait is for the caller to say.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use pki::Certificate;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    fault::{Fault, Step},
    tls::Tls,
};

/// So many connections are tried.
const ATTEMPTS: u32 = 3;
/// A connection that takes longer hangs, unless it is the last one.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where to connect to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Address<'a> {
    Known(SocketAddr),
    Named { host: &'a str, port: u16 },
}

/// A new connection.
pub(crate) struct Connection {
    pub stream: Stream,
    /// Who answered.
    pub peer: SocketAddr,
}

pub(crate) enum Stream {
    Plain(LastWords),
    Tls(Box<TlsStream<LastWords>>),
}

impl Connection {
    /// Opens one.
    pub(crate) async fn open(
        address: Address<'_>,
        tls: Option<&Tls>,
        deadline: Instant,
    ) -> Result<Self, Fault> {
        let step = Progress(Mutex::new(Step::Resolve));
        for remaining in (1..ATTEMPTS).rev() {
            let share = deadline.saturating_duration_since(Instant::now()) / (remaining + 1);
            if let Ok(outcome) = timeout(share.min(PATIENCE), attempt(address, tls, &step)).await {
                return outcome;
            }
        }
        let last = timeout_at(deadline, attempt(address, tls, &step)).await;
        last.unwrap_or_else(|_| Err(Fault::Timeout(step.get())))
    }

    /// The certificate that the server showed.
    pub(crate) fn served(&self) -> Option<Certificate> {
        let Stream::Tls(stream) = &self.stream else {
            return None;
        };
        let leaf = stream.get_ref().1.peer_certificates()?.first()?;
        Certificate::parse(leaf.clone().into_owned()).ok()
    }
}

/// How far an attempt has come, for whoever ends it. Calls are made from tasks of several threads.
struct Progress(Mutex<Step>);

impl Progress {
    fn set(&self, step: Step) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    fn get(&self) -> Step {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn attempt(address: Address<'_>, tls: Option<&Tls>, step: &Progress) -> Result<Connection, Fault> {
    step.set(Step::Resolve);
    let addresses = resolve(address).await?;
    step.set(Step::Connect);
    let tcp = TcpStream::connect(&*addresses)
        .await
        .map_err(|error| unconnected(&error))?;
    let peer = tcp.peer_addr().map_err(|error| unconnected(&error))?;
    // The end of a handshake and the request are two writes, and the second would wait for the
    // first's acknowledgement.
    tcp.set_nodelay(true).map_err(|error| unconnected(&error))?;
    let tcp = LastWords(tcp);
    let Some(tls) = tls else {
        return Ok(Connection {
            stream: Stream::Plain(tcp),
            peer,
        });
    };
    step.set(Step::Handshake);
    let connector = TlsConnector::from(tls.config.clone());
    let stream = connector.connect(tls.name.clone(), tcp).await;
    let stream = stream.map_err(|error| tls.fault(&error).unwrap_or_else(|| broken_off(&error)))?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return Err(Fault::Http2);
    }
    Ok(Connection {
        stream: Stream::Tls(Box::new(stream)),
        peer,
    })
}

async fn resolve(address: Address<'_>) -> Result<Vec<SocketAddr>, Fault> {
    let (host, port) = match address {
        Address::Known(address) => return Ok(vec![address]),
        Address::Named { host, port } => (host, port),
    };
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let unresolved = |reason: String| Fault::NotResolved {
        host: host.to_owned(),
        reason,
    };
    let found: Vec<_> = lookup_host((host, port))
        .await
        .map_err(|error| unresolved(error.to_string()))?
        .collect();
    if found.is_empty() {
        Err(unresolved("it has no address".to_owned()))
    } else {
        Ok(found)
    }
}

fn unconnected(error: &io::Error) -> Fault {
    match network(error) {
        Fault::Closed => Fault::Unreachable(error.to_string()),
        fault => fault,
    }
}

fn broken_off(error: &io::Error) -> Fault {
    match network(error) {
        Fault::Closed => Fault::Handshake("the connection was closed".to_owned()),
        fault => fault,
    }
}

/// What an error of the network means on a connection that stands.
pub(crate) fn network(error: &io::Error) -> Fault {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::ConnectionRefused => Fault::Refused,
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe => Fault::Closed,
        _ => Fault::Unreachable(error.to_string()),
    }
}

/// A connection whose writing does not fail: what the peer said before it closed is read instead.
///
/// A server that refuses a certificate tells so and closes at once. With TLS 1.3 the request is
/// under way by then, and if that it could not be written were the news, the reason would be lost.
#[derive(Debug)]
pub(crate) struct LastWords(TcpStream);

impl AsyncRead for LastWords {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for LastWords {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0)
            .poll_write(cx, buf)
            .map(|outcome| match outcome {
                Err(error) if network(&error) == Fault::Closed => Ok(buf.len()),
                outcome => outcome,
            })
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn what_a_peer_said_before_it_closed_is_read() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut stream = LastWords(tcp);
        stream.write_all(b"a request that is not read").await.unwrap();
        peer.readable().await.unwrap();
        peer.write_all(b"bye").await.unwrap();
        drop(peer);
        // Writing fails from here on, as the peer reset the connection.
        let error = loop {
            match stream.0.try_write(b"more") {
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => break error,
            }
        };
        assert_eq!(network(&error), Fault::Closed);
        stream.write_all(b"and more").await.unwrap();
        let mut said = [0; 3];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"bye");
    }
}
