//! Container images for a cluster: built here for a throwaway one, named by the user for one of theirs.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::script::{printed, script};

/// An image that a cluster needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Flotta's Edge API.
    EdgeApi,
    /// Our server.
    EdgeConfigServer,
    /// Our companion.
    FlottaCompanion,
}

impl Image {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::EdgeApi, Self::EdgeConfigServer, Self::FlottaCompanion];

    /// Its name, wherever it is kept.
    pub fn name(self) -> &'static str {
        match self {
            Self::EdgeApi => "edge-api",
            Self::EdgeConfigServer => "edge-config-server",
            Self::FlottaCompanion => "flotta-companion",
        }
    }

    /// Which variable of the environment names it for a cluster of the user's.
    fn variable(self) -> &'static str {
        match self {
            Self::EdgeApi => "IMAGE_EDGE_API",
            Self::EdgeConfigServer => "IMAGE_SERVER",
            Self::FlottaCompanion => "IMAGE_COMPANION",
        }
    }

    /// As a throwaway cluster knows it once it is loaded.
    pub(crate) fn built_reference(self) -> String {
        format!("flotta-companion.test/{}:1", self.name())
    }

    /// As the user has named it.
    pub(crate) fn users_reference(self) -> Result<String> {
        let variable = self.variable();
        env::var(variable).with_context(|| {
            format!(
                "{variable} is not set; name the image {} there as your cluster can pull it (make images builds it)",
                self.name()
            )
        })
    }
}

/// Builds what is missing and says where the archives are.
pub(crate) fn build(images: &[Image]) -> Result<Vec<PathBuf>> {
    let names: Vec<_> = images.iter().map(|image| image.name()).collect();
    let output = script("images/build.sh").args(&names).output()?;
    let text = printed("images/build.sh", output)?;
    let archives = text.lines().filter_map(|line| line.split_once('='));
    Ok(archives.map(|(_, archive)| PathBuf::from(archive)).collect())
}
