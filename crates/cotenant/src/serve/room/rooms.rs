//! All rooms of a daemon: opened at the start from what is stored, founded, and joined.

use super::{
    Peer, Room,
    actor::{Actor, Command, Lines, Reply},
    context::{Clock, Context, system_clock},
    door,
    kept::{Join, Kept, Origin},
    problems,
    view::{RoomView, Stage},
    work::{NoWork, Work},
};
use crate::serve::{api, daemon::Daemon, error::ServeError, operations::shell::Shell, problem::Problem, queue::Queue};
use axum::http::StatusCode;
use cotenant_agent::room::{Draft, Invitation, Limits, Member, Record, RoomId, Trust};
use cotenant_core::Digest;
use cotenant_net::{Hub, NetError};
use cotenant_tls::{
    TrustRoots,
    pki_types::{CertificateDer, pem::PemObject},
};
use futures_util::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

/// How many bytes of notes a member may send ahead of what is read, or beyond that it is cut off: several times the longest note and the longest page of
/// them ([`crate::serve::operations`]). Runs have links and limits of their own.
const READ_AHEAD: usize = 8 << 20;

/// All rooms of a daemon.
pub struct Rooms {
    context: Arc<Context>,
    served: Mutex<BTreeMap<RoomId, Arc<Served>>>,
    /// One room is made at a time.
    making: tokio::sync::Mutex<()>,
}

/// A room to be founded.
pub(super) struct Plan {
    /// What people call it.
    pub(super) name: String,
    /// Seats, and how many of their members can act.
    pub(super) size: (u8, u8),
    /// Certificates of servers' authorities as PEM; if there are none, those of the program are believed.
    pub(super) authorities: Vec<String>,
    /// This party's name in it.
    pub(super) me: String,
}

/// A room that is served.
pub(super) struct Served {
    id: RoomId,
    name: String,
    queue: Arc<Queue>,
    work: Work,
    commands: mpsc::Sender<Command>,
    lines: Arc<Lines>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Rooms {
    /// Listens for other parties and goes on with all rooms that are stored.
    ///
    /// # Errors
    /// The address is in use, or a row of the store cannot be read.
    pub async fn open(daemon: Arc<Daemon>) -> Result<Arc<Rooms>, ServeError> {
        Self::open_at(daemon, system_clock()).await
    }

    pub(super) async fn open_at(daemon: Arc<Daemon>, clock: Clock) -> Result<Arc<Rooms>, ServeError> {
        let peers = &daemon.config().peers;
        let limits = cotenant_net::Limits {
            connect: peers.connect,
            dead_after: peers.dead_after,
            read_ahead: READ_AHEAD,
            ..cotenant_net::Limits::default()
        };
        let listening = Hub::listen(daemon.identity().clone(), &peers.listen.to_string(), limits).await;
        let hub = listening.map_err(|error| match error {
            NetError::Listen { cause, .. } => ServeError::Peers { address: peers.listen, source: cause },
            // Listening fails in no other way.
            error => ServeError::Peers { address: peers.listen, source: std::io::Error::other(error.to_string()) },
        })?;
        let context = Arc::new(Context { daemon, hub: Arc::new(hub), clock });
        let rows = context
            .store(|store| store.assemblies()?.into_iter().map(|id| Ok((id, store.room(id).assembly()?))).collect::<Result<Vec<_>, _>>());
        let rows = rows.await?;
        let rooms = Arc::new(Rooms { context, served: Mutex::default(), making: tokio::sync::Mutex::default() });
        for (id, row) in rows {
            let room = RoomId(id);
            let kept = Kept::decode(&row.unwrap_or_default(), room).map_err(|_| ServeError::Room { room })?;
            // Who asks a daemon that is ready finds all that was stored: the room answers once it has gone on with that.
            let _ = rooms.serve(room, kept).ask(Command::Show).await;
        }
        Ok(rooms)
    }

    /// What is shown of all rooms.
    pub(super) async fn views(&self) -> Result<Vec<RoomView>, Problem> {
        let rooms: Vec<Arc<Served>> = self.served().values().cloned().collect();
        let mut views = Vec::new();
        for room in rooms {
            views.push(room.ask(Command::Show).await?);
        }
        Ok(views)
    }

    /// The room that a path names.
    pub(super) fn room(&self, name: &str) -> Result<Arc<Served>, Problem> {
        let found = name.parse().ok().and_then(|id: RoomId| self.served().get(&id).cloned());
        found.ok_or_else(|| api::no_such_room(name))
    }

    /// A new room that this party gathers members for.
    pub(super) async fn found(&self, plan: Plan) -> Result<RoomView, Problem> {
        let _making = self.making.lock().await;
        let trust = trust(&plan.authorities)?;
        let founder = self.member(plan.me);
        let key = founder.key;
        let mut rng = self.context.rng()?;
        let draft = Draft::founding(plan.name.clone(), plan.size, trust, Limits::default(), founder, &mut rng);
        let draft = draft.map_err(|error| problems::draft(&plan.name, &error))?;
        let room = draft.charter().room;
        let kept = Kept { origin: Origin::Draft(draft), record: Some(Record::founder(key)) };
        self.begin(room, kept).await
    }

    /// Goes to who invited this party. The room shows the phrase; nothing goes on before people have confirmed it.
    pub(super) async fn join(&self, invitation: &str, me: String) -> Result<RoomView, Problem> {
        let _making = self.making.lock().await;
        let invitation = Invitation::parse(invitation).map_err(|error| problems::invitation(&error))?;
        let addresses = invitation.addresses().to_vec();
        let admission = door::join(&self.context, invitation, self.member(me)).await?;
        let room = admission.charter.room;
        let before = self.served().get(&room).cloned();
        if let Some(before) = before {
            let view: RoomView = before.ask(Command::Show).await?;
            if !matches!(view.stage, Stage::Joining | Stage::Removed) {
                return Err(problems::stage(&view.name, "this party is in it already", "see cotenant room show"));
            }
            self.forget(&before).await;
        }
        let kept = Kept { origin: Origin::Join(Box::new(Join { admission, addresses })), record: None };
        self.begin(room, kept).await
    }

    /// Takes back an invitation, or without a seat the draft of a change, or this party's part in a room that it has not signed.
    pub(super) async fn withdraw(&self, name: &str, seat: Option<usize>) -> Result<(), Problem> {
        let room = self.room(name)?;
        if room.ask(|reply| Command::Withdraw(seat, reply)).await? {
            self.forget(&room).await;
        }
        Ok(())
    }

    /// Listens no longer, once all rooms are closed.
    pub(in crate::serve) async fn close(self: Arc<Self>) {
        self.served().clear();
        let context = Arc::into_inner(self).and_then(|rooms| Arc::into_inner(rooms.context));
        if let Some(hub) = context.and_then(|context| Arc::into_inner(context.hub)) {
            hub.close().await;
        }
    }

    async fn begin(&self, room: RoomId, kept: Kept) -> Result<RoomView, Problem> {
        let bytes = kept.encode();
        let stored = self.context.store(move |store| store.transaction(|transaction| transaction.room(room.0).put_assembly(&bytes)));
        stored.await.map_err(|error| problems::fault(&error.to_string()))?;
        self.serve(room, kept).ask(Command::Show).await
    }

    fn serve(&self, id: RoomId, kept: Kept) -> Arc<Served> {
        let daemon = &self.context.daemon;
        let name = kept.charter().map_or_else(|| id.to_string(), |charter| charter.name.clone());
        let queue = Arc::new(Queue::new(id, daemon.config().limits, daemon.metrics().clone()));
        let work = Work::default();
        let actor = Actor::new(self.context.clone(), id, kept, queue.clone(), work.clone());
        let ((commands, lines), stop) = (actor.handles(), CancellationToken::new());
        let task = Mutex::new(Some(tokio::spawn(actor.run(stop.clone()))));
        let served = Arc::new(Served { id, name, queue, work, commands, lines, stop, task });
        daemon.add(served.clone());
        self.served().insert(id, served.clone());
        served
    }

    async fn forget(&self, room: &Served) {
        self.served().remove(&room.id);
        self.context.daemon.remove(room.id);
        room.queue.close().await;
        room.close().await;
    }

    fn member(&self, name: String) -> Member {
        Member { name, key: self.context.identity().public(), addresses: self.context.addresses() }
    }

    fn served(&self) -> MutexGuard<'_, BTreeMap<RoomId, Arc<Served>>> {
        self.served.lock().expect("no holder panics")
    }
}

impl Served {
    /// Asks the room's task.
    pub(super) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Problem> {
        let (reply, answer) = oneshot::channel();
        let closed = || problems::closed(&self.name);
        self.commands.send(command(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Room for Served {
    fn id(&self) -> RoomId {
        self.id
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn peers(&self) -> Vec<Peer> {
        let lines = self.lines.lock().expect("no holder panics");
        let peer = |line: &super::line::Line| {
            let condition = line.condition();
            let (name, fingerprint) = (line.peer().name.clone(), line.peer().identity.fingerprint());
            Peer { name, fingerprint, connected: condition.up, sent_bytes: condition.sent, received_bytes: condition.received }
        };
        lines.values().map(peer).collect()
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn operations(&self) -> Result<Arc<Shell>, NoWork> {
        self.work.get()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.stop.cancel();
        let task = self.task.lock().expect("no holder panics").take();
        Box::pin(async move {
            if let Some(task) = task {
                // It ends when it is told to; one that panicked has ended.
                let _ = task.await;
            }
        })
    }
}

/// The authorities of PEM files, or those of the program.
pub(super) fn trust(files: &[String]) -> Result<Trust, Problem> {
    if files.is_empty() {
        return Ok(Trust::Embedded(Digest(TrustRoots::mozilla().digest())));
    }
    let refused = || {
        let remedy = "give PEM files of certificates to --ca";
        Problem::new(StatusCode::BAD_REQUEST, "bad-authority", "--ca", "a file has no certificate that can be read", remedy)
    };
    let mut digests = BTreeSet::new();
    for file in files {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(file.as_bytes()).collect();
        let certificates = read.map_err(|_| refused())?;
        if certificates.is_empty() {
            return Err(refused());
        }
        digests.extend(certificates.iter().map(|certificate| <[u8; 32]>::from(Sha256::digest(certificate))));
    }
    Ok(Trust::Listed(digests))
}
