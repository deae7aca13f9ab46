//! What stands in the rows of a store, as bytes: a form byte, then the fields that the doc comments list in order. Numbers are little-endian; a string is
//! its length in 4 bytes and its bytes.

use super::{
    field::{Put, Take},
    slots::{Place, Stamp},
    sum::Sum,
};
use cotenant_core::codec::{BadFormat, Reader, Writer};

/// The form of every row.
const FORM: u8 = 1;

/// The only row of the table "state": transactions so far (8), a random number of the last (16), that of the one before (16); from format 2 on, the sum of all
/// other rows (32).
#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) stamp: Stamp,
    pub(super) before: [u8; 16],
    pub(super) rows: Sum,
}

/// The first format in which the row of the table state has the sum of all others.
const SUMMED: u16 = 2;

impl State {
    pub(super) fn encode(&self, format: u16) -> Vec<u8> {
        let writer = Writer::new().u8(FORM).u64(self.stamp.count).bytes(&self.stamp.random).bytes(&self.before);
        if format < SUMMED { writer.done() } else { writer.bytes(&self.rows.0).done() }
    }

    pub(super) fn decode(bytes: &[u8], format: u16) -> Result<Self, BadFormat> {
        whole(bytes, |reader| {
            let stamp = Stamp { count: reader.u64()?, random: reader.array()? };
            let before = reader.array()?;
            let rows = if format < SUMMED { Sum::default() } else { Sum(reader.array()?) };
            Ok(State { stamp, before, rows })
        })
    }
}

/// The signed parameters of an epoch of a room. A row: room (16), epoch (4), sheet (string).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomEpoch {
    /// The epoch, from 1.
    pub epoch: u32,
    /// The canonical bytes of `cotenant_agent::room::signed::Sheet`: parameters and signatures.
    pub sheet: Vec<u8>,
}

impl RoomEpoch {
    pub(super) fn encode(&self, room: &[u8; 16]) -> Vec<u8> {
        Writer::new().u8(FORM).bytes(room).u32(self.epoch).string(&self.sheet).done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<([u8; 16], Self), BadFormat> {
        whole(bytes, |reader| Ok((reader.array()?, RoomEpoch { epoch: reader.u32()?, sheet: reader.string()?.to_vec() })))
    }
}

/// That a room was restored from a backup: when (8), and 1 if all other members have been heard since, else 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// When, in seconds since 1970.
    pub at: i64,
    /// Whether all other members have told since what they know.
    pub heard: bool,
}

impl Restored {
    pub(super) fn encode(&self) -> Vec<u8> {
        Writer::new().u8(FORM).bytes(&self.at.to_le_bytes()).u8(self.heard.into()).done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        whole(bytes, |reader| Ok(Restored { at: i64::from_le_bytes(reader.array()?), heard: reader.flag()? }))
    }
}

/// Bytes of a room: room (16), bytes (string). How it comes about and changes.
pub(super) fn encode_room(room: &[u8; 16], bytes: &[u8]) -> Vec<u8> {
    Writer::new().u8(FORM).bytes(room).string(bytes).done()
}

pub(super) fn decode_room(bytes: &[u8]) -> Result<([u8; 16], Vec<u8>), BadFormat> {
    whole(bytes, |reader| Ok((reader.array()?, reader.string()?.to_vec())))
}

/// Bytes under an item's name: name (string), bytes (string). Its description, or its commit record.
pub(super) fn encode_named(name: &str, bytes: &[u8]) -> Vec<u8> {
    Writer::new().u8(FORM).string(name.as_bytes()).string(bytes).done()
}

pub(super) fn decode_named(bytes: &[u8]) -> Result<(String, Vec<u8>), BadFormat> {
    whole(bytes, |reader| {
        let name = String::from_utf8(reader.string()?.to_vec()).map_err(|_| BadFormat)?;
        Ok((name, reader.string()?.to_vec()))
    })
}

/// A share: slot (4), name of its contents (16), and the share sealed under the key that stands there (string).
pub(super) struct ShareRow {
    pub(super) place: Place,
    pub(super) sealed: Vec<u8>,
}

impl ShareRow {
    pub(super) fn encode(&self) -> Vec<u8> {
        Writer::new().u8(FORM).u32(self.place.slot).bytes(&self.place.name).string(&self.sealed).done()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        whole(bytes, |reader| {
            let place = Place { slot: reader.u32()?, name: reader.array()? };
            Ok(ShareRow { place, sealed: reader.string()?.to_vec() })
        })
    }
}

/// A number (8): of an operation, or how many checks failed.
pub(super) fn encode_number(n: u64) -> Vec<u8> {
    Writer::new().u8(FORM).u64(n).done()
}

pub(super) fn decode_number(bytes: &[u8]) -> Result<u64, BadFormat> {
    whole(bytes, |reader| reader.u64())
}

/// Bytes (string): a ledger of approvals, an entry of a log, or a receipt.
pub(super) fn encode_bytes(bytes: &[u8]) -> Vec<u8> {
    Writer::new().u8(FORM).string(bytes).done()
}

pub(super) fn decode_bytes(bytes: &[u8]) -> Result<Vec<u8>, BadFormat> {
    whole(bytes, |reader| reader.string().map(<[u8]>::to_vec))
}

/// Reads a row to its end.
fn whole<'a, T>(bytes: &'a [u8], fields: impl FnOnce(&mut Reader<'a>) -> Result<T, BadFormat>) -> Result<T, BadFormat> {
    let mut reader = Reader::new(bytes);
    reader.form(FORM)?;
    let row = fields(&mut reader)?;
    reader.end().map(|()| row)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `again` reads and writes. What can be read from changed bytes is written as those bytes again.
    fn check(bytes: &[u8], again: impl Fn(&[u8]) -> Result<Vec<u8>, BadFormat>) {
        assert_eq!(again(bytes), Ok(bytes.to_vec()));
        assert!(again(&[bytes, &[0]].concat()).is_err());
        for at in 0..bytes.len() {
            assert!(again(&bytes[..at]).is_err(), "cut at {at}");
            for flip in [1, 0x80] {
                let mut changed = bytes.to_vec();
                changed[at] ^= flip;
                assert!(again(&changed).is_ok_and(|same| same == changed) || again(&changed).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn rows_go_there_and_back() {
        let state = State { stamp: Stamp { count: 5, random: [1; 16] }, before: [2; 16], rows: Sum([3; 32]) };
        for format in [1, 2] {
            check(&state.encode(format), |b| State::decode(b, format).map(|state| state.encode(format)));
        }
        let epoch = RoomEpoch { epoch: 2, sheet: b"sheet".to_vec() };
        check(&epoch.encode(&[9; 16]), |b| RoomEpoch::decode(b).map(|(room, epoch)| epoch.encode(&room)));
        check(&encode_named("aws/key", b"description"), |b| decode_named(b).map(|(name, bytes)| encode_named(&name, &bytes)));
        check(&encode_room(&[9; 16], b"draft"), |b| decode_room(b).map(|(room, bytes)| encode_room(&room, &bytes)));
        let share = ShareRow { place: Place { slot: 7, name: [5; 16] }, sealed: vec![6; 90] };
        check(&share.encode(), |b| ShareRow::decode(b).map(|row| row.encode()));
        check(&Restored { at: -5, heard: true }.encode(), |b| Restored::decode(b).map(|row| row.encode()));
        check(&encode_number(12), |b| decode_number(b).map(encode_number));
        check(&encode_bytes(b"entry"), |b| decode_bytes(b).map(|bytes| encode_bytes(&bytes)));
    }
}
