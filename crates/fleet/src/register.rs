//! The second half of a registration: the only point at which an unwanted one can be refused.

use contract::{Cut, HardwareInfo, Namespace};

use crate::{
    Admission, Change, Context, Device, Event, Presence, Severity, State, Verdict, heartbeat,
    intake::PutOff,
    key_gate::{GateRefusal, Passage, VerifiedRequest},
};

/// A registration: the certificate is signed already and is handed out if this is accepted.
#[derive(Clone, Debug)]
pub struct RegistrationRequest {
    /// Namespace of the path, which becomes the organisational unit of the certificate.
    pub namespace: Namespace,
    /// The certificate request, or why it could not be verified.
    pub certificate_request: Result<VerifiedRequest, String>,
    /// What the device says about its hardware.
    pub hardware: Option<HardwareInfo>,
    /// The fields of which it says more than is kept.
    pub cut: Cut,
}

/// What the device hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationAnswer {
    /// It gets its certificate.
    Accepted,
    /// It does not.
    Refused(Refusal),
    /// Not now, whoever it is. Nothing is recorded.
    PutOff(PutOff),
}

/// Why a registration is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody with this id ever enrolled.
    #[error("the device has not enrolled; it has to enrol before it can register")]
    Unknown,
    /// It waits, or was rejected.
    #[error("the device is not approved; approve it with 'edge-config-server device approve'")]
    NotApproved,
    /// It was deleted.
    #[error("the device was deleted; it has to enrol again before it can register")]
    Deleted,
    /// It was approved for, or moved to, another namespace between the two halves.
    #[error("the device belongs to namespace {current} and not to {asked}; its next try will find it there")]
    Namespace {
        /// Where it lives.
        current: Namespace,
        /// Where it wanted to be registered.
        asked: Namespace,
    },
    /// The certificate request is unusable.
    #[error("the certificate request is not acceptable: {0}")]
    CertificateRequest(String),
    /// The key may not register.
    #[error(transparent)]
    Gate(#[from] GateRefusal),
}

impl Refusal {
    /// Repetitions of one cause are one event.
    fn kind(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotApproved => "not-approved",
            Self::Deleted => "deleted",
            Self::Namespace { .. } => "namespace",
            Self::CertificateRequest(_) => "certificate-request",
            Self::Gate(GateRefusal::ForeignKey) => "foreign-key",
            Self::Gate(GateRefusal::PermissionDemanded) => "permission-demanded",
        }
    }
}

/// Decides on a registration.
pub fn register(
    device: Option<&Device>,
    request: &RegistrationRequest,
    context: &Context<'_>,
) -> Verdict<RegistrationAnswer> {
    if let Some(put_off) = put_off(device, context) {
        return Verdict::only(RegistrationAnswer::PutOff(put_off));
    }
    let Some(device) = device else {
        return Verdict::only(RegistrationAnswer::Refused(Refusal::Unknown));
    };
    match admit(device, request, context) {
        Ok(change) => Verdict {
            answer: RegistrationAnswer::Accepted,
            change,
        },
        Err(refusal) => Verdict {
            change: refused(device, request, &refusal, context),
            answer: RegistrationAnswer::Refused(refusal),
        },
    }
}

/// On hold a device that only this fleet has gets no certificate: after a return to the backend
/// before, which lacks it, it would be disconnected.
fn put_off(device: Option<&Device>, context: &Context<'_>) -> Option<PutOff> {
    let taken_over = device
        .is_some_and(|device| device.life.taken_over && matches!(device.life.state, State::Approved { .. }));
    match context.admission {
        Admission::Hold if !taken_over => Some(PutOff::Hold),
        Admission::Closed => Some(PutOff::Closed),
        Admission::Open | Admission::Hold => None,
    }
}

fn admit(device: &Device, request: &RegistrationRequest, context: &Context<'_>) -> Result<Change, Refusal> {
    match &device.life.state {
        State::Approved { .. } => {}
        State::Waiting { .. } | State::Rejected { .. } => return Err(Refusal::NotApproved),
        State::Deleted(_) => return Err(Refusal::Deleted),
    }
    if request.namespace != device.life.namespace {
        return Err(Refusal::Namespace {
            current: device.life.namespace.clone(),
            asked: request.namespace.clone(),
        });
    }
    let certificate_request = request
        .certificate_request
        .as_ref()
        .map_err(|reason| Refusal::CertificateRequest(reason.clone()))?;

    let mut life = (*device.life).clone();
    let passage = life
        .registration
        .admit(certificate_request, context.policy, context.now)?;
    let mut report = (*device.report).clone();
    if let Some(hardware) = &request.hardware {
        heartbeat::take_hardware(&mut report, hardware, &request.cut);
    }
    // The first key of a device whose keys are unknown is taken on trust and is then its only one.
    // On hold that is put off: if the switch is rolled back, the device may come to register another
    // there, and would be refused after the next one.
    let decided = !(context.admission == Admission::Hold && passage == Passage::Unknown);
    Ok(Change {
        life: decided.then_some(life),
        report: (report != *device.report).then_some(report),
        presence: None::<Presence>,
        events: vec![admitted(passage, certificate_request)],
    })
}

fn admitted(passage: Passage, request: &VerifiedRequest) -> Event {
    let key = request.fingerprint;
    match passage {
        Passage::Known => Event::server(
            Severity::Normal,
            "Registered",
            format!("registered again with its key {key}"),
        ),
        Passage::First => Event::server(
            Severity::Normal,
            "Registered",
            format!("registered with key {key}"),
        ),
        Passage::Further => Event::server(
            Severity::Normal,
            "FurtherKeyAccepted",
            format!(
                "registered with the further key {key}: the device had not polled its configuration since its latest \
                 registration, so its answer was probably lost"
            ),
        ),
        Passage::Unknown => Event::server(
            Severity::Warning,
            "UnknownKeyAccepted",
            format!(
                "the first key {key} of a device that was taken over without its keys was accepted unchecked"
            ),
        ),
        Passage::Permitted => Event::server(
            Severity::Normal,
            "PermittedKeyAccepted",
            format!("registered with key {key} by an administrator's permission"),
        ),
    }
}

fn refused(
    device: &Device,
    request: &RegistrationRequest,
    refusal: &Refusal,
    context: &Context<'_>,
) -> Change {
    let mut event = Event::server(Severity::Warning, "RegistrationRefused", refusal.to_string());
    event.kind = format!("RegistrationRefused/{}", refusal.kind());
    let mut change = Change {
        events: vec![event],
        ..Change::default()
    };
    if let (Refusal::Gate(GateRefusal::ForeignKey), Ok(foreign)) = (refusal, &request.certificate_request) {
        let mut report = (*device.report).clone();
        report
            .identity
            .foreign_key(&foreign.fingerprint.to_string(), context.now);
        change.report = Some(report);
    }
    change
}
