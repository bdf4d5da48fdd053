//! PEM (RFC 7468): the only place that knows it, and the only one that knows `rustls-pemfile`,
//! which is archived.
//!
//! Programs do not agree about files that are not well-formed, and a certificate that one of them
//! passes over without a word is a CA that it does not trust. So certificates are read strictly
//! ([`certificates`]): each block, or what is wrong with it. What Go would read is a question of
//! its own ([`certificates_in_go`]), as are files that are only ours to read
//! ([`certificates_leniently`]). Private keys are read by `rustls-pemfile`, which skips blocks
//! whose label it does not know; so where it finds nothing, or stumbles, `x509-parser`'s reader
//! says what the file does hold; and it alone reads certificate requests, whose label the Edge API
//! does not check (`docs/decisions/0002-pem.md`,
//! `docs/decisions/0050-pem-is-read-whole-or-not-at-all.md`).

mod fault;
mod go;
mod strict;

use ::pem::{EncodeConfig, LineEnding, encode_config};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_pemfile::Item;
use x509_parser::{error::PEMError, pem::Pem};

pub use fault::{Malformed, PemError};
pub(crate) use strict::{Block, blocks as strict_blocks};

/// Label of a certificate (RFC 7468).
pub(crate) const CERTIFICATE: &str = "CERTIFICATE";
/// Label of an elliptic curve key in SEC 1 form (RFC 5915).
pub(crate) const SEC1: &str = "EC PRIVATE KEY";
/// Label of an RSA key in PKCS#1 form (RFC 8017).
pub(crate) const PKCS1: &str = "RSA PRIVATE KEY";

/// Other labels that certificates are found under, and that Go passes over.
const HIDING: [&str; 3] = ["PKCS7", "PKCS #7 SIGNED DATA", "CMS"];

/// All certificates of a file, in their order; or all that is wrong with the file. Well-formed
/// blocks of another kind are skipped, as everywhere. Go reads the same certificates of what is
/// accepted.
pub fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, Vec<PemError>> {
    let (mut certificates, mut faults, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for block in strict::blocks(file) {
        match block.and_then(Block::without_hidden_certificate) {
            Ok(block) if block.label == CERTIFICATE => certificates.push(block.content.into()),
            Ok(block) => labels.push(block.label),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() && certificates.is_empty() {
        faults.push(if labels.is_empty() {
            PemError::NoBlock
        } else {
            PemError::Missing {
                wanted: "certificate",
                found: labels.join(", "),
            }
        });
    }
    if faults.is_empty() {
        Ok(certificates)
    } else {
        Err(faults)
    }
}

/// The certificates of a file as far as Go reads it, whatever it passes over; they need not be
/// readable as certificates.
pub fn certificates_in_go(file: &[u8]) -> Vec<CertificateDer<'static>> {
    go::blocks(file)
        .filter(|block| block.label == CERTIFICATE.as_bytes() && !block.headers)
        .map(|block| block.content.into())
        .collect()
}

/// The certificates of a file as far as they were read before reading was strict: what a server was
/// served with so far.
pub(crate) fn certificates_as_before(file: &[u8]) -> Vec<CertificateDer<'static>> {
    only_certificates(items(file).unwrap_or_default())
}

/// All certificates of a file that no program of Flotta reads beside us, as `rustls-pemfile` finds
/// them: blocks of other kinds and lines that only look like one are passed over, and none at all
/// is no fault.
pub fn certificates_leniently(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let items = known_items(file).map_err(|fault| match blocks(file) {
        // The reader that counts all blocks says more.
        Err(told @ PemError::Damaged { .. }) => told,
        _ => fault,
    })?;
    Ok(only_certificates(items))
}

fn only_certificates(items: Vec<Item>) -> Vec<CertificateDer<'static>> {
    items
        .into_iter()
        .filter_map(|item| match item {
            Item::X509Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect()
}

impl Block {
    /// Itself, unless it is a certificate under a label that Go passes over.
    pub(crate) fn without_hidden_certificate(self) -> Result<Self, PemError> {
        let label = self.label.to_ascii_uppercase();
        // Whatever is mistyped in it, or whatever else stands on it.
        let is_named_so = label.contains("CERT") && !label.contains("REQUEST");
        let is_one = || x509_parser::parse_x509_certificate(&self.content).is_ok();
        let hides = HIDING.contains(&label.as_str()) || is_named_so || is_one();
        if hides && self.label != CERTIFICATE {
            return Err(PemError::Malformed {
                block: self.number,
                line: self.line,
                reason: Malformed::OtherLabel,
            });
        }
        Ok(self)
    }
}

/// The private key of a file: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC 1 (`EC
/// PRIVATE KEY`, also after an `EC PARAMETERS` block, as `openssl ecparam -genkey` writes).
/// Certificates beside it are skipped.
pub fn private_key(file: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    let mut keys: Vec<PrivateKeyDer<'static>> = items(file)?
        .into_iter()
        .filter_map(|item| match item {
            Item::Pkcs8Key(key) => Some(key.into()),
            Item::Pkcs1Key(key) => Some(key.into()),
            Item::Sec1Key(key) => Some(key.into()),
            _ => None,
        })
        .collect();
    match (keys.pop(), keys.len()) {
        (None, _) => Err(missing("private key", file)),
        (Some(key), 0) => Ok(key),
        (Some(_), others) => Err(PemError::Several {
            kind: "private key",
            found: others + 1,
        }),
    }
}

/// The content of a file's one block, whatever its label.
pub fn single_block(file: &[u8]) -> Result<Vec<u8>, PemError> {
    let mut blocks = blocks(file)?;
    match (blocks.pop(), blocks.len()) {
        (None, _) => Err(PemError::NoBlock),
        (Some(block), 0) => Ok(block.contents),
        (Some(_), others) => Err(PemError::Several {
            kind: "PEM block",
            found: others + 1,
        }),
    }
}

fn items(file: &[u8]) -> Result<Vec<Item>, PemError> {
    // What is damaged is told by the reader that counts all blocks.
    blocks(file)?;
    known_items(file)
}

fn known_items(file: &[u8]) -> Result<Vec<Item>, PemError> {
    let (mut items, mut rest) = (Vec::new(), file);
    while let Some((item, behind)) =
        rustls_pemfile::read_one_from_slice(rest).map_err(|_| PemError::Damaged {
            block: items.len() + 1,
            reason: "its content is malformed",
        })?
    {
        items.push(item);
        rest = behind;
    }
    Ok(items)
}

/// What the file holds instead.
fn missing(wanted: &'static str, file: &[u8]) -> PemError {
    match blocks(file) {
        Err(error) => error,
        Ok(blocks) if blocks.iter().any(|block| block.label == "ENCRYPTED PRIVATE KEY") => {
            PemError::Encrypted
        }
        Ok(blocks) => PemError::Missing {
            wanted,
            found: labels(&blocks),
        },
    }
}

/// The first block, which is read strictly; what comes behind it is not looked at.
pub(crate) fn first_block(file: &[u8]) -> Result<Block, PemError> {
    strict::blocks(file).into_iter().next().ok_or(PemError::NoBlock)?
}

/// Each block with its label, or what is wrong with it.
fn each_block(file: &[u8]) -> impl Iterator<Item = Result<Pem, PemError>> {
    Pem::iter_from_buffer(file)
        .enumerate()
        .map(|(index, block)| block.map_err(|error| damaged(index + 1, file, &error)))
}

/// A block of a file, with the line ends of openssl and Go.
pub(crate) fn block(label: &str, content: &[u8]) -> String {
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    encode_config(&::pem::Pem::new(label, content), lines)
}

/// A private key under the label of its form.
pub(crate) fn key_block(key: &PrivateKeyDer<'_>) -> String {
    let label = match key {
        PrivateKeyDer::Sec1(_) => SEC1,
        PrivateKeyDer::Pkcs1(_) => PKCS1,
        _ => "PRIVATE KEY",
    };
    block(label, key.secret_der())
}

fn blocks(file: &[u8]) -> Result<Vec<Pem>, PemError> {
    let blocks: Vec<_> = each_block(file).collect::<Result<_, _>>()?;
    if blocks.is_empty() {
        Err(PemError::NoBlock)
    } else {
        Ok(blocks)
    }
}

fn damaged(block: usize, file: &[u8], error: &PEMError) -> PemError {
    let legacy_encryption = b"Proc-Type: 4,ENCRYPTED";
    if file
        .windows(legacy_encryption.len())
        .any(|window| window == legacy_encryption)
    {
        return PemError::Encrypted;
    }
    let reason = match error {
        PEMError::Base64DecodeError => "its content is not base64",
        PEMError::IncompletePEM => "its end is missing",
        PEMError::InvalidHeader | PEMError::MissingHeader => "its first line is malformed",
        PEMError::IOError(_) => "it is not text",
    };
    PemError::Damaged { block, reason }
}

fn labels(blocks: &[Pem]) -> String {
    let labels: Vec<_> = blocks.iter().map(|block| block.label.as_str()).collect();
    labels.join(", ")
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};

    use super::*;

    fn block(label: &str, content: &str) -> String {
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    }

    #[test]
    fn each_form_of_a_private_key_is_told_apart() {
        let key = |file: &str| private_key(file.as_bytes());
        assert!(matches!(
            key(&block("PRIVATE KEY", "AAAA")),
            Ok(PrivateKeyDer::Pkcs8(_))
        ));
        assert!(matches!(
            key(&block("RSA PRIVATE KEY", "AAAA")),
            Ok(PrivateKeyDer::Pkcs1(_))
        ));
        assert!(matches!(
            key(&block("EC PRIVATE KEY", "AAAA")),
            Ok(PrivateKeyDer::Sec1(_))
        ));
        let openssl = block("EC PARAMETERS", "BggqhkjOPQMBBw==") + &block("EC PRIVATE KEY", "AAAA");
        assert!(matches!(key(&openssl), Ok(PrivateKeyDer::Sec1(_))));
    }

    #[test]
    fn a_key_that_cannot_be_used_is_named() {
        let key = |file: &str| private_key(file.as_bytes()).unwrap_err();
        assert_eq!(key(&block("ENCRYPTED PRIVATE KEY", "AAAA")), PemError::Encrypted);
        let legacy = block(
            "EC PRIVATE KEY",
            "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA",
        );
        assert_eq!(key(&legacy), PemError::Encrypted);
        let two = block("PRIVATE KEY", "AAAA").repeat(2);
        assert_eq!(
            key(&two),
            PemError::Several {
                kind: "private key",
                found: 2
            }
        );
        assert_eq!(
            key(&block("CERTIFICATE", "AAAA")),
            PemError::Missing {
                wanted: "private key",
                found: "CERTIFICATE".to_owned()
            }
        );
    }

    #[test]
    fn every_fault_is_told_with_the_block_it_is_about() {
        let good = block("CERTIFICATE", "AAAA");
        let torn = [
            block("TRUSTED CERTIFICATE", "AAAA"),
            good.clone(),
            block("CERTIFICATE", "?"),
            block("PRIVATE KEY", "AAAA"),
            "-----BEGIN CERTIFICATE-----\nAA".to_owned(),
        ];
        let malformed = |block, line, reason| PemError::Malformed { block, line, reason };
        assert_eq!(
            certificates(torn.concat().as_bytes()),
            Err(vec![
                malformed(1, 1, Malformed::OtherLabel),
                malformed(3, 8, Malformed::NotBase64),
                malformed(5, 13, Malformed::NoEnd),
            ])
        );
        assert_eq!(certificates(good.as_bytes()), Ok(vec![vec![0, 0, 0].into()]));
        assert_eq!(certificates(b""), Err(vec![PemError::NoBlock]));
        assert_eq!(certificates(b"no certificate here"), Err(vec![PemError::NoBlock]));
        let found = "PRIVATE KEY, X509 CRL".to_owned();
        let wanted = "certificate";
        assert_eq!(
            certificates((block("PRIVATE KEY", "AAAA") + &block("X509 CRL", "AAAA")).as_bytes()),
            Err(vec![PemError::Missing { wanted, found }])
        );
    }

    #[test]
    fn a_lenient_reader_passes_over_what_a_strict_one_refuses() {
        let good = block("CERTIFICATE", "AAAA");
        let der = CertificateDer::from(vec![0, 0, 0]);
        let odd = [
            format!("{good}  {good}"),
            good.clone() + &block("TRUSTED CERTIFICATE", "AAAA"),
        ];
        for file in odd {
            assert!(certificates(file.as_bytes()).is_err(), "{file}");
            assert_eq!(
                certificates_leniently(file.as_bytes()),
                Ok(vec![der.clone()]),
                "{file}"
            );
        }
        let beside = block("PRIVATE KEY", "AAAA") + &good.repeat(2);
        assert_eq!(
            certificates_leniently(beside.as_bytes()),
            Ok(vec![der.clone(), der])
        );
        assert_eq!(certificates_leniently(b"nothing"), Ok(Vec::new()));
        let reason = "its content is not base64";
        assert_eq!(
            certificates_leniently((good + &block("CERTIFICATE", "?")).as_bytes()),
            Err(PemError::Damaged { block: 2, reason })
        );
    }

    #[test]
    fn a_damaged_key_is_told() {
        let torn = block("EC PARAMETERS", "AAAA") + "-----BEGIN EC PRIVATE KEY-----\nAA";
        let damaged = |block, reason| Err(PemError::Damaged { block, reason });
        assert_eq!(
            private_key(torn.as_bytes()).map(drop),
            damaged(2, "its end is missing")
        );
        let other = block("PRIVATE KEY", "?");
        assert_eq!(
            private_key(other.as_bytes()).map(drop),
            damaged(1, "its content is not base64")
        );
    }

    #[test]
    fn text_around_blocks_and_windows_line_ends_do_not_matter() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let file = format!(
            "Bag Attributes\n{}\ntrailing",
            key.serialize_pem().replace('\n', "\r\n")
        );
        assert_eq!(
            private_key(file.as_bytes()).unwrap().secret_der(),
            key.serialize_der()
        );
    }
}
