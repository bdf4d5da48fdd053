//! Each task of a server is ended while it serves.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use clap::CommandFactory as _;
use testkit::{http_client, net::free_port, process::wait_until};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::*;
use crate::settings::cli::Cli;

/// How long a condition may take; long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Those of a server with everything that can be set, but for the wait for a signal: a test program
/// goes on taking its own.
const TASKS: [&str; 8] = [
    "the follower of the documents",
    "the look whether the store can be written",
    "the operations port",
    "the store",
    "the upkeep of the store",
    "the watch of the TLS material",
    "the watch of the admission file",
    "the watch of the manifests",
];

struct Running {
    tasks: Tasks,
    stop: CancellationToken,
    ops: SocketAddr,
    socket: PathBuf,
    serving: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Serves from this folder, with all tasks.
    async fn start(folder: &Path) -> Self {
        let port = || SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        std::fs::create_dir(path("manifests")).unwrap();
        let (ops, socket) = (port(), path("admin.sock"));
        let settings = [
            ("--listen", port().to_string()),
            ("--ops-listen", ops.to_string()),
            ("--admin-socket", socket.clone()),
            ("--store", format!("sqlite:{}", path("fleet.db"))),
            // There is none of it, which ends nothing.
            ("--tls-cert", path("tls.crt")),
            ("--tls-key", path("tls.key")),
            ("--client-ca", path("ca.crt")),
            ("--client-pins", path("pins")),
            ("--admission", path("admission")),
            ("--manifests", path("manifests")),
            ("--shutdown-timeout", "2m".to_owned()),
        ];
        let line = ["edge-config-server", "serve"].map(str::to_owned);
        let line = line.into_iter().chain(
            settings
                .into_iter()
                .flat_map(|(flag, value)| [flag.to_owned(), value]),
        );
        let matches = Cli::command().try_get_matches_from(line).unwrap();
        let settings = Settings::resolve(matches.subcommand().unwrap().1).unwrap();
        let (tasks, stop) = (Tasks::default(), CancellationToken::new());
        let serving = tokio::spawn(serve_until(settings, tasks.clone(), stop.clone()));
        wait_until("all tasks", PATIENCE, async || tasks.names() == TASKS)
            .await
            .unwrap();
        Self {
            tasks,
            stop,
            ops,
            socket: socket.into(),
            serving,
        }
    }

    /// A request that is under way and wants one byte more.
    async fn ask(&self) -> UnixStream {
        let mut caller = UnixStream::connect(&self.socket).await.unwrap();
        let head = b"POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n";
        caller.write_all(head).await.unwrap();
        let mut goes_on = [0; 25];
        caller.read_exact(&mut goes_on).await.unwrap();
        assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        caller
    }

    async fn healthz(&self) -> Option<(u16, String)> {
        let answer = http_client::get(self.ops, "/healthz").await.ok()?;
        Some((answer.status, answer.text()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_task_ends_it_is_told_requests_are_finished_and_the_server_fails() {
    for name in TASKS {
        let folder = tempfile::tempdir().unwrap();
        let server = Running::start(folder.path()).await;
        assert_eq!(server.healthz().await.unwrap().0, 200);
        let mut caller = server.ask().await;
        server.tasks.abort(name);
        let told = async || match server.healthz().await {
            Some((status, said)) => status == 503 && said.contains(name),
            None => name == "the operations port",
        };
        wait_until(name, PATIENCE, told).await.unwrap();
        assert!(!server.serving.is_finished(), "{name}");
        caller.write_all(b"1").await.unwrap();
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{name}: {answer}");
        let error = server.serving.await.unwrap().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{name} has ended: it was aborted;")),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_all_tasks_at_a_stop_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let server = Running::start(folder.path()).await;
    server.stop.cancel();
    server.serving.await.unwrap().unwrap();
    assert_eq!(server.tasks.early(), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_store_does_not_do_any_more_is_the_end_of_a_task() {
    let (tasks, ended) = (Tasks::default(), Arc::new(AtomicBool::new(false)));
    let look = {
        let ended = Arc::clone(&ended);
        move || {
            ended
                .load(Ordering::SeqCst)
                .then(|| "the writer has ended".to_owned())
        }
    };
    tasks.start_endless("the store", &CancellationToken::new(), defect(look));
    sleep(2 * LOOK).await;
    assert_eq!(tasks.early(), None);
    ended.store(true, Ordering::SeqCst);
    let early = tasks.ended().await;
    assert_eq!(
        (early.task, &*early.reason),
        ("the store", "the writer has ended")
    );
}
