//! What an API server knows of the shape of an object: fields, types, bounds, defaults.
//!
//! A description is a tree of statics, one line for each field, in the order of field names. That
//! of a pod says besides what Go's own types do with a field that is not given, because Flotta
//! reads a specification into them and writes it out again.
//!
//! Rejected: reading Flotta's definitions (7,000 lines of YAML, mostly prose) at start; schemas
//! derived from Rust types (they hold what somebody here reads, and a document is kept whole).
//!
//! | Question | Module |
//! |---|---|
//! | What is a pod? | `pod` |
//! | What are Flotta's kinds, and the core objects? | `kinds` |
//! | What is done to a document so that it fits? | `fit`, `scalars` |

mod fit;
mod kinds;
mod pod;
pub(crate) mod scalars;

pub use fit::fit;
pub(crate) use kinds::METADATA;
pub use kinds::of;

/// An object with known fields.
#[derive(Debug)]
pub struct Structure {
    /// What Kubernetes or Flotta calls it: `Container`.
    pub name: &'static str,
    /// Its fields by name, ascending.
    pub fields: &'static [Field],
}

impl Structure {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A field of a [`Structure`].
#[derive(Debug)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it holds.
    pub schema: Schema,
    /// Whether it must be there.
    pub required: bool,
    /// What an API server puts where it is absent.
    pub default: Option<DefaultValue>,
    /// What Go writes of it.
    pub go: Go,
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Schema {
    /// An object with known fields; all others are pruned.
    Object(&'static Structure),
    /// A list.
    List(&'static Schema),
    /// A list in which no two elements are equal in all of these fields.
    KeyedList(&'static Schema, &'static [&'static str]),
    /// A list of at least one element.
    NonEmptyList(&'static Schema),
    /// An object whose fields are names of the user's.
    Map(&'static Schema),
    /// A text; one of these, if there are any.
    Text(&'static [&'static str]),
    /// A whole number within these bounds, both included.
    Integer(i64, i64),
    /// A truth value.
    Boolean,
    /// `resource.Quantity`: a number, or a text such as `100m` or `1Gi`.
    Quantity,
    /// A whole number of 32 bits, or any text.
    IntOrString,
    /// Bytes as base64 (standard alphabet, padded).
    Base64,
    /// A time of RFC 3339.
    DateTime,
    /// Anything; kept as it is.
    Any,
    /// Anything; an API server or a controller writes it, nobody reads it here, so it is taken out
    /// without a word.
    Ignored,
}

/// A default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// A text.
    Text(&'static str),
    /// A number.
    Integer(i64),
    /// A truth value.
    Boolean(bool),
}

/// What `encoding/json` of Go writes of a field, by how the type of `k8s.io/api` 0.23 declares it.
/// For fields that no type of Go has it is [`Go::Pointer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// A value with `omitempty`: not written where it is zero, `""`, `false`, `[]` or `{}`. A list
    /// or map as well.
    Omitted,
    /// A value that is always written: where it is absent, as its zero value (`""`, `0`, `false`,
    /// `"0"` of a quantity, the structure with its own always written fields, **`null`** of a list
    /// or map).
    Always,
    /// A pointer with `omitempty`: written where it is given, also as zero; a structure as `{}`.
    Pointer,
    /// A pointer without `omitempty`: as [`Go::Pointer`], and `null` where it is absent.
    Null,
}

/// The PodSpec of `k8s.io/api` 0.23.5 with the fields that the EdgeWorkload definition has: all of
/// them. The metadata of an ephemeral volume's claim is empty there, and Go writes
/// `creationTimestamp: null` into it.
pub fn pod_spec() -> &'static Structure {
    &pod::POD_SPEC
}

impl Field {
    const fn new(name: &'static str, schema: Schema, go: Go) -> Self {
        Self {
            name,
            schema,
            required: false,
            default: None,
            go,
        }
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn default(mut self, value: DefaultValue) -> Self {
        self.default = Some(value);
        self
    }
}

const fn omitted(name: &'static str, schema: Schema) -> Field {
    Field::new(name, schema, Go::Omitted)
}

const fn always(name: &'static str, schema: Schema) -> Field {
    Field::new(name, schema, Go::Always)
}

const fn pointer(name: &'static str, schema: Schema) -> Field {
    Field::new(name, schema, Go::Pointer)
}

const fn null(name: &'static str, schema: Schema) -> Field {
    Field::new(name, schema, Go::Null)
}

const TEXT: Schema = Schema::Text(&[]);
const INT32: Schema = Schema::Integer(i32::MIN as i64, i32::MAX as i64);
const INT64: Schema = Schema::Integer(i64::MIN, i64::MAX);
