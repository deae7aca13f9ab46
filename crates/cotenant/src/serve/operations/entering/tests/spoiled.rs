//! One member lies on the way into an epoch.

use super::*;

/// Whether a vote is ENTERED of this seat.
fn entered_by(vote: &Vote, signer: usize) -> bool {
    matches!(vote.statement, Statement { signer: who, vote: Kind::Entered(_) } if who == seat(signer))
}

/// The same note without ENTERED of this seat.
pub(super) fn without(note: Note, signer: usize) -> Option<Note> {
    match note {
        Note::Vote(vote) => (!entered_by(&vote, signer)).then_some(Note::Vote(vote)),
        Note::Told { epoch, newest, standing, votes, asks } => {
            let votes = votes.into_iter().filter(|vote| !entered_by(vote, signer)).collect();
            Some(Note::Told { epoch, newest, standing, votes, asks })
        }
        note => Some(note),
    }
}

/// ENTERED of this seat as somebody tells it.
fn told(world: &World, by: usize, signer: usize) -> Vote {
    world.vault(by).tell().into_iter().find(|vote| entered_by(vote, signer)).expect("it is told")
}

/// c shows that it has entered to a alone, and then the same entry to a with another vault, rightly signed: b gets what is right from a all the same, and c's
/// two are evidence.
#[test]
fn another_vault_spoils_no_proof() {
    let mut parties = [(); 3].map(|()| Party::new());
    let [a, b, c] = &mut parties;
    let first = parameters(&[a, b, c], 2, None);
    enter(&mut [a, b, c], &first);
    settle(&mut [a, b, c], 2, no_votes);
    let second = parameters(&[a, b, c], 2, Some((2, &first)));
    enter(&mut [a, b, c], &second);
    let liar = c.identity.clone();
    let mut world = World::new(vec![a, b, c], &second);
    world.run(&|_, to, note| if to == 1 { without(note, 2) } else { Some(note) });
    assert_eq!([0, 1, 2].map(|k| world.stands(k).0), [2, 1, 2]);
    let right = told(&world, 0, 2);
    let spoiled = Vote::sign((ROOM, second.digest()), right.statement, Some(Digest([9; 32])), &liar);
    world.post.push_back((2, 0, Note::Vote(spoiled).encode()));
    world.run(&|from, to, note| if (from, to) == (2, 1) { without(note, 2) } else { Some(note) });
    assert_eq!((told(&world, 0, 2), world.operations[0].contradicted), (right, Parties::NONE.with(seat(2))));
    world.crash(0);
    world.run(&|from, to, note| if (from, to) == (2, 1) { without(note, 2) } else { Some(note) });
    assert_eq!([0, 1, 2].map(|k| world.stands(k)), [(2, 1, true); 3]);
}

/// Four, of whom two can act, have a vault, and in epoch 2, which all have signed, e has d's place. Gives that epoch's parameters.
fn e_takes_the_place_of_d([a, b, c, d, e]: &mut [Party; 5]) -> Parameters {
    let first = parameters(&[a, b, c, d], 2, None);
    enter(&mut [a, b, c, d], &first);
    settle(&mut [a, b, c, d], 2, no_votes);
    let second = parameters(&[a, b, c, e], 2, Some((2, &first)));
    enter(&mut [a, b, c, e], &second);
    second
}

/// c keeps b from entering epoch 2, in which e has taken d's place, and is removed in epoch 3: b goes through 2 as the others have, and all have one vault.
#[test]
fn who_was_kept_from_an_epoch_goes_through_it() {
    let mut parties = [(); 5].map(|()| Party::new());
    let second = e_takes_the_place_of_d(&mut parties);
    let [a, b, c, _, e] = &mut parties;
    {
        let mut world = World::new(vec![a, b, c, e], &second);
        world.run(&|_, to, note| if to == 1 { without(note, 2) } else { Some(note) });
        assert_eq!([0, 1, 2, 3].map(|k| world.stands(k).0), [2, 1, 2, 2]);
    }
    let third = parameters(&[a, b, e], 2, Some((3, &second)));
    enter(&mut [a, b, e], &third);
    let members = [a.key(), b.key(), c.key(), e.key()];
    let mut world = World::new(vec![a, b, e], &third);
    world.run(&honest);
    assert_eq!([0, 1, 2].map(|k| world.stands(k)), [(3, 1, true), (3, 1, true), (3, 1, false)]);
    assert_eq!(world.lacking("k"), [2, 3], "c has left, and e has nothing yet");
    assert_eq!(world.vault(1).settled().members(), members, "d is no more among whom the shares are");
    assert!((0..3).all(|k| world.operations[k].contradicted.is_empty()));
}

/// c and e show nobody that they have entered epoch 2, and when the room is in 3 without c, b alone: b goes through 2 and a does not, so e has a place among
/// the shares at one and not at the other. As there is no share at it, b signs for a's.
#[test]
fn two_ways_into_an_epoch_lead_to_one_vault() {
    let mut parties = [(); 5].map(|()| Party::new());
    let second = e_takes_the_place_of_d(&mut parties);
    let [a, b, c, d, e] = &mut parties;
    let withheld = {
        let mut world = World::new(vec![a, b, c, e], &second);
        world.run(&|_, to, note| if to < 2 { without(note, 2).and_then(|note| without(note, 3)) } else { Some(note) });
        assert_eq!([0, 1].map(|k| world.stands(k).0), [1, 1]);
        [told(&world, 2, 2), told(&world, 3, 3)]
    };
    let third = parameters(&[a, b, e], 2, Some((3, &second)));
    enter(&mut [a, b, e], &third);
    let members = [a.key(), b.key(), c.key(), d.key()];
    let mut world = World::new(vec![a, b, e], &third);
    withheld.iter().for_each(|vote| world.post.push_front((2, 1, Note::Vote(*vote).encode())));
    // What b tells of others comes too late to a, and e keeps to itself what it knows of epoch 2. To b it says that it has shares that it was never given.
    let runs: std::collections::BTreeSet<_> =
        world.vault(1).manifests.values().flat_map(|vault| vault.items().map(|entry| entry.run.0)).collect();
    assert!(!runs.is_empty());
    world.run(&|from, to, note| match note {
        Note::Told { epoch, newest, mut standing, mut votes, asks } if from > 0 => {
            if (from, to) == (2, 1) {
                standing.has.clone_from(&runs);
            }
            votes.retain(|vote| match vote.statement.vote {
                Kind::Entered(entry) if entry.epoch == 2 => from == 1 && vote.statement.signer == seat(1),
                _ => true,
            });
            Some(Note::Told { epoch, newest, standing, votes, asks })
        }
        note => Some(note),
    });
    assert_eq!([0, 1, 2].map(|k| world.stands(k)), [(3, 1, true), (3, 1, true), (3, 1, false)]);
    assert_eq!((world.lacking("k"), world.vault(1).settled().members()), (vec![2, 3], &members[..]));
}

/// The first signs and shows this vault in place of its own, and the others go on for as long as they can.
fn first_shows(world: &mut World, vault: &Manifest, parameters: &Parameters, liar: &Identity) {
    let keys: Vec<_> = parameters.keys().collect();
    let lie = |vote: Vote| match vote.statement {
        Statement { signer, vote: Kind::Entered(entry) } if signer == seat(0) => {
            let entry = Entry { lacking: vault.lacking(&keys), threshold: vault.needed(&keys) as u8, ..entry };
            Vote::sign((ROOM, parameters.digest()), Statement { signer, vote: Kind::Entered(entry) }, Some(vault.digest()), liar)
        }
        _ => vote,
    };
    world.run(&|from, _, note| {
        Some(match note {
            Note::Vote(vote) if from == 0 => Note::Vote(lie(vote)),
            Note::Told { epoch, newest, standing, votes, asks } if from == 0 => {
                Note::Told { epoch, newest, standing, votes: votes.into_iter().map(lie).collect(), asks }
            }
            Note::Vault(_) if from == 0 => Note::Vault(vault.encode()),
            note => note,
        })
    });
}

/// b, who is first, signs and shows a vault in which c has no share, though it has one.
#[test]
fn what_a_vault_says_of_oneself_has_to_be_right() {
    let (mut parties, first) = four();
    let [a, b, c, d] = &mut parties;
    settle(&mut [a, b, c], 2, no_votes);
    let second = parameters(&[b, c, d], 2, Some((2, &first)));
    enter(&mut [b, c, d], &second);
    let (liar, keys) = (b.identity.clone(), [b.key(), c.key(), d.key()]);
    let mut world = World::new(vec![b, c, d], &second);
    let vault = world.vault(0).manifests[&version(1)].entered(&keys, |key, _| *key == keys[0]);
    first_shows(&mut world, &vault, &second, &liar);
    assert_eq!([1, 2].map(|k| world.vault(k).entry()), [None, None]);
    assert_eq!(world.operations[1].vault_waits().as_deref(), Some("for a further change of the room: the list of members is wrong"));
}

/// a, who is first, gives the place of c, which is an old copy and cannot tell, to a key that it makes up: c's share would count no more, and nothing could be
/// done without a.
#[test]
fn an_old_copy_keeps_its_place() {
    let mut parties = [(); 3].map(|()| Party::new());
    let [a, b, c] = &mut parties;
    let first = parameters(&[a, b, c], 2, None);
    enter(&mut [a, b, c], &first);
    let (keys, all) = identities(&[a, b, c]);
    let before = vault_of(&keys, 2, version(1), &[("x", 1, &[])]);
    let after = vault_of(&keys, 2, version(2), &[("x", 1, &[]), ("y", 2, &[2])]);
    let settled =
        |k: usize, number: u64| Record { settled: Some(version(number)), holds: true, ..Record::founder(seat(k), Parties::first(3)) };
    let proof = all_say(3, Kind::Committed(Round { epoch: 1, version: 2, attempt: 1 }, version(2).run));
    for (k, party) in [&mut *a, &mut *b].into_iter().enumerate() {
        remember(party, &all, Record { proof: proof.clone(), ..settled(k, 2) }, std::slice::from_ref(&after), &[("x", 1), ("y", 2)]);
    }
    remember(c, &all, settled(2, 1), &[before], &[("x", 1)]);
    let second = parameters(&[a, b, c], 2, Some((2, &first)));
    enter(&mut [a, b, c], &second);
    let liar = a.identity.clone();
    let made_up = [keys[0], keys[1], Party::new().key()];
    let mut world = World::new(vec![a, b, c], &second);
    let vault = world.vault(0).manifests[&version(2)]
        .entered(&made_up, |key, entry| *key == made_up[0] || (*key == made_up[1] && !entry.lacking.contains(seat(1))));
    first_shows(&mut world, &vault, &second, &liar);
    assert_eq!([1, 2].map(|k| world.vault(k).entry()), [None, None]);
}

/// c signs one entry after the other, each for a vault that it makes up, and shows them all: one is kept, and two entries are evidence.
#[test]
fn vaults_that_one_member_makes_up_do_not_add_up() {
    let (mut parties, first) = four();
    let [a, b, c, d] = &mut parties;
    settle(&mut [a, b, c], 2, no_votes);
    let second = parameters(&[b, c, d], 2, Some((2, &first)));
    enter(&mut [b, c, d], &second);
    let (liar, keys) = (c.identity.clone(), [b.key(), c.key(), d.key()]);
    let mut world = World::new(vec![b, c, d], &second);
    for number in 3..20 {
        let vault = manifest(&keys, 2, version(number));
        let entry = Entry { epoch: 2, members: Parties::first(3), threshold: 2, base: vault.version(), lacking: Parties::NONE };
        let statement = Statement { signer: seat(1), vote: Kind::Entered(entry) };
        let vote = Vote::sign((ROOM, second.digest()), statement, Some(vault.digest()), &liar);
        for to in [0, 2] {
            world.post.push_back((1, to, Note::Vote(vote).encode()));
            world.post.push_back((1, to, Note::Vault(vault.encode()).encode()));
        }
    }
    let mute = |from: usize, to: usize, note| if from == 1 && to != 1 { Some(note) } else { None };
    world.run(&mute);
    for k in [0, 2] {
        let entering = &world.vault(k).entering;
        assert_eq!((entering.claims.len(), entering.shown.len()), (1, 1), "at {k}");
        assert_eq!(world.operations[k].contradicted, Parties::NONE.with(seat(1)));
    }
}
