//! The rules of a fleet, without IO: time, settings and the store's epoch come in as values, and
//! what has to be recorded goes out as a [`Change`].
//!
//! | Question | Module |
//! |---|---|
//! | What is known about a device? | [`device`], [`report`], [`presence`] |
//! | What does a stored time say that lies ahead? | [`clock`] |
//! | Whom does the fleet take in now? | [`intake`] |
//! | May it join? | [`enrolment`] |
//! | What does it hear when it asks whether it belongs? | [`status`], [`deletion`] |
//! | May this key be certified for it? | [`register`], [`key_gate`] |
//! | What does a heartbeat change? | [`heartbeat`], [`hardware`] |
//! | How is a device read that is stored, and how much memory does it take? | [`stored`], `heap` |
//! | Do two machines use one id? | [`duplicate_identity`] |
//! | What should a person know about it? | [`condition`] |
//! | Which labels has it? | [`labels`] |
//! | Does it get its configuration, and has it applied it? | [`configuration`], [`delivery`] |
//! | Which playbooks does it run? | [`playbooks`], [`runs`] |
//! | What may an administrator do? | [`administration`] |

pub mod administration;
pub mod clock;
pub mod condition;
pub mod configuration;
pub mod deletion;
pub mod delivery;
pub mod device;
pub mod duplicate_identity;
pub mod enrolment;
mod event;
pub mod hardware;
mod heap;
pub mod heartbeat;
pub mod intake;
pub mod key_gate;
pub mod labels;
pub mod playbooks;
mod policy;
pub mod presence;
pub mod register;
pub mod report;
mod reported;
pub mod runs;
pub mod status;
pub mod stored;
mod unknown_device;
mod verdict;

pub use delivery::{AppliedBy, Delivery, Offered};
pub use device::{DeletionMode, Device, EnrolmentRequest, Epoch, Life, Phase, State, Tombstone};
pub use event::{Event, MAX_REPORTED, Origin, RecordedEvent, Severity};
pub use intake::Admission;
pub use policy::{Approval, Policy, UnknownKey};
pub use presence::{Connectivity, Patience, Presence, Watch};
pub use report::Report;
pub use reported::EverReported;
pub use sha256::Digest;
pub use unknown_device::{Operation, Stray};
pub use verdict::{Change, Context, Verdict};

/// Who approves when no person does.
pub const AUTOMATIC_APPROVAL: &str = "automatic approval";

/// Who approves a device whose EdgeDeviceSignedRequest document said so before it came.
pub const PREAPPROVAL: &str = "EdgeDeviceSignedRequest";
