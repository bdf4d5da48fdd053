//! The Edge API's objects: what of them is ours, how it is written, and how it is taken away again.

mod deployment;
mod settings_map;

pub(crate) use deployment::EdgeDeployment;
pub(crate) use settings_map::SettingsMap;
