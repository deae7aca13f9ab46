//! How someone with an invitation gets a seat: four messages, after which both sides show the same six words.
//!
//! | message | bytes |
//! | --- | --- |
//! | hello, from the joiner | 1, 1, name of the invitation (16), key (32), commitment (32), proof of the token over all before (32) |
//! | offer, from the inviter | 1, 2, nonce (32), length (4) and charter, length (4) and parameters in force with their signatures (none: 0), signature (64) |
//! | opening, from the joiner | 1, 3, nonce (32), length (2) and the member as it wants to be listed, signature (64) |
//! | welcome, from the inviter | 1, 4, signature (64) |
//! | refusal, from the inviter, in place of offer or welcome | 1, 5, reason (1) |
//!
//! The commitment is a hash of nonce, invitation and member. The phrase is the first 66 bits of a hash of the inviter's key, hello, offer and the
//! joiner's nonce. Signatures are over all messages before and the signed one. Commit, then reveal: whoever stands between two people runs one
//! handshake with each and has to fix its own nonce in one before it sees the nonce of the honest side in the other, so that each attempt makes the two
//! phrases equal with probability 2^-66 (as with the short strings of ZRTP, RFC 6189 section 4.4.1.1; signatures and members are not hashed into the
//! phrase, as they could be varied afterwards).
//!
//! No secret is sent, so the handshake needs no protected link to be safe; a link that hides it keeps strangers from reading who is in the room.

use super::{
    draft::{Draft, Seat},
    invitation::{Invitation, InvitationId},
    parameters::{BadParameters, Charter, Member},
    purpose,
    signed::{self, Signed},
    words,
};
use cotenant_core::{
    Domain,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::{Identity, PublicIdentity};
use rand_core::CryptoRng;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// First byte of each message.
const FORMAT: u8 = 1;
const HELLO: u8 = 1;
const OFFER: u8 = 2;
const OPENING: u8 = 3;
const WELCOME: u8 = 4;
const REFUSAL: u8 = 5;
/// Words of a phrase.
const WORDS: usize = 6;
/// No offer is longer, in bytes.
pub const MAX_MESSAGE: usize = 1 << 18;

/// What both people read to each other after a join: 66 bits, six words.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Phrase([u8; 9]);

impl Phrase {
    /// The phrase that is stored as these bytes; the last 6 bits are zero.
    pub fn from_bytes(bytes: [u8; 9]) -> Option<Phrase> {
        (bytes[8] & 0x3f == 0).then_some(Phrase(bytes))
    }

    /// To be stored.
    pub fn as_bytes(&self) -> &[u8; 9] {
        &self.0
    }

    fn of(inviter: &PublicIdentity, hello: &[u8], offer: &[u8], nonce: &[u8; 32]) -> Phrase {
        let mut bytes = [0; 9];
        Domain::JoinPhrase.hasher().field(inviter.as_bytes()).field(hello).field(offer).field(nonce).expand(&mut bytes);
        bytes[8] &= 0xc0;
        Phrase(bytes)
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words::name::<WORDS>(&self.0).join(" "))
    }
}

impl fmt::Debug for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a join ended. All but [`JoinFault::Expired`], [`JoinFault::Own`] and [`JoinFault::Refused`] are the other side's fault, or that of who stands
/// between.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinFault {
    /// A message of another form.
    #[error("a message that is none of this step")]
    Format,
    /// No invitation of this name.
    #[error("no such invitation")]
    Unknown,
    /// The invitation is good no more.
    #[error("the invitation has expired")]
    Expired,
    /// Someone else has come with it.
    #[error("the invitation was used by another key")]
    Used,
    /// The sender does not have the token.
    #[error("the message was not made with the invitation's token")]
    Proof,
    /// A signature does not match.
    #[error("a signature of the join does not match")]
    Signature,
    /// The offer is not what the invitation was made for.
    #[error("the offer is not what the invitation is for")]
    Offer,
    /// The opening does not fit the commitment.
    #[error("the opening does not fit the commitment")]
    Commitment,
    /// What the joiner wants to be listed as breaks a rule.
    #[error(transparent)]
    Member(BadParameters),
    /// A member has this name or key.
    #[error("a member has the name \"{0}\", or its key")]
    Taken(String),
    /// Our caller's identity is not the one that is to join, or to invite.
    #[error("this identity is another than the one that joins or invites")]
    Own,
    /// The inviter says so; nobody vouches for it.
    #[error("the inviter refused: {0}")]
    Refused(Refusal),
}

/// What an inviter tells whom it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such invitation, or it was withdrawn.
    #[error("it knows no such invitation")]
    Unknown = 1,
    /// It is too late.
    #[error("the invitation has expired")]
    Expired,
    /// Another key came first.
    #[error("the invitation was used by another key; if that was not you, tell the inviter")]
    Used,
    /// Name or key.
    #[error("a member has your name or key")]
    Taken,
    /// Anything else.
    #[error("your message was wrong")]
    Wrong,
}

impl From<BadFormat> for JoinFault {
    fn from(_: BadFormat) -> Self {
        JoinFault::Format
    }
}

impl JoinFault {
    /// What the inviter sends before it hangs up.
    pub fn refusal(&self) -> Vec<u8> {
        let reason = match self {
            JoinFault::Unknown => Refusal::Unknown,
            JoinFault::Expired => Refusal::Expired,
            JoinFault::Used => Refusal::Used,
            JoinFault::Taken(_) => Refusal::Taken,
            _ => Refusal::Wrong,
        };
        vec![FORMAT, REFUSAL, reason as u8]
    }

    /// A refusal, if the message is one.
    fn received(message: &[u8]) -> Result<(), JoinFault> {
        const ALL: [Refusal; 5] = [Refusal::Unknown, Refusal::Expired, Refusal::Used, Refusal::Taken, Refusal::Wrong];
        match message {
            [FORMAT, REFUSAL, reason] => {
                Err(ALL.into_iter().find(|known| *known as u8 == *reason).map_or(JoinFault::Format, JoinFault::Refused))
            }
            _ => Ok(()),
        }
    }
}

/// A joiner that has said hello.
pub struct Joining {
    invitation: Invitation,
    me: Member,
    nonce: Zeroizing<[u8; 32]>,
    hello: Vec<u8>,
}

/// A joiner that has opened its commitment.
pub struct Opened {
    admission: Admission,
    transcript: [u8; 32],
}

/// What a joiner has in the end: shown to people, and kept if they confirm the phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// Who invited.
    pub inviter: PublicIdentity,
    /// To what.
    pub charter: Charter,
    /// What is in force until then; none for a new room.
    pub base: Option<Signed>,
    /// What both sides show.
    pub phrase: Phrase,
}

impl Joining {
    /// Starts to join as `me`; the message is for the inviter. Can be started again with the same key after a lost link.
    ///
    /// # Errors
    /// [`JoinFault::Expired`] at `now` (seconds since 1970), [`JoinFault::Own`], [`JoinFault::Member`].
    pub fn new(
        invitation: Invitation,
        me: Member,
        identity: &Identity,
        now: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<(Joining, Vec<u8>), JoinFault> {
        me.check().map_err(JoinFault::Member)?;
        if me.key != identity.public() || me.key == invitation.inviter() {
            return Err(JoinFault::Own);
        }
        if now >= invitation.expiry() {
            return Err(JoinFault::Expired);
        }
        let mut nonce = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *nonce);
        let commitment = commit(&nonce, &invitation.id(), &me.encode());
        let unproved = Writer::new().bytes(&[FORMAT, HELLO]).bytes(&invitation.id()).bytes(me.key.as_bytes()).bytes(&commitment).done();
        let hello = [&unproved[..], &invitation.token.proof(&unproved)].concat();
        Ok((Joining { invitation, me, nonce, hello: hello.clone() }, hello))
    }

    /// Takes the offer; the message is for the inviter.
    ///
    /// # Errors
    /// If it is refused, or not the inviter's to what the invitation names.
    pub fn offer(self, message: &[u8], identity: &Identity) -> Result<(Opened, Vec<u8>), JoinFault> {
        JoinFault::received(message)?;
        let (body, signature) = split_signature(message)?;
        let inviter = self.invitation.inviter();
        let transcript = transcript(&[&self.hello, body]);
        inviter.verify(purpose::OFFER, &transcript, signature).map_err(|_| JoinFault::Signature)?;
        let offer = Offer::read(body)?;
        if !self.invitation.is_to(&offer.charter) || offer.charter.previous != offer.base.as_ref().map(Signed::digest) {
            return Err(JoinFault::Offer);
        }
        let body_of_opening = opening_body(&self.nonce, &self.me);
        let phrase = Phrase::of(&inviter, &self.hello, body, &self.nonce);
        let transcript = self::transcript(&[&self.hello, body, &body_of_opening]);
        let opening = [&body_of_opening[..], &identity.sign(purpose::OPENING, &transcript)].concat();
        let admission = Admission { inviter, charter: offer.charter, base: offer.base, phrase };
        Ok((Opened { admission, transcript }, opening))
    }
}

impl Opened {
    /// Takes the welcome: the inviter has stored this joiner.
    ///
    /// # Errors
    /// If it is refused, or not the inviter's.
    pub fn welcome(self, message: &[u8]) -> Result<Admission, JoinFault> {
        JoinFault::received(message)?;
        let (body, signature) = split_signature(message)?;
        if body != [FORMAT, WELCOME] {
            return Err(JoinFault::Format);
        }
        self.admission.inviter.verify(purpose::WELCOME, &self.transcript, signature).map_err(|_| JoinFault::Signature)?;
        Ok(self.admission)
    }
}

/// An inviter that has made an offer.
pub struct Inviting {
    seat: usize,
    hello: Vec<u8>,
    offer: Vec<u8>,
    said: Hello,
}

/// An inviter that knows who came. The draft has to be stored before the message is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// For which seat.
    pub seat: usize,
    /// What both sides show.
    pub phrase: Phrase,
    /// For the joiner.
    pub message: Vec<u8>,
}

impl Inviting {
    /// Takes a hello to one of the draft's invitations; the message is for the joiner. `base` is what is in force, none for a new room.
    ///
    /// # Errors
    /// If the invitation is unknown, expired at `now` (seconds since 1970) or was used by another key, or the sender does not have it.
    pub fn new(
        draft: &Draft,
        base: Option<&Signed>,
        message: &[u8],
        identity: &Identity,
        now: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<(Inviting, Vec<u8>), JoinFault> {
        let hello = Hello::read(message)?;
        let matching = |seat: &Seat| matches!(seat, Seat::Invited(invitation, _) if invitation.id() == hello.id);
        let seat = draft.seats().iter().position(matching).ok_or(JoinFault::Unknown)?;
        hello.check(draft, seat, message, now)?;
        if draft.charter().previous != base.map(Signed::digest) || invitation_at(draft, seat)?.0.inviter() != identity.public() {
            return Err(JoinFault::Own);
        }
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let body = Offer::write(&nonce, draft.charter(), base);
        let signature = identity.sign(purpose::OFFER, &transcript(&[message, &body]));
        let offer = [&body[..], &signature].concat();
        Ok((Inviting { seat, hello: message.to_vec(), offer: body, said: hello }, offer))
    }

    /// Takes the opening and writes the joiner into the draft.
    ///
    /// # Errors
    /// If the opening does not fit, or the invitation has been used, withdrawn or replaced meanwhile. The draft is then as it was.
    pub fn opening(self, draft: &mut Draft, message: &[u8], identity: &Identity, now: u64) -> Result<Welcome, JoinFault> {
        let hello = &self.said;
        hello.check(draft, self.seat, &self.hello, now)?;
        let (body, signature) = split_signature(message)?;
        let transcript = transcript(&[&self.hello, &self.offer, body]);
        hello.key.verify(purpose::OPENING, &transcript, signature).map_err(|_| JoinFault::Signature)?;
        let (nonce, listed) = read_opening(body)?;
        if commit(&nonce, &hello.id, listed) != hello.commitment {
            return Err(JoinFault::Commitment);
        }
        let member = Member::decode(listed).map_err(JoinFault::Member)?;
        if member.key != hello.key {
            return Err(JoinFault::Signature);
        }
        if draft.others(self.seat).any(|other| other.key == member.key || other.name.eq_ignore_ascii_case(&member.name)) {
            return Err(JoinFault::Taken(member.name));
        }
        let phrase = Phrase::of(&identity.public(), &self.hello, &self.offer, &nonce);
        draft.seat_joined(self.seat, member, phrase);
        let message = [&[FORMAT, WELCOME][..], &identity.sign(purpose::WELCOME, &transcript)].concat();
        Ok(Welcome { seat: self.seat, phrase, message })
    }
}

struct Hello {
    id: InvitationId,
    key: PublicIdentity,
    commitment: [u8; 32],
    proof: [u8; 32],
}

impl Hello {
    fn read(message: &[u8]) -> Result<Hello, JoinFault> {
        let mut reader = Reader::new(message);
        if reader.array()? != [FORMAT, HELLO] {
            return Err(JoinFault::Format);
        }
        let (id, key) = (reader.array()?, PublicIdentity::from_bytes(&reader.array()?).map_err(|_| JoinFault::Format)?);
        let (commitment, proof) = (reader.array()?, reader.array()?);
        reader.end()?;
        Ok(Hello { id, key, commitment, proof })
    }

    /// That the invitation at this seat is still the one named, still good, this sender's, and not another's.
    fn check(&self, draft: &Draft, seat: usize, message: &[u8], now: u64) -> Result<(), JoinFault> {
        let (invitation, user) = invitation_at(draft, seat)?;
        if invitation.id() != self.id {
            return Err(JoinFault::Unknown);
        }
        let proved = invitation.token.proof(&message[..message.len() - self.proof.len()]).ct_eq(&self.proof);
        if !bool::from(proved) {
            return Err(JoinFault::Proof);
        }
        if now >= invitation.expiry() {
            return Err(JoinFault::Expired);
        }
        if user.is_some_and(|user| *user != self.key) { Err(JoinFault::Used) } else { Ok(()) }
    }
}

/// The invitation of a seat, and who came with it.
fn invitation_at(draft: &Draft, seat: usize) -> Result<(&Invitation, Option<&PublicIdentity>), JoinFault> {
    match &draft.seats().get(seat) {
        Some(Seat::Invited(invitation, joined)) => Ok((invitation, joined.as_ref().map(|joined| &joined.member.key))),
        _ => Err(JoinFault::Unknown),
    }
}

struct Offer {
    charter: Charter,
    base: Option<Signed>,
}

impl Offer {
    fn write(nonce: &[u8; 32], charter: &Charter, base: Option<&Signed>) -> Vec<u8> {
        let (charter, base) = (charter.encode(), base.map(Signed::encode).unwrap_or_default());
        let long = |writer: Writer, bytes: &[u8]| writer.bytes(&(bytes.len() as u32).to_le_bytes()).bytes(bytes);
        long(long(Writer::new().bytes(&[FORMAT, OFFER]).bytes(nonce), &charter), &base).done()
    }

    fn read(body: &[u8]) -> Result<Offer, JoinFault> {
        fn long<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], BadFormat> {
            let length = u32::from_le_bytes(reader.array()?) as usize;
            reader.bytes(length)
        }
        let mut reader = Reader::new(body);
        if reader.array()? != [FORMAT, OFFER] || body.len() > MAX_MESSAGE {
            return Err(JoinFault::Format);
        }
        reader.bytes(32)?;
        let (charter, base) = (long(&mut reader)?, long(&mut reader)?);
        reader.end()?;
        let charter = Charter::decode(charter).map_err(|_| JoinFault::Offer)?;
        let base = if base.is_empty() { None } else { Some(Signed::decode(base).map_err(|_: signed::Fault| JoinFault::Offer)?) };
        Ok(Offer { charter, base })
    }
}

fn opening_body(nonce: &[u8; 32], me: &Member) -> Vec<u8> {
    let me = me.encode();
    Writer::new().bytes(&[FORMAT, OPENING]).bytes(nonce).bytes(&(me.len() as u16).to_le_bytes()).bytes(&me).done()
}

fn read_opening(body: &[u8]) -> Result<([u8; 32], &[u8]), JoinFault> {
    let mut reader = Reader::new(body);
    if reader.array()? != [FORMAT, OPENING] {
        return Err(JoinFault::Format);
    }
    let nonce = reader.array()?;
    let length = u16::from_le_bytes(reader.array()?);
    let member = reader.bytes(length.into())?;
    reader.end()?;
    Ok((nonce, member))
}

fn split_signature(message: &[u8]) -> Result<(&[u8], &[u8; 64]), JoinFault> {
    message.split_last_chunk().ok_or(JoinFault::Format)
}

fn commit(nonce: &[u8; 32], id: &InvitationId, member: &[u8]) -> [u8; 32] {
    Domain::JoinCommitment.hasher().field(nonce).field(id).field(member).digest().0
}

fn transcript(messages: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Domain::JoinTranscript.hasher();
    messages.iter().for_each(|message| {
        hasher.field(message);
    });
    hasher.digest().0
}

#[cfg(test)]
mod tests;
