//! Why the daemon did not start or did not end well, and why a command got no answer from it.

use super::{config::ConfigError, operations::BadRules, problem::Problem};
use crate::{
    home::{HomeError, IDENTITY},
    store::{RESTORE, StoreError},
};
use cotenant_agent::room::RoomId;
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// The exit status of a daemon whose home or configuration is wrong, so that starting it again changes nothing (`EX_CONFIG` of sysexits.h).
pub const MISCONFIGURED: u8 = 78;

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The home directory.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// There is no configuration.
    #[error("{}", no_config(path))]
    NoConfig {
        /// The file.
        path: PathBuf,
    },
    /// The configuration is wrong.
    #[error("{path}, {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which line.
        source: Box<ConfigError>,
    },
    /// The files that say how this party decides.
    #[error(transparent)]
    Rules(#[from] Box<BadRules>),
    /// Another daemon runs on this home.
    #[error("{path}: another daemon{} runs on this home; a home has one at a time: end that one first, or name another --home", process.map_or(String::new(), |id| format!(", process {id},")))]
    Running {
        /// The lock file.
        path: PathBuf,
        /// The process, if the file says so.
        process: Option<u32>,
    },
    /// A file or socket cannot be made.
    #[error("{path}: {source}; check that this user may write there")]
    Io {
        /// The file or socket.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The metrics' address cannot be listened at.
    #[error(
        "cannot show metrics at {address} ({source}); another program, or another party's daemon, may have it: change address below [metrics] in cotenant.toml"
    )]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The address for other parties cannot be listened at.
    #[error(
        "cannot wait for other parties at {address} ({source}); another program, or another party's daemon, may have it: change listen below [peers] in cotenant.toml"
    )]
    Peers {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// What is stored of a room is not what this program writes.
    #[error("room {room}: what is stored of how it came about cannot be read; use the program that wrote it, or {RESTORE}")]
    Room {
        /// The room.
        room: RoomId,
    },
    /// What opens the store cannot be read.
    #[error("{path}: cannot be read ({source}); see unlock_from below [store] in cotenant.toml")]
    Unlock {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operating system does what a daemon needs not.
    #[error("{what}: {source}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl ServeError {
    /// The exit status.
    pub fn exit_status(&self) -> u8 {
        match self {
            ServeError::Home(_) | ServeError::NoConfig { .. } | ServeError::Config { .. } | ServeError::Rules(_) => MISCONFIGURED,
            _ => 1,
        }
    }
}

fn no_config(path: &Path) -> String {
    let home = path.parent().unwrap_or(Path::new("."));
    match home.join(IDENTITY).exists() {
        true => format!("{0}: is missing; make one with all defaults: cotenant serve --print-config > {0}", path.display()),
        false => format!("{0}: is no home of a party; make one: cotenant init --home {0} --name NAME", home.display()),
    }
}

/// Why a command got no answer from the daemon.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Where the socket is cannot be found out.
    #[error(transparent)]
    Home(#[from] ServeError),
    /// Nothing answers.
    #[error("{socket}: no daemon answers ({source}); start it with: cotenant serve --home {home}", home = home.display())]
    NotRunning {
        /// The socket.
        socket: PathBuf,
        /// The home.
        home: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("{socket}: the daemon has not answered within {} s; see its log", limit.as_secs())]
    Late {
        /// The socket.
        socket: PathBuf,
        /// The limit.
        limit: Duration,
    },
    /// The connection broke.
    #[error("{socket}: the connection to the daemon broke ({source}); see its log")]
    Broken {
        /// The socket.
        socket: PathBuf,
        /// What happened to it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer has another form.
    #[error("{socket}: the daemon's answer is not understood ({source}); use the command of the daemon's version")]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The daemon refused.
    #[error("{0}")]
    Refused(Problem),
}
