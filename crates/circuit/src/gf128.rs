//! The field GF(2^128) modulo x^128 + x^7 + x^2 + x + 1, bit `i` of an element the coefficient of `x^i`, as in `cotenant_core::gf128`.
//!
//! A product is Karatsuba's down to single bits (Karatsuba and Ofman, 1962), 3^7 = 2 187 ANDs; squares and products with a constant are linear.

use crate::{Builder, Lit};

/// A field element, the coefficient of x^0 first: the literals of its 16 bytes in order, the lowest bit of each byte first.
pub type Element = [Lit; 128];

/// `x * y`, 2 187 ANDs.
pub fn product(b: &mut Builder, x: &Element, y: &Element) -> Element {
    let product = karatsuba(b, x, y);
    reduce(b, product)
}

/// `x * x`, no ANDs.
pub fn square(b: &mut Builder, x: &Element) -> Element {
    let spread = (0..255).map(|i| if i % 2 == 0 { x[i / 2] } else { Lit::FALSE }).collect();
    reduce(b, spread)
}

/// `x + y`, no ANDs.
pub fn add(b: &mut Builder, x: &Element, y: &Element) -> Element {
    std::array::from_fn(|i| b.xor(x[i], y[i]))
}

/// `x * constant`, no ANDs.
pub fn scale(b: &mut Builder, x: &Element, constant: u128) -> Element {
    let mut scaled = [Lit::FALSE; 128];
    for i in (0..128 - constant.leading_zeros()).rev() {
        let over = scaled[127];
        scaled.rotate_right(1);
        for low in [1, 2, 7] {
            scaled[low] = b.xor(scaled[low], over);
        }
        if constant >> i & 1 == 1 {
            scaled = add(b, &scaled, x);
        }
    }
    scaled
}

/// The product of two polynomials with 2^k coefficients each.
fn karatsuba(b: &mut Builder, x: &[Lit], y: &[Lit]) -> Vec<Lit> {
    let n = x.len();
    if n == 1 {
        return vec![b.and(x[0], y[0])];
    }
    let h = n / 2;
    let (x_sum, y_sum) = (b.xor_bits(&x[..h], &x[h..]), b.xor_bits(&y[..h], &y[h..]));
    let low = karatsuba(b, &x[..h], &y[..h]);
    let high = karatsuba(b, &x[h..], &y[h..]);
    let middle = karatsuba(b, &x_sum, &y_sum);
    let mut out = vec![Lit::FALSE; 2 * n - 1];
    out[..n - 1].copy_from_slice(&low);
    out[n..].copy_from_slice(&high);
    for i in 0..n - 1 {
        let ends = b.xor(low[i], high[i]);
        let cross = b.xor(middle[i], ends);
        out[h + i] = b.xor(out[h + i], cross);
    }
    out
}

/// 255 coefficients modulo the field's polynomial.
fn reduce(b: &mut Builder, mut coefficients: Vec<Lit>) -> Element {
    for i in (128..255).rev() {
        for shift in [0, 1, 2, 7] {
            let low = i - 128 + shift;
            coefficients[low] = b.xor(coefficients[low], coefficients[i]);
        }
    }
    coefficients[..128].try_into().expect("255 coefficients")
}
