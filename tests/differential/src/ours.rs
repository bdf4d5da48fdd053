//! Our side: the server with the same objects as manifests, and the real Edge API with the server as its backend.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::caller::{Caller, Connections};
use testkit::edge_api::EdgeApi;
use testkit::pki::Identity;
use testkit::server::{Server, Settings};

use crate::dice::Dice;
use crate::flotta::Cluster;
use crate::fleet::Fleet;
use crate::pool::{self, AsyncWork};

/// A server that has read the fleets, and an Edge API in front of it.
#[derive(Debug)]
pub struct Ours {
    /// Flotta's Edge API.
    pub edge_api: EdgeApi,
    /// The server under test.
    pub server: Server,
    folder: TempDir,
}

impl Ours {
    /// Starts both. The server reads the fleets' objects, and those outside of all fleets.
    pub async fn start(cluster: &Cluster, fleets: &[Arc<Fleet>], world: &[Value]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("flotta-ours-").tempdir()?;
        let manifests = folder.path().join("manifests");
        write_manifests(&manifests, fleets, world)?;
        let settings = Settings::new(folder.path()).flags(["--manifests", path_text(&manifests)?]);
        let server = Server::start(settings).await?;
        let edge_api = EdgeApi::start(&cluster.control_plane, &server.backend_url(), None).await?;
        Ok(Self {
            edge_api,
            server,
            folder,
        })
    }

    /// Where the server reads its manifests.
    pub fn manifests(&self) -> std::path::PathBuf {
        self.folder.path().join("manifests")
    }

    /// Makes devices of the fleets known: each enrols, is approved on the spot, and registers the key of its certificate.
    pub async fn enrol(&self, devices: Vec<Enrol>) -> Result<()> {
        let address = self.server.device_plane();
        let caller = move || Caller::plain(address, Connections::KeptAlive);
        pool::each(devices, caller, EnrolOne).await?;
        Ok(())
    }
}

/// A device to enrol.
#[derive(Debug, Clone)]
pub struct Enrol {
    /// Its fleet.
    pub fleet: Arc<Fleet>,
    /// Its id.
    pub id: String,
    /// Its certificate.
    pub certificate: Identity,
}

#[derive(Clone)]
struct EnrolOne;

impl AsyncWork<Enrol, Caller, ()> for EnrolOne {
    async fn call(&self, device: Enrol, caller: &mut Caller) -> Result<()> {
        let (namespace, id) = (device.fleet.namespace.as_str(), device.id.as_str());
        let hardware = device.fleet.hardware.get(id).cloned().unwrap_or_default();
        let body = json!({"target_namespace": namespace, "features": {"hardware": hardware}});
        let answer = caller.enrol(namespace, id, &body).await?;
        ensure!(matches!(answer.status, 200 | 201), "the enrolment of {id} was answered {}", answer.status);
        let request = device.certificate.key().certificate_request(id)?;
        let body = json!({"hardware": hardware, "certificate_request": request});
        let answer = caller.register(namespace, id, &body).await?;
        ensure!(answer.status == 200, "the registration of {id} was answered {}", answer.status);
        Ok(())
    }
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("a temporary folder has a name of plain text")
}

/// Writes one file per fleet, in one of the forms that people and tools write manifests in.
pub fn write_manifests(folder: &Path, fleets: &[Arc<Fleet>], world: &[Value]) -> Result<()> {
    fs::create_dir_all(folder)?;
    for fleet in fleets {
        let (text, extension) = written(&fleet.objects, &mut Dice::new(fleet.seed, fleet.number))?;
        fs::write(folder.join(format!("{}.{extension}", fleet.namespace)), text)?;
    }
    let (text, extension) = written(world, &mut Dice::new(0, 0))?;
    fs::write(folder.join(format!("world.{extension}")), text)?;
    Ok(())
}

fn written(objects: &[Value], dice: &mut Dice) -> Result<(String, &'static str)> {
    Ok(match dice.count(0..4) {
        0 => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            (serde_json::to_string_pretty(&list)?, "json")
        }
        1 => {
            // Every JSON document is a YAML document.
            let documents = objects.iter().map(|object| format!("---\n{object}\n"));
            (documents.collect(), "yaml")
        }
        _ => {
            let mut text = String::new();
            for object in objects {
                text.push_str("---\n");
                text.push_str(&serde_yaml::to_string(object)?);
            }
            (text, "yml")
        }
    })
}
