//! Loading: the shares of a quorum become secret wires, if they are the right ones.
//!
//! Every party of the quorum gives its weighted shares as private inputs; a circuit adds them, computes the tag again and compares. One bit, that of all items of
//! the load together, is opened, alone and before anything else. Only if it is 1 there is a [`Loaded`], and what is loaded leaves it in one way: soldered
//! into an input that a later part of the plan declared. So nothing can be computed from a secret whose check has not passed, and nobody can open one by
//! mistake:
//!
//! ```compile_fail
//! async fn open<O: cotenant_mpc::Online>(mut o: O, loaded: cotenant_agent::vault::load::Loaded<O::Verified>) {
//!     o.open(&loaded.items[0].1).await.unwrap();
//! }
//! ```
//!
//! ```compile_fail
//! use cotenant_agent::vault::load::{LoadPlan, Loaded};
//! async fn without_the_check<O: cotenant_mpc::Online>(plan: LoadPlan) -> Loaded<O::Verified> {
//!     Loaded { items: Vec::new() }
//! }
//! ```
//!
//! A load that nothing follows is the verification of a vault.

use super::{
    circuits,
    error::{PlanError, VaultError},
    item::Item,
    share::{Origin, Share},
    sharing::Quorum,
};
use crate::built::Built;
use cotenant_core::{Bits, PartyId, block::as_bytes};
use cotenant_mpc::{Engine, Error, Given, Input, Online, Segment, Source, VerifiedWires, Wire};
use std::sync::Arc;

/// What is to be loaded, and by whom.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Which sharing.
    pub origin: Origin,
    /// Who gives a share.
    pub quorum: Quorum,
}

/// One circuit for all items of a length and threshold.
static BUILT: Built<(usize, usize)> = Built::new();

/// A declared load of one or more items.
pub struct LoadPlan {
    items: Vec<Planned>,
    /// The and of all items' bits, if there are several.
    all: Option<Segment>,
}

struct Planned {
    wanted: Wanted,
    /// By holder.
    shares: Vec<Input>,
    segment: Segment,
}

/// Secrets whose check has passed, still shared between the parties of the session.
pub struct Loaded<V> {
    items: Vec<(Item, V)>,
}

impl LoadPlan {
    /// Declares the load of these items, in this order.
    ///
    /// # Errors
    /// [`VaultError::Plan`] for none, or a quorum that does not fit the item or the session.
    pub fn declare<E: Engine>(engine: &mut E, wanted: &[Wanted]) -> Result<LoadPlan, VaultError> {
        if wanted.is_empty() {
            return Err(PlanError::Empty.into());
        }
        let mut items = Vec::new();
        for each in wanted {
            check(each, engine.parties())?;
            let item = &each.origin.item;
            let circuit = BUILT.get((item.len, item.sharing.threshold()), || circuits::load(item));
            let holders = each.quorum.holders().iter();
            let shares: Vec<Input> = holders.map(|h| engine.declare(Source::Private(h.party), circuits::share_bits(item))).collect();
            let wires: Vec<Wire> = shares.iter().flat_map(Input::wires).collect();
            let segment = engine.segment(&circuit, &wires)?;
            items.push(Planned { wanted: each.clone(), shares, segment });
        }
        let all = declare_all(engine, items.iter().map(|planned| &planned.segment))?;
        Ok(LoadPlan { items, all })
    }

    /// Loads. `shares` are this party's, one for each item of whose quorum it is, in the order of the plan.
    ///
    /// # Errors
    /// [`VaultError::Share`] before anything is sent if a share is another than the wanted one; [`VaultError::VaultTag`] at every party if what is put
    /// together is not what was saved; or the session's.
    pub async fn run<O: Online>(self, online: &mut O, shares: Vec<Share>) -> Result<Loaded<O::Verified>, VaultError> {
        if let Err(error) = self.check_shares(online.me(), &shares) {
            // The others wait for shares that will not come.
            online.give_up().await;
            return Err(error);
        }
        let me = online.me();
        let (mut given, mut segments, mut items) = (Vec::new(), Vec::new(), Vec::new());
        let mut shares = shares.into_iter();
        for Planned { wanted, shares: inputs, segment } in self.items {
            for (input, holder) in inputs.into_iter().zip(wanted.quorum.holders()) {
                given.push(if holder.party == me {
                    let share = shares.next().expect("as many shares as were counted");
                    let weighted = wanted.quorum.contribution(holder.seat, share.blocks());
                    Given::Mine(input, Bits::from_bytes(as_bytes(&weighted)))
                } else {
                    Given::Theirs(input)
                });
            }
            segments.push(segment);
            items.push(wanted.origin.item);
        }
        online.input(given).await?;
        let evaluated = online.evaluate_all(segments.into_iter().chain(self.all).collect()).await?;
        // The last is that of all, or the only one.
        let ok = evaluated.last().expect("a plan has an item").slice(0..1);
        if !online.open(&ok).await?.get(0) {
            return Err(VaultError::VaultTag { items: items.iter().map(|item| item.name.clone()).collect() });
        }
        let secrets = evaluated.iter().map(|wires| wires.slice(1..wires.len()));
        Ok(Loaded { items: items.into_iter().zip(secrets).collect() })
    }

    /// One share for each item that this party is to give one of, each with the header that is wanted.
    fn check_shares(&self, me: PartyId, shares: &[Share]) -> Result<(), VaultError> {
        let mine: Vec<_> =
            self.items.iter().filter_map(|planned| Some((&planned.wanted.origin, planned.wanted.quorum.seat_of(me)?))).collect();
        if mine.len() != shares.len() {
            return Err(VaultError::Shares { wanted: mine.len(), found: shares.len() });
        }
        mine.into_iter().zip(shares).try_for_each(|((origin, seat), share)| {
            let item = || origin.item.name.clone();
            share.check(origin, seat).map_err(|mismatch| VaultError::Share { item: item(), mismatch })
        })
    }
}

impl<V: VerifiedWires> Loaded<V> {
    /// The items, in the order of the plan.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Item> {
        self.items.iter().map(|(item, _)| item)
    }

    /// Binds an input that was declared as [`Source::Soldered`] to the secrets of the items with these numbers, 8 wires a byte, the lowest bit first. It costs
    /// one opening of masked bits, however many secrets it takes.
    ///
    /// # Errors
    /// Those of [`Online::solder`].
    ///
    /// # Panics
    /// If an item of such a number was not loaded.
    pub async fn solder<O: Online<Verified = V>>(&self, online: &mut O, which: &[usize], input: Input) -> Result<(), Error> {
        let wires = which.iter().map(|&k| self.items[k].1.clone()).reduce(|one, two| one.concat(&two));
        match wires {
            Some(wires) => online.solder(input, &wires).await,
            None => Ok(()),
        }
    }
}

/// The and of the first outputs of these segments, where there are several.
pub(super) fn declare_all<'a, E: Engine>(engine: &mut E, of: impl Iterator<Item = &'a Segment>) -> Result<Option<Segment>, Error> {
    let bits: Vec<Wire> = of.filter_map(|segment| segment.wires().next()).collect();
    if bits.len() < 2 {
        return Ok(None);
    }
    engine.segment(&Arc::new(circuits::all(bits.len())), &bits).map(Some)
}

fn check(wanted: &Wanted, parties: usize) -> Result<(), PlanError> {
    let item = &wanted.origin.item;
    if wanted.quorum.sharing() != item.sharing {
        return Err(PlanError::Quorum { item: item.name.clone() });
    }
    match wanted.quorum.holders().iter().find(|h| h.party.index() >= parties) {
        Some(outside) => Err(PlanError::Party(outside.party)),
        None => Ok(()),
    }
}
