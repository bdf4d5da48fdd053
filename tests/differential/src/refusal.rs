//! A folder with objects that our admission must refuse, before a running server: nothing of it is
//! taken, each of these objects is named, and devices keep what they have. Without these objects,
//! and no other change, the folder is taken.
//!
//! Looked at twice: by a server that has never loaded anything, and by the same server when it
//! serves the fleets and the objects come back together with changes that would be good without
//! them.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::caller::{Caller, Connections};
use testkit::device::Provisioning;
use testkit::process::wait_for;

use crate::change::changed;
use crate::fleet::{Fleet, key};
use crate::flotta::{Cluster, Member, Polled, poll};
use crate::ours::{Ours, file_of, write_fleets};
use crate::pool::{self, AsyncWork};

/// How long the server may take to read the folder and say what is wrong with it.
const TOLD: Duration = Duration::from_mins(1);

/// What was judged by a running server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Refused objects, each named with its file and path.
    pub objects: usize,
    /// Fleets that they are in.
    pub fleets: usize,
    /// Devices that were told to wait as long as nothing could be loaded.
    pub waiting: usize,
    /// Devices that went on getting what they had when the objects came again.
    pub keeping: usize,
}

impl AddAssign for Refusals {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.fleets += other.fleets;
        self.waiting += other.waiting;
        self.keeping += other.keeping;
    }
}

/// The fleets of a batch that have objects to refuse.
#[derive(Debug)]
pub struct Stratum {
    fleets: Vec<Arc<Fleet>>,
    judged: Refusals,
    wrong: Vec<String>,
}

impl Stratum {
    /// Of these fleets.
    pub fn of(fleets: &[Arc<Fleet>]) -> Self {
        let mut refusing: Vec<Arc<Fleet>> = fleets.to_vec();
        refusing.retain(|fleet| !fleet.refused.is_empty());
        Self {
            fleets: refusing,
            judged: Refusals::default(),
            wrong: Vec::new(),
        }
    }

    /// Starts our side on all fleets, this stratum's with their refused objects, and looks at what
    /// it does; then takes out these objects alone. Ready and with all devices known in the end.
    pub async fn start(
        &mut self,
        cluster: &Cluster,
        all: &[Arc<Fleet>],
        world: &[Value],
        members: &[Member],
    ) -> Result<Ours> {
        if self.fleets.is_empty() {
            let ours = Ours::start(cluster, all, world).await?;
            ours.enrol(members).await?;
            return Ok(ours);
        }
        let folder: Vec<Arc<Fleet>> = all.iter().map(|fleet| with_refused(fleet)).collect();
        let mut ours = Ours::launch(cluster, &folder, world, |settings| settings).await?;
        self.named(&ours).await?;
        let status = Status::of(&ours)?;
        if status != Status::default() {
            self.complain(&format!(
                "something of a folder with faults was taken: {status:?}"
            ));
        }
        let said = ours.server.ops("/status").await?;
        if !said.text().contains("its manifests were never taken over") {
            self.complain(&format!(
                "a server that loaded nothing says of itself: {} {}",
                said.status,
                said.text()
            ));
        }
        ours.ask_to_join(members).await?;
        let address = ours.server.device_plane();
        let caller = move || Caller::plain(address, Connections::KeptAlive);
        let answers = pool::each(members.to_vec(), caller, AskDirectly).await?;
        for (member, status) in members.iter().zip(answers) {
            if status == 404 {
                self.judged.waiting += 1;
            } else {
                self.complain(&format!(
                    "{} is answered {status} by a server that loaded nothing",
                    of(member)
                ));
            }
        }
        self.judged.fleets += self.fleets.len();
        self.judged.objects += self.fleets.iter().map(|fleet| fleet.refused.len()).sum::<usize>();

        write_fleets(&ours.manifests(), &self.fleets)?;
        ours.server.wait_until_ready().await?;
        ours.enrol(members).await?;
        Ok(ours)
    }

    /// Brings the refused objects back, beside changes of the others, and asks the stratum's
    /// devices again: `asked` is what they got. The folder is then left as it is.
    pub async fn come_again(
        &mut self,
        ours: &Ours,
        provisioning: &Provisioning,
        asked: Vec<(Member, Polled)>,
    ) -> Result<()> {
        if self.fleets.is_empty() {
            return Ok(());
        }
        let before = Status::of(ours)?;
        ensure!(before.objects > 0, "the folder was not taken: {before:?}");
        let later = self.fleets.iter().map(|fleet| with_refused(&changed(fleet, 1)));
        write_fleets(&ours.manifests(), &later.collect::<Vec<_>>())?;
        self.named(ours).await?;
        let after = Status::of(ours)?;
        if after != before {
            self.complain(&format!(
                "part of a folder was taken: {before:?} became {after:?}"
            ));
        }
        let namespaces: BTreeSet<&str> = self.fleets.iter().map(|fleet| fleet.namespace.as_str()).collect();
        let (members, had): (Vec<Member>, Vec<Polled>) = asked
            .into_iter()
            .filter(|(member, _)| namespaces.contains(member.fleet.namespace.as_str()))
            .unzip();
        let answers = poll(provisioning, &members).await?;
        for ((member, had), has) in members.iter().zip(&had).zip(&answers) {
            if had == has {
                self.judged.keeping += 1;
            } else {
                self.complain(&format!(
                    "{} is answered otherwise beside a folder that is refused: {had:?} became {has:?}",
                    of(member)
                ));
            }
        }
        Ok(())
    }

    /// What was judged, and what is wrong, one line each.
    pub fn finish(self) -> (Refusals, Vec<String>) {
        (self.judged, self.wrong)
    }

    /// Waits until the server names each refused object, and nothing else. Of many faults it names
    /// the first and counts the others; that each of them is one is judged without a server
    /// (`admission`).
    async fn named(&mut self, ours: &Ours) -> Result<()> {
        let fleets = &self.fleets;
        let settled = wait_for("all refused objects to be named", TOLD, async || {
            let told = faults(ours).ok()?;
            (unnamed(fleets, &told).ok()?.len() <= not_listed(&told)).then_some(told)
        });
        let told = match settled.await {
            Ok(told) => told,
            Err(_) => faults(ours)?,
        };
        let missing = unnamed(&self.fleets, &told)?;
        if missing.len() > not_listed(&told) {
            self.wrong.extend(missing);
        }
        let strange = told.iter().filter(|fault| {
            count_of(fault).is_none() && !self.fleets.iter().any(|fleet| is_of(fleet, fault))
        });
        self.wrong
            .extend(strange.map(|fault| format!("a fault of something else: {fault}")));
        Ok(())
    }

    fn complain(&mut self, what: &str) {
        let seed = self.fleets.first().map_or(0, |fleet| fleet.seed);
        self.wrong.push(format!("seed {seed}: {what}"));
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("refused objects, judged by a running server", self.objects),
            ("  cases that they are in", self.fleets),
            ("  devices that waited as nothing was loaded", self.waiting),
            ("  devices that kept what they had", self.keeping),
        ];
        rows.iter()
            .try_for_each(|(what, count)| writeln!(f, "{what:<50} {count:>7}"))
    }
}

fn of(member: &Member) -> String {
    format!("case {} device {}", member.fleet.number, member.id)
}

/// The fleet with what must be refused among its objects.
fn with_refused(fleet: &Fleet) -> Arc<Fleet> {
    let mut with = fleet.clone();
    let refused = fleet.refused.iter().map(|refused| refused.object.clone());
    with.objects.extend(refused);
    Arc::new(with)
}

/// What of a source was taken over.
#[derive(Debug, Default, PartialEq, Eq)]
struct Status {
    revision: i64,
    digest: Option<String>,
    objects: usize,
}

impl Status {
    fn of(ours: &Ours) -> Result<Self> {
        let status = ours.server.manifests(&["status"])?;
        let listed = ours.server.manifests(&["list"])?;
        Ok(Self {
            revision: status["revision"].as_i64().context("a status has a revision")?,
            digest: status["sources"][0]["digest"].as_str().map(str::to_owned),
            objects: listed.as_array().context("a list of objects")?.len(),
        })
    }
}

/// What the server says of its source.
fn faults(ours: &Ours) -> Result<Vec<String>> {
    let status = ours.server.manifests(&["status"])?;
    let faults = status["sources"][0]["faults"].as_array();
    let faults = faults.with_context(|| format!("no source with faults in {status}"))?;
    Ok(faults
        .iter()
        .filter_map(|fault| Some(fault.as_str()?.to_owned()))
        .collect())
}

/// How many faults were counted and not named.
fn not_listed(told: &[String]) -> usize {
    told.last().and_then(|last| count_of(last)).unwrap_or_default()
}

/// The number in a sentence that counts other faults.
fn count_of(fault: &str) -> Option<usize> {
    let (count, _) = fault.strip_prefix("and ")?.split_once(" more faults")?;
    count.parse().ok()
}

/// Refused objects that no fault names by file, name and path, one line each.
fn unnamed(fleets: &[Arc<Fleet>], told: &[String]) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for fleet in fleets {
        let file = file_of(fleet)?;
        for refused in &fleet.refused {
            let named = |fault: &String| {
                named_path(fleet, &refused.object, fault).is_some_and(|(place, path)| {
                    let of_file = place.split(", line ").next().unwrap_or_default();
                    of_file.rsplit('/').next() == Some(file.as_str()) && path.contains(&refused.path)
                })
            };
            if !told.iter().any(named) {
                missing.push(format!(
                    "seed {} case {}: no fault at {file} names {}: {}",
                    fleet.seed, fleet.number, refused.path, refused.object
                ));
            }
        }
    }
    Ok(missing)
}

/// Whether a fault is of one of a fleet's refused objects.
fn is_of(fleet: &Fleet, fault: &str) -> bool {
    fleet
        .refused
        .iter()
        .any(|refused| named_path(fleet, &refused.object, fault).is_some())
}

/// Of a fault of this object, where the object is and the path in it.
fn named_path<'a>(fleet: &Fleet, object: &Value, fault: &'a str) -> Option<(&'a str, &'a str)> {
    let (kind, name) = key(object);
    let (place, rest) = fault.split_once(&format!(": {kind} {}/{name}: ", fleet.namespace))?;
    Some((place, rest.split(' ').next()?))
}

#[derive(Clone)]
struct AskDirectly;

impl AsyncWork<Member, Caller, u16> for AskDirectly {
    async fn call(&self, member: Member, caller: &mut Caller) -> Result<u16> {
        let answer = caller.configuration(&member.fleet.namespace, &member.id).await?;
        Ok(answer.status)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fleet::Refused;

    fn fleet() -> Arc<Fleet> {
        let object =
            json!({"kind": "EdgeDevice", "metadata": {"name": "refused-0", "namespace": "fleet-000001"}});
        Arc::new(Fleet {
            seed: 1,
            number: 1,
            namespace: "fleet-000001".to_owned(),
            objects: Vec::new(),
            refused: vec![Refused {
                object,
                path: "spec.storage".to_owned(),
            }],
            hardware: std::collections::BTreeMap::new(),
        })
    }

    #[test]
    fn file_object_and_path_must_all_be_named() -> Result<()> {
        let fleet = fleet();
        let file = file_of(&fleet)?;
        let named = |file: &str, object: &str, path: &str| {
            let fault = format!("/somewhere/{file}, line 3: EdgeDevice {object}: {path} is wrong");
            unnamed(std::slice::from_ref(&fleet), &[fault]).map(|missing| missing.is_empty())
        };
        assert!(named(&file, "fleet-000001/refused-0", "spec.storage.s3")?);
        assert!(!named("other.yaml", "fleet-000001/refused-0", "spec.storage.s3")?);
        assert!(!named(&file, "fleet-000001/refused-1", "spec.storage.s3")?);
        assert!(!named(&file, "fleet-000001/refused-0", "spec.heartbeat")?);
        assert_eq!(unnamed(std::slice::from_ref(&fleet), &[])?.len(), 1);
        Ok(())
    }

    #[test]
    fn what_is_counted_is_not_named() {
        let told = [
            "a.yaml, line 1 is no object",
            "and 12 more faults, which are not listed",
        ];
        assert_eq!(not_listed(&told.map(str::to_owned)), 12);
        assert_eq!(not_listed(&[]), 0);
    }
}
