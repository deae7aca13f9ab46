//! The fields that rows are made of: little-endian numbers, flags, byte strings after their length. A row is read as a whole or not at all, and one value
//! has one form.

use cotenant_core::{
    PartyId,
    codec::{BadFormat, Reader, Writer},
};

/// Writing fields.
pub(crate) trait Put: Sized {
    fn u8(self, n: u8) -> Self;
    fn u16(self, n: u16) -> Self;
    fn u32(self, n: u32) -> Self;
    fn u64(self, n: u64) -> Self;
    fn seat(self, party: PartyId) -> Self;
    /// Bytes after their length in 4 bytes; all that are given are shorter than [`LONGEST`].
    fn string(self, bytes: &[u8]) -> Self;
    /// A flag, and the value if there is one.
    fn option<T>(self, value: Option<T>, put: impl FnOnce(Self, T) -> Self) -> Self;
}

impl Put for Writer {
    fn u8(self, n: u8) -> Self {
        self.bytes(&[n])
    }

    fn u16(self, n: u16) -> Self {
        self.bytes(&n.to_le_bytes())
    }

    fn u32(self, n: u32) -> Self {
        self.bytes(&n.to_le_bytes())
    }

    fn u64(self, n: u64) -> Self {
        self.bytes(&n.to_le_bytes())
    }

    fn seat(self, party: PartyId) -> Self {
        self.u8(party.index() as u8) // below 255 by construction
    }

    fn string(self, bytes: &[u8]) -> Self {
        self.u32(bytes.len() as u32).bytes(bytes)
    }

    fn option<T>(self, value: Option<T>, put: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            None => self.u8(0),
            Some(value) => put(self.u8(1), value),
        }
    }
}

/// No string is longer, in bytes.
pub(super) const LONGEST: usize = 1 << 30;

/// Reading fields.
pub(crate) trait Take<'a> {
    fn u8(&mut self) -> Result<u8, BadFormat>;
    fn u16(&mut self) -> Result<u16, BadFormat>;
    fn u32(&mut self) -> Result<u32, BadFormat>;
    fn u64(&mut self) -> Result<u64, BadFormat>;
    fn flag(&mut self) -> Result<bool, BadFormat>;
    /// A seat, of which a room has 64.
    fn seat(&mut self) -> Result<PartyId, BadFormat>;
    fn string(&mut self) -> Result<&'a [u8], BadFormat>;
    /// The form that a row or structure begins with.
    fn form(&mut self, form: u8) -> Result<(), BadFormat>;
    fn option<T>(&mut self, take: impl FnOnce(&mut Self) -> Result<T, BadFormat>) -> Result<Option<T>, BadFormat>;
}

impl<'a> Take<'a> for Reader<'a> {
    fn u8(&mut self) -> Result<u8, BadFormat> {
        self.array().map(|[n]| n)
    }

    fn u16(&mut self) -> Result<u16, BadFormat> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, BadFormat> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, BadFormat> {
        self.array().map(u64::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, BadFormat> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(BadFormat),
        }
    }

    fn seat(&mut self) -> Result<PartyId, BadFormat> {
        self.u8().and_then(|seat| if seat < 64 { Ok(PartyId::new(seat.into())) } else { Err(BadFormat) })
    }

    fn string(&mut self) -> Result<&'a [u8], BadFormat> {
        let len = self.u32()?;
        self.bytes(len as usize)
    }

    fn form(&mut self, form: u8) -> Result<(), BadFormat> {
        if self.u8()? == form { Ok(()) } else { Err(BadFormat) }
    }

    fn option<T>(&mut self, take: impl FnOnce(&mut Self) -> Result<T, BadFormat>) -> Result<Option<T>, BadFormat> {
        if self.flag()? { take(self).map(Some) } else { Ok(None) }
    }
}
