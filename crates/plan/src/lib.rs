//! What the companion decides: one look at the cluster goes in, one action and a status come out.
//!
//! Pure: no input or output, no clock. `observe` and `act` are in crate `flotta-companion`; [`plan`] is the only place that
//! decides.

pub mod action;
pub mod api;
pub mod names;
pub mod observed;

pub use action::{Action, Plan};
pub use observed::Observed;

/// Decides.
pub fn plan(_observed: &Observed) -> Plan {
    Plan {
        status: api::RemoteBackendStatus::default(),
        action: None,
        wake: std::time::Duration::from_secs(1),
    }
}
