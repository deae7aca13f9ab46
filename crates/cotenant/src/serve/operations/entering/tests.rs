//! Parties whose vault holds an item go into an epoch, without an engine: their stores are real, notes go through the test.

use super::super::{
    Action, Operations, Setup,
    changes::Changes,
    note::{Note, Vote},
    vault::{RECORD, manifest_name},
};
use crate::{
    serve::operations::Rules,
    store::{RoomEpoch, Signature, SignedRecord, Store, Unlock, field::Put, make_key_file},
};
use cotenant_agent::{
    operate::Manifest,
    room::{
        Charter, Limits, Member, Parameters, RoomId, Sheet, Signed, Trust,
        parameters::Engine,
        signed::{Signatures, sign},
    },
    vault::{
        commit::{
            Record,
            statement::{Closing, Entry, Parties, Round, Statement, Version, Vote as Kind, Votes},
        },
        item::{Fields, Item, Kind as Of},
        sharing::Sharing,
    },
};
use cotenant_core::{Digest, PartyId, codec::Writer};
use cotenant_net::{Identity, PublicIdentity};
use std::{collections::VecDeque, sync::Arc};
use tempfile::TempDir;

const ROOM: RoomId = RoomId([5; 16]);
const NOW: i64 = 1_800_000_000;

fn version(number: u64) -> Version<Digest> {
    Version { number, run: Digest([number as u8; 32]) }
}

fn seat(k: usize) -> PartyId {
    PartyId::new(k)
}

/// Somebody with a store.
struct Party {
    identity: Arc<Identity>,
    store: Store,
    _dir: TempDir,
}

impl Party {
    fn new() -> Party {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("key");
        make_key_file(&key).unwrap();
        let store = Store::create(&dir.path().join("store"), &Unlock::KeyFile(key)).unwrap();
        Party { identity: Arc::new(Identity::generate().unwrap()), store, _dir: dir }
    }

    fn key(&self) -> PublicIdentity {
        self.identity.public()
    }

    fn write(
        &mut self,
        change: impl FnOnce(&mut crate::store::Room<&mut crate::store::Transaction<'_>>) -> Result<(), crate::store::StoreError>,
    ) {
        self.store.transaction(|transaction| change(&mut transaction.room(ROOM.0))).unwrap();
    }
}

/// Epoch 1 of these, or what follows.
fn parameters(parties: &[&Party], threshold: u8, before: Option<(u32, &Parameters)>) -> Parameters {
    let member = |(k, party): (usize, &&Party)| Member { name: format!("m{k}"), key: party.key(), addresses: Vec::new() };
    let charter = Charter {
        room: ROOM,
        name: "ops".to_owned(),
        epoch: before.map_or(1, |(epoch, _)| epoch),
        seats: parties.len() as u8,
        threshold,
        engine: Engine::CURRENT,
        trust: Trust::Embedded(Digest([7; 32])),
        limits: Limits::default(),
        previous: before.map(|(_, parameters)| parameters.digest()),
    };
    Parameters::new(charter, parties.iter().enumerate().map(member).collect()).unwrap()
}

/// All of these are in an epoch of the room.
fn enter(parties: &mut [&mut Party], parameters: &Parameters) {
    let signatures: Signatures = parties.iter().map(|party| (party.key(), sign(parameters, &party.identity))).collect();
    let sheet = Signed::by_all_members(Sheet::new(parameters.clone(), signatures).unwrap()).unwrap().encode();
    let row = RoomEpoch { epoch: parameters.charter().epoch, sheet };
    parties.iter_mut().for_each(|party| party.write(|room| room.put_epoch(&row)));
}

/// A vault of one item that t of these have shares of.
fn manifest(members: &[PublicIdentity], t: usize, of: Version<Digest>) -> Manifest {
    vault_of(members, t, of, &[("k", of.number, &[])])
}

/// A vault of items, each with the number of the version that wrote it and the seats of those who have no share of it.
fn vault_of(members: &[PublicIdentity], t: usize, of: Version<Digest>, items: &[(&str, u64, &[usize])]) -> Manifest {
    let to = Writer::new().u8(1).bytes(&ROOM.0).u64(of.number).bytes(&of.run.0).u8(members.len() as u8);
    let to = members.iter().fold(to, |to, key| to.bytes(key.as_bytes())).u16(items.len() as u16);
    let put = |to: Writer, (name, made, lacking): &(&str, u64, &[usize])| {
        let (kind, sharing) = (Of::Bytes, Sharing::new(t, members.len()).unwrap());
        let fields = Fields { name: (*name).into(), version: *made, kind, len: 20, sharing, uses: Vec::new(), note: String::new() };
        let item = Item::new(fields).unwrap().encode();
        let bits = lacking.iter().fold(0, |bits, seat| bits | 1 << seat);
        to.u16(item.len() as u16).bytes(&item).bytes(&version(*made).run.0).u64(bits)
    };
    Manifest::decode(&items.iter().fold(to, put).u16(0).done()).unwrap()
}

/// What a party has on its disk: its record, with votes that these have signed, vaults, and shares by items and the versions that wrote them.
fn remember(party: &mut Party, all: &[Arc<Identity>], record: Record<Digest>, vaults: &[Manifest], shares: &[(&str, u64)]) {
    let signature = |statement: &Statement<Digest>| {
        let bytes = Vote::sign((ROOM, Digest([0; 32])), *statement, None, &all[statement.signer.index()]).signature;
        Signature { bytes, begins_with: None }
    };
    let (signatures, epoch) = (record.tell().iter().map(signature).collect(), record.epoch);
    let record = SignedRecord::new(record, epoch, signatures).unwrap();
    party.write(|room| {
        vaults.iter().try_for_each(|vault| room.put_item(&manifest_name(&vault.version().unwrap()), &vault.encode()))?;
        shares.iter().try_for_each(|(item, made)| room.put_share(item, &version(*made), format!("{item} {made}").as_bytes()))?;
        room.put_record(RECORD, &record)
    });
}

/// The votes of all, as proof.
fn all_say(n: usize, vote: Kind<Digest>) -> Vec<Statement<Digest>> {
    (0..n).map(|k| Statement { signer: seat(k), vote }).collect()
}

fn identities(parties: &[&mut Party]) -> (Vec<PublicIdentity>, Vec<Arc<Identity>>) {
    parties.iter().map(|party| (party.key(), party.identity.clone())).unzip()
}

/// These have settled version 1 in epoch 1, and stand in round 2 with these votes.
fn settle(parties: &mut [&mut Party], t: usize, votes: impl Fn(usize) -> Vec<(usize, Votes<Digest>)>) {
    let (keys, all) = identities(parties);
    let vaults = [1, 2].map(|number| manifest(&keys, t, version(number)));
    for (k, party) in parties.iter_mut().enumerate() {
        let votes: Vec<_> = votes(k).into_iter().map(|(k, votes)| (seat(k), votes)).collect();
        let started = votes.iter().any(|(signer, _)| *signer == seat(k)).then_some(version(2).run);
        let founder = Record::founder(seat(k), Parties::first(keys.len()));
        let record = Record { settled: Some(version(1)), holds: true, started, votes: votes.into_iter().collect(), ..founder };
        remember(party, &all, record, &vaults, &[("k", 1), ("k", 2)]);
    }
}

/// What a test does to a note on its way.
type Meddle<'a> = &'a dyn Fn(usize, usize, Note) -> Option<Note>;

/// Those who are in the room's epoch, and notes on their way.
struct World<'a> {
    parties: Vec<&'a mut Party>,
    parameters: Parameters,
    operations: Vec<Operations>,
    post: VecDeque<(usize, usize, Vec<u8>)>,
    /// After how many actions somebody crashes, once.
    crash_after: Option<usize>,
}

impl<'a> World<'a> {
    fn new(parties: Vec<&'a mut Party>, parameters: &Parameters) -> World<'a> {
        let mut world = World { parties, parameters: parameters.clone(), operations: Vec::new(), post: VecDeque::new(), crash_after: None };
        for k in 0..world.parties.len() {
            let (operations, first) = world.open(k);
            world.operations.push(operations);
            world.carry_out(k, first);
        }
        for k in 0..world.parties.len() {
            world.connect(k);
        }
        world
    }

    fn open(&self, k: usize) -> (Operations, Vec<Action>) {
        let setup = Setup { identity: self.parties[k].identity.clone(), parameters: self.parameters.clone(), rules: Rules::default() };
        Operations::open(setup, &self.parties[k].store.room(ROOM.0), NOW).unwrap()
    }

    fn connect(&mut self, k: usize) {
        for other in (0..self.parties.len()).filter(|other| *other != k) {
            self.operations[k].link_up(seat(other), NOW);
        }
        self.go_on(k);
    }

    /// What follows from what it was told, and what it has to tell.
    fn go_on(&mut self, k: usize) {
        let actions = self.operations[k].take();
        self.carry_out(k, actions);
        for party in self.operations[k].to_be_told() {
            let page = self.operations[k].page(party, true, NOW);
            self.carry_out(k, page.iter().map(|note| Action::Send(party, note.encode())).collect());
        }
    }

    /// All of these, or a crash before one of them: then it begins again with its store alone.
    fn carry_out(&mut self, k: usize, actions: Vec<Action>) {
        for action in actions {
            match &mut self.crash_after {
                Some(0) => {
                    self.crash_after = None;
                    return self.crash(k);
                }
                Some(left) => *left -= 1,
                None => {}
            }
            match action {
                Action::Persist(changes) => self.parties[k].write(|room| Changes::write(&changes, room)),
                Action::Send(to, note) => self.post.push_back((k, to.index(), note)),
                Action::Stop(_) | Action::StopSoon(_) | Action::Start(_) => panic!("nothing runs"),
            }
        }
    }

    /// Its links break with it, and come up again.
    fn crash(&mut self, k: usize) {
        self.post.retain(|(from, to, _)| *from != k && *to != k);
        let (operations, first) = self.open(k);
        self.operations[k] = operations;
        self.carry_out(k, first);
        for other in (0..self.parties.len()).filter(|other| *other != k) {
            self.operations[other].link_down(seat(k));
            self.operations[other].link_up(seat(k), NOW);
            self.go_on(other);
        }
        self.connect(k);
    }

    /// Until no note is on its way.
    fn run(&mut self, meddle: Meddle) {
        while let Some((from, to, note)) = self.post.pop_front() {
            let Some(note) = meddle(from, to, Note::decode(&note).unwrap()) else { continue };
            self.operations[to].heard(seat(from), &note.encode(), NOW).unwrap();
            self.go_on(to);
        }
    }

    fn vault(&self, k: usize) -> &super::Vault {
        &self.operations[k].vault
    }

    /// Numbers of the versions of an item of which there are shares.
    fn shares(&self, k: usize, item: &str) -> Vec<u64> {
        self.parties[k].store.room(ROOM.0).shares(item).unwrap().iter().map(|version| version.number).collect()
    }

    /// The seats of those who have no share of an item, as all say.
    fn lacking(&self, item: &str) -> Vec<usize> {
        let all: Vec<&Manifest> = (0..self.parties.len()).map(|k| self.vault(k).settled()).collect();
        assert!(all.iter().all(|manifest| *manifest == all[0]), "all have the same vault");
        all[0].get(item).unwrap().lacking.iter().map(PartyId::index).collect()
    }

    /// The epoch and the version in which a vault is, and whether this party has a share.
    fn stands(&self, k: usize) -> (u32, u64, bool) {
        let record = &self.vault(k).state.record;
        (record.epoch, record.settled.map_or(0, |version| version.number), record.holds)
    }
}

fn honest(_: usize, _: usize, note: Note) -> Option<Note> {
    Some(note)
}

fn no_votes(_: usize) -> Vec<(usize, Votes<Digest>)> {
    Vec::new()
}

/// Parties a, b, c, of whom two have to act; a leaves, and d comes first.
fn four() -> ([Party; 4], Parameters) {
    let mut parties = [(); 4].map(|()| Party::new());
    let [a, b, c, _] = &mut parties;
    let first = parameters(&[a, b, c], 2, None);
    enter(&mut [a, b, c], &first);
    (parties, first)
}

/// Whoever crashes at whatever step: all come to the same epoch and version, the new one knows what there is, and seats have moved.
#[test]
fn all_enter_with_one_vault_whoever_crashes_when() {
    for crash_after in 0.. {
        let (mut parties, first) = four();
        let [a, b, c, d] = &mut parties;
        settle(&mut [a, b, c], 2, no_votes);
        let second = parameters(&[d, b, c], 2, Some((2, &first)));
        enter(&mut [d, b, c], &second);
        let mut world = World::new(vec![d, b, c], &second);
        world.crash_after = Some(crash_after);
        world.run(&honest);
        assert_eq!([0, 1, 2].map(|k| world.stands(k)), [(2, 1, false), (2, 1, true), (2, 1, true)], "crash before action {crash_after}");
        let manifests = [0, 1, 2].map(|k| world.vault(k).settled().clone());
        assert!(manifests.iter().all(|manifest| *manifest == manifests[0]));
        let keys = [world.parties[0].key(), world.parties[1].key(), world.parties[2].key()];
        assert_eq!((manifests[0].members(), world.operations[1].me()), (&keys[..], seat(1)), "d has taken the place of a");
        let lacking = |k: usize| manifests[k].items().map(|entry| entry.lacking).collect::<Vec<_>>();
        assert_eq!(lacking(0), [Parties::first(1)]);
        assert!((0..3).all(|k| world.vault(k).may_begin().is_ok() && world.vault(k).current().is_some()));
        let shares: Vec<_> = world.parties.iter().map(|party| party.store.room(ROOM.0).shares("k").unwrap()).collect();
        assert_eq!(shares, [vec![], vec![version(1)], vec![version(1)]], "what nobody committed to is destroyed");
        if world.crash_after.is_some() {
            return;
        }
    }
}

/// All have prepared version 2, and one has committed to it: the epoch begins with it, also at those who have not heard of that.
#[test]
fn an_epoch_begins_with_what_may_be_settled() {
    let prepared = Votes { prepared: Some(version(2).run), closing: None };
    let committed = Votes { closing: Some(Closing::Committed(version(2).run)), ..prepared };
    for (one, base) in [(committed, 2), (prepared, 1)] {
        let (mut parties, first) = four();
        let [a, b, c, d] = &mut parties;
        // c alone knows that all have prepared.
        settle(&mut [a, b, c], 2, |k| if k == 2 { vec![(0, prepared), (1, prepared), (2, one)] } else { vec![(k, prepared)] });
        let second = parameters(&[b, c, d], 2, Some((2, &first)));
        enter(&mut [b, c, d], &second);
        let mut world = World::new(vec![b, c, d], &second);
        world.run(&honest);
        assert_eq!([0, 1, 2].map(|k| world.stands(k)), [(2, base, true), (2, base, true), (2, base, false)]);
    }
}

/// ENTERED of b, who is first, for something else: what it says about others, the vault that it names, the epoch that it is for.
#[test]
fn a_false_entry_is_signed_by_nobody() {
    type Change = fn(&mut Entry<Digest>, &mut Option<Digest>);
    let changes: [(&str, Change); 6] = [
        ("c without a share, which has one", |entry, _| entry.lacking = entry.lacking.with(seat(1))),
        ("another threshold", |entry, _| entry.threshold = 1),
        ("another member left out", |entry, _| entry.members = Parties::first(2)),
        ("nothing in the vault", |entry, _| entry.base = None),
        ("another vault", |_, begins_with| *begins_with = Some(Digest([9; 32]))),
        ("a version that nobody has", |entry, _| entry.base = Some(version(9))),
    ];
    for (what, change) in changes {
        let (mut parties, first) = four();
        let [a, b, c, d] = &mut parties;
        settle(&mut [a, b, c], 2, no_votes);
        let second = parameters(&[b, c, d], 2, Some((2, &first)));
        enter(&mut [b, c, d], &second);
        let (liar, about) = (b.identity.clone(), (ROOM, second.digest()));
        let lie = |vote: Vote| match vote.statement {
            Statement { signer, vote: Kind::Entered(mut entry) } if signer == seat(0) => {
                let mut begins_with = vote.begins_with;
                change(&mut entry, &mut begins_with);
                Vote::sign(about, Statement { signer, vote: Kind::Entered(entry) }, begins_with, &liar)
            }
            _ => vote,
        };
        let meddle = |from: usize, _: usize, note| {
            Some(match note {
                Note::Vote(vote) if from == 0 => Note::Vote(lie(vote)),
                Note::Told { epoch, newest, standing, votes, asks } if from == 0 => {
                    Note::Told { epoch, newest, standing, votes: votes.into_iter().map(lie).collect(), asks }
                }
                note => note,
            })
        };
        let mut world = World::new(vec![b, c, d], &second);
        world.run(&meddle);
        for k in [1, 2] {
            assert_eq!((world.stands(k).0, world.vault(k).entry()), (if k == 1 { 1 } else { 0 }, None), "{what}, at {k}");
            assert!(world.operations[k].vault_waits().is_some());
        }
    }
}

/// Of those with shares one says nothing: whoever has none signs nothing, and takes no vault that is not signed for by all the others.
#[test]
fn who_has_no_shares_waits_for_all_who_have() {
    let (mut parties, first) = four();
    let [a, b, c, d] = &mut parties;
    settle(&mut [a, b, c], 2, no_votes);
    let second = parameters(&[b, c, d], 2, Some((2, &first)));
    enter(&mut [b, c, d], &second);
    let mut world = World::new(vec![b, c, d], &second);
    let silent = |from: usize, _: usize, note| match note {
        Note::Vote(_) if from == 1 => None,
        Note::Told { epoch, newest, standing, asks, .. } if from == 1 => {
            Some(Note::Told { epoch, newest, standing, votes: Vec::new(), asks })
        }
        note => Some(note),
    };
    world.run(&silent);
    assert_eq!((world.vault(2).entry(), world.vault(2).settled().number()), (None, 0));
    assert_eq!(world.operations[0].vault_waits(), Some("for the signature of m1, m2".to_owned()));
    // What is said later is heard later.
    world.connect(1);
    world.operations[2].link_up(seat(1), NOW);
    world.go_on(2);
    world.run(&honest);
    assert_eq!([0, 1, 2].map(|k| world.stands(k).0), [2; 3]);
}

/// Votes of an epoch are nothing in the next one, and a member that missed one begins without its record.
#[test]
fn one_epoch_says_nothing_about_another() {
    let (mut parties, first) = four();
    let [a, b, c, d] = &mut parties;
    settle(&mut [a, b, c], 2, no_votes);
    let second = parameters(&[b, c], 2, Some((2, &first)));
    enter(&mut [b, c], &second);
    // d was not there yet; a hears of it, and comes back.
    let row = RoomEpoch { epoch: 2, sheet: b.store.room(ROOM.0).epoch(2).unwrap().unwrap().sheet };
    a.write(|room| room.put_epoch(&row));
    let kept = {
        let mut world = World::new(vec![b, c], &second);
        world.run(&honest);
        assert_eq!([0, 1].map(|k| world.stands(k)), [(2, 1, true); 2]);
        world.vault(0).tell()
    };
    let third = parameters(&[b, c, d, a], 2, Some((3, &second)));
    enter(&mut [b, c, d, a], &third);
    let mut world = World::new(vec![b, c, d, a], &third);
    let round = Kind::Abandoned(Round { epoch: 1, version: 2, attempt: 1 });
    let old = Vote::sign((ROOM, first.digest()), Statement { signer: seat(2), vote: round }, None, &world.parties[1].identity);
    for vote in kept.into_iter().chain([old]) {
        world.post.push_back((1, 0, Note::Vote(vote).encode()));
    }
    world.run(&honest);
    assert_eq!([0, 1, 2, 3].map(|k| world.stands(k)), [0, 1, 2, 3].map(|k| (3, 1, k != 2)));
    assert_eq!(world.shares(3, "k"), [1], "its share is one of the version that all have, whatever it has missed");
    let manifest = world.vault(2).settled();
    assert_eq!((manifest.members().len(), manifest.number()), (3, 1), "shares stay among a, b, c");
}

mod again;
mod kept;
mod spoiled;
