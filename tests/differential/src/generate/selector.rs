//! Valid label selectors of every form, most of them with a chance to match.

use serde_json::{Value, json};

use super::Maker;

/// What devices are labelled with, and selected by.
pub(super) const LABELS: [(&str, &[&str]); 4] = [
    ("line", &["press", "paint"]),
    ("site", &["a", "b", ""]),
    ("example.com/zone", &["1", "2"]),
    ("flag", &["true"]),
];

impl Maker<'_> {
    pub(super) fn selector(&mut self) -> Value {
        if self.dice.percent(20) {
            return json!({});
        }
        let mut selector = json!({});
        if self.dice.percent(60) {
            let (key, value) = self.label();
            selector["matchLabels"] = json!({key: value});
        }
        if self.dice.percent(55) {
            let expressions: Vec<Value> = (0..self.dice.count(1..3)).map(|_| self.expression()).collect();
            selector["matchExpressions"] = json!(expressions);
        }
        selector
    }

    fn label(&mut self) -> (String, String) {
        if self.dice.percent(3) {
            return ("no-device-has-it".into(), "x".into());
        }
        if self.dice.percent(15) {
            return ("device.cpu-architecture".into(), "x86_64".into());
        }
        if self.dice.percent(8) && !self.sets.is_empty() {
            let set = self.dice.pick(&self.sets).clone();
            return ("flotta/member-of".into(), set);
        }
        let (key, values) = *self.dice.pick(&LABELS);
        (key.into(), (*self.dice.pick(values)).into())
    }

    fn expression(&mut self) -> Value {
        let (key, value) = self.label();
        let operator = *self.dice.pick(&["In", "NotIn", "Exists", "DoesNotExist"]);
        if !matches!(operator, "In" | "NotIn") {
            return json!({"key": key, "operator": operator});
        }
        let mut values = vec![value];
        if self.dice.percent(40) {
            values.push("another".into());
        }
        json!({"key": key, "operator": operator, "values": values})
    }
}
