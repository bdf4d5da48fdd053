//! What is measured: the server on each store, and the bare program, each with the same
//! certificates.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::RootCertStore;
use serde_json::json;
use tempfile::TempDir;
use testkit::caller::{Caller, Connections};
use testkit::device::hardware;
use testkit::net::free_port;
use testkit::pki::{Authority, Identity, Key, KeyKind, Profile, write_server_folder};
use testkit::postgres::Postgres;
use testkit::process::{Process, Program};
use testkit::server::{Server, Settings};

use crate::crowd::{self, Says, Scene};
use crate::load::Operation;
use crate::manifests::WORKLOADS;

/// Devices of each caller. More than one, so that no caller waits for its own device's previous
/// write.
pub(crate) const DEVICES: usize = 16;

/// A program that is measured.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// Its process id.
    pub(crate) pid: u32,
    address: SocketAddr,
    roots: RootCertStore,
    host: Identity,
    /// Measured with this alone.
    only: Option<Operation>,
}

impl Peer {
    /// Whether it is measured with an operation.
    pub(crate) fn measured_with(&self, operation: Operation) -> bool {
        self.only.is_none_or(|only| only == operation)
    }

    /// A caller of it.
    pub(crate) fn caller(&self, connections: Connections) -> Result<Caller> {
        self.caller_as(&self.host, connections)
    }

    /// A caller of it who presents something else.
    pub(crate) fn caller_as(&self, who: &Identity, connections: Connections) -> Result<Caller> {
        Caller::mutual(self.address, self.roots.clone(), who, connections)
    }
}

/// All of them, running.
#[derive(Debug)]
pub(crate) struct Stage {
    /// The bare program first.
    pub(crate) peers: Vec<Peer>,
    /// What could not be measured here, and why.
    pub(crate) skipped: Vec<String>,
    _servers: Vec<Server>,
    _bare: Process,
    _postgres: Option<Postgres>,
    _folder: TempDir,
}

impl Stage {
    /// Starts everything, with `callers` times [`DEVICES`] devices on each server.
    pub(crate) async fn set(disk: Option<&Path>, callers: usize) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("flotta-bench-");
        let folder = disk.map_or_else(|| builder.tempdir(), |disk| builder.tempdir_in(disk))?;
        let authority = Authority::new(KeyKind::P256)?;
        let host = authority.issue_for(&Profile::host(), &Key::generate(KeyKind::P256)?)?;
        let tls = folder.path().join("tls");
        let server = authority.issue(&Profile::server(&["localhost"])?)?;
        write_server_folder(&tls, &server, &authority.pem(), &[host.key().fingerprint()])?;

        let manifests = folder.path().join("manifests");
        fs::create_dir(&manifests)?;
        let workers =
            (0..callers).flat_map(|caller| (0..DEVICES).map(move |device| worker_id(caller, device)));
        fs::write(manifests.join("bench.yaml"), crate::manifests::of(workers))?;
        let manifests = manifests.to_string_lossy().into_owned();

        let mut stores = vec![("ours, SQLite", None), (NOTHING_KEPT, None)];
        let mut skipped = Vec::new();
        let postgres = Postgres::start().await;
        match &postgres {
            Ok(postgres) => stores.push(("ours, PostgreSQL", Some(postgres.create_database()?))),
            Err(error) => skipped.push(format!("PostgreSQL: {error:#}")),
        }
        let (mut peers, mut servers) = (Vec::new(), Vec::new());
        for (name, database) in stores {
            let home = folder.path().join(name.replace(", ", "-"));
            let mut settings =
                Settings::new(home)
                    .tls(&tls)
                    .flags(["--log-level", "warn", "--manifests", &manifests]);
            let nothing_kept = name == NOTHING_KEPT;
            if nothing_kept {
                settings = settings.flags(["--cache", "1"]);
            }
            if let Some(database) = database {
                settings = settings.store(database);
            }
            let mut server = Server::start(settings).await?;
            let peer = Peer {
                name,
                pid: server.process().id(),
                address: server.device_plane(),
                roots: authority.roots()?,
                host: host.clone(),
                only: nothing_kept.then_some(Operation::Workloads),
            };
            populate(&peer, callers)
                .await
                .with_context(|| format!("cannot fill {name}"))?;
            peers.push(peer);
            servers.push(server);
        }
        let answers = folder.path().join("answers");
        keep_answers(&peers[0], &answers).await?;
        let (bare, peer) = start_bare(folder.path(), &tls, &answers, authority.roots()?, host).await?;
        peers.insert(0, peer);
        Ok(Self {
            peers,
            skipped,
            _servers: servers,
            _bare: bare,
            _postgres: postgres.ok(),
            _folder: folder,
        })
    }
}

/// One server on SQLite with one device, for what strangers do to it, and the bare program.
#[derive(Debug)]
pub(crate) struct Small {
    server: Server,
    good: Caller,
    /// The certificate that gets in.
    pub(crate) host: Identity,
    /// The bare program first.
    pub(crate) peers: [Peer; 2],
    _bare: Process,
    folder: TempDir,
}

impl Stage {
    /// Starts a server with a device.
    pub(crate) async fn small(disk: Option<&Path>) -> Result<Small> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("flotta-bench-");
        let folder = disk.map_or_else(|| builder.tempdir(), |disk| builder.tempdir_in(disk))?;
        let authority = Authority::new(KeyKind::P256)?;
        let host = authority.issue(&Profile::host())?;
        let server = authority.issue(&Profile::server(&["localhost"])?)?;
        let tls = folder.path().join("tls");
        write_server_folder(&tls, &server, &authority.pem(), &[host.key().fingerprint()])?;
        let settings = Settings::new(folder.path().join("server")).tls(&tls);
        let mut server = Server::start(settings.flags(["--log-level", "warn"])).await?;
        let roots = authority.roots()?;
        let mut good = Caller::mutual(server.device_plane(), roots, &host, Connections::New)?;
        enrol(&mut good, &device_id(0, 0)).await?;
        let answers = folder.path().join("answers");
        fs::create_dir(&answers)?;
        for answer in ["registration", "configuration", "workloads"] {
            fs::write(answers.join(answer), "{}")?;
        }
        let roots = authority.roots()?;
        let (process, bare) = start_bare(folder.path(), &tls, &answers, roots, host.clone()).await?;
        let ours = Peer {
            name: "ours, SQLite",
            pid: server.process().id(),
            address: server.device_plane(),
            roots: authority.roots()?,
            host: host.clone(),
            only: None,
        };
        Ok(Small {
            server,
            good,
            host,
            peers: [bare, ours],
            _bare: process,
            folder,
        })
    }
}

impl Small {
    /// The device plane and the operations port, each with the crowds that could keep somebody out.
    pub(crate) fn scenes(&self) -> Vec<Scene> {
        let (device, ops) = (self.server.device_plane(), self.server.ops_port());
        let poll = testkit::caller::path("default", &device_id(0, 0), "configuration");
        let scene = |name, good: &Caller, path: &str, to, says| Scene {
            good: good.another(),
            path: path.to_owned(),
            name,
            to,
            says,
        };
        let probe = crowd::probe(ops);
        let healthz = "/healthz";
        vec![
            scene(
                "poll; the crowd is silent",
                &self.good,
                &poll,
                device,
                Says::Nothing,
            ),
            scene("probe; the crowd is silent", &probe, healthz, ops, Says::Nothing),
            scene(
                "probe; the crowd sends half a body",
                &probe,
                healthz,
                ops,
                Says::HalfABody,
            ),
        ]
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Assembles each configuration anew, from a device that is read for each request: what a changed
/// manifest costs once.
const NOTHING_KEPT: &str = "ours, SQLite, nothing kept";

/// Id of a caller's device with workloads.
pub(crate) fn worker_id(caller: usize, device: usize) -> String {
    format!("worker-{caller}-{device}")
}

/// Id of a caller's device without workloads.
pub(crate) fn device_id(caller: usize, device: usize) -> String {
    format!("device-{caller}-{device}")
}

async fn populate(peer: &Peer, callers: usize) -> Result<()> {
    let mut enrolling = tokio::task::JoinSet::new();
    for number in 0..callers {
        let mut caller = peer.caller(Connections::KeptAlive)?;
        enrolling.spawn(async move {
            for device in 0..DEVICES {
                for id in [device_id(number, device), worker_id(number, device)] {
                    enrol(&mut caller, &id)
                        .await
                        .with_context(|| format!("cannot enrol {id}"))?;
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = enrolling.join_next().await {
        done??;
    }
    Ok(())
}

/// As a device does it: enrolment, and a registration with its hardware.
async fn enrol(caller: &mut Caller, id: &str) -> Result<()> {
    let hardware = hardware(id);
    let answer = caller
        .enrol("default", id, &json!({"features": {"hardware": hardware}}))
        .await?;
    if answer.status != 201 {
        bail!("enrolment: {} {}", answer.status, answer.text());
    }
    let request = Key::generate(KeyKind::P256)?.certificate_request(id)?;
    let body = json!({"hardware": hardware, "certificate_request": request});
    let answer = caller.register("default", id, &body).await?;
    if answer.status != 200 {
        bail!("registration: {} {}", answer.status, answer.text());
    }
    Ok(())
}

/// What the server answers is what the bare program will answer.
async fn keep_answers(server: &Peer, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut caller = server.caller(Connections::KeptAlive)?;
    let id = device_id(0, 0);
    let answers = [
        ("registration", caller.registration_status("default", &id).await?),
        ("configuration", caller.configuration("default", &id).await?),
        (
            "workloads",
            caller.configuration("default", &worker_id(0, 0)).await?,
        ),
    ];
    for (name, answer) in answers {
        if answer.status != 200 {
            bail!("{name}: {} {}", answer.status, answer.text());
        }
        if name == "workloads" {
            let given = answer.text().matches("registry.example/workload-").count();
            if given != WORKLOADS {
                bail!("a device got {given} workloads and not {WORKLOADS}");
            }
        }
        fs::write(folder.join(name), &answer.body)?;
    }
    Ok(())
}

async fn start_bare(
    folder: &Path,
    tls: &Path,
    answers: &Path,
    roots: RootCertStore,
    host: Identity,
) -> Result<(Process, Peer)> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut process = Program::new("bare", std::env::current_exe()?)
        .arg("bare")
        .args(["--listen", &address.to_string()])
        .arg("--tls")
        .arg(tls)
        .arg("--answers")
        .arg(answers)
        .start(folder)?;
    let listens = async || tokio::net::TcpStream::connect(address).await.is_ok();
    process
        .wait_until("it listens", Duration::from_secs(10), listens)
        .await?;
    let peer = Peer {
        name: "bare hyper",
        pid: process.id(),
        address,
        roots,
        host,
        only: None,
    };
    Ok((process, peer))
}
