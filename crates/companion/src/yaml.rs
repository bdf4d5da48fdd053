//! YAML for people: the only module that names `serde_yaml` (`docs/decisions/0003-yaml.md`).

use serde::Serialize;

/// An object that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("an object cannot be written as YAML: {0}")]
pub struct Unwritable(#[from] serde_yaml::Error);

/// An object as a YAML document.
pub fn document(object: &impl Serialize) -> Result<String, Unwritable> {
    Ok(serde_yaml::to_string(object)?)
}
