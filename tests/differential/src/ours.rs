//! Our side: the server with the same objects as manifests, and the real Edge API with the server
//! as its backend.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::caller::{Caller, Connections};
use testkit::edge_api::EdgeApi;
use testkit::server::{Server, Settings};

use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::flotta::{Cluster, Member};
use crate::pool::{self, AsyncWork};
use crate::yaml;

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
        Self::start_with(cluster, fleets, world, |settings| settings).await
    }

    /// The same with other settings of the server.
    pub async fn start_with(
        cluster: &Cluster,
        fleets: &[Arc<Fleet>],
        world: &[Value],
        change: impl FnOnce(Settings) -> Settings,
    ) -> Result<Self> {
        let mut ours = Self::launch(cluster, fleets, world, change).await?;
        ours.server.wait_until_ready().await?;
        Ok(ours)
    }

    /// Starts both and does not wait until the server is ready: with objects that it refuses it
    /// never is.
    pub async fn launch(
        cluster: &Cluster,
        fleets: &[Arc<Fleet>],
        world: &[Value],
        change: impl FnOnce(Settings) -> Settings,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("flotta-ours-").tempdir()?;
        let manifests = folder.path().join("manifests");
        write_manifests(&manifests, fleets, world)?;
        let settings = Settings::new(folder.path())
            .flags(["--manifests", path_text(&manifests)?])
            // Files are put in their places as a whole.
            .flags(["--settle-removals", "1s"]);
        let server = Server::launch(change(settings))?;
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

    /// Makes devices of the fleets known: each enrols, is approved on the spot, and registers the
    /// key of its certificate.
    pub async fn enrol(&self, devices: &[Member]) -> Result<()> {
        let address = self.server.device_plane();
        let caller = move || Caller::plain(address, Connections::KeptAlive);
        pool::each(devices.to_vec(), caller, EnrolOne { registers: true }).await?;
        Ok(())
    }

    /// Each device asks to join, and waits: nobody is approved before manifests were taken over.
    pub async fn ask_to_join(&self, devices: &[Member]) -> Result<()> {
        let address = self.server.device_plane();
        let caller = move || Caller::plain(address, Connections::KeptAlive);
        pool::each(devices.to_vec(), caller, EnrolOne { registers: false }).await?;
        Ok(())
    }
}

#[derive(Clone)]
struct EnrolOne {
    registers: bool,
}

impl AsyncWork<Member, Caller, ()> for EnrolOne {
    async fn call(&self, device: Member, caller: &mut Caller) -> Result<()> {
        let (namespace, id) = (device.fleet.namespace.as_str(), device.id.as_str());
        let hardware = device.fleet.hardware.get(id).cloned().unwrap_or_default();
        let body = json!({"target_namespace": namespace, "features": {"hardware": hardware}});
        let answer = caller.enrol(namespace, id, &body).await?;
        ensure!(
            matches!(answer.status, 200 | 201),
            "the enrolment of {id} was answered {}",
            answer.status
        );
        if !self.registers {
            return Ok(());
        }
        let request = device.certificate.key().certificate_request(id)?;
        let body = json!({"hardware": hardware, "certificate_request": request});
        let answer = caller.register(namespace, id, &body).await?;
        ensure!(
            answer.status == 200,
            "the registration of {id} was answered {}",
            answer.status
        );
        Ok(())
    }
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str()
        .context("a temporary folder has a name of plain text")
}

/// Writes one file per fleet, in one of the forms that people and tools write manifests in.
pub fn write_manifests(folder: &Path, fleets: &[Arc<Fleet>], world: &[Value]) -> Result<()> {
    fs::create_dir_all(folder)?;
    write_fleets(folder, fleets)?;
    let (text, extension) = text_of(world, &mut Dice::new(0, 0))?;
    put_in_place(folder, &format!("world.{extension}"), &text)
}

/// Writes these fleets' files and leaves all others as they are.
pub fn write_fleets(folder: &Path, fleets: &[Arc<Fleet>]) -> Result<()> {
    for fleet in fleets {
        put_in_place(folder, &file_of(fleet)?, &written(fleet)?.0)?;
    }
    Ok(())
}

/// What the file of a fleet is called.
pub fn file_of(fleet: &Fleet) -> Result<String> {
    Ok(format!("{}.{}", fleet.namespace, written(fleet)?.1))
}

/// As a whole: a server that reads meanwhile finds the old text or the new one.
fn put_in_place(folder: &Path, name: &str, text: &str) -> Result<()> {
    let draft = folder.join(".draft");
    fs::write(&draft, text)?;
    fs::rename(draft, folder.join(name))?;
    Ok(())
}

/// A fleet as a text, in the form that follows from its number, and what a file of this form is
/// called.
pub fn written(fleet: &Fleet) -> Result<(String, &'static str)> {
    text_of(&fleet.objects, &mut Dice::new(fleet.seed, fleet.number))
}

fn text_of(objects: &[Value], dice: &mut Dice) -> Result<(String, &'static str)> {
    Ok(match dice.count(0..4) {
        0 => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            (serde_json::to_string_pretty(&list)?, "json")
        }
        1 => {
            let documents = objects
                .iter()
                .map(|object| format!("---\n{}\n", yaml::flow(object)));
            (documents.collect(), "yaml")
        }
        _ => {
            let documents = objects
                .iter()
                .map(|object| format!("---\n{}", yaml::block(object)));
            (documents.collect(), "yml")
        }
    })
}
