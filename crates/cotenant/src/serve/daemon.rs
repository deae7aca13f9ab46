//! What the process has: its configuration, its identity, its store, its rooms.

use super::{
    config::{Config, UnlockFrom},
    error::ServeError,
    metrics::Metrics,
    operations::{Operations, Rules},
    queue::{State, TaskView},
    room::{Peer, Room, notes},
};
use crate::{
    home,
    store::{Store, Unlock, make_key_file},
};
use cotenant_agent::room::RoomId;
use cotenant_net::Identity;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, RwLock},
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// One party's daemon.
pub struct Daemon {
    config: Config,
    identity: Arc<Identity>,
    rules: Rules,
    store: Mutex<Store>,
    metrics: Arc<Metrics>,
    rooms: RwLock<BTreeMap<RoomId, Arc<dyn Room>>>,
    started: Instant,
    metrics_at: OnceLock<SocketAddr>,
}

/// The daemon as `cotenant status` shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The process.
    pub process: u32,
    /// Since it started.
    pub uptime_seconds: u64,
    /// This party.
    pub identity: String,
    /// Where metrics are shown.
    pub metrics: Option<SocketAddr>,
    /// The rooms that this party is in.
    pub rooms: Vec<RoomStatus>,
}

/// One room in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomStatus {
    /// The room.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// The other members.
    pub peers: Vec<Peer>,
    /// What people should know: failed checks, and why nothing can be begun.
    pub notes: Vec<String>,
    /// How many operations wait for this party's decision.
    pub undecided: usize,
    /// How many operations that all have approved wait for their turn here.
    pub waiting: usize,
    /// The one that runs.
    pub running: Option<TaskView>,
    /// Items of the vault that are below full strength: members lack shares, or they are shared as the room has it no more.
    pub weak: Vec<String>,
}

impl Daemon {
    /// Opens what the configuration names. A store that is not there is made, with its key file. The caller holds the home's [`super::lock::Lock`].
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn open(config: Config) -> Result<Daemon, ServeError> {
        let store = open_store(&config)?;
        Daemon::with_store(config, store)
    }

    /// As [`Daemon::open`], with a store that is open.
    pub(super) fn with_store(config: Config, store: Store) -> Result<Daemon, ServeError> {
        let identity = Arc::new(home::load_identity(&config.home)?);
        let rules = Rules::open(&config.home).map_err(Box::new)?;
        let (store, metrics, rooms) = (Mutex::new(store), Arc::default(), RwLock::default());
        let (started, metrics_at) = (Instant::now(), OnceLock::new());
        Ok(Daemon { config, identity, rules, store, metrics, rooms, started, metrics_at })
    }

    /// What it was told.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// This party's key.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }

    /// How this party decides, in all rooms alike.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What this party keeps. Its calls wait for the disk: make them where a thread may wait (`tokio::task::spawn_blocking`).
    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("no holder panics")
    }

    /// What it counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Since when it runs.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Serves a room from now on. One that it serves already is replaced and returned, to be closed by the caller.
    pub fn add(&self, room: Arc<dyn Room>) -> Option<Arc<dyn Room>> {
        self.rooms.write().expect("no holder panics").insert(room.id(), room)
    }

    /// Serves a room no more; the caller closes it.
    pub fn remove(&self, id: RoomId) -> Option<Arc<dyn Room>> {
        self.rooms.write().expect("no holder panics").remove(&id)
    }

    /// The room, if this party is in it.
    pub fn room(&self, id: RoomId) -> Option<Arc<dyn Room>> {
        self.rooms.read().expect("no holder panics").get(&id).cloned()
    }

    /// All rooms.
    pub fn rooms(&self) -> Vec<Arc<dyn Room>> {
        self.rooms.read().expect("no holder panics").values().cloned().collect()
    }

    /// All of it at a glance.
    pub fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            uptime_seconds: self.uptime().as_secs(),
            identity: self.identity.public().to_string(),
            metrics: self.metrics_at.get().copied(),
            rooms: self.rooms().iter().map(|room| RoomStatus::of(&**room)).collect(),
        }
    }

    /// Metrics are shown there.
    pub(super) fn shows_metrics_at(&self, address: SocketAddr) {
        // It is said once, at the start.
        let _ = self.metrics_at.set(address);
    }

    /// Ends the operations of all rooms, then closes them; each has its time for both.
    pub async fn close(&self) {
        let rooms = self.rooms();
        let limit = self.config.limits.stop;
        join_all(rooms.iter().map(|room| async move {
            room.queue().close().await;
            if timeout(limit, room.close()).await.is_err() {
                tracing::warn!(room = %room.id(), "the room did not close in time");
            }
        }))
        .await;
    }
}

impl RoomStatus {
    fn of(room: &dyn Room) -> Self {
        let running = room.queue().tasks().iter().map(|task| task.view()).find(|view| matches!(view.state, State::Running { .. }));
        let (waiting, _) = room.queue().load();
        let operations = room.operations();
        let (notes, undecided) = (notes(&operations), operations.map_or(0, |shell| shell.look(Operations::undecided)));
        let weak = weak_items(room);
        RoomStatus { id: room.id().to_string(), name: room.name(), peers: room.peers(), notes, undecided, waiting, running, weak }
    }
}

/// Items of a room's vault that are below full strength.
pub(super) fn weak_items(room: &dyn Room) -> Vec<String> {
    room.operations().map(|operations| operations.look(Operations::weak)).unwrap_or_default()
}

fn open_store(config: &Config) -> Result<Store, ServeError> {
    let directory = &config.store.directory;
    if directory.symlink_metadata().is_ok() {
        return Ok(Store::open(directory, &config.store.unlock.read()?)?);
    }
    let store = Store::create(directory, &open_key(config)?)?;
    tracing::info!(store = %directory.display(), "made a store");
    Ok(store)
}

/// What opens the store; a key file that is not there is made.
///
/// # Errors
/// If it cannot be read or made.
pub(super) fn open_key(config: &Config) -> Result<Unlock, ServeError> {
    match &config.store.unlock {
        UnlockFrom::KeyFile(path) if path.symlink_metadata().is_err() => {
            make_key_file(path)?;
            tracing::info!(key = %path.display(), "made a key file: without it the store cannot be opened; keep a copy elsewhere");
        }
        _ => {}
    }
    config.store.unlock.read()
}
