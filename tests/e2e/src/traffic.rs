//! A fleet at work through the Edge API, all at once, until it is told to stop.
//!
//! Each kind of device checks every answer it gets against what a device may ever get: the true
//! answer or an error. What was acknowledged is in the devices' records and is compared with the
//! store afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use testkit::device::{Device, Provisioning, hardware};
use testkit::http_client::Answer;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::Stage;
use crate::ledger::{Discrepancy, Member};

/// How long a condition of the traffic may take to come true.
const DEADLINE: Duration = Duration::from_mins(1);
/// Between two rounds of polls: a refused one costs nothing, and would be repeated thousands of
/// times a second.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Answers since the traffic began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Writes that were acknowledged: heartbeats with an event, enrolments, registrations.
    pub acknowledged: u64,
    /// Requests of any kind that were answered with an error.
    pub refused: u64,
    /// Polls that were answered with what the device should have.
    pub polled: u64,
}

/// Devices that are ready to work, and those that have come.
#[derive(Debug)]
pub struct Crew {
    /// Report one event after the other.
    pub reporters: Vec<Member>,
    /// Says only that it is there.
    pub quiet: Member,
    witness: Witness,
    newcomers: Newcomers,
}

/// A crew at work.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    counts: watch::Receiver<Counts>,
    reporters: Vec<JoinHandle<Result<Member>>>,
    quiet: JoinHandle<Result<Member>>,
    witness: JoinHandle<Result<Witness>>,
    newcomers: JoinHandle<Result<Newcomers>>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    counts: watch::Sender<Counts>,
    failure: Mutex<Option<String>>,
}

impl Shared {
    fn working(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn failure(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, acknowledged: bool) {
        self.counts.send_modify(|counts| {
            if acknowledged {
                counts.acknowledged += 1;
            } else {
                counts.refused += 1;
            }
        });
    }

    fn count_poll(&self, answered: bool) {
        self.counts.send_modify(|counts| {
            if answered {
                counts.polled += 1;
            } else {
                counts.refused += 1;
            }
        });
    }
}

impl Crew {
    /// Brings devices into the fleet: `reporters`, a quiet one and one that watches.
    pub async fn muster(stage: &Stage, reporters: usize) -> Result<Self> {
        let mut members = Vec::new();
        for number in 0..reporters {
            members.push(Member::new(
                stage.member(&format!("reporter-{number}"), None).await?,
            ));
        }
        let mut watching = stage.member("witness", None).await?;
        let configuration = watching.poll_data().await?.json()?["content"].clone();
        ensure!(
            configuration["configuration"].is_object(),
            "not a configuration: {configuration}"
        );
        Ok(Self {
            reporters: members,
            quiet: Member::new(stage.member("quiet", None).await?),
            witness: Witness {
                device: watching,
                configuration,
            },
            newcomers: Newcomers {
                provisioning: stage.provisioning.clone(),
                come: Vec::new(),
            },
        })
    }

    /// Puts everybody to work.
    pub fn set_out(self) -> Traffic {
        let (counts, seen) = watch::channel(Counts::default());
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            counts,
            failure: Mutex::default(),
        });
        let reporters = self.reporters.into_iter().map(|member| {
            let work = keep_reporting(member, Arc::clone(&shared));
            spawn(&shared, work)
        });
        Traffic {
            reporters: reporters.collect(),
            quiet: spawn(&shared, keep_staying(self.quiet, Arc::clone(&shared))),
            witness: spawn(&shared, self.witness.keep_watching(Arc::clone(&shared))),
            newcomers: spawn(&shared, self.newcomers.keep_coming(Arc::clone(&shared))),
            shared,
            counts: seen,
        }
    }

    /// Everybody's record against the store, through the server that runs now.
    pub fn compare(&self, stage: &Stage) -> Result<Vec<Discrepancy>> {
        let known = stage.ids()?;
        let mut found = Vec::new();
        let members = self.reporters.iter().chain([&self.quiet]);
        for member in members.chain(&self.newcomers.come) {
            let held = if known.contains(member.device.id()) {
                Some(stage.show(member.device.id())?)
            } else {
                None
            };
            found.extend(member.compare(held.as_ref())?);
        }
        Ok(found)
    }

    /// Fails with what was found, if anything was.
    pub fn check(&self, stage: &Stage) -> Result<()> {
        let found = self.compare(stage)?;
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        ensure!(
            found.is_empty(),
            "the store is not what the devices were told:\n{}",
            found.join("\n")
        );
        Ok(())
    }

    /// How many devices came by themselves, completely or not.
    pub fn newcomers(&self) -> usize {
        self.newcomers.come.len()
    }

    /// Compares only those that come from now on.
    pub fn forget_newcomers(&mut self) {
        self.newcomers.come.clear();
    }
}

impl Traffic {
    /// Waits until the counts are like this. Fails at once when a device saw what it must never
    /// see.
    pub async fn wait_until(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&Counts) -> bool,
    ) -> Result<Counts> {
        let shared = Arc::clone(&self.shared);
        let reached = self
            .counts
            .wait_for(|counts| shared.failure().is_some() || condition(counts));
        let Ok(counts) = timeout(DEADLINE, reached).await else {
            bail!(
                "gave up after {DEADLINE:?} waiting for traffic: {what}; there were {:?}",
                shared.counts.borrow()
            );
        };
        let counts = *counts.context("the devices have gone")?;
        match shared.failure().clone() {
            Some(failure) => bail!("{failure}"),
            None => Ok(counts),
        }
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    /// Lets everybody finish what is under way, and returns them.
    pub async fn finish(self) -> Result<Crew> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let mut reporters = Vec::new();
        for reporter in self.reporters {
            reporters.push(reporter.await??);
        }
        Ok(Crew {
            reporters,
            quiet: self.quiet.await??,
            witness: self.witness.await??,
            newcomers: self.newcomers.await??,
        })
    }
}

/// Lets a device work, and has a failure of its known at once.
fn spawn<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> JoinHandle<Result<T>> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let ended = work.await;
        if let Err(error) = &ended {
            *shared.failure() = Some(format!("{error:#}"));
            // Wakes who waits for counts.
            shared.counts.send_modify(|_| {});
        }
        ended
    })
}

async fn keep_reporting(mut member: Member, shared: Arc<Shared>) -> Result<Member> {
    while shared.working() {
        shared.count(member.report().await?);
    }
    Ok(member)
}

async fn keep_staying(mut member: Member, shared: Arc<Shared>) -> Result<Member> {
    let mut tick = interval(POLL_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shared.working() {
        tick.tick().await;
        let acknowledged = member.stay().await?;
        shared.count_poll(acknowledged);
    }
    Ok(member)
}

/// A device that polls and knows what it should get.
#[derive(Debug)]
struct Witness {
    device: Device,
    configuration: Value,
}

impl Witness {
    async fn keep_watching(mut self, shared: Arc<Shared>) -> Result<Self> {
        let mut tick = interval(POLL_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shared.working() {
            tick.tick().await;
            let control = self.device.poll_control().await?;
            shared.count_poll(expect(&control, "a control poll", |answer| {
                Ok(answer.body.is_empty())
            })?);
            let data = self.device.poll_data().await?;
            let configuration = &self.configuration;
            shared.count_poll(expect(&data, "a data poll", |answer| {
                Ok(&answer.json()?["content"] == configuration)
            })?);
        }
        Ok(self)
    }
}

/// Whether a poll was answered; an error when it was answered with anything but the truth or 500.
fn expect(answer: &Answer, what: &str, truth: impl FnOnce(&Answer) -> Result<bool>) -> Result<bool> {
    let is_true = match answer.status {
        200 => truth(answer)?,
        status => status == 500,
    };
    ensure!(is_true, "{what} was answered {} {}", answer.status, answer.text());
    Ok(answer.status == 200)
}

/// Devices that come one after the other; each repeats a step until it succeeds.
#[derive(Debug)]
struct Newcomers {
    provisioning: Provisioning,
    come: Vec<Member>,
}

impl Newcomers {
    async fn keep_coming(mut self, shared: Arc<Shared>) -> Result<Self> {
        while shared.working() {
            let id = format!("newcomer-{}", uuid::Uuid::new_v4());
            let mut device = Device::new(id, self.provisioning.clone());
            let ended = join(&mut device, &shared).await;
            self.come.push(Member::new(device));
            ended?;
        }
        Ok(self)
    }
}

async fn join(device: &mut Device, shared: &Shared) -> Result<()> {
    let hardware = hardware(device.id());
    let mut approved = false;
    while !approved {
        if !shared.working() {
            return Ok(());
        }
        let answer = device.enrol(&hardware, None).await?;
        ensure!(
            matches!(answer.status, 200 | 208 | 400),
            "an enrolment was answered {} {}",
            answer.status,
            answer.text()
        );
        shared.count(answer.status != 400);
        approved = answer.status == 208;
    }
    let mut registered = false;
    while !registered && shared.working() {
        let answer = device.register(&hardware).await?;
        ensure!(
            matches!(answer.status, 200 | 500),
            "a registration was answered {} {}",
            answer.status,
            answer.text()
        );
        registered = answer.status == 200;
        shared.count(registered);
    }
    Ok(())
}
