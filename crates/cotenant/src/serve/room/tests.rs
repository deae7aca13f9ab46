//! Rooms of daemons in one process, each with a clock that the test sets; commands and real processes are in `tests/rooms.rs`.

use super::{
    Peer, Room,
    actor::Command,
    context::Clock,
    rooms::{Plan, Rooms},
    view::{Finding, InvitationView, RoomView, Stage},
};
use crate::serve::{config::Config, daemon::Daemon, problem::Problem};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::sleep;

const NOW: u64 = 1_800_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

/// A party with a clock of its own.
struct Party {
    name: &'static str,
    home: tempfile::TempDir,
    clock: Arc<AtomicU64>,
    rooms: Arc<Rooms>,
}

impl Party {
    async fn new(name: &'static str, clock: u64) -> Party {
        let (home, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(clock)));
        crate::home::init(home.path(), name).unwrap();
        let rooms = open(&home, &clock).await;
        Party { name, home, clock, rooms }
    }

    fn room(&self, id: &str) -> Arc<super::rooms::Served> {
        self.rooms.room(id).unwrap()
    }

    async fn show(&self, id: &str) -> RoomView {
        self.room(id).ask(Command::Show).await.unwrap()
    }

    async fn invite(&self, id: &str) -> Result<InvitationView, Problem> {
        self.room(id).ask(|reply| Command::Invite(DAY, reply)).await
    }

    async fn join(&self, invitation: &InvitationView) -> Result<RoomView, Problem> {
        self.rooms.join(&invitation.text, self.name.to_owned()).await
    }

    async fn confirm(&self, id: &str, phrase: &str) {
        let _: RoomView = self.room(id).ask(|reply| Command::Confirm(phrase.to_owned(), reply)).await.unwrap();
    }

    async fn until(&self, id: &str, so: impl Fn(&RoomView) -> bool) -> RoomView {
        let start = Instant::now();
        loop {
            let view = self.show(id).await;
            if so(&view) {
                return view;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{view:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn restart(self) -> Party {
        let Party { name, home, clock, rooms } = self;
        for view in rooms.views().await.unwrap() {
            rooms.room(&view.id).unwrap().close().await;
        }
        rooms.close().await;
        let rooms = open(&home, &clock).await;
        Party { name, home, clock, rooms }
    }
}

async fn open(home: &tempfile::TempDir, clock: &Arc<AtomicU64>) -> Arc<Rooms> {
    let config = Config::parse(home.path(), "[peers]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let clock = clock.clone();
    let clock: Clock = Arc::new(move || clock.load(Ordering::SeqCst));
    Rooms::open_at(Arc::new(Daemon::open(config).unwrap()), clock).await.unwrap()
}

async fn found(founder: &Party, members: u8) -> String {
    let plan = Plan { name: "board".to_owned(), size: (members, 2), authorities: vec![], me: founder.name.to_owned() };
    founder.rooms.found(plan).await.unwrap().id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_ends_by_the_inviters_clock_and_gives_way_to_another() {
    let (alice, bob) = (Party::new("alice", NOW).await, Party::new("bob", NOW).await);
    let id = found(&alice, 2).await;
    let first = alice.invite(&id).await.unwrap();
    assert_eq!((first.seat, first.expiry), (2, NOW / 1000 + 86_400 + 60 - NOW / 1000 % 60));
    let full = alice.invite(&id).await.err().unwrap();
    assert_eq!(full.kind, "urn:cotenant:problem:wrong-stage", "the only seat is promised");
    alice.clock.fetch_add(2 * 86_400_000, Ordering::SeqCst);
    let late = bob.join(&first).await.unwrap_err();
    assert!(late.title.contains("the inviter refused: the invitation has expired"), "{late}");
    let second = alice.invite(&id).await.unwrap();
    assert_eq!(bob.join(&second).await.unwrap().stage, Stage::Joining);
    assert!(bob.join(&first).await.is_err(), "the first one stays without effect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_too_far_apart_are_found() {
    let (alice, bob) = (Party::new("alice", NOW).await, Party::new("bob", NOW - 299_000).await);
    let id = found(&alice, 2).await;
    let joined = bob.join(&alice.invite(&id).await.unwrap()).await.unwrap();
    let phrase = joined.join.unwrap().phrase;
    alice.confirm(&id, &phrase).await;
    bob.confirm(&id, &phrase).await;
    let asked = bob.until(&id, |view| view.proposal.is_some()).await;
    let digest = asked.proposal.unwrap().digest;
    let signed: RoomView = bob.room(&id).ask(|reply| Command::Sign(digest, reply)).await.unwrap();
    assert_eq!(signed.stage, Stage::Member, "the last to sign is in it at once");
    alice.until(&id, |view| view.stage == Stage::Member && view.members[1].connected).await;
    assert_eq!(clock_at(&alice, &id).await, (true, "299.0 s behind".to_owned()));
    let peers: Vec<Peer> = alice.room(&id).peers();
    assert!(peers[0].connected && peers[0].sent_bytes > 0 && peers[0].received_bytes > 0, "{peers:?}");

    // Started again, with an older clock.
    bob.clock.fetch_sub(2_000, Ordering::SeqCst);
    let bob = bob.restart().await;
    assert_eq!(bob.show(&id).await.stage, Stage::Member);
    // It has another port now: it is the one that dials.
    while clock_at(&alice, &id).await != (false, "301.0 s behind, more than 300 s; set one of the clocks".to_owned()) {
        sleep(Duration::from_millis(10)).await;
    }
    let late = alice.invite(&id).await.err().unwrap();
    assert!(late.title.contains("no members are being gathered"), "{late}");
    let gone = alice.rooms.withdraw(&id, None).await.unwrap_err();
    assert!(gone.title.contains("has signed its parameters"), "{gone}");
}

/// What a check says about the other's clock, once that is known.
async fn clock_at(party: &Party, id: &str) -> (bool, String) {
    loop {
        let findings: Vec<Finding> = party.room(id).ask(Command::Check).await.unwrap();
        let clock = findings.into_iter().find(|finding| finding.what == "clock of bob").unwrap();
        if !clock.found.contains("not known") {
            return (clock.good, clock.found);
        }
        sleep(Duration::from_millis(10)).await;
    }
}
