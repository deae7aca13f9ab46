//! Carries out what [`Operations`] says: the store, the clock, links, runs.

use super::{
    Action, Aim, Asked, Conditions, NotDone, Operations, RunEnd,
    meeting::{Meeting, OnHub},
    propose::Value,
    running::{Place, Stop},
    telling::PAGE,
};
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
    operate::{Manifest, Task},
    room::RoomId,
};
use cotenant_core::{Digest, PartyId, codec::BadFormat};
use cotenant_net::Member;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// How often what may have been lost is told again, and what is late ends.
const TICK: Duration = Duration::from_secs(5);

/// The way to the members.
pub trait Way: Send + Sync {
    /// Sends a note to a member, if there is a link to it and room on it; false if there is a link and no room.
    fn send(&self, to: PartyId, note: Vec<u8>) -> bool;

    /// How many notes to a member there is room for now.
    fn room(&self, to: PartyId) -> usize;

    /// Whether no note waits on the way to a member.
    fn is_idle(&self, to: PartyId) -> bool;
}

/// How long runs of an earlier epoch may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Operations of one room at work. Its methods wait for the disk: call them where a thread may wait (`tokio::task::spawn_blocking`).
pub struct Shell<M: Meeting = OnHub> {
    core: Mutex<Core>,
    place: Arc<Place<M>>,
    queue: Arc<Queue>,
    way: Box<dyn Way>,
    stops: Mutex<BTreeMap<u64, Stop>>,
    changes: watch::Sender<u64>,
}

struct Core {
    operations: Operations,
    /// Nothing goes out any more: a write has failed, so what is on disk is not known; or the room is in another epoch.
    silent: Option<Closed>,
}

/// Why nothing more is done here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// A write has failed: nothing more is done in the room, and nothing shown of it, until the daemon is started again.
    #[error(
        "what was decided could not be written to this party's store; nothing more is done in this room until the daemon is started again"
    )]
    Broken,
    /// The room is in another epoch.
    #[error("the room is entering another epoch, in which earlier proposals and approvals mean nothing")]
    Epoch,
}

/// What a shell stands on.
pub struct Ground<M: Meeting = OnHub> {
    /// The store, the identity, limits, metrics. It is not kept: it keeps its rooms.
    pub daemon: Arc<Daemon>,
    /// How those who take part in a run meet.
    pub meeting: M,
    /// Where runs wait for their turn.
    pub queue: Arc<Queue>,
    /// The way to the members.
    pub way: Box<dyn Way>,
}

impl<M: Meeting> Shell<M> {
    /// Goes on with operations as they were stored; `first` is what they begin with. Inside a tokio runtime.
    pub fn new(operations: Operations, first: Vec<Action>, ground: Ground<M>) -> Arc<Shell<M>> {
        let Ground { daemon, meeting, queue, way } = ground;
        let parameters = operations.parameters();
        let room = parameters.charter().room;
        let member = |member: &cotenant_agent::room::Member| Member {
            name: member.name.clone(),
            identity: member.key,
            address: member.addresses.first().map(ToString::to_string).unwrap_or_default(),
        };
        let members = parameters.members().iter().map(member).collect();
        let (times, trust) = (parameters.charter().limits, parameters.charter().trust.clone());
        let place = Arc::new(Place { room, daemon: Arc::downgrade(&daemon), members, meeting, times, trust });
        let core = Mutex::new(Core { operations, silent: None });
        let shell = Arc::new(Shell { core, place, queue, way, stops: Mutex::default(), changes: watch::Sender::new(0) });
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
        self.act(|operations, now| operations.heard(from, note, now)).unwrap_or(Ok(()))
    }

    /// A link to this member came up.
    pub fn link_up(self: &Arc<Self>, party: PartyId) {
        let _ = self.act(|operations, now| operations.link_up(party, now));
    }

    /// The link to this member broke.
    pub fn link_down(self: &Arc<Self>, party: PartyId) {
        let _ = self.act(|operations, _| operations.link_down(party));
    }

    /// Proposes this to all members, and gives its number.
    ///
    /// # Errors
    /// [`Operations::propose`].
    pub fn propose(self: &Arc<Self>, aim: Aim, conditions: &Conditions) -> Result<u64, NotDone> {
        self.act(|operations, now| operations.propose(aim, conditions, now))?
    }

    /// What a call would be, and what would run. Nobody hears of it.
    ///
    /// # Errors
    /// [`Operations::explain`].
    pub fn explain(&self, asked: Asked, conditions: &Conditions) -> Result<(Vec<String>, Task), NotDone> {
        self.look(|operations| operations.explain(asked, conditions, unix_seconds()))
    }

    /// A person of this party gives what the call of this number takes.
    ///
    /// # Errors
    /// [`Operations::give`].
    pub fn give(self: &Arc<Self>, number: u64, digest: Digest, private: Vec<(String, Value)>) -> Result<(), NotDone> {
        self.act(|operations, _| operations.give(number, digest, private))?
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
        if choice == Choice::Approve {
            self.can_judge(number)?;
        }
        self.act(|operations, now| operations.decide(number, digest, choice, signature, now))?
    }

    /// Looks at the operations as they are.
    pub fn look<T>(&self, look: impl FnOnce(&Operations) -> T) -> T {
        look(&self.lock().operations)
    }

    /// Why nothing more is done here, if so.
    pub fn closed(&self) -> Option<Closed> {
        self.lock().silent
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
        self.log_and_records().map(|(history, _)| history)
    }

    /// The log of the room, and its records as they are stored.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn log_and_records(&self) -> Result<(History, Vec<Vec<u8>>), super::OpenError> {
        let core = self.lock();
        super::replay::read_log(&self.place.daemon()?.store().room(self.place.room.0), &core.operations.setup)
    }

    /// People say why it may go on in spite of failed checks.
    ///
    /// # Errors
    /// [`Operations::clear_faults`].
    pub fn clear_faults(self: &Arc<Self>, member: Option<&str>, reason: String) -> Result<(), NotDone> {
        self.act(|operations, now| operations.clear_faults(member, reason, now))?
    }

    /// The receipt of an operation, once all have signed it. If some have not, they are asked.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn receipt(self: &Arc<Self>, number: u64) -> Result<Option<Receipt>, super::OpenError> {
        let Some(receipt) = self.stored_receipt(number)? else { return Ok(None) };
        if self.look(|operations| operations.all_have_signed(&receipt)) {
            return Ok(Some(receipt));
        }
        // Members of an earlier epoch sit elsewhere now, or are gone.
        if self.look(|operations| operations.is_of_what_was_done(&receipt)) {
            let _ = self.act(|operations, _| operations.ask_again(number, receipt));
        }
        Ok(None)
    }

    /// The receipt of an operation, whoever has signed it.
    pub(super) fn stored_receipt(&self, number: u64) -> Result<Option<Receipt>, crate::store::StoreError> {
        let bytes = self.place.daemon()?.store().room(self.place.room.0).receipt(number)?;
        Ok(bytes.and_then(|bytes| Receipt::decode(&bytes).ok()))
    }

    pub(super) fn place(&self) -> &Place<M> {
        &self.place
    }

    /// Writes down that the request of a call may be sent; whether that is on disk.
    fn may_send(self: &Arc<Self>, number: u64) -> bool {
        self.act(|operations, now| operations.may_send(number, now)).unwrap_or(false)
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().expect("no holder panics")
    }

    /// The room is in another epoch: what runs is stopped, what is open here is over, and nothing goes out any more. Waits until no run is left, or for
    /// half a minute: one that does not end makes nothing that is wanted.
    pub async fn end(self: Arc<Self>, epoch: u32) {
        let shell = self.clone();
        let silence = move || {
            let mut core = shell.lock();
            core.silent = Some(Closed::Epoch);
            core.operations.end_all(epoch);
        };
        if tokio::task::spawn_blocking(silence).await.is_err() {
            tracing::error!(room = %self.place.room, "operations of the earlier epoch had a fault");
        }
        self.changes.send_modify(|count| *count += 1);
        let mut changes = self.changes();
        let idle = || {
            let stops = self.stops.lock().expect("no holder panics");
            stops.values().for_each(|stop| stop.now.cancel());
            stops.is_empty()
        };
        let ended = async { while !idle() && changes.changed().await.is_ok() {} };
        if timeout(PATIENCE, ended).await.is_err() {
            tracing::warn!(room = %self.place.room, "a run of the earlier epoch does not end");
        }
    }

    /// Makes a change, and what follows from it durable. What could not be written has not happened: nobody is shown it.
    pub(super) fn act<T>(self: &Arc<Self>, change: impl FnOnce(&mut Operations, i64) -> T) -> Result<T, Closed> {
        let (mut core, now) = (self.lock(), unix_seconds());
        if let Some(closed) = core.silent {
            return Err(closed);
        }
        let result = change(&mut core.operations, now);
        let actions = core.operations.take();
        self.carry_out(&mut core, actions);
        self.tell(&mut core, now);
        let closed = core.silent;
        drop(core);
        self.changes.send_modify(|count| *count += 1);
        closed.map_or(Ok(result), Err)
    }

    /// Tells members the next of what they may lack, where there is room.
    fn tell(&self, core: &mut Core, now: i64) {
        if core.silent.is_some() {
            return;
        }
        for party in core.operations.to_be_told() {
            if self.way.room(party) < PAGE {
                continue;
            }
            for note in core.operations.page(party, self.way.is_idle(party), now) {
                if !self.way.send(party, note.encode()) {
                    core.operations.behind(party);
                }
            }
        }
    }

    fn carry_out(self: &Arc<Self>, core: &mut Core, actions: Vec<Action>) {
        for action in actions {
            if core.silent.is_some() {
                return;
            }
            match action {
                Action::Stop(number) => {
                    self.stops.lock().expect("no holder panics").get(&number).inspect(|stop| stop.now.cancel());
                }
                Action::StopSoon(number) => {
                    self.stops.lock().expect("no holder panics").get(&number).inspect(|stop| stop.soon.cancel());
                }
                Action::Persist(changes) => {
                    let room = self.place.room;
                    let write =
                        |daemon: Arc<Daemon>| daemon.store().transaction(|transaction| changes.write(&mut transaction.room(room.0)));
                    let written = self.place.daemon().and_then(write);
                    if let Err(error) = written {
                        tracing::error!(%room, %error, "nothing more is done in this room until the daemon is started again");
                        core.silent = Some(Closed::Broken);
                        self.stops.lock().expect("no holder panics").values().for_each(|stop| stop.now.cancel());
                    }
                }
                Action::Send(party, note) => {
                    if !self.way.send(party, note) {
                        core.operations.behind(party);
                    }
                }
                Action::Start(begin) => self.start(*begin),
            }
        }
    }

    /// Lets a run wait for its turn. However it ends, the operations hear of it.
    fn start(self: &Arc<Self>, begin: super::Begin) {
        let number = begin.number;
        let stop = Stop::default();
        self.stops.lock().expect("no holder panics").insert(number, stop.clone());
        let telling = Telling { shell: self.clone(), number, end: None, stop: stop.clone() };
        let (place, summary) = (self.place.clone(), begin.what.clone());
        let shell = Arc::downgrade(self);
        let told_to_stop = stop.clone();
        let may_send = Box::new(move || !told_to_stop.is_told() && shell.upgrade().is_some_and(|shell| shell.may_send(number)));
        let work = move |turn: Turn| async move {
            let mut telling = telling;
            let running = place.clone().run(begin, turn.clone(), may_send, stop.clone());
            tokio::pin!(running);
            let end = tokio::select! {
                end = &mut running => end,
                () = turn.stopped() => {
                    stop.now.cancel();
                    running.await
                }
            };
            let result = place.told(number, &end);
            telling.end = Some(end);
            result
        };
        if let Err(problem) = self.queue.submit(number, summary, work) {
            tracing::warn!(room = %self.place.room, operation = number, %problem, "the run did not begin");
        }
    }

    fn run_ended(self: &Arc<Self>, number: u64, end: RunEnd) {
        self.stops.lock().expect("no holder panics").remove(&number);
        let _ = self.act(|operations, now| operations.run_ended(number, end, now));
    }
}

impl<M: Meeting> Place<M> {
    /// What the queue tells of a run, and the metrics count.
    fn told(&self, number: u64, end: &RunEnd) -> Result<serde_json::Value, Problem> {
        match end {
            RunEnd::Made(..) | RunEnd::Checked | RunEnd::Called(_) | RunEnd::Presigned(..) => Ok(json!({ "operation": number })),
            RunEnd::Failed { reason, check } => {
                if let (Some(check), Ok(daemon)) = (check, self.daemon()) {
                    daemon.metrics().failed_check(&check.name);
                }
                let reason = cotenant_agent::approve::escape::escape(reason).to_string();
                let place = format!("room {}, operation {number}", self.room);
                Err(Problem::new(StatusCode::CONFLICT, "run-failed", place, reason, "see cotenant pending --all for what that means"))
            }
        }
    }
}

/// Tells the operations that time passes, as long as there are any.
async fn keep_ticking<M: Meeting>(shell: Weak<Shell<M>>) {
    loop {
        sleep(TICK).await;
        let Some(shell) = shell.upgrade() else { return };
        let tick = move || shell.act(|operations, now| operations.tick(now));
        // The room is closed, the runtime ends, or this program has a fault, which was reported.
        if !matches!(tokio::task::spawn_blocking(tick).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Tells the operations how a run ended, when it is dropped at the latest.
struct Telling<M: Meeting> {
    shell: Arc<Shell<M>>,
    number: u64,
    end: Option<RunEnd>,
    stop: Stop,
}

impl<M: Meeting> Drop for Telling<M> {
    fn drop(&mut self) {
        self.stop.now.cancel();
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
impl<M: Meeting> Shell<M> {
    /// As when a run ends in a check that others did not pass.
    pub(super) fn fail_a_check(self: &Arc<Self>, parties: cotenant_agent::vault::commit::statement::Parties) {
        let check = super::running::FailedCheck { name: "coin".to_owned(), parties };
        self.act(|operations, now| operations.count_fault(check, now)).expect("the store takes it");
    }

    /// The versions of an item of which there is a share on disk.
    pub(super) fn stored_shares(&self, item: &str) -> Vec<cotenant_agent::vault::commit::statement::Version<Digest>> {
        self.place.daemon().expect("it runs").store().room(self.place.room.0).shares(item).expect("it can be read")
    }
}
