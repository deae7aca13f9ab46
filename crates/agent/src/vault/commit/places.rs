//! Parties under other numbers: a member has another seat in another list of members, and what is known of it moves along.

use super::{
    Record, State,
    statement::{Entry, Parties, Statement, Vote},
};
use cotenant_core::PartyId;

/// The new number of a party; none if it is of no interest any more.
type Places<'a> = &'a dyn Fn(PartyId) -> Option<PartyId>;

impl<R: Copy> State<R> {
    /// The same with every party under its new number, and without what those say who have none. This party has one, and different ones have different ones.
    #[must_use]
    pub fn placed(self, place: Places) -> Self {
        State { record: self.record.placed(place), synced: parties(self.synced, place), ..self }
    }
}

impl<R: Copy> Record<R> {
    /// As [`State::placed`].
    #[must_use]
    pub fn placed(self, place: Places) -> Self {
        Record {
            me: place(self.me).unwrap_or(self.me),
            members: parties(self.members, place),
            votes: self.votes.into_iter().filter_map(|(party, votes)| Some((place(party)?, votes))).collect(),
            entries: self.entries.into_iter().filter_map(|(party, entry)| Some((place(party)?, entry.placed(place)))).collect(),
            proof: self.proof.into_iter().filter_map(|statement| statement.placed(place)).collect(),
            ..self
        }
    }
}

impl<R: Copy> Statement<R> {
    /// As [`State::placed`]; none if its signer has no new number.
    pub fn placed(self, place: Places) -> Option<Self> {
        let vote = match self.vote {
            Vote::Entered(entry) => Vote::Entered(entry.placed(place)),
            vote => vote,
        };
        Some(Statement { signer: place(self.signer)?, vote })
    }
}

impl<R> Entry<R> {
    /// As [`State::placed`].
    #[must_use]
    pub fn placed(self, place: Places) -> Self {
        Entry { members: parties(self.members, place), lacking: parties(self.lacking, place), ..self }
    }
}

fn parties(all: Parties, place: Places) -> Parties {
    all.iter().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::commit::statement::{Round, Version, Votes};

    /// Of members 1, 2, 3, the second leaves and another comes first: 1 becomes 2, 3 stays.
    #[test]
    fn everything_that_is_known_of_a_party_moves_with_it() {
        let p = PartyId::new;
        let some = |list: &[usize]| list.iter().map(|&k| p(k)).collect::<Parties>();
        let base = Some(Version { number: 1, run: 7u8 });
        let entry =
            |members: &[usize], lacking: &[usize]| Entry { epoch: 2, members: some(members), threshold: 2, base, lacking: some(lacking) };
        let round = Round { epoch: 1, version: 2, attempt: 1 };
        let votes = |run| Votes { prepared: Some(run), closing: None };
        let record = |me, members: &[usize], known: &[(usize, u8)], entered: &[(usize, Entry<u8>)], proof: &[usize]| Record {
            votes: known.iter().map(|&(k, run)| (p(k), votes(run))).collect(),
            entries: entered.iter().map(|&(k, entry)| (p(k), entry)).collect(),
            proof: proof.iter().map(|&k| Statement { signer: p(k), vote: Vote::Prepared(round, 9) }).collect(),
            ..Record::founder(p(me), some(members))
        };
        let state = |record, synced: &[usize]| State { record, running: true, leaving: true, synced: some(synced) };
        let before = record(0, &[0, 1, 2], &[(0, 1), (1, 2), (2, 3)], &[(0, entry(&[0, 2, 3], &[3])), (1, entry(&[1], &[]))], &[0, 1, 2]);
        let after = record(1, &[1, 2], &[(1, 1), (2, 3)], &[(1, entry(&[1, 2, 0], &[0]))], &[1, 2]);
        let place = |party: PartyId| [Some(p(1)), None, Some(p(2)), Some(p(0))][party.index()];
        assert_eq!(state(before.clone(), &[1, 2, 3]).placed(&place), state(after, &[0, 2]));
        let same = state(before, &[1]);
        assert_eq!(same.clone().placed(&Some), same);
    }
}
