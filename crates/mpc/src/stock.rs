//! Products that are made before the plan is known, for work that is known only late.
//!
//! A stock holds authenticated shares of random a, b and c = a*b, made as the products of a plan's masks are ([`triple`]), with a and b in their place. A gate
//! with masks l_a and l_b takes one (Beaver, "Efficient multiparty protocols using circuit randomization", CRYPTO 1991):
//!
//! ```text
//! d = l_a ^ a  and  e = l_b ^ b  are opened and their MACs checked;   l_a * l_b = c ^ d*b ^ e*a ^ d*e
//! ```
//!
//! a and b are uniform, known to nobody and used once, so d and e say nothing of the masks. What is left of a stock when its session is sealed is erased.

use crate::{
    auth::{CotLinks, Fill},
    error::Error,
    garble::Masks,
    leaky::Spare,
    open::{Linear, open},
    party::Party,
    shares::Shares,
    stats::Task,
    triple,
};
use cotenant_core::{Bits, Block, Channel, PartyId, vector};
use std::ops::Range;

/// Gates whose masks are in cache at a time.
const TILE: usize = 4096;

/// Products that no gate has taken.
pub(crate) struct Stock(Masks);

impl Stock {
    /// At least `ands` products, in whole batches.
    pub(crate) async fn make<C: Channel>(party: &mut Party<C>, links: &mut CotLinks, ands: usize) -> Result<Stock, Error> {
        let batches = triple::batches(ands);
        let len = batches.iter().sum();
        let new = || Shares::zero(&party.me, len);
        let mut masks = Masks { left: new(), right: new(), star: new() };
        links.fill(party, Task::Masks, vec![Fill::over(&mut masks.left, 0..len), Fill::over(&mut masks.right, 0..len)]).await?;
        multiply_all(party, links, &mut masks, 0, &batches, true).await?.erase(&party.workers);
        Ok(Stock(masks))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.star.len()
    }

    /// Adds the products of the first `count` of a plan's masks, where [`multiply_all`] would. One round.
    pub(crate) async fn spend<C: Channel>(self, party: &mut Party<C>, masks: &mut Masks, count: usize) -> Result<(), Error> {
        let Stock(Masks { left: a, right: b, star: c }) = self;
        let d = Difference { masks: &masks.left, stock: &a, len: count };
        let e = Difference { masks: &masks.right, stock: &b, len: count };
        let opened = open(party, &[&d, &e]).await?;
        let (d, e) = (&opened[0], &opened[1]);
        let me = &party.me;
        let tiles = masks.star.parts_mut(0..count, TILE).into_iter().enumerate().map(|(k, star)| (k * TILE, star));
        party.workers.map(tiles.collect(), |(from, mut star)| {
            let len = TILE.min(count - from);
            let (d, e) = (d.slice(from, len), e.slice(from, len));
            star.add(0..len, &c, from);
            star.add_where(0..len, &d, &b, from);
            star.add_where(0..len, &e, &a, from);
            // d*e is public: it is added to the evaluator's bit.
            let both = Bits::from_words(d.words().iter().zip(e.words()).map(|(d, e)| d & e).collect(), len);
            let by = |p: PartyId| if p == PartyId::EVALUATOR { both.clone() } else { Bits::zero(len) };
            star.shift(me, &PartyId::all(me.n()).map(by).collect::<Vec<_>>());
        });
        Ok(())
    }
}

/// Products of masks from `from` on, in these batches; the memory that they were made in, with what is in it. In a session with a stock the bound on buckets is shared: half of it for the stock's batches, half for
/// the plan's.
pub(crate) async fn multiply_all<C: Channel>(
    party: &mut Party<C>,
    links: &mut CotLinks,
    masks: &mut Masks,
    from: usize,
    batches: &[usize],
    stocked: bool,
) -> Result<Spare, Error> {
    let share_bound = batches.len() << usize::from(stocked);
    let (mut from, mut spare) = (from, Spare::default());
    for &n in batches {
        triple::multiply(party, links, masks, &mut spare, from..from + n, share_bound).await?;
        from += n;
    }
    Ok(spare)
}

/// The masks of the plan's first gates, plus those of the stock.
struct Difference<'a> {
    masks: &'a Shares,
    stock: &'a Shares,
    len: usize,
}

impl Linear for Difference<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn part(&self, column: usize, range: Range<usize>, out: &mut [Block]) {
        out.copy_from_slice(&self.masks.column(column)[range.clone()]);
        vector::xor(out, &self.stock.column(column)[range]);
    }
}
