use super::{super::testing::*, *};
use crate::room::Limits;
use cotenant_core::Domain;
use rand_core::Rng;
use std::collections::VecDeque;

/// A member on a disk that keeps what was written, whose people approve everything or nothing.
struct Node {
    disk: Vec<u8>,
    kept: Vec<Signed>,
    state: State,
    approves: bool,
    reports: Vec<Report>,
}

/// Members with links to each other; mail arrives in order, or as a test takes it.
struct World {
    nodes: Vec<(usize, Node)>,
    mail: VecDeque<(usize, usize, Sheet)>,
    /// How many effects are still carried out before the member whose turn it is dies.
    life: Option<usize>,
}

impl Node {
    fn new(record: Record) -> Node {
        let (disk, kept) = (record.encode(), record.in_force.iter().cloned().collect());
        Node { disk, kept, state: State::restart(record), approves: true, reports: Vec::new() }
    }
}

impl World {
    fn new(records: Vec<(usize, Record)>) -> World {
        World {
            nodes: records.into_iter().map(|(number, record)| (number, Node::new(record))).collect(),
            mail: VecDeque::new(),
            life: None,
        }
    }

    /// A founder and those that joined, for `parameters` of the first members.
    fn founding(parameters: &Parameters) -> World {
        let admission = |_| crate::room::join::Admission {
            inviter: member(0).key,
            charter: parameters.charter().clone(),
            base: None,
            phrase: crate::room::Phrase::from_bytes([0; 9]).unwrap(),
        };
        let newcomer = |number| (number, Record::newcomer(member(number).key, admission(number)));
        World::new([(0, Record::founder(member(0).key))].into_iter().chain((1..parameters.members().len()).map(newcomer)).collect())
    }

    /// Members of a room in force, and newcomers who agreed to `next`.
    fn changing(force: &Parameters, next: &Parameters, newcomers: &[usize]) -> World {
        let force = in_force(force);
        let record = |me, charter| Record { me, charter, in_force: Some(force.clone()), ahead: Vec::new(), mine: None };
        let old = (0..force.parameters().members().len()).map(|number| (number, record(member(number).key, None)));
        let new = newcomers.iter().map(|&number| (number, record(member(number).key, Some(next.charter().digest()))));
        World::new(old.chain(new).collect())
    }

    fn node(&mut self, number: usize) -> &mut Node {
        &mut self.nodes.iter_mut().find(|(other, _)| *other == number).expect("a node").1
    }

    /// One event at one member, who may die on the way and starts again from its disk.
    fn event(&mut self, number: usize, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let node = self.node(number);
            let (state, effects) = step(node.state.clone(), identity(number), event);
            node.state = state;
            for effect in effects {
                if let Some(life) = &mut self.life {
                    if *life == 0 {
                        self.life = None;
                        return self.restart(number);
                    }
                    *life -= 1;
                }
                events.extend(self.carry_out(number, effect));
            }
        }
    }

    fn carry_out(&mut self, number: usize, effect: Effect) -> Option<Event> {
        let node = self.node(number);
        match effect {
            Effect::Persist(record) => node.disk = record.encode(),
            Effect::Enter(record, entered) => {
                node.disk = record.encode();
                node.kept.extend(entered);
            }
            Effect::Send(to, sheet) => self.send(number, to, *sheet),
            Effect::Teach(to, epoch) => {
                let later: Vec<Signed> = node.kept.iter().filter(|kept| kept.parameters().charter().epoch > epoch).cloned().collect();
                later.into_iter().for_each(|kept| self.send(number, to, kept.sheet().clone()));
            }
            Effect::Ask(digest, lines) => {
                assert!(!lines.is_empty());
                return node.approves.then_some(Event::Approve(digest));
            }
            Effect::Report(report) => node.reports.push(report),
        }
        None
    }

    fn send(&mut self, from: usize, to: PublicIdentity, sheet: Sheet) {
        if let Some((to, _)) = self.nodes.iter().find(|(number, _)| identity(*number).public() == to) {
            let sheet = Sheet::decode(&sheet.encode()).expect("what is sent is read");
            self.mail.push_back((from, *to, sheet));
        }
    }

    /// Dies, loses what is on its way to it, starts, and its links come up.
    fn restart(&mut self, number: usize) {
        self.mail.retain(|(from, to, _)| *from != number && *to != number);
        let node = self.node(number);
        node.state = State::restart(Record::decode(&node.disk).expect("what was written is read"));
        self.link(number);
    }

    fn link(&mut self, number: usize) {
        let others: Vec<usize> = self.nodes.iter().map(|(other, _)| *other).filter(|other| *other != number).collect();
        for other in others {
            self.event(number, Event::Linked(identity(other).public()));
            self.event(other, Event::Linked(identity(number).public()));
        }
    }

    fn settle(&mut self) {
        for turn in 0.. {
            let Some((from, to, sheet)) = self.mail.pop_front() else { return };
            assert!(turn < 10_000, "members send each other sheets for ever");
            self.event(to, Event::Heard(identity(from).public(), Box::new(sheet)));
        }
    }

    fn propose(&mut self, number: usize, parameters: &Parameters) {
        self.event(number, Event::Propose(Box::new(parameters.clone())));
    }

    fn epoch_of(&mut self, number: usize) -> Option<Digest> {
        self.node(number).state.record.in_force().map(Signed::digest)
    }

    fn all_in(&mut self, parameters: &Parameters, numbers: &[usize]) -> bool {
        numbers.iter().all(|&number| self.epoch_of(number) == Some(parameters.digest()))
    }
}

fn with_limit(old: &Parameters, epoch: u32, call: u32) -> Parameters {
    let charter = crate::room::Charter {
        epoch,
        previous: Some(old.digest()),
        limits: Limits { call, server: 1, ..Limits::default() },
        ..old.charter().clone()
    };
    Parameters::new(charter, old.members().to_vec()).unwrap()
}

/// Runs a proposal with a death after each number of effects until nobody dies any more; returns how many deaths there were.
fn die_at_each_step(start: impl Fn() -> World, parameters: &Parameters, expected: &[usize]) -> usize {
    for life in 0.. {
        let mut world = start();
        world.life = Some(life);
        world.propose(0, parameters);
        world.settle();
        let died = world.life.is_none();
        world.life = None;
        world.settle();
        world.propose(0, parameters); // people who saw their party die want it still
        world.settle();
        assert!(world.all_in(parameters, expected), "died after {life} effects");
        for number in expected {
            let kept: Vec<Digest> = world.node(*number).kept.iter().map(Signed::digest).collect();
            assert_eq!(kept.iter().filter(|digest| **digest == parameters.digest()).count(), 1);
        }
        if !died {
            return life;
        }
    }
    unreachable!()
}

#[test]
fn a_room_is_founded_whenever_a_member_dies() {
    for n in [2, 3] {
        let parameters = room(n, 2);
        let all: Vec<usize> = (0..n.into()).collect();
        let deaths = die_at_each_step(|| World::founding(&parameters), &parameters, &all);
        assert!(deaths >= 10, "{deaths}");
    }
}

#[test]
fn a_room_is_changed_whenever_a_member_dies() {
    let old = room(3, 2);
    let joined = following(&old, 2, &[0, 1, 2, 3], 3);
    die_at_each_step(|| World::changing(&old, &joined, &[3]), &joined, &[0, 1, 2, 3]);
    let replaced = following(&old, 2, &[0, 1, 4], 2);
    let without_the_lost = || {
        let mut world = World::changing(&old, &replaced, &[4]);
        world.nodes.retain(|(number, _)| *number != 2);
        world
    };
    die_at_each_step(without_the_lost, &replaced, &[0, 1, 4]);
}

#[test]
fn with_all_of_n_nobody_is_replaced_without_signing() {
    let old = room(3, 3);
    let replaced = following(&old, 2, &[0, 1, 4], 3);
    let mut world = World::changing(&old, &replaced, &[4]);
    world.node(2).approves = false;
    world.propose(0, &replaced);
    world.settle();
    assert!(world.all_in(&old, &[0, 1, 2]) && world.epoch_of(4).is_none());
    world.node(2).approves = true;
    world.event(2, Event::Approve(replaced.digest()));
    world.settle();
    assert!(world.all_in(&replaced, &[0, 1, 4]) && world.epoch_of(2).is_none());
    assert_eq!(world.node(2).reports, [Report::Removed]);
}

#[test]
fn a_withheld_signature_founds_nothing_until_it_is_given() {
    let parameters = room(3, 2);
    let mut world = World::founding(&parameters);
    world.node(2).approves = false;
    world.propose(0, &parameters);
    world.settle();
    assert!([0, 1, 2].iter().all(|&number| world.epoch_of(number).is_none()));
    (0..3).for_each(|number| world.restart(number));
    world.settle();
    assert!([0, 1, 2].iter().all(|&number| world.epoch_of(number).is_none()));
    world.event(2, Event::Approve(parameters.digest()));
    world.settle();
    assert!(world.all_in(&parameters, &[0, 1, 2]));
}

#[test]
fn a_founder_that_shows_different_rooms_is_named() {
    // The charter, to which the joiners agreed, is the same; the founder lists itself with other addresses.
    let honest = room(3, 2);
    let mut members = honest.members().to_vec();
    members[0].addresses.clear();
    let other = Parameters::new(honest.charter().clone(), members).unwrap();
    let mut world = World::founding(&honest);
    world.nodes.remove(0);
    for (parameters, to) in [(&honest, 1), (&other, 2)] {
        let sheet = Sheet::new(parameters.clone(), signatures(parameters, [0])).unwrap();
        world.event(to, Event::Heard(member(0).key, Box::new(sheet)));
    }
    world.settle();
    for number in [1, 2] {
        let proof = world.node(number).reports.iter().find_map(|report| match report {
            Report::SignedTwice(signers, sheets) => Some((signers.clone(), sheets[0].signed_twice(&sheets[1]))),
            _ => None,
        });
        assert_eq!(proof, Some((vec![member(0).key], vec![member(0).key])));
        assert!(world.epoch_of(number).is_none());
    }
}

#[test]
fn a_new_member_signs_only_the_charter_that_it_agreed_to() {
    let agreed = room(2, 2);
    let other =
        Parameters::new(crate::room::Charter { name: "other".into(), ..agreed.charter().clone() }, agreed.members().to_vec()).unwrap();
    let mut world = World::founding(&agreed);
    world.propose(0, &other);
    world.settle();
    assert_eq!(world.node(1).reports, [Report::OtherCharter(member(0).key)]);
    world.propose(1, &other);
    assert_eq!(world.node(1).reports[1], Report::Refused(Refusal::Charter));
    assert!(world.node(1).state.record.signed().is_none());
}

#[test]
fn a_room_of_another_engine_can_be_left_and_not_entered() {
    let old = room(2, 2);
    let mut charter = with_limit(&old, 2, 100).charter().clone();
    charter.engine.protocol += 1;
    let newer = Parameters::new(charter, old.members().to_vec()).unwrap();
    let mut world = World::changing(&old, &old, &[]);
    world.propose(0, &newer);
    assert_eq!(world.node(0).reports, [Report::Refused(Refusal::Engine)]);
    // From a room that a newer program made, back to this one.
    let mut world = World::changing(&newer, &newer, &[]);
    let back = crate::room::Draft::change(&newer, 3).parameters().unwrap();
    world.propose(0, &back);
    world.settle();
    assert!(world.all_in(&back, &[0, 1]));
}

#[test]
fn nothing_is_signed_twice_for_an_epoch_or_downwards() {
    let old = room(3, 3);
    let mut world = World::changing(&old, &old, &[]);
    world.propose(0, &with_limit(&old, 5, 100));
    let signed = world.node(0).state.record.clone();
    world.propose(0, &with_limit(&old, 5, 200));
    world.propose(0, &with_limit(&old, 4, 200));
    assert_eq!(world.node(0).reports, [5, 5].map(|epoch| Report::Refused(Refusal::Signed(epoch))));
    assert!(world.node(0).state.record == signed && signed.next_epoch() == 6);
    world.event(0, Event::Approve(Domain::Circuit.hasher().digest()));
    let foreign = following(&old, 6, &[1, 2], 2);
    let mut outside = World::new(vec![(7, Record { me: member(7).key, ..signed.clone() })]);
    outside.propose(7, &with_limit(&old, 6, 1));
    assert_eq!(outside.node(7).reports, [Report::Refused(Refusal::NoPart)]);
    world.propose(0, &foreign);
    assert_eq!(world.node(0).reports[2..], [Report::Refused(Refusal::Unknown)], "one that leaves takes part");
}

#[test]
fn a_proposal_that_was_left_behind_cannot_come_back_but_be_followed() {
    let old = room(4, 4);
    let (first, second) = (with_limit(&old, 2, 100), with_limit(&old, 3, 200));
    let mut world = World::changing(&old, &old, &[]);
    (0..4).for_each(|number| world.node(number).approves = false);
    // 0, 1 and 3 sign the first; 2 keeps its signature back. 0 and 3 go on to the second.
    world.propose(0, &first);
    world.settle();
    [1, 3].iter().for_each(|&number| world.event(number, Event::Approve(first.digest())));
    world.settle();
    world.propose(0, &second);
    world.settle();
    world.event(3, Event::Approve(second.digest()));
    world.settle();
    // Now 2 shows the first with all signatures, to all.
    let complete = Sheet::new(first.clone(), signatures(&first, 0..4)).unwrap();
    (0..4).filter(|&number| number != 2).for_each(|number| world.event(number, Event::Heard(member(2).key, Box::new(complete.clone()))));
    world.mail.clear();
    assert!(world.all_in(&first, &[1]) && world.all_in(&old, &[0, 3]));
    assert!(world.node(0).reports.contains(&Report::LeftBehind(2)) && world.node(3).reports.contains(&Report::LeftBehind(2)));
    world.event(1, Event::Heard(member(0).key, Box::new(Sheet::new(second.clone(), signatures(&second, [0, 2, 3])).unwrap())));
    world.event(1, Event::Approve(second.digest()));
    assert!(matches!(world.node(1).reports[..], [Report::Useless(_, Fault::Previous), Report::Refused(Refusal::Unknown)]));
    // A further change on top of the first brings all together, also over a restart of those left behind.
    let third = with_limit(&first, world.node(0).state.record.next_epoch(), 300);
    assert_eq!(third.charter().epoch, 4);
    world.restart(0);
    world.settle();
    world.propose(0, &third);
    world.settle();
    (1..4).for_each(|number| {
        world.event(number, Event::Heard(member(2).key, Box::new(complete.clone())));
        world.event(number, Event::Approve(third.digest()));
    });
    world.settle();
    (1..4).for_each(|number| world.event(number, Event::Approve(third.digest())));
    world.settle();
    assert!(world.all_in(&third, &[0, 1, 2, 3]));
    let chain: Vec<u32> = world.node(0).kept.iter().map(|kept| kept.parameters().charter().epoch).collect();
    assert_eq!(chain, [1, 2, 4]);
}

#[test]
fn one_that_was_away_is_taught_and_one_restored_finds_its_own_signature() {
    let old = room(3, 2);
    let (first, second) = (following(&old, 2, &[0, 1, 2], 3), with_limit(&following(&old, 2, &[0, 1, 2], 3), 3, 100));
    let mut world = World::changing(&old, &old, &[]);
    let before = world.node(2).disk.clone();
    world.propose(0, &first);
    world.settle();
    world.propose(0, &second);
    world.settle();
    assert!(world.all_in(&second, &[0, 1, 2]));
    // Its disk is a copy of before all that.
    world.node(2).disk = before.clone();
    world.restart(2);
    world.settle();
    assert!(world.all_in(&second, &[2]));
    // A copy of before it signed, while that is under way: it does not sign another for the epoch.
    let third = with_limit(&second, 4, 50);
    world.node(1).approves = false;
    let before = world.node(2).disk.clone();
    world.propose(0, &third);
    world.settle();
    world.node(2).disk = before;
    world.restart(2);
    world.settle();
    world.propose(2, &with_limit(&second, 4, 60));
    assert_eq!(world.node(2).reports.last(), Some(&Report::Refused(Refusal::Signed(4))));
}

#[test]
fn useless_sheets_change_nothing_and_name_their_sender() {
    let old = room(3, 3);
    let new = with_limit(&old, 2, 100);
    let mut world = World::changing(&old, &old, &[]);
    world.node(1).approves = false;
    let before = world.node(1).state.clone();
    let heard = |world: &mut World, from: usize, parameters: &Parameters, by: &[usize]| {
        let sheet = Sheet::new(parameters.clone(), signatures(parameters, by.iter().copied())).unwrap();
        world.event(1, Event::Heard(member(from).key, Box::new(sheet)));
        world.node(1).reports.pop()
    };
    let useless = |from: usize, fault| Some(Report::Useless(member(from).key, fault));
    assert_eq!(heard(&mut world, 5, &new, &[0]), useless(5, Fault::Stranger(member(5).key)));
    assert_eq!(heard(&mut world, 0, &new, &[0, 5]), useless(0, Fault::Stranger(member(5).key)));
    assert_eq!(heard(&mut world, 0, &new, &[]), useless(0, Fault::Unsigned));
    assert_eq!(heard(&mut world, 0, &with_limit(&new, 3, 9), &[0]), useless(0, Fault::Previous));
    let mut other_room = new.charter().clone();
    other_room.room.0[0] ^= 1;
    assert_eq!(heard(&mut world, 0, &Parameters::new(other_room, new.members().to_vec()).unwrap(), &[0]), useless(0, Fault::Room));
    assert!(world.node(1).state == before && world.mail.is_empty());
    // Two proposals for one epoch by different members stand beside each other.
    assert_eq!(heard(&mut world, 0, &new, &[0]), None);
    assert_eq!(heard(&mut world, 2, &with_limit(&old, 2, 7), &[2]), Some(Report::Differs(member(2).key)));
    assert_eq!(world.node(1).state.pending.len(), 2);
    world.event(1, Event::Dismiss(new.digest()));
    assert_eq!(world.node(1).state.pending.keys().copied().collect::<Vec<_>>(), [member(2).key]);
}

#[test]
fn records_are_read_strictly() {
    let old = room(2, 2);
    let (first, mine) = (with_limit(&old, 2, 9), with_limit(&old, 3, 8));
    let record = Record {
        me: member(0).key,
        charter: Some(old.charter().digest()),
        in_force: Some(in_force(&old)),
        ahead: vec![in_force(&first)],
        mine: Some(Sheet::new(mine.clone(), signatures(&mine, [0])).unwrap()),
    };
    let bytes = record.encode();
    assert_eq!(Record::decode(&bytes), Ok(record.clone()));
    for at in (0..bytes.len()).filter(|at| at % 7 == 0 || *at < 100) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Record::decode(&bytes[..at]).is_err(), "{at}");
        assert!(Record::decode(&changed).map_or(true, |other| other != record && other.encode() == changed), "{at}");
    }
    assert!(Record::decode(&[&bytes[..], &[0]].concat()).is_err());
}

/// One of four lies: it signs whatever it sees, shows it to whom it likes, when it likes. Messages are lost and late, members die, people approve or not.
/// However that goes, what one honest member has entered continues what another has.
#[test]
fn honest_members_never_enter_different_branches() {
    const LIAR: usize = 2;
    let old = room(4, 4);
    let (mut entered, mut behind) = (0, 0);
    for seed in 0..60 {
        let mut rng = rng(seed);
        let mut pick = |n: usize| rng.next_u32() as usize % n;
        let mut world = World::changing(&old, &old, &[]);
        (0..4).for_each(|number| world.node(number).approves = false);
        let mut seen: Vec<Sheet> = Vec::new();
        for turn in 0..150 {
            let number = [0, 1, 3][pick(3)];
            match pick(12) {
                0 => {
                    let record = &world.node(number).state.record;
                    let on = if pick(2) == 0 { record.newest() } else { record.in_force() }.unwrap().parameters().clone();
                    let epoch = record.next_epoch();
                    world.propose(number, &with_limit(&on, epoch, 100 + turn));
                }
                1..=3 => {
                    let pending: Vec<Digest> = world.node(number).state.pending.values().map(Sheet::digest).collect();
                    if !pending.is_empty() {
                        world.event(number, Event::Approve(pending[pick(pending.len())]));
                    }
                }
                4 if pick(3) == 0 => world.restart(number),
                5..=6 if !seen.is_empty() => {
                    let mut sheet = seen[pick(seen.len())].clone();
                    let own = signatures(sheet.parameters(), [LIAR]);
                    sheet.merge(&Sheet::new(sheet.parameters().clone(), own).unwrap());
                    world.event(number, Event::Heard(member(LIAR).key, Box::new(sheet)));
                }
                _ => {
                    if !world.mail.is_empty() {
                        let at = pick(world.mail.len());
                        let (from, to, sheet) = world.mail.remove(at).unwrap();
                        match seen.iter_mut().find(|known| known.digest() == sheet.digest()) {
                            Some(known) => drop(known.merge(&sheet)),
                            None => seen.push(sheet.clone()),
                        }
                        if to != LIAR && pick(4) != 0 {
                            world.event(to, Event::Heard(identity(from).public(), Box::new(sheet)));
                        }
                    }
                }
            }
            let chain = |world: &mut World, number| world.node(number).kept.iter().map(Signed::digest).collect::<Vec<_>>();
            let chains = [0, 1, 3].map(|number| chain(&mut world, number));
            for (a, b) in [(0, 1), (0, 2), (1, 2)] {
                let shorter = chains[a].len().min(chains[b].len());
                assert_eq!(chains[a][..shorter], chains[b][..shorter], "seed {seed}, turn {turn}");
            }
        }
        for number in [0, 1, 3] {
            let node = world.node(number);
            entered += node.kept.len() - 1;
            behind += node.reports.iter().filter(|report| matches!(report, Report::LeftBehind(_))).count();
        }
    }
    assert!(entered > 20 && behind > 3, "{entered} entered, {behind} left behind: the test shows nothing");
}
