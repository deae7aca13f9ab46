//! Writing a file so that it is there as a whole or not at all.

use crate::error::Error;
use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

/// Whether [`save`] could put a file at `path`: nothing is there yet, or a regular file. A link is not followed, and a device not replaced.
///
/// # Errors
/// [`Error::NotAFile`], [`Error::Write`].
pub fn check(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_file() => Ok(()),
        Ok(_) => Err(Error::NotAFile { path: path.to_owned() }),
        Err(_) => fs::metadata(directory(path)).map(drop).map_err(|source| Error::Write { what: path.display().to_string(), source }),
    }
}

/// Writes a new file beside `path`, with a random name, mode 0600 and its contents on the disk, and gives it the name `path`; a file that
/// was there is replaced. After a failure all is as before.
///
/// # Errors
/// Those of [`check`].
pub fn save(path: &Path, contents: &[u8]) -> Result<(), Error> {
    check(path)?;
    let write = || {
        // Opened with O_EXCL: nothing that somebody put there is written to.
        let mut file = tempfile::Builder::new().prefix(".cotenant-").tempfile_in(directory(path))?;
        file.write_all(contents)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        // The name, too, is to outlive a crash.
        File::open(directory(path))?.sync_all()
    };
    write().map_err(|source| Error::Write { what: path.display().to_string(), source })
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_file_is_there_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for contents in ["one", "two"] {
            save(&path, contents.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), contents);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn links_devices_and_directories_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "kept").unwrap();
        symlink(&file, &link).unwrap();
        for path in [&link, dir.path(), Path::new("/dev/null")] {
            assert!(matches!(save(path, b"new"), Err(Error::NotAFile { .. })), "{path:?}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        assert!(matches!(check(&dir.path().join("none/a")), Err(Error::Write { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
