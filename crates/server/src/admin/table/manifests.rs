//! The manifests that devices are configured by.

use super::{Column, SENTENCE, say, table, time};
use crate::{
    admin::client::{ListedObject, ManifestsView, Rekeyed},
    sources::Applied,
    telemetry::brief,
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
            ["SOURCE", "OBJECTS", "TAKEN OVER", "STATE"].map(Column::Whole),
            status.sources.iter().map(|source| {
                let state = match (&source.unconfirmed, source.faults.is_empty()) {
                    (Some(digest), _) => format!("waits for: edge-config-server manifests confirm {digest}"),
                    (None, true) if source.settling.is_some() => {
                        "older than the source, which has to rest first".to_owned()
                    }
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
        if let Some(settling) = &source.settling {
            say(
                &mut text,
                "waits",
                &format!("{}: {}", source.name, settling.reason),
            );
        }
        for fault in &source.faults {
            say(&mut text, "fault", &format!("{}: {fault}", source.name));
        }
        for warning in &source.warnings {
            say(&mut text, "warning", &format!("{}: {warning}", source.name));
        }
    }
    for problem in unusable.iter().chain(&status.unreadable) {
        say(&mut text, "problem", problem);
    }
    for broken in broken {
        say(
            &mut text,
            "broken",
            &format!("{}: {}", broken.object, broken.message),
        );
    }
    text
}

/// A list of objects.
pub(in crate::admin) fn objects(objects: &[ListedObject]) -> String {
    if objects.is_empty() {
        return "no objects\n".to_owned();
    }
    table(
        ["KIND", "NAMESPACE", "NAME", "SOURCE"].map(Column::Whole),
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
    let outcome = format!(
        "source {}: {} objects, {} added or changed, {} removed",
        applied.source,
        applied.objects,
        applied.changed.len(),
        applied.removed.len()
    );
    let mut text = brief(&outcome, SENTENCE) + "\n";
    for changed in &applied.changed {
        say(&mut text, "changed", changed);
    }
    for removed in &applied.removed {
        say(&mut text, "removed", removed);
    }
    for warning in &applied.warnings {
        say(&mut text, "warning", warning);
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
        say(&mut text, "warning", leftover);
    }
    text
}
