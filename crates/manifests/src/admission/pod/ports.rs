//! Ports of the device that containers take.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use serde_json::Value;

use super::text_at;
use crate::fault::{Findings, Path};

/// The agent runs node_exporter there.
const TAKEN_PORT: i64 = 9100;

const PORT: &str = "must be a number from 1 to 65535";

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// Ports of the device that containers take, with where each was first.
#[derive(Default)]
pub(super) struct Ports {
    taken: BTreeMap<(Protocol, i64, IpAddr), Path>,
    are_opened: bool,
}

impl Ports {
    /// Podman opens none for init containers (`getPodPorts`).
    pub(super) fn new(are_opened: bool) -> Self {
        Self {
            are_opened,
            ..Self::default()
        }
    }

    pub(super) fn check(&mut self, port: &Value, path: &Path, findings: &mut Findings) {
        let number = |name: &str| port.get(name).map(Value::as_i64);
        // One that is absent is a fault of the schema.
        if let Some(Some(number)) = number("containerPort")
            && !(1..=65_535).contains(&number)
        {
            findings.fault(&path.field("containerPort"), PORT);
        }
        let protocols = protocols(text_at(port, &["protocol"]));
        if protocols.is_none() {
            findings.fault(&path.field("protocol"), "must be TCP, UDP or SCTP");
        }
        let address = address(text_at(port, &["hostIP"]));
        if self.are_opened && address.is_none() {
            findings.fault(
                &path.field("hostIP"),
                "must be an IP address of the device; without one the port is open at each of them",
            );
        }
        let host_port = path.field("hostPort");
        match number("hostPort") {
            // The agent refuses to run a pod with such a port.
            None => findings.fault(
                &host_port,
                "is missing; a device runs no container port without one",
            ),
            Some(Some(TAKEN_PORT)) => findings.fault(
                &host_port,
                "must not be 9100, where the device's node_exporter listens",
            ),
            Some(Some(number)) if (1..=65_535).contains(&number) => {
                if self.are_opened
                    && let (Some(protocols), Some(address)) = (protocols, address)
                    && let Some(reason) = self.take(&protocols, number, address, &host_port)
                {
                    findings.fault(&host_port, reason);
                }
            }
            Some(Some(_)) => findings.fault(&host_port, PORT),
            // What is no number is a fault of the schema.
            Some(None) => {}
        }
    }

    /// Why it is taken already, if it is.
    fn take(
        &mut self,
        protocols: &BTreeSet<Protocol>,
        number: i64,
        address: IpAddr,
        path: &Path,
    ) -> Option<String> {
        let mut reason = None;
        for protocol in protocols {
            let place = (*protocol, number, address);
            if let Some(first) = self.taken.get(&place) {
                reason = Some(format!("is that of {first} as well; a device has each port once"));
                continue;
            }
            if let Some(first) = self.everywhere(place) {
                reason = Some(format!(
                    "is that of {first} as well, and one of them is for every address; a device has each port once"
                ));
            }
            self.taken.insert(place, path.clone());
        }
        reason
    }

    /// The port that takes this one because one of the two is for every address. The kernel refuses
    /// the second to whoever binds them, podman (`bindPorts`) or, without root, rootlessport.
    /// Addresses of IPv4 and of IPv6 are apart with podman as root, and no port of SCTP is bound.
    fn everywhere(&self, (protocol, number, address): (Protocol, i64, IpAddr)) -> Option<&Path> {
        if protocol == Protocol::Sctp {
            return None;
        }
        let every = match address {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        if address != every {
            return self.taken.get(&(protocol, number, every));
        }
        // It comes before all others of its family.
        let (place, first) = self.taken.range((protocol, number, every)..).next()?;
        let is_of_family = place.2.is_ipv4() == every.is_ipv4();
        (place.0 == protocol && place.1 == number && is_of_family).then_some(first)
    }
}

/// Podman takes several behind commas (`checkProtocol`), and TCP for none.
fn protocols(text: &str) -> Option<BTreeSet<Protocol>> {
    let named = text.split(',').map(|name| match &*name.to_ascii_uppercase() {
        "" | "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        _ => None,
    });
    named.collect()
}

/// As podman's `net.ParseIP` reads it, and for none all of IPv4. Before Go 1.17, with which podman
/// 3.4 was built, zeros could begin a number.
fn address(text: &str) -> Option<IpAddr> {
    if text.is_empty() {
        return Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    }
    let mut plain = String::with_capacity(text.len());
    for group in text.split_inclusive([':', '.']) {
        let shorter = group.trim_start_matches('0');
        let is_zero =
            shorter.len() < group.len() && !shorter.starts_with(|letter: char| letter.is_ascii_hexdigit());
        plain.push_str(if is_zero { "0" } else { "" });
        plain.push_str(shorter);
    }
    Some(plain.parse::<IpAddr>().ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_those_that_go_reads() {
        for (text, same) in [
            ("", "0.0.0.0"),
            ("0.0.0.0", "0.0.0.0"),
            ("010.00.0.001", "10.0.0.1"),
            ("::", "::"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("::00001", "::1"),
            ("FE80::0a", "fe80::a"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(address(text), Some(same.parse().unwrap()), "{text}");
        }
        for text in [
            " ",
            "10.0.0",
            "10.0.0.1 ",
            "10.0.0.256",
            "localhost",
            "eth0",
            "fe80::1%eth0",
            "[::1]",
            "1:2",
            "*",
            "0",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_address_is_read(bits: u128, v4: u32) {
            let (six, four) = (Ipv6Addr::from(bits), Ipv4Addr::from(v4));
            prop_assert_eq!(address(&six.to_string()), Some(IpAddr::V6(six).to_canonical()));
            prop_assert_eq!(address(&four.to_string()), Some(IpAddr::V4(four)));
        }

        /// As if each pair was bound one after the other.
        #[test]
        fn what_is_told_is_what_collides(ports in proptest::collection::vec((0..3_usize, 1..3_i64, 0..6_usize), 0..8)) {
            const ADDRESSES: [&str; 6] = ["", "0.0.0.0", "10.0.0.1", "10.0.0.2", "::", "::1"];
            const PROTOCOLS: [&str; 3] = ["TCP", "udp", "SCTP"];
            let collides = |(protocol, number, one): (usize, i64, usize), (other_protocol, other_number, other): (usize, i64, usize)| {
                let (one, other) = (address(ADDRESSES[one]).unwrap(), address(ADDRESSES[other]).unwrap());
                let every = one.is_ipv4() == other.is_ipv4() && (one.is_unspecified() || other.is_unspecified());
                protocol == other_protocol && number == other_number && (one == other || every && protocol < 2)
            };
            let mut opened = Ports::new(true);
            let mut unopened = Ports::new(false);
            for (index, port) in ports.iter().enumerate() {
                let value = json!({"containerPort": 1, "hostPort": port.1, "protocol": PROTOCOLS[port.0], "hostIP": ADDRESSES[port.2]});
                let mut findings = Findings::default();
                opened.check(&value, &Path::root().index(index), &mut findings);
                let expected = ports[..index].iter().any(|before| collides(*port, *before));
                prop_assert_eq!(findings.faults.len(), usize::from(expected), "{} of {:?}", index, ports);
                let mut findings = Findings::default();
                unopened.check(&value, &Path::root().index(index), &mut findings);
                prop_assert_eq!(findings.faults.len(), 0);
            }
        }
    }

    #[test]
    fn several_protocols_may_be_named() {
        let mut ports = Ports::new(true);
        let mut told = |protocol: &str| {
            let mut findings = Findings::default();
            let port = json!({"containerPort": 1, "hostPort": 1, "protocol": protocol});
            ports.check(&port, &Path::root(), &mut findings);
            findings
                .faults
                .iter()
                .map(|(path, _)| path.to_string())
                .collect::<Vec<_>>()
        };
        assert!(told("UDP,sctp").is_empty());
        assert!(told("").is_empty());
        assert_eq!(told("TCP,UDP"), ["hostPort"]);
        assert_eq!(told("TCP;UDP"), ["protocol"]);
        assert_eq!(told("TCP, UDP"), ["protocol"]);
    }
}
