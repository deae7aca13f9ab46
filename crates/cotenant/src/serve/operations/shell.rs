//! Carries out what [`Operations`] says: the store, the clock, links, runs.

use super::{Action, Aim, Conditions, NotDone, Operations, RunEnd, running::Place};
use crate::{
    party::unix_seconds,
    serve::{
        daemon::Daemon,
        problem::Problem,
        queue::{Queue, Turn},
    },
};
use axum::http::StatusCode;
use cotenant_agent::{
    approve::{log::History, person::PersonSignature, receipt::Receipt, statement::Choice},
    operate::Manifest,
    room::RoomId,
};
use cotenant_core::{Digest, PartyId, codec::BadFormat};
use cotenant_net::{Hub, Limits, Member};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

/// How often what may have been lost is told again, and what is late ends.
const TICK: Duration = Duration::from_secs(5);

/// Sends a note to a member, if there is a link to it.
pub type Send = Box<dyn Fn(PartyId, Vec<u8>) + std::marker::Send + Sync>;

/// Operations of one room at work. Its methods wait for the disk: call them where a thread may wait (`tokio::task::spawn_blocking`).
pub struct Shell {
    core: Mutex<Core>,
    place: Arc<Place>,
    queue: Arc<Queue>,
    send: Send,
    stops: Mutex<BTreeMap<u64, CancellationToken>>,
    changes: watch::Sender<u64>,
}

struct Core {
    operations: Operations,
    /// A write has failed: what is on disk is not known, so nothing goes out any more.
    broken: bool,
}

/// What a shell stands on.
pub struct Ground {
    /// The store, the identity, limits, metrics. It is not kept: it keeps its rooms.
    pub daemon: Arc<Daemon>,
    /// Where sessions meet, as long as somebody keeps it.
    pub hub: Weak<Hub>,
    /// Times and sizes of the links of sessions.
    pub limits: Limits,
    /// Where runs wait for their turn.
    pub queue: Arc<Queue>,
    /// The way to the members.
    pub send: Send,
}

impl Shell {
    /// Goes on with operations as they were stored; `first` is what they begin with. Inside a tokio runtime.
    pub fn new(operations: Operations, first: Vec<Action>, ground: Ground) -> Arc<Shell> {
        let Ground { daemon, hub, limits, queue, send } = ground;
        let parameters = operations.parameters();
        let room = parameters.charter().room;
        let member = |member: &cotenant_agent::room::Member| Member {
            name: member.name.clone(),
            identity: member.key,
            address: member.addresses.first().map(ToString::to_string).unwrap_or_default(),
        };
        let members = parameters.members().iter().map(member).collect();
        let place = Arc::new(Place { room, daemon: Arc::downgrade(&daemon), hub, members, limits });
        let core = Mutex::new(Core { operations, broken: false });
        let shell = Arc::new(Shell { core, place, queue, send, stops: Mutex::default(), changes: watch::Sender::new(0) });
        shell.carry_out(&mut shell.lock(), first);
        tokio::spawn(keep_ticking(Arc::downgrade(&shell)));
        shell
    }

    /// The room.
    pub fn room(&self) -> RoomId {
        self.place.room
    }

    /// A note came from a member.
    ///
    /// # Errors
    /// If it is none; the member is at fault.
    pub fn heard(self: &Arc<Self>, from: PartyId, note: &[u8]) -> Result<(), BadFormat> {
        self.act(|operations, now| operations.heard(from, note, now))
    }

    /// A link to this member came up.
    pub fn link_up(self: &Arc<Self>, party: PartyId) {
        self.act(|operations, now| operations.link_up(party, now));
    }

    /// The link to this member broke.
    pub fn link_down(self: &Arc<Self>, party: PartyId) {
        self.act(|operations, _| operations.link_down(party));
    }

    /// Proposes this to all members, and gives its number.
    ///
    /// # Errors
    /// [`Operations::propose`].
    pub fn propose(self: &Arc<Self>, aim: Aim, conditions: &Conditions) -> Result<u64, NotDone> {
        self.act(|operations, now| operations.propose(aim, conditions, now))
    }

    /// A person of this party has decided.
    ///
    /// # Errors
    /// [`Operations::decide`].
    pub fn decide(
        self: &Arc<Self>,
        number: u64,
        digest: Digest,
        choice: Choice,
        signature: Option<&PersonSignature>,
    ) -> Result<(), NotDone> {
        self.act(|operations, now| operations.decide(number, digest, choice, signature, now))
    }

    /// Looks at the operations as they are.
    pub fn look<T>(&self, look: impl FnOnce(&Operations) -> T) -> T {
        look(&self.lock().operations)
    }

    /// What is in the vault.
    pub fn vault(&self) -> Manifest {
        self.look(|operations| operations.vault().clone())
    }

    /// Changes with everything that happens.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The log of the room, read from the store and verified.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn log(&self) -> Result<History, super::OpenError> {
        let core = self.lock();
        super::replay::read_log(&self.place.daemon()?.store().room(self.place.room.0), &core.operations.setup)
    }

    /// The receipt of an operation, once all have signed it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn receipt(&self, number: u64) -> Result<Option<Receipt>, crate::store::StoreError> {
        let bytes = self.place.daemon()?.store().room(self.place.room.0).receipt(number)?;
        Ok(bytes.and_then(|bytes| Receipt::decode(&bytes).ok()))
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("no holder panics")
    }

    fn act<T>(self: &Arc<Self>, change: impl FnOnce(&mut Operations, i64) -> T) -> T {
        let mut core = self.lock();
        let result = change(&mut core.operations, unix_seconds());
        let actions = core.operations.take();
        self.carry_out(&mut core, actions);
        drop(core);
        self.changes.send_modify(|count| *count += 1);
        result
    }

    fn carry_out(self: &Arc<Self>, core: &mut Core, actions: Vec<Action>) {
        for action in actions {
            if core.broken {
                return;
            }
            match action {
                Action::Stop(number) => {
                    self.stops.lock().expect("no holder panics").get(&number).inspect(|stop| stop.cancel());
                }
                Action::Persist(changes) => {
                    let room = self.place.room;
                    let write =
                        |daemon: Arc<Daemon>| daemon.store().transaction(|transaction| changes.write(&mut transaction.room(room.0)));
                    let written = self.place.daemon().and_then(write);
                    if let Err(error) = written {
                        tracing::error!(%room, %error, "nothing more is done in this room until the daemon is started again");
                        core.broken = true;
                    }
                }
                Action::Send(party, note) => (self.send)(party, note),
                Action::Start(begin) => self.start(*begin),
            }
        }
    }

    /// Lets a run wait for its turn. However it ends, the operations hear of it.
    fn start(self: &Arc<Self>, begin: super::Begin) {
        let number = begin.number;
        let stop = CancellationToken::new();
        self.stops.lock().expect("no holder panics").insert(number, stop.clone());
        let telling = Telling { shell: self.clone(), number, end: None, stop: stop.clone() };
        let (place, summary) = (self.place.clone(), format!("{number}: {}", begin.what));
        let work = move |turn: Turn| async move {
            let mut telling = telling;
            let running = place.clone().run(begin, turn.clone(), stop.clone());
            tokio::pin!(running);
            let end = tokio::select! {
                end = &mut running => end,
                () = turn.stopped() => {
                    stop.cancel();
                    running.await
                }
            };
            let result = place.told(number, &end);
            telling.end = Some(end);
            result
        };
        if let Err(problem) = self.queue.submit(summary, work) {
            tracing::warn!(room = %self.place.room, operation = number, %problem, "the run did not begin");
        }
    }

    fn run_ended(self: &Arc<Self>, number: u64, end: RunEnd) {
        self.stops.lock().expect("no holder panics").remove(&number);
        self.act(|operations, now| operations.run_ended(number, end, now));
    }
}

impl Place {
    /// What the queue tells of a run, and the metrics count.
    fn told(&self, number: u64, end: &RunEnd) -> Result<serde_json::Value, Problem> {
        match end {
            RunEnd::Made(_) | RunEnd::Checked => Ok(json!({ "operation": number })),
            RunEnd::Failed { reason, check } => {
                if let (Some(check), Ok(daemon)) = (check, self.daemon()) {
                    daemon.metrics().failed_check(&check.name);
                }
                let reason = cotenant_agent::approve::escape::escape(reason).to_string();
                let place = format!("room {}, operation {number}", self.room);
                Err(Problem::new(StatusCode::CONFLICT, "run-failed", place, reason, "nothing has changed: propose it again"))
            }
        }
    }
}

/// Tells the operations that time passes, as long as there are any.
async fn keep_ticking(shell: Weak<Shell>) {
    loop {
        sleep(TICK).await;
        let Some(shell) = shell.upgrade() else { return };
        let tick = move || shell.act(|operations, now| operations.tick(now));
        // The runtime ends, or this program has a fault, which was reported.
        if tokio::task::spawn_blocking(tick).await.is_err() {
            return;
        }
    }
}

/// Tells the operations how a run ended, when it is dropped at the latest.
struct Telling {
    shell: Arc<Shell>,
    number: u64,
    end: Option<RunEnd>,
    stop: CancellationToken,
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.stop.cancel();
        let gone = || RunEnd::Failed { reason: "it did not end in time, and was dropped".to_owned(), check: None };
        let (shell, number, end) = (self.shell.clone(), self.number, self.end.take().unwrap_or_else(gone));
        // It waits for the disk, and for whoever dropped this.
        let tell = move || shell.run_ended(number, end);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(tell)),
            Err(_) => tracing::debug!(operation = number, "the daemon has ended"),
        }
    }
}

#[cfg(test)]
impl Shell {
    /// The versions of an item of which there is a share on disk.
    pub(super) fn stored_shares(&self, item: &str) -> Vec<cotenant_agent::vault::commit::statement::Version<Digest>> {
        self.place.daemon().expect("it runs").store().room(self.place.room.0).shares(item).expect("it can be read")
    }
}
