//! Bodies of a megabyte that become much more.

use bytes::Bytes;

use crate::{path, shared};

/// The longest body that the server takes.
const BODY: usize = 1 << 20;

/// Devices that are known: so many that large reports of them are more than the cache takes.
pub(crate) const DEVICES: usize = 128;

/// A request that is sent by many at once.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    method: &'static str,
    operation: &'static str,
    /// Devices that are known; else each request is of another id.
    known: bool,
    framing: Framing,
    pub(crate) body: Bytes,
    /// Its end is never sent.
    pub(crate) unfinished: bool,
}

enum Framing {
    None,
    Length(usize),
    Chunked,
}

impl Attack {
    fn new(name: &'static str, method: &'static str, operation: &'static str, body: String) -> Self {
        Self {
            name,
            method,
            operation,
            known: true,
            framing: Framing::Length(body.len()),
            body: shared(body),
            unfinished: false,
        }
    }

    /// A poll for the configuration.
    pub(crate) fn poll() -> Self {
        Self {
            framing: Framing::None,
            ..Self::new("polls", "GET", "configuration", String::new())
        }
    }

    /// All before the body.
    pub(crate) fn head(&self, number: usize) -> String {
        let id = if self.known {
            format!("device-{}", number % DEVICES)
        } else {
            format!("unknown-{number}")
        };
        let path = if self.operation == "comparison" {
            "/api/flotta-companion/v1/comparison".to_owned()
        } else {
            path(&id, self.operation)
        };
        let framing = match self.framing {
            Framing::None => String::new(),
            Framing::Length(length) => format!("content-length: {length}\r\n"),
            Framing::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
        };
        format!(
            "{} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{framing}\r\n",
            self.method
        )
    }
}

/// What bodies are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Disks,
    Lists,
    Flags,
    Events,
    Workloads,
    Playbooks,
    Enrolments,
    Registrations,
    LongTexts,
    Comparisons,
    Depth,
    Unknown,
    ByteByByte,
    Unfinished,
}

pub(crate) const KINDS: [Kind; 14] = [
    Kind::Disks,
    Kind::Lists,
    Kind::Flags,
    Kind::Events,
    Kind::Workloads,
    Kind::Playbooks,
    Kind::Enrolments,
    Kind::Registrations,
    Kind::LongTexts,
    Kind::Comparisons,
    Kind::Depth,
    Kind::Unknown,
    Kind::ByteByByte,
    Kind::Unfinished,
];

/// A list of so many bytes.
fn list(bytes: usize, element: impl Fn(usize) -> String) -> String {
    let mut list = String::with_capacity(bytes);
    for number in 0.. {
        let next = element(number);
        if list.len() + next.len() + 64 > bytes {
            break;
        }
        list.push(if number == 0 { '[' } else { ',' });
        list.push_str(&next);
    }
    list.push(']');
    list
}

fn empty(bytes: usize) -> String {
    list(bytes, |_| "{}".to_owned())
}

fn heartbeat(name: &'static str, field: &str, list: &str) -> Attack {
    Attack::new(
        name,
        "PUT",
        "heartbeat",
        format!(r#"{{"version":"1","{field}":{list}}}"#),
    )
}

fn hardware(name: &'static str, field: &str, list: &str) -> Attack {
    heartbeat(name, "hardware", &format!(r#"{{"{field}":{list}}}"#))
}

impl Kind {
    /// Whether the answer is that it is no JSON of ours.
    pub(crate) fn is_no_json(self) -> bool {
        self == Self::Depth
    }

    pub(crate) fn attack(self) -> Attack {
        match self {
            Self::Disks => hardware("349,000 empty disks", "disks", &empty(BODY - 64)),
            Self::Lists => {
                let each = empty(BODY / 9);
                let texts = list(BODY / 9, |_| r#""a""#.to_owned());
                let body = format!(
                    r#"{{"events":{each},"hardware":{{"cpu":{{"flags":{texts}}},"disks":{each},"gpus":{each},
                        "host_devices":{each},"interfaces":{each},"mounts":{each}}},"playbook-executions":{each},
                        "workloads":{each}}}"#
                );
                Attack::new("every list at once", "PUT", "heartbeat", body)
            }
            Self::Flags => hardware(
                "lists in a list",
                "interfaces",
                &list(BODY - 128, |_| {
                    r#"{"flags":["","",""],"ipv4_addresses":["a"],"ipv6_addresses":[""]}"#.to_owned()
                }),
            ),
            Self::Events => heartbeat(
                "45,000 events",
                "events",
                &list(BODY - 128, |n| format!(r#"{{"message":"{n}"}}"#)),
            ),
            Self::Workloads => heartbeat(
                "workloads",
                "workloads",
                &list(BODY - 128, |n| format!(r#"{{"name":"{n}","status":"Running"}}"#)),
            ),
            Self::Playbooks => heartbeat(
                "playbooks",
                "playbook-executions",
                &list(BODY - 128, |n| {
                    format!(r#"{{"name":"{n}","status":"{}"}}"#, "x".repeat(4000))
                }),
            ),
            Self::Enrolments => Attack {
                known: false,
                ..Attack::new(
                    "enrolments of unknown ids",
                    "POST",
                    "enrolment",
                    format!(
                        r#"{{"features":{{"hardware":{{"disks":{}}}}}}}"#,
                        empty(BODY - 128)
                    ),
                )
            },
            Self::Registrations => {
                let request = "x".repeat(BODY / 2);
                let disks = empty(BODY / 2 - 128);
                let body = format!(r#"{{"certificate_request":"{request}","hardware":{{"disks":{disks}}}}}"#);
                Attack::new("registrations", "PUT", "registration", body)
            }
            Self::LongTexts => {
                let long = r"\u00e9".repeat(BODY / 12 - 64);
                let body = format!(r#"{{"version":"{long}","hardware":{{"hostname":"{long}"}}}}"#);
                Attack::new("long texts", "PUT", "heartbeat", body)
            }
            Self::Comparisons => Attack::new(
                "comparisons",
                "POST",
                "comparison",
                format!(
                    r#"{{"devices":{}}}"#,
                    list(BODY - 128, |n| format!(r#""{n:014x}""#))
                ),
            ),
            Self::Depth => heartbeat("depth", "unknown", &"[".repeat(BODY - 128)),
            Self::Unknown => heartbeat(
                "unknown fields",
                "unknown",
                &list(BODY - 128, |n| format!(r#"{{"{n}":[[1]]}}"#)),
            ),
            Self::ByteByByte => {
                let body = format!(r#"{{"version":"{}"}}"#, "1".repeat(200_000));
                let chunks: String = body
                    .chars()
                    .flat_map(|character| ['1', '\r', '\n', character, '\r', '\n'])
                    .collect();
                Attack {
                    framing: Framing::Chunked,
                    ..Attack::new("byte by byte", "PUT", "heartbeat", chunks + "0\r\n\r\n")
                }
            }
            Self::Unfinished => {
                let attack = Attack::new("bodies without an end", "PUT", "heartbeat", " ".repeat(BODY - 1));
                Attack {
                    framing: Framing::Length(BODY),
                    unfinished: true,
                    ..attack
                }
            }
        }
    }
}
