//! The manifests of the example: copied into its folder once, so that they can be changed there and
//! the change be watched.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};

const FILES: [(&str, &str); 3] = [
    ("pumps.yaml", include_str!("../manifests/pumps.yaml")),
    ("cameras.yaml", include_str!("../manifests/cameras.yaml")),
    ("plant-2.yaml", include_str!("../manifests/plant-2.yaml")),
];

/// What the server is configured with.
#[derive(Debug)]
pub(crate) struct Manifests {
    /// The folder of manifests.
    pub(crate) folder: PathBuf,
    /// The key that Secrets are encrypted with.
    pub(crate) keys: PathBuf,
}

impl Manifests {
    /// Those in `data`, or copies of the example's and a new key.
    pub(crate) fn load_or_copy(data: &Path) -> Result<Self> {
        let manifests = Self {
            folder: data.join("manifests"),
            keys: data.join("secret-keys"),
        };
        if !manifests.folder.exists() {
            fs::create_dir_all(&manifests.folder)
                .with_context(|| format!("cannot make the folder {}", manifests.folder.display()))?;
            for (name, text) in FILES {
                fs::write(manifests.folder.join(name), text)?;
            }
        }
        if !manifests.keys.exists() {
            let mut key = [0; 32];
            File::open("/dev/urandom")?.read_exact(&mut key)?;
            let line = format!("example {}\n", STANDARD.encode(key));
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&manifests.keys)?
                .write_all(line.as_bytes())?;
        }
        Ok(manifests)
    }
}
