//! The shared keys of one answer, in the clear: a question outside of the rules is a panic, and every answer is noted. Who asks sees ciphertext and these
//! answers, nothing else.

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use cotenant_agent::answer::{self, Contents, Expected, Questions, Read, Refusal, TagKeys, Unread, Window};
use cotenant_agent::redact::circuit::{Room, inputs, matcher, read};
use cotenant_agent::redact::head::{self, HeadFound};
use cotenant_agent::redact::inner::{self, Last, WINDOW};
use cotenant_agent::redact::plain::{Found, Texts};
use cotenant_agent::redact::{Action, Rules};
use cotenant_circuit::bytes::bits_of;
use cotenant_tls::protect::{TAG, nonce};
use cotenant_tls::record::Record;
use cotenant_tls_plain::ready;
use std::convert::Infallible;
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
    rules: Rules,
    plain: Vec<Vec<u8>>,
    types: Vec<Option<u8>>,
    stream: Vec<u8>,
    texts: Option<(Vec<u8>, Vec<u8>)>,
    found: Option<Vec<Found>>,
    pub(crate) told: Vec<Told>,
}

impl Oracle {
    /// For records that all hold and have compared: after this they cannot change.
    pub(crate) fn new(key: ServerKey, rules: &Rules, held: &[Record]) -> Oracle {
        let plain: Vec<Vec<u8>> = held.iter().enumerate().map(|(i, record)| key.decrypt(i, record)).collect();
        let types = vec![None; plain.len()];
        Oracle { key, rules: rules.clone(), plain, types, stream: vec![], texts: None, found: None, told: vec![] }
    }

    /// Reads, once: the held records are used up.
    pub(crate) fn read(&mut self, held: Vec<Record>, to_head: bool) -> Result<Read, Refusal> {
        let rules = self.rules.clone();
        ready(answer::read(held, self, &rules, &Expected { to_head, statuses: 0..=999 })).map_err(|unread| match unread {
            Unread::Refused(refusal) => refusal,
            Unread::Unanswered(never) => match never {},
        })
    }

    fn tell<T>(&mut self, value: T, told: impl FnOnce(T) -> Told) -> T
    where
        T: Clone,
    {
        self.told.push(told(value.clone()));
        value
    }

    /// Only behind a window all bytes were zero.
    fn last_of(&mut self, Window { record, end }: Window) -> Option<Last> {
        assert!(self.told.iter().any(|told| matches!(told, Told::TagMasks(_))), "types are opened when tags were checked");
        assert!(self.plain[record][end..].iter().all(|&byte| byte == 0), "a window ends where zeros begin");
        let mut window = [0; WINDOW];
        let taken = end.min(WINDOW);
        window[WINDOW - taken..].copy_from_slice(&self.plain[record][end - taken..end]);
        let last = inner::read_last(&inner::last().eval(&bits_of(&window)));
        self.types[record] = last.map(|last| last.byte);
        self.tell(last, Told::Last)
    }

    fn part(&self, from: usize, length: usize) -> Vec<bool> {
        let mut part = self.stream.get(from..).unwrap_or(&[]).to_vec();
        part.resize(length, 0);
        bits_of(&part)
    }

    /// What a kept value's wires hold. Nobody is told; a test may look.
    pub(crate) fn kept(&self, found: &Found) -> Vec<u8> {
        let (head, content) = self.texts.as_ref().expect("the policy was tried");
        Texts { head, content }.of(self.rules[found.rule].place)[found.at.clone()].to_vec()
    }
}

impl Questions for Oracle {
    type Error = Infallible;

    async fn tag_keys(&mut self) -> Result<TagKeys, Infallible> {
        let hash = self.tell(self.key.block([0; 16]), Told::HashKey);
        let masks = (0..self.plain.len()).map(|i| self.key.counter_block(i, 1)).collect();
        Ok(TagKeys { hash, masks: self.tell(masks, Told::TagMasks) })
    }

    async fn last(&mut self, windows: &[Window]) -> Result<Vec<Option<Last>>, Infallible> {
        Ok(windows.iter().map(|&window| self.last_of(window)).collect())
    }

    async fn contents(&mut self, records: &[Contents]) -> Result<Vec<Vec<u8>>, Infallible> {
        let content = |&Contents { record, length }: &Contents| {
            assert!(self.types[record].is_some_and(|kind| kind != 23), "application data is opened by the policy alone");
            self.tell(self.plain[record][..length].to_vec(), Told::Content)
        };
        Ok(records.iter().map(content).collect())
    }

    fn join(&mut self, records: &[Contents]) {
        assert!(records.iter().all(|part| self.types[part.record] == Some(23)), "only application data is in the stream");
        self.stream = records.iter().flat_map(|part| self.plain[part.record][..part.length].to_vec()).collect();
    }

    async fn head(&mut self) -> Result<Option<HeadFound>, Infallible> {
        let found = head::read_head(HEAD, &HEAD_CIRCUIT.eval(&self.part(0, HEAD)));
        Ok(self.tell(found, Told::Head))
    }

    async fn chunk_line(&mut self, at: usize) -> Result<Option<(usize, usize)>, Infallible> {
        let found = head::read_chunk_line(&head::chunk_line().eval(&self.part(at - 2, 12)));
        Ok(self.tell(found, Told::Chunk))
    }

    async fn line_end(&mut self, at: usize) -> Result<bool, Infallible> {
        let ends = head::line_end().eval(&self.part(at - 2, 2))[0];
        Ok(self.tell(ends, Told::LineEnd))
    }

    async fn fits(&mut self, head: usize, content: &[Range<usize>]) -> Result<bool, Infallible> {
        let content: Vec<u8> = content.iter().flat_map(|range| self.stream[range.clone()].to_vec()).collect();
        let texts = Texts { head: &self.stream[..head], content: &content };
        let room = Room::of(&self.rules, HEAD, CONTENT);
        let out = matcher(&self.rules, room).eval(&inputs(room, texts).expect("the answer has room"));
        self.found = out[0].then(|| read(&self.rules, room, &out[1..]));
        self.texts = Some((self.stream[..head].to_vec(), content));
        Ok(self.tell(out[0], Told::Fits))
    }

    async fn places(&mut self) -> Result<Vec<Found>, Infallible> {
        let found = self.found.clone().expect("places are opened when the policy fits");
        Ok(self.tell(found, Told::Places))
    }

    async fn values(&mut self, found: &[Found]) -> Result<Vec<Vec<u8>>, Infallible> {
        let value = |found: &Found| {
            let known = self.found.as_ref().is_some_and(|all| all.contains(found));
            assert!(self.rules[found.rule].action == Action::Open && known, "it is opened by the policy");
            self.tell(self.kept(found), Told::Value)
        };
        Ok(found.iter().map(value).collect())
    }
}
