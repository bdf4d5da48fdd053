//! What became of one device: did ours do what Flotta does, or what it is documented to do instead?

use serde_json::Value;

use crate::agent::normal;
use crate::broken;
use crate::compare::{Difference, differences};
use crate::excuses::excuse;
use crate::fleet::Fleet;
use crate::flotta::Polled;
use crate::selection;
use crate::trigger;

/// What is expected of a device before anybody is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Both deliver the same.
    Same,
    /// Something crashes or stops Flotta that ours delivers, see [`crate::trigger`].
    Trigger,
    /// Something that the device itself needs is missing: both refuse.
    Refusal,
    /// Everything that it should run is broken: ours refuses. Flotta does, or takes away what runs.
    NothingLeft,
    /// Some workloads are broken: ours delivers what Flotta does when it is not asked for them.
    Rest(Vec<String>),
}

/// What to expect of a device.
pub fn expected(fleet: &Fleet, device: &str) -> Expected {
    let selected = selection::select(fleet, device);
    let is = |name: &String, what: fn(&Fleet, &Value) -> bool| {
        fleet
            .object("EdgeWorkload", name)
            .is_some_and(|workload| what(fleet, workload))
    };
    if trigger::of_device(fleet, device) || selected.iter().any(|name| is(name, trigger::has)) {
        return Expected::Trigger;
    }
    if broken::device(fleet, device) {
        return Expected::Refusal;
    }
    let rest: Vec<String> = selected
        .iter()
        .filter(|name| !is(name, broken::workload))
        .cloned()
        .collect();
    match (rest.len(), selected.len()) {
        (rest, selected) if rest == selected => Expected::Same,
        (0, _) => Expected::NothingLeft,
        _ => Expected::Rest(rest),
    }
}

/// What became of a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Both deliver the same.
    Agreed,
    /// They differ, and each difference is on the allow-list.
    Excused(Vec<&'static str>),
    /// Both refuse, or ours does by its rule.
    Refused,
    /// Flotta crashed or left something out; the fleet without the trigger stands for this one.
    Triggered,
    /// They differ.
    Differs(Vec<Difference>),
    /// Something else than expected.
    Unexpected(String),
}

impl Verdict {
    /// Whether it fails the run.
    pub fn fails(&self) -> bool {
        matches!(self, Self::Differs(_) | Self::Unexpected(_))
    }

    /// What is wrong, without the names and values of the case: what must stay the same while a
    /// case is made smaller.
    pub fn kind(&self) -> Option<String> {
        match self {
            Self::Differs(found) => {
                let path = &found.first()?.path;
                Some(
                    path.split('/')
                        .map(|step| if is_name(step) { "*" } else { step })
                        .collect::<Vec<_>>()
                        .join("/"),
                )
            }
            Self::Unexpected(what) => Some(what.split(':').next().unwrap_or_default().to_owned()),
            _ => None,
        }
    }
}

fn is_name(step: &str) -> bool {
    step.chars().any(|character| character.is_ascii_digit()) || step == "missing"
}

/// Judges a device; `flotta` is its answer at the first time or, for [`Expected::Rest`], at the
/// second.
pub fn judge(fleet: &Fleet, device: &str, expected: &Expected, flotta: &Polled, ours: &Polled) -> Verdict {
    use Polled::{Configuration, Refused};
    match (expected, flotta, ours) {
        (Expected::Trigger, Configuration(content), _) if delivers_all(fleet, device, content) => {
            Verdict::Unexpected("Flotta survives the trigger".into())
        }
        (Expected::Trigger, _, Configuration(_)) => Verdict::Triggered,
        (Expected::Trigger, _, _) if trigger::may_refuse(fleet, device) => Verdict::Triggered,
        (Expected::Refusal, Refused(_), Refused(_)) | (Expected::NothingLeft, _, Refused(_)) => {
            Verdict::Refused
        }
        (Expected::Refusal | Expected::NothingLeft, _, Configuration(_)) => {
            Verdict::Unexpected("ours delivers where it must refuse".into())
        }
        (Expected::Refusal, Configuration(_), _) => {
            Verdict::Unexpected("Flotta delivers where the rules say that it refuses".into())
        }
        (Expected::Same | Expected::Rest(_), Configuration(flotta), Configuration(ours)) => {
            compared(fleet, device, flotta, ours)
        }
        (_, Configuration(_), ours) => Verdict::Unexpected(format!("ours does not deliver: {ours:?}")),
        (_, flotta, ours) => Verdict::Unexpected(format!(
            "Flotta does not deliver: {flotta:?}, ours {}",
            short(ours)
        )),
    }
}

fn delivers_all(fleet: &Fleet, device: &str, content: &Value) -> bool {
    let delivered = content["workloads"].as_array().map_or(0, Vec::len);
    trigger::of_device(fleet, device) || delivered == selection::select(fleet, device).len()
}

fn short(polled: &Polled) -> String {
    match polled {
        Polled::Configuration(_) => "delivers".into(),
        other => format!("{other:?}"),
    }
}

fn compared(fleet: &Fleet, device: &str, flotta: &Value, ours: &Value) -> Verdict {
    if ours["device_id"] != device || flotta["device_id"] != device {
        return Verdict::Unexpected("a configuration for another device".into());
    }
    let (flotta, ours) = match (normal(flotta), normal(ours)) {
        (Ok(flotta), Ok(ours)) => (flotta, ours),
        (flotta, ours) => {
            let texts = [flotta, ours].map(|side| side.err().map(|error| format!("{error:#}")));
            return Verdict::Unexpected(format!("unreadable: {texts:?}"));
        }
    };
    let found = differences(&flotta, &ours);
    let excuses: Vec<Option<&'static str>> = found
        .iter()
        .map(|difference| excuse(fleet, device, difference))
        .collect();
    if found.is_empty() {
        Verdict::Agreed
    } else if excuses.iter().all(Option::is_some) {
        Verdict::Excused(excuses.into_iter().flatten().collect())
    } else {
        let open = found
            .into_iter()
            .zip(excuses)
            .filter(|(_, excuse)| excuse.is_none());
        Verdict::Differs(open.map(|(difference, _)| difference).collect())
    }
}
