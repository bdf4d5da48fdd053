//! The four files of TLS material, checked as one set.
//!
//! Certificates that cannot be read whole are refused while another set is served with. Only a
//! server that has none takes them in part: it may have served with these very bytes before they
//! were read strictly (`docs/decisions/0050-pem-is-read-whole-or-not-at-all.md`).

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use pki::{Facts, Fingerprint, Pins, ServerIdentity, TrustBundle};
use rustls::{
    ServerConfig, crypto::aws_lc_rs, server::NoServerSessionStorage, sign::SingleCertAndKey, version::TLS13,
};

use super::verifier::PinnedClients;
use crate::files;

/// Where the material is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate, with its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The CAs of the callers' certificates.
    pub client_ca: PathBuf,
    /// The fingerprints of the callers' keys.
    pub client_pins: PathBuf,
}

/// What is wrong with one file of the set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} ({setting}): {reason}", path = path.display())]
pub struct Fault {
    /// Which file.
    pub path: PathBuf,
    /// The setting that names it.
    pub setting: &'static str,
    /// What is wrong.
    pub reason: String,
}

/// The contents of the files at one time.
pub(super) struct Snapshot([io::Result<Vec<u8>>; 4]);

impl Files {
    fn all(&self) -> [(&Path, &'static str); 4] {
        [
            (&self.certificate, "--tls-cert"),
            (&self.key, "--tls-key"),
            (&self.client_ca, "--client-ca"),
            (&self.client_pins, "--client-pins"),
        ]
    }

    pub(super) fn read(&self) -> Snapshot {
        Snapshot(self.all().map(|(path, _)| files::contents(path)))
    }

    /// Reads and checks the set; what cannot be read whole is a fault.
    pub fn load(&self, now: Timestamp) -> Result<Material, Vec<Fault>> {
        self.judge(&self.read(), &InPart::Only(Vec::new()), now)
    }

    /// Checks a set as a whole; all faults of all files are reported.
    pub(super) fn judge(
        &self,
        snapshot: &Snapshot,
        in_part: &InPart,
        now: Timestamp,
    ) -> Result<Material, Vec<Fault>> {
        let mut faults = Vec::new();
        let [certificate, key, bundle, pins] = &snapshot.0;
        let [certificate_at, key_at, bundle_at, pins_at] = self.all();
        let identity = match (
            readable(certificate, certificate_at, &mut faults),
            readable(key, key_at, &mut faults),
        ) {
            (Some(certificate), Some(key)) => {
                let identity = if in_part.includes(certificate) {
                    ServerIdentity::in_part(certificate, key, now)
                } else {
                    ServerIdentity::check(certificate, key, now).map(|identity| (identity, Vec::new()))
                };
                identity
                    .map_err(|(of_chain, of_key)| {
                        collect(&mut faults, certificate_at, &of_chain);
                        collect(&mut faults, key_at, &of_key);
                    })
                    .ok()
            }
            _ => None,
        };
        let bundle = readable(bundle, bundle_at, &mut faults).and_then(|bundle| {
            let bundle = if in_part.includes(bundle) {
                TrustBundle::in_part(bundle, now)
            } else {
                TrustBundle::check(bundle, now).map(|bundle| (bundle, Vec::new()))
            };
            bundle
                .map_err(|of_bundle| collect(&mut faults, bundle_at, &of_bundle))
                .ok()
        });
        let pins = readable(pins, pins_at, &mut faults).and_then(|pins| {
            Pins::parse(pins)
                .map_err(|of_pins| collect(&mut faults, pins_at, &of_pins))
                .ok()
        });
        let (Some((identity, of_chain)), Some((bundle, of_bundle)), Some(pins)) = (identity, bundle, pins)
        else {
            return Err(faults);
        };
        let mut material = Material::new(&identity, bundle, pins, now).map_err(|reason| {
            let (path, setting) = bundle_at;
            vec![Fault {
                path: path.to_owned(),
                setting,
                reason,
            }]
        })?;
        collect(&mut material.faults, certificate_at, &of_chain);
        collect(&mut material.faults, bundle_at, &of_bundle);
        material.in_part = snapshot.digests([!of_chain.is_empty(), !of_bundle.is_empty()]);
        Ok(material)
    }
}

/// Which certificates may be used although their file cannot be read whole.
#[derive(Clone, Debug)]
pub(super) enum InPart {
    /// Any: there is nothing else to serve with.
    Any,
    /// Those in files with these digests: they are served with already.
    Only(Vec<Fingerprint>),
}

impl InPart {
    fn includes(&self, contents: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Only(digests) => digests.contains(&Fingerprint::of(contents)),
        }
    }
}

impl Snapshot {
    /// The digests of the chain and of the bundle, as far as they are wanted.
    fn digests(&self, [chain, bundle]: [bool; 2]) -> Vec<Fingerprint> {
        let [certificate, _, authorities, _] = &self.0;
        let wanted = [(certificate, chain), (authorities, bundle)].into_iter();
        wanted
            .filter(|(_, wanted)| *wanted)
            .filter_map(|(contents, _)| contents.as_ref().ok())
            .map(|contents| Fingerprint::of(contents))
            .collect()
    }

    /// Equal for equal contents.
    pub(super) fn digest(&self) -> Fingerprint {
        let mut digests = Vec::new();
        for contents in &self.0 {
            let digest = match contents {
                Ok(contents) => Fingerprint::of(contents),
                Err(error) => Fingerprint::of(error.to_string().as_bytes()),
            };
            digests.push(u8::from(contents.is_ok()));
            digests.extend_from_slice(digest.as_bytes());
        }
        Fingerprint::of(&digests)
    }
}

fn readable<'a>(
    contents: &'a io::Result<Vec<u8>>,
    (path, setting): (&Path, &'static str),
    faults: &mut Vec<Fault>,
) -> Option<&'a [u8]> {
    match contents {
        Ok(contents) => Some(contents),
        Err(error) => {
            let reason = format!("it cannot be read: {error}");
            faults.push(Fault {
                path: path.to_owned(),
                setting,
                reason,
            });
            None
        }
    }
}

fn collect<E: ToString>(faults: &mut Vec<Fault>, (path, setting): (&Path, &'static str), found: &[E]) {
    faults.extend(found.iter().map(|fault| Fault {
        path: path.to_owned(),
        setting,
        reason: fault.to_string(),
    }));
}

/// A checked set, ready to serve with.
#[derive(Debug)]
pub struct Material {
    config: Arc<ServerConfig>,
    server: Facts,
    bundle: TrustBundle,
    pins: Vec<Fingerprint>,
    loaded: Timestamp,
    faults: Vec<Fault>,
    /// Of each file that was taken in part.
    in_part: Vec<Fingerprint>,
}

impl Material {
    fn new(
        identity: &ServerIdentity,
        bundle: TrustBundle,
        pins: Pins,
        now: Timestamp,
    ) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let listed = pins.iter().copied().collect();
        let clients =
            PinnedClients::new(&bundle, pins, Arc::clone(&provider)).map_err(|error| error.to_string())?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(Arc::new(clients))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified_key())));
        // The Edge API offers `h2` first and does not speak it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        debug_assert!(!config.ticketer.enabled());
        let server = identity.leaf().clone();
        Ok(Self {
            config: Arc::new(config),
            server,
            bundle,
            pins: listed,
            loaded: now,
            faults: Vec::new(),
            in_part: Vec::new(),
        })
    }

    /// The configuration to accept connections with.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The server's certificate.
    pub fn server(&self) -> &Facts {
        &self.server
    }

    /// The CAs of the bundle, those included that were outside their validity when it was loaded.
    pub fn authorities(&self) -> impl Iterator<Item = &Facts> {
        self.bundle.certificates()
    }

    /// The pinned keys.
    pub fn pins(&self) -> &[Fingerprint] {
        &self.pins
    }

    /// When it was loaded.
    pub fn loaded(&self) -> Timestamp {
        self.loaded
    }

    /// Why some of its certificates are missing; empty when all files were read whole.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// What a next set may take in part: what this one has.
    pub(super) fn in_part(&self) -> InPart {
        InPart::Only(self.in_part.clone())
    }

    /// Whether a CA has begun or ceased to be valid since the set was loaded.
    pub(super) fn roots_changed(&self, now: Timestamp) -> bool {
        self.authorities()
            .any(|ca| ca.is_valid_at(now) != ca.is_valid_at(self.loaded))
    }
}
