//! Opening authenticated shares, to all parties or to one.
//!
//! Every party sends its bits and, to each other party, the exclusive or of `H(M_l; l)` over the MACs M_l of all bits that it opens; the receiver
//! recomputes it from its keys, as `H(K_l ^ b_l * Delta; l)`. H is the correlation-robust hash of the session, l a tweak that is used for nothing else. A
//! sender that changes the bits in a set E has to send the exclusive or over E of `H(M_l ^ Delta; l)` in place of `H(M_l; l)`. For a hash that is correlation
//! robust with tweaks (GKWY20, definition 3) these are independent and uniform to whoever does not know Delta, so it succeeds with 2^-128 beyond guessing
//! Delta, which takes 2^-127, or 2^-63 for strings whose MACs have 64 bits: no party sends a hash of anything that depends on its own Delta here, so there
//! is nothing to search the 64 bits by. (WRK17b section 3 sends the MACs; hashing them together: NNOB12.) Nothing is returned before the tags of all have been checked.

use crate::{
    error::{Check, Error, Failed},
    kind::Kind,
    party::Party,
    shares::Shares,
};
use cotenant_core::{
    Bits, Block, Channel, PartyId,
    buffer::Buffer,
    codec::Reader,
    hash::{TweakUse, tweak},
    vector,
};
use std::ops::Range;
use subtle::ConstantTimeEq;

/// Shares that are looked at at once: 16 KiB of a column.
const RUN: usize = 1024;

/// A string of shares that can be computed piece by piece, so that what is only opened is never stored.
pub(crate) trait Linear {
    /// How many shares.
    fn len(&self) -> usize;

    /// Whether MACs and keys are the low 64 bits, and the rest 0.
    fn is_half(&self) -> bool {
        false
    }

    /// Writes a part of one column, numbered as in [`Shares`].
    fn part(&self, column: usize, range: Range<usize>, out: &mut [Block]);
}

impl Linear for Shares {
    fn len(&self) -> usize {
        Shares::len(self)
    }

    fn part(&self, column: usize, range: Range<usize>, out: &mut [Block]) {
        out.copy_from_slice(&self.column(column)[range]);
    }
}

/// Opens some strings of shares to everyone: the strings of opened bits. One round, one message and one hash for all strings.
pub(crate) async fn open<C: Channel>(party: &mut Party<C>, strings: &[&(dyn Linear + Sync)]) -> Result<Vec<Bits>, Error> {
    let number = take_tweaks(party, strings);
    let mut sums = Vec::new();
    for j in party.me.others() {
        sums = send(party, strings, j, number).await?;
    }
    add_theirs(party, strings, number, sums).await
}

/// Opens `shares` to `to` alone, who gets the bits; the others get `None`. One message from each other party.
pub(crate) async fn open_to<C: Channel>(party: &mut Party<C>, shares: &Shares, to: PartyId) -> Result<Option<Bits>, Error> {
    let number = take_tweaks(party, &[shares]);
    if party.id() != to {
        send(party, &[shares], to, number).await?;
        return Ok(None);
    }
    let mine = vec![shares.bits()];
    Ok(add_theirs(party, &[shares], number, mine).await?.pop())
}

/// The sums of this party's bits and those that the others send.
async fn add_theirs<C: Channel>(
    party: &mut Party<C>,
    strings: &[&(dyn Linear + Sync)],
    number: u64,
    mut sums: Vec<Bits>,
) -> Result<Vec<Bits>, Error> {
    for j in party.me.others() {
        let theirs = receive(party, strings, j, number).await?;
        sums.iter_mut().zip(&theirs).for_each(|(sum, bits)| sum.xor_assign(bits));
    }
    Ok(sums)
}

/// Sends this party's bits to one other, with the hash of their MACs. The bits.
async fn send<C: Channel>(party: &mut Party<C>, strings: &[&(dyn Linear + Sync)], to: PartyId, number: u64) -> Result<Vec<Bits>, Error> {
    let mut tag = Tag::new((party.id(), to), number);
    let mut message = Kind::Opened.message();
    let mut all = Vec::new();
    let column = party.me.mac(to);
    for string in strings {
        let mut words = Vec::with_capacity(string.len().div_ceil(64));
        each_run(*string, column, |_, run| {
            let from = words.len();
            words.resize(from + run.len().div_ceil(64), 0);
            vector::low_bits(run, &mut words[from..]);
            tag.add(party, run);
        });
        let bits = Bits::from_words(words, string.len());
        message = message.bits(&bits);
        all.push(bits);
    }
    party.comms.send(to, message.blocks(&[tag.sum()]).done()).await?;
    Ok(all)
}

async fn receive<C: Channel>(
    party: &mut Party<C>,
    strings: &[&(dyn Linear + Sync)],
    from: PartyId,
    number: u64,
) -> Result<Vec<Bits>, Error> {
    let read = |r: &mut Reader<'_>| {
        let bits = strings.iter().map(|s| r.bits(s.len())).collect::<Result<Vec<Bits>, _>>()?;
        Ok((bits, r.block()?))
    };
    let (all, claimed) = party.comms.recv_read(from, Kind::Opened, read).await?;
    let mut expected = Tag::new((from, party.id()), number);
    let (column, delta) = (party.me.key(from), party.me.delta());
    for (string, bits) in strings.iter().zip(&all) {
        let delta = if string.is_half() { Block(delta.low().into()) } else { delta };
        // The MACs that the bits have under this party's keys.
        each_run(*string, column, |at, run| {
            vector::add_where(run, &bits.words()[at / 64..][..run.len().div_ceil(64)], delta);
            expected.add(party, run);
        });
    }
    if bool::from(expected.sum().ct_eq(&claimed)) { Ok(all) } else { Err(party.comms.blame(from, Failed(Check::OpenedMac))) }
}

/// Calls `f` with the place and the values of each stretch of a column.
fn each_run(string: &(dyn Linear + Sync), column: usize, mut f: impl FnMut(usize, &mut [Block])) {
    let len = string.len();
    let mut memory = Buffer::zeroed(RUN.min(len));
    for at in (0..len).step_by(RUN) {
        let run = &mut memory[..RUN.min(len - at)];
        string.part(column, at..at + run.len(), run);
        f(at, run);
    }
}

/// The sum of hashes of MACs.
struct Tag {
    /// Sums of the hashes that stand in one place of their runs.
    sums: Buffer,
    /// For the next MAC.
    tweak: Block,
}

impl Tag {
    fn new((from, to): (PartyId, PartyId), number: u64) -> Tag {
        Tag { sums: Buffer::zeroed(RUN), tweak: tweak(TweakUse::OpenedMac, from, to, number) }
    }

    /// Adds some MACs, which are lost.
    fn add<C>(&mut self, party: &mut Party<C>, macs: &mut [Block]) {
        party.comms.stats.aes_blocks += 2 * macs.len() as u64;
        party.hash.hash_run(macs, self.tweak);
        vector::xor(&mut self.sums[..macs.len()], macs);
        self.tweak.0 += macs.len() as u128;
    }

    fn sum(&self) -> Block {
        self.sums.iter().fold(Block::ZERO, |s, &h| s ^ h)
    }
}

/// Tweaks for all MACs of an opening.
fn take_tweaks<C: Channel>(party: &mut Party<C>, strings: &[&(dyn Linear + Sync)]) -> u64 {
    party.take_tweaks(strings.iter().map(|s| s.len()).sum())
}
