//! Rooms of daemons in one process, each with a clock that the test sets; commands and real processes are in `tests/command/rooms.rs`.

mod changes;

use super::{
    Peer, Room,
    actor::Command,
    context::Clock,
    rooms::{Plan, Rooms},
    view::{Finding, InvitationView, RoomView, Stage},
};
use crate::serve::{config::Config, daemon::Daemon, problem::Problem};
use std::{
    path::Path,
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
    /// What its configuration says of peers.
    peers: &'static str,
    daemon: Arc<Daemon>,
    rooms: Arc<Rooms>,
}

/// At one address, which is told to the others.
const HERE: &str = "listen = \"127.0.0.1:0\"";
/// At all addresses of the host, so that nobody is told any.
const ANYWHERE: &str = "listen = \"0.0.0.0:0\"";

impl Party {
    async fn new(name: &'static str, clock: u64) -> Party {
        Self::with(name, clock, HERE).await
    }

    async fn with(name: &'static str, clock: u64, peers: &'static str) -> Party {
        let home = tempfile::tempdir().unwrap();
        crate::home::init(home.path(), name).unwrap();
        Self::open(name, home, Arc::new(AtomicU64::new(clock)), peers).await
    }

    async fn open(name: &'static str, home: tempfile::TempDir, clock: Arc<AtomicU64>, peers: &'static str) -> Party {
        let config = Config::parse(home.path(), &format!("[peers]\n{peers}\n")).unwrap();
        let at = clock.clone();
        let at: Clock = Arc::new(move || at.load(Ordering::SeqCst));
        let daemon = Arc::new(Daemon::open(config).unwrap());
        let rooms = Rooms::open_at(daemon.clone(), at).await.unwrap();
        Party { name, home, clock, peers, daemon, rooms }
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

    /// Ends it, does this to its home, and starts it again with these peers in its configuration.
    async fn restart_with(self, peers: &'static str, meanwhile: impl FnOnce(&Path)) -> Party {
        let Party { name, home, clock, peers: _, daemon, rooms } = self;
        daemon.close().await;
        rooms.close().await;
        let weak = Arc::downgrade(&daemon);
        drop(daemon);
        let start = Instant::now();
        // A run that has just ended, or a tick, may hold it yet.
        while weak.strong_count() > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "somebody keeps the daemon");
            sleep(Duration::from_millis(10)).await;
        }
        meanwhile(home.path());
        Self::open(name, home, clock, peers).await
    }

    async fn restart(self) -> Party {
        let peers = self.peers;
        self.restart_with(peers, |_| {}).await
    }

    /// Signs what waits for it.
    async fn sign(&self, id: &str) {
        let asked = self.until(id, |view| view.proposal.as_ref().is_some_and(|proposal| !proposal.own)).await;
        let digest = asked.proposal.unwrap().digest;
        let _: RoomView = self.room(id).ask(|reply| Command::Sign(digest, reply)).await.unwrap();
    }
}

/// One comes with an invitation of the other's, and both confirm.
async fn come(inviter: &Party, joiner: &Party, id: &str) {
    let joined = joiner.join(&inviter.invite(id).await.unwrap()).await.unwrap();
    let phrase = joined.join.unwrap().phrase;
    inviter.confirm(id, &phrase).await;
    joiner.confirm(id, &phrase).await;
}

/// A room of all of them, two of whom can act.
async fn together(parties: &[Party]) -> String {
    let id = found(&parties[0], parties.len() as u8).await;
    for joiner in &parties[1..] {
        come(&parties[0], joiner, &id).await;
    }
    for party in &parties[1..] {
        party.sign(&id).await;
    }
    in_epoch(parties, &id, 1).await;
    id
}

async fn in_epoch(parties: &[Party], id: &str, epoch: u32) {
    for party in parties {
        party.until(id, |view| view.epoch == epoch && view.members.iter().all(|member| member.own || member.connected)).await;
    }
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

/// The configuration says where the founder is reached after the room was begun, as the refusal of its first invitation tells to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_founder_without_an_address_gets_one_and_two_who_only_dial_are_no_room() {
    let alice = Party::with("alice", NOW, ANYWHERE).await;
    let id = found(&alice, 3).await;
    let refused = alice.invite(&id).await.err().unwrap();
    assert!(refused.kind.ends_with("no-address") && refused.remedy.contains("set public"), "{refused}");
    let alice = alice.restart_with(HERE, |_| {}).await;
    let (bob, carol) = (Party::with("bob", NOW, ANYWHERE).await, Party::with("carol", NOW, ANYWHERE).await);
    come(&alice, &bob, &id).await;
    let addresses = alice.show(&id).await.members[0].addresses.clone();
    assert!(addresses.len() == 1 && addresses[0].starts_with("127.0.0.1:"), "{addresses:?}");
    come(&alice, &carol, &id).await;
    let told = alice.until(&id, |view| view.notes.iter().any(|note| note.contains("\"bob\" and \"carol\" both only dial"))).await;
    assert!(told.stage == Stage::Gathering && told.proposal.is_none(), "{told:?}");

    // One of them comes again, with an address.
    let _: bool = alice.room(&id).ask(|reply| Command::Withdraw(Some(3), reply)).await.unwrap();
    carol.rooms.withdraw(&id, None).await.unwrap();
    let carol = carol.restart_with(HERE, |_| {}).await;
    come(&alice, &carol, &id).await;
    assert_eq!(alice.show(&id).await.stage, Stage::Signing);
    // Nobody takes back what is signed; there is no change before it is in force.
    let stuck = alice.rooms.withdraw(&id, None).await.unwrap_err();
    assert!(stuck.remedy.ends_with("make another room: cotenant room new"), "{stuck}");
    bob.sign(&id).await;
    carol.sign(&id).await;
    in_epoch(&[alice, bob, carol], &id, 1).await;
}

/// What is stored of a room is not what this party wrote: that is said as it is, everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_has_against_a_room_is_shown() {
    let mut parties = vec![Party::new("alice", NOW).await, Party::new("bob", NOW).await];
    let id = together(&parties).await;
    let check = async |party: &Party| party.room(&id).ask(Command::Check).await.unwrap();
    let operations = |found: Vec<Finding>| found.into_iter().find(|finding| finding.what == "operations").unwrap();
    assert!(operations(check(&parties[0]).await).good);
    let room: cotenant_agent::room::RoomId = id.parse().unwrap();
    let tamper = |home: &Path| {
        let store = Daemon::open(Config::parse(home, "").unwrap()).unwrap();
        store.store().transaction(|changes| changes.room(room.0).put_ledger(1, b"no ledger")).unwrap();
    };
    let alice = parties.remove(0).restart_with(HERE, tamper).await;
    let why = "nothing can be done together in this room: the ledger of approvals was changed";
    let found = operations(check(&alice).await);
    assert!(!found.good && found.found.starts_with(why), "{found:?}");
    for notes in [alice.show(&id).await.notes, alice.daemon.status().rooms[0].notes.clone()] {
        assert!(notes.iter().any(|note| note.starts_with(why)), "{notes:?}");
    }
    let asked = crate::serve::operations::api::shell(&alice.daemon, &id).err().unwrap();
    assert!(asked.kind.ends_with(":closed") && asked.title.starts_with(why), "{asked}");
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
