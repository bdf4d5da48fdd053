//! What the companion does to the cluster in memory: what a [`plan::Plan`] says.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use plan::{
    Action, Memory, Plan,
    action::{CertificateWrite, How, Kind},
    api::{Phase, RemoteBackendStatus},
    memory::{Calls, Progress},
    names::SETTINGS_ANNOTATION,
    observed::{Dated, DeviceComparison, PodVerdict, ProbeOutcome},
};
use rustls_pki_types::ServerName;
use serde_json::{Value, json};

use super::{URL, World};
use crate::merge;

impl World {
    /// One round of the companion: look, decide, say, do.
    pub(crate) fn round(&mut self) -> Plan {
        let plan = plan::plan(&self.observe());
        let mut status = plan.status.clone();
        if self.without_sentences {
            silence(&mut status);
        }
        self.resource.status = Some(status);
        if let Some(action) = &plan.action {
            self.act(action);
        }
        self.settle();
        self.poll();
        plan
    }

    /// One in which the switch is verified.
    pub(crate) fn switched() -> Self {
        let mut world = Self::new();
        world.run(60);
        assert_eq!(world.phase(), Phase::Remote, "{:#?}", world.status());
        world.starts = 0;
        world
    }

    /// Rounds and time until nothing happens any more, or for `seconds`.
    pub(crate) fn run(&mut self, seconds: i64) {
        let end = self.now + SignedDuration::from_secs(seconds);
        let mut streak = 0;
        while self.now < end {
            let plan = self.round();
            if plan.wake.is_zero() {
                streak += 1;
                assert!(
                    streak < 60,
                    "it never rests: {:?}",
                    self.done.iter().rev().take(20).collect::<Vec<_>>()
                );
            } else {
                streak = 0;
                self.wait(i64::try_from(plan.wake.as_secs().max(1)).unwrap());
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each action")]
    pub(crate) fn act(&mut self, action: &Action) {
        self.done.push(action.name());
        let dated = |about: &str, now| Dated {
            at: now,
            about: about.to_owned(),
            value: (),
        };
        match action {
            Action::SetFinalizer(wanted) => {
                self.resource.metadata.finalizers =
                    wanted.then(|| vec!["companion.project-flotta.io/restore".to_owned()]);
            }
            Action::CheckRights => {
                self.evidence.rights = Some(Dated {
                    at: self.now,
                    about: String::new(),
                    value: self.missing_rights.clone(),
                });
            }
            Action::WriteServerSecret(write) => {
                let secret = self.server_secret.as_mut().unwrap();
                let mut data = BTreeMap::new();
                match &write.certificate {
                    CertificateWrite::Keep { chain, key } => {
                        data.insert("tls.crt", String::from_utf8(chain.clone()).unwrap());
                        data.insert("tls.key", String::from_utf8(key.clone()).unwrap());
                    }
                    CertificateWrite::Issue { names, .. } => {
                        let names: Vec<_> = names
                            .iter()
                            .map(|name| ServerName::try_from(name.clone()).unwrap())
                            .collect();
                        let ca = &self.ca.as_ref().unwrap()["data"];
                        let ca = pki::edge_api::Ca::accept(pki::edge_api::Pair {
                            certificate: ca["ca.crt"].as_str().map(str::as_bytes),
                            key: ca["ca.key"].as_str().map(str::as_bytes),
                        });
                        let identity = ca.unwrap().issuer().unwrap().server(&names, self.now).unwrap();
                        data.insert("tls.crt", identity.chain_pem());
                        data.insert("tls.key", identity.key_pem());
                    }
                    CertificateWrite::None => {}
                }
                data.insert("ca.crt", String::from_utf8(write.ca.clone()).unwrap());
                data.insert("pins", write.pins.clone());
                data.insert("admission", write.admission.clone());
                secret["data"] = json!(data);
                self.version += 1;
                secret["metadata"]["resourceVersion"] = json!(self.version.to_string());
            }
            Action::Nudge { pods, value } => {
                let data: BTreeMap<String, String> =
                    serde_json::from_value(self.server_secret.as_ref().unwrap()["data"].clone()).unwrap();
                for pod in &mut self.ours {
                    if pods.iter().any(|nudged| nudged.uid() == pod.uid) {
                        pod.nudge = Some(value.clone());
                        pod.loaded = data.clone();
                    }
                }
            }
            Action::CallBackend { about, url } => {
                let answers = !self.unreachable
                    && self.ours.iter().any(|pod| pod.up)
                    && (url == URL || self.answers_at.as_ref() == Some(url));
                let value = if answers {
                    Ok(())
                } else {
                    Err("the URL does not answer: connection refused".into())
                };
                let Dated { at, about, .. } = dated(about, self.now);
                self.evidence.backend = Some(Dated { at, about, value });
            }
            Action::CompareDevices { about, .. } => {
                let missing: Vec<_> = self.custom_resources.difference(&self.here).cloned().collect();
                let only: Vec<_> = self.here.difference(&self.custom_resources).cloned().collect();
                let value = if self.ours.iter().any(|pod| pod.up) {
                    Ok(DeviceComparison {
                        custom_resources: self.custom_resources.len() as u64,
                        here: self.here.len() as u64,
                        only_in_custom_resources: (missing.len() as u64, missing),
                        only_here: (only.len() as u64, only),
                    })
                } else {
                    Err("the server does not answer".into())
                };
                let Dated { at, about, .. } = dated(about, self.now);
                self.evidence.devices = Some(Dated { at, about, value });
            }
            Action::SavePrevious(document) => {
                if self.previous.is_none() {
                    let mut object = self.object("v1", "ConfigMap", "flotta-companion-previous");
                    object["data"] = document["data"].clone();
                    self.previous = Some(object);
                }
            }
            Action::Write(write) => {
                self.version += 1;
                let version = json!(self.version.to_string());
                let object = match write.kind {
                    Kind::ConfigMap => self.config.as_mut().unwrap(),
                    Kind::Deployment => self.deployment.as_mut().unwrap(),
                };
                let expected = &write.document["metadata"];
                assert_eq!(expected["uid"], object["metadata"]["uid"]);
                assert_eq!(expected["resourceVersion"], object["metadata"]["resourceVersion"]);
                let now = self.now.to_string();
                match write.how {
                    How::Apply { manager, .. } => merge::apply(object, &write.document, manager, &now),
                    How::StrategicMerge { manager } => {
                        merge::strategic(object, &write.document, manager, &now);
                    }
                }
                if write.kind == Kind::ConfigMap {
                    // Nobody else writes annotations here.
                    let annotation = &expected["annotations"][SETTINGS_ANNOTATION];
                    object["metadata"]["annotations"] = json!({});
                    if annotation.is_string() {
                        object["metadata"]["annotations"][SETTINGS_ANNOTATION] = annotation.clone();
                    }
                }
                prune(&mut object["spec"]);
                let generation = object["metadata"]["generation"].as_u64().unwrap();
                object["metadata"]["generation"] = json!(generation + 1);
                object["metadata"]["resourceVersion"] = version;
            }
            Action::Verify { about, pods, .. } => {
                let value = pods
                    .iter()
                    .map(|called| {
                        let (name, uid) = (called.pod.name(), called.pod.uid());
                        let pod = self.edge.iter().find(|pod| pod.uid == uid);
                        let outcome = match pod {
                            None => ProbeOutcome::Failed("it is gone".into()),
                            Some(pod) if pod.backend == "crd" => ProbeOutcome::Crd,
                            Some(pod) if self.reaches_us(pod) => ProbeOutcome::Remote {
                                from: Some(pki_key(&pod.host)),
                            },
                            Some(_) => ProbeOutcome::Failed("the backend did not answer".into()),
                        };
                        PodVerdict {
                            uid: uid.to_owned(),
                            name: name.to_owned(),
                            outcome,
                        }
                    })
                    .collect();
                self.evidence.verification = Some(Dated {
                    at: self.now,
                    about: about.clone(),
                    value,
                });
            }
            Action::DeletePrevious(_) => self.previous = None,
        }
    }
}

/// Replaces every sentence by the name of its reason, or a word.
fn silence(status: &mut RemoteBackendStatus) {
    for condition in &mut status.conditions {
        condition.message.clone_from(&condition.reason);
    }
    for sentence in std::iter::once(&mut status.next_action)
        .chain(&mut status.blocked_by)
        .chain(&mut status.warnings)
    {
        "sentence".clone_into(sentence);
    }
    let Ok(mut memory) = Memory::of(status) else {
        return;
    };
    match &mut memory.progress {
        Progress::RollingBack(rollback) => "sentence".clone_into(&mut rollback.why),
        Progress::Switched(switched) => {
            if let Some(rejected) = &mut switched.rejected {
                "sentence".clone_into(&mut rejected.why);
            }
            if let Calls::Failure { why, .. } = &mut switched.calls {
                "sentence".clone_into(why);
            }
        }
        Progress::NotSwitched | Progress::Switching(_) => {}
    }
    if let Some(failures) = &mut memory.failures {
        "sentence".clone_into(&mut failures.last);
    }
    memory.write(status);
}

fn pki_key(certificate: &str) -> String {
    let der = pki::pem::certificates(certificate.as_bytes()).unwrap().remove(0);
    pki::Certificate::parse(der).unwrap().facts().key.to_string()
}

/// Empty lists and maps are not kept by an API server.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, value| *value != json!([]) && *value != json!({}));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}
