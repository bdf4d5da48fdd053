//! Which devices the store knows, asked of our server over its device plane: whoever may call it is
//! entrusted with the fleet anyway.
//!
//! A fleet is asked about in parts, each a call of its own, and what was answered so far is the
//! caller's: after a fault the same call goes on where it stopped.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{
    backend::{Backend, BackendCall},
    exchange::Answer,
    fault::{CallError, Fault},
};

/// Where our server compares; beside the Edge Configuration API, whatever the path in the backend's
/// URL is.
const BASE: &str = "/api/flotta-companion/v1";
/// A question is at most this long in octets; the server takes 1 MiB.
const QUESTION: usize = 256 << 10;
/// An answer is at most this long in octets: a question's ids, each with a word.
const ANSWER: usize = 4 << 20;
/// Devices on one page of a list; the server gives no more.
const PAGE: usize = 500;

/// What is not in an id.
const AFTER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.');

/// What a device is to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum DevicePhase {
    /// Served as registered.
    Approved,
    /// Has asked to be let in.
    Waiting,
    /// Was not let in.
    Rejected,
    /// Was a device; is told to disconnect.
    Deleted,
    /// Was never seen.
    Unknown,
    /// Is there, and what is kept of it cannot be read. It counts as served: it keeps what it has,
    /// and an administrator replaces it.
    Unreadable,
}

/// What the store is to each of some devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The id of the store that answered.
    pub store: Option<String>,
    /// What was answered so far.
    pub devices: BTreeMap<String, DevicePhase>,
}

/// All devices of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The id of the store that answered.
    pub store: Option<String>,
    /// What was listed so far. None is [`DevicePhase::Unknown`].
    pub devices: BTreeMap<String, DevicePhase>,
    /// Whether these are all.
    pub complete: bool,
}

/// Asks what each of these devices is to the store; ids in lower case, as EdgeDevices are named.
/// Ids that `so_far` has an answer for are not asked about again.
///
/// The parts have to come from one store; when another begins to answer, `so_far` is emptied.
pub async fn compare(
    call: &BackendCall<'_>,
    ids: impl IntoIterator<Item = &str>,
    so_far: &mut Comparison,
    deadline: Instant,
) -> Result<(), CallError> {
    let backend = Backend::new(call)?;
    // EdgeDevices of two namespaces may have one name.
    let ids: BTreeSet<&str> = ids
        .into_iter()
        .filter(|id| !so_far.devices.contains_key(*id))
        .collect();
    for part in parts(ids.into_iter()) {
        let asked = ask(&backend, &part, so_far, deadline).await;
        asked.map_err(|fault| fault.of(backend.callee()))?;
    }
    Ok(())
}

/// Lists the devices of the store, behind the last one in `so_far`.
///
/// The pages have to come from one store; when another begins to answer, `so_far` is emptied.
pub async fn list(call: &BackendCall<'_>, so_far: &mut Listing, deadline: Instant) -> Result<(), CallError> {
    let backend = Backend::new(call)?;
    while !so_far.complete {
        let turned = turn(&backend, so_far, deadline).await;
        turned.map_err(|fault| fault.of(backend.callee()))?;
    }
    Ok(())
}

/// Ids in questions that are not too long.
fn parts<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    let (mut parts, mut length) = (Vec::<Vec<&str>>::new(), QUESTION);
    for id in ids {
        // Two quotes and a comma.
        let octets = id.len() + 3;
        length += octets;
        match parts.last_mut() {
            Some(part) if length <= QUESTION => part.push(id),
            _ => {
                parts.push(vec![id]);
                length = octets;
            }
        }
    }
    parts
}

#[derive(Serialize)]
struct Question<'a> {
    devices: &'a [&'a str],
}

#[derive(Deserialize)]
struct Compared {
    store: String,
    devices: BTreeMap<String, DevicePhase>,
}

#[derive(Deserialize)]
struct Page {
    store: String,
    devices: Vec<Listed>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    phase: DevicePhase,
}

async fn ask(
    backend: &Backend,
    part: &[&str],
    so_far: &mut Comparison,
    deadline: Instant,
) -> Result<(), Fault> {
    let question =
        serde_json::to_vec(&Question { devices: part }).map_err(|error| Fault::Url(error.to_string()))?;
    let path = format!("{BASE}/comparison");
    let answer = backend
        .send(Method::POST, &path, Some(Bytes::from(question)), ANSWER, deadline)
        .await?;
    let Compared { store, mut devices } = read(&answer)?;
    if let Err(fault) = same_store(&mut so_far.store, store) {
        *so_far = Comparison::default();
        return Err(fault);
    }
    for id in part {
        let phase = devices
            .remove(*id)
            .ok_or_else(|| Fault::NotUnderstood(format!("it says nothing of device {id}")))?;
        so_far.devices.insert((*id).to_owned(), phase);
    }
    Ok(())
}

async fn turn(backend: &Backend, so_far: &mut Listing, deadline: Instant) -> Result<(), Fault> {
    let after = so_far.devices.last_key_value().map(|(id, _)| id.clone());
    let path = match &after {
        None => format!("{BASE}/devices?limit={PAGE}"),
        Some(id) => {
            // Of one that cannot be read it may be anything.
            let id = utf8_percent_encode(id, AFTER);
            format!("{BASE}/devices?after={id}&limit={PAGE}")
        }
    };
    let answer = backend.send(Method::GET, &path, None, ANSWER, deadline).await?;
    let Page { store, devices, next } = read(&answer)?;
    if let Err(fault) = same_store(&mut so_far.store, store) {
        *so_far = Listing::default();
        return Err(fault);
    }
    let stands_still = devices.is_empty() && next.is_some();
    for Listed { id, phase } in devices {
        match so_far.devices.entry(id) {
            Entry::Vacant(place) => drop(place.insert(phase)),
            Entry::Occupied(device) => {
                return Err(Fault::NotUnderstood(format!(
                    "it lists device {} twice",
                    device.key()
                )));
            }
        }
    }
    if stands_still {
        return Err(Fault::NotUnderstood(
            "a page of the list is empty and not the last".to_owned(),
        ));
    }
    so_far.complete = next.is_none();
    Ok(())
}

fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, Fault> {
    if answer.status != 200 {
        return Err(answer.refusal());
    }
    serde_json::from_slice(&answer.body).map_err(|error| Fault::NotUnderstood(error.to_string()))
}

fn same_store(before: &mut Option<String>, now: String) -> Result<(), Fault> {
    match before {
        Some(before) if *before != now => Err(Fault::OtherStore {
            before: before.clone(),
            now,
        }),
        _ => {
            *before = Some(now);
            Ok(())
        }
    }
}
