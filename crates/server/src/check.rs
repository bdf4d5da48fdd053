//! `check`: what is wrong with the settings, the TLS material, the store and the admission file,
//! told before a server is started on them.
//!
//! Changes nothing, and may be run beside a running server.

use std::{fmt, path::Path};

use jiff::Timestamp;
use manifests::UnknownFields;
use pki::Facts;
use store::{Inspection, StoreError, postgres, sqlite};

use crate::{
    admin::{NO_SOCKET, is_other_file},
    descriptors,
    intake::{self, NotServing},
    open::{UNERASED, connect_options, keyring},
    settings::{Faults, Settings, StoreLocation},
    tls::{Expiry, Files, Material},
};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing is wrong.
    Fine,
    /// A server starts, and somebody should look.
    Warning,
    /// A server does not start, or does not serve.
    Problem,
}

/// One line of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was found, one sentence.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Fine => "ok",
            Level::Warning => "warning",
            Level::Problem => "problem",
        };
        write!(f, "{level:<8} {}", self.text)
    }
}

fn fine(text: impl Into<String>) -> Finding {
    Finding {
        level: Level::Fine,
        text: text.into(),
    }
}

fn warning(text: impl Into<String>) -> Finding {
    Finding {
        level: Level::Warning,
        text: text.into(),
    }
}

fn problem(text: impl Into<String>) -> Finding {
    Finding {
        level: Level::Problem,
        text: text.into(),
    }
}

/// The findings when the settings cannot be read; nothing else can be checked then.
pub fn of_faults(faults: &Faults) -> Vec<Finding> {
    faults
        .0
        .iter()
        .map(|fault| problem(format!("settings: {fault}")))
        .collect()
}

/// Checks everything that readable settings name.
pub async fn findings(settings: &Settings, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![match descriptors::check(settings) {
        Ok(()) => fine("settings: all of them can be used"),
        Err(too_few) => problem(format!("settings: {too_few}")),
    }];
    match &settings.tls {
        Some(files) => findings.extend(material(files, now)),
        None => findings.push(warning(
            "tls: plain HTTP, everybody who reaches the port can speak for every device",
        )),
    }
    let inspection = inspect(settings).await;
    findings.extend(store(&settings.store, &inspection));
    findings.extend(secrets(settings, inspection.as_ref().ok()));
    if let Some(path) = &settings.manifests {
        findings.extend(sources(path, settings.unknown_fields));
    }
    if let Some(path) = &settings.admission {
        findings.push(admission(path, inspection.ok().as_ref()));
    }
    findings.extend(socket(&settings.admin_socket));
    findings
}

fn material(files: &Files, now: Timestamp) -> Vec<Finding> {
    let material = match files.load(now) {
        Ok(material) => material,
        Err(faults) => {
            return faults
                .iter()
                .map(|fault| problem(format!("tls: {fault}")))
                .collect();
        }
    };
    let server = material.server();
    let names = server.names.join(", ");
    let mut findings = vec![fine(format!(
        "tls: the server certificate for {names} is valid until {}",
        server.not_after
    ))];
    findings.extend(expiry("the server certificate", server, now));
    for ca in material.authorities() {
        findings.extend(expiry(
            &format!("the CA certificate {} of --client-ca", ca.fingerprint),
            ca,
            now,
        ));
    }
    if material.authorities().all(|ca| ca.subject != server.issuer) {
        findings.push(warning(format!(
            "tls: the server certificate was issued by {}, which is not in --client-ca; the Edge API must trust it by other means",
            server.issuer
        )));
    }
    findings.extend(pins(&material));
    findings
}

fn expiry(what: &str, certificate: &Facts, now: Timestamp) -> Option<Finding> {
    match Expiry::of(certificate, now) {
        Expiry::Fine => None,
        Expiry::Soon => Some(warning(format!(
            "tls: {what} expires at {}, within 30 days",
            certificate.not_after
        ))),
        Expiry::Expired => Some(warning(format!(
            "tls: {what} expired at {} and is left out",
            certificate.not_after
        ))),
    }
}

/// A pin is the fingerprint of a key, so only pins that are surely another's can be told.
fn pins(material: &Material) -> Vec<Finding> {
    let mut findings = vec![fine(format!(
        "tls: public keys that may connect: {}",
        material.pins().len()
    ))];
    for pin in material.pins() {
        if *pin == material.server().key {
            findings.push(warning(format!(
                "tls: the pin {pin} is this server's own key, not the Edge API's"
            )));
        }
        for ca in material.authorities() {
            if *pin == ca.key {
                findings.push(warning(format!(
                    "tls: the pin {pin} is the key of the CA ({}), not that of the host certificate",
                    ca.subject
                )));
            }
            if *pin == ca.fingerprint {
                findings.push(warning(format!(
                    "tls: the pin {pin} is the fingerprint of a certificate ({}); pins are fingerprints of public keys",
                    ca.subject
                )));
            }
        }
    }
    findings
}

async fn inspect(settings: &Settings) -> Result<Inspection, StoreError> {
    match &settings.store {
        StoreLocation::Sqlite(path) => sqlite::inspect(path),
        StoreLocation::Postgres(url) => postgres::inspect(url.expose(), &connect_options(settings)).await,
    }
}

fn store(location: &StoreLocation, inspection: &Result<Inspection, StoreError>) -> Vec<Finding> {
    match inspection {
        Ok(inspection) => inspected(location, inspection),
        Err(error) => vec![problem(format!("store: {}", crate::telemetry::chain(error)))],
    }
}

/// Whether the Secrets in the store can be read.
fn secrets(settings: &Settings, inspection: Option<&Inspection>) -> Vec<Finding> {
    let keyring = match keyring(settings) {
        Ok(keyring) => keyring,
        Err(fault) => return vec![problem(format!("secrets: {fault}"))],
    };
    let Some(inspection) = inspection else {
        return Vec::new();
    };
    let mut findings: Vec<Finding> = keyring
        .lacking(&inspection.key_ids)
        .iter()
        .map(|id| {
            problem(format!(
                "secrets: values in the store are encrypted with key {id}, which --secret-keys does not have; put it back"
            ))
        })
        .collect();
    if inspection.unerased {
        findings.push(warning(format!("secrets: {UNERASED}")));
    }
    if inspection.unsealed > 0 {
        findings.push(warning(if keyring.is_empty() {
            format!(
                "secrets: {} values in the store are not encrypted; --secret-keys has them encrypted",
                inspection.unsealed
            )
        } else {
            format!(
                "secrets: {} values in the store are not encrypted; 'edge-config-server rekey' encrypts them",
                inspection.unsealed
            )
        }));
    }
    findings
}

/// Whether the manifests would be taken over.
fn sources(path: &Path, unknown_fields: UnknownFields) -> Vec<Finding> {
    match manifests::source::read(path, unknown_fields) {
        Err(error) => error
            .sentences()
            .iter()
            .map(|fault| problem(format!("manifests: {fault}")))
            .collect(),
        Ok(reading) if reading.is_empty() => vec![problem(format!(
            "manifests: {} holds no object; an empty source is taken for one that failed",
            path.display()
        ))],
        Ok(reading) => {
            let found = format!("manifests: {} objects can be taken over", reading.objects.len());
            let warned = reading.warned();
            let warnings = warned.iter().map(|found| warning(format!("manifests: {found}")));
            std::iter::once(fine(found)).chain(warnings).collect()
        }
    }
}

/// Whether devices would be served. What cannot be inspected has been told already.
fn admission(path: &Path, inspection: Option<&Inspection>) -> Finding {
    let order = match intake::read(path) {
        Ok(order) => order,
        Err(fault) => return problem(format!("admission: {fault}")),
    };
    let Some(recorded) = order.store else {
        return fine(format!("admission: {}, on any store", order.admission));
    };
    match inspection.map(|inspection| inspection.identity) {
        Some(Some(identity)) if identity.id != recorded => problem(format!(
            "admission: {}",
            NotServing::OtherStore {
                present: identity.id,
                recorded,
            }
        )),
        Some(None) => problem(format!(
            "admission: the fleet is recorded in store {recorded}, and there is no store yet: a start would make another \
             one; bring back that store's volume or database"
        )),
        Some(Some(_)) | None => fine(format!("admission: {}, on store {recorded}", order.admission)),
    }
}

fn inspected(location: &StoreLocation, inspection: &Inspection) -> Vec<Finding> {
    let mut findings = Vec::new();
    match (inspection.identity, inspection.schema) {
        (Some(identity), Some(schema)) => {
            findings.push(fine(format!(
                "store: {location} is store {} with schema {schema}",
                identity.id
            )));
            let steps = inspection.pending.len();
            if steps > 0 {
                let text = format!("store: a start changes its schema ({steps} steps); make a backup first");
                findings.push(warning(text));
            }
        }
        // Where there has been one, that is a problem.
        _ if !inspection.problems.is_empty() => {}
        _ => findings.push(fine(format!(
            "store: there is none yet at {location}; a start makes one"
        ))),
    }
    findings.extend(
        inspection
            .problems
            .iter()
            .map(|found| problem(format!("store: {found}"))),
    );
    findings
}

fn socket(path: &Path) -> Option<Finding> {
    if is_other_file(path) {
        return Some(problem(format!("admin socket: {}: {NO_SOCKET}", path.display())));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.is_dir()).then(|| {
        problem(format!(
            "admin socket: the directory {} does not exist; make it or set --admin-socket",
            folder.display()
        ))
    })
}

/// Whether a server may be started on what was found.
pub fn passes(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.level < Level::Problem)
}
