//! One run: the mesh of those who take part, the comparison, the joint computation on a thread of its own, and the new shares on disk.

use super::{
    changes::put_made,
    meeting::{Links, Meeting},
    trust::BadRoots,
};
use crate::{
    error::named,
    party::on_own_thread,
    serve::{daemon::Daemon, queue::Turn},
    stages::Watcher,
    store::StoreError,
};
use cotenant_agent::{
    agree::AgreeError,
    approve::{operation::Body, receipt::Outcome},
    call::{CallError, Opened},
    operate::{self, Manifest, Mine, OperateError, Saved, Task, Verified, Work},
    room::{Limits as Times, RoomId, Trust},
    tls::Gate,
    vault::{
        VaultError,
        commit::statement::{Parties, Version},
        share::{Origin, Share, ShareError},
    },
};
use cotenant_core::{Digest, PartyId};
use cotenant_mpc::{Error as Mpc, Online, Options, Reason};
use cotenant_net::{Member, NetError};
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// The lane on which all say first which run they begin.
pub(super) const COMPARE: u8 = 0;

/// How long a run that was given up may go on, which lets no request out any more: another member may have found the fault that this one is just finding.
const GRACE: Duration = Duration::from_millis(500);

/// How long nothing may come of a run on the vault before it is given up: a step is computed, or reached. It is noticed within twice that.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a run on the vault may take, and how much longer for each item.
const RUN: Duration = Duration::from_secs(600);
const RUN_ITEM: Duration = Duration::from_secs(10);

/// How often something has come of a run.
pub(super) type Pulse = Arc<AtomicU64>;

/// A run that is to begin.
pub struct Begin {
    /// The operation's number.
    pub number: u64,
    /// What it does, in a few words.
    pub what: String,
    pub(super) task: Task,
    /// The value of a put, or all that this party gives to a call.
    pub(super) value: Option<Zeroizing<Vec<u8>>>,
}

/// Tells a run to stop.
#[derive(Clone, Default)]
pub(super) struct Stop {
    /// At once.
    pub(super) now: CancellationToken,
    /// As all have given it up: within a moment.
    pub(super) soon: CancellationToken,
}

impl Stop {
    /// Whether it was told.
    pub(super) fn is_told(&self) -> bool {
        self.now.is_cancelled() || self.soon.is_cancelled()
    }
}

/// How a run ended.
pub enum RunEnd {
    /// The server has answered, and this is what all saw.
    Called(Outcome),
    /// A URL was made, which this party has if it is its reader.
    Presigned(Outcome, Option<Opened>),
    /// It made a version of the vault, which this party can vote for; what all saw of a server's answer, if that is where it is from.
    Made(Verified, Outcome),
    /// The shares are right.
    Checked,
    /// It failed, and nothing of it is used.
    Failed {
        /// Why.
        reason: String,
        /// The check that failed, if one did.
        check: Option<FailedCheck>,
    },
}

/// A check of the protocol that others did not pass.
pub struct FailedCheck {
    /// Its own name.
    pub name: String,
    /// Who may be at fault.
    pub parties: Parties,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Not all came.
    #[error("the members did not all connect: {0}")]
    Net(#[from] NetError),
    /// They say different things of what is to run.
    #[error("{0}")]
    Agree(String),
    /// The joint computation.
    #[error(transparent)]
    Operate(#[from] OperateError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was stored is no share.
    #[error("a stored share cannot be read: {0}")]
    Share(#[from] ShareError),
    /// The room's trust roots.
    #[error(transparent)]
    Roots(#[from] BadRoots),
    /// The server or the connector cut the answer short, or it is none.
    #[error("the server's answer is not one complete HTTP response: {0}")]
    Answer(cotenant_agent::http::ResponseError),
    /// The operating system.
    #[error("no randomness from the operating system")]
    Randomness,
    /// Somebody cancelled it, or the daemon is ending.
    #[error("it was told to stop")]
    Stopped,
    /// The others did nothing for too long.
    #[error("nothing has come of it for {} s: a member has stopped, or is very slow", SILENCE.as_secs())]
    Silent,
    /// It had its time.
    #[error("it took longer than {} s", .0.as_secs())]
    Late(Duration),
    /// Others have given it up.
    #[error("what it made is not wanted any more, as other members have given it up")]
    Unwanted,
}

/// What runs in one room need.
pub(super) struct Place<M> {
    pub(super) room: RoomId,
    /// The store, the identity, limits, metrics, as long as somebody keeps them: the daemon keeps its rooms.
    pub(super) daemon: Weak<Daemon>,
    pub(super) members: Vec<Member>,
    pub(super) meeting: M,
    /// The room's time limits.
    pub(super) times: Times,
    /// Whose certificates of servers the room believes.
    pub(super) trust: Trust,
}

impl RunError {
    /// How a run of these members has ended, by it. In a session they are counted without those who take no part.
    fn end(&self, quorum: &[PartyId], names: &[String]) -> RunEnd {
        RunEnd::Failed { reason: named(self, names), check: self.failed_check(quorum) }
    }

    fn failed_check(&self, quorum: &[PartyId]) -> Option<FailedCheck> {
        let RunError::Operate(error) = self else { return None };
        match (error.in_session(), error) {
            (Some(Mpc::Check { check, suspects, .. }), _) => {
                let parties = suspects.iter().filter_map(|party| quorum.get(party.index()).copied()).collect();
                Some(FailedCheck { name: check.name().to_owned(), parties })
            }
            (_, OperateError::Vault(VaultError::VaultTag { .. }) | OperateError::Call(CallError::Vault(VaultError::VaultTag { .. }))) => {
                Some(FailedCheck { name: "vault tag".to_owned(), parties: Parties::NONE })
            }
            // Of two, the other one has stopped, by a check of its own or without one. Of three, whose check failed may be as honest as this party.
            (Some(Mpc::Stopped { reason: Reason::Check(check), .. }), _) if quorum.len() > 2 => {
                Some(FailedCheck { name: check.name().to_owned(), parties: Parties::NONE })
            }
            _ => None,
        }
    }
}

impl<M: Meeting> Place<M> {
    /// The daemon, unless it is ending.
    pub(super) fn daemon(&self) -> Result<Arc<Daemon>, StoreError> {
        self.daemon.upgrade().ok_or(StoreError::Failed)
    }

    /// Runs it to its end, or until it is stopped.
    pub(super) async fn run(self: Arc<Self>, begin: Begin, turn: Turn, may_send: Gate, stop: Stop) -> RunEnd {
        let quorum: Vec<PartyId> = begin.task.operation().quorum.iter().collect();
        let names: Vec<String> = quorum.iter().filter_map(|seat| Some(self.members.get(seat.index())?.name.clone())).collect();
        let work = async move {
            let daemon = self.daemon()?;
            let me = daemon.identity().public();
            let seat = begin.task.operation().members.iter().position(|member| *member == me).map(PartyId::new);
            let party = seat.and_then(|seat| begin.task.party(seat)).ok_or(RunError::Unwanted)?;
            let members = self.taking_part(&begin.task);
            let links = tokio::select! {
                links = self.meeting.meet(daemon.identity().clone(), party, members, begin.task.digest()) => links?,
                () = stop.now.cancelled() => return Err(RunError::Stopped),
            };
            let (pulse, limit) = (Pulse::default(), limit(&begin.task.operation().body));
            let done = tokio::select! {
                done = self.on_links(begin, party, &links, turn, pulse.clone(), may_send) => done,
                () = silent(&pulse), if limit.is_some() => Err(RunError::Silent),
                () = sleep(limit.unwrap_or_default()), if limit.is_some() => Err(RunError::Late(limit.unwrap_or_default())),
                () = stop.now.cancelled() => Err(RunError::Stopped),
                () = passed(&stop.soon) => Err(RunError::Stopped),
            };
            links.close().await;
            done
        };
        on_own_thread(work).await.unwrap_or_else(|error| error.end(&quorum, &names))
    }

    /// The members that take part, in the order of their seats.
    fn taking_part(&self, task: &Task) -> Vec<Member> {
        task.operation().quorum.iter().filter_map(|seat| self.members.get(seat.index()).cloned()).collect()
    }

    async fn on_links(
        &self,
        begin: Begin,
        me: PartyId,
        links: &M::Links,
        turn: Turn,
        pulse: Pulse,
        may_send: Gate,
    ) -> Result<RunEnd, RunError> {
        let Begin { number, task, value, .. } = begin;
        let mut lane = links.lane(COMPARE);
        let compared = timeout(SILENCE, operate::compare(&mut lane, &task)).await.map_err(|_| RunError::Silent)?;
        let compared = compared.map_err(|source| self.disagreed(&task, &source))?;
        let shares = self.shares(&task.needs(me))?;
        let (digest, mine) = (task.digest(), Mine { shares, value });
        let seen = self.stores_what_is_seen(number, &task);
        match task.into_work() {
            Work::Save(save) => {
                let saved = save.run(self.session(links, digest, turn, pulse).await?, mine).await?;
                Ok(RunEnd::Made(self.write(saved, digest).await?, Outcome::NOTHING))
            }
            Work::Verify(verify) => {
                verify.run(self.session(links, digest, turn, pulse).await?, mine).await?;
                Ok(RunEnd::Checked)
            }
            Work::Remove(remove) => {
                self.put(digest, remove.after(), &[])?;
                Ok(RunEnd::Made(remove.run(&compared).map_err(OperateError::from)?, Outcome::NOTHING))
            }
            Work::Call(call) => self.call(*call, (me, links), digest, mine, turn, (may_send, seen)).await,
            Work::Presign(presign) => self.presign(*presign, links, digest, mine, (turn, may_send)).await,
        }
    }

    pub(super) async fn session(
        &self,
        links: &M::Links,
        agreed: Digest,
        turn: Turn,
        pulse: Pulse,
    ) -> Result<<M::Links as Links>::Engine, RunError> {
        let observer: cotenant_mpc::Observer = Box::new(move |progress| {
            pulse.fetch_add(1, Ordering::Relaxed);
            Watcher::progress(&turn, progress);
        });
        let options = Options { observer: Some(observer), threads: self.daemon()?.config().limits.threads };
        links.engine(agreed, options).await
    }

    /// Puts new shares on disk, reads them back, and has all members' checked together.
    pub(super) async fn write<O: Online>(&self, saved: Saved<O>, run: Digest) -> Result<Verified, RunError> {
        match self.put(run, saved.after(), saved.shares()).and_then(|()| self.read_back(saved.shares())) {
            Ok(read_back) => Ok(saved.verify(read_back).await.map_err(OperateError::from)?),
            Err(error) => {
                saved.give_up().await;
                Err(error)
            }
        }
    }

    fn put(&self, run: Digest, after: &Manifest, shares: &[Share]) -> Result<(), RunError> {
        let wanted = self.daemon()?.store().transaction(|changes| put_made(&mut changes.room(self.room.0), run, after, shares))?;
        if wanted { Ok(()) } else { Err(RunError::Unwanted) }
    }

    fn read_back(&self, written: &[Share]) -> Result<Vec<Share>, RunError> {
        self.shares(&written.iter().map(Share::origin).collect::<Vec<_>>())
    }

    /// This party's shares of these. One that is not there is found by the load, which names it.
    fn shares(&self, wanted: &[&Origin]) -> Result<Vec<Share>, RunError> {
        let daemon = self.daemon()?;
        let store = daemon.store();
        let mut shares = Vec::new();
        for origin in wanted {
            let version = Version { number: origin.item.version, run: origin.run };
            if let Some(bytes) = store.room(self.room.0).share(&origin.item.name, &version)? {
                let share = Share::decode(&bytes)?;
                // Whose it is, the load compares.
                let item = || origin.item.name.clone();
                share.check(origin, share.seat()).map_err(|mismatch| OperateError::from(VaultError::Share { item: item(), mismatch }))?;
                shares.push(share);
            }
        }
        Ok(shares)
    }

    fn disagreed(&self, task: &Task, source: &AgreeError) -> RunError {
        let quorum: Vec<PartyId> = task.operation().quorum.iter().collect();
        let name = |party: PartyId| {
            let seat = quorum.get(party.index()).map_or(party, |seat| *seat);
            self.members.get(seat.index()).map_or_else(|| seat.to_string(), |member| member.name.clone())
        };
        RunError::Agree(source.explain(name))
    }
}

/// How long a run on the vault may take. A call has limits of its own, as a server may be slow.
fn limit(body: &Body) -> Option<Duration> {
    let items = u32::try_from(body.reads().len()).unwrap_or(u32::MAX);
    (!matches!(body, Body::Call(_))).then(|| RUN.saturating_add(RUN_ITEM.saturating_mul(items)))
}

/// Ends when a run that was given up has had its [`GRACE`].
async fn passed(soon: &CancellationToken) {
    soon.cancelled().await;
    sleep(GRACE).await;
}

/// Ends once nothing has come of a run for [`SILENCE`].
async fn silent(pulse: &Pulse) {
    let mut seen = None;
    loop {
        let now = pulse.load(Ordering::Relaxed);
        if seen.replace(now) == Some(now) {
            return;
        }
        sleep(SILENCE).await;
    }
}
