//! `PlaybookExecution`: an Ansible playbook for a device to run.

use crate::absent::wire_objects;
use crate::time::DateTime;

wire_objects! {
    /// Element of the array that answers `GET .../playbookexecutions`.
    pub struct PlaybookExecution {
        /// The execution; the device reports its state under this name.
        name: String,
        /// The playbook's text.
        ansible_playbook_string: String,
        /// Not used by the agent; the zero time when there is none.
        last_data_upload: DateTime,
    }
}
