//! The manifests in operation: read from their source, reviewed, taken over in one transaction, and
//! kept as the catalogue that devices are configured by.
//!
//! | Question | Module |
//! |---|---|
//! | By which catalogue are devices configured now, and if by none, why? | `keeper` |
//! | When is the store read, and what if it cannot be? | `reading` |
//! | What does the store hold, as a catalogue? | `current` |
//! | How does a source become what the store holds? | `apply`, `change` |
//! | Does an object say less than it did? | `cut` |
//! | Which devices would lose something by it? | `review` |
//! | When is `--manifests` read? | `watch`; from outside it looks as `trace` says, and counts when [`settle`] says so |
//! | What became of a reading? | `outcome` |
//!
//! Whatever fails here leaves the catalogue before it in force; where other servers may have handed
//! out a later one, that is asked for, and without it there is no answer.

mod apply;
mod change;
mod current;
mod cut;
mod keeper;
mod outcome;
mod reading;
mod review;
pub mod settle;
mod trace;
mod watch;

pub use apply::{Applied, ApplyError, Consent};
pub use current::Current;
pub use keeper::{NotConfigured, Options, Reloader, SourceStatus, Status, Summary};
pub use outcome::Settling;
pub use review::{Loss, Share};
pub use settle::Settle;
pub use watch::{Ticks, Watched, watch};

/// Name of the source that `--manifests` is, in the store.
pub const WATCHED: &str = "manifests";
