//! What the members of a room do together, once all have signed it: [`crate::serve::operations`], given the room's links.

use super::{
    actor::{Actor, Lines},
    line::Line,
    wire::Note,
};
use crate::serve::operations::{
    OnHub, OpenError, Operations, Setup,
    shell::{Ground, Shell, Way},
};
use cotenant_agent::room::{Parameters, Record, Signed};
use cotenant_core::PartyId;
use cotenant_net::{Limits, PublicIdentity};
use std::sync::{Arc, Mutex, Weak};

/// Why nothing is done together in a room.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NoWork {
    /// It is not in force, or this party is no member.
    #[error("the room is not founded yet")]
    NotInForce,
    /// What is stored does not let it go on.
    #[error("nothing can be done together in this room: {0}")]
    Stored(Arc<OpenError>),
    /// This program.
    #[error("nothing can be done together in this room: this program has a fault; see the daemon's log")]
    Fault,
}

/// The operations of a room in its epoch, or why there are none. Its task sets them, others look.
#[derive(Clone)]
pub(super) struct Work(Arc<Mutex<Result<Arc<Shell>, NoWork>>>);

impl Default for Work {
    fn default() -> Self {
        Work(Arc::new(Mutex::new(Err(NoWork::NotInForce))))
    }
}

impl Work {
    /// Them.
    pub(super) fn get(&self) -> Result<Arc<Shell>, NoWork> {
        self.0.lock().expect("no holder panics").clone()
    }

    fn set(&self, work: Result<Arc<Shell>, NoWork>) {
        *self.0.lock().expect("no holder panics") = work;
    }
}

/// What people should know about what is done together in a room.
pub fn notes(work: &Result<Arc<Shell>, NoWork>) -> Vec<String> {
    match work {
        Ok(shell) => shell.closed().map(|closed| closed.to_string()).into_iter().chain(shell.look(Operations::notes)).collect(),
        Err(NoWork::NotInForce) => Vec::new(),
        Err(why) => vec![why.to_string()],
    }
}

/// The members by their seats, over the room's links.
struct ByLines {
    lines: Weak<Lines>,
    keys: Vec<PublicIdentity>,
}

impl ByLines {
    fn with<T>(&self, party: PartyId, act: impl FnOnce(&Line) -> T) -> Option<T> {
        let lines = self.lines.upgrade()?;
        let lines = lines.lock().expect("no holder panics");
        self.keys.get(party.index()).and_then(|key| lines.get(key)).map(act)
    }
}

impl Way for ByLines {
    fn send(&self, to: PartyId, note: Vec<u8>) -> bool {
        self.with(to, |line| line.send(Note::Operations(note))).unwrap_or(true)
    }

    fn room(&self, to: PartyId) -> usize {
        self.with(to, Line::room).unwrap_or(0)
    }

    fn is_idle(&self, to: PartyId) -> bool {
        self.with(to, Line::is_idle).unwrap_or(false)
    }
}

impl Actor {
    /// Goes on with what was stored, if the room is founded and this party is a member. Operations of an earlier epoch end first: those of the next are made
    /// from the store alone, as at a start, so it makes no difference whether the daemon ends in between.
    pub(super) async fn begin_work(&mut self) {
        let parameters = self.in_force().cloned();
        if let Ok(shell) = self.work.get() {
            if parameters.as_ref().is_some_and(|now| shell.look(|operations| operations.parameters() == now)) {
                return;
            }
            let epoch = self.record().and_then(Record::newest).map_or(0, |signed| signed.parameters().charter().epoch);
            shell.end(epoch).await;
        }
        self.work.set(Err(NoWork::NotInForce));
        let Some(parameters) = parameters else { return };
        let opened = self.open_work(parameters).await;
        if let Err(error) = &opened {
            tracing::error!(room = %self.id, "{error}");
        }
        self.work.set(opened);
        let up: Vec<PublicIdentity> = self.lines().iter().filter(|(_, line)| line.condition().up).map(|(key, _)| *key).collect();
        for peer in up {
            self.work_link(peer, true).await;
        }
    }

    async fn open_work(&self, parameters: Parameters) -> Result<Arc<Shell>, NoWork> {
        let (daemon, hub, queue, id) = (self.context.daemon.clone(), Arc::downgrade(&self.context.hub), self.queue.clone(), self.id);
        let lines = Arc::downgrade(&self.handles().1);
        let way = Box::new(ByLines { lines, keys: parameters.keys().collect() });
        let peers = &daemon.config().peers;
        let limits = Limits { connect: peers.connect, dead_after: peers.dead_after, ..Limits::default() };
        let now = self.context.seconds().cast_signed();
        let opening = tokio::task::spawn_blocking(move || {
            let setup = Setup { identity: daemon.identity().clone(), parameters, rules: daemon.rules().clone() };
            let opened = Operations::open(setup, &daemon.store().room(id.0), now);
            let (operations, first) = opened.map_err(|error| NoWork::Stored(Arc::new(error)))?;
            Ok(Shell::new(operations, first, Ground { daemon, meeting: OnHub { hub, limits }, queue, way }))
        });
        opening.await.unwrap_or(Err(NoWork::Fault))
    }

    /// A link came up or broke.
    pub(super) async fn work_link(&self, peer: PublicIdentity, up: bool) {
        self.with_work(peer, move |shell, party| match up {
            true => shell.link_up(party),
            false => shell.link_down(party),
        })
        .await;
    }

    /// A member told something about operations.
    pub(super) async fn work_note(&mut self, peer: PublicIdentity, note: Vec<u8>) {
        let heard = self.with_work(peer, move |shell, party| shell.heard(party, &note)).await;
        if let Some(Err(_)) = heard {
            self.context.daemon.metrics().failed_check("note");
            self.note(format!("{} sent a message about operations that is none", self.name_of(&peer)));
        }
    }

    /// Does this where a thread may wait for the disk, if there is anything done with this member.
    async fn with_work<T: Send + 'static>(
        &self,
        peer: PublicIdentity,
        act: impl FnOnce(&Arc<Shell>, PartyId) -> T + Send + 'static,
    ) -> Option<T> {
        let shell = self.work.get().ok()?;
        let party = shell.look(|operations| operations.parameters().seat(&peer))?;
        tokio::task::spawn_blocking(move || act(&shell, party)).await.ok()
    }

    pub(super) fn in_force(&self) -> Option<&Parameters> {
        let record: &Record = &self.state.as_ref()?.record;
        let parameters = record.in_force().map(Signed::parameters)?;
        parameters.seat(&record.me()).map(|_| parameters)
    }
}
