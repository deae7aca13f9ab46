//! A room as commands show it.

use serde::{Deserialize, Serialize};

/// A room, or one that is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomView {
    /// Which room.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// How far it has come for this party.
    pub stage: Stage,
    /// What is in force, or is to be: names and values.
    pub charter: Vec<Value>,
    /// The epoch in force; 0 before the first.
    pub epoch: u32,
    /// The digest of the parameters in force.
    pub digest: Option<String>,
    /// Those in it, or who are to be, in the order of their seats.
    pub members: Vec<MemberView>,
    /// What this party's people compare with the inviter's before they join.
    pub join: Option<JoinView>,
    /// What is being signed.
    pub proposal: Option<Proposal>,
    /// What this party drafts in place of what is in force, and has not signed.
    pub draft: Option<DraftView>,
    /// What people should know, oldest first.
    pub notes: Vec<String>,
}

/// How far a room has come for this party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// This party gathers members.
    Gathering,
    /// This party was invited, and its people have yet to confirm the phrase.
    Joining,
    /// They have; the others are awaited.
    Joined,
    /// Its parameters are signed, though not by all.
    Signing,
    /// It is in force, and this party a member.
    Member,
    /// This party is not a member any more.
    Removed,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// Which.
    pub what: String,
    /// What it is.
    pub value: String,
}

/// A seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// From 1.
    pub seat: usize,
    /// How far it is taken.
    pub state: SeatState,
    /// Its member's name.
    pub name: Option<String>,
    /// Its member's key.
    pub identity: Option<String>,
    /// The key in short, for people to compare.
    pub fingerprint: Option<String>,
    /// Where its member is reached.
    pub addresses: Vec<String>,
    /// The phrase of its member's join, until it is confirmed.
    pub phrase: Option<String>,
    /// When the invitation ends, in seconds since 1970.
    pub expiry: Option<u64>,
    /// Whether it is this party's.
    pub own: bool,
    /// Whether there is a link to its member now.
    pub connected: bool,
}

/// How far a seat is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeatState {
    /// Nobody is invited to it.
    Open,
    /// Somebody is.
    Invited,
    /// Somebody came, whose phrase has not been compared.
    Came,
    /// A member's.
    Taken,
}

/// A join that waits for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinView {
    /// The inviter's key.
    pub inviter: String,
    /// What both sides show.
    pub phrase: String,
    /// Whether people have found the two equal.
    pub confirmed: bool,
}

/// A change that is being drafted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftView {
    /// Those who are to be in it, in the order of their seats.
    pub seats: Vec<MemberView>,
    /// What is new so far.
    pub lines: Vec<String>,
}

/// Parameters that are being signed, or ready to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Which.
    pub digest: String,
    /// What is new in them.
    pub lines: Vec<String>,
    /// Names of those who have signed, as far as is known.
    pub signed: Vec<String>,
    /// Names of the members to be who have not.
    pub missing: Vec<String>,
    /// Whether this party has.
    pub own: bool,
}

/// An invitation, for whom it is meant alone: it is a secret, and has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct InvitationView {
    /// For which seat, from 1.
    pub seat: usize,
    /// As text.
    pub text: String,
    /// As words to be read aloud.
    pub words: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub expiry: u64,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// Whether it is as it should be.
    pub good: bool,
    /// What was found, and what to do if it is not good.
    pub found: String,
}
