//! Where the database is and how to speak with it, from a URL as `psql` takes it.
//!
//! `sslmode` and `sslrootcert` mean what they mean to libpq. They are read here, since tokio-postgres knows only three of
//! the modes and leaves certificates to the TLS library.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use percent_encoding::percent_decode_str;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{Bounds, Keyring, StoreError};

/// How to open a store.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// How much is kept.
    pub bounds: Bounds,
    /// It is a restored backup, though it may not look like one: begin a new epoch.
    pub restored: bool,
    /// Keys of confidential texts; without one they are stored plain.
    pub keyring: Keyring,
    /// Within this a call ends, whatever the database does; with an error if need be. Calls that read or write all
    /// documents have more time.
    pub timeout: Duration,
    /// Most connections at a time.
    pub connections: usize,
    /// Certificates (PEM) that the server's must follow from; instead of the URL's `sslrootcert`.
    pub root_certificates: Option<PathBuf>,
}

impl Default for ConnectOptions {
    /// 600 ms, well within the 800 ms in which a request ends, and 16 connections.
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            restored: false,
            keyring: Keyring::default(),
            timeout: Duration::from_millis(600),
            connections: 16,
            root_certificates: None,
        }
    }
}

/// How far the server's certificate is checked: libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// A database that could be spoken with.
pub(super) struct Target {
    pub(super) config: tokio_postgres::Config,
    pub(super) tls: MakeRustlsConnect,
    /// For people: host, port and database, no credentials.
    pub(super) location: String,
}

impl Target {
    pub(super) fn parse(url: &str, options: &ConnectOptions) -> Result<Self, StoreError> {
        // The text is not repeated: it may hold a password.
        let refused = |location: &str, reason: String| StoreError::Open {
            location: location.to_owned(),
            reason,
        };
        let nowhere = "named by the PostgreSQL URL";
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(refused(
                nowhere,
                "it does not begin with 'postgres://'; write it as postgres://user@host/database".to_owned(),
            ));
        }
        let (mode, root, rest) = split(url).map_err(|reason| refused(nowhere, reason))?;
        let mut config: tokio_postgres::Config = rest.parse().map_err(|_| {
            refused(
                nowhere,
                "the URL is not understood; check its form and parameters".to_owned(),
            )
        })?;
        let location = location(&config);
        let root = options.root_certificates.clone().or(root);
        let mode = match mode {
            // As libpq: with certificates at hand, `require` checks them.
            Mode::Require if root.is_some() => Mode::VerifyCa,
            mode => mode,
        };
        config
            .ssl_mode(match mode {
                Mode::Disable => SslMode::Disable,
                Mode::Prefer => SslMode::Prefer,
                _ => SslMode::Require,
            })
            .connect_timeout(options.timeout)
            .tcp_user_timeout(options.timeout * 4);
        if config.get_application_name().is_none() {
            config.application_name("edge-config-server");
        }
        let tls = tls(mode, root).map_err(|reason| refused(&location, reason))?;
        Ok(Self {
            config,
            tls,
            location,
        })
    }
}

/// Takes the two parameters about TLS out of a URL.
fn split(url: &str) -> Result<(Mode, Option<PathBuf>, String), String> {
    let (mut mode, mut root) = (Mode::Prefer, None);
    let Some((base, query)) = url.split_once('?') else {
        return Ok((mode, root, url.to_owned()));
    };
    let mut rest = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some(("sslmode", value)) => {
                mode = match value {
                    "disable" => Mode::Disable,
                    "allow" | "prefer" => Mode::Prefer,
                    "require" => Mode::Require,
                    "verify-ca" => Mode::VerifyCa,
                    "verify-full" => Mode::VerifyFull,
                    _ => {
                        return Err(
                            "its sslmode is none of disable, prefer, require, verify-ca and verify-full"
                                .to_owned(),
                        );
                    }
                }
            }
            Some(("sslrootcert", value)) => {
                let path = percent_decode_str(value)
                    .decode_utf8()
                    .map_err(|_| "its sslrootcert is not UTF-8".to_owned())?;
                root = Some(PathBuf::from(path.as_ref()));
            }
            _ => rest.push(parameter),
        }
    }
    let url = if rest.is_empty() {
        base.to_owned()
    } else {
        format!("{base}?{}", rest.join("&"))
    };
    Ok((mode, root, url))
}

fn location(config: &tokio_postgres::Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(index, host)| {
            let ports = config.get_ports();
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => path.display().to_string(),
            }
        })
        .collect();
    format!(
        "{}/{}",
        hosts.join(","),
        config.get_dbname().or(config.get_user()).unwrap_or_default()
    )
}

fn tls(mode: Mode, root: Option<PathBuf>) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        Mode::VerifyCa | Mode::VerifyFull => {
            let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(root)?), provider)
                .build()
                .map_err(|error| error.to_string())?;
            if mode == Mode::VerifyFull {
                webpki
            } else {
                Arc::new(AnyName(webpki))
            }
        }
        Mode::Disable | Mode::Prefer | Mode::Require => Arc::new(AnyCertificate(provider)),
    };
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots(file: Option<PathBuf>) -> Result<RootCertStore, String> {
    let Some(file) = file else {
        return Err(
            "its sslmode checks the server's certificate but nothing says against what; add sslrootcert"
                .into(),
        );
    };
    let unreadable =
        |reason: String| format!("the certificates in {} cannot be used: {reason}", file.display());
    let text = fs::read(&file).map_err(|error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("there is none in it; give a PEM file".to_owned()));
    }
    Ok(roots)
}

/// `verify-ca`: the certificate must follow from the given ones, whatever name is in it.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            // The name is looked at last, after the chain was found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// `prefer` and `require`: encryption without a proof of who is there, as with libpq.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, StoreError> {
        Target::parse(url, &ConnectOptions::default())
    }

    #[test]
    fn parameters_about_tls_are_taken_out() {
        let (mode, root, rest) =
            split("postgres://h/d?connect_timeout=3&sslmode=verify-full&sslrootcert=%2Fa%20b&options=-csearch_path%3Dx")
                .unwrap();
        assert_eq!((Mode::VerifyFull, Some(PathBuf::from("/a b"))), (mode, root));
        assert_eq!("postgres://h/d?connect_timeout=3&options=-csearch_path%3Dx", rest);
    }

    #[test]
    fn no_message_holds_the_password() {
        for url in [
            "postgres://u:hunter2@h:1/d?sslmode=verify-full",
            "postgres://u:hunter2@h:1/d?sslmode=none",
            "postgres://u:hunter2@h:port/d",
            "mysql://u:hunter2@h/d",
        ] {
            let Err(error) = parse(url) else { panic!("{url}") };
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        let target = parse("postgres://u:hunter2@h:1/d").unwrap();
        assert_eq!("h:1/d", target.location);
    }

    #[test]
    fn a_mode_that_checks_demands_certificates() {
        for mode in ["verify-ca", "verify-full"] {
            let error = parse(&format!("postgres://h/d?sslmode={mode}")).err().unwrap();
            assert!(error.to_string().contains("sslrootcert"), "{error}");
        }
    }
}
