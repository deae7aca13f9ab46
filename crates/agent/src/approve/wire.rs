//! The fields that canonical bytes here are made of: little-endian numbers, and byte strings, texts and lists after their length (4 bytes).
//!
//! Reading is the inverse of writing and of nothing else: a list that is a set or a map is in rising order, a length has a limit, a text is UTF-8, and a
//! flag is 0 or 1. So one value has one encoding.

use cotenant_core::{
    Digest, PartyId,
    codec::{BadFormat, Reader, Writer},
};

use crate::vault::commit::statement::Parties;

/// Seats of a room.
pub(super) const MAX_PARTIES: usize = 64;

/// Writing fields.
pub(super) trait Put: Sized {
    fn put(self, bytes: &[u8]) -> Self;

    fn u8(self, n: u8) -> Self {
        self.put(&[n])
    }

    fn u16(self, n: u16) -> Self {
        self.put(&n.to_le_bytes())
    }

    fn u32(self, n: u32) -> Self {
        self.put(&n.to_le_bytes())
    }

    fn u64(self, n: u64) -> Self {
        self.put(&n.to_le_bytes())
    }

    fn i64(self, n: i64) -> Self {
        self.put(&n.to_le_bytes())
    }

    fn digest(self, digest: &Digest) -> Self {
        self.put(&digest.0)
    }

    fn seat(self, party: PartyId) -> Self {
        self.u8(party.index() as u8) // below 255 by construction
    }

    /// One bit a seat.
    fn parties(self, parties: Parties) -> Self {
        self.u64(parties.iter().fold(0, |bits, party| bits | 1 << party.index()))
    }

    /// Bytes after their length.
    fn string(self, bytes: &[u8]) -> Self {
        self.u32(u32::try_from(bytes.len()).expect("fields are far shorter than 4 GB")).put(bytes)
    }

    /// Elements after their number.
    fn list<T>(self, all: impl ExactSizeIterator<Item = T>, write: impl Fn(Self, T) -> Self) -> Self {
        let count = u32::try_from(all.len()).expect("lists are far shorter than 2^32");
        all.fold(self.u32(count), write)
    }
}

impl Put for Writer {
    fn put(self, bytes: &[u8]) -> Self {
        self.bytes(bytes)
    }
}

/// Reading fields.
pub(super) trait Take<'a>: Sized {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BadFormat>;

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], BadFormat> {
        Ok(self.take(N)?.try_into().expect("take(N) has N bytes"))
    }

    fn u8(&mut self) -> Result<u8, BadFormat> {
        Ok(u8::from_le_bytes(self.fixed()?))
    }

    fn u16(&mut self) -> Result<u16, BadFormat> {
        Ok(u16::from_le_bytes(self.fixed()?))
    }

    fn u32(&mut self) -> Result<u32, BadFormat> {
        Ok(u32::from_le_bytes(self.fixed()?))
    }

    fn u64(&mut self) -> Result<u64, BadFormat> {
        Ok(u64::from_le_bytes(self.fixed()?))
    }

    fn i64(&mut self) -> Result<i64, BadFormat> {
        Ok(i64::from_le_bytes(self.fixed()?))
    }

    fn digest(&mut self) -> Result<Digest, BadFormat> {
        Ok(Digest(self.fixed()?))
    }

    fn seat(&mut self) -> Result<PartyId, BadFormat> {
        let seat = usize::from(self.u8()?);
        if seat < MAX_PARTIES { Ok(PartyId::new(seat)) } else { Err(BadFormat) }
    }

    fn parties(&mut self) -> Result<Parties, BadFormat> {
        let bits = self.u64()?;
        Ok(PartyId::all(MAX_PARTIES).filter(|party| bits >> party.index() & 1 == 1).collect())
    }

    /// At most `limit` bytes.
    fn string(&mut self, limit: usize) -> Result<Vec<u8>, BadFormat> {
        let length = self.u32()? as usize;
        if length > limit { Err(BadFormat) } else { Ok(self.take(length)?.to_vec()) }
    }

    /// At most `limit` bytes of UTF-8.
    fn text(&mut self, limit: usize) -> Result<String, BadFormat> {
        String::from_utf8(self.string(limit)?).map_err(|_| BadFormat)
    }

    /// At most `limit` elements.
    fn list<T>(&mut self, limit: usize, mut read: impl FnMut(&mut Self) -> Result<T, BadFormat>) -> Result<Vec<T>, BadFormat> {
        let count = self.u32()? as usize;
        if count > limit {
            return Err(BadFormat);
        }
        (0..count).map(|_| read(self)).collect()
    }
}

impl<'a> Take<'a> for Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BadFormat> {
        self.bytes(n)
    }
}

/// Whether each key is above the one before.
pub(super) fn rising<K: Ord>(mut keys: impl Iterator<Item = K>) -> bool {
    let Some(mut last) = keys.next() else { return true };
    keys.all(|key| {
        let above = key > last;
        last = key;
        above
    })
}

/// Reads a whole message of a known version.
pub(super) fn whole<T>(bytes: &[u8], version: u8, read: impl FnOnce(&mut Reader) -> Result<T, BadFormat>) -> Result<T, BadFormat> {
    let mut reader = Reader::new(bytes);
    if Take::u8(&mut reader)? != version {
        return Err(BadFormat);
    }
    let value = read(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// For the tests of every encoding: whatever one changed, missing or added byte makes of it is refused, or is another value that is written as those bytes.
#[cfg(test)]
pub(super) fn one_value_one_encoding<T: PartialEq>(bytes: &[u8], encode: impl Fn(&T) -> Vec<u8>, decode: impl Fn(&[u8]) -> Option<T>) {
    let value = decode(bytes).expect("the encoding is read back");
    assert_eq!(encode(&value), bytes);
    let check = |mutant: Vec<u8>| {
        if let Some(other) = decode(&mutant) {
            assert!(other != value && encode(&other) == mutant, "a second encoding");
        }
    };
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut mutant = bytes.to_vec();
            mutant[at] ^= flip;
            check(mutant);
        }
        assert!(decode(&bytes[..at]).is_none(), "cut at {at}");
        check([&bytes[..at], &bytes[at + 1..]].concat());
        check([&bytes[..at], &[0], &bytes[at..]].concat());
    }
    assert!(decode(&[bytes, &[0]].concat()).is_none(), "a byte left over");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_go_there_and_back() {
        let parties: Parties = [0, 5, 63].map(PartyId::new).into_iter().collect();
        let bytes =
            Writer::new().u8(1).u16(2).u32(3).u64(4).i64(-5).parties(parties).string(b"six").list([7u8, 8].iter(), |w, n| w.u8(*n)).done();
        let read = whole(&bytes, 1, |r| {
            assert_eq!((r.u16()?, r.u32()?, r.u64()?, r.i64()?), (2, 3, 4, -5));
            assert!(r.parties()? == parties && r.text(3)? == "six");
            r.list(2, Take::u8)
        });
        assert_eq!(read, Ok(vec![7, 8]));
        assert_eq!(whole(&bytes, 2, |r| r.take(bytes.len() - 1).map(|_| ())), Err(BadFormat), "another version");
    }

    #[test]
    fn limits_hold() {
        let string = Writer::new().string(b"abc").done();
        assert!(Reader::new(&string).string(3).is_ok() && Reader::new(&string).string(2).is_err());
        let list = Writer::new().list([1u8, 2].iter(), |w, n| w.u8(*n)).done();
        assert!(Take::list(&mut Reader::new(&list), 2, Take::u8).is_ok() && Take::list(&mut Reader::new(&list), 1, Take::u8).is_err());
        assert!(Reader::new(&Writer::new().string(&[0xff]).done()).text(9).is_err(), "no UTF-8");
        assert!(Reader::new(&[63]).seat().is_ok() && Reader::new(&[64]).seat().is_err());
        assert!(rising([1, 2].iter()) && !rising([1, 1].iter()) && !rising([2, 1].iter()));
    }
}
