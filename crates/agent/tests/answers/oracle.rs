//! The shared keys of one answer, in the clear: a question outside of the rules is a panic, and every answer is noted.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use cotenant_agent::redact::circuit::{Room, inputs, matcher, read};
use cotenant_agent::redact::head::{self, HeadFound};
use cotenant_agent::redact::inner::{self, Last, WINDOW};
use cotenant_agent::redact::plain::{Found, Texts};
use cotenant_agent::redact::{Action, Rules};
use cotenant_circuit::bytes::bits_of;
use cotenant_tls::protect::{TAG, nonce};
use cotenant_tls::record::Record;
use std::ops::Range;
use std::sync::LazyLock;

/// The longest head.
pub(crate) const HEAD: usize = 512;
/// The longest content.
pub(crate) const CONTENT: usize = 1536;

static HEAD_CIRCUIT: LazyLock<cotenant_circuit::Circuit> = LazyLock::new(|| head::head(HEAD));

/// The server's key and IV of one generation.
#[derive(Clone)]
pub(crate) struct ServerKey {
    pub(crate) key: [u8; 16],
    pub(crate) iv: [u8; 12],
}

impl ServerKey {
    fn block(&self, block: [u8; 16]) -> [u8; 16] {
        let mut block = block.into();
        aes::Aes128::new(&self.key.into()).encrypt_block(&mut block);
        block.into()
    }

    /// E(nonce || counter).
    pub(crate) fn counter_block(&self, sequence: usize, counter: u32) -> [u8; 16] {
        self.block([&nonce(&self.iv, sequence as u64)[..], &counter.to_be_bytes()].concat().try_into().expect("16 bytes"))
    }

    /// The inner plaintext of a record, whether it is authentic or not.
    fn decrypt(&self, sequence: usize, record: &Record) -> Vec<u8> {
        let body = &record.body[..record.body.len() - TAG];
        let blocks = body.chunks(16).zip(2..).flat_map(|(part, counter)| {
            let stream = self.counter_block(sequence, counter);
            part.iter().zip(stream).map(|(c, k)| c ^ k).collect::<Vec<u8>>()
        });
        blocks.collect()
    }
}

/// One answer of the oracle, all that the parties ever learn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// E(0), with which tags are checked.
    HashKey([u8; 16]),
    /// E(J0) of each record.
    TagMasks(Vec<[u8; 16]>),
    /// The last byte of a window of a record that is not zero.
    Last(Option<Last>),
    /// The whole content of a record that is not application data.
    Content(Vec<u8>),
    /// The framing in the head.
    Head(Option<HeadFound>),
    /// The length of a chunk's line, and its size.
    Chunk(Option<(usize, usize)>),
    /// Whether the last chunk's line is followed by an empty one.
    LineEnd(bool),
    /// Whether the policy fits.
    Fits(bool),
    /// Where the values stand.
    Places(Vec<Found>),
    /// An opened value.
    Value(Vec<u8>),
}

/// See above.
pub(crate) struct Oracle {
    key: ServerKey,
    plain: Vec<Vec<u8>>,
    types: Vec<Option<u8>>,
    stream: Vec<u8>,
    texts: Option<(Vec<u8>, Vec<u8>)>,
    found: Option<Vec<Found>>,
    pub(crate) told: Vec<Told>,
}

impl Oracle {
    /// For records that all hold and have compared: after this they cannot change.
    pub(crate) fn new(key: ServerKey, held: &[Record]) -> Oracle {
        let plain: Vec<Vec<u8>> = held.iter().enumerate().map(|(i, record)| key.decrypt(i, record)).collect();
        let types = vec![None; plain.len()];
        Oracle { key, plain, types, stream: vec![], texts: None, found: None, told: vec![] }
    }

    fn tell<T>(&mut self, value: T, told: impl FnOnce(T) -> Told) -> T
    where
        T: Clone,
    {
        self.told.push(told(value.clone()));
        value
    }

    /// E(0).
    pub(crate) fn hash_key(&mut self) -> [u8; 16] {
        self.tell(self.key.block([0; 16]), Told::HashKey)
    }

    /// E(J0) of all records.
    pub(crate) fn tag_masks(&mut self) -> Vec<[u8; 16]> {
        let masks = (0..self.plain.len()).map(|i| self.key.counter_block(i, 1)).collect();
        self.tell(masks, Told::TagMasks)
    }

    /// The last byte that is not zero in the window of a record that ends at `end`. Only behind it all were zero.
    pub(crate) fn last(&mut self, record: usize, end: usize) -> Option<Last> {
        assert!(self.told.iter().any(|told| matches!(told, Told::TagMasks(_))), "types are opened when tags were checked");
        assert!(self.plain[record][end..].iter().all(|&byte| byte == 0), "a window ends where zeros begin");
        let mut window = [0; WINDOW];
        let taken = end.min(WINDOW);
        window[WINDOW - taken..].copy_from_slice(&self.plain[record][end - taken..end]);
        let last = inner::read_last(&inner::last().eval(&bits_of(&window)));
        self.types[record] = last.map(|last| last.byte);
        self.tell(last, Told::Last)
    }

    /// The first bytes of a record that was found to be no application data.
    pub(crate) fn content(&mut self, record: usize, length: usize) -> Vec<u8> {
        assert!(self.types[record].is_some_and(|kind| kind != 23), "application data is opened by the policy alone");
        self.tell(self.plain[record][..length].to_vec(), Told::Content)
    }

    /// From here on the stream is what stands in these ranges of records. No answer: all know them.
    pub(crate) fn solder(&mut self, ranges: &[(usize, Range<usize>)]) {
        assert!(ranges.iter().all(|(record, _)| self.types[*record] == Some(23)), "only application data is in the stream");
        self.stream = ranges.iter().flat_map(|(record, range)| self.plain[*record][range.clone()].to_vec()).collect();
    }

    fn part(&self, from: usize, length: usize) -> Vec<bool> {
        let mut part = self.stream.get(from..).unwrap_or(&[]).to_vec();
        part.resize(length, 0);
        bits_of(&part)
    }

    /// The framing of the head.
    pub(crate) fn head(&mut self) -> Option<HeadFound> {
        let found = head::read_head(HEAD, &HEAD_CIRCUIT.eval(&self.part(0, HEAD)));
        self.tell(found, Told::Head)
    }

    /// The chunk whose line begins at `at`.
    pub(crate) fn chunk(&mut self, at: usize) -> Option<(usize, usize)> {
        let found = head::read_chunk_line(&head::chunk_line().eval(&self.part(at - 2, 12)));
        self.tell(found, Told::Chunk)
    }

    /// Whether the two bytes before `at` end a line.
    pub(crate) fn line_end(&mut self, at: usize) -> bool {
        let ends = head::line_end().eval(&self.part(at - 2, 2))[0];
        self.tell(ends, Told::LineEnd)
    }

    /// Whether the rules fit the head of this length and what stands in the ranges.
    pub(crate) fn fits(&mut self, rules: &Rules, head: usize, content: &[Range<usize>]) -> bool {
        let content: Vec<u8> = content.iter().flat_map(|range| self.stream[range.clone()].to_vec()).collect();
        let texts = Texts { head: &self.stream[..head], content: &content };
        let room = Room::of(rules, HEAD, CONTENT);
        let out = matcher(rules, room).eval(&inputs(room, texts).expect("the answer has room"));
        self.found = out[0].then(|| read(rules, room, &out[1..]));
        self.texts = Some((self.stream[..head].to_vec(), content));
        self.tell(out[0], Told::Fits)
    }

    /// Where the values stand.
    pub(crate) fn places(&mut self) -> Vec<Found> {
        let found = self.found.clone().expect("places are opened when the policy fits");
        self.tell(found, Told::Places)
    }

    /// A value that is opened.
    pub(crate) fn value(&mut self, rules: &Rules, found: &Found) -> Vec<u8> {
        assert!(
            rules[found.rule].action == Action::Open && self.found.as_ref().is_some_and(|all| all.contains(found)),
            "it is opened by the policy"
        );
        let (head, content) = self.texts.as_ref().expect("the policy was tried");
        let value = Texts { head, content }.of(rules[found.rule].place)[found.at.clone()].to_vec();
        self.tell(value, Told::Value)
    }

    /// What a kept value's wires hold. Nobody is told; a test may look.
    pub(crate) fn kept(&self, rules: &Rules, found: &Found) -> Vec<u8> {
        let (head, content) = self.texts.as_ref().expect("the policy was tried");
        Texts { head, content }.of(rules[found.rule].place)[found.at.clone()].to_vec()
    }
}
