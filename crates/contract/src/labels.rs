//! Labels that a device gets from its hardware.
//!
//! Names and normalisation are Flotta's (`internal/edgeapi/hardware`), with one correction: Flotta
//! neither trims again after deleting characters nor cuts at 63, so a long or non-ASCII value makes
//! Kubernetes refuse the device. Here every value is a valid label value.

use std::collections::BTreeMap;

use crate::{Cut, HardwareInfo};

/// Longest label value, in bytes (Kubernetes).
pub const MAX_VALUE: usize = 63;

/// Host name.
pub const HOSTNAME: &str = "device.hostname";
/// Processor architecture.
pub const CPU_ARCHITECTURE: &str = "device.cpu-architecture";
/// Processor model.
pub const CPU_MODEL: &str = "device.cpu-model";
/// System vendor's manufacturer.
pub const SYSTEM_MANUFACTURER: &str = "device.system-manufacturer";
/// System vendor's product.
pub const SYSTEM_PRODUCT: &str = "device.system-product";
/// System vendor's serial number.
pub const SYSTEM_SERIAL: &str = "device.system-serial";

/// The labels that follow from this hardware; what it does not tell, or tells in no usable
/// character, has no label.
pub fn from_hardware(hardware: &HardwareInfo) -> BTreeMap<String, String> {
    from_hardware_in_part(hardware, &Cut::default())
}

/// The same of hardware of which the fields in `cut` were longer than is kept. They have no label:
/// that of a beginning is another one than that of the text, and takes workloads off a device.
pub fn from_hardware_in_part(hardware: &HardwareInfo, cut: &Cut) -> BTreeMap<String, String> {
    let cpu = hardware.cpu.as_ref();
    let vendor = hardware.system_vendor.as_ref();
    [
        (HOSTNAME, "hostname", Some(&hardware.hostname)),
        (CPU_ARCHITECTURE, "architecture", cpu.map(|cpu| &cpu.architecture)),
        (CPU_MODEL, "model_name", cpu.map(|cpu| &cpu.model_name)),
        (
            SYSTEM_MANUFACTURER,
            "manufacturer",
            vendor.map(|vendor| &vendor.manufacturer),
        ),
        (
            SYSTEM_PRODUCT,
            "product_name",
            vendor.map(|vendor| &vendor.product_name),
        ),
        (
            SYSTEM_SERIAL,
            "serial_number",
            vendor.map(|vendor| &vendor.serial_number),
        ),
    ]
    .into_iter()
    .filter(|(_, field, _)| !cut.contains(field))
    .filter_map(|(label, _, text)| Some((label.to_owned(), normalise(text?)?)))
    .collect()
}

/// Makes a label value of a text; `None` if no letter or digit of it can stay.
///
/// Lower-cases by Unicode, deletes everything other than `a-z`, `0-9`, `-`, `_` and `.`, and trims
/// to letters and digits at both ends, before and after cutting at [`MAX_VALUE`]. Flotta's own trim
/// before deleting, by Unicode letters and digits, has no effect on what this one leaves.
pub fn normalise(text: &str) -> Option<String> {
    let punctuation = ['-', '_', '.'];
    let kept: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || punctuation.contains(c))
        .collect();
    let trimmed = kept.trim_matches(punctuation);
    let cut = trimmed
        .get(..MAX_VALUE)
        .unwrap_or(trimmed)
        .trim_end_matches(punctuation);
    (!cut.is_empty()).then(|| cut.to_owned())
}

/// Why a text cannot be part of a label, by the rules of Kubernetes (`IsQualifiedName`,
/// `IsValidLabelValue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// The part of the key before its slash.
    #[error("the part before the slash must be a DNS name in lower case of at most 253 characters")]
    Prefix,
    /// The key, or its part after the slash.
    #[error(
        "the name must have 1 to 63 letters, digits, '-', '_' or '.', and begin and end with a letter or digit"
    )]
    Name,
    /// The value.
    #[error(
        "the value must be empty or have at most 63 letters, digits, '-', '_' or '.', and begin and end with a letter or digit"
    )]
    Value,
}

/// Whether Kubernetes would take this as the key of a label.
pub fn check_key(key: &str) -> Result<(), InvalidLabel> {
    let name = match key.split_once('/') {
        Some((prefix, _)) if prefix.len() > 253 || !prefix.split('.').all(crate::id::is_dns_label) => {
            return Err(InvalidLabel::Prefix);
        }
        Some((_, name)) => name,
        None => key,
    };
    is_word(name).then_some(()).ok_or(InvalidLabel::Name)
}

/// Whether Kubernetes would take this as the value of a label.
pub fn check_value(value: &str) -> Result<(), InvalidLabel> {
    (value.is_empty() || is_word(value))
        .then_some(())
        .ok_or(InvalidLabel::Value)
}

fn is_word(text: &str) -> bool {
    let ends = |end: Option<u8>| end.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    bytes.len() <= MAX_VALUE
        && ends(bytes.first().copied())
        && ends(bytes.last().copied())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cpu, SystemVendor};

    #[test]
    fn flotta_s_examples() {
        for (text, label) in [
            ("Fedora.Local", Some("fedora.local")),
            (
                "Intel(R) Core(TM) i7-6820HQ CPU @ 2.70GHz",
                Some("intelrcoretmi7-6820hqcpu2.70ghz"),
            ),
            ("VMware, Inc.", Some("vmwareinc")),
            ("--x--", Some("x")),
            ("AbC.", Some("abc")),
            ("x_y-z.9", Some("x_y-z.9")),
            ("", None),
            ("___", None),
        ] {
            assert_eq!(normalise(text).as_deref(), label, "{text:?}");
        }
    }

    #[test]
    fn what_flotta_gets_wrong() {
        assert_eq!(normalise("é-x").as_deref(), Some("x"));
        assert_eq!(normalise("日本"), None);
        assert_eq!(normalise(&"a".repeat(64)), Some("a".repeat(63)));
        assert_eq!(normalise(&format!("{}..b", "a".repeat(62))), Some("a".repeat(62)));
    }

    #[test]
    fn only_what_the_hardware_tells_has_a_label() {
        let hardware = HardwareInfo {
            hostname: "Edge-1".into(),
            cpu: Some(Cpu {
                architecture: "x86_64".into(),
                ..Cpu::default()
            }),
            ..HardwareInfo::default()
        };
        let labels = from_hardware(&hardware);
        assert_eq!(
            labels
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect::<Vec<_>>(),
            [(CPU_ARCHITECTURE, "x86_64"), (HOSTNAME, "edge-1")]
        );
        let vendor = SystemVendor {
            manufacturer: "ACME".into(),
            product_name: "Box 1".into(),
            serial_number: "(none)".into(),
            r#virtual: true,
        };
        let labels = from_hardware(&HardwareInfo {
            system_vendor: Some(vendor),
            ..HardwareInfo::default()
        });
        assert_eq!(labels.values().collect::<Vec<_>>(), ["acme", "box1", "none"]);
    }

    #[test]
    fn kubernetes_labels() {
        let long = "a".repeat(64);
        for key in ["a", "flotta/member-of", "example.com/A_b.c", &long[1..]] {
            assert_eq!(check_key(key), Ok(()), "{key}");
        }
        for key in ["", "a/", "a/b/c", "-a", "a.", "a b", "é", &long] {
            assert_eq!(check_key(key), Err(InvalidLabel::Name), "{key}");
        }
        for key in ["/a", "A/b", "a..b/c", "-a/b"] {
            assert_eq!(check_key(key), Err(InvalidLabel::Prefix), "{key}");
        }
        for value in ["", "true", "A-1_x.y"] {
            assert_eq!(check_value(value), Ok(()), "{value}");
        }
        for value in [" ", "-a", "a/b", &long] {
            assert_eq!(check_value(value), Err(InvalidLabel::Value), "{value}");
        }
    }
}
