//! The peer: hyper and rustls with the server's settings, and nothing behind them but bytes that
//! were read at the start.
//!
//! What it does not do: pins, limits, deadlines, routing beyond the last part of the path, logs,
//! metrics, a fleet.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Where it listens and what it says.
#[derive(Debug, Args)]
pub(crate) struct Bare {
    #[arg(long)]
    listen: SocketAddr,
    /// Folder with `tls.crt`, `tls.key` and `ca.crt`.
    #[arg(long)]
    tls: PathBuf,
    /// Folder with one file for each operation that is answered with a body.
    #[arg(long)]
    answers: PathBuf,
}

struct Answers {
    registration: Bytes,
    configuration: Bytes,
    workloads: Bytes,
}

#[tokio::main]
pub(crate) async fn run(settings: &Bare) -> Result<()> {
    let read = |name| fs::read(settings.answers.join(name)).with_context(|| format!("no answer {name}"));
    let answers = Arc::new(Answers {
        registration: read("registration")?.into(),
        configuration: read("configuration")?.into(),
        workloads: read("workloads")?.into(),
    });
    let acceptor = TlsAcceptor::from(Arc::new(tls(&settings.tls)?));
    let listener = TcpListener::bind(settings.listen).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tokio::spawn(connection(tcp, acceptor.clone(), Arc::clone(&answers)));
    }
}

/// As in the server's `tls::material`: TLS 1.3 by aws-lc-rs, client certificates, `http/1.1`, no
/// resumption.
fn tls(folder: &Path) -> Result<ServerConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.crt"))?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?;
    let chain = CertificateDer::pem_file_iter(folder.join("tls.crt"))?.collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(folder.join("tls.key"))?)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

async fn connection(tcp: TcpStream, acceptor: TlsAcceptor, answers: Arc<Answers>) {
    // A caller that breaks off is none of this program's business.
    let _ = tcp.set_nodelay(true);
    let Ok(stream) = acceptor.accept(tcp).await else {
        return;
    };
    let service = service_fn(|request| answer(request, Arc::clone(&answers)));
    let http = http1::Builder::new()
        .writev(false)
        .serve_connection(TokioIo::new(stream), service);
    let _ = http.await;
}

async fn answer(
    request: Request<Incoming>,
    answers: Arc<Answers>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let operation = path.rsplit('/').next().map(str::to_owned);
    let has_workloads = path.contains("/worker-");
    // A body is taken whole, as the server does.
    let _ = request.into_body().collect().await;
    let body = match operation.as_deref() {
        Some("registration") => answers.registration.clone(),
        Some("configuration") if has_workloads => answers.workloads.clone(),
        Some("configuration") => answers.configuration.clone(),
        _ => Bytes::new(),
    };
    let mut response = Response::new(Full::new(body.clone()));
    if !body.is_empty() {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Ok(response)
}
