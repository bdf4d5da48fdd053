//! The sources of settings, one above the other: command line, environment, file, defaults.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Args as _, parser::ValueSource};

use super::{
    cli::Options,
    fault::{Fault, Origin},
    value::Parsed,
    yaml,
};
use crate::files;

/// The sources, and the faults found so far.
pub(super) struct Layers<'a> {
    matches: &'a ArgMatches,
    file: BTreeMap<String, String>,
    file_name: String,
    pub(super) faults: Vec<Fault>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(matches: &'a ArgMatches) -> Self {
        let path = matches.get_one::<PathBuf>("config");
        let file_name = path.map(|path| path.display().to_string()).unwrap_or_default();
        let mut layers = Self {
            matches,
            file: BTreeMap::new(),
            file_name,
            faults: Vec::new(),
        };
        if let Some(path) = path {
            layers.read(path);
        }
        layers
    }

    fn read(&mut self, path: &Path) {
        let document = files::once(path).map_err(|error| format!("it cannot be read: {error}"));
        let entries = match document.and_then(|document| yaml::flat(&document)) {
            Ok(entries) => entries,
            Err(reason) => {
                let origin = self.origin("config");
                let value = Some(self.file_name.clone());
                self.faults.push(Fault {
                    setting: "config".to_owned(),
                    origin,
                    value,
                    reason,
                });
                return;
            }
        };
        let known = names();
        for (setting, value) in entries {
            let reason = match value {
                Ok(value) if known.contains(&setting) => {
                    self.file.insert(setting, value);
                    continue;
                }
                Ok(_) => "there is no such setting; `edge-config-server serve --help` lists them".to_owned(),
                Err(reason) => reason.to_owned(),
            };
            let origin = Origin::File(self.file_name.clone());
            self.faults.push(Fault {
                setting,
                origin,
                value: None,
                reason,
            });
        }
    }

    /// The value of a setting, and where it came from.
    fn raw(&self, setting: &str) -> Option<(String, Origin)> {
        let origin = self.origin(setting);
        match origin {
            Origin::File(_) => self.file.get(setting).cloned(),
            _ => self.matches.get_one::<String>(&id(setting)).cloned(),
        }
        .map(|value| (value, origin))
    }

    pub(super) fn origin(&self, setting: &str) -> Origin {
        match self.matches.value_source(&id(setting)) {
            Some(ValueSource::CommandLine) => Origin::Flag,
            Some(ValueSource::EnvVariable) => Origin::Environment(variable(setting)),
            _ if self.file.contains_key(setting) => Origin::File(self.file_name.clone()),
            _ => Origin::Default,
        }
    }

    /// Reads a setting that may be absent. A value that cannot be read is a fault and counts as
    /// absent.
    pub(super) fn optional<T>(&mut self, setting: &str, read: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        self.value(setting, false, read)
    }

    /// The same for a value that may be or contain a secret: it is not shown.
    pub(super) fn secret<T>(&mut self, setting: &str, read: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        self.value(setting, true, read)
    }

    fn value<T>(&mut self, setting: &str, secret: bool, read: impl FnOnce(&str) -> Parsed<T>) -> Option<T> {
        let (value, origin) = self.raw(setting)?;
        match read(&value) {
            Ok(value) => Some(value),
            Err(reason) => {
                let value = (!secret).then_some(value);
                self.faults.push(Fault {
                    setting: setting.to_owned(),
                    origin,
                    value,
                    reason,
                });
                None
            }
        }
    }

    /// A setting that is missing where it must not.
    pub(super) fn missing(&mut self, setting: &str, reason: &str) {
        if self.raw(setting).is_some() {
            // It is there and was a fault already.
            return;
        }
        let (setting, reason) = (setting.to_owned(), reason.to_owned());
        self.faults.push(Fault {
            setting,
            origin: Origin::Default,
            value: None,
            reason,
        });
    }
}

/// What a file may set: everything but where the file is.
fn names() -> Vec<String> {
    let command = Options::augment_args(clap::Command::new(""));
    let flags = command
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(str::to_owned));
    flags.filter(|flag| flag != "config").collect()
}

fn id(setting: &str) -> String {
    setting.replace('-', "_")
}

fn variable(setting: &str) -> String {
    format!("EDGE_CONFIG_{}", id(setting).to_uppercase())
}
