//! TLS of the device plane: which certificate is served, which callers are let in, and how both are
//! replaced while serving.
//!
//! A caller must present a certificate that chains to the CA bundle *and* whose public key is
//! pinned: every enrolled device and the register certificate are signed by the same CA as the Edge
//! API's host certificate, so a signature alone authorises nobody. There is no session resumption:
//! a resumed session would outlive a removed pin, and a connection does not ([`Admitted`]).

mod admitted;
mod keeper;
mod material;
mod refusal;
mod verifier;

pub use admitted::Admitted;
pub use keeper::{Expiry, Reloader, Status};
pub use material::{Fault, Files, Material};
pub use refusal::Refusal;
pub use verifier::{NotPinned, key_of};
