//! The bytes on the wire, one file per case in `snapshots/`: what has no value, and one full
//! instance of every request and answer. Whoever changes a name or a rule of absence sees it here.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

mod full;
mod zero;

use std::collections::BTreeMap;

use contract::*;
use serde::{Serialize, de::DeserializeOwned};

/// Compares with the file, and reads it again.
#[track_caller]
fn golden<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(name: &str, value: &T) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_json_snapshot!(name, value);
    });
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn map<T>(pairs: impl IntoIterator<Item = (&'static str, T)>) -> BTreeMap<String, T> {
    pairs.into_iter().map(|(key, value)| (text(key), value)).collect()
}

#[test]
fn no_secret_is_shown_by_debug() {
    let secret = "bm90LWZvci1leWVz";
    let shown = format!(
        "{:?}{:?}{:?}",
        S3StorageConfiguration {
            aws_access_key_id: secret.into(),
            aws_secret_access_key: secret.into(),
            ..S3StorageConfiguration::default()
        },
        ImageRegistries {
            auth_file: secret.into()
        },
        Secret {
            name: text("login"),
            data: secret.into()
        },
    );
    assert!(!shown.contains(secret), "{shown}");
    assert!(shown.contains("login"));
}
