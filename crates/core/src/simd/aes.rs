//! The kernels on AES round keys, written once for every vector width.

/// Defines `stream`, `fold`, `hash` and `hash_run` on these of the module that uses it, all compiled for `$features`:
///
/// a vector type `V` of `LANES` blocks; `IN_FLIGHT`, how many vectors to encrypt side by side; `zero`, `spread` (a block in all lanes),
/// `numbers` (block numbers from one on), `add` (of the low halves), `sum` and `sum3` (over GF(2)), `round`, `last_round`; `get` and `put`,
/// which read and write a vector of a slice from an index on as far as the slice goes, and take what is past its end for 0.
macro_rules! aes_kernels {
    ($features:literal) => {
        use super::Rounds;

        /// AES of N vectors side by side.
        #[target_feature(enable = $features)]
        #[inline]
        fn encrypt<const N: usize>(key: &Rounds, mut x: [V; N]) -> [V; N] {
            let [first, middle @ .., last] = &key.0;
            for x in &mut x {
                *x = sum(*x, spread(*first));
            }
            // Were the number of rounds known, the compiler would unroll them and encrypt vector after vector.
            for k in std::hint::black_box(middle.as_slice()) {
                for x in &mut x {
                    *x = round(*x, spread(*k));
                }
            }
            for x in &mut x {
                *x = last_round(*x, spread(*last));
            }
            x
        }

        #[target_feature(enable = $features)]
        pub(super) fn stream(key: &Rounds, counter: u64, out: &mut [Block]) {
            for (out, first) in out.chunks_mut(IN_FLIGHT * LANES).zip((counter..).step_by(IN_FLIGHT * LANES)) {
                put_all(out, 0, &encrypt::<IN_FLIGHT>(key, numbers_from(first)));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn fold<const K: usize>(keys: &[Rounds], counter: u64, u: &mut [Block], columns: &mut [Block]) {
            let width = u.len();
            for (from, first) in (0..width).step_by(2 * LANES).zip((counter..).step_by(2 * LANES)) {
                let (sum, v) = fold_tile::<K>(keys, [numbers(first), numbers(first.wrapping_add(LANES as u64))]);
                for h in 0..2 {
                    put(u, from + h * LANES, sum[h]);
                    for (column, v) in columns.chunks_exact_mut(width).zip(&v) {
                        put(column, from + h * LANES, v[h]);
                    }
                }
            }
        }

        /// The sums for two vectors of block numbers. Four leaves at a time: bits 0 and 1 of a place say which of the four, the others which
        /// four, so that the higher columns take or leave their sum.
        #[target_feature(enable = $features)]
        #[inline]
        fn fold_tile<const K: usize>(keys: &[Rounds], numbers: [V; 2]) -> ([V; 2], [[V; 2]; K]) {
            let (mut u, mut columns) = ([zero(); 2], [[zero(); 2]; K]);
            if let [first, second] = keys {
                let [a, b] = streams([first, second], numbers);
                return ([sum(a[0], b[0]), sum(a[1], b[1])], [b; K]);
            }
            for (place, [a, b, c, d]) in keys.as_chunks().0.iter().enumerate() {
                let [a, b, c, d] = streams([a, b, c, d], numbers);
                for h in 0..2 {
                    let upper = sum(c[h], d[h]);
                    let all = sum3(a[h], b[h], upper);
                    u[h] = sum(u[h], all);
                    columns[0][h] = sum3(columns[0][h], b[h], d[h]);
                    columns[1][h] = sum(columns[1][h], upper);
                    for l in 2..K {
                        if place >> (l - 2) & 1 == 1 {
                            columns[l][h] = sum(columns[l][h], all);
                        }
                    }
                }
            }
            (u, columns)
        }

        /// The streams of N leaves at two vectors of block numbers, side by side.
        #[target_feature(enable = $features)]
        #[inline]
        fn streams<const N: usize>(keys: [&Rounds; N], numbers: [V; 2]) -> [[V; 2]; N] {
            let mut x = [numbers; N];
            for (x, key) in x.iter_mut().zip(keys) {
                let k = spread(key.0[0]);
                *x = [sum(x[0], k), sum(x[1], k)];
            }
            // hidden as in `encrypt`
            for r in 1..std::hint::black_box(10) {
                for (x, key) in x.iter_mut().zip(keys) {
                    let k = spread(key.0[r]);
                    *x = [round(x[0], k), round(x[1], k)];
                }
            }
            for (x, key) in x.iter_mut().zip(keys) {
                let k = spread(key.0[10]);
                *x = [last_round(x[0], k), last_round(x[1], k)];
            }
            x
        }

        /// N vectors of block numbers.
        #[target_feature(enable = $features)]
        #[inline]
        fn numbers_from<const N: usize>(first: u64) -> [V; N] {
            let mut x = [zero(); N];
            for (x, n) in x.iter_mut().zip((0..).step_by(LANES)) {
                *x = numbers(first.wrapping_add(n));
            }
            x
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn put_all<const N: usize>(out: &mut [Block], from: usize, x: &[V; N]) {
            for (x, n) in x.iter().zip((from..).step_by(LANES)) {
                put(out, n, *x);
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn hash(key: &Rounds, x: &mut [Block], tweaks: &[Block]) {
            for (x, tweaks) in x.chunks_mut(IN_FLIGHT * LANES).zip(tweaks.chunks(IN_FLIGHT * LANES)) {
                let mut t = [zero(); IN_FLIGHT];
                for (n, t) in t.iter_mut().enumerate() {
                    *t = get(tweaks, n * LANES);
                }
                hash_group(key, x, t);
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn hash_run(key: &Rounds, x: &mut [Block], first: Block) {
            let first = spread(first);
            for (x, from) in x.chunks_mut(IN_FLIGHT * LANES).zip((0..).step_by(IN_FLIGHT * LANES)) {
                let mut t = numbers_from(from);
                for t in &mut t {
                    *t = add(first, *t);
                }
                hash_group(key, x, t);
            }
        }

        /// TMMO of at most `IN_FLIGHT` vectors; with few, no more work than they need.
        #[target_feature(enable = $features)]
        #[inline]
        fn hash_group(key: &Rounds, x: &mut [Block], tweaks: [V; IN_FLIGHT]) {
            const HALF: usize = IN_FLIGHT / 2;
            const FEW: usize = IN_FLIGHT / 4;
            match x.len().div_ceil(LANES) {
                0..=FEW => hash_vectors::<FEW>(key, x, &tweaks),
                ..=HALF => hash_vectors::<HALF>(key, x, &tweaks),
                _ => hash_vectors::<IN_FLIGHT>(key, x, &tweaks),
            }
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn hash_vectors<const N: usize>(key: &Rounds, x: &mut [Block], tweaks: &[V; IN_FLIGHT]) {
            let mut first = [zero(); N];
            for (n, v) in first.iter_mut().enumerate() {
                *v = get(x, n * LANES);
            }
            first = encrypt(key, first);
            let mut second = first;
            for (v, t) in second.iter_mut().zip(tweaks) {
                *v = sum(*v, *t);
            }
            second = encrypt(key, second);
            for (n, (a, b)) in first.into_iter().zip(second).enumerate() {
                put(x, n * LANES, sum(a, b));
            }
        }
    };
}
