//! Random authenticated bits: every party draws bits and gets them authenticated by every other, over correlated OT.

use crate::{
    coin::{Nonce, Step},
    error::{Check, Error, Failed, Phase},
    kind::Kind,
    ot::{Choices, CotReceiver, CotSender, OtFault, Pair, ReceiverSetup, SenderSetup},
    party::Party,
    shares::Shares,
    stats::Progress,
};
use cotenant_core::{Bits, Block, Channel, Digest, PartyId};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Authenticated bits made between two checks. A check costs a few rounds; its columns are held in memory until it has passed.
const EXTENSION: usize = 1 << 20;

/// Test bits of the global-key check beyond the statistical parameter.
const DELTA_TESTS: usize = 40 + 8;

/// The correlated-OT ends of one party, towards all others.
///
/// They exist while a session prepares and are gone when it is sealed, so a sealed session has no OT extension to attack.
pub(crate) struct CotLinks {
    peers: Vec<Link>,
}

struct Link {
    peer: PartyId,
    /// For this party's bits, under the peer's key.
    receiver: CotReceiver,
    /// For the peer's bits, under this party's key.
    sender: CotSender,
}

fn failed(fault: OtFault) -> Failed {
    Failed(match fault {
        OtFault::Format => Check::Format,
        OtFault::Point => Check::BaseOt,
        OtFault::TreeCheck => Check::PuncturedPrf,
        OtFault::CorrelationCheck => Check::CorrelatedOt,
    })
}

impl CotLinks {
    /// Base OTs and trees with every other party, two rounds; then, for n > 2, the global-key check.
    pub(crate) async fn set_up<C: Channel>(party: &mut Party<C>) -> Result<CotLinks, Error> {
        let mut started = Vec::new();
        for peer in party.me.others() {
            let ours = Pair { session: party.session, sender: party.id(), receiver: peer };
            let theirs = Pair { session: party.session, sender: peer, receiver: party.id() };
            let (sender, choices) = SenderSetup::start(ours, party.me.delta(), &mut party.rng);
            let (receiver, points) = ReceiverSetup::start(theirs, &mut party.rng);
            party.comms.send(peer, Kind::BaseOtChoice.message().bytes(&choices).done()).await?;
            party.comms.send(peer, Kind::BaseOtSend.message().bytes(&points).done()).await?;
            started.push((peer, sender, receiver));
        }
        let mut half = Vec::new();
        for (peer, sender, receiver) in started {
            let choices = party.comms.recv(peer, Kind::BaseOtChoice).await?;
            let points = party.comms.recv(peer, Kind::BaseOtSend).await?;
            let (receiver, trees) = receiver.finish(choices.body()).map_err(|e| party.comms.blame(peer, failed(e)))?;
            party.comms.send(peer, Kind::Trees.message().bytes(&trees).done()).await?;
            half.push((peer, sender, points, receiver));
        }
        let mut links = CotLinks { peers: Vec::new() };
        for (peer, sender, points, receiver) in half {
            let trees = party.comms.recv(peer, Kind::Trees).await?;
            let sender = sender.finish(points.body(), trees.body()).map_err(|e| party.comms.blame(peer, failed(e)))?;
            links.peers.push(Link { peer, receiver, sender });
        }
        if party.n() > 2 {
            links.check_deltas(party).await?;
        }
        Ok(links)
    }

    /// `count` random `<r>`, each the xor of a bit that every party drew.
    pub(crate) async fn random_bits<C: Channel>(&mut self, party: &mut Party<C>, count: usize) -> Result<Shares, Error> {
        let padded = count.next_multiple_of(128);
        let mut out = Shares::from_bits(&party.me, Bits::random(padded, &mut party.rng));
        for from in (0..padded).step_by(EXTENSION) {
            self.extend(party, &mut out, from, EXTENSION.min(padded - from)).await?;
            let (done, wanted) = ((from + EXTENSION).min(count) as u64, count as u64);
            party.progress(|sent_bytes| Progress { phase: Phase::Prepare, done, wanted, sent_bytes });
        }
        out.split_last(padded - count);
        party.comms.stats.authenticated_bits += padded as u64;
        Ok(out)
    }

    /// Authenticates bits `from .. from + count` of `out`. The coefficients of the check are tossed when every correction has been received; the mask and
    /// h(b) are one for all peers, so that no one can use other bits towards another party. Nothing is used before the check has passed.
    async fn extend<C: Channel>(&mut self, party: &mut Party<C>, out: &mut Shares, from: usize, count: usize) -> Result<(), Error> {
        let choices = Choices::new(&out.bits().slice(from, count), &mut party.rng);
        let mut received = Vec::new();
        for link in &mut self.peers {
            let (r, correction) = link.receiver.extend(&choices);
            party.comms.send(link.peer, Kind::CotCorrection.message().bytes(&correction).done()).await?;
            received.push(r);
        }
        let mut sent = Vec::new();
        for link in &mut self.peers {
            let correction = party.comms.recv(link.peer, Kind::CotCorrection).await?;
            sent.push(link.sender.extend(count, correction.body()).map_err(|e| party.comms.blame(link.peer, failed(e)))?);
        }
        let seed = party.toss(Step::CotCheck).await?;
        let answer = choices.answer(seed);
        for (link, r) in self.peers.iter().zip(received) {
            let (macs, digest) = r.check(seed);
            out.set_column(party.me.mac(link.peer), from, &macs);
            party.comms.send(link.peer, Kind::CotProof.message().blocks(&[answer]).bytes(&digest.0).done()).await?;
        }
        let mut sent = sent.into_iter();
        for p in PartyId::all(party.n()) {
            let theirs = if p == party.id() {
                answer
            } else {
                let (theirs, digest) = party.comms.recv_read(p, Kind::CotProof, |r| Ok((r.block()?, Digest(r.array()?)))).await?;
                let s = sent.next().expect("one extension for each peer");
                let keys = s.verify(seed, theirs, &digest).map_err(|e| party.comms.blame(p, failed(e)))?;
                out.set_column(party.me.key(p), from, &keys);
                theirs
            };
            party.comms.absorb(p, &theirs.0.to_le_bytes());
        }
        party.comms.check_echo().await
    }

    /// The corrupt parties' keys have the same sum towards every honest party (WRK17b, protocol aShare, step 3).
    ///
    /// For test bits `<r>`, P_i commits to z_i = r^i * Delta_i ^ (^ over j of K_i[r^j] ^ M_j[r^i]) as number 0 and to z_i ^ Delta_i as number 1. r is opened
    /// and its MACs checked; everyone opens number r, no other, and the values must sum to 0. The test bits are discarded.
    async fn check_deltas<C: Channel>(&mut self, party: &mut Party<C>) -> Result<(), Error> {
        let tests = self.random_bits(party, DELTA_TESTS).await?;
        let numbers: Vec<[u64; 2]> = (0..DELTA_TESTS).map(|_| [party.commitments.next(), party.commitments.next()]).collect();
        let mut mine: Vec<[(Zeroizing<[u8; 16]>, Nonce); 2]> = Vec::new();
        let mut message = Kind::DeltaCommit.message();
        for (t, number) in numbers.iter().enumerate() {
            let (bit, row) = tests.at(t);
            let z = row.iter().fold(party.me.delta().when(bit), |s, &b| s ^ b);
            let mut pair = Vec::new();
            for (value, number) in [z, z ^ party.me.delta()].into_iter().zip(number) {
                let value = Zeroizing::new(value.0.to_le_bytes());
                let (c, nonce) = party.commitments.commit(Step::DeltaCheck, *number, &*value, &mut party.rng);
                message = message.bytes(&c.0);
                pair.push((value, nonce));
            }
            mine.push(pair.try_into().unwrap_or_else(|_| unreachable!("two commitments a test")));
        }
        let commitments = party.comms.broadcast(Kind::DeltaCommit, message.done()).await?;
        party.comms.check_echo().await?;
        let r = crate::open::open(party, &tests).await?;
        let mut message = Kind::DeltaOpening.message();
        for (t, pair) in mine.iter().enumerate() {
            let (value, nonce) = &pair[r.get(t) as usize];
            message = message.bytes(&value[..]).bytes(nonce.bytes());
        }
        let openings = party.comms.broadcast(Kind::DeltaOpening, message.done()).await?;
        let mut sums = [Block::ZERO; DELTA_TESTS];
        for p in PartyId::all(party.n()) {
            let values = self.read_delta_openings(party, p, &commitments[p.index()], &openings[p.index()], &numbers, &r);
            let values = values.map_err(|e| party.comms.blame(p, e))?;
            sums.iter_mut().zip(values).for_each(|(s, v)| *s ^= v);
        }
        if sums.iter().any(|s| !bool::from(s.ct_eq(&Block::ZERO))) {
            return Err(party.comms.blame_any(Check::Delta));
        }
        party.comms.check_echo().await
    }

    fn read_delta_openings<C: Channel>(
        &self,
        party: &Party<C>,
        from: PartyId,
        commitments: &[u8],
        openings: &[u8],
        numbers: &[[u64; 2]],
        r: &Bits,
    ) -> Result<Vec<Block>, Failed> {
        if commitments.len() != DELTA_TESTS * 64 || openings.len() != DELTA_TESTS * 48 {
            return Err(Failed(Check::Format));
        }
        let mut values = Vec::new();
        for (t, opening) in openings.chunks_exact(48).enumerate() {
            let chosen = r.get(t) as usize;
            let commitment = &commitments[64 * t + 32 * chosen..][..32];
            let (value, nonce) = opening.split_at(16);
            let nonce = nonce.try_into().expect("48 - 16 bytes");
            party.commitments.verify((Step::DeltaCheck, numbers[t][chosen]), from, commitment, value, nonce)?;
            values.push(Block(u128::from_le_bytes(value.try_into().expect("16 bytes"))));
        }
        Ok(values)
    }
}
