//! The one trigger that is known to crash Flotta: an environment variable with a plain value.
//!
//! The fleet without it is compared with Flotta; here ours with it is compared with ours without it. Nothing but the
//! variables may differ.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::agent::normal;
use crate::compare::differences;
use crate::fleet::{Fleet, take_out_plain_env};
use crate::flotta::Polled;
use crate::judge::Verdict;

/// Judges a device whose configuration Flotta cannot make.
pub fn judge(fleet: &Fleet, device: &str, answers: &BTreeMap<&str, &Polled>) -> Verdict {
    let bare = fleet.without_plain_env("bare");
    let Some(place) = fleet.devices().iter().position(|id| id == device) else {
        return Verdict::Unexpected("no such device".into());
    };
    let twin = &bare.devices()[place];
    let (Some(Polled::Configuration(full)), Some(Polled::Configuration(bare_answer))) =
        (answers.get(device), answers.get(twin.as_str()))
    else {
        return match (answers.get(device), answers.get(twin.as_str())) {
            (Some(Polled::Refused(_)), Some(Polled::Refused(_))) => Verdict::Crashed,
            other => Verdict::Unexpected(format!("ours differs with and without plain variables: {other:?}")),
        };
    };
    let text = full
        .to_string()
        .replace(&fleet.namespace, &bare.namespace)
        .replace(device, twin);
    let compared = serde_json::from_str::<Value>(&text)
        .map_err(anyhow::Error::from)
        .and_then(|full| Ok((normal(&full)?, normal(bare_answer)?)));
    match compared {
        Ok((mut full, bare)) => {
            for workload in full["workloads"].as_object_mut().into_iter().flatten() {
                take_out_plain_env(&mut workload.1["specification"]);
            }
            let found = differences(&bare, &full);
            if found.is_empty() { Verdict::Crashed } else { Verdict::Differs(found) }
        }
        Err(error) => Verdict::Unexpected(format!("unreadable: {error:#}")),
    }
}
