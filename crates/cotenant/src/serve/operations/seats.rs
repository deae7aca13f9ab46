//! By which numbers the commit machine of a vault knows parties while the room goes from one epoch to another: first the seats of the epoch that the room
//! is in, then, in their order, those of the vault's epoch who have none, then those of an epoch between that this party was about to enter. Votes mean
//! parties by their seats in the epoch that they are about.

use super::note::Vote;
use cotenant_agent::{
    room::Parameters,
    vault::commit::statement::{self, Parties, Statement},
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::PublicIdentity;

/// The most parties that can be told apart.
const MOST: usize = 64;

/// The members of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Members {
    /// Which epoch; 0 for nobody's.
    pub(super) epoch: u32,
    /// Digest of its parameters.
    pub(super) parameters: Digest,
    /// By their seats.
    pub(super) keys: Vec<PublicIdentity>,
}

impl From<&Parameters> for Members {
    fn from(parameters: &Parameters) -> Self {
        Members { epoch: parameters.charter().epoch, parameters: parameters.digest(), keys: parameters.keys().collect() }
    }
}

impl Members {
    /// Of no epoch: where one stands that comes new.
    pub(super) fn nobody() -> Self {
        Members { epoch: 0, parameters: Digest([0; 32]), keys: Vec::new() }
    }
}

/// Parties by numbers.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    then: Members,
    between: Option<Members>,
    now: Members,
    all: Vec<PublicIdentity>,
}

impl Seats {
    /// For a vault that is in the epoch `then` of a room that is in the epoch `now`, and was about to enter the one `between`. None if they have more than 64
    /// members together.
    pub(super) fn new(then: Members, between: Option<Members>, now: Members) -> Option<Seats> {
        let mut all = now.keys.clone();
        for key in then.keys.iter().chain(between.iter().flat_map(|members| &members.keys)) {
            if !all.contains(key) {
                all.push(*key);
            }
        }
        (all.len() <= MOST).then_some(Seats { then, between, now, all })
    }

    /// Whether the members of a further epoch can be told apart from all of these.
    pub(super) fn have_room_for(&self, keys: impl Iterator<Item = PublicIdentity>) -> bool {
        self.all.len() + keys.filter(|key| !self.all.contains(key)).count() <= MOST
    }

    /// The members of the room.
    pub(super) fn now(&self) -> &Members {
        &self.now
    }

    /// The members of an epoch, if it is one of these.
    pub(super) fn of(&self, epoch: u32) -> Option<&Members> {
        [&self.now, &self.then].into_iter().chain(&self.between).find(|members| members.epoch == epoch)
    }

    /// Who has this number.
    pub(super) fn key(&self, party: PartyId) -> Option<&PublicIdentity> {
        self.all.get(party.index())
    }

    /// The number of this key.
    pub(super) fn party(&self, key: &PublicIdentity) -> Option<PartyId> {
        self.all.iter().position(|other| other == key).map(PartyId::new)
    }

    /// The statement of a vote with parties by their numbers. None if it is about no such epoch, or names seats that there are not.
    pub(super) fn inward(&self, vote: &Vote) -> Option<Statement<Digest>> {
        let members = self.of(epoch_of(&vote.statement.vote))?;
        self.placed(vote.statement, &|seat| self.party(members.keys.get(seat.index())?))
    }

    /// The statement with parties by their seats in the epoch that it is about. None if that is none of these.
    pub(super) fn outward(&self, statement: Statement<Digest>) -> Option<Statement<Digest>> {
        let members = self.of(epoch_of(&statement.vote))?;
        self.placed(statement, &|party| {
            let key = self.key(party)?;
            members.keys.iter().position(|other| other == key).map(PartyId::new)
        })
    }

    fn placed(&self, from: Statement<Digest>, place: &dyn Fn(PartyId) -> Option<PartyId>) -> Option<Statement<Digest>> {
        let to = from.placed(place)?;
        let all = |one: Parties, other: Parties| one.len() == other.len();
        match (from.vote, to.vote) {
            (statement::Vote::Entered(one), statement::Vote::Entered(other)) => {
                (all(one.members, other.members) && all(one.lacking, other.lacking)).then_some(to)
            }
            _ => Some(to),
        }
    }
}

/// The epoch that a vote is about.
pub(super) fn epoch_of(vote: &statement::Vote<Digest>) -> u32 {
    match vote {
        statement::Vote::Entered(entry) => entry.epoch,
        statement::Vote::Prepared(round, _) | statement::Vote::Committed(round, _) | statement::Vote::Abandoned(round) => round.epoch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_agent::vault::commit::statement::{Entry, Round, Vote as Kind};
    use cotenant_net::Identity;

    /// Of a, b, c the second leaves, and d comes first.
    #[test]
    fn votes_mean_seats_of_their_own_epoch() {
        let [a, b, c, d] = [0; 4].map(|_| Identity::generate().unwrap().public());
        let members = |epoch, keys: &[PublicIdentity]| Members { epoch, parameters: Digest([epoch as u8; 32]), keys: keys.to_vec() };
        let seats = Seats::new(members(1, &[a, b, c]), None, members(3, &[d, a, c])).unwrap();
        assert_eq!([a, b, c, d].map(|key| seats.party(&key).unwrap().index()), [1, 3, 2, 0]);
        let vote =
            |signer, vote| Vote { statement: Statement { signer: PartyId::new(signer), vote }, signature: [0; 64], begins_with: None };
        let round = |epoch| Kind::Abandoned(Round { epoch, version: 1, attempt: 1 });
        let inward = |vote: &Vote| seats.inward(vote).map(|statement| statement.signer.index());
        for (signer, then, now) in [(0, 1, 0), (1, 3, 1), (2, 2, 2)] {
            assert_eq!((inward(&vote(signer, round(1))), inward(&vote(signer, round(3)))), (Some(then), Some(now)), "{signer}");
        }
        assert_eq!((inward(&vote(0, round(2))), inward(&vote(3, round(1)))), (None, None), "no such epoch, no such seat");
        let some = |list: &[usize]| list.iter().map(|&k| PartyId::new(k)).collect::<Parties>();
        let entered = |members: &[usize], lacking: &[usize]| {
            Kind::Entered(Entry { epoch: 3, members: some(members), threshold: 2, base: None, lacking: some(lacking) })
        };
        assert_eq!((inward(&vote(0, entered(&[0, 1, 2], &[0]))), inward(&vote(0, entered(&[0, 1, 2, 3], &[0])))), (Some(0), None));
        assert_eq!(inward(&vote(0, entered(&[0, 1, 2], &[5]))), None);
        for vote in [vote(2, round(1)), vote(1, round(3)), vote(0, entered(&[0, 2], &[2]))] {
            assert_eq!(seats.outward(seats.inward(&vote).unwrap()), Some(vote.statement));
        }
        let many: Vec<_> = (0..40).map(|_| Identity::generate().unwrap().public()).collect();
        assert!(Seats::new(members(1, &many), None, members(2, &many)).is_some());
        let others: Vec<_> = (0..40).map(|_| Identity::generate().unwrap().public()).collect();
        assert!(Seats::new(members(1, &many), None, members(2, &others)).is_none());
        assert!(Seats::new(members(1, &many), Some(members(2, &others)), members(3, &many)).is_none());
    }

    /// Of an epoch that was begun between two others nobody is forgotten, whoever was in it alone.
    #[test]
    fn an_epoch_between_has_its_members() {
        let [a, b, c, d] = [0; 4].map(|_| Identity::generate().unwrap().public());
        let members = |epoch, keys: &[PublicIdentity]| Members { epoch, parameters: Digest([epoch as u8; 32]), keys: keys.to_vec() };
        let seats = Seats::new(members(1, &[a, b]), Some(members(2, &[a, c])), members(3, &[a, d])).unwrap();
        assert_eq!([a, b, c, d].map(|key| seats.party(&key).unwrap().index()), [0, 2, 3, 1]);
        let entry = Entry { epoch: 2, members: Parties::first(2), threshold: 1, base: None, lacking: Parties::NONE };
        let statement = Statement { signer: PartyId::new(1), vote: Kind::Entered(entry) };
        let inward = seats.inward(&Vote { statement, signature: [0; 64], begins_with: None }).unwrap();
        let all = [0, 3].map(PartyId::new).into_iter().collect();
        assert_eq!(inward, Statement { signer: PartyId::new(3), vote: Kind::Entered(Entry { members: all, ..entry }) });
        assert_eq!(seats.outward(inward), Some(statement));
    }
}
