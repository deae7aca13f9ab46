//! How a codeword is divided among members, and what each of a quorum contributes to putting it together.
//!
//! n of n: shares of each block are uniform but for their sum, which is the block. t of n: Shamir, *How to Share a Secret*, CACM 1979, over GF(2^128): a share
//! is the value, at the member's point, of a polynomial of degree t - 1 with the block at 0. For a quorum Q of t members the block is the sum of
//! `weight_i * share_i` with Lagrange's `weight_i = product over j in Q, j != i, of p_j / (p_j + p_i)`. Each multiplies its own share, so the circuit that
//! loads sees a sum either way.

use cotenant_core::{Block, PartyId, gf128};
use zeroize::Zeroizing;

/// The most members, as many as a session has parties.
pub const MAX_MEMBERS: usize = 64;

/// Among how many members a secret is shared and how many of them it takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sharing {
    members: u8,
    threshold: u8,
}

impl Sharing {
    /// `threshold` of `members`; none unless 2 <= threshold <= members <= [`MAX_MEMBERS`].
    pub fn new(threshold: usize, members: usize) -> Option<Sharing> {
        let fits = 2 <= threshold && threshold <= members && members <= MAX_MEMBERS;
        fits.then_some(Sharing { members: members as u8, threshold: threshold as u8 })
    }

    /// n.
    pub fn members(self) -> usize {
        self.members.into()
    }

    /// t.
    pub fn threshold(self) -> usize {
        self.threshold.into()
    }

    /// Whether shares are summed as they are: n of n.
    pub fn takes_all(self) -> bool {
        self.threshold == self.members
    }

    /// Where the member at `seat` has the value of the polynomials: seat + 1, its bits as coefficients.
    pub fn point(seat: PartyId) -> Block {
        Block(seat.index() as u128 + 1)
    }
}

/// A member that gives a share, and which party of the session it is. A session of a quorum numbers its parties anew; seats stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The member, by its place in the list at the time of the save.
    pub seat: PartyId,
    /// The party of this session.
    pub party: PartyId,
}

/// The members that put a secret together: exactly as many as it takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quorum {
    sharing: Sharing,
    holders: Vec<Holder>,
}

/// Why members are no quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QuorumError {
    /// Too few, or more than it takes.
    #[error("{given} members are to give their shares where it takes {wanted}")]
    Count {
        /// How many.
        given: usize,
        /// The threshold.
        wanted: usize,
    },
    /// A seat beyond the members.
    #[error("no share is at seat {0}")]
    Seat(PartyId),
    /// Seats do not rise, or two are the same party.
    #[error("a quorum has each member once, in the order of the seats, each another party of the session")]
    Order,
}

impl Quorum {
    /// These members, by rising seats.
    ///
    /// # Errors
    /// [`QuorumError`].
    pub fn new(sharing: Sharing, holders: Vec<Holder>) -> Result<Quorum, QuorumError> {
        if holders.len() != sharing.threshold() {
            return Err(QuorumError::Count { given: holders.len(), wanted: sharing.threshold() });
        }
        if let Some(outside) = holders.iter().find(|h| h.seat.index() >= sharing.members()) {
            return Err(QuorumError::Seat(outside.seat));
        }
        let once = |h: &Holder| holders.iter().filter(|other| other.party == h.party).count() == 1;
        let rising = holders.is_sorted_by(|a, b| a.seat < b.seat);
        if rising && holders.iter().all(once) { Ok(Quorum { sharing, holders }) } else { Err(QuorumError::Order) }
    }

    /// Of whom it is, by rising seats.
    pub fn holders(&self) -> &[Holder] {
        &self.holders
    }

    /// How what it puts together is shared.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// The seat of a party of the session, if it is one of the quorum.
    pub fn seat_of(&self, party: PartyId) -> Option<PartyId> {
        self.holders.iter().find(|h| h.party == party).map(|h| h.seat)
    }

    /// What the member at `seat` gives: its share of each block times its weight.
    pub(super) fn contribution(&self, seat: PartyId, share: &[Block]) -> Zeroizing<Vec<Block>> {
        let weight = self.weight(seat);
        Zeroizing::new(share.iter().map(|&block| gf128::mul(weight, block)).collect())
    }

    fn weight(&self, seat: PartyId) -> Block {
        if self.sharing.takes_all() {
            return Block(1);
        }
        let own = Sharing::point(seat);
        let others = self.holders.iter().filter(|h| h.seat != seat).map(|h| Sharing::point(h.seat));
        let (above, below) = others.fold((Block(1), Block(1)), |(above, below), p| (gf128::mul(above, p), gf128::mul(below, p ^ own)));
        gf128::mul(above, inverse(below))
    }
}

/// `x^(2^128 - 2)`: the square of every power x^(2^i), i = 1..127, multiplied.
fn inverse(x: Block) -> Block {
    let powers = std::iter::successors(Some(gf128::mul(x, x)), |&power| Some(gf128::mul(power, power)));
    powers.take(127).fold(Block(1), gf128::mul)
}

/// Shares as a dealer would make them. There is no dealer outside of tests: shares come out of the circuit of [`super::save`].
#[cfg(test)]
pub(super) mod dealer {
    use super::*;
    use rand_core::CryptoRng;

    /// Masks of all blocks, as many as a sharing needs.
    pub(in crate::vault) fn masks(sharing: Sharing, blocks: usize, rng: &mut impl CryptoRng) -> Vec<Vec<Block>> {
        (1..sharing.threshold()).map(|_| (0..blocks).map(|_| Block::random(rng)).collect()).collect()
    }

    /// One share a member of each block, from these masks.
    pub(in crate::vault) fn deal(sharing: Sharing, blocks: &[Block], masks: &[Vec<Block>]) -> Vec<Vec<Block>> {
        let seats = PartyId::all(sharing.members());
        let at = |seat: PartyId, i: usize| {
            let of_block = masks.iter().map(|mask| mask[i]);
            if !sharing.takes_all() {
                let p = Sharing::point(seat);
                of_block.rev().fold(Block::ZERO, |sum, coefficient| gf128::mul(sum ^ coefficient, p)) ^ blocks[i]
            } else if let Some(mask) = masks.get(seat.index()) {
                mask[i]
            } else {
                of_block.fold(blocks[i], |sum, mask| sum ^ mask)
            }
        };
        seats.map(|seat| (0..blocks.len()).map(|i| at(seat, i)).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        dealer::{deal, masks},
        *,
    };
    use cotenant_cluster::session_rng;

    fn quorum(sharing: Sharing, seats: &[usize]) -> Result<Quorum, QuorumError> {
        let holders = seats.iter().enumerate().map(|(party, &seat)| Holder { seat: PartyId::new(seat), party: PartyId::new(party) });
        Quorum::new(sharing, holders.collect())
    }

    #[test]
    fn every_quorum_puts_the_same_together() {
        let mut rng = session_rng(2, PartyId::new(0));
        let blocks: Vec<Block> = (0..5).map(|_| Block::random(&mut rng)).collect();
        for (t, n) in [(2, 2), (3, 3), (2, 3), (2, 5), (3, 5), (4, 5), (5, 5), (3, 64)] {
            let sharing = Sharing::new(t, n).unwrap();
            let shares = deal(sharing, &blocks, &masks(sharing, 5, &mut rng));
            for first in 0..=n - t {
                // neighbours, and one that is far
                for last in [first + t - 1, n - 1] {
                    let seats: Vec<usize> = (first..first + t - 1).chain([last]).collect();
                    let quorum = quorum(sharing, &seats).unwrap();
                    let mut sum = [Block::ZERO; 5];
                    for seat in quorum.holders().iter().map(|h| h.seat) {
                        let given = quorum.contribution(seat, &shares[seat.index()]);
                        sum.iter_mut().zip(given.iter()).for_each(|(sum, &block)| *sum ^= block);
                    }
                    assert!(sum.iter().zip(&blocks).all(|(a, b)| a.0 == b.0), "{seats:?} of {t} of {n}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_quorum() {
        let sharing = Sharing::new(2, 3).unwrap();
        let error = |seats: &[usize]| quorum(sharing, seats).unwrap_err();
        assert_eq!(error(&[0]), QuorumError::Count { given: 1, wanted: 2 });
        assert_eq!(error(&[0, 1, 2]), QuorumError::Count { given: 3, wanted: 2 });
        assert_eq!(error(&[0, 3]), QuorumError::Seat(PartyId::new(3)));
        assert_eq!([error(&[1, 0]), error(&[1, 1])], [QuorumError::Order; 2]);
        let twice = [0, 1].map(|seat| Holder { seat: PartyId::new(seat), party: PartyId::new(0) });
        assert_eq!(Quorum::new(sharing, twice.to_vec()), Err(QuorumError::Order));
        assert!([(1, 2), (3, 2), (2, 65), (0, 0)].iter().all(|&(t, n)| Sharing::new(t, n).is_none()));
    }

    /// Shares of any t - 1 members are t - 1 linear functions of the t - 1 masks alone, plus the block; they say nothing of the block iff the functions of the masks are
    /// independent. Here the matrix of powers p^1 .. p^(t-1) at these points is brought to echelon form over GF(2^128), for every set of t - 1 of n.
    #[test]
    fn fewer_shares_than_the_threshold_are_independent_of_the_secret() {
        for (t, n) in [(2, 3), (3, 5), (4, 5), (4, 6)] {
            for set in (0..1u32 << n).filter(|set| set.count_ones() as usize == t - 1) {
                let points = (0..n).filter(|seat| set >> seat & 1 == 1).map(|seat| Sharing::point(PartyId::new(seat)));
                let mut rows: Vec<Vec<Block>> =
                    points.map(|p| std::iter::successors(Some(p), |&power| Some(gf128::mul(power, p))).take(t - 1).collect()).collect();
                for k in 0..t - 1 {
                    let pivot = (k..t - 1).find(|&r| rows[r][k].0 != 0).expect("the rank is t - 1");
                    rows.swap(k, pivot);
                    let (done, rest) = rows.split_at_mut(k + 1);
                    for row in rest {
                        let factor = gf128::mul(row[k], inverse(done[k][k]));
                        row.iter_mut().zip(&done[k]).for_each(|(entry, &above)| *entry ^= gf128::mul(factor, above));
                    }
                }
            }
        }
    }

    #[test]
    fn inverses() {
        let mut rng = session_rng(3, PartyId::new(0));
        for x in [Block(1), Block(2), Block(u128::MAX), Block::random(&mut rng)] {
            assert_eq!(gf128::mul(x, inverse(x)).0, 1);
        }
    }
}
