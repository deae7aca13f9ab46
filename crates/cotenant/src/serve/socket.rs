//! The socket that commands ask at. Only its owner can open it, from its first moment on: it is made in a directory that nobody else can enter, and then
//! moved to its place, over one that an earlier daemon left behind.

use super::error::ServeError;
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

/// The socket's path. The socket is removed when this is dropped.
pub(super) struct Socket {
    path: PathBuf,
}

impl Socket {
    /// Listens at `path`. The caller holds the home's [`super::lock::Lock`], so that what is there belongs to no living daemon.
    ///
    /// # Errors
    /// [`ServeError::Io`].
    pub(super) fn listen(path: &Path) -> Result<(Socket, UnixListener), ServeError> {
        let failed = |source| ServeError::Io { path: path.to_owned(), source };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let private = tempfile::Builder::new().prefix(".").rand_bytes(4).permissions(Permissions::from_mode(0o700)).tempdir_in(directory);
        let private = private.map_err(failed)?;
        let new = private.path().join("s");
        let listener = UnixListener::bind(&new).map_err(failed)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600)).map_err(failed)?;
        replaceable(path).and_then(|()| fs::rename(&new, path)).map_err(failed)?;
        Ok((Socket { path: path.to_owned() }, listener))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // One that stays is replaced by the next daemon.
        let _ = fs::remove_file(&self.path);
    }
}

/// Nothing but a socket may be replaced.
fn replaceable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "something other than a socket is there"))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_its_owners_alone_and_replaces_only_sockets() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.sock");
        let (left, listener) = Socket::listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // As after a crash.
        std::mem::forget(left);
        drop(listener);
        let (socket, _listener) = Socket::listen(&path).unwrap();
        tokio::net::UnixStream::connect(&path).await.unwrap();
        drop(socket);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing stays");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Socket::listen(&path), Err(ServeError::Io { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
