//! What the companion asks: whether each device of the backend before would be served here, and
//! which are here.
//!
//! `POST /comparison` takes `{"devices": [id, ...]}` and answers `{"store": id, "devices": {id:
//! word}}`; `GET /devices?after=id&limit=n` answers `{"store": id, "devices": [{"id": id, "phase":
//! word}], "next": id or null}`. Each answer stands by itself and names the store, so that a caller
//! that goes through a fleet in parts sees if the store changed.

use std::collections::{BTreeMap, HashMap};

use contract::DeviceId;
use fleet::Phase;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use store::Page;
use uuid::Uuid;

use super::operations::{self, CallError};
use crate::{
    metrics::Metrics,
    service::{NotRead, Service},
    transport::{Pieces, answer},
};

/// Where it begins, on the port of the Edge Configuration API.
pub const COMPANION_PATH: &str = "/api/flotta-companion/v1";

/// Devices on a page, at most and unless the caller asks for fewer: as many as are read within the
/// time of a request.
const PAGE: usize = 500;

/// Most ids of one question.
const QUESTION: usize = 65_536;

/// What a question takes in memory, by its length, where ids are as long as Flotta's.
const USUAL: usize = 16;

/// What each id takes until it is answered.
const COMPARED: usize = 256;

/// What a comparison says of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Word {
    /// It is served.
    Approved,
    /// It enrolled here, and waits.
    Waiting,
    /// A person said no.
    Rejected,
    /// A person deleted it: it would be disconnected.
    Deleted,
    /// Nobody has heard of it: it would get no configuration.
    Unknown,
    /// It is here, and what is kept of it cannot be read: it gets errors, keeps what it has, and
    /// counts as served.
    Unreadable,
}

impl From<Option<Phase>> for Word {
    fn from(phase: Option<Phase>) -> Self {
        match phase {
            Some(Phase::Approved) => Self::Approved,
            Some(Phase::Waiting) => Self::Waiting,
            Some(Phase::Rejected) => Self::Rejected,
            Some(Phase::Deleted) => Self::Deleted,
            None => Self::Unreadable,
        }
    }
}

/// The ids that are asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    devices: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Compared {
    store: Uuid,
    devices: BTreeMap<String, Word>,
}

#[derive(Debug, Serialize)]
struct Listed {
    store: Uuid,
    devices: Vec<ListedDevice>,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct ListedDevice {
    /// As it is stored; of one that cannot be read it may be no id.
    id: String,
    phase: Word,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("there is no such path; there are {COMPANION_PATH}/comparison and {COMPANION_PATH}/devices")]
    NotFound,
    #[error("this path takes {0} only")]
    Method(&'static str),
    #[error("{parameter} is not acceptable: {reason}")]
    Parameter { parameter: String, reason: String },
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Whether a request is one of these.
pub(super) fn is_asked(parts: &Parts) -> bool {
    parts.uri.path().starts_with(COMPANION_PATH)
}

/// Answers it; the first value is its name in metrics.
pub(super) async fn answer(
    service: &Service,
    metrics: &Metrics,
    parts: &Parts,
    body: &[u8],
) -> (&'static str, Response<Pieces>) {
    let path = parts.uri.path().strip_prefix(COMPANION_PATH);
    let (name, outcome) = match path {
        Some("/comparison") => ("comparison", compare(service, &parts.method, body).await),
        Some("/devices") => (
            "devices",
            list(service, &parts.method, parts.uri.query().unwrap_or_default()).await,
        ),
        _ => ("none", Err(Refusal::NotFound)),
    };
    (
        name,
        outcome.unwrap_or_else(|refusal| refuse(metrics, name, &refusal)),
    )
}

async fn compare(service: &Service, method: &Method, body: &[u8]) -> Result<Response<Pieces>, Refusal> {
    if method != Method::POST {
        return Err(Refusal::Method("POST"));
    }
    let mut held = service.room(USUAL, body.len()).await.map_err(CallError::NoRoom)?;
    let asked: Asked = operations::decode(body, "comparison")?;
    let count = asked.devices.len();
    if count > QUESTION {
        return Err(Refusal::Parameter {
            parameter: "devices".to_owned(),
            reason: format!("there are {count}; ask for at most {QUESTION} at a time"),
        });
    }
    if !held.resize(COMPARED * count) {
        return Err(CallError::NoRoom(NotRead::NoRoom).into());
    }
    // What cannot be an id here is a device that could never be served.
    let ids = asked.devices.iter().filter_map(|id| DeviceId::parse(id).ok());
    let phases = service.phases(ids.collect()).await.map_err(CallError::from)?;
    let phases: HashMap<_, _> = phases.into_iter().collect();
    let word = |id: &str| {
        let phase = DeviceId::parse(id).ok().and_then(|id| phases.get(&id).copied());
        phase.map_or(Word::Unknown, Word::from)
    };
    let devices = asked.devices.into_iter().map(|id| {
        let word = word(&id);
        (id, word)
    });
    Ok(written(&Compared {
        devices: devices.collect(),
        store: service.store().identity().id,
    }))
}

async fn list(service: &Service, method: &Method, query: &str) -> Result<Response<Pieces>, Refusal> {
    if method != Method::GET {
        return Err(Refusal::Method("GET"));
    }
    let page = page(query)?;
    let (found, next) = service.all_phases(page).await.map_err(CallError::from)?;
    let devices = found.into_iter().map(|(id, phase)| ListedDevice {
        id,
        phase: phase.into(),
    });
    Ok(written(&Listed {
        devices: devices.collect(),
        next,
        store: service.store().identity().id,
    }))
}

fn page(query: &str) -> Result<Page, Refusal> {
    let mut page = Page {
        after: None,
        limit: PAGE,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (parameter, value) = pair.split_once('=').unwrap_or((pair, ""));
        let wrong = |reason: String| Refusal::Parameter {
            parameter: parameter.to_owned(),
            reason,
        };
        match parameter {
            "after" => {
                let after = percent_decode_str(value).decode_utf8_lossy();
                if after.is_empty() {
                    return Err(wrong("it is the last id of the page before".to_owned()));
                }
                page.after = Some(after.into_owned());
            }
            "limit" => {
                let limit: usize = value.parse().map_err(|_| wrong("it is a number".to_owned()))?;
                if limit == 0 {
                    return Err(wrong("it is at least 1".to_owned()));
                }
                page.limit = limit.min(PAGE);
            }
            _ => return Err(wrong("there are after and limit".to_owned())),
        }
    }
    Ok(page)
}

fn written(document: &impl Serialize) -> Response<Pieces> {
    match serde_json::to_vec(document) {
        Ok(document) => answer::json(StatusCode::OK, document),
        Err(_) => answer::error(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written"),
    }
}

fn refuse(metrics: &Metrics, name: &'static str, refusal: &Refusal) -> Response<Pieces> {
    match refusal {
        Refusal::NotFound => answer::error(StatusCode::NOT_FOUND, &refusal.to_string()),
        Refusal::Parameter { .. } => answer::error(StatusCode::BAD_REQUEST, &refusal.to_string()),
        Refusal::Method(allowed) => {
            let mut response = answer::error(StatusCode::METHOD_NOT_ALLOWED, &refusal.to_string());
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(allowed));
            response
        }
        Refusal::Call(error) => operations::fail(metrics, name, error),
    }
}
