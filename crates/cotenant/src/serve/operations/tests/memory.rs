//! A room of daemons in memory, any of which can end before any of its effects: only what is on its disk and what it has said is left.
//!
//! Each has a real shell over a real store on [`Disk`]; runs meet on a [`Square`]; notes go through the test.

mod shares;

use super::super::{
    Aim, Conditions, End, NotDone, Operations, Rules, Setup, Shown,
    note::Note,
    shell::{Ground, Shell, Way},
    telling::PAGE,
};
use super::{
    ROOM, blocking,
    life::{Effect, Life},
    square::{Here, Square},
};
use crate::{
    home,
    serve::{
        config::{self, Config},
        daemon::Daemon,
        queue::Queue,
    },
    store::{
        RoomEpoch, StoreError,
        tests::disk::{Disk, Kept},
    },
};
use cotenant_agent::{
    approve::statement::Choice,
    room::{
        Charter, Limits as Times, Member, Parameters, Sheet, Signed, Trust,
        parameters::Engine,
        signed::{Signatures, sign},
    },
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::Identity;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::mpsc;

/// Long enough for runs in memory on a busy machine, and for all to be told again what was lost.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long those who have come to a run wait for one that has ended and started again.
const WAIT: Duration = Duration::from_secs(2);

/// What the test makes of a note on its way: from, to, the note. Whatever it gives arrives instead.
pub(super) type Meddle = Box<dyn FnMut(usize, usize, Note) -> Vec<Note> + Send>;

/// A daemon that runs.
#[derive(Clone)]
struct Running {
    shell: Arc<Shell<Here>>,
    queue: Arc<Queue>,
    daemon: Arc<Daemon>,
    life: Life,
    disk: Disk,
}

/// Nobody lies.
pub(super) fn honest(_: &[Arc<Identity>]) -> Meddle {
    Box::new(|_, _, note| vec![note])
}

/// Somebody who is a member of the room, or may become one.
struct Party {
    home: tempfile::TempDir,
    identity: Arc<Identity>,
    name: &'static str,
}

/// The members of a room in one of its epochs.
pub(super) struct World {
    parties: Arc<Vec<Party>>,
    /// Who of them has each seat.
    seats: Vec<usize>,
    pub(super) parameters: Parameters,
    /// What all have signed.
    epoch: RoomEpoch,
    square: Square,
    running: Arc<Mutex<Vec<Option<Running>>>>,
    post: mpsc::UnboundedSender<Letter>,
}

/// A note on its way; a link ends with either daemon.
struct Letter {
    from: usize,
    to: usize,
    lives: [Life; 2],
    note: Vec<u8>,
}

/// The links of one daemon.
struct Post {
    from: usize,
    life: Life,
    running: Arc<Mutex<Vec<Option<Running>>>>,
    post: mpsc::UnboundedSender<Letter>,
}

impl Way for Post {
    fn send(&self, to: PartyId, note: Vec<u8>) -> bool {
        let other = self.running.lock().unwrap()[to.index()].as_ref().map(|other| other.life.clone());
        if let Some(other) = other.filter(|_| self.life.may(Effect::Note(note[0], to))) {
            drop(self.post.send(Letter { from: self.from, to: to.index(), lives: [self.life.clone(), other], note }));
        }
        true
    }

    fn room(&self, _: PartyId) -> usize {
        PAGE
    }

    fn is_idle(&self, _: PartyId) -> bool {
        true
    }
}

impl World {
    /// `threshold` of `n`, all founded and connected; `meddle` is given their keys.
    pub(super) async fn new(threshold: u8, n: usize, meddle: impl FnOnce(&[Arc<Identity>]) -> Meddle) -> World {
        Self::believing(Trust::Embedded(Digest([7; 32])), "", threshold, n, meddle).await
    }

    /// The same, in a room that believes these servers; each has `pem` in the file for that. Of four parties the first `n` are its members.
    pub(super) async fn believing(
        trust: Trust,
        pem: &str,
        threshold: u8,
        n: usize,
        meddle: impl FnOnce(&[Arc<Identity>]) -> Meddle,
    ) -> World {
        let party = |name| {
            let home = tempfile::tempdir().unwrap();
            home::init(home.path(), name).unwrap();
            config::write_template(home.path()).unwrap();
            std::fs::write(home.path().join("roots.pem"), pem).unwrap();
            let identity = Arc::new(home::load_identity(home.path()).unwrap());
            Party { home, identity, name }
        };
        let parties = Arc::new(["alice", "bob", "carol", "dora"].map(party).into_iter().collect::<Vec<_>>());
        let charter = Charter {
            room: ROOM,
            name: "ops".to_owned(),
            epoch: 1,
            seats: n as u8,
            threshold,
            engine: Engine::CURRENT,
            trust,
            limits: Times::default(),
            previous: None,
        };
        let seats: Vec<usize> = (0..n).collect();
        let parameters = in_seats(&parties, &seats, charter);
        let world = World::of(parties, seats, parameters, meddle);
        for k in 0..n {
            world.start(k, Disk::founded()).await;
        }
        world
    }

    /// These parties in these seats; nobody runs.
    fn of(parties: Arc<Vec<Party>>, seats: Vec<usize>, parameters: Parameters, meddle: impl FnOnce(&[Arc<Identity>]) -> Meddle) -> World {
        let keys: Vec<_> = seats.iter().map(|seat| parties[*seat].identity.clone()).collect();
        let signatures: Signatures = keys.iter().map(|key| (key.public(), sign(&parameters, key))).collect();
        let sheet = Signed::by_all_members(Sheet::new(parameters.clone(), signatures).unwrap()).unwrap().encode();
        let epoch = RoomEpoch { epoch: parameters.charter().epoch, sheet };
        let (post, letters) = mpsc::unbounded_channel();
        let running = Arc::new(Mutex::new(seats.iter().map(|_| None).collect()));
        tokio::spawn(deliver(letters, running.clone(), meddle(&keys)));
        World { parties, seats, parameters, epoch, square: Square::default(), running, post }
    }

    /// The next epoch, in which these of the parties have the seats.
    pub(super) fn next(&self, seats: &[usize], threshold: u8) -> Parameters {
        let old = self.parameters.charter().clone();
        let (epoch, previous) = (old.epoch + 1, Some(self.parameters.digest()));
        in_seats(&self.parties, seats, Charter { epoch, seats: seats.len() as u8, threshold, previous, ..old })
    }

    /// All daemons are killed, and the room is in its next epoch: all start in it, who is new with nothing. The one at the seat `ends`, if there is one, ends
    /// after so many effects of that, and starts again at once if it does so before it runs; whether it did.
    pub(super) async fn change(
        self,
        seats: &[usize],
        threshold: u8,
        meddle: impl FnOnce(&[Arc<Identity>]) -> Meddle,
        ends: Option<(usize, usize, Kept)>,
    ) -> (World, bool) {
        let mut disks: BTreeMap<usize, Disk> = BTreeMap::new();
        for k in 0..self.n() {
            disks.insert(self.seats[k], self.kill(k).await.after(Kept::All));
        }
        let parameters = self.next(seats, threshold);
        let (world, mut at_once) = (World::of(self.parties.clone(), seats.to_vec(), parameters, meddle), false);
        for (k, party) in seats.iter().enumerate() {
            let (disk, life) = (disks.remove(party).unwrap_or_else(Disk::founded), Life::default());
            let ends = ends.filter(|(victim, ..)| *victim == k);
            ends.iter().for_each(|(_, effects, _)| life.ends_after(*effects));
            if !world.begin(k, disk.clone(), life).await {
                at_once = true;
                world.start(k, disk.after(ends.map_or(Kept::All, |(.., kept)| kept))).await;
            }
        }
        (world, at_once)
    }

    pub(super) fn n(&self) -> usize {
        self.seats.len()
    }

    /// Starts a daemon from this disk alone, with links to all others that run.
    pub(super) async fn start(&self, k: usize, disk: Disk) {
        assert!(self.begin(k, disk, Life::default()).await);
    }

    /// The same with a life that may end before it runs; whether it runs.
    async fn begin(&self, k: usize, disk: Disk, life: Life) -> bool {
        let (home, parameters) = (self.parties[self.seats[k]].home.path().to_owned(), self.parameters.clone());
        disk.ask(life.gate());
        let (post, running, meeting) = (self.post.clone(), self.running.clone(), Here { square: self.square.clone(), life: life.clone() });
        let epoch = self.epoch.clone();
        let started = blocking({
            let (life, disk) = (life.clone(), disk.clone());
            move || {
                let daemon = Arc::new(Daemon::with_store(Config::open(&home).unwrap(), disk.open()?).unwrap());
                if daemon.store().room(ROOM.0).epoch(epoch.epoch)?.is_none() {
                    daemon.store().transaction(|changes| changes.room(ROOM.0).put_epoch(&epoch))?;
                }
                let setup = Setup { identity: daemon.identity().clone(), parameters, rules: Rules::open(&home).unwrap() };
                let now = crate::party::unix_seconds();
                let (operations, first) = Operations::open(setup, &daemon.store().room(ROOM.0), now).unwrap();
                let queue = Arc::new(Queue::new(ROOM, daemon.config().limits, daemon.metrics().clone()));
                let way = Box::new(Post { from: k, life: life.clone(), running, post });
                let ground = Ground { daemon: daemon.clone(), meeting, queue: queue.clone(), way };
                Ok::<_, StoreError>(Running { shell: Shell::new(operations, first, ground), queue, daemon, life, disk })
            }
        });
        let started = match started.await {
            Ok(started) => started,
            Err(error) => {
                assert!(life.is_over(), "{error}");
                return false;
            }
        };
        self.running.lock().unwrap()[k] = Some(started);
        for other in (0..self.n()).filter(|other| *other != k) {
            if self.running.lock().unwrap()[other].is_some() {
                self.linked(k, other, true).await;
                self.linked(other, k, true).await;
            }
        }
        true
    }

    /// Ends a daemon where it stands, and gives its disk.
    pub(super) async fn kill(&self, k: usize) -> Disk {
        let Running { shell, queue, daemon, life, disk } = self.running.lock().unwrap()[k].take().unwrap();
        life.ends_after(0);
        assert!(!life.may(Effect::Meet));
        for other in (0..self.n()).filter(|other| *other != k) {
            self.linked(other, k, false).await;
        }
        let weak = Arc::downgrade(&daemon);
        queue.close().await;
        drop((shell, queue, daemon));
        while weak.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        disk
    }

    /// Those who wait at a meeting stop.
    pub(super) fn disperse(&self) {
        self.square.disperse(Duration::ZERO);
    }

    /// All are told all again, as if their links had been broken.
    pub(super) async fn told_again(&self) {
        for (k, other) in (0..self.n()).flat_map(|k| (0..self.n()).map(move |other| (k, other))).filter(|(k, other)| k != other) {
            self.linked(k, other, true).await;
        }
    }

    async fn linked(&self, k: usize, other: usize, up: bool) {
        let Some(Running { shell, .. }) = self.running.lock().unwrap()[k].clone() else { return };
        let other = PartyId::new(other);
        blocking(move || if up { shell.link_up(other) } else { shell.link_down(other) }).await;
    }

    fn daemon(&self, k: usize) -> Running {
        self.running.lock().unwrap()[k].clone().expect("it runs")
    }

    pub(super) fn shell(&self, k: usize) -> Arc<Shell<Here>> {
        self.daemon(k).shell
    }

    pub(super) fn life(&self, k: usize) -> Life {
        self.daemon(k).life
    }

    /// The life of whoever runs at this seat when it is asked.
    pub(super) fn lives(&self, k: usize) -> impl Fn() -> Option<Life> + Send + use<> {
        let running = self.running.clone();
        move || running.lock().unwrap()[k].as_ref().map(|running| running.life.clone())
    }

    /// The people of `k` propose this.
    pub(super) async fn propose(&self, k: usize, aim: Aim) -> u64 {
        self.try_propose(k, aim, None).await.unwrap()
    }

    /// The same, with these members alone if they are named; its daemon may end at that.
    pub(super) async fn try_propose(&self, k: usize, aim: Aim, with: Option<&[&str]>) -> Result<u64, NotDone> {
        let (shell, with) = (self.shell(k), with.map(|names| names.iter().map(|name| (*name).to_owned()).collect()));
        blocking(move || shell.propose(aim, &Conditions { with, within: Some(1800) })).await
    }

    /// The people of all approve what they are asked, until nothing goes on at anybody, or the life of somebody is over. All agree then.
    pub(super) async fn go_on(&self) -> Option<usize> {
        self.settle(|| ()).await
    }

    /// The same, when somebody has ended and started again: the others do not wait for it in a run for ever.
    pub(super) async fn recover(&self) {
        assert_eq!(self.settle(|| self.square.disperse(WAIT)).await, None);
    }

    async fn settle(&self, meanwhile: impl Fn()) -> Option<usize> {
        let start = Instant::now();
        loop {
            meanwhile();
            for k in 0..self.n() {
                self.approve(k).await;
            }
            if let Some(over) = (0..self.n()).find(|k| self.life(*k).is_over()) {
                return Some(over);
            }
            if self.is_quiet() {
                return None;
            }
            assert!(start.elapsed() < PATIENCE, "it goes on for ever: {:#?}", self.views());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The people of all approve this.
    pub(super) async fn all_approve(&self, number: u64) {
        for k in 0..self.n() {
            let shell = self.shell(k);
            super::until(|| shell.look(|all| all.proposals.contains_key(&number)).then_some(())).await;
            self.approve(k).await;
        }
    }

    async fn approve(&self, k: usize) {
        let shell = self.shell(k);
        let asked = shell.look(|all| {
            let asked = all.proposals.iter().filter(|(_, proposal)| proposal.is_open() && proposal.own.is_none());
            asked.map(|(number, proposal)| (*number, proposal.digest)).collect::<Vec<_>>()
        });
        for (number, digest) in asked {
            let shell = shell.clone();
            // It may have ended meanwhile.
            let _ = blocking(move || shell.decide(number, digest, Choice::Approve, None)).await;
        }
    }

    /// All have the same operations, all of them ended, and stand in the same round in which nothing has happened. All have signed the receipts of what all
    /// say was done: that a check of shares was, some may never know.
    fn is_quiet(&self) -> bool {
        let at = |k: usize| {
            self.shell(k).look(|all| {
                let over = all.proposals.values().all(|proposal| proposal.has_ended()) && all.active.is_none() && !all.vault.is_entering();
                let done = |number: &u64| all.view(*number).is_some_and(|view| view.standing == Shown::Ended(End::Done));
                let unsigned: BTreeSet<u64> = all.receipts.keys().copied().collect();
                let known: BTreeMap<u64, bool> = all.proposals.keys().map(|number| (*number, done(number))).collect();
                (over && all.vault.waits_for().is_none()).then(|| (all.vault.round(), known, unsigned))
            })
        };
        let Some(all) = (0..self.n()).map(at).collect::<Option<Vec<_>>>() else { return false };
        let (round, known, _) = &all[0];
        let same = all.iter().all(|(other, there, _)| other == round && there.keys().eq(known.keys()));
        same && !known
            .keys()
            .any(|number| all.iter().all(|(.., there, _)| there[number]) && all.iter().any(|(.., lacks)| lacks.contains(number)))
    }

    /// The newest operation that anybody knows.
    pub(super) fn newest(&self) -> u64 {
        let newest = |k| self.shell(k).look(|all| all.proposals.keys().last().copied());
        (0..self.n()).filter_map(newest).max().unwrap_or(0)
    }

    /// How the operation of this number ended at each, if they know it.
    pub(super) fn ends(&self, number: u64) -> Vec<Option<End>> {
        let end = |k| match self.shell(k).look(|all| all.view(number))?.standing {
            Shown::Ended(end) => Some(end),
            other => panic!("at {k} it is {other:?}"),
        };
        (0..self.n()).map(end).collect()
    }

    fn views(&self) -> Vec<Vec<(u64, Shown)>> {
        let at = |k| self.shell(k).look(|all| all.views().into_iter().map(|view| (view.number, view.standing)).collect());
        (0..self.n()).map(at).collect()
    }

    /// Proposes, and sees that all do it.
    pub(super) async fn through(&self, proposer: usize, aim: Aim) {
        let number = self.propose(proposer, aim).await;
        assert_eq!(self.go_on().await, None);
        assert!(self.ends(number).iter().all(|end| *end == Some(End::Done)), "{:?}", self.ends(number));
    }

    /// Ends a daemon and starts it from what `kept` leaves of its disk.
    pub(super) async fn restart(&self, k: usize, kept: Kept) {
        let disk = self.kill(k).await;
        self.start(k, disk.after(kept)).await;
    }
}

/// A room with these of the parties in its seats.
fn in_seats(parties: &[Party], seats: &[usize], charter: Charter) -> Parameters {
    let member = |party: &Party| Member {
        name: party.name.to_owned(),
        key: party.identity.public(),
        addresses: vec![format!("{}.example:7000", party.name).parse().unwrap()],
    };
    Parameters::new(charter, seats.iter().map(|seat| member(&parties[*seat])).collect()).unwrap()
}

/// Takes notes to whom they are for, in their order, as long as both ends of the link live.
async fn deliver(mut letters: mpsc::UnboundedReceiver<Letter>, running: Arc<Mutex<Vec<Option<Running>>>>, mut meddle: Meddle) {
    while let Some(Letter { from, to, lives: [sender, receiver], note }) = letters.recv().await {
        let lives = |k: usize, life: &Life| running.lock().unwrap()[k].clone().filter(|now| now.life.is(life));
        let (Some(_), Some(other)) = (lives(from, &sender), lives(to, &receiver)) else { continue };
        for note in meddle(from, to, Note::decode(&note).unwrap()) {
            let shell = other.shell.clone();
            blocking(move || shell.heard(PartyId::new(from), &note.encode())).await.unwrap();
        }
    }
}
