//! Reading with bounds: of a document that is longer than anybody needs, the beginning is kept.
//!
//! A list of small objects takes a hundred times the memory of its text, so a bound on the text
//! alone bounds nothing. Here the bound is on what is kept, and it is met *while* the document is
//! read: what is beyond it is read past and never made. Nothing is refused for it (a device that is
//! refused falls silent); the result says of which fields a part is missing.
//!
//! Lists are counted by the size of their elements in memory and the bytes of the texts in them, so
//! that a document that was cut, written and read again is the same. Rejected: bounds on the number
//! of entries, which say nothing about memory, and attributes at the fields, of which one would be
//! forgotten.

mod deserializer;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};

use crate::heap::HeapSize;

/// How much is kept of a document.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Longest text, in bytes; what is longer is cut after a whole character.
    pub text: usize,
    /// Bytes of one list, or of one map whose keys are texts, with all that is in it.
    pub list: usize,
    /// Where this holds.
    pub fields: Fields,
}

/// Which fields of a document are bounded, by name and with all that is in them.
#[derive(Clone, Copy, Debug)]
pub enum Fields {
    /// All but these.
    AllBut(&'static [&'static str]),
    /// These and no others.
    Only(&'static [&'static str]),
}

impl Bounds {
    /// How much is kept of what a device sends: several hundred disks or interfaces, more than a
    /// thousand device nodes, mounts or workloads. A certificate request is kept whole, or its
    /// signature could not be verified.
    pub const RECEIVED: Self = Self {
        text: 4 * 1024,
        list: 256 * 1024,
        fields: Fields::AllBut(&["certificate_request"]),
    };
}

/// The fields of which a part was left out, by the names that they have in the document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cut(BTreeSet<String>);

impl Cut {
    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a part of this field was left out.
    pub fn contains(&self, field: &str) -> bool {
        self.0.contains(field)
    }

    /// The fields, in alphabetical order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// A part of this field is left out.
    pub fn insert(&mut self, field: &str) {
        if !self.0.contains(field) {
            self.0.insert(field.to_owned());
        }
    }

    /// Keeps only the fields of which this holds.
    pub fn retain(&mut self, holds: impl Fn(&str) -> bool) {
        self.0.retain(|field| holds(field));
    }
}

impl<'a> FromIterator<&'a str> for Cut {
    fn from_iter<I: IntoIterator<Item = &'a str>>(fields: I) -> Self {
        Self(fields.into_iter().map(str::to_owned).collect())
    }
}

impl HeapSize for Cut {
    fn heap_size(&self) -> usize {
        self.0.heap_size()
    }
}

/// Reads a JSON document as far as the bounds allow.
pub fn from_slice<T: DeserializeOwned>(
    document: &[u8],
    bounds: Bounds,
) -> Result<(T, Cut), serde_json::Error> {
    let reader = Reader::new(bounds);
    let mut document = serde_json::Deserializer::from_slice(document);
    let value = T::deserialize(reader.bound(&mut document))?;
    document.end()?;
    Ok((value, reader.finish()))
}

/// The bounds of one document that is being read, for a caller with a deserializer of its own.
#[derive(Debug)]
pub struct Reader {
    bounds: Bounds,
    /// Whether the field that is being read is one of those that are bounded.
    bounded: Cell<bool>,
    /// Name of the field that is being read.
    field: RefCell<String>,
    /// The list that is being read, the outermost one, and how many bytes are left to it.
    list: RefCell<Option<String>>,
    left: Cell<usize>,
    cut: RefCell<Cut>,
}

impl Reader {
    /// For one document.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            bounded: Cell::new(matches!(bounds.fields, Fields::AllBut(_))),
            field: RefCell::default(),
            list: RefCell::default(),
            left: Cell::new(0),
            cut: RefCell::default(),
        }
    }

    /// The document, as what is read from it asks for it.
    pub fn bound<'de, D: Deserializer<'de>>(&self, document: D) -> impl Deserializer<'de, Error = D::Error> {
        deserializer::Bounded::new(document, self)
    }

    /// What was left out.
    pub fn finish(self) -> Cut {
        self.cut.into_inner()
    }

    /// Whether a field of this name, in what is being read, is bounded.
    fn bounds_field(&self, name: &str) -> bool {
        match self.bounds.fields {
            Fields::AllBut(fields) => self.bounded.get() && !fields.contains(&name),
            Fields::Only(fields) => self.bounded.get() || fields.contains(&name),
        }
    }

    /// A list begins, or a map; returns whether it is one that is bounded as a whole. To be closed
    /// by [`Reader::close`].
    fn open(&self) -> bool {
        let mut list = self.list.borrow_mut();
        if !self.bounded.get() || list.is_some() {
            return false;
        }
        *list = Some(self.field.borrow().clone());
        self.left.set(self.bounds.list);
        true
    }

    fn close(&self) {
        *self.list.borrow_mut() = None;
    }

    /// Whether a list has room for an element of this size; it is taken then.
    fn take(&self, bytes: usize) -> bool {
        if self.list.borrow().is_none() {
            return true;
        }
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                true
            }
            None => false,
        }
    }

    /// As much of a text as is kept.
    fn text<'a>(&self, text: &'a str) -> &'a str {
        if !self.bounded.get() {
            return text;
        }
        let kept = if text.len() > self.bounds.text {
            self.mark();
            beginning(text, self.bounds.text)
        } else {
            text
        };
        self.spend(kept.len());
        kept
    }

    /// An element that was begun is finished, whatever it takes: the next one finds no room.
    fn spend(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_sub(bytes));
    }

    /// A part of what is being read is left out.
    fn mark(&self) {
        let list = self.list.borrow();
        let field = self.field.borrow();
        self.cut.borrow_mut().insert(list.as_ref().unwrap_or(&field));
    }
}

/// At most so many bytes of a text, and only whole characters.
pub fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
