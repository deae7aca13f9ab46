//! What a party keeps of a room beside its signed epochs: how it comes about, and what this party has signed. One row of the store a room.
//!
//! | field | bytes |
//! | --- | --- |
//! | version | 1: value 1 |
//! | origin | 1: 0 none, 1 draft, 2 join |
//! | of a draft | length (4) and draft |
//! | of a join | inviter's key (32), length (4) and charter, length (4) and parameters in force (none: 0), phrase (9), how many addresses (1), each as length (2) and text |
//! | record | 0, or 1, length (4) and record |
//!
//! A row holds the tokens of a draft's invitations.

use cotenant_agent::room::{Address, Charter, Draft, Phrase, Record, RoomId, Signed, join::Admission};
use cotenant_core::codec::{BadFormat, Reader, Writer};
use cotenant_net::PublicIdentity;
use zeroize::Zeroizing;

/// First byte.
const FORMAT: u8 = 1;

/// What is kept of one room.
#[derive(Clone)]
pub(super) struct Kept {
    /// How the room, or this party's place in it, comes about.
    pub(super) origin: Origin,
    /// What this party has signed and is in; none before its people have confirmed the phrase of its join.
    pub(super) record: Option<Record>,
}

/// How a room comes about for this party.
#[derive(Clone)]
pub(super) enum Origin {
    /// It has.
    Done,
    /// This party gathers the members.
    Draft(Draft),
    /// This party was invited.
    Join(Box<Join>),
}

/// What an invitation led to.
#[derive(Clone)]
pub(super) struct Join {
    /// What the inviter offered, and the phrase.
    pub(super) admission: Admission,
    /// Where the inviter is reached.
    pub(super) addresses: Vec<Address>,
}

impl Kept {
    /// What the room is called, and by which id it is known.
    pub(super) fn charter(&self) -> Option<&Charter> {
        let record = self.record.as_ref();
        let in_force = record.and_then(Record::newest).map(|signed| signed.parameters().charter());
        match &self.origin {
            Origin::Draft(draft) => Some(draft.charter()),
            Origin::Join(join) => Some(&join.admission.charter),
            Origin::Done => in_force.or(record.and_then(Record::signed).map(|sheet| sheet.parameters().charter())),
        }
    }

    /// Canonical bytes.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let writer = Writer::new().bytes(&[FORMAT]);
        let writer = match &self.origin {
            Origin::Done => writer.bytes(&[0]),
            Origin::Draft(draft) => long(writer.bytes(&[1]), &draft.encode()),
            Origin::Join(join) => join.write(writer.bytes(&[2])),
        };
        Zeroizing::new(match &self.record {
            None => writer.bytes(&[0]).done(),
            Some(record) => long(writer.bytes(&[1]), &record.encode()).done(),
        })
    }

    /// The inverse of [`Kept::encode`]. It must be of `room`.
    ///
    /// # Errors
    /// If it is not what [`Kept::encode`] writes.
    pub(super) fn decode(bytes: &[u8], room: RoomId) -> Result<Kept, BadFormat> {
        let mut reader = Reader::new(bytes);
        let origin = match reader.array()? {
            [FORMAT, 0] => Origin::Done,
            [FORMAT, 1] => Origin::Draft(Draft::decode(read_long(&mut reader)?).map_err(|_| BadFormat)?),
            [FORMAT, 2] => Origin::Join(Box::new(Join::read(&mut reader)?)),
            _ => return Err(BadFormat),
        };
        let record = match reader.array()? {
            [0] => None,
            [1] => Some(Record::decode(read_long(&mut reader)?).map_err(|_| BadFormat)?),
            _ => return Err(BadFormat),
        };
        reader.end()?;
        let kept = Kept { origin, record };
        if kept.charter().is_some_and(|charter| charter.room == room) { Ok(kept) } else { Err(BadFormat) }
    }
}

impl Join {
    fn write(&self, writer: Writer) -> Writer {
        let Admission { inviter, charter, base, phrase } = &self.admission;
        let writer = long(writer.bytes(inviter.as_bytes()), &charter.encode());
        let writer = long(writer, &base.as_ref().map(Signed::encode).unwrap_or_default()).bytes(phrase.as_bytes());
        let writer = writer.bytes(&[self.addresses.len() as u8]); // an invitation has 4 at most
        self.addresses.iter().map(ToString::to_string).fold(writer, |writer, address| {
            writer.bytes(&(address.len() as u16).to_le_bytes()).bytes(address.as_bytes()) // a host name has 253 bytes at most
        })
    }

    fn read(reader: &mut Reader) -> Result<Join, BadFormat> {
        let inviter = PublicIdentity::from_bytes(&reader.array()?).map_err(|_| BadFormat)?;
        let charter = Charter::decode(read_long(reader)?).map_err(|_| BadFormat)?;
        let base = match read_long(reader)? {
            [] => None,
            bytes => Some(Signed::decode(bytes).map_err(|_| BadFormat)?),
        };
        let phrase = Phrase::from_bytes(reader.array()?).ok_or(BadFormat)?;
        let [count] = reader.array()?;
        let address = |_| {
            let length = u16::from_le_bytes(reader.array()?);
            let text = str::from_utf8(reader.bytes(length.into())?).map_err(|_| BadFormat)?;
            let address: Address = text.parse().map_err(|_| BadFormat)?;
            if address.to_string() == text { Ok(address) } else { Err(BadFormat) }
        };
        let addresses = (0..count).map(address).collect::<Result<_, _>>()?;
        Ok(Join { admission: Admission { inviter, charter, base, phrase }, addresses })
    }
}

fn long(writer: Writer, bytes: &[u8]) -> Writer {
    writer.bytes(&(bytes.len() as u32).to_le_bytes()).bytes(bytes)
}

fn read_long<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], BadFormat> {
    let length = u32::from_le_bytes(reader.array()?);
    reader.bytes(length as usize)
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};
    use cotenant_agent::room::signed::{founded, sign};
    use cotenant_net::Identity;

    #[test]
    fn every_origin_goes_there_and_back_and_is_read_strictly() {
        let identities = [0; 2].map(|_| Identity::generate().unwrap());
        let parameters = parameters(&identities);
        let room = parameters.charter().room;
        let me = identities[0].public();
        let signatures = identities.iter().map(|identity| (identity.public(), sign(&parameters, identity))).collect();
        let base = founded(&parameters, signatures).unwrap();
        let phrase = Phrase::from_bytes([64; 9]).unwrap();
        let draft = Draft::change(&parameters, 2);
        let admission = |base: Option<Signed>| Admission { inviter: me, charter: draft.charter().clone(), base, phrase };
        let addresses = vec!["h.example:7".parse().unwrap(), "[::1]:8".parse().unwrap()];
        let join = |base| Origin::Join(Box::new(Join { admission: admission(base), addresses: addresses.clone() }));
        let record = Record::newcomer(me, admission(Some(base.clone())));
        let cases = [
            (Origin::Draft(draft.clone()), Some(Record::founder(me))),
            (join(None), None),
            (join(Some(base)), Some(record.clone())),
            (Origin::Done, Some(record)),
        ];
        for (origin, record) in cases {
            let bytes = Kept { origin, record }.encode();
            let again = |bytes: &[u8]| Kept::decode(bytes, room).map(|kept| kept.encode());
            assert_eq!(again(&bytes), Ok(bytes.clone()));
            assert!(Kept::decode(&bytes, RoomId([0xee; 16])).is_err(), "of another room");
            assert!(again(&[&bytes[..], &[0]].concat()).is_err());
            for at in 0..bytes.len() {
                assert!(again(&bytes[..at]).is_err(), "cut at {at}");
                let mut changed = bytes.to_vec();
                changed[at] ^= 1;
                assert!(again(&changed).is_err() || again(&changed).is_ok_and(|same| *same == changed), "byte {at}");
            }
        }
    }
}
