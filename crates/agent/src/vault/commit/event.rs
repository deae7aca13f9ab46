//! What happens to a party in the commit of a version, and what it has to do then.

use super::Record;
use super::statement::{Entry, Parties, Round, Statement, Version, Vote};
use cotenant_core::PartyId;

/// What happens to a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event<R> {
    /// An agreed operation is to make the next version by the run of this digest.
    Begin(R),
    /// The run's new share is durable at the place of its version and run, was read back from there, and the tag over all members' shares was right.
    Verified(R),
    /// The run ended in any other way.
    Failed(R),
    /// A verified statement came, from its signer or through anyone.
    Heard(Statement<R>),
    /// This member has, on a link made since this process started, told all of [`Record::tell`], and all of it was heard.
    Synced(PartyId),
    /// The room is in a later epoch: nothing is signed any more in this one, so that what this party tells from now on is all that there will be.
    Leave,
    /// The people of this party have approved a new epoch, and what the entry says of this party's own shares is right.
    Enter(Entry<R>),
}

/// What a party has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect<R> {
    /// End the run, whose result is no longer wanted, before anything else.
    Stop(R),
    /// Write the record durably, with the signatures of all that [`Record::tell`] lists; what is sent next stands in it.
    Persist(Record<R>),
    /// Sign this and send it to all members, now and by [`Record::tell`] whenever a link comes up.
    Send(Vote<R>),
    /// Destroy every share of the item but these; do nothing to those that do not exist.
    EraseAllBut(Vec<Version<R>>),
    /// Start the run; its session binds the round.
    Run(Round, R),
    /// Tell people.
    Report(Report<R>),
}

/// What people should know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Report<R> {
    /// This record is older than this vote that the party itself signed: it was restored from a copy. It takes part again in a new epoch.
    Old(Vote<R>),
    /// This member signed both, which an honest one never does unless it was restored from a copy.
    Equivocation(PartyId, Vote<R>, Vote<R>),
    /// The event was refused and nothing has changed.
    Refused(Refusal),
}

/// Why something cannot be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// The record is an old copy.
    #[error("this party was restored from an old copy; the members have to enter a new epoch: cotenant room change --renew")]
    Old,
    /// An entry was signed and has not been signed by all.
    #[error("this party is entering epoch {0}, which others have not signed yet")]
    Entering(u32),
    /// The room is in a later epoch, which this party has not entered yet.
    #[error("the room is in a later epoch, which the vault has not entered yet")]
    Leaving,
    /// Not all members have told what they know since the start.
    #[error("not yet heard from {0:?} since the start")]
    NotSynced(Parties),
    /// Another run is under way.
    #[error("another save is under way")]
    Running,
    /// Someone has voted in the round, so it cannot begin.
    #[error("the save before this one has not been finished or given up by all")]
    InDoubt,
    /// The epoch is not after this one, or not after one already signed.
    #[error("the epoch is not a new one")]
    EpochNotNew,
    /// The members do not include this party, or who is lacking is not a member.
    #[error("the list of members is wrong")]
    Members,
    /// Of something fewer members have a share than make it up.
    #[error("fewer members have a share of an item than make it up")]
    TooFewShares,
    /// The epoch would begin with a version that this party has left behind or cannot know to be right.
    #[error("the epoch would begin with another version than this party's")]
    Base,
}
