//! What `sslmode` asks for, tried on a server with certificates.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use testkit::process::{account, is_root};

use super::*;

/// A certificate authority, as PEM, and a server certificate that it issued for a name.
struct Material {
    authority: String,
    certificate: String,
    key: String,
}

fn material(name: &str) -> Material {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_certificate = authority.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let certificate = CertificateParams::new(vec![name.to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    Material {
        authority: authority_certificate.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    }
}

fn install(server: &Postgres, folder: &Path, material: &Material) {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    for (name, text, setting) in [
        ("server.pem", &material.certificate, "ssl_cert_file"),
        ("key.pem", &material.key, "ssl_key_file"),
    ] {
        let file = folder.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        if is_root() {
            let owner = account("postgres").or_else(|| account("nobody")).unwrap();
            chown(&file, Some(owner.uid), Some(owner.gid)).unwrap();
        }
        server
            .sql(
                "postgres",
                &format!("ALTER SYSTEM SET {setting} = '{}'", file.display()),
            )
            .unwrap();
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    server.sql("postgres", "ALTER SYSTEM SET ssl = on").unwrap();
}

/// As `require` and the others of libpq are described, tried on a server whose certificate names
/// another host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslmode_means_what_it_means_to_libpq() {
    let folder = TempDir::new().unwrap();
    let (here, elsewhere) = (material("127.0.0.1"), material("elsewhere.example"));
    for (name, material) in [("here.pem", &here), ("elsewhere.pem", &elsewhere)] {
        fs::write(folder.path().join(name), &material.authority).unwrap();
    }
    let mut server = Postgres::start().await.unwrap();
    let url = server.create_database().unwrap();
    let connects = async |parameters: &str| {
        let url = format!(
            "{url}?{}",
            parameters.replace("DIR", &folder.path().display().to_string())
        );
        PostgresStore::connect(&url, PostgresPlace::options())
            .await
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert!(connects("sslmode=prefer").await.is_ok(), "a server without TLS");
    assert!(connects("sslmode=require").await.is_err());

    install(&server, folder.path(), &here);
    server.stop().unwrap();
    server.start_again().await.unwrap();
    for good in [
        "sslmode=disable",
        "sslmode=prefer",
        "sslmode=require",
        "sslmode=require&sslrootcert=DIR/here.pem",
        "sslmode=verify-ca&sslrootcert=DIR/here.pem",
        "sslmode=verify-full&sslrootcert=DIR/here.pem",
    ] {
        assert_eq!(Ok(()), connects(good).await, "{good}");
    }
    for bad in [
        "sslmode=require&sslrootcert=DIR/elsewhere.pem",
        "sslmode=verify-ca&sslrootcert=DIR/elsewhere.pem",
        "sslmode=verify-full&sslrootcert=DIR/elsewhere.pem",
        "sslmode=verify-full&sslrootcert=DIR/missing.pem",
    ] {
        assert!(connects(bad).await.is_err(), "{bad}");
    }

    install(&server, folder.path(), &elsewhere);
    server.stop().unwrap();
    server.start_again().await.unwrap();
    assert_eq!(
        Ok(()),
        connects("sslmode=verify-ca&sslrootcert=DIR/elsewhere.pem").await
    );
    assert!(
        connects("sslmode=verify-full&sslrootcert=DIR/elsewhere.pem")
            .await
            .is_err(),
        "another name"
    );
}
