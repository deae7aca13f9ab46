//! A room of daemons in memory, any of which can end before any of its effects: only what is on its disk and what it has said is left.
//!
//! Each has a real shell over a real store on [`Disk`]; runs meet on a [`Square`]; notes go through the test.

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
    store::tests::disk::{Disk, Kept},
};
use cotenant_agent::{
    approve::statement::Choice,
    operate::Manifest,
    room::{Charter, Limits as Times, Member, Parameters, Trust, parameters::Engine},
    vault::{
        commit::statement::Version,
        load::{LoadPlan, Wanted},
        share::Share,
        sharing::{Holder, Quorum},
    },
};
use cotenant_circuit::Builder;
use cotenant_core::{Digest, PartyId};
use cotenant_ideal::{IdealSession, Seat, seats};
use cotenant_mpc::{Engine as _, Online as _, Source};
use cotenant_net::Identity;
use futures_util::future::join_all;
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

/// The members of a room.
pub(super) struct World {
    homes: Vec<tempfile::TempDir>,
    pub(super) parameters: Parameters,
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
}

impl World {
    /// `threshold` of `n`, all founded and connected; `meddle` is given their keys.
    pub(super) async fn new(threshold: u8, n: usize, meddle: impl FnOnce(&[Arc<Identity>]) -> Meddle) -> World {
        let homes: Vec<_> = (0..n).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut members = Vec::new();
        for (home, name) in homes.iter().zip(["alice", "bob", "carol", "dora"]) {
            let key = home::init(home.path(), name).unwrap();
            config::write_template(home.path()).unwrap();
            members.push(Member { name: name.to_owned(), key, addresses: vec![format!("{name}.example:7000").parse().unwrap()] });
        }
        let charter = Charter {
            room: ROOM,
            name: "ops".to_owned(),
            epoch: 1,
            seats: n as u8,
            threshold,
            engine: Engine::CURRENT,
            trust: Trust::Embedded(Digest([7; 32])),
            limits: Times::default(),
            previous: None,
        };
        let parameters = Parameters::new(charter, members).unwrap();
        let (post, letters) = mpsc::unbounded_channel();
        let running = Arc::new(Mutex::new((0..n).map(|_| None).collect()));
        let keys: Vec<_> = homes.iter().map(|home| Arc::new(home::load_identity(home.path()).unwrap())).collect();
        tokio::spawn(deliver(letters, running.clone(), meddle(&keys)));
        let world = World { homes, parameters, square: Square::default(), running, post };
        for k in 0..n {
            world.start(k, Disk::founded()).await;
        }
        world
    }

    pub(super) fn n(&self) -> usize {
        self.homes.len()
    }

    /// Starts a daemon from this disk alone, with links to all others that run.
    pub(super) async fn start(&self, k: usize, disk: Disk) {
        let (life, home, parameters) = (Life::default(), self.homes[k].path().to_owned(), self.parameters.clone());
        disk.ask(life.gate());
        let (post, running, meeting) = (self.post.clone(), self.running.clone(), Here { square: self.square.clone(), life: life.clone() });
        let started = blocking({
            let (life, disk) = (life.clone(), disk.clone());
            move || {
                let daemon = Arc::new(Daemon::with_store(Config::open(&home).unwrap(), disk.open().unwrap()).unwrap());
                let setup = Setup { identity: daemon.identity().clone(), parameters, rules: Rules::open(&home).unwrap() };
                let now = crate::party::unix_seconds();
                let (operations, first) = Operations::open(setup, &daemon.store().room(ROOM.0), now).unwrap();
                let queue = Arc::new(Queue::new(ROOM, daemon.config().limits, daemon.metrics().clone()));
                let way = Box::new(Post { from: k, life: life.clone(), running, post });
                let ground = Ground { daemon: daemon.clone(), meeting, queue: queue.clone(), way };
                Running { shell: Shell::new(operations, first, ground), queue, daemon, life, disk }
            }
        });
        let started = started.await;
        self.running.lock().unwrap()[k] = Some(started);
        for other in (0..self.n()).filter(|other| *other != k) {
            if self.running.lock().unwrap()[other].is_some() {
                self.linked(k, other, true).await;
                self.linked(other, k, true).await;
            }
        }
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

    /// The people of `k` propose this.
    pub(super) async fn propose(&self, k: usize, aim: Aim) -> u64 {
        self.try_propose(k, aim).await.unwrap()
    }

    /// The same; its daemon may end at that.
    pub(super) async fn try_propose(&self, k: usize, aim: Aim) -> Result<u64, NotDone> {
        let shell = self.shell(k);
        blocking(move || shell.propose(aim, &Conditions { with: None, within: Some(1800) })).await
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
                let over = all.proposals.values().all(|proposal| proposal.has_ended()) && all.active.is_none();
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

    /// The vault, which is the same at all; and each has exactly the shares of it.
    pub(super) fn vault(&self) -> Manifest {
        let all: Vec<Manifest> = (0..self.n()).map(|k| self.shell(k).vault()).collect();
        assert!(all.iter().all(|manifest| *manifest == all[0]), "all have the same vault");
        for k in 0..self.n() {
            self.has_its_shares(k, &all[0]);
        }
        all[0].clone()
    }

    fn has_its_shares(&self, k: usize, manifest: &Manifest) {
        let daemon = self.daemon(k).daemon;
        let store = daemon.store();
        let room = store.room(ROOM.0);
        let manifests = super::super::changes::manifests(&room).unwrap();
        assert!(manifests.iter().all(|(_, stored)| stored == manifest), "no other description is left at {k}");
        for name in ["kept", "x"] {
            let wanted = manifest.origin(name).map(|origin| Version { number: origin.item.version, run: origin.run });
            assert_eq!(room.shares(name).unwrap(), wanted.into_iter().collect::<Vec<_>>(), "shares of {name} at {k}");
        }
    }

    /// The value of an item, which nobody but a test puts together: from the shares of these members.
    pub(super) async fn value(&self, seats_of: &[usize], name: &str) -> Vec<u8> {
        let origin = self.shell(seats_of[0]).vault().origin(name).unwrap();
        let holders = seats_of.iter().enumerate().map(|(k, seat)| Holder { seat: PartyId::new(*seat), party: PartyId::new(k) });
        let wanted = Wanted { quorum: Quorum::new(origin.item.sharing, holders.collect()).unwrap(), origin };
        let open = |(seat, k): (Seat, &usize)| open(seat, wanted.clone(), Share::decode(&self.share_bytes(*k, name)).unwrap());
        let opened = join_all(seats(seats_of.len(), 1).into_iter().zip(seats_of).map(open)).await;
        opened[0].clone()
    }

    fn version(&self, k: usize, name: &str) -> Version<Digest> {
        let origin = self.shell(k).vault().origin(name).unwrap();
        Version { number: origin.item.version, run: origin.run }
    }

    /// What a member has stored as its share of the newest version.
    pub(super) fn share_bytes(&self, k: usize, name: &str) -> Vec<u8> {
        let version = self.version(k, name);
        self.daemon(k).daemon.store().room(ROOM.0).share(name, &version).unwrap().unwrap().to_vec()
    }

    /// Stores something else there.
    pub(super) fn put_share(&self, k: usize, name: &str, bytes: &[u8]) {
        let version = self.version(k, name);
        let daemon = self.daemon(k).daemon;
        daemon.store().transaction(|changes| changes.room(ROOM.0).put_share(name, &version, bytes)).unwrap();
    }

    /// Ends a daemon and starts it from what `kept` leaves of its disk.
    pub(super) async fn restart(&self, k: usize, kept: Kept) {
        let disk = self.kill(k).await;
        self.start(k, disk.after(kept)).await;
    }
}

async fn open(seat: Seat, wanted: Wanted, share: Share) -> Vec<u8> {
    let mut engine = IdealSession::start(seat, Digest([0; 32])).await.unwrap();
    let load = LoadPlan::declare(&mut engine, std::slice::from_ref(&wanted)).unwrap();
    let input = engine.declare(Source::Soldered, 8 * wanted.origin.item.len);
    let mut builder = Builder::new();
    let bits = builder.input(input.len());
    builder.output(&bits);
    let segment = engine.segment(&Arc::new(builder.finish()), &input.wires().collect::<Vec<_>>()).unwrap();
    let mut online = engine.seal().await.unwrap();
    let loaded = load.run(&mut online, vec![share]).await.unwrap();
    loaded.solder(&mut online, &[0], input).await.unwrap();
    let out = online.evaluate(segment).await.unwrap();
    online.open(&out).await.unwrap().to_packed()
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
