//! From a text to its objects.

use serde_json::{Map, Value};

use crate::{
    Object, admission,
    fault::{Fault, Findings, Path, Place, Warning},
    metadata, schema,
    text::{self, Document},
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
    /// What is refused.
    pub faults: Vec<Fault>,
    /// What was left out without being refused.
    pub warnings: Vec<Warning>,
}

/// Reads the objects of a text: documents of YAML, or JSON; a `List` is its items. `origin` names the text in what is told.
///
/// ```
/// let reading = flotta_manifests::read("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}", "a.yaml");
/// assert_eq!(reading.objects[0].key.to_string(), "ConfigMap default/a");
/// ```
pub fn read(text: &str, origin: &str) -> Reading {
    let mut reading = Reading::default();
    let (documents, unreadable) = text::documents(text);
    for Document { line, value } in documents {
        any(value, origin, line, 0, &mut reading);
    }
    reading
        .faults
        .extend(unreadable.into_iter().map(|unreadable| Fault {
            place: Place {
                origin: origin.to_owned(),
                line: unreadable.line,
                object: String::new(),
                path: Path::root(),
            },
            reason: unreadable.reason,
        }));
    reading
}

fn any(value: Value, origin: &str, line: usize, lists: usize, reading: &mut Reading) {
    let mut place = Place {
        origin: origin.to_owned(),
        line: Some(line),
        object: String::new(),
        path: Path::root(),
    };
    let Value::Object(mut object) = value else {
        let reason = "is no object; begin it with `apiVersion`, `kind` and `metadata`".to_owned();
        return reading.faults.push(Fault { place, reason });
    };
    let is_list = object
        .get("kind")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.ends_with("List"));
    if is_list && lists < MAX_LISTS {
        if let Some(Value::Array(items)) = object.remove("items") {
            for item in items {
                any(item, origin, line, lists + 1, reading);
            }
            return;
        }
        place.path = Path::root().field("items");
        let reason = "is missing, or no list".to_owned();
        return reading.faults.push(Fault { place, reason });
    }
    place.object = metadata::called(&object);
    let mut findings = Findings::default();
    let object = one(object, &mut findings);
    let at = |path: Path| Place {
        path,
        ..place.clone()
    };
    let faults = findings.faults.into_iter().map(|(path, reason)| Fault {
        place: at(path),
        reason,
    });
    let warnings = findings.warnings.into_iter().map(|(path, reason)| Warning {
        place: at(path),
        reason,
    });
    reading.warnings.extend(warnings);
    let before = reading.faults.len();
    reading.faults.extend(faults);
    if let Some(object) = object
        && reading.faults.len() == before
    {
        reading.places.push(place);
        reading.objects.push(object);
    }
}

fn one(mut object: Map<String, Value>, findings: &mut Findings) -> Option<Object> {
    let kind = metadata::kind(&mut object, findings)?;
    let head = metadata::head(kind, &mut object, findings);
    admission::before(kind, &mut object, findings);
    let mut document = schema::fit(object, schema::of(kind), &Path::root(), findings);
    admission::check(kind, &mut document, findings);
    let head = head?;
    Some(Object {
        key: head.key,
        labels: head.labels,
        annotations: head.annotations,
        document,
    })
}
