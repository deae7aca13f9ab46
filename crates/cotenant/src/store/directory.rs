//! The directory of a store: made as a whole, private to its owner, open in one process.

use super::{Files, error::StoreError};
use redb::backends::FileBackend;
use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

const LOCK: &str = "lock";

/// The directory, as it may be.
pub(super) struct Directory(PathBuf);

/// The lock, given up when dropped.
pub(super) struct Locked {
    _file: File,
}

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Directory(path.to_owned())
    }

    /// Keeps other processes out.
    pub(super) fn lock(&self) -> Result<Locked, StoreError> {
        let path = self.0.join(LOCK);
        let missing = self.0.join("keys").symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if missing {
            return Err(StoreError::Missing { path: self.0.clone() });
        }
        private(&self.0, &fs::metadata(&self.0).map_err(|source| StoreError::io(&self.0, source))?)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|source| StoreError::io(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(Locked { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path }),
            Err(TryLockError::Error(source)) => Err(StoreError::io(&path, source)),
        }
    }

    /// Opens the files, to which nobody else may have access.
    pub(super) fn files(&self) -> Result<Files<FileBackend>, StoreError> {
        Files::new(&self.0, self.open("data")?, self.open("keys")?)
    }

    fn open(&self, name: &str) -> Result<File, StoreError> {
        let path = self.0.join(name);
        let failed = |source| StoreError::io(&path, source);
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed)?;
        private(&path, &file.metadata().map_err(failed)?)?;
        Ok(file)
    }

    /// Calls `fill` with the new files of a directory beside this one, which then becomes this one.
    pub(super) fn found(&self, fill: impl FnOnce(Files<FileBackend>) -> Result<(), StoreError>) -> Result<(), StoreError> {
        if self.0.symlink_metadata().is_ok() {
            return Err(StoreError::Exists { path: self.0.clone() });
        }
        let parent = parent(&self.0);
        let failed = |source| StoreError::io(&self.0, source);
        let mut builder = tempfile::Builder::new();
        let new = builder.prefix(".cotenant-").permissions(Permissions::from_mode(0o700)).tempdir_in(parent).map_err(failed)?;
        let create = |name: &str| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(0o600).open(new.path().join(name)).map_err(failed)
        };
        create(LOCK)?;
        fill(Files::new(new.path(), create("data")?, create("keys")?)?)?;
        sync(new.path()).map_err(failed)?;
        fs::rename(new.path(), &self.0).map_err(failed)?;
        let _renamed = new.keep();
        sync(parent).map_err(failed)
    }
}

/// Writes a new file, mode 0600, that is there as a whole or not at all, and that replaces none.
pub(crate) fn write_new(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => StoreError::Exists { path: path.to_owned() },
        _ => StoreError::io(path, source),
    };
    let mut file = tempfile::Builder::new().prefix(".cotenant-").tempfile_in(parent(path)).map_err(failed)?;
    file.write_all(contents).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist_noclobber(path).map_err(|error| failed(error.error))?;
    sync(parent(path)).map_err(failed)
}

/// What is at `path` has to belong to this user, and nobody else may have access to it: whoever owns it can change its mode at any time.
pub(super) fn private(path: &Path, metadata: &fs::Metadata) -> Result<(), StoreError> {
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    match metadata.permissions().mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(StoreError::Exposed { path: path.to_owned(), mode }),
        _ if owner != user => Err(StoreError::Foreign { path: path.to_owned(), owner, user }),
        _ => Ok(()),
    }
}

/// Names in a directory, too, are to outlive a crash.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
