//! `cotenant.toml`: how the daemon of a home runs. [`KEYS`] has every key with its default; [`template`] is the file that `cotenant init` writes, and what
//! `cotenant serve --print-config` prints.
//!
//! What the parties of a room agreed on (members, threshold, time limits of calls) is in the room and not here: this file is one party's own affair.
//! An unknown key is refused, so that a limit that is misspelt is not passed over in silence.

mod keys;
mod reader;

pub use keys::{KEYS, Key, TABLES, template};
pub use reader::ConfigError;

use super::error::ServeError;
use cotenant_agent::room::Address;
use reader::Reader;
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::SocketAddr,
    num::NonZeroUsize,
    os::unix::{
        ffi::OsStrExt,
        fs::{OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::Duration,
};
use tracing::level_filters::LevelFilter;
use zeroize::Zeroizing;

/// The file, in the home directory.
pub const FILE: &str = "cotenant.toml";

/// A path of a Unix socket has at most this many bytes (unix(7): 108 with the final zero).
const MAX_SOCKET_PATH: usize = 107;

/// How the path in `store.unlock_from` begins if it names a credential that systemd hands over.
const CREDENTIAL: &str = "credential:";

/// What the daemon of a home is told. Paths are complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The home directory.
    pub home: PathBuf,
    /// Links to the other parties.
    pub peers: Peers,
    /// What this party keeps.
    pub store: Store,
    /// How much at once, and for how long.
    pub limits: Limits,
    /// The PEM file with certificates of the authorities that rooms list for servers.
    pub roots: PathBuf,
    /// Where metrics are shown; none if they are not.
    pub metrics: Option<SocketAddr>,
    /// The log.
    pub log: Log,
    /// The socket that commands ask at.
    pub socket: PathBuf,
}

/// Links to the other parties.
#[derive(Clone, Debug, PartialEq)]
pub struct Peers {
    /// Where this party waits for them.
    pub listen: SocketAddr,
    /// Where they reach it, for its invitations.
    pub public: Vec<Address>,
    /// How long one attempt to reach them lasts.
    pub connect: Duration,
    /// After how long of silence one counts as gone.
    pub dead_after: Duration,
}

/// What this party keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// The directory.
    pub directory: PathBuf,
    /// What opens it.
    pub unlock: UnlockFrom,
}

/// Where that comes from which opens the store.
#[derive(Clone, Debug, PartialEq)]
pub enum UnlockFrom {
    /// A file made by [`crate::store::make_key_file`].
    KeyFile(PathBuf),
    /// A file whose first line is the passphrase.
    PassphraseFile(PathBuf),
}

/// How much at once, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Threads that compute.
    pub threads: NonZeroUsize,
    /// Operations of one room that may wait for their turn.
    pub waiting: usize,
    /// How long one may run.
    pub operation: Duration,
    /// How long one that was told to stop may take to do so.
    pub stop: Duration,
}

/// The log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Log {
    /// One line an event, for people or for programs.
    pub format: LogFormat,
    /// Events of this level and above.
    pub level: LevelFilter,
}

/// What a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, place, words.
    Text,
    /// A JSON object.
    Json,
}

impl Config {
    /// Reads the file of the home at `home`.
    ///
    /// # Errors
    /// What is missing or wrong, and in which line.
    pub fn open(home: &Path) -> Result<Config, ServeError> {
        let path = home.join(FILE);
        let text = match crate::home::read_own(home, &path) {
            Err(crate::home::HomeError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Err(ServeError::NoConfig { path });
            }
            text => text?,
        };
        Self::parse(home, &text).map_err(|source| ServeError::Config { path, source: Box::new(source) })
    }

    /// Reads the text of the file. Paths in it are relative to `home`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(home: &Path, text: &str) -> Result<Config, ConfigError> {
        let read = Reader::new(text)?;
        let beyond_loopback = read.boolean("metrics", "beyond_loopback")?;
        Ok(Config {
            home: home.to_owned(),
            peers: Peers {
                listen: read.parsed("peers", "listen")?,
                public: read.list("peers", "public")?,
                connect: read.seconds("peers", "connect_seconds")?,
                dead_after: read.seconds("peers", "dead_after_seconds")?,
            },
            store: Store { directory: home.join(read.text("store", "directory")?), unlock: unlock(home, &read)? },
            limits: Limits {
                threads: threads(&read)?,
                waiting: read.number("limits", "waiting", 1..=10_000)?.try_into().expect("at most 10 000"),
                operation: read.seconds("limits", "operation_seconds")?,
                stop: read.seconds("limits", "stop_seconds")?,
            },
            roots: home.join(read.text("servers", "roots")?),
            metrics: read.checked("metrics", "address", |text| metrics(text, beyond_loopback))?,
            log: Log {
                format: read.choice("log", "format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])?,
                level: read.choice("log", "level", &LEVELS)?,
            },
            socket: read.checked("api", "socket", |text| socket(home, text))?,
        })
    }
}

/// Writes the file with all defaults into the home at `home`, unless there is one.
///
/// # Errors
/// [`ServeError::Io`].
pub fn write_template(home: &Path) -> Result<(), ServeError> {
    let path = home.join(FILE);
    // Whoever can write it can have the daemon do other things; a umask may allow that to a group.
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
    match written.and_then(|mut file| file.write_all(template().as_bytes())) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(ServeError::Io { path, source }),
        _ => Ok(()),
    }
}

impl UnlockFrom {
    /// Reads what opens the store.
    ///
    /// # Errors
    /// The file cannot be read, is no UTF-8, or others have access to it.
    pub fn read(&self) -> Result<crate::store::Unlock, ServeError> {
        match self {
            UnlockFrom::KeyFile(path) => Ok(crate::store::Unlock::KeyFile(path.clone())),
            UnlockFrom::PassphraseFile(path) => {
                let failed = |source| ServeError::Unlock { path: path.clone(), source };
                let (mut file, mut bytes) = (File::open(path).map_err(failed)?, Zeroizing::new(Vec::new()));
                if file.metadata().map_err(failed)?.permissions().mode() & 0o007 != 0 {
                    return Err(failed(io::Error::other("others may read or write it: chmod 600 it")));
                }
                file.read_to_end(&mut bytes).map_err(failed)?;
                let text = std::str::from_utf8(&bytes).map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))?;
                let line = text.lines().next().unwrap_or_default();
                Ok(crate::store::Unlock::Passphrase(Zeroizing::new(line.to_owned())))
            }
        }
    }
}

const LEVELS: [(&str, LevelFilter); 4] =
    [("error", LevelFilter::ERROR), ("warn", LevelFilter::WARN), ("info", LevelFilter::INFO), ("debug", LevelFilter::DEBUG)];

fn unlock(home: &Path, read: &Reader) -> Result<UnlockFrom, ConfigError> {
    let by: fn(PathBuf) -> UnlockFrom =
        read.choice("store", "unlock", &[("key-file", UnlockFrom::KeyFile as _), ("passphrase-file", UnlockFrom::PassphraseFile as _)])?;
    read.checked("store", "unlock_from", |text| match text.strip_prefix(CREDENTIAL) {
        None => Some(by(home.join(text))),
        // systemd.exec(5): names are file names.
        Some(name) if name.is_empty() || name.contains('/') => None,
        Some(name) => {
            let directory = std::env::var_os("CREDENTIALS_DIRECTORY");
            Some(by(directory.map_or_else(|| PathBuf::from(text), |directory| Path::new(&directory).join(name))))
        }
    })
}

fn threads(read: &Reader) -> Result<NonZeroUsize, ConfigError> {
    match read.number("limits", "threads", 0..=1024)? {
        0 => Ok(available_parallelism().unwrap_or(NonZeroUsize::MIN)),
        some => Ok(NonZeroUsize::new(some.try_into().expect("at most 1024")).expect("not 0")),
    }
}

fn metrics(text: &str, beyond_loopback: bool) -> Option<Option<SocketAddr>> {
    if text == "off" {
        return Some(None);
    }
    let address: SocketAddr = text.parse().ok()?;
    (beyond_loopback || address.ip().is_loopback()).then_some(Some(address))
}

fn socket(home: &Path, text: &str) -> Option<PathBuf> {
    let path = home.join(text);
    (!text.is_empty() && path.as_os_str().as_bytes().len() <= MAX_SOCKET_PATH).then_some(path)
}

#[cfg(test)]
mod tests;
