//! The questions as joint operations on a sealed session.
//!
//! The plaintext of all records is wires, one stretch after another. Where the stream runs in it is chosen once the ends of records are open; windows, head,
//! lines and texts are then *soldered* to the wires that they are made of, and filled up with a wire that is 0. Each question takes a soldering, an evaluation
//! and an opening, however many records it is about.

use super::{
    circuits::{BLOCK, BLOCKS, COUNTER, IV, ROUND_KEYS, SEQUENCE},
    plan::{AnswerPlan, Part},
    questions::{Contents, Questions, TagKeys, Window},
};
use crate::redact::{
    Place,
    circuit::{self, HEAD_BITS},
    framing::CHUNK_DIGITS,
    head::{self, HeadFound},
    inner::{Last, WINDOW, read_last},
    plain::Found,
};
use cotenant_core::Bits;
use cotenant_mpc::{Error, Given, Misuse, Online, Segment, VerifiedWires};
use cotenant_tls::{protect::TAG, record::Record};
use std::ops::Range;

/// The wire that is 0, of all wires of the plaintext.
const ZERO: u32 = 0;

/// An answer that all parties hold alike, and their session.
pub(crate) struct JointAnswer<'o, O: Online> {
    online: &'o mut O,
    plan: AnswerPlan,
    records: Vec<Placed>,
    /// The ciphertext of all blocks, in the order of their wires.
    blocks: Vec<CounterBlock>,
    /// [`ZERO`], then of each record E(J0) and its plaintext, in blocks.
    plain: Option<O::Verified>,
    /// Of each byte of the stream the first of its wires.
    stream: Vec<u32>,
    head: Vec<u32>,
    content: Vec<u32>,
    matched: Option<O::Verified>,
}

/// Where a record's wires are.
struct Placed {
    /// The first of its tag's mask.
    mask: u32,
    /// The first of its plaintext.
    content: u32,
}

/// What a block of wires is made of.
struct CounterBlock {
    record: usize,
    counter: usize,
    text: [u8; 16],
}

impl<'o, O: Online> JointAnswer<'o, O> {
    /// For records within the limits of the plan, which all parties have compared.
    pub(crate) fn new(online: &'o mut O, plan: AnswerPlan, held: &[Record]) -> Self {
        let (mut records, mut blocks) = (Vec::new(), Vec::new());
        for (record, of) in held.iter().enumerate() {
            let mask = (1 + BLOCK * blocks.len()) as u32;
            records.push(Placed { mask, content: mask + BLOCK as u32 });
            blocks.push(CounterBlock { record, counter: 1, text: [0; 16] });
            for (i, part) in of.body[..of.body.len() - TAG].chunks(16).enumerate() {
                let mut text = [0; 16];
                text[..part.len()].copy_from_slice(part);
                blocks.push(CounterBlock { record, counter: i + 2, text });
            }
        }
        let (stream, head, content) = (Vec::new(), Vec::new(), Vec::new());
        JointAnswer { online, plan, records, blocks, plain: None, stream, head, content, matched: None }
    }

    /// The wires of a value, 8 a byte, the lowest bit first: of a kept one what nobody sees.
    ///
    /// # Panics
    /// If it was not found in this answer.
    pub(crate) fn value(&self, found: &Found) -> O::Verified {
        let text = match self.plan.rules[found.rule].place {
            Place::Header => &self.head,
            Place::Body => &self.content,
        };
        self.plain().pick(&wires_of(text[found.at.clone()].iter().copied(), 8))
    }

    fn plain(&self) -> &O::Verified {
        self.plain.as_ref().expect("the keys of tags are asked for first")
    }

    /// Where a byte of a record's plaintext is.
    fn byte(&self, record: usize, at: usize) -> u32 {
        self.records[record].content + 8 * at as u32
    }

    /// The public inputs of the segments that these blocks take. What is left of the last one is of no use.
    fn given(&mut self, iv: &Bits) -> (Vec<Given>, Vec<Segment>) {
        let needed = self.blocks.len().div_ceil(BLOCKS);
        let parts = self.plan.blocks.drain(..needed);
        let given = parts.zip(self.blocks.chunks(BLOCKS)).map(|(Part { input, segment }, blocks)| {
            let mut bits: Bits = iv.clone();
            blocks.iter().for_each(|block| bits.extend(&block.bits()));
            bits.extend(&Bits::zero(input.len() - bits.len()));
            (Given::Public(input, bits), segment)
        });
        given.unzip()
    }

    /// Opens all that a part puts out for these bytes of plaintext, by the first of their wires.
    async fn told(&mut self, part: Part, bytes: Vec<u32>) -> Result<Vec<bool>, Error> {
        let wires = self.plain().pick(&wires_of(bytes.into_iter(), 8));
        self.online.solder(part.input, &wires).await?;
        let out = self.online.evaluate(part.segment).await?;
        Ok(self.online.open(&out).await?.iter().collect())
    }

    /// So many bytes of the stream from a place on, zeros behind its end.
    fn stretch(&self, from: usize, length: usize) -> Vec<u32> {
        filled(self.stream.iter().copied().skip(from), length)
    }
}

impl CounterBlock {
    fn bits(&self) -> Bits {
        let number = |value: usize, bits: usize| (0..bits).map(move |i| value >> i & 1 == 1);
        let mut bits: Bits = number(self.record, SEQUENCE).chain(number(self.counter, COUNTER)).collect();
        bits.extend(&Bits::from_bytes(&self.text));
        bits
    }
}

/// The first wires of bytes, and zeros for those that are missing. The bits of a byte that is 0 are all [`ZERO`].
fn filled(bytes: impl Iterator<Item = u32>, length: usize) -> Vec<u32> {
    bytes.chain(std::iter::repeat(ZERO)).take(length).collect()
}

fn wires_of(bytes: impl Iterator<Item = u32>, bits: usize) -> Vec<u32> {
    bytes.flat_map(|first| (0..bits as u32).map(move |i| if first == ZERO { ZERO } else { first + i })).collect()
}

impl<O: Online> Questions for JointAnswer<'_, O> {
    type Error = Error;

    async fn tag_keys(&mut self) -> Result<TagKeys, Error> {
        let keys = self.plan.keys.take().ok_or(Misuse::Foreign)?;
        let keys = self.online.evaluate(keys).await?;
        let iv = self.online.open(&keys.slice(0..IV)).await?;
        let (given, segments) = self.given(&iv);
        self.online.input(given).await?;
        let blocks = self.online.evaluate_all(segments).await?;
        let zero = keys.slice(keys.len() - 1..keys.len());
        let plain = blocks.iter().fold(zero, |all, part| all.concat(part));
        let masks: Vec<u32> = self.records.iter().flat_map(|record| record.mask..record.mask + BLOCK as u32).collect();
        let hash = keys.slice(IV + ROUND_KEYS..IV + ROUND_KEYS + BLOCK);
        let opened = self.online.open(&hash.concat(&plain.pick(&masks))).await?.to_packed();
        self.plain = Some(plain);
        let (hash, masks) = opened.split_first_chunk().expect("E(0) is among what is opened");
        Ok(TagKeys { hash: *hash, masks: masks.as_chunks().0.to_vec() })
    }

    async fn last(&mut self, windows: &[Window]) -> Result<Vec<Option<Last>>, Error> {
        let parts: Vec<Part> = self.plan.windows.drain(..windows.len()).collect();
        let (mut pairs, mut segments) = (Vec::new(), Vec::new());
        for (part, &Window { record, end }) in parts.into_iter().zip(windows) {
            let bytes = (0..WINDOW).map(|i| (end + i).checked_sub(WINDOW).map_or(ZERO, |at| self.byte(record, at)));
            pairs.push((part.input, self.plain().pick(&wires_of(bytes, 8))));
            segments.push(part.segment);
        }
        self.online.solder_all(pairs).await?;
        let found = self.online.evaluate_all(segments).await?;
        let Some(all) = found.iter().cloned().reduce(|all, one| all.concat(&one)) else { return Ok(Vec::new()) };
        let opened: Vec<bool> = self.online.open(&all).await?.iter().collect();
        Ok(opened.chunks(opened.len() / windows.len()).map(read_last).collect())
    }

    async fn contents(&mut self, records: &[Contents]) -> Result<Vec<Vec<u8>>, Error> {
        let bytes = records.iter().flat_map(|&Contents { record, length }| (0..length).map(move |at| (record, at)));
        let wires = wires_of(bytes.map(|(record, at)| self.byte(record, at)), 8);
        let mut opened = self.online.open(&self.plain().pick(&wires)).await?.to_packed().into_iter();
        Ok(records.iter().map(|of| opened.by_ref().take(of.length).collect()).collect())
    }

    fn join(&mut self, records: &[Contents]) {
        let bytes = records.iter().flat_map(|&Contents { record, length }| (0..length).map(move |at| (record, at)));
        self.stream = bytes.map(|(record, at)| self.byte(record, at)).collect();
    }

    async fn head(&mut self) -> Result<Option<HeadFound>, Error> {
        let Some(part) = self.plan.head.take() else { return Ok(None) };
        let room = self.plan.head_room;
        let bytes = self.stretch(0, room);
        Ok(head::read_head(room, &self.told(part, bytes).await?))
    }

    async fn chunk_line(&mut self, at: usize) -> Result<Option<(usize, usize)>, Error> {
        // An answer in more chunks than were prepared is not read.
        let Some(part) = self.plan.lines.pop_front() else { return Ok(None) };
        let bytes = self.stretch(at - 2, 2 + CHUNK_DIGITS + 2);
        Ok(head::read_chunk_line(&self.told(part, bytes).await?))
    }

    async fn line_end(&mut self, at: usize) -> Result<bool, Error> {
        let Some(part) = self.plan.line_end.take() else { return Ok(false) };
        let bytes = self.stretch(at - 2, 2);
        Ok(self.told(part, bytes).await?[0])
    }

    async fn fits(&mut self, head: usize, content: &[Range<usize>]) -> Result<bool, Error> {
        self.head = self.stretch(0, head);
        self.content = content.iter().flat_map(|range| self.stream[range.clone()].to_vec()).collect();
        let Some(Part { input, segment }) = self.plan.matcher.take() else { return Ok(true) };
        let room = self.plan.room;
        let head = filled(self.head.iter().copied(), room.head);
        let content = filled(self.content.iter().copied(), room.content);
        let wires = [wires_of(head.into_iter(), HEAD_BITS), wires_of(content.into_iter(), 8)].concat();
        self.online.solder(input, &self.plain().pick(&wires)).await?;
        let out = self.online.evaluate(segment).await?;
        let fits = self.online.open(&out.slice(0..1)).await?.get(0);
        self.matched = fits.then_some(out);
        Ok(fits)
    }

    async fn places(&mut self) -> Result<Vec<Found>, Error> {
        let Some(out) = self.matched.take() else { return Ok(Vec::new()) };
        let places: Vec<bool> = self.online.open(&out.slice(1..out.len())).await?.iter().collect();
        Ok(circuit::read(&self.plan.rules, self.plan.room, &places))
    }

    async fn values(&mut self, found: &[Found]) -> Result<Vec<Vec<u8>>, Error> {
        let Some(wires) = found.iter().map(|f| self.value(f)).reduce(|all, one| all.concat(&one)) else { return Ok(Vec::new()) };
        let mut opened = self.online.open(&wires).await?.to_packed().into_iter();
        Ok(found.iter().map(|f| opened.by_ref().take(f.at.len()).collect()).collect())
    }
}
