//! From a text to its objects.

use std::path;

use serde_json::{Map, Value};

use crate::{
    Kind, Object, admission,
    fault::{Fault, Findings, Path, Place, UnknownFields, Warning, tell},
    metadata, schema,
    text::{self, Document, Format, Outcome},
};

/// A `List` contains no list, and so on; deeper than this is a mistake.
const MAX_LISTS: usize = 4;

/// What a text says.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Its objects, in their order. Those with a fault are not among them.
    pub objects: Vec<Object>,
    /// Where each of them begins, index by index.
    pub places: Vec<Place>,
    /// What is refused: the first of it.
    pub faults: Vec<Fault>,
    /// How many more faults there are.
    pub more_faults: usize,
    /// What was left out without being refused: the first of it.
    pub warnings: Vec<Warning>,
    /// How many more warnings there are.
    pub more_warnings: usize,
}

/// Reads the objects of a text: documents of YAML, or JSON; a `List` is its items. `origin` names
/// the text in what is told; what ends in `.json` is JSON alone.
///
/// ```
/// let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
/// let reading = flotta_manifests::read(text, "a.yaml");
/// assert_eq!(reading.objects[0].key.to_string(), "ConfigMap default/a");
/// ```
pub fn read(text: &str, origin: &str) -> Reading {
    read_with(text, origin, UnknownFields::default())
}

/// The same, where a person has said what becomes of unknown fields.
pub fn read_with(text: &str, origin: &str, unknown_fields: UnknownFields) -> Reading {
    let path = path::Path::new(origin);
    let format = if path.extension().is_some_and(|ending| ending == "json") {
        Format::Json
    } else {
        Format::Any
    };
    let stem = path.file_stem().unwrap_or_default();
    let mut reader = Reader {
        origin,
        unknown_fields,
        is_kustomization: stem == "kustomization",
        reading: Reading::default(),
    };
    text::documents(text, format, &mut |outcome| match outcome {
        Outcome::Document(Document { line, value }) => reader.any(value, line, 0),
        Outcome::Unreadable(unreadable) => {
            let place = reader.place(unreadable.line);
            reader.fault(place, unreadable.reason);
        }
        Outcome::MoreFaults(more) => reader.reading.more_faults += more,
    });
    reader.reading
}

struct Reader<'a> {
    origin: &'a str,
    unknown_fields: UnknownFields,
    /// Whether its name is that of the file that `kubectl apply -k` reads.
    is_kustomization: bool,
    reading: Reading,
}

impl Reader<'_> {
    fn place(&self, line: Option<usize>) -> Place {
        Place {
            origin: self.origin.to_owned(),
            line,
            object: String::new(),
            path: Path::root(),
        }
    }

    fn fault(&mut self, place: Place, reason: String) {
        let Reading {
            faults, more_faults, ..
        } = &mut self.reading;
        tell(faults, more_faults, Fault { place, reason });
    }

    fn warning(&mut self, place: Place, reason: String) {
        let Reading {
            warnings,
            more_warnings,
            ..
        } = &mut self.reading;
        tell(warnings, more_warnings, Warning { place, reason });
    }

    fn any(&mut self, value: Value, line: usize, lists: usize) {
        let mut place = self.place(Some(line));
        let Value::Object(mut object) = value else {
            return self.fault(place, text::NO_OBJECT.to_owned());
        };
        if lists < MAX_LISTS && is_list(&object) {
            if let Some(Value::Array(items)) = object.remove("items") {
                for item in items {
                    self.any(item, line, lists + 1);
                }
                return;
            }
            place.path = Path::root().field("items");
            return self.fault(place, "is missing, or no list".to_owned());
        }
        if self.is_kustomization && !object.contains_key("kind") && !object.contains_key("apiVersion") {
            return self.warning(place, metadata::KUSTOMIZATION.to_owned());
        }
        place.object = metadata::called(&object);
        let mut findings = Findings::new(self.unknown_fields);
        let object = one(object, &mut findings);
        let is_whole = findings.faults.is_empty();
        let at = |path: Path| Place {
            path,
            ..place.clone()
        };
        for (path, reason) in findings.warnings {
            self.warning(at(path), reason);
        }
        for (path, reason) in findings.faults {
            self.fault(at(path), reason);
        }
        self.reading.more_warnings += findings.more_warnings;
        self.reading.more_faults += findings.more_faults;
        if let Some(object) = object
            && is_whole
        {
            self.reading.places.push(place);
            self.reading.objects.push(object);
        }
    }
}

/// Whether it is a list of objects: by its name, and by what it holds if the name may be that of
/// another kind.
fn is_list(object: &Map<String, Value>) -> bool {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    kind.strip_suffix("List").is_some_and(|of| {
        of.is_empty() || Kind::named(of).is_some() || object.get("items").is_some_and(Value::is_array)
    })
}

fn one(mut object: Map<String, Value>, findings: &mut Findings) -> Option<Object> {
    let kind = metadata::kind(&mut object, findings)?;
    let head = metadata::head(kind, &mut object, findings);
    admission::before(kind, &mut object, findings);
    let mut document = schema::fit(object, schema::of(kind), &Path::root(), findings);
    admission::check(kind, head.as_ref(), &mut document, findings);
    let head = head?;
    Some(Object {
        key: head.key,
        labels: head.labels,
        annotations: head.annotations,
        document,
    })
}
