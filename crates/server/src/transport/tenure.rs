//! What a connection goes on by, and what ends it before its caller does.

use std::{future::pending, sync::Arc};

use seats::{Seat, Source, Work};

use super::Peer;
use crate::tls::Admitted;

/// What a connection goes on by.
#[derive(Debug)]
pub(super) enum Tenure {
    /// A place among strangers, which a newcomer may take. With `false` not while a request is
    /// under way.
    Place(Seat, bool),
    /// A pinned key, for as long as it is pinned.
    Pin(Admitted),
}

/// A request is under way.
#[derive(Debug)]
pub(super) struct UnderWay<'a>(#[expect(dead_code, reason = "held for its drop")] Option<Work<'a>>);

impl Tenure {
    pub(super) fn peer(&self) -> Peer {
        match self {
            Self::Place(..) => Peer::Anybody,
            Self::Pin(admitted) => Peer::Pinned(admitted.key()),
        }
    }

    /// A request has arrived; `None` if it comes too late to be answered.
    pub(super) fn begin(&self) -> Option<UnderWay<'_>> {
        match self {
            Self::Place(_, true) => Some(UnderWay(None)),
            Self::Place(seat, false) => seat.work().map(|work| UnderWay(Some(work))),
            Self::Pin(admitted) => admitted.holds().then_some(UnderWay(None)),
        }
    }

    /// Completes when the place was taken: nothing more is to be said.
    pub(super) async fn taken(&self) {
        match self {
            Self::Place(seat, _) => seat.lost().await,
            Self::Pin(_) => pending().await,
        }
    }

    /// Completes when the key is pinned no longer: what is under way is to be answered.
    pub(super) async fn unpinned(&self) {
        match self {
            Self::Place(..) => pending().await,
            Self::Pin(admitted) => admitted.ended().await,
        }
    }
}

/// A connection's address and what it goes on by.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) source: Source,
    pub(super) tenure: Arc<Tenure>,
}

impl Caller {
    pub(super) fn new(source: Source, tenure: Tenure) -> Self {
        Self {
            source,
            tenure: Arc::new(tenure),
        }
    }
}
