//! A device's whole configuration, put together from what is rendered already and the little that
//! is its own.
//!
//! A workload that is missing from the list is removed from the device with its data, so nothing is
//! left out but by the rules below, and every other fault is an error, on which the device keeps
//! what it has.
//!
//! * A workload that cannot be rendered goes out in its last good form, with the ConfigMaps,
//!   Secrets and registry credentials of that form.
//! * One that never had a good form is left out if the device never reported it and another
//!   workload is delivered.
//! * What is there and cannot be read is an error for every device that needs it.

use std::{collections::BTreeMap, fmt};

use bytes::Bytes;
use contract::DeviceConfiguration;
use manifests::{Key, Kind, kinds::Secret};
use sha256::Hashing;

use crate::{
    catalogue::{Catalogue, Subject},
    fault::{Fault, Refusal, Trouble},
    render::Rendering,
    settings::Settings,
    workloads::{Candidate, State},
};

/// Label that names a device's set.
const MEMBER_OF: &str = "flotta/member-of";

/// A device's configuration. `Debug` does not show its segments: Secrets are in them.
#[derive(Clone)]
pub struct Assembly {
    /// Equal for two configurations if and only if the agent finds them equal: 64 hexadecimal
    /// digits.
    pub version: String,
    /// The period of heartbeats in it, in seconds, as it is on the wire.
    pub period_seconds: i64,
    /// Joined they are the JSON of [`contract::DeviceConfigurationEnvelope`]; those of workloads
    /// are shared.
    pub segments: Vec<Bytes>,
    /// The workloads in it.
    pub workloads: Vec<Delivered>,
    /// What is wrong with it although it can be delivered.
    pub faults: Vec<Fault>,
    /// Something was left out, because the device never reported it.
    pub depends_on_reports: bool,
    own_bytes: usize,
}

impl fmt::Debug for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly")
            .field("version", &self.version)
            .field("workloads", &self.workloads)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

/// A workload in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its name.
    pub name: String,
    /// It is in its last good form, since it cannot be rendered now.
    pub stale: bool,
}

impl Assembly {
    /// How many bytes of the segments are this device's alone.
    pub fn own_bytes(&self) -> usize {
        self.own_bytes
    }
}

impl Catalogue {
    /// The configuration of a device, or why it gets none.
    pub fn assemble(&self, subject: &Subject<'_>) -> Result<Assembly, Refusal> {
        let namespace = subject.namespace.as_str();
        let key = Key::new(Kind::EdgeDevice, namespace, subject.id.as_str());
        if let Some((workload, trouble)) = self.unclear(namespace) {
            return Err(trouble.refusal(workload));
        }
        let mut faults = Vec::new();
        let configuration = self.settings(subject, &key, &mut faults);
        let chosen = self.choose(subject, &mut faults);
        // What the server cannot read comes first.
        if let Err(refusal) = &chosen
            && refusal.server_fault
        {
            return Err(refusal.clone());
        }
        let configuration = configuration?;
        let (chosen, left_out) = chosen?;
        let period_seconds = configuration
            .heartbeat
            .as_ref()
            .map_or(0, |heartbeat| heartbeat.period_seconds);
        let secrets = secrets(&chosen);
        write(subject, &configuration, period_seconds, &chosen, &secrets).map(|mut assembly| {
            assembly.faults = faults;
            assembly.depends_on_reports = left_out;
            assembly
        })
    }

    fn settings(
        &self,
        subject: &Subject<'_>,
        key: &Key,
        faults: &mut Vec<Fault>,
    ) -> Result<DeviceConfiguration, Refusal> {
        let namespace = subject.namespace.as_str();
        let refused = |trouble: Trouble| trouble.refusal(key);
        let document = match self.device(namespace, subject.id.as_str()) {
            Some((_, device)) => Some(device.as_ref().map_err(|trouble| refused(trouble.clone()))?),
            None => None,
        };
        let set = match subject.labels.get(MEMBER_OF) {
            None => None,
            Some(name) => {
                let set = self.sets.get(namespace, name, &self.objects).map_err(refused)?;
                if set.is_none() {
                    let missing =
                        format!("EdgeDeviceSet {namespace}/{name} that the device is a member of is missing");
                    let trouble = Trouble::new("SetMissing", missing);
                    faults.push(trouble.fault(key, "the device's own settings count"));
                }
                set
            }
        };
        let of_device;
        let settings = match (set, document) {
            (Some(set), _) => set,
            (None, Some(device)) => {
                of_device = Settings::read(&device.spec, namespace, &self.objects);
                &of_device
            }
            (None, None) => &self.defaults,
        };
        let claim = document.map_or("", |device| device.status.data_obc.as_str());
        settings
            .configuration(claim, namespace, &self.objects, |trouble| {
                faults.push(trouble.fault(key, "the device gets no storage"));
            })
            .map_err(refused)
    }

    /// The workloads to deliver, and whether one is left out.
    fn choose(
        &self,
        subject: &Subject<'_>,
        faults: &mut Vec<Fault>,
    ) -> Result<(Vec<Chosen<'_>>, bool), Refusal> {
        let mut chosen = Vec::new();
        let mut broken: Vec<(&Candidate, &Trouble)> = Vec::new();
        let mut refused = None;
        for candidate in self.candidates(subject) {
            match &candidate.state {
                State::Good(rendering) => chosen.push(Chosen {
                    rendering,
                    stale: false,
                }),
                State::Stale(_, trouble) | State::Broken(trouble) if self.policy.strict => {
                    refused.get_or_insert_with(|| trouble.refusal(&candidate.key));
                }
                State::Stale(rendering, trouble) => {
                    faults.push(trouble.fault(&candidate.key, "it is delivered in its last good form"));
                    chosen.push(Chosen {
                        rendering,
                        stale: true,
                    });
                }
                State::Broken(trouble) => broken.push((candidate, trouble)),
                State::Unreadable(trouble) => return Err(trouble.refusal(&candidate.key)),
            }
        }
        if let Some(refusal) = refused {
            return Err(refusal);
        }
        for (candidate, trouble) in &broken {
            if chosen.is_empty() || (subject.reported)(&candidate.key.name) {
                return Err(trouble.refusal(&candidate.key));
            }
            faults.push(trouble.fault(
                &candidate.key,
                "the device never had it and gets it when that is fixed",
            ));
        }
        Ok((chosen, !broken.is_empty()))
    }
}

struct Chosen<'a> {
    rendering: &'a Rendering,
    stale: bool,
}

/// The Secrets of the chosen workloads. All have the present values (see
/// [`Rendering::with_present_secrets`]); a last good form may have keys beside them that its Secret
/// has lost.
fn secrets(chosen: &[Chosen<'_>]) -> BTreeMap<String, Secret> {
    let mut secrets: BTreeMap<String, Secret> = BTreeMap::new();
    for (name, secret) in chosen.iter().flat_map(|workload| &workload.rendering.secrets) {
        let kept = secrets.entry(name.clone()).or_default();
        for (key, value) in &secret.data {
            kept.data.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    secrets
}

fn write(
    subject: &Subject<'_>,
    configuration: &DeviceConfiguration,
    period_seconds: i64,
    chosen: &[Chosen<'_>],
    secrets: &BTreeMap<String, Secret>,
) -> Result<Assembly, Refusal> {
    let failed = |error: serde_json::Error| Refusal {
        reason: "NotWritable",
        message: format!("the configuration cannot be written as JSON: {error}"),
        server_fault: true,
    };
    let settings = serde_json::to_vec(configuration).map_err(failed)?;
    let secrets: Vec<contract::Secret> = secrets
        .iter()
        .map(|(name, secret)| {
            Ok(contract::Secret {
                name: name.clone(),
                data: serde_json::to_string(&secret.data)?.into(),
            })
        })
        .collect::<Result<_, serde_json::Error>>()
        .map_err(failed)?;
    let secrets_json = serde_json::to_vec(&secrets).map_err(failed)?;
    let version = version(&settings, chosen, &secrets_json);

    let id = serde_json::to_string(subject.id.as_str()).map_err(failed)?;
    let mut head = format!(
        "{{\"device-configuration\":{{\"device_id\":{id},\"version\":\"{version}\",\"configuration\":"
    )
    .into_bytes();
    head.extend_from_slice(&settings);
    let mut tail = Vec::new();
    if !secrets.is_empty() {
        tail.extend_from_slice(b",\"secrets\":");
        tail.extend_from_slice(&secrets_json);
    }
    tail.extend_from_slice(b"}}");
    let own_bytes = head.len() + tail.len();
    let mut segments = vec![Bytes::from(head)];
    for (index, workload) in chosen.iter().enumerate() {
        let before: &'static [u8] = if index == 0 { b",\"workloads\":[" } else { b"," };
        segments.push(Bytes::from_static(before));
        segments.push(workload.rendering.json.clone());
    }
    if !chosen.is_empty() {
        segments.push(Bytes::from_static(b"]"));
    }
    segments.push(Bytes::from(tail));
    Ok(Assembly {
        version,
        period_seconds,
        segments,
        workloads: chosen
            .iter()
            .map(|workload| Delivered {
                name: workload.rendering.workload.name.clone(),
                stale: workload.stale,
            })
            .collect(),
        faults: Vec::new(),
        depends_on_reports: false,
        own_bytes,
    })
}

/// The digest of what the agent compares (`agent-behaviour`: the settings deeply, workloads and
/// secrets as sets by name). Workloads and secrets are sorted by name, and each part is preceded by
/// its length, so that no two contents run together.
fn version(settings: &[u8], chosen: &[Chosen<'_>], secrets: &[u8]) -> String {
    let mut hash = Hashing::default();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(settings);
    for workload in chosen {
        part(workload.rendering.digest.as_bytes());
    }
    part(b"secrets");
    part(secrets);
    hash.finish().to_string()
}
