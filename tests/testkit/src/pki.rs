//! Certificates as Flotta makes them (`flotta-ca` and what it signs), and wrong ones for refusal
//! tests.
//!
//! Independent of the `pki` crate on purpose: what is under test must not issue its own evidence.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, RsaKeySize, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};

/// Which algorithm a key is of. Flotta's default is ECDSA P-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256.
    P256,
    /// RSA with 2048 bits (Flotta uses 4096, which takes seconds to make in a debug build).
    Rsa,
}

/// A private key; made once, kept by whoever it belongs to.
#[derive(Debug, Clone)]
pub struct Key(Arc<KeyPair>);

impl Key {
    /// A new key.
    pub fn generate(kind: KeyKind) -> Result<Self> {
        Ok(Self(Arc::new(match kind {
            KeyKind::P256 => KeyPair::generate()?,
            KeyKind::Rsa => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?,
        })))
    }

    /// Reads a PEM key: PKCS#8, SEC 1 or PKCS#1.
    pub fn from_pem(pem: &str) -> Result<Self> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).context("no private key in the PEM text")?;
        // Kept as PKCS#8 whatever it came as, so that every other form can be made from one.
        let pkcs8 = match &der {
            PrivateKeyDer::Sec1(key) => {
                let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
                let key = EcdsaKeyPair::from_private_key_der(algorithm, key.secret_sec1_der())?;
                key.to_pkcs8v1()?.as_ref().to_vec()
            }
            PrivateKeyDer::Pkcs1(key) => {
                let key = rsa::KeyPair::from_der(key.secret_pkcs1_der())?;
                let pkcs8: Pkcs8V1Der<'_> = key.as_der()?;
                pkcs8.as_ref().to_vec()
            }
            other => other.secret_der().to_vec(),
        };
        Ok(Self(Arc::new(KeyPair::try_from(pkcs8)?)))
    }

    /// PKCS#8 (`PRIVATE KEY`), which Flotta does not read.
    pub fn pkcs8_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// The form Flotta writes and reads: SEC 1 (`EC PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
    pub fn traditional_pem(&self) -> Result<String> {
        let der = self.0.serialized_der();
        if self.0.is_compatible(&rcgen::PKCS_RSA_SHA256) {
            // A PKCS#8 RSA key is a fixed head of 26 bytes (version, algorithm, octet string)
            // around the PKCS#1 key, for every modulus whose lengths take two bytes.
            let pkcs1 = der
                .get(26..)
                .context("an RSA key in PKCS#8 has more than 26 bytes")?;
            return Ok(pem("RSA PRIVATE KEY", pkcs1));
        }
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der)?;
        let sec1: EcPrivateKeyRfc5915Der<'_> = key.private_key().as_der()?;
        Ok(pem("EC PRIVATE KEY", sec1.as_ref()))
    }

    /// Lower-case hex SHA-256 of the DER SubjectPublicKeyInfo: how the server pins keys.
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.0.subject_public_key_info()))
    }

    fn der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialized_der().to_vec()).into()
    }

    /// A PKCS#10 request as the device agent makes it: the id as common name, signed by this key.
    pub fn certificate_request(&self, device_id: &str) -> Result<String> {
        Ok(subject(device_id, None, None)
            .serialize_request(&*self.0)?
            .pem()?)
    }
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Now, for decades.
    Current,
    /// Not any more.
    Expired,
    /// Not yet.
    Future,
}

/// What a certificate says, apart from its key and its issuer.
#[derive(Debug, Clone)]
pub struct Profile {
    params: CertificateParams,
}

impl Profile {
    /// The host certificate of the Edge API: `CN=*, O=flotta-operator`, both extended key usages.
    pub fn host() -> Self {
        Self::leaf(subject("*", Some("flotta-operator"), None))
    }

    /// A server certificate for these host names and addresses.
    pub fn server(names: &[&str]) -> Result<Self> {
        Self::leaf(subject("edge-config-server", Some("flotta-operator"), None)).with_names(names)
    }

    /// With these host names and addresses.
    pub fn with_names(mut self, names: &[&str]) -> Result<Self> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        self.params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
        Ok(self)
    }

    /// The certificate that new devices are provisioned with.
    pub fn register() -> Self {
        Self::leaf(subject("register", Some("flotta-operator"), None))
    }

    /// The certificate of an enrolled device; the namespace becomes the OU.
    pub fn device(id: &str, namespace: &str) -> Self {
        Self::leaf(subject(id, Some("flotta-operator"), Some(namespace)))
    }

    fn leaf(mut params: CertificateParams) -> Self {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        Self { params }.valid(Validity::Current)
    }

    /// Valid at another time than now.
    #[must_use]
    pub fn valid(mut self, validity: Validity) -> Self {
        let (from, to) = match validity {
            Validity::Current => (2020, 2090),
            Validity::Expired => (2010, 2011),
            Validity::Future => (2080, 2090),
        };
        self.params.not_before = date_time_ymd(from, 1, 1);
        self.params.not_after = date_time_ymd(to, 1, 1);
        self
    }

    /// Without a usage the Edge API's host certificate has: only `serverAuth` is left.
    #[must_use]
    pub fn server_auth_only(mut self) -> Self {
        self.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self
    }

    /// Without the usage a server needs: only `clientAuth` is left.
    #[must_use]
    pub fn client_auth_only(mut self) -> Self {
        self.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self
    }

    /// Signed by its own key.
    pub fn self_signed(&self) -> Result<Identity> {
        let key = Key::generate(KeyKind::P256)?;
        let certificate = self.params.self_signed(&*key.0)?;
        Ok(Identity {
            chain: vec![certificate.der().clone()],
            key,
        })
    }
}

/// A certificate authority: certificate and key.
#[derive(Debug, Clone)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    key: Key,
}

impl Authority {
    /// A new authority with the profile of `flotta-ca`.
    pub fn new(kind: KeyKind) -> Result<Self> {
        Self::with(Key::generate(kind)?, Validity::Current)
    }

    fn with(key: Key, validity: Validity) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, printable("flotta-operator")?);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let params = Profile { params }.valid(validity).params;
        Ok(Self {
            certificate: params.self_signed(&*key.0)?.der().clone(),
            key,
        })
    }

    /// Authorities of one name, each certified by the next: every one looks like the issuer of
    /// every other.
    pub fn cross_signed(name: &str, count: usize) -> Result<Vec<Self>> {
        let keys: Vec<_> = (0..count)
            .map(|_| Key::generate(KeyKind::P256))
            .collect::<Result<_>>()?;
        let mut params = subject(name, None, None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let next = keys.iter().cycle().skip(1);
        keys.iter()
            .zip(next)
            .map(|(key, next)| {
                let issuer = Issuer::from_params(&params, &*next.0);
                let certificate = params.signed_by(&*key.0, &issuer)?.der().clone();
                Ok(Self {
                    certificate,
                    key: key.clone(),
                })
            })
            .collect()
    }

    /// Reads `ca.crt` (its first certificate, the one that signs) and `ca.key`.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self> {
        let certificate = certificates(certificate)?
            .into_iter()
            .next()
            .context("no certificate in ca.crt")?;
        Ok(Self {
            certificate,
            key: Key::from_pem(key)?,
        })
    }

    /// Issues a certificate for a new key.
    pub fn issue(&self, profile: &Profile) -> Result<Identity> {
        self.issue_for(profile, &Key::generate(KeyKind::P256)?)
    }

    /// Issues a certificate for a key that exists.
    pub fn issue_for(&self, profile: &Profile, key: &Key) -> Result<Identity> {
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &*self.key.0)?;
        let certificate = profile.params.signed_by(&*key.0, &issuer)?;
        Ok(Identity {
            chain: vec![certificate.der().clone()],
            key: key.clone(),
        })
    }

    /// A new certificate of the same key and name, as a renewal makes it.
    pub fn renewed(&self) -> Result<Self> {
        Self::with(self.key.clone(), Validity::Current)
    }

    /// The same key and name with a certificate whose validity has passed.
    pub fn expired(&self) -> Result<Self> {
        Self::with(self.key.clone(), Validity::Expired)
    }

    /// The certificate, PEM.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The key in the form that Flotta reads.
    pub fn key_pem(&self) -> Result<String> {
        self.key.traditional_pem()
    }

    /// A root store with this authority alone.
    pub fn roots(&self) -> Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        Ok(roots)
    }
}

/// Certificates to present, leaf first, and the leaf's key.
#[derive(Debug, Clone)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Key,
}

impl Identity {
    /// Reads a certificate (chain) and its key from PEM.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self> {
        Ok(Self {
            chain: certificates(chain)?,
            key: Key::from_pem(key)?,
        })
    }

    /// A certificate that somebody issued for a key of ours.
    pub fn from_certificate(chain: &str, key: &Key) -> Result<Self> {
        Ok(Self {
            chain: certificates(chain)?,
            key: key.clone(),
        })
    }

    /// The same leaf with other certificates behind it, related or not.
    #[must_use]
    pub fn followed_by(mut self, other: &Identity) -> Self {
        self.chain.extend(other.chain.iter().cloned());
        self
    }

    /// The same leaf with the certificates of these authorities behind it, related or not.
    #[must_use]
    pub fn followed_by_authorities(mut self, authorities: &[Authority]) -> Self {
        let certificates = authorities.iter().map(|authority| authority.certificate.clone());
        self.chain.extend(certificates);
        self
    }

    /// The whole chain, PEM.
    pub fn certificate_pem(&self) -> String {
        self.chain
            .iter()
            .map(|certificate| pem("CERTIFICATE", certificate))
            .collect()
    }

    /// The leaf, DER.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// The key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// TLS 1.3 with this client certificate, trusting `roots`; `alpn` as offered.
    pub fn client_config(&self, roots: RootCertStore, alpn: &[&str]) -> Result<Arc<ClientConfig>> {
        let config = client_builder(roots)?.with_client_auth_cert(self.chain.clone(), self.key.der())?;
        Ok(offering(config, alpn))
    }

    /// TLS 1.3 as a server, asking nobody for a certificate.
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>> {
        let builder = rustls::ServerConfig::builder_with_provider(provider());
        let builder = builder
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth();
        Ok(Arc::new(
            builder.with_single_cert(self.chain.clone(), self.key.der())?,
        ))
    }
}

/// TLS 1.3 without a client certificate.
pub fn anonymous_client_config(roots: RootCertStore, alpn: &[&str]) -> Result<Arc<ClientConfig>> {
    Ok(offering(client_builder(roots)?.with_no_client_auth(), alpn))
}

/// The folder the server reads its TLS material from: `tls.crt`, `tls.key`, `ca.crt` and `pins`.
///
/// Each file is replaced by a rename, so that a server that watches the folder never reads half of
/// one.
pub fn write_server_folder(folder: &Path, server: &Identity, ca: &str, pins: &[String]) -> Result<()> {
    fs::create_dir_all(folder)?;
    replace_file(&folder.join("ca.crt"), ca)?;
    let pins = pins.join("\n");
    replace_file(
        &folder.join("pins"),
        &format!("# public keys that may call the device plane\n{pins}\n"),
    )?;
    replace_file(&folder.join("tls.key"), &server.key.pkcs8_pem())?;
    replace_file(&folder.join("tls.crt"), &server.certificate_pem())
}

/// Writes a file beside the target and renames it over.
pub fn replace_file(path: &Path, content: &str) -> Result<()> {
    let name = path
        .file_name()
        .context("a file has a name")?
        .to_string_lossy()
        .into_owned();
    let staged = path.with_file_name(format!(".{name}.new"));
    fs::write(&staged, content).with_context(|| format!("cannot write {}", staged.display()))?;
    fs::rename(&staged, path).with_context(|| format!("cannot replace {}", path.display()))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

type ClientBuilder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn client_builder(roots: RootCertStore) -> Result<ClientBuilder> {
    let builder = ClientConfig::builder_with_provider(provider());
    Ok(builder
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots))
}

fn offering(mut config: ClientConfig, alpn: &[&str]) -> Arc<ClientConfig> {
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    // The Edge API's client keeps no session cache, so nobody here resumes either.
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

fn subject(common_name: &str, organization: Option<&str>, unit: Option<&str>) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(organization) = organization {
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization);
    }
    if let Some(unit) = unit {
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
    }
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// Go writes PrintableString where it can; a chain is only found when the bytes of both names
/// agree.
fn printable(text: &str) -> Result<DnValue> {
    Ok(DnValue::PrintableString(
        text.try_into().map_err(|error| anyhow!("{error}"))?,
    ))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>()?;
    if found.is_empty() {
        return Err(anyhow!("no certificate in the PEM text"));
    }
    Ok(found)
}

fn pem(label: &str, der: &[u8]) -> String {
    pem::encode(&pem::Pem::new(label, der))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

/// A certificate request with one bit of its signature flipped, PEM to PEM.
pub fn with_broken_signature(request: &str) -> Result<String> {
    let parsed = pem::parse(request)?;
    let mut der = parsed.contents().to_vec();
    // The signature is the last element of a PKCS#10 request; its last byte is the end of an
    // integer.
    *der.last_mut().context("an empty certificate request")? ^= 1;
    Ok(pem("CERTIFICATE REQUEST", &der))
}
