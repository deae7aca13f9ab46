//! What the parties compute outside MPC: each a power of a number that it alone has, all together m^e mod N.
//!
//! ```text
//! P_i, i < n    r_i, uniform among the invertible numbers below N; tells r_i^-e
//! P_n           v = m r_1 ... r_(n-1) mod N; tells v^e
//! all           c = v^e r_1^-e ... r_(n-1)^-e = m^e mod N
//! ```
//!
//! Numbers that are secret go through constant-time arithmetic; what is told, and all that follows from it, is public.

use super::PublicKey;
use crypto_bigint::{
    BoxedUint, NonZero, Odd, Resize,
    modular::{BoxedMontyForm, BoxedMontyParams},
};
use rand_core::Rng;
use zeroize::Zeroizing;

/// A party's factor, and what it tells of it.
pub(crate) struct Factor {
    /// r, the least significant byte first.
    pub(crate) number: Zeroizing<Vec<u8>>,
    /// r^-e mod N, the most significant byte first.
    pub(crate) told: Vec<u8>,
}

/// What a party tells is not what any right factor gives: not above 1 and below N, or without an inverse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoPart;

impl PublicKey {
    /// A fresh factor.
    pub(crate) fn factor(&self, rng: &mut impl Rng) -> Factor {
        loop {
            let mut number = Zeroizing::new(vec![0; self.bytes()]);
            rng.fill_bytes(&mut number);
            let r = Zeroizing::new(BoxedUint::from_le_slice_truncated(&number, self.modulus().bits_precision()));
            // Numbers that are passed over tell nothing of the one that is taken.
            if *r >= *self.modulus().as_ref() {
                continue;
            }
            let inverse = self.power(&r).invert_odd_mod_vartime(self.modulus()).into_option();
            if let Some(told) = inverse.filter(|told| *told > BoxedUint::one()) {
                return Factor { number, told: told.to_be_bytes().into_vec() };
            }
        }
    }

    /// What the last party tells, from the remainders modulo 2^a - 1 for each of these exponents of a number that is congruent to v.
    pub(crate) fn last(&self, exponents: &[usize], remainders: &[bool]) -> Result<Vec<u8>, NoPart> {
        let number = Zeroizing::new(joined(exponents, remainders));
        let v = Zeroizing::new(number.rem_vartime(self.modulus().as_nz_ref()));
        let told = self.power(&v).to_be_bytes().into_vec();
        self.product(&[&told]).map(|_| told)
    }

    /// The product of what all have told, the most significant byte first.
    pub(crate) fn product(&self, told: &[&[u8]]) -> Result<Vec<u8>, NoPart> {
        let one = BoxedUint::one().resize(self.modulus().bits_precision());
        let product = told.iter().try_fold(one.clone(), |product, told| {
            let part = BoxedUint::from_be_slice(told, self.modulus().bits_precision()).map_err(|_| NoPart)?;
            let is_right =
                part > one && part < *self.modulus().as_ref() && bool::from(part.invert_odd_mod_vartime(self.modulus()).is_some());
            if is_right { Ok(product.mul_mod(&part, self.modulus().as_nz_ref())) } else { Err(NoPart) }
        });
        product.map(|product| product.to_be_bytes().into_vec())
    }

    /// `x^e mod N` of a number below N.
    fn power(&self, x: &BoxedUint) -> BoxedUint {
        let parameters = BoxedMontyParams::new_vartime(self.modulus().clone());
        let x = Zeroizing::new(BoxedMontyForm::new(x.clone(), &parameters));
        // The exponent is public.
        x.pow_bounded_exp(&BoxedUint::from(self.exponent()), u32::BITS - self.exponent().leading_zeros()).retrieve()
    }
}

/// The number below the product of all 2^a - 1 that has these remainders: the sum of each by the number that is 1 modulo its modulus and 0 modulo the others.
fn joined(exponents: &[usize], remainders: &[bool]) -> BoxedUint {
    let total: usize = exponents.iter().sum();
    let most = exponents.iter().max().copied().unwrap_or_default();
    // Room for the sum of as many products as there are moduli.
    let width = (total + most + 64) as u32;
    let modulus = |a: usize| BoxedUint::one_with_precision(width).shl(a as u32).wrapping_sub(BoxedUint::one());
    let all = exponents.iter().fold(BoxedUint::one_with_precision(width), |all, &a| all.wrapping_mul(modulus(a)));
    let mut sum = Zeroizing::new(BoxedUint::zero_with_precision(width));
    let mut rest = remainders;
    for &a in exponents {
        let (bits, after) = rest.split_at(a);
        rest = after;
        let modulus = Odd::new(modulus(a)).expect("it is odd");
        let others = all.div_exact_vartime(modulus.as_nz_ref()).expect("it is a factor");
        let inverse = others.rem_vartime(modulus.as_nz_ref()).invert_odd_mod_vartime(&modulus).expect("they have no common divisor");
        let remainder = Zeroizing::new(number(bits, width));
        *sum = sum.wrapping_add(&*Zeroizing::new(others.wrapping_mul(inverse).wrapping_mul(&*remainder)));
    }
    sum.rem_vartime(&NonZero::new(all).expect("it is odd"))
}

/// The number of these bits, the least significant first.
fn number(bits: &[bool], width: u32) -> BoxedUint {
    let bytes: Zeroizing<Vec<u8>> =
        Zeroizing::new(bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit))).collect());
    BoxedUint::from_le_slice_truncated(&bytes, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwe::tests::rfc_7516;
    use cotenant_circuit::mersenne;
    use rand_core::SeedableRng;

    fn key() -> PublicKey {
        rfc_7516().sealing.key().clone()
    }

    fn bits(number: &BoxedUint, a: usize) -> Vec<bool> {
        (0..a as u32).map(|i| number.bit_vartime(i)).collect()
    }

    /// Zero in both of its forms, the greatest number, and one with a remainder that is 0.
    #[test]
    fn numbers_come_back_from_their_remainders() {
        let exponents = mersenne::exponents(200);
        let width = 512;
        let modulus = |a: usize| NonZero::new(BoxedUint::one_with_precision(width).shl(a as u32).wrapping_sub(BoxedUint::one())).unwrap();
        let all = exponents.iter().fold(BoxedUint::one_with_precision(width), |all, &a| all.wrapping_mul(modulus(a).as_ref()));
        let greatest = all.wrapping_sub(BoxedUint::one());
        for x in
            [BoxedUint::zero_with_precision(width), greatest, modulus(exponents[1]).get(), BoxedUint::one_with_precision(width).shl(199)]
        {
            let remainders: Vec<bool> = exponents.iter().flat_map(|&a| bits(&x.rem_vartime(&modulus(a)), a)).collect();
            assert_eq!(joined(&exponents, &remainders), x);
        }
        let total: usize = exponents.iter().sum();
        assert!(bool::from(joined(&exponents, &vec![true; total]).is_zero()), "all bits set is 0 too");
    }

    #[test]
    fn a_factor_and_what_is_told_of_it() {
        let key = key();
        let mut rng = chacha20::ChaCha20Rng::seed_from_u64(7);
        let (a, b) = (key.factor(&mut rng), key.factor(&mut rng));
        assert!(a.number != b.number && a.told != b.told);
        let r = BoxedUint::from_le_slice(&a.number, 2048).unwrap();
        let told = BoxedUint::from_be_slice(&a.told, 2048).unwrap();
        assert!(r < *key.modulus().as_ref());
        assert_eq!(key.power(&r).mul_mod(&told, key.modulus().as_nz_ref()), BoxedUint::one().resize(2048));
    }

    /// Each of these is what no right factor gives.
    #[test]
    fn parts_that_are_none() {
        let key = key();
        let number = |x: &BoxedUint| x.to_be_bytes().into_vec();
        let n = key.modulus().as_ref();
        let small = |x: u8| BoxedUint::from(x).resize(2048);
        for wrong in [small(0), small(1), n.clone(), n.wrapping_add(small(2)), BoxedUint::max(2048)] {
            assert_eq!(key.product(&[&number(&small(2)), &number(&wrong)]), Err(NoPart));
        }
        assert_eq!(key.product(&[&number(&small(2)), &number(&small(3))]), Ok(number(&small(6))));
        let below = n.wrapping_sub(small(1));
        assert_eq!(key.product(&[&number(&below), &number(&below)]), Ok(number(&small(1))));
        // A common divisor with N, which is another's here: 3 * 5.
        let fifteen = PublicKey::small(15, 3);
        for wrong in [3, 5, 6, 9, 10, 12] {
            assert_eq!(fifteen.product(&[&[wrong]]), Err(NoPart));
        }
        assert_eq!(fifteen.product(&[&[7], &[8]]), Ok(11u64.to_be_bytes().to_vec()));
    }

    impl PublicKey {
        fn small(modulus: u8, exponent: u32) -> PublicKey {
            let modulus = BoxedUint::from_be_slice(&[modulus], 8).unwrap();
            PublicKey::of(Odd::new(modulus).unwrap(), exponent)
        }
    }
}
