//! How much memory does a device take?

use contract::{HeapSize, heap_size};

use crate::{
    Change, Delivery, Device, EnrolmentRequest, Event, EverReported, Life, Presence, Report, State,
    Tombstone,
    delivery::{Applied, Echo, Former, Meanwhile, Wanted},
    key_gate::{Permission, RegisteredKey, Registration},
    report::{Recent, WorkloadReport},
    runs::{Past, Run, Runs},
};

heap_size! {
    Device { id, life, report; presence }
    Life {
        spelling, namespace, state, enrolment, registration, assigned_labels, approval_labels, delivery;
        taken_over
    }
    EnrolmentRequest { namespace, features, cut; at }
    Tombstone { by; at, mode, epoch, never_approved, told, grace_until }
    Registration { keys, permission; keys_unknown, seen }
    RegisteredKey { certificate_request; fingerprint, first, last }
    Permission { by, replaced; until, given, replaced_seen, replaced_unknown }
    Delivery { wanted, former, applied, meanwhile }
    Wanted { version; period_seconds, since, handed_over }
    Former { version; period_seconds }
    Applied { version, echo; since, period_seconds }
    Echo { of; count, at }
    Meanwhile { message; count, last }
    Report {
        status, version, hardware, hardware_labels, workloads, ever_reported, playbooks, runs, upgrade, recent, identity,
        cut
    }
    WorkloadReport { status; changed, last_data_upload }
    EverReported { names; overflow, known_in }
    Recent {; digest, at }
    Runs { list; left_out }
    Run {
        config, name, history;
        playbook, requested, retries, state, since, offers, offered, retry, hidden, unwanted_since
    }
    Past { name; state, since }
    Presence {; polled, asked, beat, beating_since }
    Event { kind, reason, message; origin, severity, count }
    Change { life, report, presence, events }
}

impl HeapSize for State {
    fn heap_size(&self) -> usize {
        match self {
            Self::Waiting { .. } => 0,
            Self::Rejected { by, .. } | Self::Approved { by, .. } => by.heap_size(),
            Self::Deleted(tombstone) => tombstone.heap_size(),
        }
    }
}
