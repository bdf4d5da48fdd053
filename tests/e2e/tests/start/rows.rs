//! What the two Secrets may hold: good, unfit and broken material, row by row.

use crate::material::{Authority, Entries, Files, NOW, PAST, block, ed25519, p256, p384, rsa, without_curve};

/// Two Secrets and what is particular about them.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) ca: Option<Entries>,
    pub(crate) host: Option<Entries>,
}

impl Row {
    fn new(name: &str, ca: &Files, host: &Files) -> Self {
        Self {
            name: name.to_owned(),
            ca: Some(ca.ca()),
            host: Some(host.host()),
        }
    }
}

/// All rows. Those of one kind of fault stand together.
pub(crate) fn rows() -> Vec<Row> {
    let table = Table::new();
    [
        table.whole(),
        table.bundles(),
        table.host_certificates(),
        table.keys(),
        table.damage(),
        table.absences(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Good material, from which each row deviates.
struct Table {
    authority: Authority,
    host: Files,
    other: Authority,
    of_rsa: Authority,
}

impl Table {
    fn new() -> Self {
        let authority = Authority::new(p256(), NOW);
        Self {
            host: authority.host(&p256(), NOW),
            authority,
            other: Authority::new(p256(), NOW),
            of_rsa: Authority::new(rsa(), NOW),
        }
    }

    fn ca(&self) -> &Files {
        &self.authority.files
    }

    fn with_ca(&self, name: &str, ca: &Files) -> Row {
        Row::new(name, ca, &self.host)
    }

    fn with_host(&self, name: &str, host: &Files) -> Row {
        Row::new(name, self.ca(), host)
    }

    fn whole(&self) -> Vec<Row> {
        let of_p384 = Authority::new(p384(), NOW);
        let mut rows = vec![
            Row::new("as Flotta makes it", self.ca(), &self.host),
            Row::new(
                "RSA throughout",
                &self.of_rsa.files,
                &self.of_rsa.host(&rsa(), NOW),
            ),
            Row::new("P-384 throughout", &of_p384.files, &of_p384.host(&p384(), NOW)),
        ];
        let written = |text: &str, line_end| {
            let text = format!("Bag Attributes\n    friendlyName: x\n{text}\ntrailing\n");
            text.replace('\n', line_end)
        };
        let written = |files: &Files, line_end| Files {
            certificate: written(&files.certificate, line_end),
            key: written(&files.key, line_end),
        };
        for (name, line_end) in [
            ("text around blocks", "\n"),
            ("Windows line ends", "\r\n"),
            ("spaces before line ends", " \t\n"),
            ("spaces before Windows line ends", " \r\n"),
            ("line ends that were converted twice", "\r\r\n"),
        ] {
            rows.push(Row::new(
                name,
                &written(self.ca(), line_end),
                &written(&self.host, line_end),
            ));
        }
        rows
    }

    fn bundles(&self) -> Vec<Row> {
        let (ca, other) = (self.ca(), &self.other.files.certificate);
        let first = &ca.certificate;
        let bundle =
            |name, certificates: &[&str]| self.with_ca(name, &ca.with_certificate(certificates.concat()));
        let not_base64 = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        vec![
            bundle("several CAs, the signing one first", &[first, other]),
            bundle("several CAs, the signing one second", &[other, first]),
            bundle("a later CA that is not base64", &[first, not_base64]),
            bundle(
                "a later CA that is no certificate",
                &[first, &block("CERTIFICATE", b"?")],
            ),
            bundle("a later CA cut off", &[first, &other[..200]]),
            bundle("a later CA indented", &[first, "  ", other]),
            bundle(
                "a later CA without a line break in between",
                &[first.trim_end(), other],
            ),
            bundle(
                "a later CA after text with colons",
                &[first, "subject=O = a, CN = a: b\n", other],
            ),
            bundle("a byte order mark in front", &["\u{feff}", first]),
            bundle("a CA with another label", &[&relabelled(first)]),
            self.with_ca("a CA expired", &Authority::new(p256(), PAST).files),
            self.with_ca("a CA that is none", &self.host),
        ]
    }

    fn host_certificates(&self) -> Vec<Row> {
        let with = |certificate: String| self.host.with_certificate(certificate);
        let host = &self.host.certificate;
        vec![
            self.with_host("a host certificate of another CA", &self.other.host(&p256(), NOW)),
            self.with_host("a host certificate expired", &self.authority.host(&p256(), PAST)),
            self.with_host(
                "a host certificate with a key on P-384",
                &self.authority.host(&p384(), NOW),
            ),
            self.with_host(
                "a host certificate with its CA after it",
                &with(host.clone() + &self.ca().certificate),
            ),
            self.with_host("a host certificate with another label", &with(relabelled(host))),
        ]
    }

    fn keys(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (name, key) in self.wrong_keys(self.ca(), &self.authority.key.serialize_pem()) {
            rows.push(self.with_ca(&format!("ca.key {name}"), &self.ca().with_key(key)));
        }
        // The form is looked at before anything else, so whose key it is does not matter.
        for (name, key) in self.wrong_keys(&self.host, &p256().serialize_pem()) {
            rows.push(self.with_host(&format!("server.key {name}"), &self.host.with_key(key)));
        }
        let followed = |files: &Files| files.with_key(files.key.clone() + &self.other.files.key);
        rows.push(self.with_ca("ca.key with another key after it", &followed(self.ca())));
        rows.push(self.with_host("server.key with another key after it", &followed(&self.host)));
        rows
    }

    fn wrong_keys(&self, files: &Files, pkcs8: &str) -> Vec<(&'static str, String)> {
        let headers = "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n";
        let encrypted = block("EC PRIVATE KEY", b"nothing but its owner can read this");
        let parameters = block("EC PARAMETERS", &[6, 8, 42, 134, 72, 206, 61, 3, 1, 7]);
        let key = &files.key;
        vec![
            ("PKCS#8", pkcs8.to_owned()),
            ("Ed25519", ed25519().serialize_pem()),
            ("encrypted", block("ENCRYPTED PRIVATE KEY", b"?")),
            ("encrypted in the old way", encrypted.replacen('\n', headers, 1)),
            ("EC PARAMETERS first", parameters + key),
            ("a certificate first", files.certificate.clone() + key),
            (
                "EC under the label of RSA",
                key.replace("EC PRIVATE", "RSA PRIVATE"),
            ),
            ("without the name of its curve", without_curve(key)),
            ("of another certificate", self.other.files.key.clone()),
            ("of another kind", self.of_rsa.files.key.clone()),
            ("cut off", key[..100].to_owned()),
            (
                "with another end",
                key.replace("END EC PRIVATE", "END RSA PRIVATE"),
            ),
            ("empty", String::new()),
            ("text", "no key".to_owned()),
        ]
    }

    fn damage(&self) -> Vec<Row> {
        let damaged = |files: &Files| {
            let certificate = &files.certificate;
            [
                ("empty", String::new()),
                ("no certificate", block("CERTIFICATE", b"?")),
                ("cut off", certificate[..200].to_owned()),
                (
                    "with another end",
                    certificate.replace("END CERTIFICATE", "END CERTIFICATES"),
                ),
            ]
        };
        let of_ca = damaged(self.ca()).map(|(name, certificate)| {
            self.with_ca(
                &format!("ca.crt {name}"),
                &self.ca().with_certificate(certificate),
            )
        });
        let of_host = damaged(&self.host).map(|(name, certificate)| {
            self.with_host(
                &format!("server.crt {name}"),
                &self.host.with_certificate(certificate),
            )
        });
        of_ca.into_iter().chain(of_host).collect()
    }

    fn absences(&self) -> Vec<Row> {
        let (ca, host) = (|| Some(self.ca().ca()), || Some(self.host.host()));
        let empty = || Some(Entries::new());
        let without = |entries: Option<Entries>, entry: &str| {
            let mut entries = entries?;
            entries.remove(entry).map(|_| entries)
        };
        let row = |name: &str, ca, host| Row {
            name: name.to_owned(),
            ca,
            host,
        };
        vec![
            row("ca.crt missing", without(ca(), "ca.crt"), host()),
            row("ca.key missing", without(ca(), "ca.key"), host()),
            row("server.crt missing", ca(), without(host(), "server.crt")),
            row("server.key missing", ca(), without(host(), "server.key")),
            row("flotta-ca empty", empty(), host()),
            row("flotta-host-certificate empty", ca(), empty()),
            row("flotta-ca missing", None, host()),
            row("flotta-host-certificate missing", ca(), None),
            row("flotta-ca missing and the other empty", None, empty()),
            row("both missing", None, None),
        ]
    }
}

fn relabelled(certificate: &str) -> String {
    certificate.replace("CERTIFICATE", "X509 CERTIFICATE")
}
