//! One request: body, a place among those under way, handler, and an answer within the deadline
//! whatever happens.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, timeout_at};

use super::{
    Handler, Pieces, answer,
    body::{self, Fault},
    connection::Shared,
    tenure::Caller,
};

/// Answers one request.
pub(super) async fn respond<H: Handler>(
    shared: &Shared<H>,
    caller: &Caller,
    request: Request<Incoming>,
) -> Response<Pieces> {
    let deadline = Instant::now() + shared.limits.request;
    let (mut parts, body) = request.into_parts();
    if parts.version != Version::HTTP_11 {
        return closing(answer::error(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "this server speaks HTTP/1.1 only",
        ));
    }
    let body = match receive(shared, caller, body, deadline).await {
        Ok(body) => body,
        Err(refusal) => return closing(refusal),
    };
    let Some(_under_way) = caller.tenure.begin() else {
        return closing(answer::error(
            StatusCode::FORBIDDEN,
            "this connection is at its end; open another one",
        ));
    };
    let Ok(_place) = shared.requests.try_acquire() else {
        shared.metrics.limit_hit(shared.plane, "concurrent_requests");
        return closing(answer::busy("too many requests are under way; try again"));
    };
    parts.extensions.insert(caller.tenure.peer());
    let request = Request::from_parts(parts, body);
    if let Ok(outcome) = timeout_at(deadline, caught(shared.handler.handle(request))).await {
        outcome.unwrap_or_else(|panic| {
            shared.metrics.panicked(shared.plane);
            let reason = tasks::panic_message(&*panic);
            tracing::error!(
                plane = shared.plane,
                reason,
                "a request failed because of a defect in this program"
            );
            answer::error(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the request failed because of a defect in this server",
            )
        })
    } else {
        shared.metrics.limit_hit(shared.plane, "request_time");
        answer::busy("the request could not be answered in time; try again")
    }
}

/// Reads a body within the deadline and the size.
async fn receive<H: Handler>(
    shared: &Shared<H>,
    caller: &Caller,
    body: Incoming,
    deadline: Instant,
) -> Result<Bytes, Response<Pieces>> {
    let limit = shared.limits.body;
    let too_large = || {
        shared.metrics.limit_hit(shared.plane, "body_size");
        answer::error(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body must not be longer than {limit} bytes"),
        )
    };
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // An announced length is refused before it is read, and where there is to be no body its end is
    // not waited for.
    if limit == 0 || usize::try_from(body.size_hint().lower()).map_or(true, |announced| announced > limit) {
        return Err(too_large());
    }
    let crowded = || {
        shared.metrics.limit_hit(shared.plane, "unfinished_bodies");
        answer::busy("too many bodies have not arrived; try again")
    };
    let seat = shared.bodies.take(caller.source).seat().ok_or_else(crowded)?;
    let arrived = tokio::select! {
        biased;
        arrived = timeout_at(deadline, body::collect(body, limit, &shared.room)) => arrived,
        () = seat.lost() => return Err(crowded()),
    };
    match arrived {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(Fault::TooLong)) => Err(too_large()),
        Ok(Err(Fault::NoRoom)) => {
            shared.metrics.limit_hit(shared.plane, "body_memory");
            Err(answer::busy(
                "there is no room for bodies of this size now; try again",
            ))
        }
        Ok(Err(Fault::Broken)) => Err(answer::error(
            StatusCode::BAD_REQUEST,
            "the body did not arrive whole",
        )),
        Err(_) => {
            shared.metrics.limit_hit(shared.plane, "body_time");
            Err(answer::error(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            ))
        }
    }
}

/// Runs a handler; a panic is a value.
async fn caught<T>(handler: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut handler = pin!(handler);
    // The future is dropped after a panic and never polled again.
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        },
    )
    .await
}

/// An answer to a request whose body was not read: what is left of it must not be taken for the
/// next request.
fn closing(mut answer: Response<Pieces>) -> Response<Pieces> {
    answer
        .headers_mut()
        .insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}
