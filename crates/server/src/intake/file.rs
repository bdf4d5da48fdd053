//! The form of the admission file: YAML, so JSON too, of two lines.
//!
//! Nothing else may be in it. A misspelt `storeId` that was passed over would serve whatever store
//! is there.

use std::path::{Path, PathBuf};

use fleet::Admission;
use uuid::Uuid;

use crate::{files, settings};

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Whom to take in.
    pub admission: Admission,
    /// The store that the fleet was recorded in; `None` while none is recorded, and any is served.
    pub store: Option<Uuid>,
}

/// What is wrong with the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} (--admission): {reason}", path = path.display())]
pub struct Fault {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// Reads the file once.
pub fn read(path: &Path) -> Result<Order, Fault> {
    contents(path)
        .and_then(|document| parse(&document))
        .map_err(|reason| Fault {
            path: path.to_owned(),
            reason,
        })
}

/// What the file holds, or why it cannot be read.
pub(super) fn contents(path: &Path) -> Result<Vec<u8>, String> {
    files::contents(path).map_err(|error| format!("it cannot be read: {error}"))
}

pub(super) fn parse(document: &[u8]) -> Result<Order, String> {
    let document = std::str::from_utf8(document).map_err(|_| "it is not UTF-8".to_owned())?;
    let (mut admission, mut store) = (None, None);
    for (key, value) in settings::flat(document)? {
        let value = value.map_err(|reason| format!("{key}: {reason}"))?;
        match key.as_str() {
            "admission" => admission = Some(word(&value)?),
            "storeId" => store = Some(id(&value)?),
            _ => {
                return Err(format!(
                    "there is no {key:?} in it; there are admission and storeId"
                ));
            }
        }
    }
    Ok(Order {
        admission: admission.ok_or("admission is missing; it is Open, Hold or Closed")?,
        store,
    })
}

fn word(value: &str) -> Result<Admission, String> {
    Admission::ALL
        .into_iter()
        .find(|admission| admission.as_str() == value)
        .ok_or_else(|| format!("admission is {value:?}; it must be Open, Hold or Closed"))
}

fn id(value: &str) -> Result<Uuid, String> {
    value.parse().map_err(|_| {
        format!("storeId is {value:?}; it must be the id of a store, or left out while none is recorded")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0198c0de-0000-7000-8000-000000000001";

    #[test]
    fn yaml_and_json_say_the_same() {
        let store = Some(ID.parse().unwrap());
        for admission in Admission::ALL {
            let expected = Ok(Order { admission, store });
            assert_eq!(
                parse(format!("# note\nadmission: {admission}\nstoreId: {ID}\n").as_bytes()),
                expected
            );
            let json = serde_json::json!({"admission": admission, "storeId": ID});
            assert_eq!(parse(json.to_string().as_bytes()), expected);
            assert_eq!(
                parse(serde_json::to_string_pretty(&json).unwrap().as_bytes()),
                expected
            );
        }
        let open = Order {
            admission: Admission::Open,
            store: None,
        };
        assert_eq!(parse(b"admission: Open"), Ok(open));
    }

    #[test]
    fn whatever_is_wrong_is_told_and_never_passed_over() {
        for (document, expected) in [
            ("", "admission is missing; it is Open, Hold or Closed"),
            (
                "admission: open",
                "admission is \"open\"; it must be Open, Hold or Closed",
            ),
            ("admission:", "admission is \"\"; it must be Open, Hold or Closed"),
            (
                "admission: [Open]",
                "admission: it must be a single text, number or truth value",
            ),
            ("admission: Open\nadmission: Hold", "duplicate entry"),
            (
                "admission: Open\nstoreID: x",
                "there is no \"storeID\" in it; there are admission and storeId",
            ),
            (
                "admission: Open\nstoreId: x",
                "storeId is \"x\"; it must be the id of a store",
            ),
            (
                "admission: Open\nstoreId:",
                "storeId is \"\"; it must be the id of a store",
            ),
            (
                "admission: Open\nstoreId: null",
                "storeId is \"\"; it must be the id of a store",
            ),
            ("admission: Op\0en", "control characters are not allowed"),
            ("- admission", "it must be a list of `setting: value` lines"),
            ("admission: {", "did not find expected node content"),
        ] {
            let reason = parse(document.as_bytes()).unwrap_err();
            assert!(reason.contains(expected), "{document:?}: {reason}");
        }
        assert_eq!(parse(&[0xff]), Err("it is not UTF-8".to_owned()));
    }
}
