//! Values that are made of secrets inside MPC: texts of them, hashes, signatures.
//!
//! A value has a length and a set of characters that follow from those of the secrets alone, so neither tells anything of them. An escape is therefore either
//! of no byte, if no character that can be there needs it, or of every byte ([`Function::Percent`], [`Function::Json`]).
//!
//! | value | from RFC | bytes | ANDs |
//! | --- | --- | --- | --- |
//! | joined | | sum | 0 |
//! | base64, base64url | 4648 | 4/3 | 16 a character |
//! | hex | 4648 | 2 | 8 a byte |
//! | percent | 3986, 2.1 | 1 or 3, for each part that is joined | 0 or 8 a byte |
//! | json | 8259, 7 | 1 or 6 | 0 or 4 a byte |
//! | sha256 | FIPS 180-4 | 32 | 22 271 for 64 bytes |
//! | hmac-sha256 | 2104 | 32 | 4 of these, and the message's |
//! | jwe | 7516 | header, 4/3, and some | see [`crate::jwe`] |
//!
//! What is public folds away: a block of SHA-256 before the first secret byte costs nothing.

mod fold;

use crate::{
    jwe::{self, Drawn, MAX_JWES, Sealing},
    vault::{alphabet::Alphabet, item::Kind},
};
use cotenant_circuit::{
    Builder,
    base64::Base64,
    bytes::{Byte, constant_bytes},
    escape,
    hex::{self, Case},
    hmac::HmacKey,
    sha256,
};

/// The longest value, as long as the longest request.
pub const MAX_VALUE: usize = crate::call::MAX_REQUEST as usize;
/// The most bytes of all secrets of a call and all that is made of them, together: in the circuit that makes them each takes 32 of memory.
pub const MAX_VALUES: usize = 1 << 20;
/// The most compressions of SHA-256 in one message, each of 22 271 AND gates if nothing of it is public: as many as hash the longest request twice.
pub const MAX_COMPRESSIONS: usize = 1 << 10;
/// Which characters stand for themselves wherever percent-escapes are read (RFC 3986 section 2.3).
pub(crate) const UNRESERVED: u128 = Alphabet::ALPHANUMERIC.mask() | mask(b"-._~");
/// What begins a percent-escape, and its digits.
const PERCENT: u128 = mask(b"%0123456789ABCDEF");
/// What begins an escape of JSON, and its digits.
const BACKSLASH: u128 = mask(b"\\u0123456789abcdef");
/// What has to be escaped in JSON, of ASCII (RFC 8259 section 7), and what is not printed.
const JSON_SPECIAL: u128 = mask(b"\"\\\x7f") | ((1 << b' ') - 1);

/// The set of these ASCII characters.
const fn mask(characters: &[u8]) -> u128 {
    let (mut set, mut i) = (0, 0);
    while i < characters.len() {
        set |= 1 << characters[i];
        i += 1;
    }
    set
}

/// What all know about a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// Its bytes.
    pub len: usize,
    /// What they can be.
    pub sort: Sort,
}

/// What the bytes of a value can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// Any bytes.
    Any,
    /// ASCII text.
    Text {
        /// The characters that can stand in it as they are; bit c for character c.
        plain: u128,
        /// Whether there can be percent-escapes, each whole.
        percent: bool,
        /// Whether there can be escapes of JSON, each whole.
        json: bool,
    },
}

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Bytes that all know.
    Public(Vec<u8>),
    /// An earlier value, by its number.
    Earlier(usize),
    /// One after the other.
    Join(Vec<Value>),
    /// A function of a value.
    Of(Function, Box<Value>),
    /// HMAC-SHA-256 (RFC 2104).
    Hmac {
        /// The key, of any length.
        key: Box<Value>,
        /// The message.
        message: Box<Value>,
    },
    /// A JWE (RFC 7516) of a text, by what is drawn for it alone.
    Jwe(Box<Sealing>, Box<Value>),
}

/// A function of one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {
    /// Base64 text.
    Base64(Base64),
    /// Two small digits a byte.
    Hex,
    /// A percent-escape for each byte, or the bytes as they are if all of them stand for themselves.
    Percent,
    /// An escape of JSON for each character, or the text as it is if none of it needs one.
    Json,
    /// The digest.
    Sha256,
}

/// Why there is no such value. Whoever wrote it is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoValue {
    /// JSON has escapes of characters, not of bytes.
    #[error("what has any bytes has no form in JSON: take its hex or base64")]
    NotText,
    /// It is longer than [`MAX_VALUE`].
    #[error("a value would be longer than {MAX_VALUE} bytes")]
    Long,
    /// They are longer than [`MAX_VALUES`].
    #[error("secrets and what is made of them would be longer than {MAX_VALUES} bytes together")]
    Longer,
    /// Too much is hashed.
    #[error("more than {MAX_COMPRESSIONS} blocks would be hashed or encrypted inside MPC")]
    Dear,
    /// Too much is encrypted.
    #[error("more than {MAX_JWES} JWEs would be made inside MPC")]
    Jwes,
    /// Too many parties encrypt.
    #[error("a JWE is made by {} parties at most", jwe::MAX_PARTIES)]
    Parties,
    /// It takes a value that is not there.
    #[error("a value is made of one that is not before it")]
    Missing,
}

impl Sort {
    /// Text of these characters as they are.
    pub const fn text(plain: u128) -> Sort {
        Sort::Text { plain, percent: false, json: false }
    }

    /// All characters that can be there, those of escapes too; none if it can be any bytes.
    fn characters(self) -> Option<u128> {
        match self {
            Sort::Any => None,
            Sort::Text { plain, percent, json } => Some(plain | if percent { PERCENT } else { 0 } | if json { BACKSLASH } else { 0 }),
        }
    }

    /// What bytes of either can be.
    fn or(self, other: Sort) -> Sort {
        match (self, other) {
            (Sort::Text { plain: p, percent: q, json: j }, Sort::Text { plain, percent, json }) => {
                Sort::Text { plain: p | plain, percent: q | percent, json: j | json }
            }
            _ => Sort::Any,
        }
    }

    /// Whether all that can be there is of this set.
    pub fn is_within(self, set: u128) -> bool {
        self.characters().is_some_and(|characters| characters & !set == 0)
    }

    /// The same where percent-escapes are read: each stands for what it escapes.
    pub fn is_within_escaped(self, set: u128) -> bool {
        matches!(self, Sort::Text { plain, json: false, .. } if plain & !set == 0)
    }

    /// Whether it stands for itself within a string of JSON, or is escaped so that it does.
    pub fn is_json(self) -> bool {
        let of = |plain: u128| plain & JSON_SPECIAL == 0;
        matches!(self, Sort::Text { plain, .. } if of(plain))
    }
}

impl From<Kind> for Sort {
    fn from(kind: Kind) -> Sort {
        match kind {
            Kind::Bytes => Sort::Any,
            Kind::Text(alphabet) => Sort::text(alphabet.mask()),
        }
    }
}

impl Function {
    /// Whether it escapes every byte of such a value, or none.
    fn escapes(self, sort: Sort) -> bool {
        match self {
            Function::Percent => !sort.is_within(UNRESERVED),
            Function::Json => sort.characters().is_none_or(|all| all & JSON_SPECIAL != 0),
            _ => true,
        }
    }

    fn shape(self, Shape { len, sort }: Shape) -> Result<Shape, NoValue> {
        let text = |len: usize, alphabet: Alphabet| Shape { len, sort: Sort::text(alphabet.mask()) };
        Ok(match self {
            Function::Base64(alphabet) => {
                let padding = if alphabet == Base64::Standard && !len.is_multiple_of(3) { mask(b"=") } else { 0 };
                Shape { len: alphabet.encoded_len(len), sort: Sort::text(of_base64(alphabet, sort) | padding) }
            }
            Function::Hex => text(2 * len, Alphabet::HEX),
            Function::Json if sort == Sort::Any => return Err(NoValue::NotText),
            Function::Percent | Function::Json if !self.escapes(sort) => Shape { len, sort },
            Function::Percent => Shape { len: 3 * len, sort: Sort::Text { plain: 0, percent: true, json: false } },
            Function::Json => Shape { len: 6 * len, sort: Sort::Text { plain: 0, percent: false, json: true } },
            Function::Sha256 => Shape { len: 32, sort: Sort::Any },
        })
    }
}

/// The characters that base64 of such bytes can have: text is not of all, as no byte of it is above 127, and few characters give `+` or `/`.
fn of_base64(alphabet: Base64, sort: Sort) -> u128 {
    let bytes: Vec<u8> = match sort.characters() {
        None => (0..=255).collect(),
        Some(characters) => (0..128).filter(|byte| characters >> byte & 1 == 1).collect(),
    };
    let bits = |numbers: &mut dyn Iterator<Item = u8>| numbers.fold(0_u64, |set, number| set | 1 << number);
    // Six bits have parts of one byte or of two; at the end there may be no second one, and its part is 0.
    let both = |high: &dyn Fn(u8) -> u8, low: &dyn Fn(u8) -> u8| {
        let (high, low) = (bits(&mut bytes.iter().map(|&byte| high(byte))), bits(&mut bytes.iter().map(|&byte| low(byte))) | 1);
        let of = |set: u64| (0..64_u8).filter(move |number| set >> number & 1 == 1);
        bits(&mut of(high).flat_map(|high| of(low).map(move |low| high | low)))
    };
    let numbers = bits(&mut bytes.iter().flat_map(|&byte| [byte >> 2, byte & 63]))
        | both(&|byte| (byte & 3) << 4, &|byte| byte >> 4)
        | both(&|byte| (byte & 15) << 2, &|byte| byte >> 6);
    (0..64).filter(|number| numbers >> number & 1 == 1).fold(0, |set, number| set | 1 << alphabet.letter(number))
}

impl Value {
    /// What all know about it, by what they know about the values before it.
    ///
    /// # Errors
    /// If there is no such value.
    pub fn shape(&self, before: &[Shape]) -> Result<Shape, NoValue> {
        let shape = match self {
            Value::Public(bytes) if bytes.is_ascii() => {
                Shape { len: bytes.len(), sort: Sort::text(bytes.iter().fold(0, |set, byte| set | 1 << byte)) }
            }
            Value::Public(bytes) => Shape { len: bytes.len(), sort: Sort::Any },
            Value::Earlier(number) => *before.get(*number).ok_or(NoValue::Missing)?,
            Value::Join(parts) => parts.iter().try_fold(Shape { len: 0, sort: Sort::text(0) }, |all, part| {
                let part = part.shape(before)?;
                Ok(Shape { len: all.len + part.len, sort: all.sort.or(part.sort) })
            })?,
            Value::Of(function, of) => function.shape(of.shape(before)?)?,
            Value::Hmac { key, message } => {
                key.shape(before).and(message.shape(before))?;
                Shape { len: 32, sort: Sort::Any }
            }
            Value::Jwe(sealing, of) => Shape { len: sealing.len(of.shape(before)?.len), sort: Sort::text(jwe::CHARACTERS) },
        };
        if shape.len <= MAX_VALUE { Ok(shape) } else { Err(NoValue::Long) }
    }

    /// Compressions of SHA-256 that it takes if nothing of it is public, or what takes as much.
    fn compressions(&self, before: &[Shape]) -> Result<usize, NoValue> {
        let blocks = |value: &Value| Ok((value.shape(before)?.len + 9).div_ceil(64));
        Ok(match self {
            Value::Public(_) | Value::Earlier(_) => 0,
            Value::Join(parts) => parts.iter().try_fold(0, |sum, part| Ok(sum + part.compressions(before)?))?,
            Value::Of(Function::Sha256, of) => of.compressions(before)? + blocks(of)?,
            Value::Of(_, of) => of.compressions(before)?,
            // Two blocks of AES and two products for the tag take 18 710 ANDs.
            Value::Jwe(_, of) => of.compressions(before)? + of.shape(before)?.len.div_ceil(32),
            Value::Hmac { key, message } => {
                let of_key = if key.shape(before)?.len > 64 { blocks(key)? + 2 } else { 2 };
                key.compressions(before)? + message.compressions(before)? + of_key + blocks(message)? + 1
            }
        })
    }

    /// What JWEs are in it, in the order in which they are built.
    pub(crate) fn sealings(&self) -> Vec<&Sealing> {
        match self {
            Value::Public(_) | Value::Earlier(_) => Vec::new(),
            Value::Join(parts) => parts.iter().flat_map(Value::sealings).collect(),
            Value::Of(_, of) => of.sealings(),
            Value::Hmac { key, message } => [key.sealings(), message.sealings()].concat(),
            Value::Jwe(sealing, of) => [of.sealings(), vec![&**sealing]].concat(),
        }
    }

    /// Its bytes, from those of the values before it, and from what was drawn for its JWEs.
    ///
    /// # Panics
    /// If it has no shape, or more JWEs.
    pub(crate) fn build(&self, b: &mut Builder, before: &[(Shape, Vec<Byte>)], drawn: &mut dyn Iterator<Item = Drawn>) -> Vec<Byte> {
        match self {
            Value::Public(bytes) => constant_bytes(bytes),
            Value::Earlier(number) => before[*number].1.clone(),
            Value::Join(parts) => parts.iter().flat_map(|part| part.build(b, before, drawn)).collect(),
            Value::Of(function, of) => {
                let bytes = of.build(b, before, drawn);
                let shapes: Vec<Shape> = before.iter().map(|(shape, _)| *shape).collect();
                let sort = of.shape(&shapes).expect("a value that is built has a shape").sort;
                match function {
                    Function::Base64(alphabet) => alphabet.encode(b, &bytes),
                    Function::Hex => hex::encode(b, &bytes, Case::Lower),
                    Function::Percent | Function::Json if !function.escapes(sort) => bytes,
                    Function::Percent => escape::percent(b, &bytes),
                    Function::Json => escape::json(b, &bytes),
                    Function::Sha256 => sha256::hash(b, &bytes).to_vec(),
                }
            }
            Value::Hmac { key, message } => {
                let (key, message) = (key.build(b, before, drawn), message.build(b, before, drawn));
                HmacKey::new(b, &key).mac(b, &message).to_vec()
            }
            Value::Jwe(sealing, of) => {
                let text = of.build(b, before, drawn);
                sealing.build(b, drawn.next().expect("as many are drawn as are made"), &text)
            }
        }
    }
}

/// What all know about values that are made one after the other, the first of these.
///
/// # Errors
/// If there is no such value, or they take too much together.
pub fn shapes(first: Vec<Shape>, made: &[Value]) -> Result<Vec<Shape>, NoValue> {
    let (mut jwes, mut compressions, mut bytes) = (0, 0, first.iter().map(|shape| shape.len).sum::<usize>());
    made.iter().try_fold(first, |mut shapes, value| {
        jwes += value.sealings().len();
        compressions += value.compressions(&shapes)?;
        let shape = value.shape(&shapes)?;
        bytes += shape.len;
        shapes.push(shape);
        match () {
            () if bytes > MAX_VALUES => Err(NoValue::Longer),
            () if compressions > MAX_COMPRESSIONS => Err(NoValue::Dear),
            () if jwes > MAX_JWES => Err(NoValue::Jwes),
            () => Ok(shapes),
        }
    })
}

#[cfg(test)]
mod tests;
