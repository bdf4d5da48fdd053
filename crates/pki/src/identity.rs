//! Certificates to present, with the key of the first.

use std::fmt;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{
    certificate::{Certificate, Facts},
    pem,
};

/// Certificates to present, the holder's own first, and its private key, which nothing but
/// [`Identity::private_key`] and [`Identity::key_pem`] shows.
pub struct Identity {
    leaf: Certificate,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// `further` are the certificates after the holder's own.
    pub(crate) fn new(
        leaf: Certificate,
        further: impl IntoIterator<Item = CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Self {
        let chain = std::iter::once(leaf.der().clone()).chain(further).collect();
        Self { leaf, chain, key }
    }

    /// The holder's own certificate.
    pub fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// What it says.
    pub fn facts(&self) -> &Facts {
        self.leaf.facts()
    }

    /// All certificates, as `rustls` wants them.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    /// The private key, as `rustls` wants it. Its `Debug` shows nothing.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// All certificates as a PEM file.
    pub fn chain_pem(&self) -> String {
        self.chain
            .iter()
            .map(|certificate| pem::block("CERTIFICATE", certificate))
            .collect()
    }

    /// The private key as a PEM file. A secret.
    pub fn key_pem(&self) -> String {
        pem::key_block(&self.key)
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            leaf: self.leaf.clone(),
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("leaf", self.leaf.facts())
            .finish_non_exhaustive()
    }
}
