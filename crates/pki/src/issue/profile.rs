//! What is written into a certificate that we issue (RFC 5280, 4.1 and 4.2), part by part.

use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::ServerName;
use sha256::Digest;
use x509_cert::{
    attr::{AttributeTypeAndValue, AttributeValue},
    der::{
        self, AnyRef, Decode as _, Encode as _, Tag,
        asn1::{GeneralizedTime, Ia5String, ObjectIdentifier, OctetString, SetOfVec, UtcTime},
        oid::{
            AssociatedOid as _,
            db::{rfc4519, rfc5280},
        },
    },
    ext::{
        Extension, Extensions,
        pkix::{
            AuthorityKeyIdentifier, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::{RdnSequence, RelativeDistinguishedName},
    serial_number::SerialNumber,
    spki::SubjectPublicKeyInfoRef,
    time::{Time, Validity},
};
use x509_parser::{certificate::X509Certificate, extensions::ParsedExtension};

use super::{IpAddr, IssueError, element};

/// `[0] EXPLICIT INTEGER`, 2 for version 3.
pub(super) const VERSION_3: &[u8] = &[0xa0, 3, 2, 1, 2];
/// Tag `[3]` of the extensions.
const EXTENSIONS: u8 = 0xa3;
/// What Flotta calls itself in every certificate.
const ORGANIZATION: &str = "flotta-operator";
/// The longest common name that RFC 5280 permits, in characters (ub-common-name).
const LONGEST_COMMON_NAME: usize = 64;

/// What a certificate says, apart from its key, its issuer and its validity.
pub(super) struct Profile {
    subject: Vec<(ObjectIdentifier, String)>,
    names: Vec<GeneralName>,
    usages: Vec<ObjectIdentifier>,
}

impl Profile {
    pub(super) fn server(names: &[ServerName<'_>]) -> Result<Self, IssueError> {
        let first = names.first().ok_or(IssueError::Nameless)?.to_str();
        let common_name = (first.chars().count() <= LONGEST_COMMON_NAME).then(|| first.into_owned());
        let organization = Some((rfc4519::O, ORGANIZATION.to_owned()));
        Ok(Self {
            subject: organization
                .into_iter()
                .chain(common_name.map(|name| (rfc4519::CN, name)))
                .collect(),
            names: names.iter().map(general_name).collect::<Result<_, _>>()?,
            usages: vec![rfc5280::ID_KP_SERVER_AUTH],
        })
    }

    pub(super) fn probe(nonce: &str, namespace: &str) -> Self {
        let subject = [
            (rfc4519::O, ORGANIZATION),
            (rfc4519::OU, namespace),
            (rfc4519::CN, nonce),
        ];
        Self {
            subject: subject.map(|(oid, value)| (oid, value.to_owned())).to_vec(),
            names: Vec::new(),
            usages: vec![rfc5280::ID_KP_CLIENT_AUTH, rfc5280::ID_KP_SERVER_AUTH],
        }
    }

    pub(super) fn subject(&self) -> der::Result<Vec<u8>> {
        let names = self.subject.iter().map(|(oid, value)| {
            let attribute = AttributeTypeAndValue {
                oid: *oid,
                value: directory_string(value)?,
            };
            Ok(RelativeDistinguishedName(SetOfVec::try_from(vec![attribute])?))
        });
        RdnSequence(names.collect::<der::Result<_>>()?).to_der()
    }

    pub(super) fn extensions(&self, public_key: &[u8], authority: Option<&[u8]>) -> der::Result<Vec<u8>> {
        let mut extensions = vec![
            extension(&KeyUsage(KeyUsages::DigitalSignature.into()), KeyUsage::OID, true)?,
            extension(
                &ExtendedKeyUsage(self.usages.clone()),
                ExtendedKeyUsage::OID,
                false,
            )?,
            extension(
                &SubjectKeyIdentifier(OctetString::new(key_id(public_key)?)?),
                SubjectKeyIdentifier::OID,
                false,
            )?,
        ];
        if let Some(authority) = authority {
            let authority = AuthorityKeyIdentifier {
                key_identifier: Some(OctetString::new(authority)?),
                ..AuthorityKeyIdentifier::default()
            };
            extensions.push(extension(&authority, AuthorityKeyIdentifier::OID, false)?);
        }
        if !self.names.is_empty() {
            let names = SubjectAltName(self.names.clone());
            extensions.push(extension(&names, SubjectAltName::OID, false)?);
        }
        let extensions: Extensions = extensions;
        Ok(element(EXTENSIONS, &[&extensions.to_der()?]))
    }
}

/// The CA's subject key identifier, if its certificate has one.
pub(super) fn subject_key_id(ca: &X509Certificate<'_>) -> Option<Vec<u8>> {
    ca.extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
}

pub(super) fn serial_number(octets: [u8; 16]) -> der::Result<Vec<u8>> {
    SerialNumber::<x509_cert::certificate::Rfc5280>::new(&octets)?.to_der()
}

pub(super) fn validity(from: Timestamp, until: Timestamp) -> der::Result<Vec<u8>> {
    Validity {
        not_before: time(from)?,
        not_after: time(until)?,
    }
    .to_der()
}

/// UTCTime through 2049, GeneralizedTime from then on (RFC 5280, 4.1.2.5). Times before 1970 are
/// that of 1970.
fn time(at: Timestamp) -> der::Result<Time> {
    let since_1970 = Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0));
    UtcTime::from_unix_duration(since_1970)
        .map(Time::UtcTime)
        .or_else(|_| GeneralizedTime::from_unix_duration(since_1970).map(Time::GeneralTime))
}

/// The first 160 bits of the SHA-256 of the key (RFC 7093, 2, method 1).
fn key_id(public_key: &[u8]) -> der::Result<Vec<u8>> {
    let key = SubjectPublicKeyInfoRef::from_der(public_key)?;
    let digest = Digest::of(key.subject_public_key.raw_bytes());
    Ok(digest.as_bytes()[..20].to_vec())
}

fn general_name(name: &ServerName<'_>) -> Result<GeneralName, IssueError> {
    Ok(match name {
        ServerName::IpAddress(address) => {
            let octets = match IpAddr::from(*address) {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            GeneralName::IpAddress(OctetString::new(octets)?)
        }
        name => GeneralName::DnsName(Ia5String::new(name.to_str().as_ref())?),
    })
}

/// PrintableString where it can be, as Go writes it, otherwise UTF8String.
fn directory_string(value: &str) -> der::Result<AttributeValue> {
    let printable = |octet: u8| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet);
    let tag = if value.bytes().all(printable) {
        Tag::PrintableString
    } else {
        Tag::Utf8String
    };
    Ok(AnyRef::new(tag, value.as_bytes())?.into())
}

fn extension(value: &impl der::Encode, id: ObjectIdentifier, critical: bool) -> der::Result<Extension> {
    Ok(Extension {
        extn_id: id,
        critical,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}
