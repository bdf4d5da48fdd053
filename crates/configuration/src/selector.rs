//! Label selectors, with the meaning and the validation of Kubernetes (`LabelSelectorAsSelector`).

use std::collections::{BTreeMap, BTreeSet};

use contract::labels::{check_key, check_value};
use manifests::kinds::LabelSelector;

/// A valid label selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    In(String, BTreeSet<String>),
    NotIn(String, BTreeSet<String>),
    Exists(String),
    DoesNotExist(String),
}

/// A selector that Kubernetes would refuse: it selects nothing, and nothing may be concluded from
/// that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSelector(String);

impl Selector {
    /// Reads a selector as it is written.
    pub fn parse(written: &LabelSelector) -> Result<Self, InvalidSelector> {
        let mut requirements = Vec::new();
        for (key, value) in &written.match_labels {
            requirements.push(Requirement::In(
                valid_key(key)?,
                BTreeSet::from([valid_value(key, value)?]),
            ));
        }
        for expression in &written.match_expressions {
            let key = valid_key(&expression.key)?;
            let values = expression
                .values
                .iter()
                .map(|value| valid_value(&key, value))
                .collect::<Result<BTreeSet<_>, _>>()?;
            let listed = !expression.values.is_empty();
            requirements.push(match (expression.operator.as_str(), listed) {
                ("In", true) => Requirement::In(key, values),
                ("NotIn", true) => Requirement::NotIn(key, values),
                ("Exists", false) => Requirement::Exists(key),
                ("DoesNotExist", false) => Requirement::DoesNotExist(key),
                (operator @ ("In" | "NotIn"), false) => {
                    return Err(InvalidSelector(format!(
                        "operator {operator} on label {key} needs at least one value"
                    )));
                }
                (operator @ ("Exists" | "DoesNotExist"), true) => {
                    return Err(InvalidSelector(format!(
                        "operator {operator} on label {key} takes no values"
                    )));
                }
                (operator, _) => {
                    return Err(InvalidSelector(format!(
                        "{operator:?} on label {key} is no operator; there are In, NotIn, Exists and DoesNotExist"
                    )));
                }
            });
        }
        Ok(Self { requirements })
    }

    /// Whether labels fulfil every requirement. Without any, all do.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.holds(labels))
    }

    /// A label that all who match have, if there is one.
    pub(crate) fn pair(&self) -> Option<(&str, &str)> {
        self.requirements
            .iter()
            .find_map(|requirement| match requirement {
                Requirement::In(key, values) if values.len() == 1 => {
                    values.first().map(|value| (key.as_str(), value.as_str()))
                }
                _ => None,
            })
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::DoesNotExist(key) => !labels.contains_key(key),
        }
    }
}

fn valid_key(key: &str) -> Result<String, InvalidSelector> {
    match check_key(key) {
        Ok(()) => Ok(key.to_owned()),
        Err(reason) => Err(InvalidSelector(format!("label key {key:?} cannot be: {reason}"))),
    }
}

fn valid_value(key: &str, value: &str) -> Result<String, InvalidSelector> {
    match check_value(value) {
        Ok(()) => Ok(value.to_owned()),
        Err(reason) => Err(InvalidSelector(format!(
            "value {value:?} of label {key} cannot be: {reason}"
        ))),
    }
}
