//! `kill -9` in the middle of `rekey`, at every stage of it.
//!
//! All rows are sealed anew in one transaction; then the database file is written anew, and the log
//! is emptied. How far the server has come is read off the bytes that it has written
//! (`/proc/PID/io`), against those of a whole rekey.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
};

use super::*;

/// As many kills for each of the two stores that a rekey begins with.
const KILLS: u64 = 6;

/// Secrets beside those of the fleet, each of some pages: together more than SQLite holds in
/// memory, so that the transaction writes before its end.
const SECRETS: usize = 500;

/// After which of its steps a server was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    /// Nothing of it is in the store.
    Nothing,
    /// All is sealed anew; the values of before were still in the files.
    Sealed,
    /// No value was in the files, if any ever was.
    Erased,
}

/// A version, and the names of workloads and Secrets.
type Told = (String, (BTreeSet<String>, BTreeSet<String>));

/// A store with the fleet, as a server that was stopped has left it.
struct Before {
    folder: tempfile::TempDir,
    /// The keys of the server whose rekey is killed: the first one counts.
    keys_then: &'static str,
    /// What each device gets.
    versions: BTreeMap<&'static str, Told>,
}

impl Before {
    async fn new(keys: Option<&'static str>, keys_then: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        write(&source, 4, true);
        let many: Vec<String> = (0..SECRETS)
            .map(|number| {
                let text = format!("{}{number}{}", fleet::PLANTED, "-padding".repeat(900));
                let metadata = format!("{{name: many-{number}}}");
                format!("apiVersion: v1\nkind: Secret\nmetadata: {metadata}\nstringData: {{key: {text}}}\n")
            })
            .collect();
        fs::write(source.join("many.yaml"), many.join("---\n")).unwrap();
        let mut server = Server::start(settings(folder.path(), keys)).await.unwrap();
        let mut arguments = vec!["manifests".to_owned(), "apply".to_owned()];
        let files = fs::read_dir(&source).unwrap();
        arguments.extend(files.map(|file| file.unwrap().path().to_str().unwrap().to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let applied = command(folder.path(), &arguments);
        assert!(applied.status.success(), "{}", said(&applied));
        let mut versions = BTreeMap::new();
        for id in DEVICES {
            join(&server, id).await;
            let (status, told) = poll(&server, id).await.unwrap();
            assert_eq!(status, 200, "{told}");
            versions.insert(id, (version(&told), names(&told)));
        }
        assert!(server.stop().unwrap().success());
        fs::remove_dir_all(&source).unwrap();
        Self {
            folder,
            keys_then,
            versions,
        }
    }

    fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("fleet.db")
            {
                fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        copy
    }

    /// Every Secret can be read, and each device gets what it got.
    async fn serves_the_same(&self, server: &Server, folder: &Path, when: &str) {
        let status = command(folder, &["manifests", "status", "-o", "json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        assert_eq!(status["unreadable"], json!([]), "{when}");
        assert!(
            status["sources"][0]["objects"].as_u64() > Some(SECRETS as u64),
            "{when}: {status}"
        );
        for id in DEVICES {
            let (status, told) = poll(server, id).await.unwrap();
            assert_eq!(status, 200, "{when}: {told}");
            assert_eq!((version(&told), names(&told)), self.versions[id], "{when}");
        }
    }

    /// Kills a server when it has written so much of a rekey, and looks at what is left; how far it
    /// had come.
    async fn killed_after(&self, bytes: u64) -> Reached {
        let copy = self.copy();
        let folder = copy.path();
        let mut server = Server::start(settings(folder, Some(self.keys_then)))
            .await
            .unwrap();
        let goal = written(&mut server) + bytes;
        let mut rekey = begin_rekey(folder);
        while rekey.try_wait().unwrap().is_none() && written(&mut server) < goal {
            std::thread::yield_now();
        }
        server.kill().unwrap();
        let answered = rekey.wait().unwrap().success();
        let left = shown_in_store(folder);
        let when = format!("killed after {bytes} bytes");

        // With the keys of before and of after, whichever each Secret is sealed with.
        server.start_again().await.unwrap();
        let warned = server.log_tail().contains("under an earlier key");
        self.serves_the_same(&server, folder, &when).await;

        let again = rekeyed(folder);
        let sealed = again["resealed"].as_u64().unwrap() + again["newlySealed"].as_u64().unwrap();
        assert_eq!(again["leftover"], Value::Null, "{when}: {again}");
        assert_eq!(shown_in_store(folder), Vec::<String>::new(), "{when}");
        self.serves_the_same(&server, folder, &when).await;
        assert!(server.stop().unwrap().success());
        assert_eq!(shown_in_store(folder), Vec::<String>::new(), "{when}");
        let inspection = store::sqlite::inspect(&folder.join("fleet.db")).unwrap();
        assert!(!inspection.unerased, "{when}: all is erased, and nobody knows");

        // All of it is sealed with the first key: no other is needed.
        let first = self.keys_then.lines().next();
        let mut server = Server::start(settings(folder, first)).await.unwrap();
        self.serves_the_same(&server, folder, &when).await;
        assert!(server.stop().unwrap().success());

        // One transaction: the second rekey has everything to do, or nothing.
        let reached = match sealed {
            0 if left.is_empty() => Reached::Erased,
            0 => {
                assert!(warned, "{when}: nobody says that {left:?} are left");
                Reached::Sealed
            }
            all => {
                assert!(!warned, "{when}: nothing was sealed");
                assert!(all > SECRETS as u64, "{when}: {all} rows were left to be sealed");
                Reached::Nothing
            }
        };
        assert!(
            !answered || (sealed == 0 && left.is_empty()),
            "{when}: it had answered"
        );
        reached
    }
}

fn settings(folder: &Path, keys: Option<&str>) -> Settings {
    let settings = Settings::new(folder).binary(BINARY);
    let Some(keys) = keys else {
        return settings;
    };
    let file = folder.join("keys");
    fs::write(&file, keys).unwrap();
    settings.flags(["--secret-keys", file.to_str().unwrap()])
}

/// How many bytes a server has written to anything so far.
fn written(server: &mut Server) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/io", server.process().id())).unwrap();
    let count = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    count.unwrap().parse().unwrap()
}

fn begin_rekey(folder: &Path) -> Child {
    let mut command = Command::new(BINARY);
    command
        .arg("rekey")
        .arg("--socket")
        .arg(folder.join("admin.sock"));
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A rekey that ends.
fn rekeyed(folder: &Path) -> Value {
    let output = command(folder, &["rekey", "-o", "json"]);
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The files of the store that show a value of a Secret.
fn shown_in_store(folder: &Path) -> Vec<String> {
    ["fleet.db", "fleet.db-wal", "fleet.db-shm", "fleet.db.mark"]
        .into_iter()
        .filter(|name| fs::read(folder.join(name)).is_ok_and(|bytes| shows(&bytes)))
        .map(str::to_owned)
        .collect()
}

/// Kills at even distances of a rekey, which must have come to each of `wanted` at one of them.
async fn killed_everywhere(before: &Before, wanted: [Reached; 2]) {
    let copy = before.copy();
    let mut server = Server::start(settings(copy.path(), Some(before.keys_then)))
        .await
        .unwrap();
    let begin = written(&mut server);
    rekeyed(copy.path());
    let whole = written(&mut server) - begin;
    assert!(server.stop().unwrap().success());
    let mut reached = Vec::new();
    for kill in 1..=KILLS {
        reached.push(before.killed_after(whole * kill / (KILLS + 1)).await);
    }
    // On a busy machine a kill comes late: the next one aims at less, down to the first byte.
    let mut aim = whole / (KILLS + 1);
    while aim > 0 && !wanted.iter().all(|wanted| reached.contains(wanted)) {
        aim /= 4;
        reached.push(before.killed_after(aim.max(1)).await);
    }
    for wanted in wanted {
        assert!(reached.contains(&wanted), "no kill at {wanted:?}: {reached:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rekey_of_plain_secrets_that_is_killed_anywhere_is_done_again() {
    let before = Before::new(None, KEY).await;
    assert_ne!(shown_in_store(before.folder.path()), Vec::<String>::new());
    killed_everywhere(&before, [Reached::Nothing, Reached::Sealed]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rekey_from_key_to_key_that_is_killed_anywhere_is_done_again() {
    let both = Box::leak(format!("{OTHER_KEY}\n{KEY}\n").into_boxed_str());
    let before = Before::new(Some(KEY), both).await;
    assert_eq!(shown_in_store(before.folder.path()), Vec::<String>::new());
    killed_everywhere(&before, [Reached::Nothing, Reached::Erased]).await;
}
