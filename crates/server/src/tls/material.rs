//! The four files of TLS material, checked as one set.

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

    /// Reads and checks the set.
    pub fn load(&self, now: Timestamp) -> Result<Material, Vec<Fault>> {
        self.judge(&self.read(), now)
    }

    /// Checks a set as a whole; all faults of all files are reported.
    pub(super) fn judge(&self, snapshot: &Snapshot, now: Timestamp) -> Result<Material, Vec<Fault>> {
        let mut faults = Vec::new();
        let [certificate, key, bundle, pins] = &snapshot.0;
        let [certificate_at, key_at, bundle_at, pins_at] = self.all();
        let identity = match (
            readable(certificate, certificate_at, &mut faults),
            readable(key, key_at, &mut faults),
        ) {
            (Some(certificate), Some(key)) => ServerIdentity::check(certificate, key, now)
                .map_err(|(of_chain, of_key)| {
                    collect(&mut faults, certificate_at, &of_chain);
                    collect(&mut faults, key_at, &of_key);
                })
                .ok(),
            _ => None,
        };
        let bundle = readable(bundle, bundle_at, &mut faults).and_then(|bundle| {
            TrustBundle::check(bundle, now)
                .map_err(|of_bundle| collect(&mut faults, bundle_at, &of_bundle))
                .ok()
        });
        let pins = readable(pins, pins_at, &mut faults).and_then(|pins| {
            Pins::parse(pins)
                .map_err(|of_pins| collect(&mut faults, pins_at, &of_pins))
                .ok()
        });
        let (Some(identity), Some(bundle), Some(pins)) = (identity, bundle, pins) else {
            return Err(faults);
        };
        Material::new(&identity, bundle, pins, now).map_err(|reason| {
            let (path, setting) = bundle_at;
            vec![Fault {
                path: path.to_owned(),
                setting,
                reason,
            }]
        })
    }
}

impl Snapshot {
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

    /// Whether a CA has begun or ceased to be valid since the set was loaded.
    pub(super) fn roots_changed(&self, now: Timestamp) -> bool {
        self.authorities()
            .any(|ca| ca.is_valid_at(now) != ca.is_valid_at(self.loaded))
    }
}
