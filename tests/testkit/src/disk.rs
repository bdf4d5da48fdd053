//! A disk that is small enough to be filled.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// A file system of its own, in memory; unmounted when dropped. Only root can mount one.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one of so many mebibytes.
    pub fn mount(mebibytes: u32) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("flotta-disk-").tempdir()?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(folder.path());
        let status = mount.status().context("cannot run mount")?;
        ensure!(status.success(), "mount failed ({status})");
        Ok(Self { folder })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all room that is left, or has become free since.
    pub fn fill(&self) -> Result<()> {
        let mut options = File::options();
        let mut filler = options
            .create(true)
            .append(true)
            .open(self.path().join("filler"))?;
        // Ends with an error, and that is what it is for.
        while filler.write_all(&[0; 4096]).is_ok() {}
        Ok(())
    }

    /// Gives back what [`SmallDisk::fill`] took.
    pub fn make_room(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.path().join("filler"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file open there keeps it until it ends.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}
