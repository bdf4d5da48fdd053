//! Lists and maps: the states of yaml.v2's `emitterc.go`, as a walk over the value.

use serde_json::{Map, Value};

use super::{
    json, order,
    scalar::{Analysis, Place},
    write::Writer,
};

/// A key that is longer, in bytes, or that has a line break is written after `? `
/// (`yaml_emitter_check_simple_key`).
const LONGEST_SIMPLE_KEY: usize = 128;

/// The whole document.
pub(super) fn document(value: &Value) -> String {
    let mut writer = Writer::new();
    node(&mut writer, value, false);
    writer.write_indent();
    writer.finish()
}

/// `yaml_emitter_emit_node`, not for a simple key; `in_mapping` is its `mapping_context`.
fn node(writer: &mut Writer, value: &Value, in_mapping: bool) {
    match value {
        Value::Null => plain(writer, "null"),
        Value::Bool(value) => plain(writer, if *value { "true" } else { "false" }),
        Value::Number(number) => plain(writer, &number.to_string()),
        Value::String(text) => scalar(writer, &json::passed_through(text), Place::Value),
        Value::Array(list) => sequence(writer, list, in_mapping),
        Value::Object(map) => mapping(writer, map),
    }
}

fn plain(writer: &mut Writer, text: &str) {
    writer.indented(true, false, |writer| writer.plain(text, true));
}

fn scalar(writer: &mut Writer, text: &str, place: Place) {
    let style = Analysis::of(text).style(text, place);
    writer.indented(true, false, |writer| writer.scalar(text, style, place));
}

/// An empty one is the only flow sequence. One that is the value of a simple key is not indented
/// (`yaml_emitter_emit_block_sequence_item`).
fn sequence(writer: &mut Writer, list: &[Value], in_mapping: bool) {
    if list.is_empty() {
        writer.indicator("[", true, true, false);
        writer.indicator("]", false, false, false);
        return;
    }
    let indentless = in_mapping && !writer.in_indention();
    writer.indented(false, indentless, |writer| {
        for element in list {
            writer.write_indent();
            writer.indicator("-", true, false, true);
            node(writer, element, false);
        }
    });
}

fn mapping(writer: &mut Writer, map: &Map<String, Value>) {
    if map.is_empty() {
        writer.indicator("{", true, true, false);
        writer.indicator("}", false, false, false);
        return;
    }
    writer.indented(false, false, |writer| {
        for (key, value) in order::sorted(map) {
            writer.write_indent();
            if key.len() <= LONGEST_SIMPLE_KEY && !Analysis::of(key).has_line_breaks() {
                scalar(writer, key, Place::SimpleKey);
                writer.indicator(":", false, false, false);
            } else {
                writer.indicator("?", true, false, true);
                scalar(writer, key, Place::Value);
                writer.write_indent();
                writer.indicator(":", true, false, true);
            }
            node(writer, value, true);
        }
    });
}
