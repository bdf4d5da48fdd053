//! The devices of the example, together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::caller::{Caller, Connections};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::certificates::Certificates;
use crate::device::{Counts, Device, Story};
use crate::record::{Record, Stage};
use crate::server::{Administrator, Server};
use crate::settled::Settled;

/// Id, namespace, and what is told with it.
const MEMBERS: [(&str, &str, Story); 7] = [
    ("pump-1", "default", Story::Ordinary),
    ("pump-2", "default", Story::Ordinary),
    ("camera-gate", "default", Story::Ordinary),
    ("sensor-roof", "plant-2", Story::Ordinary),
    ("sensor-cellar", "plant-2", Story::Ordinary),
    ("kiosk-lobby", "default", Story::Removed),
    ("drone-7", "default", Story::Unknown),
];

/// All devices, first at rest, then each on its own.
#[derive(Debug)]
pub(crate) struct Fleet {
    resting: Vec<Device>,
    running: JoinSet<Result<Record>>,
    stop: watch::Sender<bool>,
    counts: Arc<Counts>,
    administrator: Administrator,
    folder: PathBuf,
    is_new: bool,
}

impl Fleet {
    /// The devices recorded in `data`, or new ones.
    pub(crate) fn load_or_make(data: &Path, server: &Server, certificates: &Certificates) -> Result<Self> {
        let folder = data.join("devices");
        let is_new = !folder.exists();
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let counts = Arc::new(Counts::default());
        let administrator = server.administrator();
        let mut resting = Vec::new();
        for (id, namespace, story) in MEMBERS {
            let mut record = Record::load_or_new(&folder, id, namespace)?;
            let story = if is_new { story } else { Story::Ordinary };
            if story == Story::Unknown {
                record.stage = Stage::Running;
                record.namespace = Some(namespace.to_owned());
            }
            record.save()?;
            let caller = Caller::mutual(
                server.device_plane(),
                certificates.roots.clone(),
                &certificates.host,
                Connections::KeptAlive,
            )?;
            resting.push(Device::new(
                record,
                story,
                caller,
                administrator.clone(),
                Arc::clone(&counts),
            ));
        }
        let (stop, _) = watch::channel(false);
        Ok(Self {
            resting,
            running: JoinSet::new(),
            stop,
            counts,
            administrator,
            folder,
            is_new,
        })
    }

    /// What each device remembers.
    pub(crate) fn records(&self) -> Result<Vec<Record>> {
        MEMBERS
            .iter()
            .map(|(id, namespace, _)| Record::load_or_new(&self.folder, id, namespace))
            .collect()
    }

    /// Says what was found or made, and what can be tried.
    pub(crate) fn introduce(&self, settled: &Settled, server: &Server) {
        if self.is_new {
            println!(
                "This is a new fleet of {} simulated devices. Their calls are made as the Edge API makes them.",
                MEMBERS.len()
            );
        } else {
            println!("The fleet of the last run was found. {settled}");
        }
        println!("\nTry in another terminal:");
        for (args, what) in [
            ("device list", "the fleet"),
            ("device show pump-1", "one device with its events"),
            ("device configuration pump-1", "what it is configured with"),
            ("workload list", "how far the workloads have reached the devices"),
            (
                "device label camera-gate line=press",
                "give a device a label, and see with 'workload list' what it gets by it",
            ),
            (
                "device approve kiosk-lobby",
                "let a device in that was removed and came back",
            ),
            (
                "device strays",
                "ids that speak to the server and are not known: drone-7 was lost from the store",
            ),
            (
                "device adopt drone-7",
                "make it a device again, without a disconnect",
            ),
            (
                "device release drone-7",
                "send the adopted device its configuration",
            ),
            (
                "device delete pump-2",
                "remove one, and watch it leave and come back",
            ),
        ] {
            println!("  # {what}\n  {}", server.command(args));
        }
        println!("\nCtrl-C stops everything. What happens:");
    }

    /// Starts all devices.
    pub(crate) fn start(&mut self) {
        for device in self.resting.drain(..) {
            self.running.spawn(device.live(self.stop.subscribe()));
        }
    }

    /// One line about the fleet, as an administrator sees it.
    pub(crate) async fn print_status(&self) -> Result<()> {
        let administrator = self.administrator.clone();
        let (devices, strays) = tokio::task::spawn_blocking(move || {
            anyhow::Ok((
                administrator.device(&["list"])?,
                administrator.device(&["strays"])?,
            ))
        })
        .await??;
        let count = |list: &Value, holds: &dyn Fn(&Value) -> bool| {
            list.as_array()
                .map_or(0, |list| list.iter().filter(|entry| holds(entry)).count())
        };
        let online = count(&devices, &|device| {
            device["state"]["phase"] == "approved" && device["connectivity"] == "Online"
        });
        let waiting = count(&devices, &|device| device["state"]["phase"] == "waiting");
        let unknown = count(&strays, &|stray| stray["phase"].is_null());
        println!(
            "{}  {online} online, {waiting} waiting for approval, {unknown} unknown; {} requests answered, {} not",
            jiff::Timestamp::now().strftime("%H:%M:%S UTC"),
            self.counts.answered.load(Ordering::Relaxed),
            self.counts.unanswered.load(Ordering::Relaxed),
        );
        Ok(())
    }

    /// Lets each device finish what it does, and stops it.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        self.stop.send_replace(true);
        while let Some(ended) = self.running.join_next().await {
            ended??;
        }
        Ok(())
    }
}
