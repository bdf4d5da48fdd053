//! Which playbooks a device is labelled for.
//!
//! `config/device-by-config: NAME` names an EdgeConfig of the device's namespace; each of its
//! playbooks is for the device. And as with Flotta, for any label `config/...: VALUE` the
//! PlaybookExecution `<device>-VALUE` is for it, if there is one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use manifests::{
    Kind,
    kinds::{EdgeConfig, ExecutionStrategy, Playbook, PlaybookExecution},
};

use crate::catalogue::{Catalogue, Subject};

/// Prefix of labels that name configurations.
const PREFIX: &str = "config/";
/// Label that names an EdgeConfig.
const BY_CONFIG: &str = "config/device-by-config";

/// A playbook that a device is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPlaybook {
    /// The EdgeConfig, or the value that the label of a PlaybookExecution has.
    pub config: String,
    /// Its text.
    pub content: String,
    /// It is run again where it failed.
    pub retry: bool,
}

impl Catalogue {
    /// The playbooks that a device is to run, in the order in which they are written.
    pub fn playbooks(&self, subject: &Subject<'_>) -> Vec<WantedPlaybook> {
        let namespace = subject.namespace.as_str();
        let mut wanted = Vec::new();
        for (key, value) in subject.labels.iter().filter(|(key, _)| key.starts_with(PREFIX)) {
            if key == BY_CONFIG
                && let Ok(Some(config)) = self.objects.get::<EdgeConfig>(Kind::EdgeConfig, namespace, value)
            {
                let playbooks = config
                    .spec
                    .edge_playbook
                    .into_iter()
                    .flat_map(|list| list.playbooks);
                wanted.extend(playbooks.filter_map(|playbook| of(value, &playbook)));
            }
            let name = format!("{}-{value}", subject.id);
            if let Ok(Some(execution)) =
                self.objects
                    .get::<PlaybookExecution>(Kind::PlaybookExecution, namespace, &name)
            {
                wanted.extend(execution.spec.playbook.and_then(|playbook| of(value, &playbook)));
            }
        }
        wanted
    }
}

/// Admission lets through only base64 of UTF-8.
fn of(config: &str, playbook: &Playbook) -> Option<WantedPlaybook> {
    let content = STANDARD.decode(&playbook.content).ok()?;
    Some(WantedPlaybook {
        config: config.to_owned(),
        content: String::from_utf8(content).ok()?,
        retry: playbook.strategy() == ExecutionStrategy::RetryOnFailure,
    })
}
