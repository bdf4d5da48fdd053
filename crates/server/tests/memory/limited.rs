//! The program as something starts it that limits its memory.

use std::{
    fmt, fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

const BINARY: &str = env!("CARGO_BIN_EXE_edge-config-server");

/// Where control groups are, by version: the folder and its file for the limit.
const PLACES: [(&str, &str); 2] = [
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
];

/// A program that runs in a control group of its own, or without one.
pub(crate) struct Limited {
    program: PathBuf,
    group: Result<PathBuf, String>,
}

impl Limited {
    /// With a limit of so many bytes.
    pub(crate) fn new(folder: &Path, limit: u64) -> Self {
        let name = format!("flotta-memory-{}-{}", std::process::id(), unique(folder));
        let mut reasons = Vec::new();
        for (place, file) in PLACES {
            match group(&Path::new(place).join(&name), file, limit) {
                Ok(group) => {
                    let program = script(folder, &group);
                    return Self {
                        program,
                        group: Ok(group),
                    };
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Self {
            program: BINARY.into(),
            group: Err(reasons.join("; ")),
        }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Ok(group) => write!(f, "the kernel enforces the limit ({})", group.display()),
            Err(reason) => write!(
                f,
                "no control group can be made here ({reason}); what is resident is compared with the limit afterwards"
            ),
        }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if let Ok(group) = &self.group {
            // Possible once the process has gone; a server is dropped before this.
            let _ = fs::remove_dir(group);
        }
    }
}

fn unique(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .replace('.', "")
}

fn group(path: &Path, file: &str, limit: u64) -> Result<PathBuf, String> {
    let failed = |what: &str, error: &std::io::Error| format!("{}: {what}: {error}", path.display());
    fs::create_dir(path).map_err(|error| failed("it cannot be made", &error))?;
    // The kernel fills a folder that is a group; in any other one a file would be made, and nothing
    // limited.
    let limited = fs::OpenOptions::new().write(true).open(path.join(file));
    let limited = limited.and_then(|mut limited| limited.write_all(limit.to_string().as_bytes()));
    if let Err(error) = limited {
        let _ = fs::remove_dir(path);
        return Err(failed(file, &error));
    }
    Ok(path.to_owned())
}

fn script(folder: &Path, group: &Path) -> PathBuf {
    let script = folder.join("limited");
    let procs = group.join("cgroup.procs");
    fs::write(
        &script,
        format!(
            "#!/bin/sh\necho $$ > '{}' && exec '{BINARY}' \"$@\"\n",
            procs.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    script
}
