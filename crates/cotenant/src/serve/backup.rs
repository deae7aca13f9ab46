//! Backups of a home: the store as one sealed file, with the files beside it without which it is of no use.
//!
//! | file of the home | in a backup |
//! | --- | --- |
//! | `identity.pem` | yes: nobody else can make a party's signatures, so without it the store is a stranger's |
//! | `cotenant.toml`, `party.toml`, `approvers.toml`, `policy.toml`, `s3-share.json` | if they are there |
//! | what opens the store | no: the backup is opened by its own passphrase, and the store that is made of it by what `cotenant.toml` names |
//!
//! **Old copies.** A backup is as old as it is: what this party has signed since is not in it. Nothing on this machine can tell, unless there is a store
//! beside it. So a store that was made of a backup has a mark for each room, and the room's operations wait until all other members have told what they know
//! (`docs/protocol/vault-commit.md`, old copies; `docs/protocol/agreement.md`, after a backup).

use super::{
    config::{self, Config},
    daemon::open_key,
    error::ServeError,
    lock::Lock,
    operations::{APPROVERS, POLICY},
};
use crate::{
    home::{self, HomeError},
    store::{Backup, Beside, Store, StoreError, Unlock, write_new},
};
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The files of a home that go into a backup.
const FILES: [&str; 6] = [home::IDENTITY, config::FILE, home::PARTY, APPROVERS, POLICY, home::S3_SHARE];

/// Writes a backup of a home to a new file, and gives the number of transactions that its store has seen.
///
/// # Errors
/// If there is a file already, or something cannot be read or written.
pub fn write(store: &Store, home: &Path, file: &Path, passphrase: Zeroizing<String>) -> Result<u64, BackupError> {
    let mut beside = Beside::new();
    for name in FILES {
        if let Some(contents) = read_if_there(&home.join(name))? {
            beside.push((name.to_owned(), contents));
        }
    }
    Ok(store.backup(file, &Unlock::Passphrase(passphrase), &beside)?)
}

/// Makes home and store of the backup at `file`; gives the number of transactions that it has seen. Files that are there already and the same stay; nothing is
/// overwritten. `now` is in seconds since 1970.
///
/// # Errors
/// What is wrong with the backup, or in the way. Nothing was changed then, but that files were made which were not there.
pub fn restore(home: &Path, file: &Path, passphrase: Zeroizing<String>, now: i64) -> Result<u64, BackupError> {
    let failed = |source| BackupError::Io { path: home.to_owned(), source };
    let backup = Backup::read(file, &Unlock::Passphrase(passphrase))?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(home).map_err(failed)?;
    let _lock = Lock::take(home)?;
    let mut missing = Vec::new();
    for (name, contents) in backup.beside() {
        let (known, path) = (FILES.contains(&name.as_str()), home.join(name));
        match read_if_there(&path)? {
            _ if !known => return Err(StoreError::Backup { path: file.to_owned() }.into()),
            None => missing.push((path, contents)),
            Some(here) if here == *contents => {}
            Some(_) => return Err(BackupError::Other { path }),
        }
    }
    let config = config_of(home, &backup)?;
    refuse_if_there(&config, &backup)?;
    missing.into_iter().try_for_each(|(path, contents)| write_new(&path, contents))?;
    let unlock = open_key(&config)?;
    let count = backup.transactions();
    backup.restore(&config.store.directory, &unlock, now)?;
    Ok(count)
}

/// The configuration as it is in the home, or will be.
fn config_of(home: &Path, backup: &Backup) -> Result<Config, BackupError> {
    let path = home.join(config::FILE);
    let text = backup.beside().iter().find(|(name, _)| name == config::FILE).and_then(|(_, text)| std::str::from_utf8(text).ok());
    match text {
        Some(text) => Config::parse(home, text).map_err(|source| ServeError::Config { path, source: Box::new(source) }.into()),
        None => Ok(Config::open(home)?),
    }
}

/// A store that is there is left as it is. How old the backup is beside it can be told if it opens, and is of the same party.
fn refuse_if_there(config: &Config, backup: &Backup) -> Result<(), BackupError> {
    let path = &config.store.directory;
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let store = config.store.unlock.read().ok().and_then(|unlock| Store::open(path, &unlock).ok());
    let here = store.filter(|store| backup.is_of(store)).map(|store| store.transactions());
    Err(match here {
        Some(here) => BackupError::Present { path: path.clone(), here, backup: backup.transactions() },
        None => StoreError::Exists { path: path.clone() }.into(),
    })
}

fn read_if_there(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, BackupError> {
    match fs::read(path) {
        Ok(contents) => Ok(Some(Zeroizing::new(contents))),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(BackupError::Io { path: path.to_owned(), source }),
    }
}

/// Why there is no backup, or nothing was made of one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store, or the backup's file.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// Its configuration, or a daemon that runs.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A file cannot be read or made.
    #[error("{path}: {source}; check that this user may read and write there")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file of the home is not that of the backup.
    #[error("{path}: is another one than in the backup; restore into another home, or move it away: nothing is overwritten")]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// The store of which this is a backup is still there.
    #[error("{path}: the store is here, after {here} transactions; the backup was made after {backup}{}. Nothing is overwritten", older(*here, *backup))]
    Present {
        /// The store.
        path: PathBuf,
        /// What it has seen.
        here: u64,
        /// What the backup has seen.
        backup: u64,
    },
}

fn older(here: u64, backup: u64) -> &'static str {
    match here.cmp(&backup) {
        std::cmp::Ordering::Greater => ", and is older",
        std::cmp::Ordering::Equal => ", and is as new",
        std::cmp::Ordering::Less => ": what is here is older, and was put back from somewhere",
    }
}

#[cfg(test)]
mod tests;
