//! The loop: observe, plan, say so, do one thing, and again.

mod memory;
mod teller;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use kube::{
    Resource as _, ResourceExt as _,
    runtime::events::{Event, Reporter},
};
use memory::Memory;
use plan::{Action, Observed, Plan, api::RemoteBackend, names::RETIRING_ANNOTATION, observed::Evidence};
use teller::Teller;
use tokio::time::timeout;

use crate::{
    calls::Calls,
    cluster::{
        Cluster, Fault, Retiring, Surroundings,
        act::{self, Done, Failed},
        elder, retiring,
        watch::Target,
    },
    events,
    lease::Lease,
    metrics::Metrics,
    ops::Health,
    rights::Right,
};

/// A look at the cluster, its calls included, takes less.
const LOOK: Duration = Duration::from_secs(20);

/// An action takes less.
pub(crate) const ACT: Duration = Duration::from_mins(1);

/// The shortest time between two looks when nothing was done.
const BREATH: Duration = Duration::from_millis(250);

/// Without the Lease there is nothing to do until it is taken, which wakes the loop up.
const ASIDE: Duration = Duration::from_secs(30);

/// After so many actions without a pause something is wrong with the decisions, and they are slowed
/// down.
const STREAK: u32 = 30;

/// Decides. A parameter, so that tests can script it.
pub type Planner = fn(&Observed) -> Plan;

/// Performs rounds.
pub struct Controller {
    cluster: Cluster,
    calls: Arc<dyn Calls>,
    lease: Arc<Lease>,
    teller: Teller,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    planner: Planner,
    /// Rolls back, whatever the mode: the uninstallation.
    leave: bool,
    memories: HashMap<String, Memory>,
    streak: u32,
}

/// What a controller is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where it works.
    pub cluster: Cluster,
    /// How it calls pods.
    pub calls: Arc<dyn Calls>,
    /// What it holds while it writes.
    pub lease: Arc<Lease>,
    /// Its own name in Events.
    pub identity: String,
    /// Where it counts.
    pub metrics: Arc<Metrics>,
    /// Where it says that it gets its work done.
    pub health: Arc<Health>,
}

/// What became of what the resource is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It says so already.
    Same,
    /// It says so now.
    New,
    /// It has changed since it was looked at.
    Late,
}

/// What came of a round.
#[derive(Debug)]
pub struct Round {
    /// When the next one is due, if nothing wakes the loop up before.
    pub next: Duration,
    /// What a round reads, to be watched.
    pub targets: BTreeSet<Target>,
    /// What was decided, resource by resource.
    pub plans: Vec<(RemoteBackend, Plan)>,
    /// Whether an uninstallation is under way.
    pub retiring: bool,
    /// An action that failed, and is tried again: what it said.
    pub failing: Option<String>,
}

impl Controller {
    /// One that does what the spec says.
    pub fn new(parts: Parts, planner: Planner) -> Self {
        let reporter = Reporter {
            controller: plan::names::MANAGER.to_owned(),
            instance: Some(parts.identity),
        };
        Self {
            teller: Teller::new(parts.cluster.client().clone(), reporter),
            cluster: parts.cluster,
            calls: parts.calls,
            lease: parts.lease,
            metrics: parts.metrics,
            health: parts.health,
            planner,
            leave: false,
            memories: HashMap::new(),
            streak: 0,
        }
    }

    /// The same, but rolling back whatever the spec says.
    #[must_use]
    pub fn leaving(mut self) -> Self {
        self.leave = true;
        self
    }

    /// One round over all resources. Fails when the cluster could not be looked at.
    pub async fn round(&mut self) -> Result<Round, Fault> {
        let outcome = self.look_and_act().await;
        self.metrics.round(outcome.is_ok(), Timestamp::now());
        self.health.round(match &outcome {
            Ok(_) => Ok(()),
            Err(fault) => Err(fault.to_string()),
        });
        outcome
    }

    /// Takes our finalizer off all resources: the namespace is being deleted, and must not wait for
    /// us.
    pub async fn let_go(&self) -> Result<(), Fault> {
        for resource in self.cluster.resources().await? {
            match self.cluster.set_finalizer(&resource, false).await {
                Err(fault) if fault.is_gone() => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    async fn look_and_act(&mut self) -> Result<Round, Fault> {
        let now = Timestamp::now();
        let (resources, surroundings) =
            tokio::try_join!(self.cluster.resources(), surroundings(&self.cluster, self.leave))?;
        self.memories.retain(|uid, _| {
            resources
                .iter()
                .any(|resource| resource.uid().as_ref() == Some(uid))
        });
        let mut round = Round {
            next: ASIDE,
            targets: Target::always(),
            plans: Vec::new(),
            failing: None,
            retiring: resources
                .iter()
                .any(|resource| retiring(resource, now) == Retiring::Yes),
        };
        if resources.is_empty() {
            self.metrics.no_status();
            return Ok(round);
        }
        for resource in &resources {
            if surroundings.namespace_ending {
                // At once, and whoever acts: the namespace must not wait for us, and the rights are
                // about to go.
                match self.cluster.set_finalizer(resource, false).await {
                    Err(fault) if fault.is_gone() || fault.is_stale() => {}
                    outcome => outcome?,
                }
            }
            let surroundings = Surroundings {
                elder: elder(resource, &resources),
                ..surroundings.clone()
            };
            let mut resource = resource.clone();
            if retiring(&resource, now) == Retiring::Abandoned {
                resource.annotations_mut().remove(RETIRING_ANNOTATION);
            }
            let acting = surroundings.elder.is_none();
            let (plan, next) = self
                .one(resource.clone(), surroundings, &mut round.targets)
                .await?;
            if acting {
                self.show(&resource, &plan);
            }
            let memory = self.memories.get(&resource.uid().unwrap_or_default());
            let failing = memory.and_then(|memory| memory.evidence.failing.as_ref());
            round.failing = round
                .failing
                .or_else(|| failing.map(|failing| failing.value.clone()));
            round.next = round.next.min(next);
            round.plans.push((resource, plan));
        }
        Ok(round)
    }

    /// Shows in the metrics what is known. Whoever does not act makes no calls, and knows less than
    /// the resource says.
    fn show(&self, resource: &RemoteBackend, plan: &Plan) {
        let acts = self.lease.check().is_ok();
        match if acts {
            Some(&plan.status)
        } else {
            resource.status.as_ref()
        } {
            Some(status) => self.metrics.status(status),
            None => self.metrics.no_status(),
        }
    }

    async fn one(
        &mut self,
        resource: RemoteBackend,
        surroundings: Surroundings,
        targets: &mut BTreeSet<Target>,
    ) -> Result<(Plan, Duration), Fault> {
        let mut memory = self
            .memories
            .remove(&resource.uid().unwrap_or_default())
            .unwrap_or_default();
        let work = Box::pin(self.one_with(resource.clone(), surroundings, targets, &mut memory));
        let outcome = work.await;
        self.memories.insert(resource.uid().unwrap_or_default(), memory);
        outcome
    }

    async fn one_with(
        &mut self,
        resource: RemoteBackend,
        surroundings: Surroundings,
        targets: &mut BTreeSet<Target>,
        memory: &mut Memory,
    ) -> Result<(Plan, Duration), Fault> {
        let mut observed = observe(
            &self.cluster,
            &*self.calls,
            resource,
            surroundings,
            &memory.evidence,
        )
        .await?;
        targets.extend(Target::of(&observed));
        let plan = (self.planner)(&observed);
        if self.lease.check().is_err() {
            return Ok((plan, ASIDE));
        }
        let said = self.say(&mut observed, &plan).await?;
        if said == Said::Late {
            return Ok((plan, BREATH));
        }
        let next = match &plan.action {
            None => {
                memory.idle();
                let again = said == Said::New && plan.wake.is_zero();
                if again {
                    self.pause_after_streak()
                } else {
                    self.streak = 0;
                    plan.wake.max(BREATH)
                }
            }
            Some(action) => match memory.patience(action) {
                Some(rest) => rest,
                None => self.act(action, &observed, memory).await,
            },
        };
        Ok((plan, next))
    }

    /// Nothing, or a pause after too many steps without one.
    fn pause_after_streak(&mut self) -> Duration {
        self.streak += 1;
        if self.streak < STREAK {
            Duration::ZERO
        } else {
            BREATH * 4
        }
    }

    /// Keeps what the resource is to say, before anything is done.
    async fn say(&mut self, observed: &mut Observed, plan: &Plan) -> Result<Said, Fault> {
        let before = observed.resource.status.clone();
        if before.as_ref() == Some(&plan.status) {
            return Ok(Said::Same);
        }
        match self.cluster.write_status(&observed.resource, &plan.status).await {
            // The resource has a new version now; an action that names it would fail with the old
            // one.
            Ok(resource) => observed.resource = resource,
            Err(fault) if fault.is_stale() || fault.is_gone() => return Ok(Said::Late),
            Err(fault) => return Err(fault),
        }
        tracing::info!(
            resource = observed.resource.name_any(),
            phase = ?plan.status.phase,
            backend = ?plan.status.backend,
            next = plan.status.next_action,
            blocked_by = plan.status.blocked_by.join("; "),
            "status"
        );
        for event in events::transitions(before.as_ref(), &plan.status) {
            self.tell(&observed.resource, event).await;
        }
        Ok(Said::New)
    }

    /// Does it. Until when to wait then.
    async fn act(&mut self, action: &Action, observed: &Observed, memory: &mut Memory) -> Duration {
        let name = action.name();
        // It may have been lost while the status was written.
        if action.writes() && self.lease.check().is_err() {
            return BREATH;
        }
        let work = Box::pin(act::perform(
            &self.cluster,
            &*self.calls,
            action,
            observed,
            &mut memory.evidence,
        ));
        let outcome = timeout(ACT, work).await.unwrap_or_else(|_| {
            Err(Failed::Because(format!(
                "it took longer than {} s",
                ACT.as_secs()
            )))
        });
        match outcome {
            Ok(done) => {
                self.metrics.action(action, "done");
                memory.done();
                if matches!(done, Done::Changed) {
                    tracing::info!(action = name, "done");
                }
                if let Some(event) = events::done(action) {
                    self.tell(&observed.resource, event).await;
                }
                self.pause_after_streak()
            }
            Err(failed) if failed.is_stale() && !memory.stale() => {
                self.metrics.action(action, "stale");
                tracing::info!(action = name, reason = %failed, "not done: looks again");
                BREATH
            }
            Err(failed) => {
                self.metrics.action(action, "failed");
                let reason = failed.to_string();
                if memory.failed(action, &reason, Timestamp::now()) {
                    tracing::warn!(action = name, reason, "failed");
                    self.tell(&observed.resource, events::failed(action, &reason))
                        .await;
                }
                memory.patience(action).unwrap_or(BREATH)
            }
        }
    }

    async fn tell(&mut self, resource: &RemoteBackend, event: Event) {
        self.teller.tell(&event, &resource.object_ref(&())).await;
    }
}

/// Looks at everything that one resource is about, within a time.
pub(crate) async fn observe(
    cluster: &Cluster,
    calls: &dyn Calls,
    resource: RemoteBackend,
    surroundings: Surroundings,
    evidence: &Evidence,
) -> Result<Observed, Fault> {
    // A look is large and seldom: it lives on the heap.
    let look = Box::pin(cluster.observe(resource, surroundings, evidence.clone(), calls));
    timeout(LOOK, look).await.unwrap_or_else(|_| {
        Err(Fault::NoAnswer {
            right: Right::new("get", "", "objects of the Edge API", None),
            reason: format!("within {} s", LOOK.as_secs()),
        })
    })
}

/// What is known before a resource's objects are looked at. That the namespace may not be read is
/// told, and no error.
pub(crate) async fn surroundings(cluster: &Cluster, leave: bool) -> Result<Surroundings, Fault> {
    let mut surroundings = Surroundings {
        leave,
        ..Surroundings::default()
    };
    match cluster.namespace_ending().await {
        Ok(ending) => surroundings.namespace_ending = ending,
        Err(Fault::Forbidden(right)) => surroundings.unreadable.push(right.missing()),
        Err(fault) => return Err(fault),
    }
    Ok(surroundings)
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("cluster", &self.cluster)
            .field("leave", &self.leave)
            .finish_non_exhaustive()
    }
}
