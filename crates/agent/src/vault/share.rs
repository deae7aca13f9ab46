//! What one member keeps of an item: its share of each block of the codeword, and which sharing it belongs to.
//!
//! ```text
//! 1 | room 16 | run 32 | seat 1 | length of the description 2 | description | share, 16 bytes a block
//! ```
//!
//! A share of another room, item, version, run or seat is told from its header before it is used. What a header cannot show, a changed share or one that was
//! put under another header, the check of the vault shows ([`super::load`]).

use super::{
    item::{Item, ItemError},
    sharing::Sharing,
};
use crate::room::RoomId;
use cotenant_core::{
    Block, Digest, PartyId,
    block::as_bytes,
    codec::{BadFormat, Reader, Writer},
};
use zeroize::Zeroizing;

/// Of the encoding.
const FORMAT: u8 = 1;

/// One sharing of one item: the shares that one run made, which fit together and with no others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Of which room.
    pub room: RoomId,
    /// What is shared, in which version.
    pub item: Item,
    /// The joint computation that made the shares.
    pub run: Digest,
}

/// A member's share.
pub struct Share {
    origin: Origin,
    seat: PartyId,
    blocks: Zeroizing<Vec<Block>>,
}

/// How a share differs from the one that is wanted; the first of these that does.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Mismatch {
    /// It is of another room.
    #[error("is of another room")]
    Room,
    /// It is of another item.
    #[error("is of the item {found}")]
    Item {
        /// Of which.
        found: String,
    },
    /// It is of another version.
    #[error("is of version {found}, not {wanted}")]
    Version {
        /// Of which.
        found: u64,
        /// What is wanted.
        wanted: u64,
    },
    /// The version was made by another run: one that was abandoned, or one of a vault that has gone another way since a backup.
    #[error("was made by another run than the version that all have")]
    Run,
    /// It is shared among others.
    #[error("is {} of {}, not {} of {}", found.threshold(), found.members(), wanted.threshold(), wanted.members())]
    Sharing {
        /// How.
        found: Sharing,
        /// How it should be.
        wanted: Sharing,
    },
    /// Kind, length, uses or note are others.
    #[error("has another kind, length, note or other uses")]
    Description,
    /// It is another member's.
    #[error("is that of {found}, not of {wanted}")]
    Seat {
        /// Whose.
        found: PartyId,
        /// Whose is wanted.
        wanted: PartyId,
    },
}

/// Bytes that are no share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ShareError {
    /// They are not of the form of a share, or of a later format.
    #[error("these bytes are no share")]
    Encoding,
    /// The description in it.
    #[error("the description in a share is wrong: {0}")]
    Item(#[from] ItemError),
}

impl From<BadFormat> for ShareError {
    fn from(_: BadFormat) -> Self {
        ShareError::Encoding
    }
}

impl Share {
    /// The share of the member at `seat`.
    pub(super) fn new(origin: Origin, seat: PartyId, blocks: Zeroizing<Vec<Block>>) -> Share {
        debug_assert_eq!(16 * blocks.len(), origin.item.share_bytes());
        Share { origin, seat, blocks }
    }

    /// Which sharing it belongs to.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whose it is.
    pub fn seat(&self) -> PartyId {
        self.seat
    }

    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Whether its header says that it is the share of `wanted` of the member at `seat`.
    ///
    /// # Errors
    /// How it differs.
    pub fn check(&self, wanted: &Origin, seat: PartyId) -> Result<(), Mismatch> {
        let (own, other) = (&self.origin.item, &wanted.item);
        let refuse = |differs: bool, mismatch: Mismatch| if differs { Err(mismatch) } else { Ok(()) };
        refuse(self.origin.room != wanted.room, Mismatch::Room)?;
        refuse(own.name != other.name, Mismatch::Item { found: own.name.clone() })?;
        refuse(own.version != other.version, Mismatch::Version { found: own.version, wanted: other.version })?;
        refuse(self.origin.run != wanted.run, Mismatch::Run)?;
        refuse(own.sharing != other.sharing, Mismatch::Sharing { found: own.sharing, wanted: other.sharing })?;
        refuse(own != other, Mismatch::Description)?;
        refuse(self.seat != seat, Mismatch::Seat { found: self.seat, wanted: seat })
    }

    /// The bytes to be kept, which are as secret as the share.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let item = self.origin.item.encode();
        let w = Writer::new().bytes(&[FORMAT]).bytes(&self.origin.room.0).bytes(&self.origin.run.0).bytes(&[self.seat.index() as u8]);
        let header = w.bytes(&(item.len() as u16).to_le_bytes()).bytes(&item).done();
        // In one piece, as a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(header.len() + 16 * self.blocks.len()));
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(as_bytes(&self.blocks));
        bytes
    }

    /// The share that was kept.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Share, ShareError> {
        let mut r = Reader::new(bytes);
        if r.array()? != [FORMAT] {
            return Err(ShareError::Encoding);
        }
        let (room, run) = (RoomId(r.array()?), Digest(r.array()?));
        let [seat]: [u8; 1] = r.array()?;
        let described = u16::from_le_bytes(r.array()?);
        let item = Item::decode(r.bytes(described.into())?)?;
        if usize::from(seat) >= item.sharing.members() {
            return Err(ShareError::Encoding);
        }
        let blocks = Zeroizing::new(r.blocks(item.share_bytes() / 16)?);
        r.end()?;
        Ok(Share::new(Origin { room, item, run }, PartyId::new(seat.into()), blocks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::item::{Fields, Kind};

    fn share(change: impl FnOnce(&mut Fields)) -> Share {
        let mut fields = Fields {
            name: "token".into(),
            version: 3,
            kind: Kind::Bytes,
            len: 20,
            sharing: Sharing::new(2, 3).unwrap(),
            uses: vec![],
            note: "n".into(),
        };
        change(&mut fields);
        let item = Item::new(fields).unwrap();
        let blocks = Zeroizing::new((0..item.share_bytes() as u128 / 16).map(|i| Block(0x0102_0304 << 64 | i)).collect());
        Share::new(Origin { room: RoomId([5; 16]), item, run: Digest([6; 32]) }, PartyId::new(1), blocks)
    }

    #[test]
    fn one_share_has_one_encoding() {
        let bytes = share(|_| ()).encode();
        assert!(*Share::decode(&bytes).unwrap().encode() == *bytes);
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            if let Ok(other) = Share::decode(&changed) {
                assert!(*other.encode() == changed, "byte {at}");
            }
            assert!(Share::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(Share::decode(&[&bytes[..], &[0]].concat()).err(), Some(ShareError::Encoding));
    }

    /// Every byte of the header that can be changed into another header is noticed, and the first difference that people understand is named.
    #[test]
    fn every_field_of_the_header_is_compared() {
        let wanted = share(|_| ()).origin;
        let seat = PartyId::new(1);
        let found = |share: Share| share.check(&wanted, seat);
        assert_eq!(found(share(|_| ())), Ok(()));
        assert_eq!(found(share(|f| f.name = "other".into())), Err(Mismatch::Item { found: "other".into() }));
        assert_eq!(found(share(|f| f.version = 2)), Err(Mismatch::Version { found: 2, wanted: 3 }));
        let all = Sharing::new(3, 3).unwrap();
        assert_eq!(found(share(|f| f.sharing = all)), Err(Mismatch::Sharing { found: all, wanted: wanted.item.sharing }));
        assert_eq!(found(share(|f| f.note = "m".into())), Err(Mismatch::Description));
        assert_eq!(found(share(|f| f.len = 21)), Err(Mismatch::Description));

        let bytes = share(|_| ()).encode();
        let header = bytes.len() - wanted.item.share_bytes();
        for at in 0..header {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            let read = Share::decode(&changed).map(|share| found(share).expect_err("a changed header"));
            match (at, read) {
                (1..17, read) => assert_eq!(read, Ok(Mismatch::Room)),
                (17..49, read) => assert_eq!(read, Ok(Mismatch::Run)),
                (49, read) => assert_eq!(read, Ok(Mismatch::Seat { found: PartyId::new(0), wanted: seat })),
                _ => {}
            }
        }
    }
}
