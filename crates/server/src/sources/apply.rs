//! A source becomes what the store holds: as a whole, in one transaction, or not at all.
//!
//! What disappeared from a source is removed only if the source was read whole and is not empty: an
//! unmounted volume and an emptied directory look alike, and neither is an order to remove what
//! devices run. That a source is to be emptied, or to have another one's objects, is said by an act
//! of its own.

use fleet::Phase;
use manifests::{Key, source::SourceReading};
use serde::{Deserialize, Serialize};
use store::{DocumentsWrite, Page, Store, StoreError, Stored};

use super::{Current, Loss, Reloader, WATCHED, change::Change};
use crate::service::{Had, held, holdings};

/// How often a change is decided anew because another server changed the documents meanwhile.
const ROUNDS: usize = 4;

/// Devices that are read at a time for the review.
const PAGE: usize = 500;

/// A source was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The source.
    pub source: String,
    /// How many objects it has.
    pub objects: usize,
    /// Those that were added or changed.
    pub changed: Vec<String>,
    /// Those that were removed, since the source has them no more.
    pub removed: Vec<String>,
    /// What was passed over in them, one sentence each.
    pub warnings: Vec<String>,
}

/// Why a source was not taken over. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It has no object.
    #[error(
        "source {0:?} holds no object, so nothing was removed; an empty source is taken for one that failed: if it is meant, \
         'edge-config-server manifests empty {0}'"
    )]
    Empty(String),
    /// There is no such source.
    #[error("there is no source {0:?}; 'edge-config-server manifests status' shows those there are")]
    NoSuchSource(String),
    /// An object is another source's.
    #[error("{key} belongs to source {owner:?}; {remedy}, or take it out of source {source:?}", source = .asked,
        remedy = hand_over(.asked, .owner))]
    Owned {
        /// The object.
        key: Key,
        /// Whose it is.
        owner: String,
        /// Who wants it.
        asked: String,
    },
    /// It takes something away, and the source has not rested.
    #[error("source {source_name:?} takes away {lacks}; {remedy}")]
    Settling {
        /// The source.
        source_name: String,
        /// What it holds.
        digest: String,
        /// What it takes away.
        lacks: String,
        /// When it counts.
        remedy: String,
    },
    /// A person has to say that what it takes away is meant.
    #[error(
        "source {source_name:?} waits for a person: {objection}. If that is meant: {remedy}; until then devices keep what they have"
    )]
    Unconfirmed {
        /// The source.
        source_name: String,
        /// What is to be confirmed.
        digest: String,
        /// What it would take away.
        objection: String,
        /// How to confirm it.
        remedy: String,
    },
    /// The store could not read or write.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An object could not be written as JSON.
    #[error("an object cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

fn hand_over(asked: &str, owner: &str) -> String {
    if asked == WATCHED {
        format!("hand it over with 'edge-config-server manifests hand-over {owner}'")
    } else {
        format!("hand it over with 'edge-config-server manifests apply --take-from {owner}'")
    }
}

/// What a reading of a source may do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Consent<'a> {
    /// The digest of what a person has said may take workloads away.
    pub confirmed: Option<&'a str>,
    /// Whether the source has rested for long enough that what it lacks is meant to lack.
    pub settled: bool,
    /// It is an act of a person, who confirms it by repeating it.
    pub by_hand: bool,
    /// A source whose objects it may have.
    pub from: Option<&'a str>,
    /// Whether it is meant that the source holds nothing.
    pub empties: bool,
}

impl Reloader {
    /// Takes a source over.
    pub async fn apply(
        &self,
        source: &str,
        reading: &SourceReading,
        consent: Consent<'_>,
    ) -> Result<Applied, ApplyError> {
        let _one_at_a_time = self.applying.lock().await;
        for _ in 0..ROUNDS {
            let (before, damage) = Current::salvage(self.store.documents().await?, self.strict);
            check(&before, source, reading, consent)?;
            let change = Change::between(&before, source, &reading.objects, consent.from)?;
            let after = before.with(source, &change.put, &change.remove, self.strict);
            let to_confirm = to_confirm(&before, source, reading);
            let is_confirmed = consent.confirmed == Some(to_confirm);
            let unsettled = |lacks: String| ApplyError::Settling {
                source_name: source.to_owned(),
                digest: reading.digest.clone(),
                lacks,
                remedy: if consent.by_hand {
                    // It is done once, so nobody waits until the source has rested.
                    format!("if that is meant, repeat it with --confirm={to_confirm}")
                } else {
                    format!(
                        "that counts when it has not changed for the time of --settle-removals, or by 'edge-config-server \
                         manifests confirm {to_confirm}'"
                    )
                },
            };
            let must_rest = !consent.settled && !is_confirmed;
            if let Some(lacks) = change.lacks().filter(|_| must_rest) {
                return Err(unsettled(lacks));
            }
            let objection = if let Some(damaged) = damage.first() {
                // Nobody can compute what devices would lose, whatever share of them may.
                Some(damaged.to_string())
            } else {
                let loss = loss(&*self.store, &before, &after).await?;
                if let Some(lost) = loss.first().filter(|_| must_rest) {
                    return Err(unsettled(lost));
                }
                if consent.by_hand {
                    loss.objection_to_act(self.allowed)
                } else {
                    loss.objection(self.allowed)
                }
            };
            if let Some(objection) = objection.filter(|_| !is_confirmed) {
                return Err(ApplyError::Unconfirmed {
                    source_name: source.to_owned(),
                    digest: to_confirm.to_owned(),
                    objection,
                    remedy: if consent.by_hand {
                        format!("repeat it with --confirm={to_confirm}")
                    } else {
                        format!("'edge-config-server manifests confirm {to_confirm}'")
                    },
                });
            }
            let write = DocumentsWrite {
                // With anything damaged it gets here only when an administrator has confirmed it.
                discard_damaged: !damage.is_empty(),
                ..change.write(&before, &after, source, reading, self.now())?
            };
            match self.store.apply_documents(write).await {
                Ok(_) => {
                    self.catch_up().await;
                    return Ok(change.told(source, reading));
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::unavailable("the documents are changed faster than they can be read").into())
    }
}

/// Whether this may be asked for at all.
fn check(
    before: &Current,
    source: &str,
    reading: &SourceReading,
    consent: Consent<'_>,
) -> Result<(), ApplyError> {
    let is_known = |name: &str| before.applied.iter().any(|applied| applied.name == name);
    if let Some(from) = consent.from.filter(|from| !is_known(from)) {
        return Err(ApplyError::NoSuchSource(from.to_owned()));
    }
    if consent.empties {
        // That the watched one is meant to be empty can be said before it was ever taken over.
        return if is_known(source) || source == WATCHED {
            Ok(())
        } else {
            Err(ApplyError::NoSuchSource(source.to_owned()))
        };
    }
    let was_emptied = is_known(source) && before.of_source(source).next().is_none();
    if reading.is_empty() && !was_emptied {
        return Err(ApplyError::Empty(source.to_owned()));
    }
    Ok(())
}

/// The digest of what a person has looked at: of what is to come, or where nothing is, of what is
/// to go.
fn to_confirm<'a>(before: &'a Current, source: &str, reading: &'a SourceReading) -> &'a str {
    let applied = before.applied.iter().find(|applied| applied.name == source);
    match applied.filter(|_| reading.is_empty()) {
        Some(applied) => &applied.digest,
        None => &reading.digest,
    }
}

/// What every approved device would lose that is configured.
async fn loss(store: &dyn Store, before: &Current, after: &Current) -> Result<Loss, StoreError> {
    let mut loss = Loss::default();
    let epoch = store.identity().epoch;
    let mut page = Page {
        after: None,
        limit: PAGE,
    };
    loop {
        let listing = store.list(Some(Phase::Approved), page.clone()).await?;
        for entry in &listing.devices {
            let stored = match entry {
                Ok(device) => match store.load(&device.id).await {
                    Err(StoreError::Corrupt { .. }) => Err(device.id.as_str()),
                    stored => Ok(stored?),
                },
                Err(unreadable) => Err(unreadable.id.as_str()),
            };
            match stored {
                Ok(None) => {}
                Ok(Some(Stored { device, .. })) => match held(&device, before, epoch) {
                    Some(Had::Known(had)) => loss.count(&device.id, &had, &holdings(&device, after)),
                    Some(Had::Unknown) => loss.count_unknown(&device.id),
                    None => {}
                },
                // It gets error answers as long as it has to be read, and that may end.
                Err(id) => loss.count_unreadable(id, before.catalogue.may_lose(&after.catalogue, id)),
            }
        }
        let Some(next) = listing.next else {
            return Ok(loss);
        };
        page.after = Some(next);
    }
}
