//! The manifests in operation: read from their source, reviewed, taken over in one transaction, and kept as the catalogue
//! that devices are configured by.
//!
//! | Question | Module |
//! |---|---|
//! | By which catalogue are devices configured now, and if by none, why? | `keeper` |
//! | When is the store read, and what if it cannot be? | `reading` |
//! | What does the store hold, as a catalogue? | `current` |
//! | How does a source become what the store holds? | `apply` |
//! | Which devices would lose something by it? | `review` |
//! | When is `--manifests` read? | `watch` |
//!
//! Whatever fails here leaves the catalogue before it in force; where other servers may have handed out a later one, that is
//! asked for, and without it there is no answer.

mod apply;
mod current;
mod keeper;
mod reading;
mod review;
mod watch;

pub use apply::{Applied, ApplyError};
pub use current::Current;
pub use keeper::{Keeper, NotConfigured, Options, SourceStatus, Status, Summary};
pub use review::{Loss, Share};
pub use watch::{Watched, watch};

/// Name of the source that `--manifests` is, in the store.
pub const WATCHED: &str = "manifests";
