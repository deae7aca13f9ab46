//! What is asked of an answer that stays shared. Whoever answers refuses nothing, as each question follows from what all parties know alike.

use crate::redact::{head::HeadFound, inner::Last, plain::Found};
use std::{future::Future, ops::Range};

/// With what all tags are checked (NIST SP 800-38D section 7.1). Neither is key stream of any content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagKeys {
    /// E(0).
    pub hash: [u8; 16],
    /// E(J0) of each record.
    pub masks: Vec<[u8; 16]>,
}

/// The [`WINDOW`](crate::redact::inner::WINDOW) bytes of a record's inner plaintext before one of its bytes; behind it all are zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The record.
    pub record: usize,
    /// Where the window ends.
    pub end: usize,
}

/// The first bytes of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contents {
    /// The record.
    pub record: usize,
    /// How many.
    pub length: usize,
}

/// One who can tell what of an answer is to be opened. The questions come in the order in which they stand here.
pub trait Questions: Send {
    /// Why there is no answer.
    type Error: Send;

    /// Rule 2: keys of the tags of all records that are held.
    fn tag_keys(&mut self) -> impl Future<Output = Result<TagKeys, Self::Error>> + Send;

    /// Rule 3: the last byte of each window that is not 0.
    fn last(&mut self, windows: &[Window]) -> impl Future<Output = Result<Vec<Option<Last>>, Self::Error>> + Send;

    /// Rule 4: the contents of records that are no application data.
    fn contents(&mut self, records: &[Contents]) -> impl Future<Output = Result<Vec<Vec<u8>>, Self::Error>> + Send;

    /// No question: the stream is made of the contents of these records, which are application data.
    fn join(&mut self, records: &[Contents]);

    /// Rule 5: the framing in the head, at the beginning of the stream.
    fn head(&mut self) -> impl Future<Output = Result<Option<HeadFound>, Self::Error>> + Send;

    /// Rule 5: the length of the chunk's line that stands at a place of the stream, and the chunk's size.
    fn chunk_line(&mut self, at: usize) -> impl Future<Output = Result<Option<(usize, usize)>, Self::Error>> + Send;

    /// Rule 5: whether the two bytes before a place of the stream end a line.
    fn line_end(&mut self, at: usize) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Rule 6: whether the policy fits a head of this length, and the content that stands in these ranges of the stream.
    fn fits(&mut self, head: usize, content: &[Range<usize>]) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Rule 6: where all values stand.
    fn places(&mut self) -> impl Future<Output = Result<Vec<Found>, Self::Error>> + Send;

    /// Rule 6: values that the policy opens.
    fn values(&mut self, found: &[Found]) -> impl Future<Output = Result<Vec<Vec<u8>>, Self::Error>> + Send;
}
