//! The manifests in operation: read from their source, reviewed, taken over in one transaction, and kept as the catalogue
//! that devices are configured by.
//!
//! | Question | Module |
//! |---|---|
//! | By which catalogue are devices configured now, and if by none, why? | `keeper` |
//! | What does the store hold, as a catalogue? | `current` |
//! | How does a source become what the store holds? | `apply` |
//! | Which devices would lose something by it? | `review` |
//! | When is `--manifests` read? | `watch` |
//!
//! Whatever fails here leaves the catalogue before it in force.

mod apply;
mod current;
mod keeper;
mod review;
mod watch;

pub use apply::{Applied, ApplyError};
pub use current::Current;
pub use keeper::{Keeper, NotConfigured, Options, SourceStatus, Status, Summary};
pub use review::{Loss, Share};
pub use watch::{Watched, watch};

/// Name of the source that `--manifests` is, in the store.
pub const WATCHED: &str = "manifests";
