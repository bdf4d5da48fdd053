//! Hardware, merged: what a device does not say is kept.
//!
//! Only the first report of an agent's life is complete. Later ones carry the host name, interfaces
//! and mounts, or of those only what changed, down to an object of nothing but nulls. Flotta
//! replaces what it has with that and so loses it; here an absent or empty value says nothing, and
//! a list that is given replaces the whole list (its elements have no names).

use contract::{Boot, Cpu, HardwareInfo, Memory, SystemVendor};

/// What is known after a device said `news`.
#[must_use]
pub fn merge(known: &HardwareInfo, news: &HardwareInfo) -> HardwareInfo {
    HardwareInfo {
        hostname: text(&known.hostname, &news.hostname),
        boot: object(known.boot.as_ref(), news.boot.as_ref(), boot),
        cpu: object(known.cpu.as_ref(), news.cpu.as_ref(), cpu),
        memory: object(known.memory.as_ref(), news.memory.as_ref(), memory),
        system_vendor: object(
            known.system_vendor.as_ref(),
            news.system_vendor.as_ref(),
            system_vendor,
        ),
        disks: list(known.disks.as_ref(), news.disks.as_ref()),
        gpus: list(known.gpus.as_ref(), news.gpus.as_ref()),
        interfaces: list(known.interfaces.as_ref(), news.interfaces.as_ref()),
        host_devices: list(known.host_devices.as_ref(), news.host_devices.as_ref()),
        mounts: list(known.mounts.as_ref(), news.mounts.as_ref()),
    }
}

/// Whether hardware has a field of this name: those of which a part may be left out, see
/// [`contract::bounded`].
pub(crate) fn has(field: &str) -> bool {
    FIELDS.iter().any(|(name, _)| *name == field)
}

/// Whether this says anything of the field, so that what it says counts from now on: where
/// [`merge`] takes it over, and not where only another field of the same object is said.
pub(crate) fn says(news: &HardwareInfo, field: &str) -> bool {
    FIELDS
        .iter()
        .any(|(name, is_said)| *name == field && is_said(news))
}

type IsSaid = fn(&HardwareInfo) -> bool;

/// Lists, and the texts that are in none.
const FIELDS: [(&str, IsSaid); 14] = [
    ("hostname", |news| is_told(Some(&news.hostname))),
    ("current_boot_mode", |news| {
        is_told(news.boot.as_ref().map(|boot| &boot.current_boot_mode))
    }),
    ("pxe_interface", |news| {
        is_told(news.boot.as_ref().map(|boot| &boot.pxe_interface))
    }),
    ("architecture", |news| {
        is_told(news.cpu.as_ref().map(|cpu| &cpu.architecture))
    }),
    ("model_name", |news| {
        is_told(news.cpu.as_ref().map(|cpu| &cpu.model_name))
    }),
    ("flags", |news| {
        is_listed(news.cpu.as_ref().and_then(|cpu| cpu.flags.as_ref()))
    }),
    ("manufacturer", |news| {
        is_told(news.system_vendor.as_ref().map(|vendor| &vendor.manufacturer))
    }),
    ("product_name", |news| {
        is_told(news.system_vendor.as_ref().map(|vendor| &vendor.product_name))
    }),
    ("serial_number", |news| {
        is_told(news.system_vendor.as_ref().map(|vendor| &vendor.serial_number))
    }),
    ("disks", |news| is_listed(news.disks.as_ref())),
    ("gpus", |news| is_listed(news.gpus.as_ref())),
    ("interfaces", |news| is_listed(news.interfaces.as_ref())),
    ("host_devices", |news| is_listed(news.host_devices.as_ref())),
    ("mounts", |news| is_listed(news.mounts.as_ref())),
];

fn is_told(news: Option<&String>) -> bool {
    news.is_some_and(|news| !news.is_empty())
}

fn is_listed<T>(news: Option<&Vec<T>>) -> bool {
    news.is_some_and(|news| !news.is_empty())
}

fn text(known: &str, news: &str) -> String {
    if news.is_empty() { known } else { news }.to_owned()
}

fn number<T: PartialEq + Default + Copy>(known: T, news: T) -> T {
    if news == T::default() { known } else { news }
}

fn list<T: Clone>(known: Option<&Vec<T>>, news: Option<&Vec<T>>) -> Option<Vec<T>> {
    news.filter(|news| !news.is_empty()).or(known).or(news).cloned()
}

fn object<T: Clone>(known: Option<&T>, news: Option<&T>, merge: impl Fn(&T, &T) -> T) -> Option<T> {
    match (known, news) {
        (Some(known), Some(news)) => Some(merge(known, news)),
        (known, news) => news.or(known).cloned(),
    }
}

fn boot(known: &Boot, news: &Boot) -> Boot {
    Boot {
        current_boot_mode: text(&known.current_boot_mode, &news.current_boot_mode),
        pxe_interface: text(&known.pxe_interface, &news.pxe_interface),
    }
}

fn cpu(known: &Cpu, news: &Cpu) -> Cpu {
    Cpu {
        architecture: text(&known.architecture, &news.architecture),
        model_name: text(&known.model_name, &news.model_name),
        count: number(known.count, news.count),
        frequency: number(known.frequency, news.frequency),
        flags: list(known.flags.as_ref(), news.flags.as_ref()),
    }
}

fn memory(known: &Memory, news: &Memory) -> Memory {
    Memory {
        physical_bytes: number(known.physical_bytes, news.physical_bytes),
        usable_bytes: number(known.usable_bytes, news.usable_bytes),
    }
}

fn system_vendor(known: &SystemVendor, news: &SystemVendor) -> SystemVendor {
    SystemVendor {
        manufacturer: text(&known.manufacturer, &news.manufacturer),
        product_name: text(&known.product_name, &news.product_name),
        serial_number: text(&known.serial_number, &news.serial_number),
        // `false` is left out on the wire, so it counts only in an object that says something else.
        r#virtual: if *news == SystemVendor::default() {
            known.r#virtual
        } else {
            news.r#virtual
        },
    }
}

#[cfg(test)]
mod tests {
    use contract::{Interface, Mount};
    use proptest::prelude::*;

    use super::*;

    fn full() -> HardwareInfo {
        HardwareInfo {
            hostname: "h".into(),
            cpu: Some(Cpu {
                architecture: "x86_64".into(),
                flags: Some(vec!["sse".into()]),
                ..Cpu::default()
            }),
            system_vendor: Some(SystemVendor {
                serial_number: "s".into(),
                r#virtual: true,
                ..SystemVendor::default()
            }),
            interfaces: Some(vec![Interface {
                name: "eth0".into(),
                ..Interface::default()
            }]),
            mounts: Some(vec![Mount {
                directory: "/".into(),
                ..Mount::default()
            }]),
            ..HardwareInfo::default()
        }
    }

    #[test]
    fn an_object_of_nothing_but_nulls_changes_nothing() {
        assert_eq!(merge(&full(), &HardwareInfo::default()), full());
        let empty_lists = HardwareInfo {
            cpu: Some(Cpu {
                flags: Some(vec![]),
                ..Cpu::default()
            }),
            system_vendor: Some(SystemVendor::default()),
            mounts: Some(vec![]),
            ..HardwareInfo::default()
        };
        assert_eq!(merge(&full(), &empty_lists), full());
    }

    #[test]
    fn what_is_said_replaces_what_was_known() {
        let news = HardwareInfo {
            hostname: "renamed".into(),
            interfaces: Some(vec![Interface {
                name: "eth1".into(),
                ..Interface::default()
            }]),
            ..HardwareInfo::default()
        };
        let merged = merge(&full(), &news);
        assert_eq!(merged.hostname, "renamed");
        assert_eq!(merged.interfaces, news.interfaces);
        assert_eq!(merged.cpu, full().cpu);
    }

    proptest! {
        #[test]
        fn merging_twice_is_merging_once(hostname in "[a-z]{0,3}", serial in "[a-z]{0,3}", count in 0i64..3) {
            let news = HardwareInfo {
                hostname,
                cpu: Some(Cpu { count, ..Cpu::default() }),
                system_vendor: Some(SystemVendor { serial_number: serial, ..SystemVendor::default() }),
                ..HardwareInfo::default()
            };
            let once = merge(&full(), &news);
            prop_assert_eq!(merge(&once, &news), once);
        }
    }
}
