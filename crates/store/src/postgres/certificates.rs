//! How the certificate of a database is checked.

use std::{fs, path::PathBuf, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Most certificates of a chain, the database's own included. To find a path among those of one
/// name takes time that grows with the factorial of their number: 36 keep a thread on which
/// requests are answered busy for as long as 160 handshakes do, whoever has put himself in the
/// database's place. More than device callers may present (`pki::presented`), since a database that
/// was used so far is to be used on.
const MOST_CERTIFICATES: usize = 8;

/// How much of a database's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// Nothing: encryption alone.
    Nothing,
    /// That it follows from the given certificates.
    Issuer,
    /// And that it has the name of the host.
    IssuerAndName,
}

/// TLS towards a database, with so much of a check.
pub(super) fn tls(check: Check, root: Option<PathBuf>) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let verifier: Arc<dyn ServerCertVerifier> = if check == Check::Nothing {
        Arc::new(AnyCertificate(provider))
    } else {
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(root)?), provider)
            .build()
            .map_err(|error| error.to_string())?;
        Arc::new(Bounded(if check == Check::Issuer {
            Arc::new(AnyName(webpki))
        } else {
            webpki
        }))
    };
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots(file: Option<PathBuf>) -> Result<RootCertStore, String> {
    let Some(file) = file else {
        return Err(
            "its sslmode checks the server's certificate but nothing says against what; add sslrootcert"
                .into(),
        );
    };
    let unreadable =
        |reason: String| format!("the certificates in {} cannot be used: {reason}", file.display());
    let text = fs::read(&file).map_err(|error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    // As a database's file was always read: strict reading is for files that the Edge API reads
    // too.
    let certificates =
        pki::pem::certificates_leniently(&text).map_err(|fault| unreadable(fault.to_string()))?;
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unreadable("there is none in it; give a PEM file".to_owned()));
    }
    Ok(roots)
}

/// A verifier that looks at no chain longer than [`MOST_CERTIFICATES`].
#[derive(Debug)]
struct Bounded(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for Bounded {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificates = intermediates.len() + 1;
        if certificates > MOST_CERTIFICATES {
            return Err(Error::General(format!(
                "the database presents {certificates} certificates, and at most {MOST_CERTIFICATES} are looked at; leave out \
                 those that are not needed to reach the CA"
            )));
        }
        self.0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// `verify-ca`: the certificate must follow from the given ones, whatever name is in it.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            // The name is looked at last, after the chain was found good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// `prefer` and `require`: encryption without a proof of who is there, as with libpq.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_found_among_others_and_what_is_wrong_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        let found = |text: &str| {
            fs::write(&file, text).unwrap();
            roots(Some(file.clone())).map(|roots| roots.len())
        };
        let key = rcgen::KeyPair::generate().unwrap();
        let ca = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let both = key.serialize_pem() + &ca.pem();
        assert_eq!(found(&both), Ok(1));
        // As before certificates of Flotta were read strictly.
        assert_eq!(
            found(&format!("{both}  {}", ca.pem())),
            Ok(1),
            "an indented block is none"
        );
        let told = |text: &str| found(text).unwrap_err();
        let torn = told(&both.replace("-----END CERTIFICATE-----", ""));
        assert!(
            torn.ends_with("ca.pem cannot be used: PEM block 2 is damaged: its end is missing"),
            "{torn}"
        );
        for without in ["", &key.serialize_pem()] {
            let none = told(without);
            assert!(none.ends_with("there is none in it; give a PEM file"), "{none}");
        }
    }

    #[test]
    fn a_long_chain_is_not_looked_at() {
        let any = AnyCertificate(Arc::new(aws_lc_rs::default_provider()));
        let bounded = Bounded(Arc::new(any));
        let present = |certificates: usize| {
            let chain = vec![CertificateDer::from(vec![0]); certificates];
            let name = ServerName::try_from("database").unwrap();
            bounded.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now())
        };
        present(MOST_CERTIFICATES).unwrap();
        let refused = present(MOST_CERTIFICATES + 1).unwrap_err().to_string();
        assert!(
            refused.contains("presents 9 certificates, and at most 8"),
            "{refused}"
        );
    }
}
