//! Opening authenticated shares, to all parties or to one.
//!
//! Every party sends its bits and one hash over their MACs; the receiver recomputes the hash from its keys. A bit that was changed needs the receiver's
//! Delta to be guessed, 2^-127 (WRK17b section 3; hashing MACs together: NNOB12). Nothing is returned before every hash of the batch has been checked.

use crate::{
    error::{Check, Error, Failed},
    kind::Kind,
    party::Party,
    shares::Shares,
};
use cotenant_core::{Bits, Block, Channel, Domain, PartyId, block, buffer::Buffer, codec::Reader, domain::Hasher, vector};
use std::ops::Range;
use subtle::ConstantTimeEq;

/// Shares that are looked at at once: 64 KiB of a column, as BLAKE3 hashes many of its 1 KiB chunks side by side.
const RUN: usize = 4096;

/// A string of shares that can be computed piece by piece, so that what is only opened is never stored.
pub(crate) trait Linear {
    /// How many shares.
    fn len(&self) -> usize;

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
    let number = party.commitments.next();
    let mut sums = Vec::new();
    for j in party.me.others() {
        sums = send(party, strings, j, number).await?;
    }
    add_theirs(party, strings, number, sums).await
}

/// Opens `shares` to `to` alone, who gets the bits; the others get `None`. One message from each other party.
pub(crate) async fn open_to<C: Channel>(party: &mut Party<C>, shares: &Shares, to: PartyId) -> Result<Option<Bits>, Error> {
    let number = party.commitments.next();
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
    let mut macs = Domain::OpenMacs.hasher();
    let mut message = Kind::Opened.message();
    let mut all = Vec::new();
    for string in strings {
        let mut words = Vec::with_capacity(string.len().div_ceil(64));
        each_run(*string, party.me.mac(to), |_, run| {
            macs.raw(block::as_bytes(run));
            let from = words.len();
            words.resize(from + run.len().div_ceil(64), 0);
            vector::low_bits(run, &mut words[from..]);
        });
        let bits = Bits::from_words(words, string.len());
        message = message.bits(&bits);
        all.push(bits);
    }
    party.comms.send(to, message.bytes(&digest(party, macs, (party.id(), to), number)).done()).await?;
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
        Ok((bits, r.array::<32>()?))
    };
    let (all, macs) = party.comms.recv_read(from, Kind::Opened, read).await?;
    let mut expected = Domain::OpenMacs.hasher();
    for (string, bits) in strings.iter().zip(&all) {
        // The MACs that the bits have under this party's keys.
        each_run(*string, party.me.key(from), |at, run| {
            vector::add_where(run, &bits.words()[at / 64..][..run.len().div_ceil(64)], party.me.delta());
            expected.raw(block::as_bytes(run));
        });
    }
    let fits = digest(party, expected, (from, party.id()), number).ct_eq(&macs);
    if bool::from(fits) { Ok(all) } else { Err(party.comms.blame(from, Failed(Check::OpenedMac))) }
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

/// The hash of the MACs so far, bound to session, pair and number. Both know how many there are, and the hash takes them fastest from its beginning.
fn digest<C: Channel>(party: &Party<C>, mut macs: Hasher, (from, to): (PartyId, PartyId), number: u64) -> [u8; 32] {
    macs.field(&party.session.0).number(from.index() as u64).number(to.index() as u64).number(number).digest().0
}
