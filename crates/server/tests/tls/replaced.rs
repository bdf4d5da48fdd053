//! The files are replaced while requests are served, by each of the ways in which that happens.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use testkit::pki::replace_file;

use crate::{
    authority, config_for, server_certificate, set,
    support::{ask, connect, until},
};

/// Replaces the set, by one of the ways in which it happens.
type Replace = fn(&Path, &[(&str, String)]);

pub(crate) fn by_rename(folder: &Path, files: &[(&str, String)]) {
    for (name, content) in files {
        replace_file(&folder.join(name), content).unwrap();
    }
}

fn in_place(folder: &Path, files: &[(&str, String)]) {
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}

/// As the kubelet does: `name -> ..data/name`, `..data -> ..generation`, replaced by one rename.
fn by_data_link(folder: &Path, files: &[(&str, String)]) {
    let generation = format!("..{}", uuid::Uuid::new_v4());
    fs::create_dir(folder.join(&generation)).unwrap();
    for (name, content) in files {
        fs::write(folder.join(&generation).join(name), content).unwrap();
    }
    symlink(&generation, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    for (name, _) in files {
        let link = folder.join(name);
        if !link.is_symlink() {
            let _ = fs::remove_file(&link);
            symlink(Path::new("..data").join(name), &link).unwrap();
        }
    }
}

async fn is_replaced_while_serving(replace: Replace) {
    let (ca, host, stage) = set().await;
    let stage = Arc::new(stage);
    let config = config_for(&ca, &host);
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (stop, answered, config) = (Arc::clone(&stop), Arc::clone(&answered), Arc::clone(&config));
            let address = stage.address;
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    ask(address, Arc::clone(&config))
                        .await
                        .expect("no request fails while material is replaced");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // Looks much more often than the server does, so that sets are also seen half replaced.
    let looker = {
        let (stop, stage) = (Arc::clone(&stop), Arc::clone(&stage));
        tokio::task::spawn_blocking(move || {
            while !stop.load(Ordering::Relaxed) {
                stage.look();
            }
        })
    };
    for _ in 0..8 {
        let next = server_certificate(&ca);
        let pins = format!("{}\n{}\n", host.key().fingerprint(), next.key().fingerprint());
        let files = [
            ("tls.crt", next.certificate_pem()),
            ("tls.key", next.key().pkcs8_pem()),
            ("ca.crt", authority().pem() + &ca.pem()),
            ("pins", pins),
        ];
        let folder = stage.folder().to_owned();
        tokio::task::spawn_blocking(move || replace(&folder, &files))
            .await
            .unwrap();
        let expected = pki::Fingerprint::of(next.leaf());
        let before = answered.load(Ordering::Relaxed);
        until("the new certificate is loaded", || {
            stage
                .status()
                .loaded
                .is_some_and(|loaded| loaded.server.facts.fingerprint == expected)
        })
        .await;
        let stream = connect(stage.address, Arc::clone(&config)).await.unwrap();
        assert_eq!(&stream.get_ref().1.peer_certificates().unwrap()[0], next.leaf());
        until("requests go on", || answered.load(Ordering::Relaxed) > before + 4).await;
    }
    stop.store(true, Ordering::Relaxed);
    looker.await.unwrap();
    for caller in callers {
        caller.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_replaced_by_rename_while_serving() {
    is_replaced_while_serving(by_rename).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_replaced_in_place_while_serving() {
    is_replaced_while_serving(in_place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_replaced_by_a_data_link_while_serving() {
    is_replaced_while_serving(by_data_link).await;
}

#[tokio::test]
async fn a_watched_set_is_loaded_without_being_asked() {
    let (ca, _, stage) = set().await;
    let _watch = stage.watch();
    let next = server_certificate(&ca);
    by_rename(
        stage.folder(),
        &[
            ("tls.key", next.key().pkcs8_pem()),
            ("tls.crt", next.certificate_pem()),
        ],
    );
    let expected = pki::Fingerprint::of(next.leaf());
    until("the new certificate is loaded", || {
        stage
            .status()
            .loaded
            .is_some_and(|loaded| loaded.server.facts.fingerprint == expected)
    })
    .await;
}
