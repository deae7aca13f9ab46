//! A room that is to be: its charter and its seats, each taken by a member, open, or promised by an invitation.
//!
//! A new room is drafted with one seat taken; a change starts from the parameters in force. When all seats are taken the draft becomes [`Parameters`],
//! which all sign. An invitation is to one charter, so the charter stands once there is an invitation.
//!
//! Bytes: version (1), length of the charter (4) and it, then each seat after its kind (1): 0 open; 1 length (2) and the member; 2 length (2) and
//! the invitation, and 0, or 1 or 2 (not yet, or confirmed by a person), length (2) and the member, and the phrase (9).

use super::{
    address::Address,
    invitation::{BadInvitation, Invitation},
    join::Phrase,
    parameters::{BadParameters, Charter, Engine, Limits, Member, Parameters, RoomId, Trust},
};
use cotenant_core::codec::{BadFormat, Reader, Writer};
use cotenant_net::PublicIdentity;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// First byte.
const FORMAT: u8 = 1;

/// A room that is to be. It holds the tokens of its invitations.
#[derive(Clone, PartialEq)]
pub struct Draft {
    charter: Charter,
    seats: Vec<Seat>,
}

/// A seat of a draft.
#[derive(Clone, PartialEq)]
pub enum Seat {
    /// Nobody's.
    Open,
    /// A member's.
    Taken(Member),
    /// For who has the invitation.
    Invited(Invitation, Option<Joined>),
}

/// Who came with an invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// As what it wants to be listed.
    pub member: Member,
    /// What both sides show.
    pub phrase: Phrase,
    /// Whether people have found the phrases equal.
    pub confirmed: bool,
}

/// Why a draft cannot be made, changed or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDraft {
    /// The result would break a rule.
    #[error(transparent)]
    Parameters(#[from] BadParameters),
    /// The invitation would.
    #[error(transparent)]
    Invitation(#[from] BadInvitation),
    /// The charter stands, as there are invitations to it.
    #[error("there are invitations to this draft, which stands as long as there are")]
    Invitations,
    /// No seat is this member's.
    #[error("no seat is this member's")]
    NoMember,
    /// There is no such seat, or not in this state.
    #[error("seat P{} is not one for which this can be done", .0 + 1)]
    Seat(usize),
    /// The seat is not taken yet.
    #[error("seat P{} is not taken yet", .0 + 1)]
    NotTaken(usize),
    /// The phrase of who came has not been confirmed.
    #[error("nobody has confirmed the phrase of \"{0}\"")]
    NotConfirmed(String),
    /// Two members have no address, so that neither can dial the other.
    #[error("\"{0}\" and \"{1}\" both only dial, so neither reaches the other")]
    NoWay(String, String),
}

impl From<BadFormat> for BadDraft {
    fn from(_: BadFormat) -> Self {
        BadDraft::Parameters(BadParameters::Format)
    }
}

impl Draft {
    /// A new room with one member so far.
    ///
    /// # Errors
    /// [`BadDraft::Parameters`].
    pub fn founding(
        name: String,
        (seats, threshold): (u8, u8),
        trust: Trust,
        limits: Limits,
        founder: Member,
        rng: &mut impl CryptoRng,
    ) -> Result<Draft, BadDraft> {
        let room = RoomId::random(rng);
        let charter = Charter { room, name, epoch: 1, seats, threshold, engine: Engine::CURRENT, trust, limits, previous: None };
        charter.check()?;
        founder.check()?;
        let mut seats = vec![Seat::Open; seats.into()];
        seats[0] = Seat::Taken(founder);
        Ok(Draft { charter, seats })
    }

    /// A change of `old`, to be put in force as `epoch` (see [`super::Record::next_epoch`]); unchanged so far.
    pub fn change(old: &Parameters, epoch: u32) -> Draft {
        let charter = Charter { epoch, previous: Some(old.digest()), engine: Engine::CURRENT, ..old.charter().clone() };
        Draft { charter, seats: old.members().iter().cloned().map(Seat::Taken).collect() }
    }

    /// All but the members.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The seats, in order.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Sets the threshold.
    ///
    /// # Errors
    /// [`BadDraft::Invitations`].
    pub fn set_threshold(&mut self, threshold: u8) -> Result<(), BadDraft> {
        self.amend()?.threshold = threshold;
        Ok(())
    }

    /// Sets the trust roots.
    ///
    /// # Errors
    /// [`BadDraft::Invitations`].
    pub fn set_trust(&mut self, trust: Trust) -> Result<(), BadDraft> {
        self.amend()?.trust = trust;
        Ok(())
    }

    /// Sets the time limits.
    ///
    /// # Errors
    /// [`BadDraft::Invitations`].
    pub fn set_limits(&mut self, limits: Limits) -> Result<(), BadDraft> {
        self.amend()?.limits = limits;
        Ok(())
    }

    /// Adds an open seat behind the others.
    ///
    /// # Errors
    /// [`BadDraft::Invitations`], or that there are 64 already.
    pub fn add_seat(&mut self) -> Result<(), BadDraft> {
        let seats = self.seats.len() + 1;
        self.amend()?.seats = u8::try_from(seats).ok().filter(|&n| n <= 64).ok_or(BadParameters::Seats(seats))?;
        self.seats.push(Seat::Open);
        Ok(())
    }

    /// Takes a member and its seat away; those behind it move up.
    ///
    /// # Errors
    /// [`BadDraft::Invitations`], [`BadDraft::NoMember`].
    pub fn remove(&mut self, key: &PublicIdentity) -> Result<(), BadDraft> {
        let seat = self.seat_of(key)?;
        self.amend()?.seats -= 1;
        self.seats.remove(seat);
        Ok(())
    }

    /// Opens a member's seat for another, or for the same under a new key.
    ///
    /// # Errors
    /// [`BadDraft::NoMember`].
    pub fn vacate(&mut self, key: &PublicIdentity) -> Result<(), BadDraft> {
        let seat = self.seat_of(key)?;
        self.seats[seat] = Seat::Open;
        Ok(())
    }

    /// Gives a member other addresses.
    ///
    /// # Errors
    /// [`BadDraft::NoMember`].
    pub fn set_addresses(&mut self, key: &PublicIdentity, addresses: Vec<Address>) -> Result<(), BadDraft> {
        let seat = self.seat_of(key)?;
        if let Seat::Taken(member) = &mut self.seats[seat] {
            member.addresses = addresses;
        }
        Ok(())
    }

    /// Invites someone to an open seat, until `expiry` (seconds since 1970).
    ///
    /// # Errors
    /// If the seat is not open, or draft or invitation would break a rule.
    pub fn invite(
        &mut self,
        seat: usize,
        inviter: PublicIdentity,
        addresses: Vec<Address>,
        expiry: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Invitation, BadDraft> {
        self.charter.check()?;
        let invitation = Invitation::new(&self.charter, inviter, addresses, expiry, rng)?;
        match self.seats.get_mut(seat) {
            Some(open @ Seat::Open) => *open = Seat::Invited(invitation.clone(), None),
            _ => return Err(BadDraft::Seat(seat)),
        }
        Ok(invitation)
    }

    /// Takes an invitation back; whoever came with it has no seat.
    ///
    /// # Errors
    /// [`BadDraft::Seat`].
    pub fn withdraw(&mut self, seat: usize) -> Result<(), BadDraft> {
        match self.seats.get_mut(seat) {
            Some(invited @ Seat::Invited(..)) => *invited = Seat::Open,
            _ => return Err(BadDraft::Seat(seat)),
        }
        Ok(())
    }

    /// A person has compared this phrase with what the other side shows, and they are equal. If they are not, [`Draft::withdraw`].
    ///
    /// # Errors
    /// [`BadDraft::Seat`] if the seat's phrase is not this one, for instance any more.
    pub fn confirm(&mut self, seat: usize, phrase: &Phrase) -> Result<(), BadDraft> {
        match self.seats.get_mut(seat) {
            Some(Seat::Invited(_, Some(joined))) if joined.phrase == *phrase => joined.confirmed = true,
            _ => return Err(BadDraft::Seat(seat)),
        }
        Ok(())
    }

    /// What all are to sign, once all seats are taken and all phrases confirmed.
    ///
    /// # Errors
    /// What is lacking first.
    pub fn parameters(&self) -> Result<Parameters, BadDraft> {
        let member = |(at, seat): (usize, &Seat)| match seat {
            Seat::Taken(member) => Ok(member.clone()),
            Seat::Invited(_, Some(joined)) if joined.confirmed => Ok(joined.member.clone()),
            Seat::Invited(_, Some(joined)) => Err(BadDraft::NotConfirmed(joined.member.name.clone())),
            _ => Err(BadDraft::NotTaken(at)),
        };
        let members = self.seats.iter().enumerate().map(member).collect::<Result<Vec<_>, _>>()?;
        let mut dialling = members.iter().filter(|member| member.addresses.is_empty()).map(|member| member.name.clone());
        if let (Some(one), Some(other)) = (dialling.next(), dialling.next()) {
            return Err(BadDraft::NoWay(one, other));
        }
        Ok(Parameters::new(self.charter.clone(), members)?)
    }

    /// Those who have a seat, but for `except`.
    pub(super) fn others(&self, except: usize) -> impl Iterator<Item = &Member> {
        self.seats.iter().enumerate().filter(move |(at, _)| *at != except).filter_map(|(_, seat)| match seat {
            Seat::Taken(member) | Seat::Invited(_, Some(Joined { member, .. })) => Some(member),
            _ => None,
        })
    }

    /// Someone came with the invitation of this seat.
    pub(super) fn seat_joined(&mut self, seat: usize, member: Member, phrase: Phrase) {
        if let Seat::Invited(_, joined) = &mut self.seats[seat] {
            *joined = Some(Joined { member, phrase, confirmed: false });
        }
    }

    fn seat_of(&self, key: &PublicIdentity) -> Result<usize, BadDraft> {
        self.seats.iter().position(|seat| matches!(seat, Seat::Taken(member) if member.key == *key)).ok_or(BadDraft::NoMember)
    }

    fn amend(&mut self) -> Result<&mut Charter, BadDraft> {
        let invited = self.seats.iter().any(|seat| matches!(seat, Seat::Invited(..)));
        if invited { Err(BadDraft::Invitations) } else { Ok(&mut self.charter) }
    }

    /// Canonical bytes, which hold tokens. They are read again only if the charter keeps its rules, so not in the middle of several changes.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let charter = self.charter.encode();
        let writer = Writer::new().bytes(&[FORMAT]).bytes(&(charter.len() as u32).to_le_bytes()).bytes(&charter);
        let short = |writer: Writer, bytes: &[u8]| writer.bytes(&(bytes.len() as u16).to_le_bytes()).bytes(bytes);
        let write = |writer: Writer, seat: &Seat| match seat {
            Seat::Open => writer.bytes(&[0]),
            Seat::Taken(member) => short(writer.bytes(&[1]), &member.encode()),
            Seat::Invited(invitation, joined) => {
                let writer = short(writer.bytes(&[2]), &invitation.encode());
                match joined {
                    None => writer.bytes(&[0]),
                    Some(joined) => {
                        short(writer.bytes(&[1 + u8::from(joined.confirmed)]), &joined.member.encode()).bytes(joined.phrase.as_bytes())
                    }
                }
            }
        };
        Zeroizing::new(self.seats.iter().fold(writer, write).done())
    }

    /// The inverse of [`Draft::encode`].
    ///
    /// # Errors
    /// What is wrong first.
    pub fn decode(bytes: &[u8]) -> Result<Draft, BadDraft> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != [FORMAT] {
            return Err(BadFormat.into());
        }
        let length = u32::from_le_bytes(reader.array()?) as usize;
        let charter = Charter::decode(reader.bytes(length)?)?;
        let seats = (0..charter.seats).map(|_| Self::read_seat(&mut reader)).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Draft { charter, seats })
    }

    fn read_seat(reader: &mut Reader) -> Result<Seat, BadDraft> {
        fn short<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], BadFormat> {
            let length = u16::from_le_bytes(reader.array()?);
            reader.bytes(length.into())
        }
        match reader.array()? {
            [0] => Ok(Seat::Open),
            [1] => Ok(Seat::Taken(Member::decode(short(reader)?)?)),
            [2] => {
                let invitation = Invitation::decode(short(reader)?)?;
                let joined = match reader.array()? {
                    [0] => None,
                    [kind @ 1..=2] => {
                        let (member, phrase) = (Member::decode(short(reader)?)?, Phrase::from_bytes(reader.array()?).ok_or(BadFormat)?);
                        Some(Joined { member, phrase, confirmed: kind == 2 })
                    }
                    _ => return Err(BadFormat.into()),
                };
                Ok(Seat::Invited(invitation, joined))
            }
            _ => Err(BadFormat.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn draft() -> Draft {
        Draft::founding("ops".into(), (3, 2), charter(3, 2).trust, Limits::default(), member(0), &mut rng(3)).unwrap()
    }

    fn invite(draft: &mut Draft, seat: usize) -> Result<Invitation, BadDraft> {
        draft.invite(seat, identity(0).public(), member(0).addresses, 1000, &mut rng(seat as u64))
    }

    #[test]
    fn a_draft_is_complete_when_all_phrases_are_confirmed() {
        let mut draft = draft();
        assert_eq!(draft.parameters(), Err(BadDraft::NotTaken(1)));
        for seat in 1..3 {
            invite(&mut draft, seat).unwrap();
            assert_eq!(draft.parameters(), Err(BadDraft::NotTaken(seat)));
            let phrase = Phrase::from_bytes([seat as u8; 9].map(|b| b << 6)).unwrap();
            draft.seat_joined(seat, member(seat), phrase);
            assert_eq!(draft.parameters(), Err(BadDraft::NotConfirmed(format!("m{seat}"))));
            let other = Phrase::from_bytes([0; 9]).unwrap();
            assert_eq!(draft.confirm(seat, &other), Err(BadDraft::Seat(seat)));
            draft.confirm(seat, &phrase).unwrap();
            assert!(Draft::decode(&draft.encode()).unwrap() == draft);
        }
        assert_eq!(draft.parameters().unwrap().members(), [0, 1, 2].map(member));
    }

    #[test]
    fn one_of_each_two_has_to_have_an_address() {
        let mut draft = Draft::change(&room(3, 2), 2);
        draft.set_addresses(&member(2).key, Vec::new()).unwrap();
        assert!(draft.parameters().is_ok(), "one may only dial");
        draft.set_addresses(&member(0).key, Vec::new()).unwrap();
        assert_eq!(draft.parameters(), Err(BadDraft::NoWay("m0".into(), "m2".into())));
    }

    #[test]
    fn the_charter_stands_while_there_is_an_invitation() {
        let mut draft = draft();
        draft.set_threshold(3).unwrap();
        invite(&mut draft, 2).unwrap();
        assert_eq!(draft.set_threshold(2), Err(BadDraft::Invitations));
        assert_eq!(draft.add_seat(), Err(BadDraft::Invitations));
        assert_eq!(invite(&mut draft, 2).err(), Some(BadDraft::Seat(2)));
        assert_eq!(invite(&mut draft, 0).err(), Some(BadDraft::Seat(0)));
        draft.withdraw(2).unwrap();
        assert_eq!(draft.withdraw(2), Err(BadDraft::Seat(2)));
        draft.set_threshold(4).unwrap();
        assert!(matches!(invite(&mut draft, 2), Err(BadDraft::Parameters(BadParameters::Threshold { .. }))));
    }

    #[test]
    fn changes_of_a_room() {
        let old = room(3, 2);
        let mut draft = Draft::change(&old, 2);
        draft.set_addresses(&member(1).key, vec!["b:2".parse().unwrap()]).unwrap();
        draft.remove(&member(0).key).unwrap();
        assert_eq!(draft.remove(&member(0).key), Err(BadDraft::NoMember));
        let new = draft.parameters().unwrap();
        assert_eq!((new.charter().seats, new.charter().epoch, new.charter().previous), (2, 2, Some(old.digest())));
        assert_eq!(new.seat(&member(2).key).unwrap().index(), 1);
        draft.vacate(&member(2).key).unwrap();
        draft.add_seat().unwrap();
        assert_eq!((draft.charter().seats, draft.parameters()), (3, Err(BadDraft::NotTaken(1))));
        let mut full = Draft::change(&old, 2);
        (3..64).for_each(|_| full.add_seat().unwrap());
        assert_eq!(full.add_seat(), Err(BadParameters::Seats(65).into()));
    }

    #[test]
    fn stored_drafts_are_read_strictly() {
        let mut draft = draft();
        invite(&mut draft, 1).unwrap();
        invite(&mut draft, 2).unwrap();
        draft.seat_joined(2, member(2), Phrase::from_bytes([64; 9]).unwrap());
        let bytes = draft.encode();
        assert!(Draft::decode(&bytes).unwrap() == draft);
        assert!((0..bytes.len()).all(|at| Draft::decode(&bytes[..at]).is_err()) && Draft::decode(&[&bytes[..], &[0]].concat()).is_err());
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            assert!(
                Draft::decode(&changed).is_err() || Draft::decode(&changed).is_ok_and(|other| other != draft && *other.encode() == changed),
                "{at}"
            );
        }
    }
}
