//! The configuration of a device, from the objects that it follows from; without IO.
//!
//! | Question | Module |
//! |---|---|
//! | What is there? | [`catalogue`], `lookup` |
//! | Which workloads does a device get? | `workloads`, [`selector`] |
//! | What becomes of a workload that cannot be rendered? | `former` |
//! | How does a workload look on the wire, with its ConfigMaps and Secrets? | `render`, `references` |
//! | What of it has a name, and what would a device lose? | [`parts`] |
//! | What does a device get beside its workloads? | `sections`, `storage`; of a set, once: `settings` |
//! | What is the whole, what is its version, and when is it an error? | [`assemble`] |
//! | Which playbooks is a device labelled for? | [`playbooks`] |
//! | What is wrong, and what follows? | [`fault`] |
//! | How does Flotta write a ConfigMap and a PodSpec, byte for byte? | [`go_yaml`], [`podspec`] |

pub mod assemble;
pub mod catalogue;
pub mod fault;
pub mod go_yaml;
mod last_good;
mod lookup;
pub mod parts;
pub mod playbooks;
pub mod podspec;
mod references;
mod render;
mod sections;
pub mod selector;
mod settings;
mod storage;
mod workloads;

pub use assemble::{Assembly, Delivered};
pub use catalogue::{Catalogue, LastGood, Policy, SealedAway, Subject, UnreadableRendering};
pub use fault::{Fault, Refusal};
pub use parts::{Holdings, Lost, lost};
pub use playbooks::WantedPlaybook;
pub use selector::{InvalidSelector, Selector};
