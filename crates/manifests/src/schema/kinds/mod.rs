//! Flotta's kinds (`management.project-flotta.io/v1alpha1`), and the core objects that they refer
//! to.
//!
//! Of a status only what a person sets is known: `dataObc` of an EdgeDevice. The rest of it is
//! written by controllers; it comes with every exported object and is taken out without a word.

use super::{Schema, Structure, TEXT, pointer};
use crate::Kind;

mod core;
mod device;
mod playbook;
mod workload;

/// The shape of the objects of a kind, without `apiVersion`, `kind` and `metadata`.
pub fn of(kind: Kind) -> &'static Structure {
    match kind {
        Kind::ConfigMap => &core::CONFIG_MAP,
        Kind::EdgeConfig => &playbook::EDGE_CONFIG,
        Kind::EdgeDevice => &device::EDGE_DEVICE,
        Kind::EdgeDeviceSet => &device::EDGE_DEVICE_SET,
        Kind::EdgeDeviceSignedRequest => &device::SIGNED_REQUEST,
        Kind::EdgeWorkload => &workload::EDGE_WORKLOAD,
        Kind::ObjectBucketClaim => &core::OBJECT_BUCKET_CLAIM,
        Kind::PlaybookExecution => &playbook::PLAYBOOK_EXECUTION,
        Kind::Route => &core::ROUTE,
        Kind::Secret => &core::SECRET,
    }
}

const NOT_NEGATIVE: Schema = Schema::Integer(0, i32::MAX as i64);
const PORT: Schema = Schema::Integer(0, 65_535);

macro_rules! structure {
    ($visibility:vis $constant:ident, $name:literal, [$($field:expr),* $(,)?]) => {
        $visibility static $constant: Structure = Structure { name: $name, fields: &[$($field),*] };
    };
}
use structure;

/// `metadata` of any of them, of which names, labels and annotations are read.
pub(crate) static METADATA: Structure = Structure {
    name: "ObjectMeta",
    fields: &[
        pointer("annotations", Schema::Map(&TEXT)),
        pointer("clusterName", Schema::Ignored),
        pointer("creationTimestamp", Schema::Ignored),
        pointer("deletionGracePeriodSeconds", Schema::Ignored),
        pointer("deletionTimestamp", Schema::Ignored),
        pointer("finalizers", Schema::Ignored),
        pointer("generateName", Schema::Ignored),
        pointer("generation", Schema::Ignored),
        pointer("labels", Schema::Map(&TEXT)),
        pointer("managedFields", Schema::Ignored),
        pointer("name", TEXT).required(),
        pointer("namespace", TEXT),
        pointer("ownerReferences", Schema::Ignored),
        pointer("resourceVersion", Schema::Ignored),
        pointer("selfLink", Schema::Ignored),
        pointer("uid", Schema::Ignored),
    ],
};
