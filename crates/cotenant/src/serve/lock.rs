//! One daemon on a home: a lock on a file (flock(2)) that the system gives up when the process ends, however it ends.

use super::error::ServeError;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// The file, in the home directory. It holds the number of the process.
const FILE: &str = "daemon.lock";

/// The lock, given up when dropped.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the home at `home`.
    ///
    /// # Errors
    /// [`ServeError::Running`] if a daemon has it.
    pub fn take(home: &Path) -> Result<Lock, ServeError> {
        let path = home.join(FILE);
        let failed = |source| ServeError::Io { path: path.clone(), source };
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let process = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(ServeError::Running { path, process });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_one_daemon_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let lock = Lock::take(home.path()).unwrap();
        let Err(ServeError::Running { process, .. }) = Lock::take(home.path()) else { panic!("the lock is taken") };
        assert_eq!(process, Some(std::process::id()));
        drop(lock);
        assert!(Lock::take(home.path()).is_ok());
    }
}
