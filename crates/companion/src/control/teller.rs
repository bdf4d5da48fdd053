//! Tells Events of a resource.

use std::{collections::HashMap, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, Recorder, Reporter},
};
use tokio::time::timeout;

/// An Event takes less.
const LONGEST: Duration = Duration::from_secs(20);

/// Tells Events. The library adds up those of one reason and keeps the first note for all of them;
/// so another note is given to a new recorder, and each cause is shown with its own words.
pub(super) struct Teller {
    client: Client,
    reporter: Reporter,
    recorder: Recorder,
    notes: Notes,
}

/// The note that each reason was told with last.
#[derive(Default)]
struct Notes(HashMap<String, Option<String>>);

impl Notes {
    /// Whether the reason was told with another note before.
    fn is_another(&mut self, event: &Event) -> bool {
        let last = self.0.insert(event.reason.clone(), event.note.clone());
        last.is_some_and(|last| last != event.note)
    }
}

impl Teller {
    pub(super) fn new(client: Client, reporter: Reporter) -> Self {
        Self {
            recorder: Recorder::new(client.clone(), reporter.clone()),
            client,
            reporter,
            notes: Notes::default(),
        }
    }

    /// Tells one, about an object. That it could not be told is no error: everything that an Event
    /// says is in the status and in the log too.
    pub(super) async fn tell(&mut self, event: &Event, about: &ObjectReference) {
        if self.notes.is_another(event) {
            self.recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        }
        let told = timeout(LONGEST, self.recorder.publish(event, about)).await;
        if !matches!(told, Ok(Ok(()))) {
            tracing::debug!(reason = event.reason, "an Event could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::events::EventType;

    use super::*;

    #[test]
    fn another_cause_is_not_counted_under_the_words_of_the_first() {
        let event = |reason: &str, note: &str| Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(note.to_owned()),
            action: "Observe".to_owned(),
            secondary: None,
        };
        let mut notes = Notes::default();
        assert!(!notes.is_another(&event("Degraded", "no answer")));
        assert!(!notes.is_another(&event("Degraded", "no answer")));
        assert!(!notes.is_another(&event("Verified", "another reason")));
        assert!(notes.is_another(&event("Degraded", "another CA")));
        assert!(!notes.is_another(&event("Degraded", "another CA")));
        assert!(notes.is_another(&event("Degraded", "no answer")));
    }
}
