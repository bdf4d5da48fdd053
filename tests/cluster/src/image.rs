//! Container images for a cluster: built here for a throwaway one, named by the user for one of
//! theirs.

use std::env;
use std::fs;
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

/// Names a file with what `images/build.sh` has printed. Clusters side by side are given the same
/// images by it, also when somebody changes a source meanwhile.
const BUILT: &str = "IMAGE_ARCHIVES";

/// Builds what is missing and says where the archives are.
pub(crate) fn build(images: &[Image]) -> Result<Vec<PathBuf>> {
    let names: Vec<_> = images.iter().map(|image| image.name()).collect();
    let text = match env::var_os(BUILT) {
        Some(file) => {
            fs::read_to_string(&file).with_context(|| format!("{BUILT} names {}", file.display()))?
        }
        None => printed(
            "images/build.sh",
            script("images/build.sh").args(&names).output()?,
        )?,
    };
    let archives = text.lines().filter_map(|line| line.split_once('='));
    let archive = |name: &str| archives.clone().find(|(image, _)| *image == name);
    let archives = names.iter().map(|name| {
        let (_, archive) = archive(name).with_context(|| format!("the image {name} was not built"))?;
        Ok(PathBuf::from(archive))
    });
    archives.collect()
}
