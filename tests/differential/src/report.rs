//! The count of a run, and whether it passed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::excuses::{EXCUSES, Hits};
use crate::judge::{Expected, Verdict};
use crate::play::Outcome;
use crate::refusal::Refusals;

/// At least this share of the devices, in percent, must be compared without any excuse.
const LEAST_COMPARED: usize = 90;
/// With fewer devices, as when a case is made again, shares and hits say nothing.
pub const MANY: usize = 300;
/// So many failing devices of a kind are written out.
const WRITTEN: usize = 2;

/// What a run has found so far.
#[derive(Debug, Default)]
pub struct Report {
    outcomes: Vec<Outcome>,
    hits: Hits,
    wrong: Vec<String>,
    /// Nothing without a server.
    refusals: Option<Refusals>,
}

impl Report {
    /// Takes in the outcomes of a batch.
    pub fn add(&mut self, outcomes: Vec<Outcome>) {
        for outcome in &outcomes {
            if let Verdict::Excused(lines) = &outcome.verdict {
                for line in lines {
                    self.hits.count(line);
                }
            }
        }
        self.outcomes.extend(outcomes);
    }

    /// Takes in what else is wrong.
    pub fn complain(&mut self, wrong: Vec<String>) {
        self.wrong.extend(wrong);
    }

    /// Takes in what a server did with the refused objects of a batch.
    pub fn add_refusals(&mut self, refusals: Refusals) {
        *self.refusals.get_or_insert_default() += refusals;
    }

    /// The devices that fail the run.
    pub fn failing(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.verdict.fails())
    }

    /// How many devices got the same from both, in every respect.
    pub fn agreed(&self) -> usize {
        self.count(|outcome| outcome.verdict == Verdict::Agreed)
    }

    /// What is wrong with how many devices.
    fn kinds(&self) -> BTreeMap<String, usize> {
        let mut kinds = BTreeMap::new();
        for kind in self.failing().filter_map(|outcome| outcome.verdict.kind()) {
            *kinds.entry(kind).or_default() += 1;
        }
        kinds
    }

    fn count(&self, of: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|outcome| of(outcome)).count()
    }

    /// Everything that is wrong with the run; empty when it passed.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.wrong.clone();
        let failing = self.failing().count();
        if failing > 0 {
            complaints.push(format!("{failing} devices differ"));
        }
        if self.outcomes.len() < MANY {
            return complaints;
        }
        for line in EXCUSES.iter().filter(|line| self.hits.of(line.name) == 0) {
            complaints.push(format!("the allow-list's line '{}' excused nothing", line.name));
        }
        if self.refusals.is_some_and(|refusals| refusals.objects == 0) {
            complaints.push("no refused object was judged by a running server".to_owned());
        }
        // A device that stops Flotta is counted where it was compared: without the trigger.
        let devices = self.count(|outcome| outcome.verdict != Verdict::Triggered);
        let agreed = self.agreed();
        if agreed * 100 < devices * LEAST_COMPARED {
            complaints.push(format!(
                "only {agreed} of {devices} devices were compared without an excuse"
            ));
        }
        complaints
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let same = self
            .outcomes
            .iter()
            .map(|outcome| outcome.same_text.0)
            .sum::<usize>();
        let pods = self
            .outcomes
            .iter()
            .map(|outcome| outcome.same_text.1)
            .sum::<usize>();
        let rest =
            |outcome: &Outcome| matches!(outcome.expected, Expected::Rest(_)) && !outcome.verdict.fails();
        let rows = [
            ("devices", self.outcomes.len()),
            ("  agreed", self.agreed()),
            ("    of these without broken workloads", self.count(rest)),
            (
                "  excused by the allow-list",
                self.count(|outcome| matches!(outcome.verdict, Verdict::Excused(_))),
            ),
            (
                "  refused as the rules say",
                self.count(|outcome| outcome.verdict == Verdict::Refused),
            ),
            (
                "  stopping Flotta, compared without the trigger",
                self.count(|outcome| outcome.verdict == Verdict::Triggered),
            ),
            ("  differing", self.failing().count()),
            ("pods compared", pods),
            ("  written alike to the byte", same),
        ];
        for (what, count) in rows {
            writeln!(f, "{what:<50} {count:>7}")?;
        }
        if let Some(refusals) = self.refusals {
            write!(f, "{refusals}")?;
        }
        for line in EXCUSES {
            writeln!(
                f,
                "allow-list: {:<38} {:>7}  {}",
                line.name,
                self.hits.of(line.name),
                line.reason
            )?;
        }
        for (kind, count) in self.kinds() {
            writeln!(f, "difference: {kind:<38} {count:>7}")?;
        }
        let mut written = BTreeMap::new();
        for outcome in self.failing() {
            let seen: &mut usize = written.entry(outcome.verdict.kind()).or_default();
            *seen += 1;
            if *seen <= WRITTEN {
                f.write_str(&described(outcome))?;
            }
        }
        Ok(())
    }
}

/// A failing device, with what makes it again.
pub fn described(outcome: &Outcome) -> String {
    let fleet = &outcome.fleet;
    let mut text = format!(
        "seed {} case {} device {} ({:?}):\n",
        fleet.seed, fleet.number, outcome.device, outcome.expected
    );
    match &outcome.verdict {
        Verdict::Differs(found) => {
            for difference in found.iter().take(5) {
                let _ = writeln!(text, "  {difference}");
            }
        }
        other => {
            let _ = writeln!(text, "  {other:?}");
        }
    }
    text
}
