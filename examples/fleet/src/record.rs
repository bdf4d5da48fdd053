//! What a simulated device remembers, in a file of its own: where it is in its life, its key, and
//! what was acknowledged to it. A real one has the same in yggdrasil's configuration folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use testkit::pki::{Key, KeyKind, replace_file};

/// Where a device is in its life, as far as it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// It wants to join and has not been let in.
    Enrolling,
    /// It was let in and has no certificate yet.
    Registering,
    /// It polls and reports.
    Running,
    /// It was told to disconnect and is silent until its daemon is restarted.
    Disconnected,
}

/// One device's memory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its id.
    pub(crate) id: String,
    /// The namespace it asks for.
    pub(crate) wants: String,
    /// Where it is in its life.
    pub(crate) stage: Stage,
    /// The namespace in its certificate; none before it has one.
    pub(crate) namespace: Option<String>,
    /// Its private key, PEM.
    key: String,
    /// Whether a registration with the key was acknowledged.
    pub(crate) registered: bool,
    /// How many reports, each with one event, were acknowledged.
    pub(crate) reports: u64,
    /// When the last of them was, Unix time in seconds.
    pub(crate) reported: u64,
    /// Names of the playbooks that it ran.
    #[serde(default)]
    pub(crate) played: Vec<String>,
    #[serde(skip)]
    path: PathBuf,
}

impl Record {
    /// The record in `folder`, or that of a device that was never started.
    pub(crate) fn load_or_new(folder: &Path, id: &str, wants: &str) -> Result<Self> {
        let path = folder.join(format!("{id}.json"));
        if !path.exists() {
            return Ok(Self {
                id: id.to_owned(),
                wants: wants.to_owned(),
                stage: Stage::Enrolling,
                namespace: None,
                key: Key::generate(KeyKind::P256)?.pkcs8_pem(),
                registered: false,
                reports: 0,
                reported: 0,
                played: Vec::new(),
                path,
            });
        }
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let record: Self = serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} is not a device's record; remove it to start that device anew",
                path.display()
            )
        })?;
        Ok(Self { path, ..record })
    }

    /// Its key.
    pub(crate) fn key(&self) -> Result<Key> {
        Key::from_pem(&self.key)
    }

    /// Writes it down.
    pub(crate) fn save(&self) -> Result<()> {
        replace_file(&self.path, &serde_json::to_string_pretty(self)?)
    }
}
