//! Reading and writing the fixed layouts of protocol messages. Every read says how much it wants; nothing may be left over.

use crate::{bits::Bits, block::Block};

/// The message is not of the length or form that the protocol step demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadFormat;

/// Takes a message apart from the front.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Over the whole message.
    pub fn new(message: &'a [u8]) -> Self {
        Reader(message)
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], BadFormat> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(BadFormat)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], BadFormat> {
        Ok(self.bytes(N)?.try_into().expect("bytes(N) has N bytes"))
    }

    /// One block, 16 bytes.
    pub fn block(&mut self) -> Result<Block, BadFormat> {
        Ok(Block(u128::from_le_bytes(self.array()?)))
    }

    /// `n` blocks, 16 bytes each.
    pub fn blocks(&mut self, n: usize) -> Result<Vec<Block>, BadFormat> {
        let len = n.checked_mul(16).ok_or(BadFormat)?;
        Ok(bytemuck::allocation::pod_collect_to_vec(self.bytes(len)?))
    }

    /// `n` bits, packed in `ceil(n / 8)` bytes with spare bits 0.
    pub fn bits(&mut self, n: usize) -> Result<Bits, BadFormat> {
        Bits::from_packed(self.bytes(n.div_ceil(8))?, n).ok_or(BadFormat)
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), BadFormat> {
        if self.0.is_empty() { Ok(()) } else { Err(BadFormat) }
    }
}

/// Puts a message together.
#[derive(Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    pub fn bytes(mut self, b: &[u8]) -> Self {
        self.0.extend_from_slice(b);
        self
    }

    /// Appends blocks, 16 bytes each.
    pub fn blocks(self, b: &[Block]) -> Self {
        self.bytes(bytemuck::cast_slice(b))
    }

    /// Appends bits, packed.
    pub fn bits(self, b: &Bits) -> Self {
        let p = b.to_packed();
        self.bytes(&p)
    }

    /// The message.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_written_and_nothing_else() {
        let m = Writer::new().blocks(&[Block(7), Block(9)]).bits(&[true, false, true].into_iter().collect()).done();
        let mut r = Reader::new(&m);
        assert!(r.blocks(2).is_ok_and(|b| b[1].0 == 9));
        assert!(r.bits(3).is_ok_and(|b| b.get(2)));
        assert_eq!(r.end(), Ok(()));
        assert!(Reader::new(&m).blocks(3).is_err());
        assert_eq!(Reader::new(&m).end(), Err(BadFormat));
    }
}
