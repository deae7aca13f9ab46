//! Opening authenticated shares, to all parties or to one.
//!
//! Every party sends its bits and, to each other party, the exclusive or of `H(M_l; l)` over the MACs M_l of all bits that it opens; the receiver
//! recomputes it from its keys, as `H(K_l ^ b_l * Delta; l)`. H is the correlation-robust hash of the session, l a tweak that is used for nothing else. A
//! sender that changes the bits in a set E has to send the exclusive or over E of `H(M_l ^ Delta; l)` in place of `H(M_l; l)`. For a hash that is correlation
//! robust with tweaks (GKWY20, definition 3) these are independent and uniform to whoever does not know Delta, so it succeeds with 2^-128 beyond guessing
//! Delta, which takes 2^-127, or 2^-62 for strings whose MACs have 64 bits: no party sends a hash of anything that depends on its own Delta here, so there
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
    hash::{Tmmo, TweakUse, tweak},
    vector,
};
use std::ops::Range;
use subtle::ConstantTimeEq;

/// Shares that are looked at at once: 16 KiB of a column.
const RUN: usize = 1024;

/// Shares of each string that one thread looks at: whole words of bits.
const STRETCH: usize = 64 * RUN;

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
pub(crate) async fn open_to<C: Channel>(party: &mut Party<C>, shares: Shares, to: PartyId) -> Result<Option<Bits>, Error> {
    match start_open_to(party, shares, to).await? {
        Some(awaited) => awaited.receive(party).await.map(Some),
        None => Ok(None),
    }
}

/// Shares that are opened to this party.
pub(crate) struct Awaited {
    shares: Shares,
    number: u64,
}

/// Sends what `to` is to learn; whoever that is reads what the others sent when it likes, before it reads anything else that they send later.
pub(crate) async fn start_open_to<C: Channel>(party: &mut Party<C>, shares: Shares, to: PartyId) -> Result<Option<Awaited>, Error> {
    let number = take_tweaks(party, &[&shares]);
    if party.id() == to {
        return Ok(Some(Awaited { shares, number }));
    }
    send(party, &[&shares], to, number).await?;
    Ok(None)
}

impl Awaited {
    /// The opened bits, when the MACs of all have been checked.
    pub(crate) async fn receive<C: Channel>(self, party: &mut Party<C>) -> Result<Bits, Error> {
        let mine = vec![self.shares.bits()];
        let opened = add_theirs(party, &[&self.shares], self.number, mine).await?;
        Ok(opened.into_iter().next().expect("one string of bits for each of shares"))
    }
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

/// Sends this party's bits to one other, with the sum of the hashes of their MACs. The bits.
async fn send<C: Channel>(party: &mut Party<C>, strings: &[&(dyn Linear + Sync)], to: PartyId, number: u64) -> Result<Vec<Bits>, Error> {
    let (me, hash) = (&party.me, &party.hash);
    let first = tweak(TweakUse::OpenedMac, me.id(), to, number);
    let stretches = party.workers.map(stretches(strings), |from| {
        let (mut tag, mut bits) = (Tag::new(hash, first), vec![Vec::new(); strings.len()]);
        each_run(strings, me.mac(to), from, |string, _, place, run| {
            let words: &mut Vec<u64> = &mut bits[string];
            let at = words.len();
            words.resize(at + run.len().div_ceil(64), 0);
            vector::low_bits(run, &mut words[at..]);
            tag.add(place, run);
        });
        (bits, tag.sum())
    });
    count_blocks(party, strings);
    let mut sum = Block::ZERO;
    let mut all: Vec<Vec<u64>> = strings.iter().map(|s| Vec::with_capacity(s.len().div_ceil(64))).collect();
    for (bits, tag) in stretches {
        all.iter_mut().zip(bits).for_each(|(all, bits)| all.extend(bits));
        sum ^= tag;
    }
    let all: Vec<Bits> = all.into_iter().zip(strings).map(|(words, s)| Bits::from_words(words, s.len())).collect();
    let message = all.iter().fold(Kind::Opened.message(), |m, bits| m.bits(bits));
    party.comms.send(to, message.blocks(&[sum]).done()).await?;
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
    let (me, hash) = (&party.me, &party.hash);
    let first = tweak(TweakUse::OpenedMac, from, me.id(), number);
    let delta = me.delta();
    let half = Block(delta.low().into());
    let expected = party.workers.map(stretches(strings), |stretch| {
        let mut tag = Tag::new(hash, first);
        each_run(strings, me.key(from), stretch, |string, at, place, run| {
            // The MACs that the bits have under this party's keys.
            let delta = if strings[string].is_half() { half } else { delta };
            vector::add_where(run, &all[string].words()[at / 64..][..run.len().div_ceil(64)], delta);
            tag.add(place, run);
        });
        tag.sum()
    });
    count_blocks(party, strings);
    let expected = expected.into_iter().fold(Block::ZERO, |sum, tag| sum ^ tag);
    if bool::from(expected.ct_eq(&claimed)) { Ok(all) } else { Err(party.comms.blame(from, Failed(Check::OpenedMac))) }
}

/// Parts of the strings, for threads.
fn stretches(strings: &[&(dyn Linear + Sync)]) -> Vec<Range<usize>> {
    let longest = strings.iter().map(|s| s.len()).max().unwrap_or(0);
    (0..longest).step_by(STRETCH).map(|at| at..longest.min(at + STRETCH)).collect()
}

/// Calls `f` with the values of each run of a column of each string, as far as it is in `stretch`: the string's number, the place in it, and the place
/// among all. The strings go side by side, as what they are computed from is often the same.
fn each_run(strings: &[&(dyn Linear + Sync)], column: usize, stretch: Range<usize>, mut f: impl FnMut(usize, usize, u64, &mut [Block])) {
    let mut memory = Buffer::zeroed(RUN.min(stretch.len()));
    for at in stretch.step_by(RUN) {
        let mut place = at as u64;
        for (number, string) in strings.iter().enumerate() {
            if at < string.len() {
                let run = &mut memory[..RUN.min(string.len() - at)];
                string.part(column, at..at + run.len(), run);
                f(number, at, place, run);
            }
            place += string.len() as u64;
        }
    }
}

/// Two blocks for the hash of each MAC.
fn count_blocks<C>(party: &mut Party<C>, strings: &[&(dyn Linear + Sync)]) {
    party.comms.stats.aes_blocks += 2 * strings.iter().map(|s| s.len() as u64).sum::<u64>();
}

/// The sum of hashes of MACs.
struct Tag<'a> {
    hash: &'a Tmmo,
    /// For the first MAC of all.
    tweak: Block,
    /// Sums of the hashes that stand in one place of their runs.
    sums: Buffer,
}

impl Tag<'_> {
    fn new(hash: &Tmmo, tweak: Block) -> Tag<'_> {
        Tag { hash, tweak, sums: Buffer::zeroed(RUN) }
    }

    /// Adds the MACs from number `place` on, which are lost.
    fn add(&mut self, place: u64, macs: &mut [Block]) {
        self.hash.hash_run(macs, Block(self.tweak.0 + place as u128));
        vector::xor(&mut self.sums[..macs.len()], macs);
    }

    fn sum(&self) -> Block {
        self.sums.iter().fold(Block::ZERO, |s, &h| s ^ h)
    }
}

/// Tweaks for all MACs of an opening.
fn take_tweaks<C: Channel>(party: &mut Party<C>, strings: &[&(dyn Linear + Sync)]) -> u64 {
    party.take_tweaks(strings.iter().map(|s| s.len()).sum())
}
