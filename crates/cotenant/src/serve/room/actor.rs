//! A room's one task: what comes over links, what commands ask, and time, one after the other.
//!
//! How the members come to sign the same parameters is `cotenant_agent::room::assembly`, a function of state and event; here its effects are carried out in
//! their order, and what it wants stored is on disk before anything else of it happens. If the store fails, the room is served no more until the next start,
//! which goes on from what was stored.

use super::{
    context::Context,
    door,
    kept::{Kept, Origin},
    line::{Line, News},
    routes::Changing,
    view::{Finding, InvitationView, RoomView},
    wire::Note,
    work::Work,
};
use crate::{
    serve::{problem::Problem, queue::Queue},
    store::{RoomEpoch, StoreError},
};
use cotenant_agent::room::{
    Member, Parameters, Record, RoomId, Sheet, Signed,
    assembly::{self, Effect, Event, Report, State},
    draft::Seat,
    invitation::InvitationId,
    join::{Inviting, JoinFault, Welcome},
};
use cotenant_net::{Peer, PublicIdentity};
use futures_util::future::join_all;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// How often clocks are compared, and links looked after that could not be made.
const TICK: Duration = Duration::from_secs(30);
/// News and commands that may wait.
const WAITING: usize = 64;
/// What people should know is remembered so far back.
const NOTES: usize = 20;

/// Where the answer to a command goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, Problem>>;

/// What has been offered to one who came, and the message for it.
pub(super) type Offered = (Box<Inviting>, Vec<u8>);

/// What a room is asked.
pub(super) enum Command {
    /// How it is.
    Show(Reply<RoomView>),
    /// Whether all is as it should be.
    Check(Reply<Vec<Finding>>),
    /// To invite somebody to the next open seat, for so long.
    Invite(Duration, Reply<InvitationView>),
    /// To take back the invitation of a seat, or this party's own part in what is not signed yet; whether the room is given up with that.
    Withdraw(Option<usize>, Reply<bool>),
    /// People have heard this phrase from the other side.
    Confirm(String, Reply<RoomView>),
    /// To draft a change of what is in force.
    Change(Box<Changing>, Reply<RoomView>),
    /// People approve the parameters of this digest.
    Sign(String, Reply<RoomView>),
    /// Somebody came with an invitation.
    Hello(Vec<u8>, oneshot::Sender<Result<Offered, JoinFault>>),
    /// And says who it is.
    Opening(Box<Inviting>, Vec<u8>, oneshot::Sender<Result<Welcome, JoinFault>>),
}

/// The links of a room by member, which its task makes and others look at.
pub(super) type Lines = Mutex<BTreeMap<PublicIdentity, Line>>;

/// A room's task.
pub(super) struct Actor {
    pub(super) context: Arc<Context>,
    pub(super) id: RoomId,
    pub(super) origin: Origin,
    /// None before this party's people have confirmed the phrase of its join.
    pub(super) state: Option<State>,
    /// How far each member's clock is ahead, in milliseconds, as its last note says.
    pub(super) clocks: BTreeMap<PublicIdentity, i64>,
    pub(super) notes: VecDeque<String>,
    /// What is done in the room together, once it is founded, and where runs wait for their turn.
    pub(super) work: Work,
    pub(super) queue: Arc<Queue>,
    /// This party has given the room up.
    pub(super) over: bool,
    lines: Arc<Lines>,
    news: (mpsc::Sender<News>, mpsc::Receiver<News>),
    commands: (mpsc::Sender<Command>, mpsc::Receiver<Command>),
    /// Where those come who have an invitation.
    doors: BTreeMap<InvitationId, JoinSet<()>>,
}

impl Actor {
    /// The room's task before it runs.
    pub(super) fn new(context: Arc<Context>, id: RoomId, kept: Kept, queue: Arc<Queue>, work: Work) -> Actor {
        let Kept { origin, record } = kept;
        let (news, commands) = (mpsc::channel(WAITING), mpsc::channel(WAITING));
        let (lines, clocks, notes, doors) = (Arc::default(), BTreeMap::new(), VecDeque::new(), BTreeMap::new());
        let state = record.map(State::restart);
        Actor { context, id, origin, state, clocks, notes, work, queue, over: false, lines, news, commands, doors }
    }

    /// Where it is asked, and its links.
    pub(super) fn handles(&self) -> (mpsc::Sender<Command>, Arc<Lines>) {
        (self.commands.0.clone(), self.lines.clone())
    }

    /// Serves the room until it is told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut done = self.go_on().await;
        while done.is_ok() && !self.over {
            done = tokio::select! {
                () = stop.cancelled() => break,
                Some(news) = self.news.1.recv() => self.hear(news).await,
                Some(command) = self.commands.1.recv() => self.answer(command).await,
                _ = tick.tick() => { self.tick().await; Ok(()) }
            };
        }
        if let Err(error) = done {
            tracing::error!(room = %self.id, %error, "the room is not served any more; start the daemon again");
        }
        self.doors.clear();
        let lines = std::mem::take(&mut *self.lines());
        join_all(lines.into_values().map(Line::close)).await;
    }

    /// Does what a crash may have kept from being done.
    async fn go_on(&mut self) -> Result<(), StoreError> {
        self.look_after().await;
        self.begin_work().await;
        self.propose_if_complete().await
    }

    async fn tick(&mut self) {
        self.look_after().await;
        let at = (self.context.clock)();
        let peers: Vec<PublicIdentity> = self.lines().keys().copied().collect();
        peers.into_iter().for_each(|peer| self.send(peer, Note::Clock(at)));
    }

    async fn hear(&mut self, news: News) -> Result<(), StoreError> {
        match news {
            News::Up(peer) => {
                self.send(peer, Note::Clock((self.context.clock)()));
                self.work_link(peer, true).await;
                self.step(Event::Linked(peer)).await
            }
            News::Down(peer) => {
                self.clocks.remove(&peer);
                self.work_link(peer, false).await;
                Ok(())
            }
            News::Heard(peer, Ok(Note::Sheet(sheet))) => self.step(Event::Heard(peer, sheet)).await,
            News::Heard(peer, Ok(Note::Clock(at))) => {
                self.clocks.insert(peer, at.cast_signed().wrapping_sub((self.context.clock)().cast_signed()));
                Ok(())
            }
            News::Heard(peer, Ok(Note::Operations(note))) => {
                self.work_note(peer, note).await;
                Ok(())
            }
            News::Heard(peer, Err(fault)) => {
                self.context.daemon.metrics().failed_check("note");
                self.note(format!("{} sent a message that is wrong: {fault}", self.name_of(&peer)));
                Ok(())
            }
        }
    }

    async fn answer(&mut self, command: Command) -> Result<(), StoreError> {
        // Whoever asked may have gone.
        match command {
            Command::Show(reply) => drop(reply.send(Ok(self.view()))),
            Command::Check(reply) => drop(reply.send(Ok(self.check().await?))),
            Command::Invite(time, reply) => drop(reply.send(self.invite(time).await?)),
            Command::Withdraw(seat, reply) => drop(reply.send(self.withdraw(seat).await?)),
            Command::Confirm(phrase, reply) => drop(reply.send(self.confirm(&phrase).await?)),
            Command::Change(asked, reply) => drop(reply.send(self.change(*asked).await?)),
            Command::Sign(digest, reply) => drop(reply.send(self.sign(&digest).await?)),
            Command::Hello(message, reply) => drop(reply.send(self.hello(&message))),
            Command::Opening(inviting, message, reply) => drop(reply.send(self.opening(*inviting, &message).await?)),
        }
        Ok(())
    }

    /// Stores how the room comes about, then has it so.
    pub(super) async fn keep(&mut self, origin: Origin) -> Result<(), StoreError> {
        let record = self.state.as_ref().map(|state| state.record.clone());
        self.store(Kept { origin: origin.clone(), record }, Vec::new()).await?;
        self.origin = origin;
        self.look_after().await;
        Ok(())
    }

    /// One event of the assembly, and its effects in their order.
    pub(super) async fn step(&mut self, event: Event) -> Result<(), StoreError> {
        let Some(state) = self.state.take() else { return Ok(()) };
        let (state, effects) = assembly::step(state, self.context.identity(), event);
        self.state = Some(state);
        for effect in effects {
            match effect {
                Effect::Persist(record) => {
                    self.store(Kept { origin: self.origin.clone(), record: Some(*record) }, Vec::new()).await?;
                    self.look_after().await;
                }
                Effect::Enter(record, entered) => self.enter(*record, entered).await?,
                Effect::Send(peer, sheet) => self.send(peer, Note::Sheet(sheet)),
                Effect::Teach(peer, after) => self.teach(peer, after).await?,
                Effect::Ask(digest, _) => self.note(format!("parameters {digest} are to be signed: cotenant room sign")),
                Effect::Report(report) => self.report(&report),
            }
        }
        Ok(())
    }

    async fn enter(&mut self, record: Record, entered: Vec<Signed>) -> Result<(), StoreError> {
        let epoch = entered.last().map_or(0, |signed| signed.parameters().charter().epoch);
        // A draft followed what was in force before: another change has come first.
        self.store(Kept { origin: Origin::Done, record: Some(record) }, entered).await?;
        self.origin = Origin::Done;
        // What was to be done for it is done.
        self.notes.clear();
        self.note(format!("epoch {epoch} is in force: all have signed it"));
        self.look_after().await;
        self.begin_work().await;
        Ok(())
    }

    async fn teach(&mut self, peer: PublicIdentity, after: u32) -> Result<(), StoreError> {
        let id = self.id;
        let epochs = self.context.store(move |store| store.room(id.0).epochs()).await?;
        for epoch in epochs.iter().filter(|epoch| epoch.epoch > after) {
            if let Ok(sheet) = Sheet::decode(&epoch.sheet) {
                self.send(peer, Note::Sheet(Box::new(sheet)));
            }
        }
        Ok(())
    }

    /// Writes what is kept, and epochs that are in force, in one transaction.
    async fn store(&self, kept: Kept, entered: Vec<Signed>) -> Result<(), StoreError> {
        let id = self.id;
        let write = move |store: &mut crate::store::Store| {
            store.transaction(|transaction| {
                let mut room = transaction.room(id.0);
                for signed in &entered {
                    room.put_epoch(&RoomEpoch { epoch: signed.parameters().charter().epoch, sheet: signed.encode() })?;
                }
                room.put_assembly(&kept.encode())
            })
        };
        self.context.store(write).await
    }

    /// Sends a note if there is a link. One that takes nothing any more is made anew, as whoever comes back is told all that it lacks.
    fn send(&self, peer: PublicIdentity, note: Note) {
        if let Some(line) = self.lines().get(&peer).filter(|line| !line.send(note)) {
            line.cut();
        }
    }

    /// Keeps links to all whom this party has to do with, and doors for those who are invited.
    async fn look_after(&mut self) {
        let wanted = self.wanted();
        let stale: Vec<Line> = {
            let mut lines = self.lines();
            let kept =
                |line: &Line| !line.is_cut() && wanted.get(&line.peer().identity).is_some_and(|peer| peer.address == line.peer().address);
            let keys: Vec<PublicIdentity> = lines.iter().filter(|(_, line)| !kept(line)).map(|(key, _)| *key).collect();
            keys.iter().filter_map(|key| lines.remove(key)).collect()
        };
        let gone: Vec<PublicIdentity> = stale.iter().map(|line| line.peer().identity).collect();
        join_all(stale.into_iter().map(Line::close)).await;
        for peer in gone {
            self.work_link(peer, false).await;
        }
        let purpose = [b"room", &self.id.0[..]].concat();
        for (key, peer) in wanted {
            let mut lines = self.lines();
            if let Some(line) = lines.get_mut(&key) {
                line.rename(peer.name);
                continue;
            }
            match Line::tie(&self.context.hub, peer, &purpose, self.news.0.clone()) {
                Ok(line) => drop(lines.insert(key, line)),
                // An earlier one to the same member may not have ended; the next tick tries again.
                Err(error) => tracing::debug!(room = %self.id, %error, "no link yet"),
            }
        }
        self.open_doors();
    }

    fn open_doors(&mut self) {
        let invitations: BTreeMap<InvitationId, _> = match &self.origin {
            Origin::Draft(draft) => draft.seats().iter().filter_map(|seat| match seat {
                Seat::Invited(invitation, _) => Some((invitation.id(), invitation)),
                Seat::Open | Seat::Taken(_) => None,
            }),
            Origin::Join(_) | Origin::Done => return self.doors.clear(),
        }
        .collect();
        self.doors.retain(|id, _| invitations.contains_key(id));
        for (id, invitation) in invitations {
            if self.doors.contains_key(&id) {
                continue;
            }
            if let Ok(guests) = self.context.hub.guests(door::session(invitation)) {
                let mut task = JoinSet::new();
                task.spawn(door::serve(guests, self.commands.0.clone()));
                self.doors.insert(id, task);
            }
        }
    }

    /// The members of what is in force and of what this party has signed, those who have joined its draft, and who invited it.
    fn wanted(&self) -> BTreeMap<PublicIdentity, Peer> {
        let Some(State { record, .. }) = &self.state else { return BTreeMap::new() };
        let mut wanted = BTreeMap::new();
        let mut add = |member: &Member| {
            let address = member.addresses.first().map(ToString::to_string);
            wanted.insert(member.key, Peer { name: member.name.clone(), identity: member.key, address });
        };
        if let Origin::Join(join) = &self.origin {
            let (key, addresses) = (join.admission.inviter, join.addresses.clone());
            add(&Member { name: "inviter".to_owned(), key, addresses });
        }
        if let Origin::Draft(draft) = &self.origin {
            draft.seats().iter().for_each(|seat| match seat {
                Seat::Taken(member) => add(member),
                Seat::Invited(_, Some(joined)) if joined.confirmed => add(&joined.member),
                Seat::Invited(..) | Seat::Open => {}
            });
        }
        let newest = record.newest().filter(|signed| signed.parameters().seat(&record.me()).is_some() || record.signed().is_some());
        let parameters = newest.map(Signed::parameters).into_iter().chain(record.signed().map(Sheet::parameters));
        parameters.flat_map(Parameters::members).for_each(add);
        wanted.remove(&record.me());
        wanted
    }

    /// The links.
    pub(super) fn lines(&self) -> MutexGuard<'_, BTreeMap<PublicIdentity, Line>> {
        self.lines.lock().expect("no holder panics")
    }

    /// Remembers what people should know. The same again is no news: who sends much that is wrong does not push out what was said before.
    pub(super) fn note(&mut self, text: String) {
        if self.notes.contains(&text) {
            return;
        }
        tracing::info!(room = %self.id, "{text}");
        if self.notes.len() == NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(text);
    }

    fn report(&mut self, report: &Report) {
        let name = |key: &PublicIdentity| self.name_of(key);
        let text = match report {
            Report::SignedTwice(who, sheets) => {
                self.context.daemon.metrics().failed_check("signed-twice");
                let (names, [one, two]) = (who.iter().map(name).collect::<Vec<_>>().join(", "), &**sheets);
                let epoch = one.parameters().charter().epoch;
                format!("{names} signed two different epochs {epoch}, {} and {}: that is not honest", one.digest(), two.digest())
            }
            Report::Differs(key) => format!("{} sent other parameters than those known here; compare cotenant room show", name(key)),
            Report::Useless(key, fault) => format!("{} sent parameters that are of no use: {fault}", name(key)),
            Report::OtherCharter(key) => format!("{} sent another charter than the one that was agreed when joining", name(key)),
            Report::LeftBehind(epoch) => {
                format!("the others have entered epoch {epoch}, after this party signed a later one; a further change brings all together")
            }
            Report::Removed => "this party is not a member any more".to_owned(),
            Report::Refused(refusal) => format!("not signed: {refusal}"),
        };
        self.note(text);
    }

    /// A member's name, else its fingerprint.
    pub(super) fn name_of(&self, key: &PublicIdentity) -> String {
        let fingerprint = key.fingerprint();
        let record = self.state.as_ref().map(|state| &state.record);
        let sheets = record.into_iter().flat_map(|record| record.in_force().map(Signed::sheet).into_iter().chain(record.signed()));
        let mut members = sheets.flat_map(|sheet| sheet.parameters().members());
        match members.find(|member| member.key == *key) {
            Some(member) => format!("\"{}\" ({fingerprint})", member.name),
            None => fingerprint,
        }
    }
}
