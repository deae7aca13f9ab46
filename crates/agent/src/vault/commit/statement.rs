//! What a party signs in the commit of a version: PREPARED, COMMITTED, ABANDONED, and ENTERED for a new epoch.
//!
//! The room and the item are not written here: the bytes that are signed name them, and whoever verifies a signature hands a statement only to the
//! machine of the room and item that it names, with the signer whose key of that epoch it verified under.

use cotenant_core::PartyId;
use std::fmt;

/// A set of parties by their seats in the room, of which there are at most 64.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Parties(u64);

impl Parties {
    /// Nobody.
    pub const NONE: Parties = Parties(0);

    /// The first `n` seats.
    ///
    /// # Panics
    /// If `n` is above 64.
    pub fn first(n: usize) -> Self {
        PartyId::all(n).collect()
    }

    /// Whether `party` is one of them.
    pub fn contains(self, party: PartyId) -> bool {
        party.index() < 64 && self.0 >> party.index() & 1 == 1
    }

    /// These and `party`.
    ///
    /// # Panics
    /// If the seat of `party` is 64 or above.
    pub fn with(self, party: PartyId) -> Self {
        assert!(party.index() < 64, "a room has at most 64 seats");
        Parties(self.0 | 1 << party.index())
    }

    /// These but not `others`.
    pub fn without(self, others: Parties) -> Self {
        Parties(self.0 & !others.0)
    }

    /// How many.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether they are nobody.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each, in the order of the seats.
    pub fn iter(self) -> impl Iterator<Item = PartyId> + Clone {
        PartyId::all(64).filter(move |&party| self.contains(party))
    }
}

impl FromIterator<PartyId> for Parties {
    fn from_iter<I: IntoIterator<Item = PartyId>>(parties: I) -> Self {
        parties.into_iter().fold(Parties::NONE, Parties::with)
    }
}

impl fmt::Debug for Parties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What a vote is about: one attempt to write one version in one epoch. Later rounds are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Round {
    /// The epoch of the room, from 1.
    pub epoch: u32,
    /// The version that is written, from 1.
    pub version: u64,
    /// The attempt at it in this epoch, from 1.
    pub attempt: u32,
}

/// A version: its number and the run of the joint computation that made its shares. Shares of the same number from two runs do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version<R> {
    /// From 1.
    pub number: u64,
    /// The digest of the run, which binds the operation, its parties and the round.
    pub run: R,
}

/// How the members go on together after votes can no longer: all who are in `members` sign the same entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry<R> {
    /// The epoch that is entered.
    pub epoch: u32,
    /// Who is a member in it.
    pub members: Parties,
    /// How many members must not be in `lacking`: the most that any item of `base` takes of them, which is as many as make it up but for those in `lacking`
    /// that have a share of this item. With one item it is as many as make it up.
    pub threshold: u8,
    /// The version that it begins with; none if nothing was ever saved.
    pub base: Option<Version<R>>,
    /// Members that do not have a share of everything in `base`, until the next saves give them one.
    pub lacking: Parties,
}

/// What can be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vote<R> {
    /// "My share of what `run` made is on disk, was read back and loaded with a right tag."
    Prepared(Round, R),
    /// "I have seen PREPARED of all members for `run`; I never abandon this round."
    Committed(Round, R),
    /// "I never commit in this round, whichever run."
    Abandoned(Round),
    /// "I enter this epoch and take no further part in an earlier one."
    Entered(Entry<R>),
}

/// A vote whose signature has been verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Statement<R> {
    /// Who signed.
    pub signer: PartyId,
    /// What.
    pub vote: Vote<R>,
}

/// How a party has closed a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Closing<R> {
    /// It signed COMMITTED for this run.
    Committed(R),
    /// It signed ABANDONED.
    Abandoned,
}

/// What a party is known to have signed in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Votes<R> {
    /// PREPARED for this run.
    pub prepared: Option<R>,
    /// COMMITTED or ABANDONED.
    pub closing: Option<Closing<R>>,
}

impl<R: Copy + Eq> Votes<R> {
    /// Nothing.
    pub const NONE: Votes<R> = Votes { prepared: None, closing: None };

    /// Adds what a party signed in the same round. An honest one signs one PREPARED and one of COMMITTED and ABANDONED, all for one run.
    ///
    /// # Errors
    /// The earlier vote that an honest party would not have signed as well; nothing is added then.
    pub fn add(&mut self, vote: &Vote<R>) -> Result<(), Vote<R>> {
        match (*vote, self.prepared, self.closing) {
            (Vote::Prepared(round, run) | Vote::Committed(round, run), Some(other), _) if other != run => {
                return Err(Vote::Prepared(round, other));
            }
            (Vote::Prepared(round, run) | Vote::Committed(round, run), _, Some(Closing::Committed(other))) if other != run => {
                return Err(Vote::Committed(round, other));
            }
            (Vote::Committed(round, _), _, Some(Closing::Abandoned)) => return Err(Vote::Abandoned(round)),
            (Vote::Abandoned(round), _, Some(Closing::Committed(other))) => return Err(Vote::Committed(round, other)),
            (Vote::Prepared(_, run), ..) => self.prepared = Some(run),
            (Vote::Committed(_, run), ..) => self.closing = Some(Closing::Committed(run)),
            (Vote::Abandoned(_), ..) => self.closing = Some(Closing::Abandoned),
            (Vote::Entered(_), ..) => {}
        }
        Ok(())
    }

    /// As [`Votes::add`], at a party that takes part in the run `mine`. Of two PREPARED the one for that run is kept: a member that signs a second one must
    /// not hide that all have prepared.
    ///
    /// # Errors
    /// The earlier vote that an honest party would not have signed as well.
    pub fn hear(&mut self, vote: &Vote<R>, mine: Option<R>) -> Result<(), Vote<R>> {
        let known = self.add(vote);
        if let (Err(_), Vote::Prepared(_, run)) = (&known, *vote)
            && mine == Some(run)
        {
            self.prepared = mine;
        }
        known
    }

    /// As votes of `round`.
    pub fn list(&self, round: Round) -> impl Iterator<Item = Vote<R>> {
        let closing = self.closing.map(|closing| match closing {
            Closing::Committed(run) => Vote::Committed(round, run),
            Closing::Abandoned => Vote::Abandoned(round),
        });
        self.prepared.map(|run| Vote::Prepared(round, run)).into_iter().chain(closing)
    }
}

impl<R: Copy + Eq> Vote<R> {
    /// Whether an honest party can have signed both.
    pub fn agrees(&self, other: &Vote<R>) -> bool {
        if let (Vote::Entered(one), Vote::Entered(other)) = (self, other) {
            return one.epoch != other.epoch || one == other;
        }
        let mut votes = Votes::NONE;
        self.round() != other.round() || votes.add(self).and_then(|()| votes.add(other)).is_ok()
    }

    /// The round that it is about; none for ENTERED.
    pub fn round(&self) -> Option<Round> {
        match *self {
            Vote::Prepared(round, _) | Vote::Committed(round, _) | Vote::Abandoned(round) => Some(round),
            Vote::Entered(_) => None,
        }
    }
}
