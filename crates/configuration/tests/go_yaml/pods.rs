//! Pods, made from the same table that they are written by: every field that there is, also those
//! that admission refuses.

use manifests::schema::{Field, Go, Schema, Structure, pod_spec};
use proptest::{collection, option, prelude::*, sample};
use serde_json::{Value, json};

use super::texts::{keys, texts};

/// Any that the schema lets through.
pub(crate) fn pod_specs() -> BoxedStrategy<Value> {
    structures(pod_spec(), 0)
}

/// As users write them, and as nobody would.
pub(crate) fn quantities() -> BoxedStrategy<String> {
    prop_oneof![
        sample::select(
            &[
                "0",
                "1",
                "100m",
                "1Gi",
                "0.5",
                "1.5Gi",
                "1e3",
                "1E3",
                "0.5Ki",
                "1000Mi",
                "1024Mi",
                "1.500",
                "+1Mi",
                "01Mi",
                "1000E",
                "9Ei",
                "8Ei",
                "7.9999Ei",
                "1n",
                "0.1n",
                "-0.1n",
                "1e-10",
                ".5",
                "5.",
                "",
                "-",
                "1KiB",
                "1 Gi",
                "e3",
                "9223372036854775807",
                "9223372036854775808Ki",
                "0.0001Ki",
                "1000000",
                "1100",
                "00",
                "-0Mi",
            ][..]
        )
        .prop_map(str::to_owned),
        "[-+]?[0-9]{0,4}([.][0-9]{0,4})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]{1,2})?",
        "[-+]?[0-9]{0,22}([.][0-9]{0,22})?(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]{1,2})?",
        "[-+]?[1-9]{1,2}0{1,20}(n|m|k|M|E|Ki|Mi|Gi|[eE][-+]?[0-9])?",
        "(8|16|1024|1536|2048|1048576|9007199254740992)([.]0{0,3})?(Ki|Mi|Gi|Ti|Pi|Ei)?",
    ]
    .boxed()
}

/// What can be done to a quantity: not all are any.
fn good_quantities() -> BoxedStrategy<Value> {
    prop_oneof![
        "[0-9]{1,4}([.][0-9]{1,4})?(m|k|M|G|Ki|Mi|Gi|e[0-9])?".prop_map(Value::from),
        (-3_000_i64..3_000).prop_map(Value::from),
    ]
    .boxed()
}

/// Nearly all without what Go's YAML does not read back, which would keep large pods from ever
/// being compared.
fn texts_of_pods() -> BoxedStrategy<String> {
    let refused = |character: &char| matches!(character, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    let readable =
        texts().prop_map(move |text| text.chars().filter(|character| !refused(character)).collect());
    prop_oneof![200 => readable, 1 => texts()].boxed()
}

fn structures(structure: &'static Structure, depth: u32) -> BoxedStrategy<Value> {
    let fields: Vec<_> = structure
        .fields
        .iter()
        .map(|field| fields(field, depth))
        .collect();
    fields
        .prop_map(|fields| Value::Object(fields.into_iter().flatten().collect()))
        .boxed()
}

fn fields(field: &'static Field, depth: u32) -> BoxedStrategy<Option<(String, Value)>> {
    let probability = match (field.required, depth) {
        (true, _) => 0.97,
        (false, 0..=2) => 0.2,
        (false, _) => 0.3,
    };
    // Go reads `null` into most types, as if nothing was there.
    let nulls = if field.go == Go::Always { 0.05 } else { 0.01 };
    option::weighted(
        probability,
        option::weighted(1.0 - nulls, values(&field.schema, depth + 1)),
    )
    .prop_map(|value| Some((field.name.to_owned(), value?.unwrap_or(Value::Null))))
    .boxed()
}

fn values(schema: &'static Schema, depth: u32) -> BoxedStrategy<Value> {
    match schema {
        Schema::Object(structure) => structures(structure, depth),
        Schema::List(of) | Schema::KeyedList(of, _) | Schema::NonEmptyList(of) => {
            let element =
                option::weighted(0.98, values(of, depth)).prop_map(|value| value.unwrap_or(Value::Null));
            collection::vec(element, 0..3).prop_map(Value::from).boxed()
        }
        Schema::Map(of) => {
            let entries = collection::btree_map(
                prop_oneof![4 => keys(), 1 => texts_of_pods()],
                values(of, depth),
                0..4,
            );
            entries
                .prop_map(|entries| Value::Object(entries.into_iter().collect()))
                .boxed()
        }
        Schema::Text([]) | Schema::Base64 | Schema::DateTime | Schema::Any | Schema::Ignored => {
            prop_oneof![3 => "[a-z][a-z0-9/.-]{0,12}", 2 => texts_of_pods(), 1 => Just(String::new())]
                .prop_map(Value::from)
                .boxed()
        }
        Schema::Text(known) => sample::select(*known).prop_map(Value::from).boxed(),
        Schema::Integer(least, greatest) => {
            let (least, greatest) = (*least, *greatest);
            prop_oneof![
                Just(0_i64.clamp(least, greatest)),
                Just(least),
                Just(greatest),
                least..=greatest
            ]
            .prop_map(Value::from)
            .boxed()
        }
        Schema::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Schema::Quantity => good_quantities(),
        Schema::IntOrString => prop_oneof![
            any::<i32>().prop_map(Value::from),
            texts_of_pods().prop_map(Value::from)
        ]
        .boxed(),
    }
}

/// Values of this type in which one field of all is given, each in its turn, as `null`, as zero and
/// as something else.
pub(crate) fn one_by_one(schema: &Schema) -> Vec<Value> {
    match schema {
        Schema::Object(structure) => {
            let mut values = vec![json!({})];
            for field in structure.fields {
                values.push(json!({field.name: null}));
                values.extend(
                    one_by_one(&field.schema)
                        .into_iter()
                        .map(|value| json!({field.name: value})),
                );
            }
            values
        }
        Schema::List(of) | Schema::KeyedList(of, _) | Schema::NonEmptyList(of) => {
            let elements = one_by_one(of).into_iter().map(|value| json!([value]));
            [json!([]), json!([null])].into_iter().chain(elements).collect()
        }
        Schema::Map(of) => {
            let values = one_by_one(of).into_iter().map(|value| json!({"key": value}));
            [json!({}), json!({"key": null})]
                .into_iter()
                .chain(values)
                .collect()
        }
        Schema::Quantity => vec![json!(0), json!("0"), json!("1500m"), json!("0.5Gi")],
        Schema::Integer(least, greatest) => vec![json!(0), json!(least), json!(greatest)],
        Schema::IntOrString => vec![json!(0), json!(8080), json!(""), json!("http")],
        Schema::Boolean => vec![json!(false), json!(true)],
        Schema::Text(_) | Schema::Base64 | Schema::DateTime | Schema::Any | Schema::Ignored => {
            vec![json!(""), json!("text")]
        }
    }
}
