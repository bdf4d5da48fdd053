//! Why a call did not prove what it was to prove.

use std::{fmt, net::SocketAddr};

use jiff::Timestamp;
use pki::{Facts, Fingerprint};

use crate::remedy::remedy;

/// A call that did not prove what it was to prove: whom it went to, why, and what to do, in one
/// sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", sentence(callee, fault))]
pub struct CallError {
    /// Who was called.
    pub callee: Callee,
    /// What went wrong.
    pub fault: Fault,
}

/// Who was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Callee {
    /// A pod of our server, on its operations port.
    ServerPod(SocketAddr),
    /// The backend, by this URL; a user name in it is not repeated.
    Backend(String),
    /// A pod of the Edge API, on the port for devices.
    EdgeApiPod(SocketAddr),
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerPod(address) => write!(f, "the server's pod at {address}"),
            Self::Backend(url) => write!(f, "the backend {url}"),
            Self::EdgeApiPod(address) => write!(f, "the Edge API's pod at {address}"),
        }
    }
}

/// What a call was waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The address of a name.
    Resolve,
    /// A TCP connection.
    Connect,
    /// The end of the TLS handshake.
    Handshake,
    /// The answer.
    Answer,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "have its name resolved",
            Self::Connect => "accept a connection",
            Self::Handshake => "finish the TLS handshake",
            Self::Answer => "answer",
        })
    }
}

/// What went wrong, said of the one who was called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A URL that nothing can be called by.
    #[error("cannot be called: {0}")]
    Url(String),
    /// A certificate or key of the caller's that no TLS client can use.
    #[error("was not called, because {what} cannot be used: {reason}")]
    Material {
        /// Which.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// A name without an address.
    #[error("has a name that cannot be resolved, {host} ({reason})")]
    NotResolved {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// Nothing listens.
    #[error("refuses connections")]
    Refused,
    /// Another fault of the network.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The deadline passed.
    #[error("did not {0} in time")]
    Timeout(Step),
    /// Something that does not speak TLS.
    #[error("does not speak TLS")]
    NotTls,
    /// TLS 1.2 or older only.
    #[error("does not speak TLS 1.3, and the Edge API speaks nothing else")]
    NotTls13,
    /// Another end of a handshake.
    #[error("broke off the TLS handshake: {0}")]
    Handshake(String),
    /// A server certificate that none of the given CAs issued.
    #[error("serves a certificate of another CA ({subject}, issued by {issuer})")]
    OtherCa {
        /// Its subject.
        subject: String,
        /// Its issuer. All of Flotta's CAs have the same name, so this may read like the right one.
        issuer: String,
    },
    /// A server certificate of a CA that the Edge API would not accept.
    #[error("serves a certificate of a CA ({ca}) that is not accepted: {reason}")]
    UnusableCa {
        /// The subject of the CA.
        ca: String,
        /// Why not.
        reason: &'static str,
    },
    /// A server certificate for others.
    #[error("serves a certificate for {} and is called {host}", list(names))]
    WrongName {
        /// What it is called by.
        host: String,
        /// What the certificate is for.
        names: Vec<String>,
    },
    /// A server certificate whose validity has passed.
    #[error("serves a certificate ({subject}) that expired at {at}")]
    Expired {
        /// Its subject.
        subject: String,
        /// When.
        at: Timestamp,
    },
    /// A server certificate whose validity has not begun.
    #[error("serves a certificate ({subject}) that is not valid before {at}")]
    NotYetValid {
        /// Its subject.
        subject: String,
        /// When.
        at: Timestamp,
    },
    /// A server certificate whose extended key usage lacks serverAuth.
    #[error(
        "serves a certificate ({subject}) that a server may not use (its extended key usage lacks serverAuth)"
    )]
    NotForServers {
        /// Its subject.
        subject: String,
    },
    /// Another fault of a server certificate.
    #[error("serves a certificate that cannot be checked: {0}")]
    BadCertificate(String),
    /// A server certificate that is not the intended one, to the octet.
    #[error(
        "serves another certificate ({}, SHA-256 {}) than the intended one (SHA-256 {intended})",
        served.subject, served.fingerprint
    )]
    OtherLeaf {
        /// The one that is served.
        served: Box<Facts>,
        /// SHA-256 of the one that was expected.
        intended: Fingerprint,
    },
    /// The server names CAs that the caller's certificate is not from, so a Go program presents
    /// none.
    #[error(
        "asks for certificates of other CAs only, so it is shown none (the one to show is issued by {issuer})"
    )]
    Withheld {
        /// The issuer of the caller's certificate.
        issuer: String,
    },
    /// The caller's certificate was not accepted.
    #[error("refuses the certificate that it was shown (alert {alert}; SHA-256 of the public key {key})")]
    CertificateRefused {
        /// The name of the TLS alert.
        alert: String,
        /// The public key in the certificate that was shown.
        key: Fingerprint,
    },
    /// HTTP/2 was selected.
    #[error("selects HTTP/2 (ALPN h2), which the Edge API's client offers and cannot speak")]
    Http2,
    /// Something that does not speak HTTP.
    #[error("does not speak HTTP: {0}")]
    NotHttp(String),
    /// The connection ended before the answer.
    #[error("closed the connection without an answer")]
    Closed,
    /// An HTTP status that is no success.
    #[error("answered {status}{}", said(words))]
    Status {
        /// Which.
        status: u16,
        /// The reason in the body, or its first words; may be empty.
        words: String,
    },
    /// A success that is not the answer to this question.
    #[error("gave an answer that is not understood: {0}")]
    NotUnderstood(String),
    /// A pod of the Edge API that does not let the probe's certificate in.
    #[error("answered 401 to a {method} with a new certificate of its CA")]
    NotLetIn {
        /// `GET` or `POST`: they are checked by different rules.
        method: &'static str,
    },
    /// Two parts of one comparison came from different stores.
    #[error("is another store now ({now}, before it was {before})")]
    OtherStore {
        /// The id of the store that began to answer.
        before: String,
        /// The id of the store that went on.
        now: String,
    },
}

/// What the other side said of itself, in a certificate or an answer, is in it.
fn sentence(callee: &Callee, fault: &Fault) -> String {
    telemetry::printable(&format!("{callee} {fault}; {}", remedy(callee, fault))).into_owned()
}

impl Fault {
    /// Said of this one.
    pub(crate) fn of(self, callee: Callee) -> CallError {
        CallError { callee, fault: self }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(", ")
    }
}

fn said(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(" ({words})")
    }
}
