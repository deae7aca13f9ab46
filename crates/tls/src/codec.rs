//! The presentation language of TLS (RFC 8446 section 3): big-endian numbers and vectors that carry their length in front.
//!
//! Reading returns `None` for anything that is too short or has bytes left over; the caller knows which message it was and names the fault.

/// Reads from the front of a slice.
#[derive(Clone)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// An unsigned number of `width` bytes, at most four.
    fn number(&mut self, width: usize) -> Option<usize> {
        Some(self.take(width)?.iter().fold(0, |value, &byte| value << 8 | usize::from(byte)))
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// A vector whose length stands in front of it in `width` bytes.
    pub(crate) fn vector(&mut self, width: usize) -> Option<&'a [u8]> {
        let length = self.number(width)?;
        self.take(length)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Some` if nothing is left over.
    pub(crate) fn finish(&self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

/// The extensions of one message in the order they were sent: type and body (RFC 8446 section 4.2).
pub(crate) fn extensions(bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut reader = Reader::new(bytes);
    let mut list = Vec::new();
    while !reader.is_empty() {
        list.push((reader.u16()?, reader.vector(2)?));
    }
    Some(list)
}

/// Appends the body that `fill` writes, with its length in `width` bytes in front.
///
/// # Panics
/// If the body does not fit its length field: all that this crate writes is bounded far below.
pub(crate) fn put_vector(out: &mut Vec<u8>, width: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.resize(start + width, 0);
    fill(out);
    let length = out.len() - start - width;
    assert!(length < 1 << (8 * width), "vector of {length} bytes in a field of {width}");
    out[start..start + width].copy_from_slice(&length.to_be_bytes()[size_of::<usize>() - width..]);
}

/// Appends a big-endian 16-bit number.
pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// A whole handshake message: type, length, body (RFC 8446 section 4).
pub(crate) fn handshake_message(kind: u8, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = vec![kind];
    put_vector(&mut out, 3, fill);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_round_trip_and_refuse_short_input() {
        let mut out = Vec::new();
        put_vector(&mut out, 2, |out| put_vector(out, 1, |out| put_u16(out, 0x0304)));
        assert_eq!(out, [0, 3, 2, 3, 4]);
        let mut outer = Reader::new(&out);
        let mut inner = Reader::new(outer.vector(2).unwrap());
        assert_eq!(Reader::new(inner.vector(1).unwrap()).u16(), Some(0x0304));
        assert!(outer.finish().is_some() && inner.finish().is_some());
        assert!(Reader::new(&out[..4]).vector(2).is_none());
        assert!(extensions(&[0, 1, 0, 1]).is_none());
        assert_eq!(extensions(&[0, 1, 0, 1, 9]), Some(vec![(1, &[9u8][..])]));
    }
}
