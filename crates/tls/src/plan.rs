//! Plans of records to be sealed: plaintext as public bytes and secret holes, cut into records (RFC 8446 sections 5.1 and 5.2).

use crate::error::Misuse;
use crate::protect::{TAG, nonce, protected_header};
use crate::record::{ContentType, HEADER, MAX_FRAGMENT};

/// A handle of secret plaintext whose length is known.
pub trait Hole: Send + Sized {
    /// Length in bytes.
    fn length(&self) -> usize;

    /// The first `at` bytes and the rest; a hole may lie across two records. `0 < at < length`.
    fn split(self, at: usize) -> (Self, Self);
}

/// A piece of plaintext.
pub enum Piece<H> {
    /// Bytes that every party knows.
    Public(Vec<u8>),
    /// Bytes that none does.
    Secret(H),
}

impl<H: Hole> Piece<H> {
    /// Length in bytes.
    pub fn length(&self) -> usize {
        match self {
            Piece::Public(bytes) => bytes.len(),
            Piece::Secret(hole) => hole.length(),
        }
    }

    fn split(self, at: usize) -> (Self, Self) {
        match self {
            Piece::Public(mut bytes) => {
                let rest = bytes.split_off(at);
                (Piece::Public(bytes), Piece::Public(rest))
            }
            Piece::Secret(hole) => {
                let (head, rest) = hole.split(at);
                (Piece::Secret(head), Piece::Secret(rest))
            }
        }
    }
}

/// One record to be sealed. It can be neither copied nor made outside this crate, and each takes a sequence number of its own.
///
/// ```compile_fail,E0599
/// # use cotenant_tls::{Hole, RecordPlan};
/// fn twice<H: Hole>(plan: RecordPlan<H>) -> [RecordPlan<H>; 2] {
///     [plan.clone(), plan] // there is no clone
/// }
/// ```
pub struct RecordPlan<H> {
    nonce: [u8; 12],
    header: [u8; HEADER],
    pieces: Vec<Piece<H>>,
}

impl<H: Hole> RecordPlan<H> {
    pub(crate) fn new(mut pieces: Vec<Piece<H>>, kind: ContentType, iv: &[u8; 12], sequence: u64) -> Self {
        pieces.push(Piece::Public(vec![kind.code()]));
        let header = protected_header(pieces.iter().map(Piece::length).sum());
        RecordPlan { nonce: nonce(iv, sequence), header, pieces }
    }

    /// The AES-GCM nonce, public (RFC 8446 section 5.3).
    pub fn nonce(&self) -> &[u8; 12] {
        &self.nonce
    }

    /// The record's header, which is the additional data (RFC 8446 section 5.2).
    pub fn header(&self) -> &[u8; HEADER] {
        &self.header
    }

    /// The TLSInnerPlaintext: the content and, last, its type; no padding.
    pub fn pieces(&self) -> &[Piece<H>] {
        &self.pieces
    }

    /// The TLSInnerPlaintext, by value.
    pub fn into_pieces(self) -> Vec<Piece<H>> {
        self.pieces
    }

    /// Length in bytes of ciphertext and tag.
    pub fn sealed_length(&self) -> usize {
        self.pieces.iter().map(Piece::length).sum::<usize>() + TAG
    }
}

/// How many bytes of content a record carries at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentSize(usize);

impl FragmentSize {
    /// As few records as the protocol allows: 2^14 bytes each.
    pub const LARGEST: FragmentSize = FragmentSize(MAX_FRAGMENT);

    /// At most `bytes` a record.
    ///
    /// # Errors
    /// [`Misuse::FragmentSize`] unless 1 <= bytes <= 2^14.
    pub fn new(bytes: usize) -> Result<Self, Misuse> {
        if (1..=MAX_FRAGMENT).contains(&bytes) { Ok(FragmentSize(bytes)) } else { Err(Misuse::FragmentSize) }
    }

    /// The limit in bytes.
    pub fn bytes(self) -> usize {
        self.0
    }
}

/// Cuts plaintext into the contents of records, each but the last as large as `size` allows. Empty pieces vanish.
pub fn cut<H: Hole>(pieces: Vec<Piece<H>>, size: FragmentSize) -> Vec<Vec<Piece<H>>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut room = size.0;
    for mut piece in pieces {
        while piece.length() > room {
            let (head, rest) = if room == 0 { (None, piece) } else { split_some(piece, room) };
            record.extend(head);
            records.push(std::mem::take(&mut record));
            (piece, room) = (rest, size.0);
        }
        if piece.length() > 0 {
            room -= piece.length();
            record.push(piece);
        }
    }
    if !record.is_empty() {
        records.push(record);
    }
    records
}

fn split_some<H: Hole>(piece: Piece<H>, at: usize) -> (Option<Piece<H>>, Piece<H>) {
    let (head, rest) = piece.split(at);
    (Some(head), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A range of a secret.
    #[derive(Debug, PartialEq)]
    struct Range(usize, usize);

    impl Hole for Range {
        fn length(&self) -> usize {
            self.1 - self.0
        }

        fn split(self, at: usize) -> (Self, Self) {
            (Range(self.0, self.0 + at), Range(self.0 + at, self.1))
        }
    }

    fn shape(records: &[Vec<Piece<Range>>]) -> Vec<Vec<(Option<usize>, usize)>> {
        let one = |piece: &Piece<Range>| match piece {
            Piece::Public(bytes) => (None, bytes.len()),
            Piece::Secret(range) => (Some(range.0), range.length()),
        };
        records.iter().map(|record| record.iter().map(one).collect()).collect()
    }

    #[test]
    fn cutting_keeps_every_byte_in_order() {
        let pieces = || vec![Piece::Public(vec![1; 5]), Piece::Secret(Range(0, 7)), Piece::Public(vec![]), Piece::Public(vec![2; 2])];
        assert_eq!(shape(&cut(pieces(), FragmentSize::LARGEST)), [[(None, 5), (Some(0), 7), (None, 2)]]);
        let cut_at_3 = shape(&cut(pieces(), FragmentSize::new(3).unwrap()));
        assert_eq!(cut_at_3, [vec![(None, 3)], vec![(None, 2), (Some(0), 1)], vec![(Some(1), 3)], vec![(Some(4), 3)], vec![(None, 2)]]);
        for size in 1..20 {
            let records = shape(&cut(pieces(), FragmentSize::new(size).unwrap()));
            let lengths: Vec<usize> = records.iter().map(|record| record.iter().map(|(_, length)| length).sum()).collect();
            assert_eq!(lengths.iter().sum::<usize>(), 14);
            assert!(lengths[..lengths.len() - 1].iter().all(|&length| length == size) && *lengths.last().unwrap() <= size);
        }
        assert!(cut::<Range>(vec![], FragmentSize::LARGEST).is_empty());
    }

    #[test]
    fn sizes_are_bounded() {
        assert_eq!(FragmentSize::new(0), Err(Misuse::FragmentSize));
        assert_eq!(FragmentSize::new(MAX_FRAGMENT + 1), Err(Misuse::FragmentSize));
    }
}
