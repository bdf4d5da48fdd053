//! What a certificate (X.509, RFC 5280) says, as far as a person or a check wants to know.

use std::net::IpAddr;

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use x509_cert::der::Decode as _;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
    time::ASN1Time,
};

use crate::{Fingerprint, pem};

/// A certificate together with what it says.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: CertificateDer<'static>,
    facts: Facts,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The subject, as `O=flotta-operator, CN=*`.
    pub subject: String,
    /// The subject of its issuer.
    pub issuer: String,
    /// The serial number in hexadecimal. Not unique with Flotta: a host certificate repeats its
    /// CA's.
    pub serial: String,
    /// Begin of its validity.
    pub not_before: Timestamp,
    /// End of its validity. A time that no [`Timestamp`] holds (Kubernetes and RFC 5280 write
    /// 9999-12-31) is the latest that one does.
    pub not_after: Timestamp,
    /// DNS names and IP addresses of the subject alternative name.
    pub names: Vec<String>,
    /// Whether its basic constraints make it a CA.
    pub ca: bool,
    /// Whether its extended key usage permits it to a server; true when it has none.
    pub server_auth: bool,
    /// Whether its extended key usage permits it to a client; true when it has none.
    pub client_auth: bool,
    /// SHA-256 of the whole certificate.
    pub fingerprint: Fingerprint,
    /// SHA-256 of its public key.
    pub key: Fingerprint,
}

/// A certificate that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a readable X.509 certificate: {reason}")]
pub struct CertificateError {
    /// What is wrong with it.
    reason: String,
}

impl Certificate {
    /// Reads a certificate in DER form.
    pub fn parse(der: CertificateDer<'static>) -> Result<Self, CertificateError> {
        let facts = Facts::read(&der).map_err(|reason| CertificateError { reason })?;
        Ok(Self { der, facts })
    }

    /// The certificates of a PEM file as far as Go reads it: blocks that are not well-formed, and
    /// what is no certificate, are passed over. Where [`pem::certificates`] accepts the file, they
    /// are the same.
    pub fn all_in_go(file: &[u8]) -> Vec<Self> {
        let ders = pem::certificates_in_go(file).into_iter();
        ders.filter_map(|der| Self::parse(der).ok()).collect()
    }

    /// Reads a certificate as Go does: what is not DER to the letter, or has a negative serial
    /// number, is refused too.
    pub(crate) fn parse_strictly(der: CertificateDer<'static>) -> Result<Self, CertificateError> {
        let certificate = Self::parse(der)?;
        x509_cert::Certificate::from_der(&certificate.der).map_err(|error| CertificateError {
            reason: error.to_string(),
        })?;
        if certificate.x509()?.raw_serial().first() >= Some(&0x80) {
            let reason = "its serial number is negative".to_owned();
            return Err(CertificateError { reason });
        }
        Ok(certificate)
    }

    /// Its parts.
    pub(crate) fn x509(&self) -> Result<X509Certificate<'_>, CertificateError> {
        let parsed = X509Certificate::from_der(&self.der);
        let (_, certificate) = parsed.map_err(|error| CertificateError {
            reason: error.to_string(),
        })?;
        Ok(certificate)
    }

    /// Whether it may sign certificates: a CA by its basic constraints, and its key usage, if it
    /// has one, includes it (RFC 5280, 4.2.1.3; Go's `CheckSignatureFrom`).
    pub fn may_sign(&self) -> bool {
        self.x509().is_ok_and(|certificate| {
            let usage = certificate.key_usage();
            certificate.is_ca()
                && usage.is_ok_and(|usage| usage.is_none_or(|usage| usage.value.key_cert_sign()))
        })
    }

    /// Whether `ca` issued it: its issuer is the subject of `ca` to the octet, and its signature
    /// verifies with the key of `ca`. Validity and usages are not looked at.
    pub fn is_issued_by(&self, ca: &Self) -> bool {
        let (Ok(certificate), Ok(ca)) = (self.x509(), ca.x509()) else {
            return false;
        };
        certificate.issuer().as_raw() == ca.subject().as_raw()
            && certificate.verify_signature(Some(ca.public_key())).is_ok()
    }

    /// The name of its issuer in DER form: what a server asks for certificates by (RFC 8446,
    /// 4.2.4).
    pub fn issuer_der(&self) -> Result<Vec<u8>, CertificateError> {
        Ok(self.x509()?.issuer().as_raw().to_vec())
    }

    /// Its DER form.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// What it says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

impl Facts {
    fn read(der: &[u8]) -> Result<Self, String> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err(format!("{} bytes follow it", rest.len()));
        }
        let names = certificate
            .subject_alternative_name()
            .map_err(|error| error.to_string())?;
        let usage = certificate
            .extended_key_usage()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: sha256::hexadecimal(certificate.raw_serial()),
            not_before: timestamp(certificate.validity().not_before),
            not_after: timestamp(certificate.validity().not_after),
            names: names
                .map(|names| names.value.general_names.iter().filter_map(name).collect())
                .unwrap_or_default(),
            ca: certificate.is_ca(),
            server_auth: usage
                .as_ref()
                .is_none_or(|usage| usage.value.server_auth || usage.value.any),
            client_auth: usage
                .as_ref()
                .is_none_or(|usage| usage.value.client_auth || usage.value.any),
            fingerprint: Fingerprint::of(der),
            key: Fingerprint::of(certificate.public_key().raw),
        })
    }

    /// Whether `now` lies within its validity.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

fn timestamp(time: ASN1Time) -> Timestamp {
    let seconds = time.timestamp();
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets)
                .ok()
                .map(|octets| IpAddr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(*octets)
                .ok()
                .map(|octets| IpAddr::from(octets).to_string()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, PublicKeyData as _, date_time_ymd,
    };

    use super::*;

    #[test]
    fn the_facts_of_a_host_certificate() {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["project-flotta.io".into(), "127.0.0.1".into(), "::1".into()])
                .unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "*");
        params
            .distinguished_name
            .push(DnType::OrganizationName, "flotta-operator");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2027, 1, 1);
        let made = params.self_signed(&key).unwrap();

        let certificate = Certificate::parse(made.der().clone()).unwrap();
        let facts = certificate.facts();
        assert_eq!(facts.subject, "CN=*, O=flotta-operator");
        assert_eq!(facts.names, ["project-flotta.io", "127.0.0.1", "::1"]);
        assert_eq!(facts.key, Fingerprint::of(&key.subject_public_key_info()));
        assert_eq!(facts.fingerprint, Fingerprint::of(made.der()));
        assert!(!facts.ca && facts.client_auth && !facts.server_auth);
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert!(
            facts.is_valid_at(at("2026-01-01T00:00:00Z")) && facts.is_valid_at(at("2027-01-01T00:00:00Z"))
        );
        assert!(
            !facts.is_valid_at(at("2025-12-31T23:59:59Z")) && !facts.is_valid_at(at("2027-01-01T00:00:01Z"))
        );
    }

    #[test]
    fn a_certificate_without_end_is_read() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.not_after = date_time_ymd(9999, 12, 31);
        let made = params.self_signed(&key).unwrap();
        let certificate = Certificate::parse(made.der().clone()).unwrap();
        assert_eq!(certificate.facts().not_after, Timestamp::MAX);
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::default().self_signed(&key).unwrap();
        let mut longer = made.der().to_vec();
        longer.push(0);
        assert!(Certificate::parse(longer.into()).is_err());
        assert!(Certificate::parse(made.der()[..100].to_vec().into()).is_err());
        assert!(Certificate::parse(Vec::new().into()).is_err());
    }
}
