//! The server's side of the admin socket: JSON over HTTP/1.1.

use bytes::Bytes;
use contract::DeviceId;
use fleet::{Phase, administration::Act};
use http::{Method, Request, Response, StatusCode};
use serde::Serialize;
use store::Page;

use super::{AUTHOR, PAGE};
use crate::{
    service::{Service, ServiceError},
    telemetry,
    transport::{Handler, answer},
};

/// Answers the owner of the admin socket.
pub struct AdminPlane {
    service: Service,
}

#[derive(Debug, thiserror::Error)]
enum AdminError {
    #[error("there is no such path")]
    NotFound,
    #[error("{0}")]
    Bad(String),
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl AdminPlane {
    /// The administration of a fleet.
    pub fn new(service: Service) -> Self {
        Self { service }
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, AdminError> {
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
                let act: Act = serde_json::from_slice(request.body())
                    .map_err(|error| AdminError::Bad(error.to_string()))?;
                let by = request
                    .headers()
                    .get(AUTHOR)
                    .and_then(|by| by.to_str().ok())
                    .unwrap_or("administrator");
                let id = device(id)?;
                tracing::info!(device = %id, by, ?act, "an administrator acts");
                document(&self.service.act(id, act, by.to_owned()).await?)
            }
            _ => Err(AdminError::NotFound),
        }
    }
}

impl Handler for AdminPlane {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
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
            "after" => page.after = Some(device(value)?),
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

fn document<T: Serialize>(value: &T) -> Result<Response<Bytes>, AdminError> {
    let text = serde_json::to_vec(value).map_err(ServiceError::from)?;
    Ok(answer::json(StatusCode::OK, text))
}

fn fail(error: &AdminError) -> Response<Bytes> {
    use fleet::administration::ActError;
    let status = match error {
        AdminError::NotFound | AdminError::Service(ServiceError::Act(ActError::NoSuchDevice(_))) => {
            StatusCode::NOT_FOUND
        }
        AdminError::Bad(_) => StatusCode::BAD_REQUEST,
        AdminError::Service(ServiceError::Act(_)) => StatusCode::CONFLICT,
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
