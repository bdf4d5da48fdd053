//! The fleet in operation: reads a device, lets a rule of `fleet` decide, has the change recorded,
//! and only then answers.
//!
//! Both planes call this and nothing else decides. Four things are added to the rules and the store
//! here:
//! * a memory of devices, kept only where no other process can write the store (`memory`),
//! * the repetition of a decision whose device changed meanwhile (`Conflict`),
//! * times that carry nothing else are answered at once and reach the store within [`FLUSH_EVERY`]
//!   (`pending`),
//! * bounds on what requests take that are under way (`work`), and on devices of which there is
//!   nothing yet but a request to join (`waiting`).
//!
//! A decision that has begun is finished even when its caller is gone: the Edge API drops a call
//! after a second, and a write that is under way then must still reach the memory.

mod administration;
mod comparison;
mod configured;
mod decide;
mod error;
mod inspection;
mod losses;
mod memory;
mod pending;
mod serving;
mod views;
mod waiting;
mod work;
mod workloads;

use std::{sync::Arc, time::Duration};

use ::configuration::{Assembly, Refusal, WantedPlaybook};
use contract::{DeviceId, HeapSize, Namespace};
use fleet::{
    Approval, Context, Device, Offered, Operation, Phase, Policy, Verdict,
    configuration::{self, ConfigurationAnswer},
    enrolment::{self, Enrolment, EnrolmentAnswer},
    heartbeat::{self, HeartbeatAnswer},
    playbooks::{self, PlaybookAnswer, Wanted},
    register::{self, RegistrationAnswer, RegistrationRequest},
    status::{self, StatusAnswer},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use store::{Store, StoreError};

use crate::{
    intake::{self, NotServing},
    room::{Held, Holding},
    sources::{self, NotConfigured},
    transport::Pieces,
};

pub(crate) use configured::holdings;
use configured::{Configurations, Outcome};
use decide::{Asker, Known};
pub use error::ServiceError;
pub(crate) use losses::{Had, held};
use memory::Memory;
use pending::Pending;
use serving::Serving;
pub use views::{DeviceView, ListEntry, ListedPage, ListedView, StrayView, UnreadableView};
use waiting::Waiting;
use work::Work;
pub(crate) use work::reason;
pub use work::{Beat, MemoryLimits, NotRead, Received};
pub use workloads::{WorkloadDevice, WorkloadView};

/// How often times reach the store. A crash makes last-seen times at most this much older, and a
/// little more where the store is slow; the promise is 5 s.
pub const FLUSH_EVERY: Duration = Duration::from_secs(2);

/// Bytes of devices and their configurations that are kept in memory unless it is said, estimated.
pub const DEFAULT_CACHE: usize = 128 * 1024 * 1024;

/// Where the present time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Called with the time that each commit took, or with why the store could not make it.
pub type CommitObserver = Arc<dyn Fn(Result<Duration, String>) + Send + Sync>;

/// The fleet in operation. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    policy: Policy,
    admission: Option<Arc<intake::Reloader>>,
    documents: Arc<sources::Reloader>,
    clock: Clock,
    memory: Memory,
    work: Work,
    waiting: Waiting,
    configurations: Configurations,
    pending: Pending,
    serving: Serving,
    on_commit: CommitObserver,
}

/// What a device's poll for its configuration gets.
#[derive(Clone, Debug)]
pub enum ConfigurationOutcome {
    /// The rendered answer.
    Serve(Pieces),
    /// None: it is no approved device.
    NotApproved,
    /// None: it was adopted and keeps what it has.
    Withheld,
    /// None: something that it follows from is broken, and the device keeps what it has.
    Refused(Refusal),
}

impl Service {
    /// A service on this store. Without an admission it takes in whomever the rules let in.
    pub fn new(
        store: Arc<dyn Store>,
        policy: Policy,
        admission: Option<Arc<intake::Reloader>>,
        documents: Arc<sources::Reloader>,
        clock: Clock,
        on_commit: CommitObserver,
    ) -> Self {
        Self::with_memory(
            store,
            policy,
            admission,
            documents,
            clock,
            on_commit,
            MemoryLimits::default(),
        )
    }

    /// The same with other limits of memory.
    pub fn with_memory(
        store: Arc<dyn Store>,
        policy: Policy,
        admission: Option<Arc<intake::Reloader>>,
        documents: Arc<sources::Reloader>,
        clock: Clock,
        on_commit: CommitObserver,
        limits: MemoryLimits,
    ) -> Self {
        // Devices are larger than what is their own of their configurations.
        let memory = Memory::new(store.is_exclusive(), limits.cache / 4 * 3);
        let serving = Serving::new(clock());
        Self(Arc::new(Inner {
            store,
            policy,
            admission,
            documents,
            clock,
            memory,
            work: Work::new(limits),
            waiting: Waiting::default(),
            configurations: Configurations::new(limits.cache / 4),
            pending: Pending::default(),
            serving,
            on_commit,
        }))
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Whether devices are served at all, on this store.
    pub fn serving(&self) -> Result<(), NotServing> {
        self.0.ruling(Asker::Device).map(drop)
    }

    /// The present time, as this service sees it.
    pub fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// Reads what a device sent, as far as there is room for it.
    pub async fn read<T: DeserializeOwned + HeapSize>(&self, body: &[u8]) -> Result<Received<T>, NotRead> {
        self.0.work.read(body).await
    }

    /// The same of a heartbeat.
    pub async fn read_heartbeat(&self, body: &[u8]) -> Result<Received<Beat>, NotRead> {
        self.0.work.read_heartbeat(body).await
    }

    /// Room for something that is so many times as large as a body of this length.
    pub async fn room(&self, times: usize, length: usize) -> Result<Held, NotRead> {
        self.0.work.content(times, length).await
    }

    /// A device asks to join; `held` is the room that the request takes.
    pub async fn enrol(&self, request: Enrolment, held: Held) -> Result<EnrolmentAnswer, ServiceError> {
        let (id, namespace) = (request.id.clone(), request.namespace.clone());
        let (service, documents) = (Arc::clone(&self.0), Arc::clone(&self.0.documents));
        let request = Holding::new(request, held);
        let (answer, joined) = self
            .decide_by_documents(Asker::Device, id.clone(), move |device, known, context| {
                let mut request = request.content().clone();
                let mut policy = context.policy.clone();
                let known = match known {
                    Ok(current) => documents.released(Arc::clone(current), false),
                    Err(reason) => Err(reason.clone()),
                };
                match known {
                    Ok(current) => request.preapproval = current.preapproval(&request.id).cloned(),
                    // The device asks again in seconds, and what an approval says of its namespace
                    // is for good.
                    Err(behind @ NotConfigured::Behind(_)) => return Err(behind.into()),
                    // For the same reason no setting approves it now. It is asked again at the
                    // device's next enrolment.
                    Err(_) => policy.approval = Approval::Manual,
                }
                let context = Context {
                    policy: &policy,
                    ..*context
                };
                Ok(service
                    .waiting
                    .admit(device, enrolment::enrol(device, request, &context)))
            })
            .await?;
        if let Some(bytes) = joined {
            self.0.waiting.one_more(bytes);
        }
        if let EnrolmentAnswer::PutOff(_) = answer {
            // It is all that is known of it.
            self.0.pending.stray(fleet::Stray::heard(
                id,
                namespace,
                Operation::Enrolment,
                self.now(),
            ));
        }
        Ok(answer)
    }

    /// A device, or somebody in its name, asks for its registration status.
    pub async fn registration_status(
        &self,
        id: DeviceId,
        path: Namespace,
    ) -> Result<StatusAnswer, ServiceError> {
        let namespace = path.clone();
        let (answer, phase) = self
            .decide(id.clone(), move |device, context| {
                Ok(with_phase(
                    device,
                    status::registration_status(device, &path, context),
                ))
            })
            .await?;
        self.note_stray(phase, id, namespace, Operation::RegistrationStatus);
        Ok(answer)
    }

    /// A device wants its signed certificate; `held` is the room that the request takes.
    pub async fn register(
        &self,
        id: DeviceId,
        request: RegistrationRequest,
        held: Held,
    ) -> Result<RegistrationAnswer, ServiceError> {
        let (service, namespace) = (Arc::clone(&self.0), request.namespace.clone());
        let request = Holding::new(request, held);
        let (answer, phase) = self
            .decide(id.clone(), move |device, context| {
                let verdict = register::register(device, request.content(), context);
                service.waiting.report(device, &verdict.change)?;
                Ok(with_phase(device, verdict))
            })
            .await?;
        self.note_stray(phase, id, namespace, Operation::Registration);
        Ok(answer)
    }

    /// A device polls its configuration.
    pub async fn configuration(
        &self,
        id: DeviceId,
        path: Namespace,
    ) -> Result<ConfigurationOutcome, ServiceError> {
        let service = Arc::clone(&self.0);
        let (answer, phase) = self
            .decide_by_documents(Asker::Device, id.clone(), move |device, known, context| {
                let outcome = device
                    .filter(|device| device.life.state.phase() == Phase::Approved)
                    .map(|device| service.configured(device, known));
                let offered = outcome.as_ref().and_then(|outcome| match outcome {
                    Ok(outcome) => outcome.as_ref().as_ref().ok(),
                    Err(_) => None,
                });
                let offered = offered.map(|assembly| Offered {
                    version: &assembly.version,
                    period_seconds: assembly.period_seconds,
                });
                let Verdict { answer, change } = configuration::poll(device, offered.as_ref(), context);
                Ok(with_phase(
                    device,
                    Verdict {
                        answer: (answer, outcome),
                        change,
                    },
                ))
            })
            .await?;
        self.note_stray(phase, id, path, Operation::Configuration);
        match answer {
            (ConfigurationAnswer::Serve, Some(outcome)) => Ok(match &*outcome? {
                Ok(assembly) => ConfigurationOutcome::Serve(pieces(assembly)),
                Err(refusal) => ConfigurationOutcome::Refused(refusal.clone()),
            }),
            (ConfigurationAnswer::Withheld, _) => Ok(ConfigurationOutcome::Withheld),
            _ => Ok(ConfigurationOutcome::NotApproved),
        }
    }

    /// A device's heartbeat.
    pub async fn heartbeat(
        &self,
        id: DeviceId,
        path: Namespace,
        beat: Received<Beat>,
    ) -> Result<HeartbeatAnswer, ServiceError> {
        let service = Arc::clone(&self.0);
        let beat = Holding::new((beat.content, beat.cut), beat.held);
        let (answer, phase) = self
            .decide(id.clone(), move |device, context| {
                let (beat, cut) = beat.content();
                let verdict =
                    heartbeat::heartbeat(device, &beat.heartbeat, cut, beat.events.as_deref(), context)?;
                service.waiting.report(device, &verdict.change)?;
                Ok(with_phase(device, verdict))
            })
            .await?;
        self.note_stray(phase, id, path, Operation::Heartbeat);
        Ok(answer)
    }

    /// A device asks for playbooks.
    pub async fn playbooks(&self, id: DeviceId, path: Namespace) -> Result<PlaybookAnswer, ServiceError> {
        let service = Arc::clone(&self.0);
        let (answer, phase) = self
            .decide_by_documents(Asker::Device, id.clone(), move |device, known, context| {
                let approved = device.filter(|device| device.life.state.phase() == Phase::Approved);
                let wanted = approved
                    .map(|device| service.wanted_playbooks(device, known))
                    .transpose()?;
                let wanted: Vec<Wanted<'_>> = wanted
                    .iter()
                    .flatten()
                    .map(|wanted| Wanted {
                        config: &wanted.config,
                        content: &wanted.content,
                        retry: wanted.retry,
                    })
                    .collect();
                Ok(with_phase(device, playbooks::poll(device, &wanted, context)))
            })
            .await?;
        self.note_stray(phase, id, path, Operation::Playbooks);
        Ok(answer)
    }

    /// How many bytes of configurations are kept, estimated, and of how many devices.
    pub fn configurations_kept(&self) -> (u64, u64) {
        self.0.configurations.size()
    }

    /// The manifests that devices are configured by.
    pub fn documents(&self) -> &Arc<sources::Reloader> {
        &self.0.documents
    }

    /// Brings pending times and strays to the store.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.0.pending.flush(&*self.0.store, self.now()).await.map(drop)
    }

    /// The same, and notes whether devices are being served: nobody is missed for a time in which
    /// that was not noted. To be called every [`FLUSH_EVERY`]. `accepts` is whether connections can
    /// be made at all.
    pub async fn attend(&self, accepts: bool) -> Result<(), StoreError> {
        let store = &self.0.store;
        if !self.0.pending.flush(&**store, self.now()).await? {
            // Where nobody is heard nothing is written, and the store could be gone. One row is
            // read.
            store.documents_revision().await?;
        }
        if accepts && self.serving().is_ok() {
            self.0.serving.proven(self.now());
        }
        // Where they cannot be counted, whatever the reason, devices were attended to all the same.
        if let Err(error) = self.0.waiting.count(&**store).await {
            tracing::debug!(%error, "those who ask to join could not be counted");
        }
        Ok(())
    }

    fn note_stray(&self, phase: Option<Phase>, id: DeviceId, namespace: Namespace, operation: Operation) {
        if phase != Some(Phase::Approved) {
            self.0
                .pending
                .stray(fleet::Stray::heard(id, namespace, operation, self.now()));
        }
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Inner {
    /// The configuration of an approved device.
    fn configured(&self, device: &Device, known: &Known) -> Result<Outcome, NotConfigured> {
        let was_given_one = device.life.delivery.was_handed_over();
        let current = self.documents.released(known.clone()?, was_given_one)?;
        Ok(self
            .configurations
            .of(device, self.store.identity().epoch, &current))
    }

    fn wanted_playbooks(&self, device: &Device, known: &Known) -> Result<Vec<WantedPlaybook>, NotConfigured> {
        let was_given_one = device.life.delivery.was_handed_over();
        let current = self.documents.released(known.clone()?, was_given_one)?;
        let labels = configured::labels(device, &current);
        let subject = configured::subject(device, &labels, self.store.identity().epoch);
        Ok(current.catalogue.playbooks(&subject))
    }
}

fn with_phase<A>(device: Option<&Device>, verdict: Verdict<A>) -> Verdict<(A, Option<Phase>)> {
    let phase = verdict
        .change
        .life
        .as_ref()
        .map(|life| life.state.phase())
        .or(device.map(|device| device.life.state.phase()));
    Verdict {
        answer: (verdict.answer, phase),
        change: verdict.change,
    }
}

/// The answer to a configuration poll, byte for byte.
fn pieces(assembly: &Assembly) -> Pieces {
    assembly.segments.iter().cloned().collect()
}
