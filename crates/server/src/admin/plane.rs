//! The server's side of the admin socket: JSON over HTTP/1.1.

use std::sync::Arc;

use bytes::Bytes;
use contract::DeviceId;
use fleet::Phase;
use http::{Method, Request, Response, StatusCode};
use manifests::{UnknownFields, source::SourceReading};
use percent_encoding::percent_decode_str;
use serde::{Serialize, de::DeserializeOwned};
use store::Page;

use super::{
    AUTHOR, PAGE,
    client::{Acting, Apply, BrokenObject, Emptying, HandOver, ListedObject, ManifestsView, Rekeyed},
};
use crate::{
    service::{Service, ServiceError},
    sources::{ApplyError, Consent, NotConfigured, SourceStatus, WATCHED, Watched},
    telemetry,
    transport::{Handler, Pieces, answer},
};

/// So many characters of why a body is refused are told: it may quote the body.
const QUOTED: usize = 300;

/// Answers the owner of the admin socket.
pub struct AdminPlane {
    service: Service,
    /// `None` without `--manifests`.
    watched: Option<Arc<Watched>>,
    unknown_fields: UnknownFields,
}

#[derive(Debug, thiserror::Error)]
enum AdminError {
    #[error("there is no such path")]
    NotFound,
    #[error("{0}")]
    Missing(String),
    #[error("{0}")]
    Bad(String),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// What a person does about a source.
struct BySource {
    source: String,
    /// A source whose objects it may have.
    from: Option<String>,
    /// The digest of what may take something away.
    confirm: Option<String>,
    /// Whether what it lacks is meant to lack.
    settled: bool,
    empties: bool,
}

impl From<NotConfigured> for AdminError {
    fn from(error: NotConfigured) -> Self {
        Self::Service(error.into())
    }
}

impl From<ApplyError> for AdminError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Store(error) => Self::Service(error.into()),
            missing @ ApplyError::NoSuchSource(_) => Self::Missing(missing.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl AdminPlane {
    /// The administration of a fleet.
    pub fn new(service: Service, watched: Option<Arc<Watched>>, unknown_fields: UnknownFields) -> Self {
        Self {
            service,
            watched,
            unknown_fields,
        }
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Pieces>, AdminError> {
        let path = request.uri().path().trim_matches('/').to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["devices"]) => {
                let (phase, page) = selection(request.uri().query().unwrap_or_default())?;
                document(&self.service.list(phase, page).await?)
            }
            (&Method::GET, ["strays"]) => document(&self.service.strays(PAGE).await?),
            (&Method::GET, ["devices", id]) => document(&self.service.show(device(id)?).await?),
            (&Method::POST, ["devices", id, "acts"]) => {
                let Acting { act, confirm } = read(&request)?;
                let by = request
                    .headers()
                    .get(AUTHOR)
                    .and_then(|by| by.to_str().ok())
                    .unwrap_or("administrator");
                let id = device(id)?;
                tracing::info!(device = %id, by, ?act, confirm, "an administrator acts");
                let done = self.service.act_as_confirmed(id, act, by.to_owned(), confirm);
                document(&done.await?)
            }
            (&Method::GET, ["devices", id, "configuration"]) => {
                let secrets = request.uri().query() == Some("secrets=true");
                document(&self.service.show_configuration(device(id)?, secrets).await?)
            }
            (&Method::GET, ["workloads"]) => document(&self.service.workloads().await?),
            (&Method::GET, ["workloads", namespace, name]) => {
                let view = self.service.workload(namespace, name).await?;
                let none = || AdminError::Missing(format!("there is no EdgeWorkload {namespace}/{name}"));
                document(&view.ok_or_else(none)?)
            }
            (&Method::GET, ["manifests"]) => document(&self.manifests()),
            (&Method::GET, ["manifests", "objects"]) => self.objects(),
            (&Method::POST, ["manifests"]) => self.apply(&request).await,
            (&Method::POST, ["manifests", "confirmations"]) => self.confirm(&request),
            (&Method::POST, ["manifests", "handovers"]) => self.hand_over(&request).await,
            (&Method::POST, ["manifests", "emptyings"]) => self.empty(&request).await,
            (&Method::POST, ["rekey"]) => self.rekey().await,
            _ => Err(AdminError::NotFound),
        }
    }

    fn manifests(&self) -> ManifestsView {
        let documents = self.service.documents();
        let (unusable, broken) = match documents.catalogue() {
            Ok(current) => (None, broken(current.catalogue.faults())),
            Err(error) => (Some(error.to_string()), Vec::new()),
        };
        ManifestsView {
            status: documents.status(),
            unusable,
            broken,
        }
    }

    fn objects(&self) -> Result<Response<Pieces>, AdminError> {
        let current = self.service.documents().catalogue()?;
        let objects: Vec<ListedObject> = current
            .keys()
            .map(|(key, source)| ListedObject {
                kind: key.kind.as_str().to_owned(),
                namespace: key.namespace.clone(),
                name: key.name.clone(),
                source: source.to_owned(),
            })
            .collect();
        document(&objects)
    }

    /// Takes texts over as a source of an administrator's.
    async fn apply(&self, request: &Request<Bytes>) -> Result<Response<Pieces>, AdminError> {
        let apply: Apply = read(request)?;
        if apply.source == WATCHED && self.watched.is_some() {
            return Err(AdminError::Refused(format!(
                "source {WATCHED:?} is read from --manifests; change it there, or name another source"
            )));
        }
        let texts: Vec<(String, String)> = apply
            .texts
            .into_iter()
            .map(|text| (text.origin, text.text))
            .collect();
        let reading = manifests::source::of_texts(&texts, self.unknown_fields)
            .map_err(|error| AdminError::Bad(error.to_string()))?;
        let act = BySource {
            source: apply.source,
            from: apply.take_from,
            confirm: apply.confirm,
            settled: true,
            empties: false,
        };
        self.take_over(act, reading).await
    }

    /// Hands the objects of a source over to `--manifests`, as far as that holds them too.
    async fn hand_over(&self, request: &Request<Bytes>) -> Result<Response<Pieces>, AdminError> {
        let HandOver { from, confirm } = read(request)?;
        let Some(watched) = &self.watched else {
            return Err(AdminError::Refused(
                "this server has no --manifests; hand objects over with 'edge-config-server manifests apply --take-from'"
                    .to_owned(),
            ));
        };
        let reading = watched.reading().await.map_err(AdminError::Refused)?;
        let act = BySource {
            source: WATCHED.to_owned(),
            from: Some(from),
            confirm,
            // It may be written right now, and what it lacks is not what the act is about.
            settled: false,
            empties: false,
        };
        let done = self.take_over(act, reading).await;
        watched.wake();
        done
    }

    /// Empties a source, since somebody says that this is meant.
    async fn empty(&self, request: &Request<Bytes>) -> Result<Response<Pieces>, AdminError> {
        let Emptying { source, confirm } = read(request)?;
        let watched = self.watched.as_ref().filter(|_| source == WATCHED);
        if let Some(watched) = watched
            && !watched.reading().await.map_err(AdminError::Refused)?.is_empty()
        {
            return Err(AdminError::Refused(format!(
                "source {WATCHED:?} is read from --manifests, which holds objects; empty it there first"
            )));
        }
        let act = BySource {
            source,
            from: None,
            confirm,
            settled: true,
            empties: true,
        };
        let done = self.take_over(act, SourceReading::empty()).await;
        if let Some(watched) = watched {
            watched.wake();
        }
        done
    }

    /// Finished even if its caller goes away.
    async fn take_over(&self, act: BySource, reading: SourceReading) -> Result<Response<Pieces>, AdminError> {
        let keeper = Arc::clone(self.service.documents());
        let applied = tokio::spawn(async move {
            let consent = Consent {
                confirmed: act.confirm.as_deref(),
                settled: act.settled,
                by_hand: true,
                from: act.from.as_deref(),
                empties: act.empties,
            };
            keeper.apply(&act.source, &reading, consent).await
        });
        let applied = applied.await.map_err(|_| ServiceError::Interrupted)??;
        tracing::info!(
            source = applied.source,
            objects = applied.objects,
            changed = applied.changed.len(),
            removed = applied.removed.len(),
            "an administrator took manifests over"
        );
        document(&applied)
    }

    fn confirm(&self, request: &Request<Bytes>) -> Result<Response<Pieces>, AdminError> {
        let digest: String = read(request)?;
        let view = self.manifests();
        let waits = |source: &SourceStatus| {
            let settling = source.settling.as_ref().map(|settling| &settling.digest);
            [source.unconfirmed.as_ref(), settling].contains(&Some(&digest))
        };
        let waits = view.status.sources.iter().any(waits);
        match &self.watched {
            Some(watched) if waits => {
                tracing::info!(digest, "an administrator confirmed manifests");
                watched.confirm(digest);
                document(&view)
            }
            _ => Err(AdminError::Missing(format!(
                "nothing with digest {digest} waits for a person; 'edge-config-server manifests status' shows what does"
            ))),
        }
    }

    /// Finished even if its caller goes away.
    async fn rekey(&self) -> Result<Response<Pieces>, AdminError> {
        let store = Arc::clone(self.service.store());
        let rekeyed = tokio::spawn(async move { store.rekey().await });
        let store::Rekeyed {
            key_id,
            resealed,
            newly_sealed,
            leftover,
        } = rekeyed
            .await
            .map_err(|_| ServiceError::Interrupted)?
            .map_err(ServiceError::from)?;
        tracing::info!(
            key = key_id,
            resealed,
            newly_sealed,
            "an administrator encrypted the Secrets anew"
        );
        document(&Rekeyed {
            key_id,
            resealed,
            newly_sealed,
            leftover,
        })
    }
}

fn broken(faults: &[configuration::Fault]) -> Vec<BrokenObject> {
    let broken = faults.iter().map(|fault| BrokenObject {
        object: fault.object.to_string(),
        reason: fault.reason.to_owned(),
        message: fault.message.clone(),
    });
    broken.collect()
}

fn read<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<T, AdminError> {
    serde_json::from_slice(request.body())
        .map_err(|error| AdminError::Bad(telemetry::brief(&error.to_string(), QUOTED)))
}

impl Handler for AdminPlane {
    async fn handle(&self, request: Request<Bytes>) -> Response<Pieces> {
        self.answer(request).await.unwrap_or_else(|error| fail(&error))
    }
}

fn device(text: &str) -> Result<DeviceId, AdminError> {
    DeviceId::parse(text).map_err(|error| AdminError::Bad(format!("device {text:?} cannot exist: {error}")))
}

/// `phase`, `after` and `limit` of a list, each at most once.
fn selection(query: &str) -> Result<(Option<Phase>, Page), AdminError> {
    let mut phase = None;
    let mut page = Page {
        after: None,
        limit: PAGE,
    };
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "phase" => {
                let found = Phase::ALL.into_iter().find(|phase| phase.as_str() == value);
                phase = Some(found.ok_or_else(|| AdminError::Bad(format!("there is no phase {value:?}")))?);
            }
            "after" => page.after = Some(percent_decode_str(value).decode_utf8_lossy().into_owned()),
            "limit" => {
                let limit: usize = value
                    .parse()
                    .map_err(|_| AdminError::Bad("limit is not a number".into()))?;
                page.limit = limit.clamp(1, PAGE);
            }
            _ => return Err(AdminError::Bad(format!("there is no parameter {name:?}"))),
        }
    }
    Ok((phase, page))
}

fn document<T: Serialize>(value: &T) -> Result<Response<Pieces>, AdminError> {
    let text = serde_json::to_vec(value).map_err(ServiceError::from)?;
    Ok(answer::json(StatusCode::OK, text))
}

fn fail(error: &AdminError) -> Response<Pieces> {
    use fleet::administration::ActError;
    let status = match error {
        AdminError::NotFound
        | AdminError::Missing(_)
        | AdminError::Service(ServiceError::Act(ActError::NoSuchDevice(_))) => StatusCode::NOT_FOUND,
        AdminError::Bad(_) => StatusCode::BAD_REQUEST,
        AdminError::Refused(_)
        | AdminError::Service(
            ServiceError::Act(_)
            | ServiceError::Refused(_)
            | ServiceError::NoPlace(_)
            | ServiceError::WouldLose(_),
        ) => StatusCode::CONFLICT,
        AdminError::Service(error) => {
            tracing::error!(
                error = telemetry::chain(error),
                "an administrator's request failed"
            );
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    // The socket's owner may read the server's log too: nothing is held back.
    answer::error(status, &error.to_string())
}
