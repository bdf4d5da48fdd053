//! A fleet of one id, for tests: keeps what the rules want recorded, and reads it anew for every
//! request.

use contract::{
    Cut, DeviceId, EnrolmentInfo, EventInfo, Features, HardwareInfo, Heartbeat, Namespace, Repeated,
    WorkloadStatus,
};
use fleet::{
    Admission, Approval, Change, Context, DeletionMode, Device, Digest, Epoch, Event, Offered, Operation,
    Policy, State, Stray, Tombstone, UnknownKey, Verdict,
    administration::{self, Act, ActError},
    configuration::{self, ConfigurationAnswer},
    enrolment::{self, Enrolment, EnrolmentAnswer, Preapproval},
    heartbeat::{self, HeartbeatAnswer},
    key_gate::{GateRefusal, VerifiedRequest},
    playbooks::{self, PlaybookAnswer, Wanted},
    register::{self, Refusal, RegistrationAnswer, RegistrationRequest},
    status::{self, Status, StatusAnswer},
};
use jiff::{SignedDuration, Timestamp};

pub(crate) const ADMIN: &str = "uid 1000";

/// One device id and its fleet.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) admission: Admission,
    pub(crate) epoch: Epoch,
    pub(crate) now: Timestamp,
    pub(crate) device: Option<Device>,
    pub(crate) stray: Option<Stray>,
    /// Since when the server serves.
    pub(crate) serving_since: Timestamp,
    /// The version of its configuration, and the period of heartbeats in it; `None` if there is
    /// none but an error.
    pub(crate) offered: Option<(String, i64)>,
    /// An EdgeDeviceSignedRequest document approves it: its place and its set.
    pub(crate) preapproval: Option<(&'static str, Option<&'static str>)>,
    /// Everything that was recorded, oldest first.
    pub(crate) events: Vec<Event>,
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

pub(crate) fn id() -> DeviceId {
    DeviceId::parse("edge-1").unwrap()
}

pub(crate) fn namespace(name: &str) -> Namespace {
    Namespace::parse(name).unwrap()
}

pub(crate) fn epoch(n: u128) -> Epoch {
    Epoch(uuid::Uuid::from_u128(n))
}

/// The request of the `n`th key.
pub(crate) fn request(n: u8) -> VerifiedRequest {
    VerifiedRequest {
        fingerprint: Digest::of(&[n]),
        pem: format!("request of key {n}"),
    }
}

/// A heartbeat with one workload in this state.
pub(crate) fn running(state: &str) -> Heartbeat {
    Heartbeat {
        status: "up".into(),
        version: "v1".into(),
        workloads: Some(vec![WorkloadStatus {
            name: "web".into(),
            status: state.into(),
            ..WorkloadStatus::default()
        }]),
        ..Heartbeat::default()
    }
}

/// A heartbeat with one event.
pub(crate) fn telling(message: &str) -> Heartbeat {
    Heartbeat {
        events: Some(vec![EventInfo {
            r#type: "warn".into(),
            reason: "Failed".into(),
            message: message.into(),
        }]),
        ..running("Running")
    }
}

pub(crate) fn hardware(hostname: &str) -> HardwareInfo {
    HardwareInfo {
        hostname: hostname.into(),
        ..HardwareInfo::default()
    }
}

impl World {
    /// An id that nobody knows, with automatic approval.
    pub(crate) fn new() -> Self {
        Self {
            policy: Policy::default(),
            admission: Admission::Open,
            epoch: epoch(1),
            now: at(0),
            device: None,
            stray: None,
            serving_since: at(0),
            offered: None,
            preapproval: None,
            events: Vec::new(),
        }
    }

    /// An id that nobody knows; a person approves.
    pub(crate) fn manual() -> Self {
        let mut world = Self::new();
        world.policy.approval = Approval::Manual;
        world
    }

    /// An approved device that was never heard again.
    pub(crate) fn approved() -> Self {
        let mut world = Self::new();
        world.enrol();
        world.events.clear();
        world
    }

    /// A device that registered with key 1 and polls.
    pub(crate) fn in_service() -> Self {
        let mut world = Self::approved();
        assert_eq!(world.register(1), Ok(()));
        world.pass(4);
        assert_eq!(world.poll(), ConfigurationAnswer::Serve);
        world.events.clear();
        world
    }

    /// A device that served, was deleted and has been told so.
    pub(crate) fn told(mode: DeletionMode) -> Self {
        let mut world = Self::in_service();
        world.act(Act::Delete { mode }).unwrap();
        assert_eq!(world.ask(), Status::Unregistered);
        world.events.clear();
        world
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// The store was restored from a backup.
    pub(crate) fn restored(&mut self) {
        self.epoch = epoch(self.epoch.0.as_u128() + 1);
    }

    pub(crate) fn enrol(&mut self) -> EnrolmentAnswer {
        self.enrol_as("edge-1", "default")
    }

    pub(crate) fn enrol_as(&mut self, spelling: &str, wanted: &str) -> EnrolmentAnswer {
        let wanted = namespace(wanted);
        self.heard(&wanted, Operation::Enrolment);
        let enrolment = Enrolment {
            id: DeviceId::parse(spelling).unwrap(),
            spelling: spelling.into(),
            namespace: wanted,
            info: EnrolmentInfo {
                features: Some(Features {
                    hardware: Some(hardware("edge-1.local")),
                    ..Features::default()
                }),
                ..EnrolmentInfo::default()
            }
            .into(),
            cut: Cut::default(),
            preapproval: self.preapproval.map(|(place, set)| Preapproval {
                namespace: namespace(place),
                set: set.map(str::to_owned),
            }),
        };
        self.rule(|device, context| enrolment::enrol(device, enrolment, context))
    }

    pub(crate) fn ask(&mut self) -> Status {
        self.ask_in("default").status
    }

    pub(crate) fn ask_in(&mut self, path: &str) -> StatusAnswer {
        let path = namespace(path);
        self.heard(&path, Operation::RegistrationStatus);
        self.rule(|device, context| status::registration_status(device, &path, context))
    }

    pub(crate) fn poll(&mut self) -> ConfigurationAnswer {
        self.heard(&namespace("default"), Operation::Configuration);
        let offered = self.offered.clone();
        let offered = offered.as_ref().map(|(version, period_seconds)| Offered {
            version,
            period_seconds: *period_seconds,
        });
        self.rule(|device, context| configuration::poll(device, offered.as_ref(), context))
    }

    /// Asks for playbooks; these are all that it is labelled for.
    pub(crate) fn ask_playbooks(&mut self, wanted: &[Wanted<'_>]) -> PlaybookAnswer {
        self.heard(&namespace("default"), Operation::Playbooks);
        self.rule(|device, context| playbooks::poll(device, wanted, context))
    }

    /// Registers with the `n`th key where the device lives.
    pub(crate) fn register(&mut self, n: u8) -> Result<(), Refusal> {
        let place = self
            .device
            .as_ref()
            .map_or_else(Namespace::default, |device| device.life.namespace.clone());
        self.register_with(&RegistrationRequest {
            namespace: place,
            certificate_request: Ok(request(n)),
            hardware: None,
            cut: Cut::default(),
        })
    }

    pub(crate) fn register_with(&mut self, request: &RegistrationRequest) -> Result<(), Refusal> {
        match self.ask_to_register(request) {
            RegistrationAnswer::Accepted => Ok(()),
            RegistrationAnswer::Refused(refusal) => Err(refusal),
            RegistrationAnswer::PutOff(put_off) => panic!("{put_off}"),
        }
    }

    pub(crate) fn ask_to_register(&mut self, request: &RegistrationRequest) -> RegistrationAnswer {
        self.heard(&request.namespace, Operation::Registration);
        self.rule(|device, context| register::register(device, request, context))
    }

    pub(crate) fn beat(&mut self, beat: &Heartbeat) -> HeartbeatAnswer {
        self.beat_in_part(beat, &[])
    }

    /// A heartbeat of which these fields were longer than is kept.
    pub(crate) fn beat_in_part(&mut self, beat: &Heartbeat, cut: &[&str]) -> HeartbeatAnswer {
        self.heard(&namespace("default"), Operation::Heartbeat);
        let cut: Cut = cut.iter().copied().collect();
        self.rule(|device, context| heartbeat::heartbeat(device, beat, &cut, None, context).unwrap())
    }

    /// A heartbeat of whose events more was told than is in it.
    pub(crate) fn beat_telling(&mut self, beat: &Heartbeat, told: &[Repeated]) -> HeartbeatAnswer {
        self.heard(&namespace("default"), Operation::Heartbeat);
        self.rule(|device, context| {
            heartbeat::heartbeat(device, beat, &Cut::default(), Some(told), context).unwrap()
        })
    }

    #[allow(clippy::needless_pass_by_value, reason = "an act is written where it is done")]
    pub(crate) fn act(&mut self, act: Act) -> Result<(), ActError> {
        let context = self.context();
        let change = administration::act(
            &id(),
            self.device.as_ref(),
            self.stray.as_ref(),
            &act,
            ADMIN,
            &context,
        )?;
        self.record(change);
        Ok(())
    }

    pub(crate) fn delete(&mut self, mode: DeletionMode) {
        self.act(Act::Delete { mode }).unwrap();
    }

    pub(crate) fn known(&self) -> &Device {
        self.device.as_ref().unwrap()
    }

    pub(crate) fn state(&self) -> &State {
        &self.known().life.state
    }

    pub(crate) fn is_approved(&self) -> bool {
        matches!(
            self.device.as_ref().map(|device| &device.life.state),
            Some(State::Approved { .. })
        )
    }

    pub(crate) fn tombstone(&self) -> &Tombstone {
        match self.state() {
            State::Deleted(tombstone) => tombstone,
            other => panic!("not deleted but {other:?}"),
        }
    }

    /// The keys in force, as numbers.
    pub(crate) fn keys(&self) -> Vec<u8> {
        let keys = &self.known().life.registration.keys;
        keys.iter()
            .map(|key| {
                (0..=u8::MAX)
                    .find(|n| request(*n).fingerprint == key.fingerprint)
                    .unwrap()
            })
            .collect()
    }

    /// The reasons of what was recorded.
    pub(crate) fn reasons(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.reason.as_str()).collect()
    }

    /// The types of the conditions that hold.
    pub(crate) fn conditions(&self) -> Vec<String> {
        let found = fleet::condition::conditions(self.known(), Vec::new(), &self.context());
        found.into_iter().map(|condition| condition.r#type).collect()
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            policy: &self.policy,
            admission: self.admission,
            epoch: self.epoch,
            serving_since: self.serving_since,
            now: self.now,
        }
    }

    fn heard(&mut self, path: &Namespace, operation: Operation) {
        if !self.is_approved() {
            let news = Stray::heard(id(), path.clone(), operation, self.now);
            self.stray = Some(match self.stray.take() {
                Some(stray) => stray.join(news),
                None => news,
            });
        }
    }

    fn rule<A>(&mut self, rule: impl FnOnce(Option<&Device>, &Context<'_>) -> Verdict<A>) -> A {
        let verdict = rule(self.device.as_ref(), &self.context());
        self.record(verdict.change);
        verdict.answer
    }

    /// Records a change as a store would: the next request sees only what JSON kept of it.
    fn record(&mut self, change: Change) {
        self.events.extend(change.events.iter().cloned());
        let after = if let Some(device) = &self.device {
            let after = change.apply(device);
            assert_eq!(
                change.apply(&reloaded(device)),
                after,
                "what is stored is what was known"
            );
            after
        } else {
            let Some(life) = change.life else {
                assert!(
                    change.report.is_none() && change.presence.is_none() && change.events.is_empty(),
                    "only an enrolment or an adoption makes a device"
                );
                return;
            };
            Device {
                id: id(),
                life: life.into(),
                report: change.report.unwrap_or_default().into(),
                presence: change.presence.unwrap_or_default(),
            }
        };
        self.device = Some(reloaded(&after));
    }
}

/// The device after a restart of the server.
pub(crate) fn reloaded(device: &Device) -> Device {
    serde_json::from_slice(&serde_json::to_vec(device).unwrap()).unwrap()
}

/// The refusal of a key that is not the device's.
pub(crate) fn foreign() -> Result<(), Refusal> {
    Err(Refusal::Gate(GateRefusal::ForeignKey))
}

/// A first key is refused until an administrator permits it.
pub(crate) fn demanding(mut world: World) -> World {
    world.policy.unknown_key = UnknownKey::RequirePermission;
    world
}
