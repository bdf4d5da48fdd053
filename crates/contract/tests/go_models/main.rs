//! Flotta's own Go models read what we write, and we read what they write, without a difference.
//!
//! Needs Go: the models are asked through the program in `tests/go-models`, on the published module
//! that the Edge API is built from.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking"
)]

#[path = "../instances/mod.rs"]
#[allow(dead_code, reason = "each test program uses a part")]
mod instances;
mod odd;
mod program;

use std::{cell::RefCell, collections::BTreeSet};

use contract::*;
use instances::Instances;
use odd::{Oddity, essence};
use program::{Echo, generated};
use proptest::{collection, prelude::*, sample};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn reread<T: Serialize + DeserializeOwned>(value: &Value) -> Result<Value, String> {
    let read: T = serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())?;
    Ok(serde_json::to_value(&read).unwrap())
}

macro_rules! models {
    ($($test:ident: $model:ident;)*) => {
        const MODELS: &[&str] = &[$(stringify!($model)),*];

        /// What our type reads from this value, as it writes it.
        fn reread_as(model: &str, value: &Value) -> Result<Value, String> {
            match model {
                $(stringify!($model) => reread::<$model>(value),)*
                _ => panic!("no type for Go's model {model}"),
            }
        }

        mod go_reads_what_we_write {
            use super::*;
            $(#[test] fn $test() {
                let go = RefCell::new(Echo::start());
                proptest!(|(instance in $model::instances())| {
                    let ours = serde_json::to_value(&instance).unwrap();
                    let theirs = go.borrow_mut().ask(stringify!($model), &ours);
                    prop_assert_eq!(theirs.map(essence), Ok(essence(ours)));
                });
            })*
        }

        /// Values that a device can send and the Edge API may pass on in another spelling, and
        /// values that are wrong.
        mod both_read_the_same_from_odd_values {
            use super::*;
            $(#[test] fn $test() {
                let go = RefCell::new(Echo::start());
                proptest!(|(
                    instance in $model::instances(),
                    oddities in collection::vec((Oddity::any(), any::<sample::Index>()), 1..4),
                )| {
                    let mut odd = serde_json::to_value(&instance).unwrap();
                    for (oddity, choice) in oddities {
                        oddity.apply(&mut odd, choice);
                    }
                    let theirs = go.borrow_mut().ask(stringify!($model), &odd).map(essence);
                    let ours = reread::<$model>(&odd).map(essence);
                    prop_assert_eq!(theirs.is_ok(), ours.is_ok(), "{} {:?} {:?}", odd, theirs, ours);
                    if theirs.is_ok() {
                        prop_assert_eq!(theirs, ours, "{}", odd);
                    }
                });
            })*
        }
    };
}

models! {
    enrolment: EnrolmentInfo;
    registration: RegistrationInfo;
    heartbeat: Heartbeat;
    registration_status: RegistrationStatus;
    error: ErrorMessage;
    configuration_envelope: DeviceConfigurationEnvelope;
    configuration: DeviceConfigurationMessage;
    playbook: PlaybookExecution;
    message: Message;
    message_response: MessageResponse;
    registration_response: RegistrationResponse;
}

#[test]
fn we_read_what_go_writes() {
    let generated = generated(20_221_006, 200);
    let models: BTreeSet<_> = generated.iter().map(|(model, _)| model.as_str()).collect();
    assert_eq!(models, MODELS.iter().copied().collect());
    for (model, theirs) in generated {
        let ours = reread_as(&model, &theirs);
        assert_eq!(
            ours.map(essence),
            Ok(essence(theirs.clone())),
            "{model}: {theirs}"
        );
    }
}
