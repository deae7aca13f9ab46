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
use cotenant_core::{Bits, Block, Channel, Domain, PartyId, block, buffer::Buffer, domain::Hasher, vector};
use subtle::ConstantTimeEq;

/// MACs that are computed at once: 64 KiB, as BLAKE3 hashes many of its 1 KiB chunks side by side.
const RUN: usize = 4096;

/// Opens some strings of shares to everyone: the strings of opened bits. One round, one message and one hash for all strings.
pub(crate) async fn open<C: Channel>(party: &mut Party<C>, strings: &[&Shares]) -> Result<Vec<Bits>, Error> {
    let number = party.commitments.next();
    for j in party.me.others() {
        send(party, strings, j, number).await?;
    }
    add_theirs(party, strings, number).await
}

/// Opens `shares` to `to` alone, who gets the bits; the others get `None`. One message from each other party.
pub(crate) async fn open_to<C: Channel>(party: &mut Party<C>, shares: &Shares, to: PartyId) -> Result<Option<Bits>, Error> {
    let number = party.commitments.next();
    if party.id() != to {
        send(party, &[shares], to, number).await?;
        return Ok(None);
    }
    Ok(add_theirs(party, &[shares], number).await?.pop())
}

/// The sums of this party's bits and those that the others send.
async fn add_theirs<C: Channel>(party: &mut Party<C>, strings: &[&Shares], number: u64) -> Result<Vec<Bits>, Error> {
    let mut sums: Vec<Bits> = strings.iter().map(|s| s.bits()).collect();
    for j in party.me.others() {
        let theirs = receive(party, strings, j, number).await?;
        sums.iter_mut().zip(&theirs).for_each(|(sum, bits)| sum.xor_assign(bits));
    }
    Ok(sums)
}

async fn send<C: Channel>(party: &mut Party<C>, strings: &[&Shares], to: PartyId, number: u64) -> Result<(), Error> {
    let mut macs = Domain::OpenMacs.hasher();
    let mut message = Kind::Opened.message();
    for shares in strings {
        macs.raw(block::as_bytes(shares.column(party.me.mac(to))));
        message = message.bits(&shares.bits());
    }
    party.comms.send(to, message.bytes(&digest(party, macs, (party.id(), to), number)).done()).await
}

async fn receive<C: Channel>(party: &mut Party<C>, strings: &[&Shares], from: PartyId, number: u64) -> Result<Vec<Bits>, Error> {
    let read = |r: &mut cotenant_core::codec::Reader<'_>| {
        let bits = strings.iter().map(|s| r.bits(s.len())).collect::<Result<Vec<Bits>, _>>()?;
        Ok((bits, r.array::<32>()?))
    };
    let (all, macs) = party.comms.recv_read(from, Kind::Opened, read).await?;
    let mut expected = Domain::OpenMacs.hasher();
    for (shares, bits) in strings.iter().zip(&all) {
        expect(shares.column(party.me.key(from)), bits, party.me.delta(), &mut expected);
    }
    let fits = digest(party, expected, (from, party.id()), number).ct_eq(&macs);
    if bool::from(fits) { Ok(all) } else { Err(party.comms.blame(from, Failed(Check::OpenedMac))) }
}

/// Hashes the MACs that `bits` have under `keys`.
fn expect(keys: &[Block], bits: &Bits, delta: Block, hasher: &mut Hasher) {
    let mut run = Buffer::zeroed(RUN.min(keys.len()));
    for (keys, words) in keys.chunks(RUN).zip(bits.words().chunks(RUN / 64)) {
        let macs = &mut run[..keys.len()];
        macs.copy_from_slice(keys);
        vector::add_where(macs, words, delta);
        hasher.raw(block::as_bytes(macs));
    }
}

/// The hash of the MACs so far, bound to session, pair and number. Both know how many there are, and the hash takes them fastest from its beginning.
fn digest<C: Channel>(party: &Party<C>, mut macs: Hasher, (from, to): (PartyId, PartyId), number: u64) -> [u8; 32] {
    macs.field(&party.session.0).number(from.index() as u64).number(to.index() as u64).number(number).digest().0
}
