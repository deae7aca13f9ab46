//! The calm after a storm: nobody crashes, nobody lies, all that was sent arrives, runs end. All honest parties then stand in one round with one content.
//! If somebody lied, was put back to an old copy, lost its disk or has begun a new epoch, this may take an epoch that people agree on: it begins with the
//! highest version that any of them insists on. In the end all hold that version, can load it, and finish a save.
//!
//! A party that was put back to a copy from before it lost its disk may insist on a version that the others, with its consent, have left behind: it is
//! given up and comes back as one that has lost its disk.

use crate::Run;
use crate::properties::{OLD_IS_TOLD, SETTLES, agreed, has_too_few};
use crate::schedule::{Journey, Reached};
use crate::world::{Action, Model, World, run};
use cotenant_agent::vault::commit::statement::{Closing, Entry, Statement, Version, Vote};
use cotenant_agent::vault::commit::{Event, Record};
use cotenant_core::PartyId;

/// After the calm a save can be made, and all have the version that it makes and nothing else.
pub(crate) const SAVES: &str = "saves";

/// If nobody lied or forgot, the version with which the first member would have an epoch begin is the one that all accept.
pub(crate) const LEADS: &str = "leads";

type Step = Result<(), &'static str>;

pub(crate) fn calm(journey: &mut Journey, reached: &mut Reached) -> Step {
    journey.arrive()?;
    if !agreed(&journey.world) {
        ensure(journey.world.nodes.iter().all(|node| node.disk.old || !journey.forgot(&node.disk)), OLD_IS_TOLD)?;
        ensure(excused(&journey.model, &journey.world), SETTLES)?;
        let Some(entry) = journey.choose() else {
            reached.short = u64::from(journey.model.is_short(&journey.world));
            reached.blocked = 1 - reached.short;
            // Where as many shares can be spared as parties lose theirs, there are always enough.
            let spare = usize::from(journey.model.threshold) < journey.model.members().len();
            return ensure(if reached.short == 1 { !spare } else { journey.blocked() }, SETTLES);
        };
        ensure(!journey.leads() || journey.first_base() == Some(entry.base), LEADS)?;
        let Some(discarded) = journey.new_epoch(entry)? else {
            reached.short = 1;
            return Ok(());
        };
        (reached.entered, reached.discarded) = (1, discarded);
    }
    ensure(agreed(&journey.world), SETTLES)?;
    journey.save()
}

fn ensure(holds: bool, property: &'static str) -> Step {
    if holds { Ok(()) } else { Err(property) }
}

/// Whether only a new epoch may help.
fn excused(model: &Model, world: &World) -> bool {
    model.liars > 0 || world.nodes.iter().any(|node| !node.reliable() || node.state.leaving || node.disk.entering().is_some())
}

impl Journey {
    /// Whether a party has signed something for its round, a later one or an epoch to come that is not in its record.
    fn forgot(&self, record: &Record<Run>) -> bool {
        let known = record.tell();
        let ahead = |vote: &Vote<Run>| match vote {
            Vote::Entered(entry) => entry.epoch > record.entering().map_or(record.epoch, |own| own.epoch),
            _ => vote.round() >= Some(record.round()),
        };
        let mut own = self.world.sent.iter().filter(|statement| statement.signer == record.me);
        own.any(|statement| ahead(&statement.vote) && !known.contains(statement))
    }

    fn leads(&self) -> bool {
        self.model.liars == 0 && self.world.nodes.iter().all(|node| node.gap == 0)
    }

    fn first_base(&self) -> Option<Option<Version<Run>>> {
        self.world.nodes.iter().map(|node| &node.state.record).find(|record| !record.old).map(Record::base)
    }

    /// Whether a party has entered an epoch with what all have prepared, because of COMMITTED only of members that lie or have forgotten that they signed it:
    /// they can have led the others away from it.
    fn blocked(&self) -> bool {
        let World { nodes, sent, .. } = &self.world;
        let relied_on = |signer: PartyId| nodes.get(signer.index()).is_some_and(|node| node.gap == 0);
        nodes.iter().map(|node| &node.state.record).any(|record| {
            let Some(base) = record.entering().and_then(|entry| entry.base).filter(|base| Some(*base) == record.pending()) else {
                return false;
            };
            let vote = Vote::Prepared(record.round(), base.run);
            let prepared = nodes.iter().all(|node| sent.binary_search(&Statement { signer: node.disk.me, vote }).is_ok());
            let mut committed = record.votes.iter().filter(|(_, votes)| votes.closing == Some(Closing::Committed(base.run)));
            prepared && !committed.any(|(&signer, _)| relied_on(signer))
        })
    }

    /// All links come up, all that was ever sent arrives, runs end: until nothing changes.
    fn arrive(&mut self) -> Step {
        loop {
            let before: Vec<_> = self.world.nodes.iter().map(|node| node.state.clone()).collect();
            for me in PartyId::all(self.model.honest) {
                self.arrive_at(me)?;
            }
            if self.world.nodes.iter().map(|node| &node.state).eq(&before) {
                return Ok(());
            }
        }
    }

    fn arrive_at(&mut self, me: PartyId) -> Step {
        if self.world.node(me).state.running {
            let whole = self.model.all_took_part(&self.world, me);
            self.apply(if whole { Action::Finish(me, None) } else { Action::Fail(me, None) })?;
        }
        for other in self.model.members().iter().filter(|&other| other != me) {
            self.apply(Action::Sync(me, other))?;
        }
        for statement in self.world.sent.clone() {
            if self.model.matters(&self.world, me, Event::Heard(statement)) {
                self.apply(Action::Deliver(me, statement, None))?;
            }
        }
        Ok(())
    }

    /// People agree on an epoch; those who lied sign it as well. How many old copies had to be given up; nothing if too few shares are left without them.
    fn new_epoch(&mut self, mut entry: Entry<Run>) -> Result<Option<u64>, &'static str> {
        let refuses = |journey: &Journey, me| journey.world.node(me).state.may_enter(&entry).is_err();
        let given_up: Vec<_> = PartyId::all(self.model.honest).filter(|&me| refuses(self, me)).collect();
        for &me in &given_up {
            self.world.left.losses = 1;
            self.apply(Action::Lose(me))?;
        }
        if !given_up.is_empty() {
            self.arrive()?;
            entry = self.model.entry(&self.world, entry.epoch, entry.base.expect("all have begun with a version"));
            if has_too_few(&entry) {
                return Ok(None);
            }
        }
        for me in PartyId::all(self.model.honest) {
            self.apply(Action::Enter(me, entry, None))?;
        }
        self.liars_sign(Vote::Entered(entry))?;
        self.arrive()?;
        Ok(Some(given_up.len() as u64))
    }

    /// The epoch after all that anyone knows of, from the highest version that somebody insists on and that all members whose memory is whole accept.
    fn choose(&self) -> Option<Entry<Run>> {
        let nodes = &self.world.nodes;
        let epochs =
            nodes.iter().flat_map(|node| node.state.record.entries.values().map(|entry| entry.epoch).chain([node.disk.epoch, node.gap]));
        let epoch = 1 + epochs.max().expect("there are parties");
        let mut bases: Vec<Version<Run>> = nodes.iter().filter_map(|node| node.state.record.insists()).collect();
        bases.sort();
        let mut entries = bases.into_iter().rev().map(|base| self.model.entry(&self.world, epoch, base));
        entries.find(|entry| nodes.iter().filter(|node| node.reliable()).all(|node| node.state.may_enter(entry).is_ok()))
    }

    fn liars_sign(&mut self, vote: Vote<Run>) -> Step {
        for signer in self.model.lying() {
            for me in PartyId::all(self.model.honest) {
                self.apply(Action::Deliver(me, Statement { signer, vote }, None))?;
            }
        }
        Ok(())
    }

    /// A save that nothing disturbs.
    fn save(&mut self) -> Step {
        ensure(self.world.nodes.iter().all(|node| self.loads(&node.disk)), SAVES)?;
        let round = self.world.nodes[0].disk.round();
        let new = Version { number: round.version, run: run(round.epoch, round.attempt, 1) };
        for me in PartyId::all(self.model.honest) {
            self.apply(Action::Begin(me, 1))?;
        }
        for me in PartyId::all(self.model.honest) {
            self.apply(Action::Finish(me, None))?;
        }
        self.liars_sign(Vote::Prepared(round, new.run))?;
        self.liars_sign(Vote::Committed(round, new.run))?;
        self.arrive()?;
        let has_it = |world: &World| {
            let mut nodes = world.nodes.iter();
            nodes.all(|node| {
                node.shares == [new] && node.disk.settled == Some(new) && (self.model.machine.loadable)(&node.disk) == Some(new)
            })
        };
        ensure(agreed(&self.world) && has_it(&self.world), SAVES)
    }

    /// Whether this party gives its share of what is settled, or has entered without one.
    fn loads(&self, record: &Record<Run>) -> bool {
        let loads = (self.model.machine.loadable)(record);
        if record.holds {
            loads == record.settled && self.world.node(record.me).shares.contains(&loads.expect("settled"))
        } else {
            loads.is_none()
        }
    }
}
