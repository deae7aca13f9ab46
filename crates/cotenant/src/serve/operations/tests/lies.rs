//! A member that lies over the wire, with its own key, of three and of four: what honest members end with, and whom they name.
//!
//! The last member is the liar. Its daemon is an honest one whose notes the test changes on their way.

use super::super::{
    Aim, End, Shown,
    note::{Note, Start, Vote},
};
use super::{
    ROOM,
    memory::{Meddle, World, honest},
    names, put,
};
use crate::store::{field::Put as _, record::put_statement, tests::disk::Kept};
use cotenant_agent::{
    approve::log::Event as Logged,
    room::RoomId,
    vault::commit::statement::{Entry, Parties, Round, Statement, Vote as Kind},
};
use cotenant_core::{Digest, PartyId, codec::Writer};
use cotenant_net::{Identity, PublicIdentity};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// The same note with other votes.
fn with_votes(note: Note, mut change: impl FnMut(Vote) -> Option<Vote>) -> Vec<Note> {
    match note {
        Note::Vote(vote) => change(vote).map(Note::Vote).into_iter().collect(),
        Note::Told { epoch, newest, standing, votes, asks } => {
            vec![Note::Told { epoch, newest, standing, votes: votes.into_iter().filter_map(change).collect(), asks }]
        }
        other => vec![other],
    }
}

fn votes_in(note: &Note) -> Vec<Vote> {
    match note {
        Note::Vote(vote) => vec![*vote],
        Note::Told { votes, .. } => votes.clone(),
        _ => Vec::new(),
    }
}

/// Of votes of rounds: the digest of an epoch's parameters is in ENTERED alone.
const ANY: (RoomId, Digest) = (ROOM, Digest([0; 32]));

/// The last member of `n` says this to `to` instead of its own votes.
pub(super) fn liar(
    n: usize,
    mut says: impl FnMut(usize, Kind<Digest>) -> Option<Kind<Digest>> + Send + 'static,
) -> impl FnOnce(&[Arc<Identity>]) -> Meddle {
    move |keys| {
        let key = keys[n - 1].clone();
        Box::new(move |from, to, note| {
            let own = PartyId::new(n - 1);
            with_votes(note, |vote| match vote.statement {
                Statement { signer, vote: kind } if signer == own && from == n - 1 => {
                    says(to, kind).map(|vote| Vote::sign(ANY, Statement { signer: own, vote }, None, &key))
                }
                // What it has said to others does not surprise it.
                Statement { signer, .. } if signer == own && to == n - 1 => None,
                _ => Some(vote),
            })
        })
    }
}

/// Whom the log of `k` shows to have signed two votes that exclude each other.
fn named(world: &World, k: usize) -> BTreeSet<usize> {
    let log = world.shell(k).log().unwrap();
    let contradicts = log.entries().iter().filter_map(|entry| match &entry.event {
        Logged::Contradiction { party, .. } => Some(party.index()),
        _ => None,
    });
    contradicts.collect()
}

fn the_liar(n: usize) -> BTreeSet<usize> {
    BTreeSet::from([n - 1])
}

/// PREPARED for the run to some, for another run to one: who is shown the other keeps the one for its own run, which others tell it, and names the liar.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_for_two_runs() {
    for n in [3, 4] {
        let says = |to: usize, kind: Kind<Digest>| match kind {
            Kind::Prepared(round, _) if to == 1 => Some(Kind::Prepared(round, Digest([9; 32]))),
            other => Some(other),
        };
        let world = World::new(2, n, liar(n, says)).await;
        world.through(0, put("kept", b"value")).await;
        assert_eq!(world.vault().number(), 1);
        assert_eq!(world.value(&[0, 1], "kept").await, b"value");
        assert_eq!(named(&world, 1), the_liar(n));
        // It may have told them.
        assert!((0..n - 1).all(|k| [BTreeSet::new(), the_liar(n)].contains(&named(&world, k))));
    }
}

/// COMMITTED is shown to one alone: whoever has all of them tells the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_shown_to_one() {
    for n in [3, 4] {
        let says = |to: usize, kind: Kind<Digest>| match kind {
            Kind::Committed(..) if to != 0 => None,
            other => Some(other),
        };
        let world = World::new(2, n, liar(n, says)).await;
        world.through(0, put("kept", b"value")).await;
        assert_eq!(world.vault().number(), 1);
        assert!((0..n).all(|k| named(&world, k).is_empty()), "who says nothing cannot be told from one that is slow");
    }
}

/// COMMITTED is shown to nobody: the others wait, say for whom, and keep both shares; they give out neither.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_that_is_withheld_from_all() {
    for n in [3, 4] {
        let silent = Arc::new(Mutex::new(false));
        let shut = silent.clone();
        let says = move |_, kind: Kind<Digest>| match kind {
            Kind::Committed(..) if *shut.lock().unwrap() => None,
            other => Some(other),
        };
        let world = World::new(2, n, liar(n, says)).await;
        world.through(0, put("kept", b"old")).await;
        *silent.lock().unwrap() = true;
        let number = world.propose(0, put("kept", b"new")).await;
        world.all_approve(number).await;
        for k in 0..n - 1 {
            let last = vec![["carol", "dora"][n - 3].to_owned()];
            let shell = world.shell(k);
            super::until(|| (shell.look(|all| all.view(number))?.standing == Shown::Voting { missing: last.clone() }).then_some(())).await;
            let versions: Vec<u64> = shell.stored_shares("kept").iter().map(|version| version.number).collect();
            assert_eq!(versions, [1, 2]);
            assert!(shell.look(|all| all.vault.current().is_none()));
        }
        *silent.lock().unwrap() = false;
        assert_eq!(world.go_on().await, None);
        assert_eq!(world.value(&[0, 1], "kept").await, b"new");
    }
}

/// COMMITTED to one, ABANDONED to the rest. The first goes on; the rest, who have signed COMMITTED themselves, keep both shares, of which one is the first's,
/// settle nothing else, and name the liar once the first has shown them COMMITTED.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_and_abandoned() {
    for n in [3, 4] {
        let says = |to: usize, kind: Kind<Digest>| match kind {
            Kind::Committed(round, _) if to != 0 => Some(Kind::Abandoned(round)),
            other => Some(other),
        };
        let world = World::new(2, n, liar(n, says)).await;
        let number = world.propose(0, put("kept", b"value")).await;
        world.all_approve(number).await;
        let first = world.shell(0);
        super::until(|| (first.look(|all| all.view(number))?.standing == Shown::Ended(End::Done)).then_some(())).await;
        let run = first.vault().version().unwrap().run;
        for k in 1..n - 1 {
            super::until(|| (named(&world, k) == the_liar(n)).then_some(())).await;
            world.shell(k).look(|all| {
                assert!(matches!(all.view(number).unwrap().standing, Shown::Voting { .. }));
                assert_eq!((all.vault().number(), all.vault.started()), (0, Some(run)));
                assert!(all.vault.may_begin().is_err());
            });
            assert_eq!(world.shell(k).stored_shares("kept").len(), 1);
        }
    }
}

/// What the liar says that the first member has signed, before it votes itself.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Forged {
    /// ABANDONED of this round, which it did sign.
    Nothing,
    /// ABANDONED of the same round in another room.
    Room,
    /// Of the same round of something else that is committed in this room.
    Item,
    /// Of the same version and attempt in another epoch.
    Epoch,
    /// Of the version before.
    Version,
    /// Of another attempt.
    Attempt,
    /// With a signature by the liar.
    Signer,
    /// With the signature of its PREPARED.
    Kind,
}

impl Forged {
    fn vote(self, round: Round, first: &Identity, liar: &Identity) -> Vote {
        let of = |round| Statement { signer: PartyId::new(0), vote: Kind::Abandoned(round) };
        let statement = of(round);
        match self {
            Forged::Nothing => Vote::sign(ANY, statement, None, first),
            Forged::Room => Vote::sign((RoomId([6; 16]), ANY.1), statement, None, first),
            Forged::Item => {
                let bytes = put_statement(Writer::new().u8(1).bytes(&ROOM.0).string(b"#other"), &statement).done();
                Vote { statement, signature: first.sign("vault vote", &bytes), begins_with: None }
            }
            Forged::Epoch => Vote::sign(ANY, of(Round { epoch: round.epoch + 1, ..round }), None, first),
            Forged::Version => Vote::sign(ANY, of(Round { version: round.version - 1, ..round }), None, first),
            Forged::Attempt => Vote::sign(ANY, of(Round { attempt: round.attempt + 1, ..round }), None, first),
            Forged::Signer => Vote::sign(ANY, statement, None, liar),
            Forged::Kind => {
                let prepared = Vote::sign(ANY, Statement { vote: Kind::Prepared(round, Digest([9; 32])), ..statement }, None, first);
                Vote { statement, signature: prepared.signature, begins_with: None }
            }
        }
    }
}

/// Whether the member at `k` has signed ABANDONED of a round of this version.
fn has_abandoned(world: &World, k: usize, version: u64) -> bool {
    let is = |vote: &Vote| matches!(vote.statement.vote, Kind::Abandoned(round) if round.version == version);
    world.shell(k).look(|all| all.vault.tell().iter().any(|vote| vote.statement.signer == PartyId::new(k) && is(vote)))
}

/// A vote counts for what it says in its room, of its item, epoch, version and attempt, by its signer: another one changes nothing, where the right one ends
/// the round.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_of_something_else() {
    for n in [3, 4] {
        for forged in
            [Forged::Room, Forged::Item, Forged::Epoch, Forged::Version, Forged::Attempt, Forged::Signer, Forged::Kind, Forged::Nothing]
        {
            println!("{n} {forged:?}");
            let lying = Arc::new(Mutex::new(false));
            let lies = lying.clone();
            let world = World::new(2, n, |keys| {
                let (first, own) = (keys[0].clone(), keys[n - 1].clone());
                Box::new(move |from, to, note| {
                    let round = votes_in(&note).iter().find_map(|vote| match vote.statement.vote {
                        Kind::Prepared(round, _) if vote.statement.signer == PartyId::new(n - 1) => Some(round),
                        _ => None,
                    });
                    let before = round.filter(|_| from == n - 1 && to != 0 && *lies.lock().unwrap());
                    before.map(|round| Note::Vote(forged.vote(round, &first, &own))).into_iter().chain([note]).collect()
                })
            });
            let world = world.await;
            world.through(0, put("kept", b"old")).await;
            *lying.lock().unwrap() = true;
            let number = world.propose(0, put("kept", b"new")).await;
            world.all_approve(number).await;
            if forged == Forged::Nothing {
                // The control: who is shown it before it holds PREPARED of all gives the round up, whether it has prepared by then or not.
                for k in 1..n - 1 {
                    super::until(|| has_abandoned(&world, k, 2).then_some(())).await;
                }
                assert!((0..n - 1).all(|k| world.shell(k).vault().number() == 1), "nobody can have the new version any more");
                continue;
            }
            assert_eq!(world.go_on().await, None);
            assert!(world.ends(number).iter().all(|end| *end == Some(End::Done)), "{forged:?}");
            assert!((0..n).all(|k| named(&world, k).is_empty()), "{forged:?} names nobody");
        }
    }
}

/// All that was ever signed is shown again, to everyone, before each note of the liar: votes of rounds that are over mean nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_of_rounds_that_are_over() {
    for n in [3, 4] {
        let seen = Arc::new(Mutex::new(Vec::<Vote>::new()));
        let all = seen.clone();
        let meddle: Meddle = Box::new(move |from, _, note| {
            let mut all = all.lock().unwrap();
            let again: Vec<Note> = all.iter().filter(|_| from == n - 1).map(|vote| Note::Vote(*vote)).collect();
            for vote in votes_in(&note) {
                if !all.contains(&vote) {
                    all.push(vote);
                }
            }
            again.into_iter().chain([note]).collect()
        });
        let world = World::new(2, n, |_| meddle).await;
        world.through(0, put("kept", b"old")).await;
        // The first member ends in a run, until one was given up by all.
        for k in 0.. {
            world.life(0).ends_after(k);
            world.propose(1, put("kept", b"newer")).await;
            assert_eq!(world.go_on().await, Some(0));
            world.restart(0, Kept::All).await;
            world.recover().await;
            if world.shell(0).look(|all| all.vault.round().attempt) > 1 {
                break;
            }
        }
        world.through(0, put("kept", b"new")).await;
        assert_eq!(world.value(&[0, 1], "kept").await, b"new");
        world.through(0, put("kept", b"newest")).await;
        assert_eq!(world.value(&[1, 2], "kept").await, b"newest");
        let abandoned = |vote: &Vote| matches!(vote.statement.vote, Kind::Abandoned(_));
        assert!(seen.lock().unwrap().iter().any(abandoned));
        assert!((0..n).all(|k| named(&world, k).is_empty()));
    }
}

/// The first who has shares signs two entries of an epoch, one for each of the others, of which one says what is not so of the other: nobody enters, nothing is
/// lost, both name it, and the others go on in a further epoch without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_entries_of_one_epoch() {
    let world = World::new(2, 3, honest).await;
    world.through(1, put("kept", b"value")).await;
    let (vault, next) = (world.vault(), world.next(&[0, 1, 2], 2));
    let (keys, about): (Vec<PublicIdentity>, _) = (next.keys().collect(), (ROOM, next.digest()));
    // To the third it says that the second has no share.
    let lacking = Parties::NONE.with(PartyId::new(1));
    let other = vault.entered(&keys, |key, _| *key != keys[1]).digest();
    let lies = |keys: &[Arc<Identity>]| -> Meddle {
        let key = keys[0].clone();
        Box::new(move |from, to, note| {
            with_votes(note, |vote| match vote.statement {
                Statement { signer, vote: Kind::Entered(entry) } if signer.index() == 0 && (from, to) == (0, 2) => {
                    Some(Vote::sign(about, Statement { signer, vote: Kind::Entered(Entry { lacking, ..entry }) }, Some(other), &key))
                }
                Statement { signer, .. } if signer.index() == 0 && to == 0 => None,
                _ => Some(vote),
            })
        })
    };
    let (world, _) = world.change(&[0, 1, 2], 2, lies, None).await;
    world.told_again().await;
    for k in [1, 2] {
        super::until(|| (named(&world, k) == BTreeSet::from([0])).then_some(())).await;
        world.shell(k).look(|all| {
            assert!(all.vault.is_entering() && all.vault.current().is_none());
            let entered = |vote: Vote| match vote.statement {
                Statement { signer, vote: Kind::Entered(entry) } if signer.index() == k => Some(entry),
                _ => None,
            };
            let own = all.vault.tell().into_iter().find_map(entered);
            assert_eq!(own.map(|own| own.lacking), (k == 1).then_some(Parties::NONE), "the false one is signed by nobody");
        });
    }
    assert_eq!(world.vault(), vault);
    let (world, _) = world.change(&[1, 2, 3], 2, honest, None).await;
    world.recover().await;
    assert_eq!(world.value(&[0, 1], "kept").await, b"value");
    world.through(0, Aim::Reshare).await;
    assert_eq!(world.value(&[1, 2], "kept").await, b"value");
}

/// START of a run that is over, of an earlier epoch, of another operation, or by a member that is not to begin it, begins nothing; the right one does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_of_something_else() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recording = |_: &[Arc<Identity>]| -> Meddle {
        let seen = seen.clone();
        Box::new(move |_, _, note| {
            seen.lock().unwrap().extend(if let Note::Start(start) = &note { Some(*start) } else { None });
            vec![note]
        })
    };
    let spent = |world: &World, k: usize| {
        let log = world.shell(k).log().unwrap();
        log.entries().iter().filter(|entry| matches!(entry.event, Logged::Spent(_))).count()
    };
    let hears = |world: &World, from: usize, k: usize, start: Start| {
        world.shell(k).heard(PartyId::new(from), &Note::Start(start).encode()).unwrap();
    };
    let world = World::new(2, 3, recording).await;
    world.through(1, put("kept", b"value")).await;
    let old = seen.lock().unwrap()[0];
    hears(&world, 0, 1, old);
    world.restart(2, Kept::All).await;
    hears(&world, 0, 2, old);
    assert_eq!(world.go_on().await, None);
    assert_eq!([1, 2].map(|k| spent(&world, k)), [1, 1]);

    // In the next epoch the first does not hear that the others are ready, and so begins nothing.
    let unready = |_: &[Arc<Identity>]| -> Meddle {
        Box::new(|_, _, note| if matches!(note, Note::Ready { asks: false, .. }) { Vec::new() } else { vec![note] })
    };
    let (world, _) = world.change(&[0, 1, 2], 2, unready, None).await;
    assert_eq!(world.go_on().await, None);
    hears(&world, 0, 1, old);
    let number = world.propose(1, Aim::Verify(names(&["kept"]))).await;
    world.all_approve(number).await;
    let shell = world.shell(2);
    super::until(|| shell.look(|all| all.approved(number)).map(drop)).await;
    let right = Start { number, operation: shell.look(|all| all.proposals[&number].digest), date: crate::party::unix_seconds() };
    for (from, start) in [(0, old), (0, Start { number, ..old }), (0, Start { number: old.number, ..right }), (1, right)] {
        hears(&world, from, 2, start);
        assert!(shell.look(|all| all.proposals[&number].start.is_none()));
    }
    assert_eq!(spent(&world, 2), 1);
    hears(&world, 0, 2, right);
    assert_eq!(spent(&world, 2), 2, "the control");
    world.disperse();
}
