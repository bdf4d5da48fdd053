//! What devices are configured from, as the store sees it: texts with a place, a source and a
//! common revision.
//!
//! The store interprets none of it. Whoever writes says which texts are confidential; with a key
//! these are sealed. `Debug` shows no text, for any of them may hold secrets.

mod plan;
mod rekey;
mod row;

use std::fmt;

use jiff::Timestamp;

use crate::Revision;

pub(crate) use plan::{Kept, Plan};
pub(crate) use rekey::Resealing;
pub(crate) use row::{KeptDocument, Place, Row, damaged_source, summed_source};

/// Where a document has its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey {
    /// Its kind, as its writer calls it.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Where a rendering has its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenderingKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A text as it was read.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// The text.
    Plain(String),
    /// There is one, and this server cannot read it. It is never the same as a text that is absent.
    Unreadable {
        /// The key that it is sealed with.
        key_id: String,
        /// Why it cannot be read, and what to do.
        why: String,
    },
    /// The row is not what was written. Nothing of it can be relied on, neither its key nor its
    /// source.
    Damaged {
        /// Which, and why.
        why: String,
    },
}

impl Body {
    /// The text, if it could be read.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Unreadable { .. } | Self::Damaged { .. } => None,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "Plain({} bytes)", text.len()),
            Self::Unreadable { key_id, why } => f
                .debug_struct("Unreadable")
                .field("key_id", key_id)
                .field("why", why)
                .finish(),
            Self::Damaged { why } => f.debug_struct("Damaged").field("why", why).finish(),
        }
    }
}

/// A document as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Where it has its place.
    pub key: DocumentKey,
    /// The source that wrote it last.
    pub source: String,
    /// When it was changed last.
    pub revision: Revision,
    /// Whether its writer called it confidential.
    pub confidential: bool,
    /// Its text.
    pub body: Body,
}

/// A rendering as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendering {
    /// Where it has its place.
    pub key: RenderingKey,
    /// Whether its writer called it confidential.
    pub confidential: bool,
    /// Its text.
    pub body: Body,
}

/// A source as it was last applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// A digest of what was read from it.
    pub digest: String,
    /// When that was applied.
    pub applied_at: Timestamp,
    /// What its writer wants to know of it.
    pub state: String,
}

/// Everything at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    /// The last change; zero if nothing was ever written.
    pub revision: Revision,
    /// In the order of their keys.
    pub documents: Vec<Document>,
    /// In the order of their keys.
    pub renderings: Vec<Rendering>,
    /// In the order of their names.
    pub sources: Vec<Source>,
    /// Sources that are not what was written, and are not among those above; one sentence each.
    pub damaged_sources: Vec<String>,
}

/// A document to write.
#[derive(Clone, PartialEq, Eq)]
pub struct DocumentPut {
    /// Where it has its place.
    pub key: DocumentKey,
    /// Whether it is to be sealed if there is a key.
    pub confidential: bool,
    /// Its text.
    pub body: String,
}

impl fmt::Debug for DocumentPut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentPut")
            .field("key", &self.key)
            .field("confidential", &self.confidential)
            .finish_non_exhaustive()
    }
}

/// A rendering to write.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderingPut {
    /// Where it has its place.
    pub key: RenderingKey,
    /// Whether it is to be sealed if there is a key.
    pub confidential: bool,
    /// Its text.
    pub body: String,
}

impl fmt::Debug for RenderingPut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenderingPut")
            .field("key", &self.key)
            .field("confidential", &self.confidential)
            .finish_non_exhaustive()
    }
}

/// What a source says about itself in a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceWrite {
    /// Its name.
    pub name: String,
    /// A digest of what was read from it.
    pub digest: String,
    /// What its writer wants to know of it later.
    pub state: String,
}

impl SourceWrite {
    pub(crate) fn applied(&self, applied_at: Timestamp) -> Source {
        Source {
            name: self.name.clone(),
            digest: self.digest.clone(),
            applied_at,
            state: self.state.clone(),
        }
    }
}

/// One change of the documents, made as a whole or not at all.
#[derive(Clone, Debug)]
pub struct DocumentsWrite {
    /// The revision that it was decided on.
    pub expected: Revision,
    /// Where it comes from; the documents of `put` are this source's from now on.
    pub source: SourceWrite,
    /// Other sources that lose documents to this one, as they are from now on; when they were
    /// applied stays.
    pub others: Vec<SourceWrite>,
    /// Documents that are to be there. Those that are there already, from the same source, stay
    /// untouched. Of two with one key the later counts.
    pub put: Vec<DocumentPut>,
    /// Documents that are to be gone, whatever their source; those that are not there are passed
    /// over.
    pub remove: Vec<DocumentKey>,
    /// All renderings there shall be, or `None` to leave them as they are. One that is kept and
    /// that this server cannot read is not removed for not being named, since a server that could
    /// not read it could not name it.
    pub renderings: Option<Vec<RenderingPut>>,
    /// Whether everything that is not what was written, and that this does not replace, is to be
    /// gone, of whichever source: a person has said that what is lost with it will be taken over
    /// again.
    pub discard_damaged: bool,
    /// When.
    pub at: Timestamp,
}

/// What [`crate::Store::rekey`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// The key that every confidential text is sealed with now.
    pub key_id: String,
    /// How many had been sealed with another key.
    pub resealed: u64,
    /// How many had been stored plain.
    pub newly_sealed: u64,
    /// Where what was there before may still be read, and what to do; `None` if the store's files
    /// hold none of it.
    pub leftover: Option<String>,
}
