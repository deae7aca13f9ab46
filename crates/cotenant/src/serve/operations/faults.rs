//! Failed checks, counted for good: what a party whose checks fail may have learnt grows with each, so there is an end to it.
//!
//! A check of a session that fails here, or at another honest member of three or more, can tell a cheater a bit of a secret of that session with probability
//! one half (`docs/protocol/soundness.md`). Sessions have keys of their own; shares, and with them secrets, outlive them. A check that names one member counts
//! against it, any other against the members together. After [`MOST`] nothing is begun with that member, or at all, until people of this party have looked at it
//! and say why it may go on.

use super::{NotDone, Operations, running::FailedCheck};
use crate::store::{Against, Room, Source, StoreError};
use cotenant_agent::{approve::log::Event as Logged, room::Parameters, vault::commit::statement::Parties};
use cotenant_core::PartyId;
use std::{collections::BTreeMap, ops::Deref};

/// How many failed checks there may be before people have to look at them.
pub const MOST: u64 = 8;

/// Counters of failed checks: of each member, and, under none, of all together.
#[derive(Default)]
pub(super) struct Faults(BTreeMap<Option<PartyId>, u64>);

impl Faults {
    /// As they are stored.
    pub(super) fn open<S: Deref<Target: Source>>(stored: &Room<S>, parameters: &Parameters) -> Result<Faults, StoreError> {
        let mut counts = BTreeMap::from([(None, stored.faults(&Against::Members)?)]);
        for (seat, member) in PartyId::all(parameters.members().len()).zip(parameters.members()) {
            counts.insert(Some(seat), stored.faults(&Against::Party(member.key))?);
        }
        counts.retain(|_, count| *count > 0);
        Ok(Faults(counts))
    }
}

impl Operations {
    /// A check has failed in a run.
    pub(super) fn count_fault(&mut self, check: FailedCheck, now: i64) {
        let mut named = check.parties.iter();
        let who = match (named.next(), named.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        };
        self.write_log(now, Logged::FailedCheck { check: check.name, parties: check.parties });
        *self.faults.0.entry(who).or_default() += 1;
        let against = self.against(who);
        self.step.changes.faults.push(against);
    }

    /// Why nothing is begun with these members.
    pub(super) fn too_many_faults(&self, quorum: Parties) -> Option<String> {
        let concerns = |who: &Option<PartyId>| who.is_none_or(|party| quorum.contains(party));
        let (who, count) = self.faults.0.iter().find(|(who, count)| **count >= MOST && concerns(who))?;
        let (what, option) = match who {
            Some(party) => (format!("name {}", self.name(*party)), format!(" --member '{}'", self.name(*party))),
            None => ("name nobody alone".to_owned(), String::new()),
        };
        Some(format!("{count} failed checks {what}; find out why, then: cotenant room clear-checks{option} --reason WHY"))
    }

    /// People say why it may go on in spite of failed checks that name this member, or nobody alone.
    ///
    /// # Errors
    /// If there is nobody of that name.
    pub fn clear_faults(&mut self, member: Option<&str>, reason: String, now: i64) -> Result<(), NotDone> {
        let named = |name: &str| {
            let seat = self.setup.parameters.members().iter().position(|member| member.name == name);
            seat.map(PartyId::new).ok_or_else(|| NotDone::NoMember(name.to_owned()))
        };
        let party = member.map(named).transpose()?;
        self.faults.0.remove(&party);
        let against = self.against(party);
        self.step.changes.cleared.push(against);
        self.write_log(now, Logged::Cleared { party, reason });
        self.advance(now);
        Ok(())
    }

    /// What people should know about the room.
    pub fn notes(&self) -> Vec<String> {
        let told = |(who, count): (&Option<PartyId>, &u64)| {
            let checks = if *count == 1 { "1 failed check names".to_owned() } else { format!("{count} failed checks name") };
            match who {
                Some(party) => format!("{checks} {}; from {MOST} on nothing is begun with it", self.name(*party)),
                None => format!("{checks} nobody alone; from {MOST} on nothing is begun"),
            }
        };
        let everyone = Parties::first(self.n());
        self.faults.0.iter().map(told).chain(self.hindrance()).chain(self.too_many_faults(everyone)).collect()
    }

    fn against(&self, who: Option<PartyId>) -> Against {
        let member = who.and_then(|party| self.setup.parameters.members().get(party.index()));
        member.map_or(Against::Members, |member| Against::Party(member.key))
    }
}
