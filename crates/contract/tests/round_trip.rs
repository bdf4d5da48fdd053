//! What is written is read again as it was, for every object; and labels are always valid.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking"
)]

#[allow(dead_code, reason = "each test program uses a part")]
mod instances;

use contract::*;
use instances::Instances;
use proptest::prelude::*;

macro_rules! round_trips {
    ($($test:ident: $model:ty;)*) => {proptest! {$(
        #[test]
        fn $test(written in <$model>::instances()) {
            let text = serde_json::to_string(&written).unwrap();
            let read: $model = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read, &written);
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
    )*}};
}

round_trips! {
    enrolment: EnrolmentInfo;
    registration: RegistrationInfo;
    heartbeat: Heartbeat;
    registration_status: RegistrationStatus;
    error: ErrorMessage;
    configuration: DeviceConfigurationEnvelope;
    playbooks: Vec<PlaybookExecution>;
    message: Message;
    message_response: MessageResponse;
    registration_response: RegistrationResponse;
    date_time: DateTime;
}

/// Kubernetes' rule, `(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?` of at most 63 characters; here
/// never empty.
fn is_label_value(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63
        && text.starts_with(edge)
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || "-_.".contains(c))
}

proptest! {
    #[test]
    fn a_label_is_valid_and_normal(text in prop_oneof![any::<String>(), "[A-Za-z0-9._ -]{0,90}"]) {
        if let Some(label) = labels::normalise(&text) {
            prop_assert!(is_label_value(&label), "{label:?}");
            prop_assert_eq!(labels::normalise(&label), Some(label));
        } else {
            prop_assert!(!text.contains(|c: char| c.is_ascii_alphanumeric()));
        }
    }

    /// Wherever Flotta's own result is a valid value, ours is the same.
    #[test]
    fn a_label_is_flotta_s_where_that_is_valid(text in prop_oneof![any::<String>(), "[A-Za-z0-9._ -]{0,90}"]) {
        let theirs = normalised_by_flotta(&text);
        if is_label_value(&theirs) {
            prop_assert_eq!(labels::normalise(&text), Some(theirs));
        }
    }

    #[test]
    fn every_label_of_hardware_is_valid(hardware in HardwareInfo::instances()) {
        for (label, value) in labels::from_hardware(&hardware) {
            prop_assert!(is_label_value(&value), "{label}={value:?}");
        }
    }
}

/// The three steps as Flotta takes them, with its Unicode trim and without a limit.
fn normalised_by_flotta(text: &str) -> String {
    text.to_lowercase()
        .trim_matches(|c: char| !c.is_lowercase() && !c.is_numeric())
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(*c))
        .collect()
}
