//! Certificates, keys and certificate requests as Flotta uses them: read, check, recognise, issue.
//!
//! Pure: no input or output, and the time is passed in; only keys and serial numbers are drawn at
//! random. The only library crate that knows PEM and X.509; what crosses its border are
//! [`Fingerprint`]s, [`Facts`] and the types of `rustls`.
//!
//! Signatures of certificates that callers present are not verified here: that is the business of
//! the TLS handshake. Signatures of material in Flotta's Secrets are
//! ([`Certificate::is_issued_by`]), and those of certificate requests ([`csr::verify`]), because
//! the Edge API does not verify them.

pub mod csr;
pub mod edge_api;
pub mod fitness;
pub mod issue;
pub mod pem;
pub mod presented;
pub mod renewal;

mod certificate;
mod der;
mod identity;
mod material;
mod pins;

pub use certificate::{Certificate, CertificateError, Facts};
pub use identity::Identity;
pub use material::{MaterialFault, ServerIdentity, TrustBundle};
pub use pins::{PinFault, Pins};

/// SHA-256 of a key, over the DER SubjectPublicKeyInfo (as RFC 7469 pins do), or of a certificate,
/// over its DER form (as `openssl x509 -fingerprint -sha256` does).
pub type Fingerprint = sha256::Digest;
