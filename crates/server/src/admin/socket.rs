//! The admin socket as a file: made with mode 0600, replaced if it is left over, removed at the
//! end. What is no socket is somebody's, and stays.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the admin socket {} cannot be made: {reason}", path.display())]
pub struct SocketError {
    path: PathBuf,
    reason: String,
}

/// An admin socket; dropping this removes its file.
#[derive(Debug)]
pub struct AdminSocket {
    path: PathBuf,
}

impl AdminSocket {
    /// Makes the socket. A file that is left over from a server that was killed is replaced; one
    /// that answers is not.
    pub fn bind(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let fail = |reason: String| SocketError {
            path: path.to_owned(),
            reason,
        };
        if UnixStream::connect(path).is_ok() {
            return Err(fail(
                "another server is listening there; choose another path with --admin-socket".into(),
            ));
        }
        if is_other_file(path) {
            return Err(fail(NO_SOCKET.into()));
        }
        let listener = bind_private(path).map_err(|error| {
            fail(format!(
                "{error}; choose a path in a directory that exists and may be written with --admin-socket"
            ))
        })?;
        Ok((
            Self {
                path: path.to_owned(),
            },
            listener,
        ))
    }
}

/// What is said of a path that [`is_other_file`].
pub(crate) const NO_SOCKET: &str =
    "there is something that is no socket; choose another path with --admin-socket, or remove it";

/// Whether there is something that is no socket. A link counts as what it leads to.
pub(crate) fn is_other_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket())
}

/// The mode is set before the socket gets its name, so at no moment can somebody else open it.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    if !is_other_file(&temporary) {
        let _ = fs::remove_file(&temporary);
    }
    let listener = UnixListener::bind(&temporary)?;
    let named = fs::set_permissions(&temporary, fs::Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = named {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(listener)
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        if !is_other_file(&self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_its_owner_may_open_it_and_a_left_over_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let (socket, listener) = AdminSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            AdminSocket::bind(&path)
                .unwrap_err()
                .to_string()
                .contains("another server")
        );

        std::mem::forget(socket); // what a kill leaves behind
        drop(listener);
        let (socket, _listener) = AdminSocket::bind(&path).unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_is_no_socket_is_refused_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fleet.db");
        fs::write(&path, "a fleet").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for named in [&path, &link, &folder.path().to_path_buf()] {
            let refused = AdminSocket::bind(named).unwrap_err().to_string();
            assert!(refused.contains("no socket; choose another path"), "{refused}");
        }
        assert_eq!("a fleet", fs::read_to_string(&path).unwrap());
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(2, fs::read_dir(folder.path()).unwrap().count());
    }
}
