//! Flotta's side: a real API server with the objects in it, and the real Edge API with its CRD
//! backend.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::{Value, json};
use testkit::control_plane::ControlPlane;
use testkit::device::{Device, Provisioning};
use testkit::edge_api::EdgeApi;
use testkit::flotta_kinds;
use testkit::kubernetes::{Client, PatchKind, Session};
use testkit::pki::{Identity, Profile};

use crate::fleet::{Fleet, key, status};
use crate::pool::{self, AsyncWork};

/// A cluster with Flotta's kinds.
#[derive(Debug)]
pub struct Cluster {
    /// The API server.
    pub control_plane: ControlPlane,
    /// Flotta's CA and host certificate.
    pub flotta: testkit::edge_api::Flotta,
}

/// An object that the API server did not take.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// Index of the fleet.
    pub fleet: usize,
    /// Kind and name.
    pub key: (String, String),
    /// What the API server says.
    pub reason: String,
}

impl Cluster {
    /// Starts one.
    pub async fn start() -> Result<Self> {
        let control_plane = ControlPlane::start().await?;
        flotta_kinds::install(control_plane.client()).await?;
        let flotta = testkit::edge_api::Flotta::prepare(&control_plane).await?;
        Ok(Self {
            control_plane,
            flotta,
        })
    }

    /// Puts fleets in, each in its namespace. With `workloads` each device is given these, as the
    /// operator would; objects that must be refused go in as well and stay unselected.
    pub async fn put(&self, fleets: &[Arc<Fleet>], workloads: Selection) -> Result<Vec<Rejected>> {
        let items = fleets.iter().cloned().enumerate().collect();
        let client = self.control_plane.client().clone();
        let rejected = pool::each(items, || client.session(), Put(workloads)).await?;
        Ok(rejected.into_iter().flatten().collect())
    }

    /// Puts in what is outside of all fleets.
    pub async fn put_world(&self, objects: &[Value]) -> Result<()> {
        let client = self.control_plane.client();
        for object in objects {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            client.create_namespace(namespace).await?;
            client.create(&collection(object)?, object).await?;
        }
        Ok(())
    }

    /// Makes objects that are there into those of the same fleets at a later time; what is gone
    /// then is deleted.
    pub async fn change(&self, before: &[Arc<Fleet>], now: &[Arc<Fleet>]) -> Result<()> {
        let pairs = before.iter().cloned().zip(now.iter().cloned()).collect();
        let client = self.control_plane.client().clone();
        pool::each(pairs, || client.session(), Change).await?;
        Ok(())
    }

    /// Starts an Edge API with the CRD backend. It reads what is there when it is first asked.
    pub async fn edge_api(&self) -> Result<EdgeApi> {
        EdgeApi::with_settings(&self.control_plane, &[("BACKEND", "crd")], None).await
    }

    /// The devices of fleets, each with a certificate.
    pub fn members(&self, fleets: &[Arc<Fleet>]) -> Result<Vec<Member>> {
        let devices = fleets
            .iter()
            .flat_map(|fleet| fleet.devices().into_iter().map(move |id| (fleet, id)));
        devices
            .map(|(fleet, id)| {
                let profile = Profile::device(&id, &fleet.namespace);
                Ok(Member {
                    certificate: self.flotta.authority.issue(&profile)?,
                    fleet: fleet.clone(),
                    id,
                })
            })
            .collect()
    }

    /// Changes what a device runs; the resource version that this gives.
    pub async fn set_workloads(&self, fleet: &Fleet, id: &str, workloads: &[String]) -> Result<String> {
        let client = self.control_plane.client();
        let device = fleet.object("EdgeDevice", id).context("a device has an object")?;
        let path = format!("{}/{id}/status", collection(device)?);
        let change = json!({"status": status(device, workloads)});
        let answer = client.patch(&path, PatchKind::Merge, &change).await?;
        let object = answer.json()?;
        let version = object["metadata"]["resourceVersion"].as_str();
        Ok(version
            .with_context(|| format!("no resource version in {object}"))?
            .to_owned())
    }
}

/// Whether devices are given the workloads that they should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// As the operator should do it.
    Given,
    /// The operator does it itself.
    LeftToOperator,
}

#[derive(Clone)]
struct Put(Selection);

impl AsyncWork<(usize, Arc<Fleet>), Session, Vec<Rejected>> for Put {
    async fn call(&self, (index, fleet): (usize, Arc<Fleet>), api: &mut Session) -> Result<Vec<Rejected>> {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": fleet.namespace}});
        expect(api, "/api/v1/namespaces", &namespace).await?;
        let mut rejected = Vec::new();
        // The operator finds devices for a workload and not the other way round, so they come
        // first.
        let mut objects: Vec<&Value> = fleet.objects.iter().collect();
        objects.sort_by_key(|object| key(object).0 == "EdgeWorkload");
        for refused in &fleet.refused {
            let mut object = refused.object.clone();
            object["metadata"]["namespace"] = json!(fleet.namespace);
            expect(api, &collection(&object)?, &object).await?;
        }
        for object in objects {
            let answer = api.call(Method::POST, &collection(object)?, Some(object)).await?;
            match answer.status {
                201 => {}
                400 | 422 => {
                    let (kind, name) = key(object);
                    rejected.push(Rejected {
                        fleet: index,
                        key: (kind.to_owned(), name.to_owned()),
                        reason: answer.text(),
                    });
                    continue;
                }
                status => bail!("{} was answered {status}: {}", object, answer.text()),
            }
            if key(object).0 == "EdgeDevice" {
                let id = key(object).1;
                let workloads = match self.0 {
                    Selection::Given => crate::selection::select(&fleet, id),
                    Selection::LeftToOperator => Vec::new(),
                };
                let mut full = answer.json()?;
                full["status"] = status(object, &workloads);
                for (label, value) in fleet.labels(id) {
                    full["metadata"]["labels"][label] = json!(value);
                }
                self.finish(api, &collection(object)?, id, &full).await?;
            }
        }
        Ok(rejected)
    }
}

impl Put {
    /// Gives a device its hardware labels and its status.
    async fn finish(&self, api: &mut Session, collection: &str, id: &str, full: &Value) -> Result<()> {
        let labels = json!({"metadata": {"labels": full["metadata"]["labels"]}});
        let path = format!("{collection}/{id}");
        let status = json!({"status": full["status"]});
        for (path, change) in [(path.clone(), labels), (format!("{path}/status"), status)] {
            let answer = api.patch(&path, PatchKind::Merge, &change).await?;
            if answer.status != 200 {
                bail!(
                    "patching {path} was answered {}: {}",
                    answer.status,
                    answer.text()
                );
            }
        }
        Ok(())
    }
}

#[derive(Clone)]
struct Change;

impl AsyncWork<(Arc<Fleet>, Arc<Fleet>), Session, ()> for Change {
    async fn call(&self, (before, now): (Arc<Fleet>, Arc<Fleet>), api: &mut Session) -> Result<()> {
        for old in &before.objects {
            let (kind, name) = key(old);
            let place = format!("{}/{name}", collection(old)?);
            let answer = match now.object(kind, name) {
                None => api.call(Method::DELETE, &place, None).await?,
                Some(new) if new == old => continue,
                Some(new) => {
                    api.patch(&place, PatchKind::Merge, &merge_patch(old, new))
                        .await?
                }
            };
            if answer.status >= 300 {
                bail!(
                    "changing {place} was answered {}: {}",
                    answer.status,
                    answer.text()
                );
            }
        }
        Ok(())
    }
}

/// The patch of RFC 7386 that makes one object of another.
fn merge_patch(old: &Value, new: &Value) -> Value {
    let (Value::Object(before), Value::Object(now)) = (old, new) else {
        return new.clone();
    };
    let gone = before.keys().filter(|key| !now.contains_key(*key));
    let gone = gone.map(|key| (key.clone(), Value::Null));
    let changed = now.iter().filter(|(key, value)| before.get(*key) != Some(value));
    let changed = changed.map(|(key, value)| {
        let value = before
            .get(key)
            .map_or_else(|| value.clone(), |before| merge_patch(before, value));
        (key.clone(), value)
    });
    gone.chain(changed).collect()
}

async fn expect(api: &mut Session, collection: &str, object: &Value) -> Result<()> {
    let answer = api.call(Method::POST, collection, Some(object)).await?;
    if answer.status != 201 {
        bail!("{object} was answered {}: {}", answer.status, answer.text());
    }
    Ok(())
}

/// The path of the collection that an object is created in.
pub fn collection(object: &Value) -> Result<String> {
    let plural = match key(object).0 {
        "ConfigMap" => "configmaps",
        "EdgeConfig" => "edgeconfigs",
        "EdgeDevice" => "edgedevices",
        "EdgeDeviceSet" => "edgedevicesets",
        "EdgeWorkload" => "edgeworkloads",
        "ObjectBucketClaim" => "objectbucketclaims",
        "Route" => "routes",
        "Secret" => "secrets",
        other => bail!("no kind {other} here"),
    };
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let root = if version.contains('/') { "apis" } else { "api" };
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    Ok(format!("/{root}/{version}/namespaces/{namespace}/{plural}"))
}

/// Reads objects as a cluster keeps them.
pub async fn list(client: &Client, path: &str) -> Result<Vec<Value>> {
    let answer = client.call(Method::GET, path, None).await?;
    if answer.status != 200 {
        bail!("{path} was answered {}: {}", answer.status, answer.text());
    }
    let list = answer.json()?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

/// What a device gets when it polls its configuration.
#[derive(Debug, Clone, PartialEq)]
pub enum Polled {
    /// A configuration.
    Configuration(Value),
    /// Another status than 200.
    Refused(u16),
    /// No answer: the request's handler crashed.
    Crashed,
}

/// A device with the certificate that a registration gives it.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its fleet.
    pub fleet: Arc<Fleet>,
    /// Its id.
    pub id: String,
    /// Its certificate.
    pub certificate: Identity,
}

/// Lets devices poll once, all at the same Edge API.
pub async fn poll(provisioning: &Provisioning, devices: &[Member]) -> Result<Vec<Polled>> {
    pool::each(devices.to_vec(), || (), PollOnce(provisioning.clone())).await
}

#[derive(Clone)]
struct PollOnce(Provisioning);

impl AsyncWork<Member, (), Polled> for PollOnce {
    async fn call(&self, member: Member, (): &mut ()) -> Result<Polled> {
        let mut device = Device::new(member.id, self.0.clone()).holding(member.certificate);
        polled(device.poll_data().await)
    }
}

/// What an answer means to the device.
pub fn polled(answer: Result<testkit::http_client::Answer>) -> Result<Polled> {
    Ok(match answer {
        Ok(answer) if answer.status == 200 => Polled::Configuration(answer.json()?["content"].take()),
        Ok(answer) => Polled::Refused(answer.status),
        Err(_) => Polled::Crashed,
    })
}
