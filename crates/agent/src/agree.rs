//! Agreement before a session: every party says what it was started for, and nothing is computed or connected until all say the same.
//!
//! What a party means to do is a list of named fields, [`Terms`], and the time. Each party sends
//!
//! 1. its [`Opening`]: its clock, and whom it takes for the connector. The connector's clock is the proposed time of the operation, and a
//!    party whose own clock is more than [`CLOCK_TOLERANCE`] away refuses it;
//! 2. the openings of all as it heard them, and its fields with the proposed time, or that it refuses.
//!
//! Each compares every message with its own and names what differs, openings first: of a party that told others different clocks nothing
//! else could be learnt than that those whom it told differ. The digest of openings and fields is what the parties bind into their MPC
//! session: whoever showed different lists to different parties is found there, because all compare that digest again.

mod explain;
mod message;
mod terms;

pub use message::Opening;
pub use terms::{PROGRAM_DIGEST, Protocol, Signing, Terms, ToSend};

use crate::sign::date::{BadTimestamp, Timestamp};
use cotenant_core::{Channel, ChannelError, Digest, Domain, PartyId, codec::BadFormat};
use message::{Answer, Says};
use std::collections::BTreeMap;

/// Seconds that a party's clock may be away from the connector's. Servers take signatures that are up to 15 minutes old.
pub const CLOCK_TOLERANCE: i64 = 300;
/// The longest message in bytes; a longer one is not read.
pub const MAX_TERMS: usize = 1 << 18;
/// The most fields in a list; a longer one is not read.
pub const MAX_FIELDS: usize = 64;
/// The name of the last field of every list.
const TIME: &str = "time";

/// What all parties agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Stands for all openings and fields, members, parameters and the time among them; bind it into the MPC session.
    pub digest: Digest,
    /// When the operation takes place, by the connector's clock.
    pub time: Timestamp,
}

/// Agrees with all parties of the channel on `terms`, which is given the time that the connector proposes. `clock` is this party's clock
/// in seconds since 1970. It takes as long as the slowest party; a limit is the caller's to set.
///
/// # Errors
/// The first fault found: a difference, a refused time, a list that is too long or not one, the channel's. Every honest party fails, some
/// only because another one went away.
///
/// # Panics
/// If the connector is none of the channel's parties.
pub async fn agree<C: Channel>(
    channel: &mut C,
    connector: PartyId,
    clock: impl Fn() -> i64,
    terms: impl FnOnce(Timestamp) -> Terms,
) -> Result<Agreed, AgreeError> {
    let (me, parties) = (channel.me(), channel.parties());
    let own = Opening { clock: clock(), connector };
    let others = exchange(channel, own.encode(), Opening::decode).await?;
    let differences: Vec<Difference> = others.iter().filter_map(|(party, theirs)| own.difference(*party, theirs)).collect();
    if !differences.is_empty() {
        return Err(AgreeError::Differ(differences));
    }
    let mut heard: Vec<Opening> = others.into_iter().map(|(_, opening)| opening).collect();
    heard.insert(me.index(), own);
    let proposal = heard[connector.index()].clock;
    let time = Timestamp::from_unix(proposal).map_err(|BadTimestamp| AgreeError::Malformed { party: connector })?;

    let now = clock();
    let accepted = now.abs_diff(proposal) <= CLOCK_TOLERANCE.unsigned_abs();
    let mut fields = terms(time).fields();
    fields.push((TIME, time.to_string()));
    let answer = if accepted { message::fields(&heard, &fields)? } else { message::refusal(&heard, now) };
    let answers = exchange(channel, answer, |message| Answer::decode(message, parties)).await?;
    answers.iter().try_for_each(|(by, answer)| same_openings(me, &heard, *by, &answer.heard))?;
    if !accepted {
        return Err(AgreeError::ClockDiffers { connector, proposed: time, own: now });
    }
    let mut differences = Vec::new();
    for (party, answer) in answers {
        match answer.says {
            Says::Refused { clock } => return Err(AgreeError::TimeRefused { by: party, proposed: time, clock }),
            Says::Fields(theirs) => compare(&fields, party, theirs, &mut differences),
        }
    }
    if differences.is_empty() { Ok(Agreed { digest: digest(&heard, &fields), time }) } else { Err(AgreeError::Differ(differences)) }
}

/// One field of one party differs from this party's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field's name.
    pub field: String,
    /// The value here; none if this party has no such field.
    pub ours: Option<String>,
    /// The other party.
    pub party: PartyId,
    /// Its value.
    pub theirs: Option<String>,
}

/// Why there is no agreement. Nothing was computed, and no server was contacted.
#[derive(Debug, PartialEq, Eq)]
pub enum AgreeError {
    /// The parties were started with different things; never empty.
    Differ(Vec<Difference>),
    /// A party told another one something else first than it told this one, or the other one says so: one of the two is at fault.
    ToldApart {
        /// Who spoke.
        from: PartyId,
        /// Who heard something else, as it says.
        by: PartyId,
        /// What was said here.
        ours: Opening,
        /// What was said there.
        theirs: Opening,
    },
    /// A party says that this one told it something else than it did.
    Misquoted {
        /// The party.
        by: PartyId,
        /// What this party said.
        said: Opening,
        /// What it is said to have said.
        quoted: Opening,
    },
    /// The connector's clock is too far from this party's.
    ClockDiffers {
        /// The connector.
        connector: PartyId,
        /// Its time.
        proposed: Timestamp,
        /// This party's, in seconds since 1970.
        own: i64,
    },
    /// Another party refuses the connector's time.
    TimeRefused {
        /// The party that refuses.
        by: PartyId,
        /// The connector's time.
        proposed: Timestamp,
        /// The refusing party's, in seconds since 1970.
        clock: i64,
    },
    /// This party's own message is longer than [`MAX_TERMS`].
    TooLong,
    /// A party sent something else than the messages of an agreement.
    Malformed {
        /// The party.
        party: PartyId,
    },
    /// The network failed.
    Channel(ChannelError),
}

impl From<ChannelError> for AgreeError {
    fn from(error: ChannelError) -> Self {
        AgreeError::Channel(error)
    }
}

async fn exchange<C: Channel, T>(
    channel: &mut C,
    message: Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<T, BadFormat>,
) -> Result<Vec<(PartyId, T)>, AgreeError> {
    let others = channel.me().others(channel.parties());
    for party in others.clone() {
        channel.send(party, message.clone()).await?;
    }
    let mut all = Vec::new();
    for party in others {
        let theirs = channel.recv(party).await?;
        all.push((party, decode(&theirs).map_err(|BadFormat| AgreeError::Malformed { party })?));
    }
    Ok(all)
}

/// Whether party `by` heard from everybody what this one heard.
fn same_openings(me: PartyId, heard: &[Opening], by: PartyId, theirs: &[Opening]) -> Result<(), AgreeError> {
    let different = PartyId::all(heard.len()).find(|party| heard[party.index()] != theirs[party.index()]);
    let Some(from) = different else { return Ok(()) };
    let (ours, theirs) = (heard[from.index()], theirs[from.index()]);
    Err(if from == me {
        AgreeError::Misquoted { by, said: ours, quoted: theirs }
    } else {
        AgreeError::ToldApart { from, by, ours, theirs }
    })
}

fn compare(ours: &[(&'static str, String)], party: PartyId, mut theirs: BTreeMap<String, String>, differences: &mut Vec<Difference>) {
    for (name, value) in ours {
        let there = theirs.remove(*name);
        if there.as_ref() != Some(value) {
            differences.push(Difference { field: (*name).to_owned(), ours: Some(value.clone()), party, theirs: there });
        }
    }
    differences.extend(theirs.into_iter().map(|(field, value)| Difference { field, ours: None, party, theirs: Some(value) }));
}

fn digest(heard: &[Opening], fields: &[(&'static str, String)]) -> Digest {
    let mut hasher = Domain::Agreement.hasher();
    hasher.number(heard.len() as u64);
    for opening in heard {
        hasher.field(&opening.encode());
    }
    hasher.number(fields.len() as u64);
    for (name, value) in fields {
        hasher.field(name.as_bytes()).field(value.as_bytes());
    }
    hasher.digest()
}

#[cfg(test)]
mod tests;
