//! No tweak is hashed under more often than the protocol says, by all parties together: the hash is only good for one pair of values `x, x ^ Delta` a tweak.

use cotenant_cluster::{Honest, layered::Layered, run, scenario::everything};
use cotenant_core::hash::{TweakUse, seen};
use cotenant_mpc::Stats;
use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
};

/// Of a use: the tweaks of it that there are, and how often they are hashed under, least and most.
fn by_use(seen: &HashMap<u128, u32>) -> BTreeMap<u8, (u64, u32, u32)> {
    let mut uses = BTreeMap::new();
    for (tweak, &times) in seen {
        let (tweaks, least, most) = uses.entry((tweak >> 120) as u8).or_insert((0, times, times));
        (*tweaks, *least, *most) = (*tweaks + 1, times.min(*least), times.max(*most));
    }
    uses
}

/// Of two values under a tweak that one party knows, the other knows one: three hashes of a label or of a bit of a product, two of an opened bit.
fn fits(n: u64, seen: &HashMap<u128, u32>, stats: Option<&Stats>) {
    let uses = by_use(seen);
    let of = |purpose: TweakUse| uses[&(purpose as u8)];
    for (purpose, times) in [(TweakUse::HalfAnd, 3), (TweakUse::GateLeft, 3), (TweakUse::GateRight, 3), (TweakUse::OpenedMac, 2)] {
        let (_, least, most) = of(purpose);
        assert_eq!((least, most), (times, times), "use {}, {n} parties", purpose as u8);
    }
    assert_eq!(uses.len(), 4);
    if let Some(stats) = stats {
        assert_eq!(of(TweakUse::HalfAnd).0, n * (n - 1) * stats.leaky_triples, "one a triple and ordered pair");
        let gates = (n - 1) * (n - 1) * stats.ands;
        assert_eq!(
            (of(TweakUse::GateLeft).0, of(TweakUse::GateRight).0),
            (gates, gates),
            "one a gate, garbler and other garbler or itself"
        );
    }
}

#[test]
fn every_kind_of_step() {
    for n in [2, 3, 4] {
        let (ends, seen) = seen::during(|| run(n, Honest, |l| everything(l, 3)));
        assert!(ends.iter().all(Result::is_ok));
        fits(n as u64, &seen, None);
    }
}

#[test]
fn several_tiles_pieces_runs_and_segments() {
    for n in [2, 3] {
        let job = Layered::new(1000, 3, 3);
        let (ends, seen) = seen::during(|| run(n, Honest, |l| job.clone().party(l, 3, NonZeroUsize::MIN)));
        let (_, stats) = ends[0].as_ref().unwrap_or_else(|e| panic!("{e}"));
        fits(n as u64, &seen, Some(stats));
    }
}
