//! Certificates like Flotta's, made once: the server's, and the host certificate that the Edge API
//! would present.
//!
//! The authority's key is forgotten after it has signed those two.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use testkit::pki::{Authority, Identity, Key, KeyKind, Profile, replace_file, write_server_folder};

/// What both sides of the connection need.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// `tls.crt`, `tls.key`, `ca.crt` and `pins`, for the server.
    pub(crate) folder: PathBuf,
    /// What the Edge API presents.
    pub(crate) host: Identity,
    /// Whom the Edge API trusts.
    pub(crate) roots: RootCertStore,
}

impl Certificates {
    /// Those in `<data>/tls`, or new ones.
    pub(crate) fn load_or_make(data: &Path) -> Result<Self> {
        let folder = data.join("tls");
        let (certificate, key) = (folder.join("host.crt"), folder.join("host.key"));
        if !certificate.exists() {
            make(&folder, &certificate, &key)?;
        }
        let mut roots = RootCertStore::empty();
        let ca = folder.join("ca.crt");
        let unreadable = || {
            format!(
                "cannot read {}; remove {} to have new certificates made",
                ca.display(),
                folder.display()
            )
        };
        roots.add(CertificateDer::from_pem_file(&ca).with_context(unreadable)?)?;
        let host = Identity::from_pem(&read(&certificate)?, &read(&key)?)?;
        Ok(Self { folder, host, roots })
    }
}

/// The host certificate is written last: a folder with one is complete.
fn make(folder: &Path, certificate: &Path, key: &Path) -> Result<()> {
    let authority = Authority::new(KeyKind::P256)?;
    let host = authority.issue_for(&Profile::host(), &Key::generate(KeyKind::P256)?)?;
    let server = authority.issue(&Profile::server(&["localhost", "127.0.0.1"])?)?;
    write_server_folder(folder, &server, &authority.pem(), &[host.key().fingerprint()])?;
    replace_file(key, &host.key().pkcs8_pem())?;
    replace_file(certificate, &host.certificate_pem())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
