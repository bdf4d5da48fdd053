//! PEM (RFC 7468): the only place that knows it, and the only one that knows `rustls-pemfile`, which is archived.
//!
//! That reader skips blocks whose label it does not know. So where it finds nothing, or stumbles, `x509-parser`'s reader
//! says what the file does hold; and it alone reads certificate requests, whose label the Edge API does not check
//! (`docs/decisions/0002-pem.md`).

use ::pem::{EncodeConfig, LineEnding, encode_config};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_pemfile::Item;
use x509_parser::{error::PEMError, pem::Pem};

/// Label of an elliptic curve key in SEC 1 form (RFC 5915).
pub(crate) const SEC1: &str = "EC PRIVATE KEY";
/// Label of an RSA key in PKCS#1 form (RFC 8017).
pub(crate) const PKCS1: &str = "RSA PRIVATE KEY";

/// Why a PEM file did not hold what was looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Nothing that begins with `-----BEGIN`.
    #[error("it holds no PEM block")]
    NoBlock,
    /// A block without an end, or whose content is not base64.
    #[error("PEM block {block} is damaged: {reason}")]
    Damaged {
        /// Its number, from 1.
        block: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There are blocks, but none of the kind that is needed.
    #[error("it holds no {wanted}, only {found}")]
    Missing {
        /// The kind that is needed.
        wanted: &'static str,
        /// The labels of the blocks in the file.
        found: String,
    },
    /// A private key that is protected by a passphrase.
    #[error("the private key is encrypted; store it without a passphrase")]
    Encrypted,
    /// More blocks than one where one is expected.
    #[error("it holds {found} {kind}s, expected one")]
    Several {
        /// What was looked for.
        kind: &'static str,
        /// How many there are.
        found: usize,
    },
}

/// All certificates of a file, in their order. Other blocks are skipped.
pub fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let certificates: Vec<_> = items(file)?
        .into_iter()
        .filter_map(|item| match item {
            Item::X509Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(missing("certificate", file));
    }
    Ok(certificates)
}

/// The private key of a file: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`, also after an
/// `EC PARAMETERS` block, as `openssl ecparam -genkey` writes). Certificates beside it are skipped.
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

/// Each block with its label, or what is wrong with it.
pub(crate) fn each_block(file: &[u8]) -> impl Iterator<Item = Result<Pem, PemError>> {
    Pem::iter_from_buffer(file)
        .enumerate()
        .map(|(index, block)| block.map_err(|error| damaged(index + 1, file, &error)))
}

/// The first block, whose first and last line are as strict as Go wants them: the same label in both, and nothing else.
pub(crate) fn first_block(file: &[u8]) -> Result<Pem, PemError> {
    let block = each_block(file).next().ok_or(PemError::NoBlock)??;
    let has_line = |line: &str| {
        file.split(|&octet| octet == b'\n')
            .any(|held| trimmed(held) == line.as_bytes())
    };
    let label = &block.label;
    if has_line(&format!("-----BEGIN {label}-----")) && has_line(&format!("-----END {label}-----")) {
        Ok(block)
    } else {
        Err(PemError::Damaged {
            block: 1,
            reason: "its first and its last line do not match",
        })
    }
}

/// A line without what Go overlooks at its end: one carriage return, then spaces and tabs.
fn trimmed(line: &[u8]) -> &[u8] {
    let mut line = line.strip_suffix(b"\r").unwrap_or(line);
    while let [rest @ .., b' ' | b'\t'] = line {
        line = rest;
    }
    line
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
    fn damage_is_named_by_block() {
        let torn = block("CERTIFICATE", "AAAA") + "-----BEGIN CERTIFICATE-----\nAA";
        let damaged = |block, reason| Err(PemError::Damaged { block, reason });
        assert_eq!(certificates(torn.as_bytes()), damaged(2, "its end is missing"));
        let other = block("CERTIFICATE", "?");
        assert_eq!(
            certificates(other.as_bytes()),
            damaged(1, "its content is not base64")
        );
        assert_eq!(certificates(b""), Err(PemError::NoBlock));
        assert_eq!(certificates(b"no certificate here"), Err(PemError::NoBlock));
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
