//! Why a handshake did not succeed, in the few kinds that an operator tells apart.

use std::io;

use pki::{Fingerprint, presented::ChainTooLong};
use rustls::{CertificateError, Error};

use super::verifier::NotPinned;

/// Why a handshake was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This server has no certificate yet.
    NoMaterial,
    /// This server is stopping.
    Stopping,
    /// The caller took too long.
    Timeout,
    /// Too many handshakes were not finished, and this one was the oldest of the address that had
    /// most of them.
    Crowded,
    /// The caller went away.
    Closed,
    /// The caller presented no certificate.
    NoCertificate,
    /// The caller's certificate has expired.
    Expired,
    /// The caller's certificate is not valid yet; most often one of the two clocks is wrong.
    NotYetValid,
    /// The caller's certificate was issued by a CA that is not in the bundle.
    UnknownIssuer,
    /// The caller's certificate is valid and its key is not pinned: a device's, the register
    /// certificate, or a host certificate whose pin is missing.
    NotPinned(Fingerprint),
    /// The caller presented more certificates than are looked at.
    ChainTooLong,
    /// Another fault of the caller's certificate.
    BadCertificate,
    /// The caller refused this server's certificate.
    ServerRefused,
    /// No common TLS version, cipher suite or application protocol: not TLS 1.3, or `h2` alone.
    Incompatible,
    /// Not TLS, or broken.
    Malformed,
}

impl Refusal {
    /// What a failed handshake was refused for.
    pub fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            None if error.kind() == io::ErrorKind::InvalidData => Self::Malformed,
            None => Self::Closed,
            Some(Error::NoCertificatesPresented) => Self::NoCertificate,
            Some(Error::InvalidCertificate(fault)) => Self::of_certificate(fault),
            Some(Error::AlertReceived(_)) => Self::ServerRefused,
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Self::Incompatible,
            Some(_) => Self::Malformed,
        }
    }

    fn of_certificate(fault: &CertificateError) -> Self {
        match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Other(other) => {
                if let Some(refusal) = other.0.downcast_ref::<NotPinned>() {
                    Self::NotPinned(refusal.key)
                } else if other.0.is::<ChainTooLong>() {
                    Self::ChainTooLong
                } else {
                    Self::BadCertificate
                }
            }
            _ => Self::BadCertificate,
        }
    }

    /// Its name in metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoMaterial => "no_material",
            Self::Stopping => "stopping",
            Self::Timeout => "timeout",
            Self::Crowded => "crowded",
            Self::Closed => "closed",
            Self::NoCertificate => "no_certificate",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownIssuer => "unknown_issuer",
            Self::NotPinned(_) => "not_pinned",
            Self::ChainTooLong => "chain_too_long",
            Self::BadCertificate => "bad_certificate",
            Self::ServerRefused => "server_refused",
            Self::Incompatible => "incompatible",
            Self::Malformed => "malformed",
        }
    }

    /// Whether somebody should look: a certificate was the reason. A port scan is not worth a line.
    pub fn is_notable(&self) -> bool {
        match self {
            Self::NoMaterial
            | Self::Stopping
            | Self::Timeout
            | Self::Crowded
            | Self::Closed
            | Self::Malformed => false,
            Self::NoCertificate
            | Self::Expired
            | Self::NotYetValid
            | Self::UnknownIssuer
            | Self::NotPinned(_)
            | Self::ChainTooLong
            | Self::BadCertificate
            | Self::ServerRefused
            | Self::Incompatible => true,
        }
    }

    /// The refused key, where it is the reason.
    pub fn key(&self) -> Option<Fingerprint> {
        match self {
            Self::NotPinned(key) => Some(*key),
            _ => None,
        }
    }
}
