//! Three daemons' operations in one process: their stores and their runs are real, the notes between them go through the test.

mod agreeing;
mod changing;
mod crash;
mod ending;
mod giving;
mod keeping;
mod lies;
mod life;
mod memory;
mod opened;
mod proposing;
mod server;
mod square;
mod tamper;

use super::{
    Aim, Asked, Conditions, End, NotDone, OnHub, OperationView, Operations, Rules, Setup, Shown,
    budget::Exceeded,
    note::{Note, Start},
    propose::{engine_digest, program},
    shell::{Closed, Ground, Shell, Way},
    telling::PAGE,
};
use crate::{
    home,
    serve::{
        config::{self, Config},
        daemon::Daemon,
        error::ServeError,
        queue::Queue,
    },
    store::StoreError,
};
use cotenant_agent::vault::commit::statement::Parties;
use cotenant_agent::{
    approve::{
        item::Pick,
        log::Event as Logged,
        operation::{BadOperation, Body, Operation, Stored},
        statement::{Choice, Statement},
    },
    room::{Charter, Limits as Times, Member, Parameters, RoomId, Trust, parameters::Engine},
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::{Hub, Limits};
use std::{
    path::Path,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;

mod cheats;
mod excess;

const ROOM: RoomId = RoomId([5; 16]);
/// Long enough for a run on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the test does to a note on its way: from, to, the note.
type Meddle = Box<dyn Fn(usize, usize, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// A member that runs.
type Running = (Arc<Shell>, Arc<Queue>, Arc<Daemon>);

/// Takes the notes of one member, unless the way is full.
struct Post {
    from: usize,
    full: Arc<AtomicBool>,
    post: mpsc::UnboundedSender<(usize, PartyId, Vec<u8>)>,
    under_way: Arc<AtomicUsize>,
}

impl Way for Post {
    fn send(&self, to: PartyId, note: Vec<u8>) -> bool {
        if self.full.load(Ordering::Relaxed) {
            return false;
        }
        self.under_way.fetch_add(1, Ordering::SeqCst);
        self.post.send((self.from, to, note)).is_ok()
    }

    fn room(&self, _: PartyId) -> usize {
        if self.full.load(Ordering::Relaxed) { 0 } else { PAGE }
    }

    fn is_idle(&self, to: PartyId) -> bool {
        self.room(to) > 0
    }
}

/// The members of a room.
struct World {
    homes: Vec<tempfile::TempDir>,
    hubs: Vec<Arc<Hub>>,
    parameters: Parameters,
    shells: Arc<Mutex<Vec<Weak<Shell>>>>,
    running: Vec<Option<Running>>,
    /// No way has room.
    full: Arc<AtomicBool>,
    post: mpsc::UnboundedSender<(usize, PartyId, Vec<u8>)>,
    /// How many notes are on their way.
    under_way: Arc<AtomicUsize>,
}

impl World {
    async fn new(threshold: u8, n: usize, meddle: Meddle) -> World {
        let homes: Vec<_> = (0..n).map(|_| tempfile::tempdir().unwrap()).collect();
        let (mut hubs, mut members) = (Vec::new(), Vec::new());
        for (k, home) in homes.iter().enumerate() {
            let name = ["alice", "bob", "carol"][k];
            let key = home::init(home.path(), name).unwrap();
            config::write_template(home.path()).unwrap();
            let identity = Arc::new(home::load_identity(home.path()).unwrap());
            let hub = Hub::listen(identity, "127.0.0.1:0", limits()).await.unwrap();
            members.push(Member { name: name.to_owned(), key, addresses: vec![hub.address().to_string().parse().unwrap()] });
            hubs.push(Arc::new(hub));
        }
        let charter = Charter {
            room: ROOM,
            name: "ops".to_owned(),
            epoch: 1,
            seats: n as u8,
            threshold,
            engine: Engine::CURRENT,
            trust: Trust::Embedded(roots()),
            limits: Times::default(),
            previous: None,
        };
        let parameters = Parameters::new(charter, members).unwrap();
        let (post, letters) = mpsc::unbounded_channel();
        let shells = Arc::new(Mutex::new((0..n).map(|_| Weak::new()).collect::<Vec<_>>()));
        let under_way = Arc::<AtomicUsize>::default();
        tokio::spawn(deliver(letters, shells.clone(), meddle, under_way.clone()));
        let running = (0..n).map(|_| None).collect();
        let mut world = World { homes, hubs, parameters, shells, running, full: Arc::default(), post, under_way };
        for k in 0..n {
            world.start(k).await;
        }
        world.connect().await;
        world
    }

    /// Starts a member from its store alone.
    async fn start(&mut self, k: usize) {
        let (home, parameters) = (self.homes[k].path().to_owned(), self.parameters.clone());
        let opened = tokio::task::spawn_blocking(move || open(&home, parameters));
        let (daemon, operations, first) = opened.await.unwrap();
        let queue = Arc::new(Queue::new(ROOM, daemon.config().limits, daemon.metrics().clone()));
        let (full, post, under_way) = (self.full.clone(), self.post.clone(), self.under_way.clone());
        let way = Box::new(Post { from: k, full, post, under_way });
        let kept = daemon.clone();
        let shell = Shell::new(
            operations,
            first,
            Ground { daemon, meeting: OnHub { hub: Arc::downgrade(&self.hubs[k]), limits: limits() }, queue: queue.clone(), way },
        );
        self.shells.lock().unwrap()[k] = Arc::downgrade(&shell);
        self.running[k] = Some((shell, queue, kept));
    }

    /// Ends a member where it stands, and waits until its store is closed.
    async fn kill(&mut self, k: usize) {
        let (shell, queue, daemon) = self.running[k].take().unwrap();
        for other in 0..self.running.len() {
            if let Some((shell, ..)) = self.running[other].clone() {
                blocking(move || shell.link_down(PartyId::new(k))).await;
            }
        }
        let weak = Arc::downgrade(&daemon);
        queue.close().await;
        drop((shell, queue, daemon));
        until(|| (weak.strong_count() == 0).then_some(())).await;
        // Whoever dropped it last may not have closed the store yet.
        let lock = self.homes[k].path().join("store/lock");
        until(|| std::fs::File::open(&lock).ok()?.try_lock().ok()).await;
    }

    /// Links between all that run.
    async fn connect(&self) {
        for k in 0..self.running.len() {
            for other in (0..self.running.len()).filter(|other| *other != k && self.running[*other].is_some()) {
                if let Some((shell, ..)) = self.running[k].clone() {
                    blocking(move || shell.link_up(PartyId::new(other))).await;
                }
            }
        }
    }

    /// All have been told all again, and have answered: nothing more comes of what was said.
    async fn told_again(&self) {
        self.connect().await;
        until(|| (self.under_way.load(Ordering::SeqCst) == 0).then_some(())).await;
    }

    fn shell(&self, k: usize) -> Arc<Shell> {
        self.running[k].as_ref().unwrap().0.clone()
    }

    async fn propose(&self, k: usize, aim: Aim) -> u64 {
        self.propose_with(k, aim, None).await.unwrap()
    }

    async fn propose_with(&self, k: usize, aim: Aim, with: Option<&[&str]>) -> Result<u64, NotDone> {
        let shell = self.shell(k);
        let with = with.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        blocking(move || shell.propose(aim, &Conditions { with, within: Some(1800) })).await
    }

    async fn decide(&self, k: usize, number: u64, choice: Choice) {
        let shell = self.shell(k);
        let digest = until(|| shell.look(|all| all.proposals.get(&number).map(|proposal| proposal.digest))).await;
        blocking(move || shell.decide(number, digest, choice, None)).await.unwrap();
    }

    async fn ended(&self, k: usize, number: u64) -> End {
        let shell = self.shell(k);
        until(|| match shell.look(|all| all.view(number))?.standing {
            Shown::Ended(end) => Some(end),
            _ => None,
        })
        .await
    }

    /// Proposes at one, approves at all others, and sees that it is done at all.
    async fn through(&self, proposer: usize, aim: Aim) -> u64 {
        let number = self.propose(proposer, aim).await;
        for k in (0..self.running.len()).filter(|k| *k != proposer) {
            self.decide(k, number, Choice::Approve).await;
        }
        for k in 0..self.running.len() {
            assert_eq!(self.ended(k, number).await, End::Done, "at {k}");
        }
        number
    }

    /// Names and versions in the vault, which are the same at all.
    fn items(&self) -> Vec<(String, u64)> {
        let all: Vec<_> = (0..self.running.len()).map(|k| self.shell(k).vault()).collect();
        assert!(all.iter().all(|manifest| *manifest == all[0]));
        all[0].items().map(|entry| (entry.item.name.clone(), entry.item.version)).collect()
    }

    /// What the member at `k` proposes, made by hand and told to nobody.
    fn forged(&self, k: usize, number: u64, body: Body) -> Operation {
        let charter = self.parameters.charter();
        Operation {
            room: ROOM,
            epoch: charter.epoch,
            number,
            expiry: crate::party::unix_seconds() + 1800,
            members: self.parameters.keys().collect(),
            threshold: charter.threshold,
            quorum: Parties::first(self.running.len()),
            proposer: PartyId::new(k),
            program: program(),
            engine: engine_digest(charter),
            body,
        }
    }

    /// What the member at `k` says about an operation.
    fn says(&self, k: usize, operation: &Operation, choice: Choice) -> Note {
        let identity = self.running[k].as_ref().unwrap().2.identity();
        Note::Decision(Statement::new(operation, PartyId::new(k), choice).sign(identity))
    }

    /// The member at `from` sends these to `to` alone.
    async fn tell(&self, from: usize, to: usize, notes: Vec<Note>) {
        let shell = self.shell(to);
        let heard = move || notes.iter().for_each(|note| shell.heard(PartyId::new(from), &note.encode()).unwrap());
        blocking(heard).await;
    }

    fn view(&self, k: usize, number: u64) -> OperationView {
        self.shell(k).look(|all| all.view(number)).unwrap()
    }

    fn runs(&self) -> usize {
        self.running.iter().flatten().map(|(_, queue, _)| queue.tasks().len()).sum()
    }
}

fn roots() -> Digest {
    Digest(cotenant_tls::TrustRoots::mozilla().digest())
}

fn limits() -> Limits {
    Limits { connect: Duration::from_secs(20), ..Limits::default() }
}

fn open(home: &Path, parameters: Parameters) -> (Arc<Daemon>, Operations, Vec<super::Action>) {
    // Whoever let go of the last handle may not have closed the store yet.
    let opened = || match Daemon::open(Config::open(home).unwrap()) {
        Err(ServeError::Store(StoreError::InUse { .. })) => {
            std::thread::sleep(Duration::from_millis(20));
            None
        }
        opened => Some(Arc::new(opened.unwrap())),
    };
    let daemon = (0..500).find_map(|_| opened()).expect("the store is closed");
    let setup = Setup { identity: daemon.identity().clone(), parameters, rules: Rules::open(home).unwrap() };
    let (operations, first) = Operations::open(setup, &daemon.store().room(ROOM.0), crate::party::unix_seconds()).unwrap();
    (daemon, operations, first)
}

/// Takes notes to whom they are for, in their order.
async fn deliver(
    mut letters: mpsc::UnboundedReceiver<(usize, PartyId, Vec<u8>)>,
    shells: Arc<Mutex<Vec<Weak<Shell>>>>,
    meddle: Meddle,
    under_way: Arc<AtomicUsize>,
) {
    while let Some((from, to, note)) = letters.recv().await {
        let shell = shells.lock().unwrap()[to.index()].upgrade();
        if let Some(shell) = shell {
            let note = meddle(from, to.index(), note);
            blocking(move || shell.heard(PartyId::new(from), &note)).await.unwrap();
        }
        // Whatever it has led to is counted by now.
        under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn until<T>(mut is: impl FnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            match is() {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it happens")
}

fn honest() -> Meddle {
    Box::new(|_, _, note| note)
}

fn put(name: &str, value: &[u8]) -> Aim {
    Aim::Put { name: name.parse().unwrap(), alphabet: None, uses: Vec::new(), note: String::new(), value: value.to_vec().into() }
}

fn fresh(name: &str) -> Aim {
    Aim::Gen { name: name.parse().unwrap(), alphabet: None, len: 4, uses: Vec::new(), note: String::new() }
}

fn names(all: &[&str]) -> Vec<cotenant_agent::approve::item::ItemName> {
    all.iter().map(|name| name.parse().unwrap()).collect()
}
