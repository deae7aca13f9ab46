//! The builder and the compiled form: folding, sharing, dead gates, publicity, slots, and the evaluator against direct evaluation of random programs.

use cotenant_circuit::{AndKind, Builder, Lit, Output};
use proptest::prelude::*;

#[test]
fn constants_and_repetitions_fold() {
    let mut b = Builder::new();
    let v = b.input(3);
    let (x, y, z) = (v[0], v[1], v[2]);
    assert_eq!(b.and(x, Lit::FALSE), Lit::FALSE);
    assert_eq!(b.and(Lit::TRUE, x), x);
    assert_eq!(b.and(x, x), x);
    assert_eq!(b.and(x, !x), Lit::FALSE);
    assert_eq!(b.xor(x, x), Lit::FALSE);
    assert_eq!(b.xor(!x, x), Lit::TRUE);
    assert_eq!(b.xor(x, Lit::TRUE), !x);
    assert_eq!(b.and(x, y), b.and(y, x), "operands commute");
    assert_eq!(b.xor(!x, y), !b.xor(y, x), "signs leave an XOR");
    let xy = b.xor(x, y);
    assert_eq!(b.xor(xy, !y), !x, "(x ^ y) ^ !y = !x");
    assert_eq!(b.mux(Lit::TRUE, z, x), z);
    assert_eq!(b.maj(x, y, Lit::TRUE), b.or(x, y));
    b.output(&[Lit::TRUE, x, !x]);
    let c = b.finish();
    assert_eq!(c.gates().len(), 0, "gates that no output needs are removed");
    assert_eq!(c.outputs(), [Output::Const(true), Output::Slot { slot: 0, neg: false }, Output::Slot { slot: 0, neg: true }]);
    assert_eq!(c.eval(&[true, false, false]), [true, true, false]);
}

#[test]
fn and_kinds_follow_the_whole_cone() {
    let mut b = Builder::new();
    let p = b.public_input(3);
    let s = b.input(2);
    let public = b.and(p[0], !p[1]);
    let public = b.xor(public, p[2]);
    let half = b.and(public, s[0]);
    let full = b.and(half, s[1]);
    b.output(&[full]);
    let c = b.finish();
    let kinds: Vec<_> = c.gates().iter().filter_map(|g| g.and_kind()).collect();
    assert_eq!(kinds, [AndKind::Public, AndKind::HalfPublic, AndKind::Full]);
    let half = c.gates().iter().find(|g| g.and_kind() == Some(AndKind::HalfPublic)).unwrap();
    assert_eq!(half.a(), 3, "the secret operand comes first");
    let stats = c.stats();
    assert_eq!((stats.and_full, stats.and_half_public, stats.and_public, stats.xor, stats.depth), (1, 1, 1, 1, 3));
    assert_eq!(stats.ands(), 3);
    assert_eq!((0..5).map(|i| c.input_is_public(i)).collect::<Vec<_>>(), [true, true, true, false, false]);
}

#[test]
fn a_chain_reuses_slots_and_keeps_outputs() {
    let mut b = Builder::new();
    let v = b.input(4);
    let mut x = v[0];
    for i in 0..1000 {
        let y = b.and(x, v[1 + i % 2]);
        x = b.xor(y, v[3]);
    }
    b.output(&[v[3], x]);
    let c = b.finish();
    assert!(c.slots() <= 6, "{} slots for a chain", c.slots());
    assert!(c.eval(&[true, true, true, true])[0]);
}

#[test]
fn digest_tells_circuits_apart() {
    let build = |f: fn(&mut Builder, Lit, Lit) -> Lit, public: bool| {
        let mut b = Builder::new();
        let v = if public { b.public_input(2) } else { b.input(2) };
        let o = f(&mut b, v[0], v[1]);
        b.output(&[o]);
        b.finish().digest()
    };
    let and = build(|b, x, y| b.and(x, y), false);
    assert_eq!(and, build(|b, x, y| b.and(y, x), false));
    let others = [
        build(|b, x, y| b.and(x, !y), false),
        build(|b, x, y| b.xor(x, y), false),
        build(|b, x, y| b.and(x, y), true),
        build(|b, x, y| !b.and(x, y), false),
    ];
    assert!(others.iter().all(|&other| other != and));
}

proptest! {
    /// A random straight-line program, run directly on words and through the compiled circuit.
    #[test]
    fn evaluates_random_programs(
        inputs in prop::collection::vec(any::<(u64, bool)>(), 1..12),
        program in prop::collection::vec((0u8..5, any::<[prop::sample::Index; 3]>(), any::<[bool; 3]>()), 0..200),
        outputs in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..20),
    ) {
        let mut b = Builder::new();
        let mut lits = vec![Lit::FALSE];
        let mut values = vec![0u64];
        for &(value, public) in &inputs {
            lits.extend(if public { b.public_input(1) } else { b.input(1) });
            values.push(value);
        }
        for (op, at, neg) in &program {
            let at = at.each_ref().map(|i| i.index(lits.len()));
            let l: [Lit; 3] = std::array::from_fn(|i| if neg[i] { !lits[at[i]] } else { lits[at[i]] });
            let v: [u64; 3] = std::array::from_fn(|i| if neg[i] { !values[at[i]] } else { values[at[i]] });
            let (lit, value) = match op {
                0 => (b.xor(l[0], l[1]), v[0] ^ v[1]),
                1 => (b.and(l[0], l[1]), v[0] & v[1]),
                2 => (b.or(l[0], l[1]), v[0] | v[1]),
                3 => (b.mux(l[0], l[1], l[2]), v[0] & v[1] | !v[0] & v[2]),
                _ => (b.maj(l[0], l[1], l[2]), v[0] & v[1] | v[0] & v[2] | v[1] & v[2]),
            };
            lits.push(lit);
            values.push(value);
        }
        let mut expected = Vec::new();
        for (at, neg) in &outputs {
            let at = at.index(lits.len());
            b.output(&[if *neg { !lits[at] } else { lits[at] }]);
            expected.push(if *neg { !values[at] } else { values[at] });
        }
        let circuit = b.finish();
        let words: Vec<u64> = inputs.iter().map(|i| i.0).collect();
        prop_assert_eq!(circuit.eval64(&words), expected.clone());
        let bits: Vec<bool> = words.iter().map(|w| w >> 17 & 1 == 1).collect();
        prop_assert_eq!(circuit.eval(&bits), expected.iter().map(|w| w >> 17 & 1 == 1).collect::<Vec<_>>());
        prop_assert!(circuit.gates().iter().all(|g| g.is_and() || !(g.a_neg() || g.b_neg())));
    }
}
