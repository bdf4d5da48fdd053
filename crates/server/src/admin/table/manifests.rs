//! The manifests that devices are configured by.

use std::fmt::Write as _;

use super::{table, time};
use crate::{
    admin::client::{ListedObject, ManifestsView, Rekeyed},
    documents::Applied,
};

/// The sources, and what is wrong with them and with what they brought: a line for each.
pub(in crate::admin) fn manifests(view: &ManifestsView) -> String {
    let ManifestsView {
        status,
        unusable,
        broken,
    } = view;
    let mut text = String::new();
    if status.sources.is_empty() {
        text.push_str("no manifests: devices get Flotta's default configuration and no workload\n");
    } else {
        text.push_str(&table(
            ["SOURCE", "OBJECTS", "TAKEN OVER", "STATE"],
            status.sources.iter().map(|source| {
                let state = match (&source.unconfirmed, source.faults.is_empty()) {
                    (Some(digest), _) => format!("waits for: edge-config-server manifests confirm {digest}"),
                    (None, true) => "as it is in the source".to_owned(),
                    (None, false) => "older than the source, which has faults".to_owned(),
                };
                [
                    source.name.clone(),
                    source.objects.to_string(),
                    time(source.applied_at),
                    state,
                ]
            }),
        ));
    }
    for source in &status.sources {
        for fault in &source.faults {
            let _ = writeln!(text, "fault    {}: {fault}", source.name);
        }
        for warning in &source.warnings {
            let _ = writeln!(text, "warning  {}: {warning}", source.name);
        }
    }
    for problem in unusable.iter().chain(&status.unreadable) {
        let _ = writeln!(text, "problem  {problem}");
    }
    for broken in broken {
        let _ = writeln!(text, "broken   {}: {}", broken.object, broken.message);
    }
    text
}

/// A list of objects.
pub(in crate::admin) fn objects(objects: &[ListedObject]) -> String {
    if objects.is_empty() {
        return "no objects\n".to_owned();
    }
    table(
        ["KIND", "NAMESPACE", "NAME", "SOURCE"],
        objects.iter().map(|object| {
            [
                object.kind.clone(),
                object.namespace.clone(),
                object.name.clone(),
                object.source.clone(),
            ]
        }),
    )
}

/// What became of a source.
pub(in crate::admin) fn applied(applied: &Applied) -> String {
    let mut text = format!(
        "source {}: {} objects, {} added or changed, {} removed\n",
        applied.source,
        applied.objects,
        applied.changed.len(),
        applied.removed.len()
    );
    for changed in &applied.changed {
        let _ = writeln!(text, "changed  {changed}");
    }
    for removed in &applied.removed {
        let _ = writeln!(text, "removed  {removed}");
    }
    for warning in &applied.warnings {
        let _ = writeln!(text, "warning  {warning}");
    }
    text
}

/// What became of the Secrets.
pub(in crate::admin) fn rekeyed(rekeyed: &Rekeyed) -> String {
    let mut text = format!(
        "encrypted with key {}: {} that had another key, {} that were stored plain\n",
        rekeyed.key_id, rekeyed.resealed, rekeyed.newly_sealed
    );
    if let Some(leftover) = &rekeyed.leftover {
        let _ = writeln!(text, "warning  {leftover}");
    }
    text
}
