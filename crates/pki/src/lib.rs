//! Certificates, keys and certificate requests as Flotta uses them: read, check, recognise.
//!
//! Pure: no input or output, and the time is passed in. The only library crate that knows PEM and X.509; what crosses its
//! border are [`Fingerprint`]s, [`Facts`] and the types of `rustls`.
//!
//! Signatures of certificates are not verified here: that is the business of the TLS handshake. Signatures of certificate
//! requests are ([`csr::verify`]), because the Edge API does not verify them.

pub mod csr;
pub mod pem;

mod certificate;
mod fingerprint;
mod material;
mod pins;

pub use certificate::{Certificate, CertificateError, Facts};
pub use fingerprint::{Fingerprint, InvalidFingerprint};
pub use material::{MaterialFault, ServerIdentity, TrustBundle};
pub use pins::{PinFault, Pins};
