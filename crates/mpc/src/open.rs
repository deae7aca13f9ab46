//! Opening authenticated shares, to all parties or to one.
//!
//! Every party sends its bits and one hash over their MACs; the receiver recomputes the hash from its keys. A bit that was changed needs the receiver's
//! Delta to be guessed, 2^-128 (WRK17b section 3; hashing MACs together: NNOB12). Nothing is returned before every hash of the batch has been checked.

use crate::{
    error::{Check, Error, Failed},
    kind::Kind,
    party::Party,
    shares::Shares,
};
use cotenant_core::{Bits, Block, Channel, Domain, PartyId};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// MACs that are hashed at once: 64 KiB.
const RUN: usize = 4096;

/// Opens `shares` to everyone. One round.
pub(crate) async fn open<C: Channel>(party: &mut Party<C>, shares: &Shares) -> Result<Bits, Error> {
    let number = party.commitments.next();
    for j in party.me.others() {
        send(party, shares, j, number).await?;
    }
    let mut sum = shares.bits().clone();
    for j in party.me.others() {
        sum.xor_assign(&receive(party, shares, j, number).await?);
    }
    Ok(sum)
}

/// Opens `shares` to `to` alone, who gets the bits; the others get `None`. One message from each other party.
pub(crate) async fn open_to<C: Channel>(party: &mut Party<C>, shares: &Shares, to: PartyId) -> Result<Option<Bits>, Error> {
    let number = party.commitments.next();
    if party.id() != to {
        send(party, shares, to, number).await?;
        return Ok(None);
    }
    let mut sum = shares.bits().clone();
    for j in party.me.others() {
        sum.xor_assign(&receive(party, shares, j, number).await?);
    }
    Ok(Some(sum))
}

async fn send<C: Channel>(party: &mut Party<C>, shares: &Shares, to: PartyId, number: u64) -> Result<(), Error> {
    let macs = digest(party, (party.id(), to), number, shares.column(party.me.mac(to)));
    party.comms.send(to, Kind::Opened.message().bits(shares.bits()).bytes(&macs).done()).await
}

async fn receive<C: Channel>(party: &mut Party<C>, shares: &Shares, from: PartyId, number: u64) -> Result<Bits, Error> {
    let (bits, macs) = party.comms.recv_read(from, Kind::Opened, |r| Ok((r.bits(shares.len())?, r.array::<32>()?))).await?;
    let delta = party.me.delta();
    let expected = shares.column(party.me.key(from)).zip(bits.iter()).map(|(k, b)| k ^ delta.when(b));
    let expected = digest(party, (from, party.id()), number, expected);
    if bool::from(expected.ct_eq(&macs)) { Ok(bits) } else { Err(party.comms.blame(from, Failed(Check::OpenedMac))) }
}

fn digest<C: Channel>(party: &Party<C>, (from, to): (PartyId, PartyId), number: u64, macs: impl Iterator<Item = Block>) -> [u8; 32] {
    let mut h = Domain::OpenMacs.hasher();
    h.field(&party.session.0).number(from.index() as u64).number(to.index() as u64).number(number);
    // Long runs, as BLAKE3 hashes many of its 1 KiB chunks side by side.
    let mut run = Zeroizing::new(Vec::with_capacity(RUN));
    for m in macs {
        run.push(m);
        if run.len() == RUN {
            h.raw(cotenant_core::block::as_bytes(&run));
            run.clear();
        }
    }
    h.raw(cotenant_core::block::as_bytes(&run));
    h.digest().0
}
