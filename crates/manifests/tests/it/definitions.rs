//! The schemas are those of Flotta's published definitions: same fields, types, bounds, defaults.

use flotta_manifests::{
    Kind,
    schema::{self, DefaultValue, Schema, Structure},
};
use serde_json::{Value, json};

/// What is taken out on purpose, since only controllers write it.
const IGNORED: [&str; 7] = [
    "EdgeConfig.status",
    "EdgeDevice.status.",
    "EdgeDeviceSet.status",
    "EdgeDeviceSignedRequest.spec.features",
    "EdgeDeviceSignedRequest.status",
    "EdgeWorkload.status",
    "PlaybookExecution.status",
];

#[test]
fn schemas_are_those_of_the_definitions() {
    let definitions = testkit::flotta_kinds::definitions().unwrap();
    let (mut differences, mut compared) = (Vec::new(), 0);
    for definition in &definitions {
        let kind = Kind::named(definition["spec"]["names"]["kind"].as_str().unwrap()).unwrap();
        assert_eq!(
            kind.api_version(),
            format!(
                "{}/{}",
                definition["spec"]["group"].as_str().unwrap(),
                definition["spec"]["versions"][0]["name"].as_str().unwrap()
            )
        );
        let mut theirs = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        for name in ["apiVersion", "kind", "metadata"] {
            theirs["properties"].as_object_mut().unwrap().remove(name);
        }
        let ours = Schema::Object(schema::of(kind));
        compare(kind.as_str(), ours, &theirs, &mut differences, &mut compared);
    }
    assert_eq!(definitions.len(), 6);
    assert_eq!(differences, Vec::<String>::new());
    assert!(compared > 1_000, "only {compared} fields were compared");
}

fn compare(path: &str, ours: Schema, theirs: &Value, differences: &mut Vec<String>, compared: &mut usize) {
    *compared += 1;
    if let Schema::Ignored = ours {
        if !IGNORED.iter().any(|ignored| path.starts_with(ignored)) {
            differences.push(format!("{path} is ignored"));
        }
        return;
    }
    let mut theirs = theirs.clone();
    let fields = theirs.as_object_mut().unwrap();
    fields.remove("description");
    fields.remove("default");
    fields.remove("x-kubernetes-map-type");
    // 64 bits are what a number has without a format.
    if fields.get("format") == Some(&json!("int64")) {
        fields.remove("format");
    }
    let properties = fields.remove("properties");
    let required = fields.remove("required").unwrap_or_else(|| json!([]));
    let items = fields.remove("items");
    let values = fields.remove("additionalProperties");
    if theirs != said(ours) {
        differences.push(format!("{path}: {} is here {}", theirs, said(ours)));
    }
    match ours {
        Schema::Object(structure) => {
            let theirs = properties.unwrap_or_else(|| json!({}));
            structures(path, structure, &theirs, &required, differences, compared);
        }
        Schema::List(ours) | Schema::KeyedList(ours, _) | Schema::NonEmptyList(ours) => {
            compare(
                &format!("{path}[]"),
                *ours,
                &items.unwrap(),
                differences,
                compared,
            );
        }
        Schema::Map(ours) => compare(
            &format!("{path}.*"),
            *ours,
            &values.unwrap(),
            differences,
            compared,
        ),
        _ => assert!(
            properties.is_none() && items.is_none() && values.is_none(),
            "{path}"
        ),
    }
}

fn structures(
    path: &str,
    ours: &Structure,
    theirs: &Value,
    required: &Value,
    differences: &mut Vec<String>,
    compared: &mut usize,
) {
    let names: Vec<_> = ours.fields.iter().map(|field| field.name).collect();
    let their_names: Vec<_> = theirs.as_object().unwrap().keys().collect();
    if names != their_names {
        differences.push(format!("{path}: {their_names:?} are here {names:?}"));
        return;
    }
    for field in ours.fields {
        let theirs = &theirs[field.name];
        let path = format!("{path}.{}", field.name);
        let default = match field.default {
            None => Value::Null,
            Some(DefaultValue::Text(text)) => json!(text),
            Some(DefaultValue::Integer(number)) => json!(number),
            Some(DefaultValue::Boolean(truth)) => json!(truth),
        };
        if theirs.get("default").unwrap_or(&Value::Null) != &default {
            differences.push(format!("{path}: the default is here {default}"));
        }
        if required.as_array().unwrap().contains(&json!(field.name)) != field.required {
            differences.push(format!("{path}: whether it is required"));
        }
        compare(&path, field.schema, theirs, differences, compared);
    }
}

/// What a definition says of such a value, apart from what is in it.
fn said(schema: Schema) -> Value {
    const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";
    let either = json!([{"type": "integer"}, {"type": "string"}]);
    match schema {
        Schema::Object(_) | Schema::Map(_) => json!({"type": "object"}),
        Schema::List(_) => json!({"type": "array"}),
        Schema::NonEmptyList(_) => json!({"type": "array", "minItems": 1}),
        Schema::KeyedList(_, keys) => {
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys})
        }
        Schema::Text([]) => json!({"type": "string"}),
        Schema::Text(allowed) => json!({"type": "string", "enum": allowed}),
        Schema::Boolean => json!({"type": "boolean"}),
        Schema::Base64 => json!({"type": "string", "format": "byte"}),
        Schema::DateTime => json!({"type": "string", "format": "date-time"}),
        Schema::Quantity => {
            json!({"anyOf": either, "x-kubernetes-int-or-string": true, "pattern": QUANTITY})
        }
        Schema::IntOrString => json!({"anyOf": either, "x-kubernetes-int-or-string": true}),
        Schema::Integer(minimum, maximum) => integer(minimum, maximum),
        Schema::Any | Schema::Ignored => json!({}),
    }
}

/// A bound that a format implies is not said.
fn integer(minimum: i64, maximum: i64) -> Value {
    let mut said = json!({"type": "integer"});
    if maximum < i64::MAX {
        said["format"] = json!("int32");
    }
    if maximum < i64::from(i32::MAX) {
        said["maximum"] = json!(maximum);
    }
    if minimum > i64::from(i32::MIN) {
        said["minimum"] = json!(minimum);
    }
    said
}
