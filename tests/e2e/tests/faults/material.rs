//! Certificates, CA bundle and pins change under devices at work: no request fails, no connection
//! is dropped, and bad material changes nothing but what the server says about itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::traffic::Crew;
use e2e::{Common, Stage, Store};
use testkit::caller::{Caller, Connections};
use testkit::http_client::{Connection, Tls};
use testkit::pki::{Identity, Profile, replace_file};
use testkit::process::wait_until;

use super::keeping_all_events;

const LOADED: Duration = Duration::from_secs(30);

/// What is in the four files.
#[derive(Debug, Clone)]
struct Material {
    certificate: String,
    key: String,
    ca: String,
    pins: Vec<String>,
}

impl Material {
    fn new(server: &Identity, authorities: &[String], pins: &[String]) -> Self {
        Self {
            certificate: server.certificate_pem(),
            key: server.key().pkcs8_pem(),
            ca: authorities.concat(),
            pins: pins.to_vec(),
        }
    }

    fn files(&self) -> [(&'static str, String); 4] {
        [
            ("ca.crt", self.ca.clone()),
            ("pins", self.pins.join("\n") + "\n"),
            ("tls.key", self.key.clone()),
            ("tls.crt", self.certificate.clone()),
        ]
    }
}

/// How files are replaced.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// As the kubelet does it: the files are links into `..data`, itself a link that is replaced by
    /// a rename.
    Volume,
    /// The files are written over.
    InPlace,
    /// Each file is renamed over.
    Rename,
}

/// The folder that the server reads.
struct Folder {
    path: PathBuf,
    versions: u32,
}

impl Folder {
    /// A Kubernetes volume.
    fn create(path: &Path, material: &Material) -> Result<Self> {
        let mut folder = Self {
            path: path.to_owned(),
            versions: 0,
        };
        folder.put(Way::Volume, material)?;
        for (name, _) in material.files() {
            symlink(Path::new("..data").join(name), path.join(name))?;
        }
        Ok(folder)
    }

    fn put(&mut self, way: Way, material: &Material) -> Result<()> {
        if let Way::Volume = way {
            self.versions += 1;
            let version = format!("..version-{}", self.versions);
            fs::create_dir_all(self.path.join(&version))?;
            for (name, content) in material.files() {
                fs::write(self.path.join(&version).join(name), content)?;
            }
            let staged = self.path.join("..data_tmp");
            symlink(&version, &staged)?;
            return Ok(fs::rename(staged, self.path.join("..data"))?);
        }
        for (name, content) in material.files() {
            let path = self.path.join(name);
            match way {
                Way::InPlace => fs::write(path, content)?,
                _ => replace_file(&path, &content)?,
            }
        }
        Ok(())
    }
}

/// Waits until the server serves with this certificate and these pins, and finds nothing wrong.
async fn loaded(stage: &Stage, server: &Identity, authorities: usize, pins: &[String]) -> Result<()> {
    let key = server.key().fingerprint();
    // A set has no order.
    let mut pins = pins.to_vec();
    pins.sort();
    let is_loaded = async || {
        let Ok(status) = stage.status().await else {
            return false;
        };
        let (tls, set) = (&status["tls"], &status["tls"]["loaded"]);
        set["server"]["key"] == key.as_str()
            && set["authorities"]
                .as_array()
                .is_some_and(|all| all.len() == authorities)
            && set["pins"].as_array().is_some_and(|all| all.iter().eq(&pins))
            && tls["faults"].as_array().is_some_and(Vec::is_empty)
    };
    let outcome = wait_until("the new material is served with", LOADED, is_loaded).await;
    match outcome {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(stage.status().await?.to_string())),
    }
}

/// Calls with a new connection each time, one after the other, and fails with the first that fails.
fn keep_calling(mut caller: Caller, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<Result<u64>> {
    tokio::spawn(async move {
        let mut calls = 0;
        while !stop.load(Ordering::Relaxed) {
            let answer = caller.configuration("default", "witness").await?;
            ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
            calls += 1;
        }
        Ok(calls)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn material_changes_without_a_failed_request() -> Result<()> {
    let common = Common::get().await?;
    let flotta = &common.flotta;
    let certificates: Vec<Identity> = (0..4)
        .map(|_| flotta.backend_certificate())
        .collect::<Result<_>>()?;
    let (old_ca, renewed_ca) = (flotta.ca_pem.clone(), flotta.authority.renewed()?.pem());
    let (old_pin, next_host) = (flotta.host_pin(), flotta.authority.issue(&Profile::host())?);
    let next_pin = next_host.key().fingerprint();

    let place = tempfile::tempdir()?;
    let first = Material::new(
        &certificates[0],
        std::slice::from_ref(&old_ca),
        std::slice::from_ref(&old_pin),
    );
    let mut folder = Folder::create(place.path(), &first)?;
    let stage = Stage::with(Store::Sqlite, |settings| {
        keeping_all_events(settings).tls(place.path())
    })
    .await?;

    let traffic = Crew::muster(&stage, 2).await?.set_out();
    let stop = Arc::new(AtomicBool::new(false));
    let steady = keep_calling(stage.caller(Connections::New)?, Arc::clone(&stop));
    let mut kept = kept_connection(&stage).await?;
    let mut next = stage.caller_as(&next_host, Connections::New)?;
    ensure!(
        next.registration_status("default", "witness").await.is_err(),
        "not pinned yet"
    );

    // A new server certificate, a renewed CA in front of the old, and the pin of the next host
    // certificate.
    let both_pins = [old_pin.clone(), next_pin];
    let bundle = [renewed_ca, old_ca.clone()];
    folder.put(Way::Volume, &Material::new(&certificates[1], &bundle, &both_pins))?;
    loaded(&stage, &certificates[1], 2, &both_pins).await?;
    let moved = keep_calling(stage.caller_as(&next_host, Connections::New)?, Arc::clone(&stop));
    assert_eq!(next.registration_status("default", "witness").await?.status, 200);

    folder.put(
        Way::InPlace,
        &Material::new(&certificates[2], &bundle, &both_pins),
    )?;
    loaded(&stage, &certificates[2], 2, &both_pins).await?;

    bad_material_changes_nothing(&stage, &mut folder, &certificates[2], &bundle, &both_pins).await?;

    folder.put(Way::Rename, &Material::new(&certificates[3], &bundle, &both_pins))?;
    loaded(&stage, &certificates[3], 2, &both_pins).await?;
    assert_eq!(
        kept.send(registration_status()?).await?.status,
        200,
        "a connection of before the changes"
    );

    stop.store(true, Ordering::Relaxed);
    let (steady, moved) = (steady.await??, moved.await??);
    let counts = traffic.counts();
    let crew = traffic.finish().await?;
    assert_eq!(
        counts.refused,
        0,
        "requests failed: {counts:?}\n{}\n{}",
        stage.edge_api.log_tail(),
        stage.server.log_tail()
    );
    assert!(steady > 0 && moved > 0 && counts.acknowledged > 0 && counts.polled > 0);
    crew.check(&stage)?;

    // A pin that is taken away is taken away.
    let only_old = [old_pin];
    folder.put(
        Way::Rename,
        &Material::new(&certificates[3], &[old_ca], &only_old),
    )?;
    loaded(&stage, &certificates[3], 1, &only_old).await?;
    ensure!(
        next.registration_status("default", "witness").await.is_err(),
        "not pinned any more"
    );
    assert_eq!(
        stage
            .caller(Connections::New)?
            .registration_status("default", "witness")
            .await?
            .status,
        200
    );
    Ok(())
}

async fn bad_material_changes_nothing(
    stage: &Stage,
    folder: &mut Folder,
    serving: &Identity,
    bundle: &[String],
    pins: &[String],
) -> Result<()> {
    const FAILURES: &str = "edge_config_material_reload_failures_total";
    let good = Material::new(serving, bundle, pins);
    let other_key = stage.common.flotta.backend_certificate()?.key().pkcs8_pem();
    let bad = [
        (
            "--tls-key",
            Material {
                key: other_key,
                ..good.clone()
            },
        ),
        (
            "--tls-cert",
            Material {
                certificate: "half a certifi".into(),
                ..good.clone()
            },
        ),
        (
            "--client-ca",
            Material {
                ca: String::new(),
                ..good.clone()
            },
        ),
        (
            "--client-pins",
            Material {
                pins: vec!["no fingerprint".into()],
                ..good.clone()
            },
        ),
    ];
    for (setting, material) in bad {
        let failures = stage.metric(FAILURES).await?;
        folder.put(Way::Volume, &material)?;
        let told = async || {
            let Ok(status) = stage.status().await else {
                return false;
            };
            let faults = status["tls"]["faults"].as_array().cloned().unwrap_or_default();
            faults
                .iter()
                .any(|fault| fault.as_str().is_some_and(|fault| fault.contains(setting)))
        };
        wait_until(&format!("a fault of {setting} in the status"), LOADED, told).await?;
        let status = stage.status().await?;
        assert_eq!(
            status.pointer("/tls/loaded/server/key").context("still loaded")?,
            &serving.key().fingerprint()
        );
        assert!(stage.metric(FAILURES).await? > failures, "{setting}");
        assert!(!material_is_current(stage).await?, "{setting}");
        assert_eq!(
            stage.server.ops("/readyz").await?.status,
            200,
            "the old goes on serving"
        );
        let mut caller = stage.caller(Connections::New)?;
        assert_eq!(
            caller.registration_status("default", "witness").await?.status,
            200,
            "{setting}"
        );
    }
    folder.put(Way::Volume, &good)?;
    loaded(stage, serving, bundle.len(), pins).await?;
    assert!(material_is_current(stage).await?);
    Ok(())
}

/// Whether the server says that it serves with what is in the files.
async fn material_is_current(stage: &Stage) -> Result<bool> {
    Ok(stage.metric("edge_config_material_current").await? > 0.5)
}

/// A connection that is opened once, unlike a caller's, which would be opened again unnoticed.
async fn kept_connection(stage: &Stage) -> Result<Connection> {
    let roots = stage.common.flotta.authority.roots()?;
    let tls = Tls {
        config: stage.common.flotta.host.client_config(roots, &["http/1.1"])?,
        server_name: "localhost".try_into()?,
    };
    let mut connection = Connection::open(stage.server.device_plane(), Some(&tls)).await?;
    assert_eq!(connection.send(registration_status()?).await?.status, 200);
    Ok(connection)
}

fn registration_status() -> Result<http::Request<http_body_util::Full<bytes::Bytes>>> {
    let path = "/api/flotta-backend/v1/namespaces/default/devices/witness/registration";
    let request = http::Request::get(path).header(http::header::HOST, "localhost");
    Ok(request.body(http_body_util::Full::default())?)
}
