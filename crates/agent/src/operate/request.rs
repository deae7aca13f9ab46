//! What a call sends, from its approved text: the pieces between the secrets, what those are made of, and whether each may stand where it does
//! (`place`).
//!
//! To find the holes, the request is written with one character in place of all secret ones, and with another: where the two differ are secrets. Which it is
//! follows from one more for each bit of their numbers, with the other character in place of those whose number has it. So the writer has seen bytes of the right
//! length at the right places.

use super::{error::Refused, manifest::Entry, place, task::rank};
use crate::{
    approve::operation::{BadOperation, Call, Slot, Source},
    call::{Content, Key, Part, Parts, Secret, SignedRequest},
    derive::{Function, NoValue, Shape, Sort, Value, shapes},
    flow::{self, Body, Expression, Flow, Piece, SIGNATURE, Template, argument},
    jwe::MAX_PARTIES,
    sign::{
        presign::Presigned,
        sigv4::{self, Scope, TERMINATOR},
    },
    vault::{
        commit::statement::Parties,
        item::{Item, Use},
    },
};
use std::{borrow::Cow, collections::HashMap};

/// The longest key of which `AWS4` and the key are one block of HMAC.
const MAX_KEY: usize = 60;
/// Digits of a SHA-256 digest.
const DIGITS: usize = 64;

/// What is sent. `entries` are the items that the call reads, in its order; `quorum` are those who take part.
pub(super) fn content(call: &Call, entries: &[&Entry], quorum: Parties, date: i64) -> Result<Content, Refused> {
    if !flow::is_its_text(call)? {
        return Err(Refused::NotItsText);
    }
    let flow = Flow::parse(&call.flow)?;
    let values = Values::new(call, &flow, entries, quorum)?;
    values.may_stand(&flow)?;
    let Some(sign) = flow.sign() else { return values.parts(&flow).map(Content::Parts) };
    let number = values.key()?;
    match &values.secrets[..] {
        [Secret::Item(item)] => values.signed(&flow, sign, *item, date).map(|signed| Content::Signed(Box::new(signed))),
        _ => values.signed_parts(&flow, sign, number, date).map(Content::Parts),
    }
}

/// The URL that is made, but for its signature, which is by the one item that the call reads.
pub(super) fn presigned(call: &Call, entries: &[&Entry], quorum: Parties, date: i64) -> Result<Presigned, Refused> {
    if !flow::is_its_text(call)? {
        return Err(Refused::NotItsText);
    }
    let flow = Flow::parse(&call.flow)?;
    let values = Values::new(call, &flow, entries, quorum)?;
    let (sign, _) = flow.presign().ok_or(Refused::NotItsText)?;
    values.key()?;
    Ok(flow::presigned(&flow, sign, &values.filled(&|_| false), date)?)
}

/// Whether a flow can ever put the item to each use that was agreed on.
///
/// # Errors
/// [`Refused::KeyLength`].
pub fn check_uses(item: &Item) -> Result<(), Refused> {
    match item.uses.iter().any(|purpose| matches!(purpose, Use::Sigv4 { .. })) && item.len > MAX_KEY {
        true => Err(Refused::KeyLength { item: item.name.clone(), len: item.len }),
        false => Ok(()),
    }
}

/// What fills the holes of a call.
struct Values<'a> {
    call: &'a Call,
    /// The holes of secrets, by their numbers: in the order of the slots, then of what is made of them.
    numbers: HashMap<&'a str, usize>,
    secrets: Vec<Secret>,
    /// The items of those that are one.
    items: Vec<Option<&'a Item>>,
    made: Vec<Value>,
    /// Of all.
    shapes: Vec<Shape>,
}

impl<'a> Values<'a> {
    fn new(call: &'a Call, flow: &Flow<'a>, entries: &[&'a Entry], quorum: Parties) -> Result<Self, Refused> {
        let numbers = call.slots.iter().map(|slot| slot.hole.as_str()).zip(0..).collect();
        let mut values = Values { call, numbers, secrets: Vec::new(), items: Vec::new(), made: Vec::new(), shapes: Vec::new() };
        for slot in &call.slots {
            let (secret, item, shape) = secret(slot, entries, quorum)?;
            values.secrets.push(secret);
            values.items.push(item);
            values.shapes.push(shape);
        }
        for each in flow.lets() {
            values.made.push(values.value(&each.value)?.folded());
            values.numbers.insert(each.hole.name, values.numbers.len());
        }
        values.shapes = shapes(values.shapes, &values.made)?;
        if quorum.iter().count() > MAX_PARTIES && values.made.iter().any(|made| !made.sealings().is_empty()) {
            return Err(NoValue::Parties.into());
        }
        Ok(values)
    }

    fn number(&self, hole: &str) -> Option<usize> {
        self.numbers.get(hole).copied()
    }

    /// The number of the key of a signature.
    fn key(&self) -> Result<usize, Refused> {
        let number = self.number(SIGNATURE).ok_or(Refused::NotItsText)?;
        match self.items.get(number) {
            Some(Some(key)) if key.len > MAX_KEY => Err(Refused::KeyLength { item: key.name.clone(), len: key.len }),
            Some(Some(_)) => Ok(number),
            _ => Err(Refused::NotItsText),
        }
    }

    /// What fills a hole: all know an argument.
    fn of_hole(&self, hole: &str) -> Value {
        let public = || Value::Public(argument(&self.call.arguments, hole).unwrap_or_default().to_vec());
        self.number(hole).map_or_else(public, Value::Earlier)
    }

    fn value(&self, expression: &Expression) -> Result<Value, Refused> {
        Ok(match expression {
            Expression::Text(text) => Value::Public(text.as_bytes().to_vec()),
            Expression::Hole(hole) => self.of_hole(hole.name),
            Expression::Join(parts) => Value::Join(parts.iter().map(|part| self.value(part)).collect::<Result<_, _>>()?),
            Expression::Of(function, of) => Value::Of(*function, Box::new(self.value(of)?)),
            Expression::Hmac(of) => hmac(self.value(&of[0])?, self.value(&of[1])?),
            Expression::Jwe(jwe) => {
                let sealing = jwe.sealing(&|hole| argument(&self.call.arguments, hole).unwrap_or_default().into())?;
                Value::Jwe(Box::new(sealing), Box::new(self.value(&jwe.text)?))
            }
        })
    }

    /// That no character which can be in a hole means something at its place.
    fn may_stand(&self, flow: &Flow) -> Result<(), Refused> {
        let sort = |hole: &str| self.number(hole).map(|number| self.shapes[number].sort);
        let value = |hole: &str| argument(&self.call.arguments, hole).unwrap_or(b"0");
        let name = |number| self.name(number);
        match place::misplaced(flow, &sort, &value) {
            None => Ok(()),
            Some(hole) => Err(Refused::Characters { hole: hole.name.to_owned(), of: self.number(hole.name).map(name).unwrap_or_default() }),
        }
    }

    fn name(&self, number: usize) -> String {
        match self.items.get(number) {
            Some(Some(item)) => item.name.clone(),
            Some(None) => "what is given".to_owned(),
            None => "what is made of it".to_owned(),
        }
    }

    /// Arguments in their holes, and in those of secrets one character as often as each has one; another in those that are marked.
    fn filled<'f>(&'f self, marked: Marked<'f>) -> impl Fn(&str) -> Cow<'f, [u8]> {
        move |hole| match self.number(hole) {
            Some(number) => vec![blank(marked(number)); self.shapes[number].len].into(),
            None => argument(&self.call.arguments, hole).unwrap_or_default().into(),
        }
    }

    fn parts(self, flow: &Flow) -> Result<Parts, Refused> {
        let parts = cut(&self.lengths(), |marked| Ok(flow.request(&self.filled(marked))?.encode()))?;
        Ok(Parts { secrets: self.secrets, made: self.made, parts })
    }

    fn lengths(&self) -> Vec<usize> {
        self.shapes.iter().map(|shape| shape.len).collect()
    }

    /// A request of which all know everything but the signature.
    fn signed(&self, flow: &Flow, sign: &flow::Sign, key: usize, date: i64) -> Result<SignedRequest, Refused> {
        let flow::ToSign { request, scope, style, access_key_id } = flow::signed(flow, sign, &self.filled(&|_| false), date)?;
        Ok(SignedRequest { request, scope, style, access_key_id, key: Key::Item(key) })
    }

    /// A signed request with other secrets: the hash of a body with one, the hash of the canonical request and the signature are made like other values.
    fn signed_parts(mut self, flow: &Flow, sign: &flow::Sign, key: usize, date: i64) -> Result<Parts, Refused> {
        let mut lengths = self.lengths();
        let hash = match &flow.body {
            Body::Text(text) if text.holes().any(|hole| flow.is_secret(hole.name)) => {
                lengths.push(DIGITS);
                self.made.push(digest(self.text(text)));
                Some(lengths.len() - 1)
            }
            _ => None,
        };
        let prepared = |marked: Marked| {
            let flow::ToSign { mut request, scope, style, access_key_id } = flow::signed(flow, sign, &self.filled(marked), date)?;
            let hash = match hash {
                Some(number) => char::from(blank(marked(number))).to_string().repeat(DIGITS),
                None => sigv4::hex_sha256(request.body()),
            };
            let wrong = |error: sigv4::SigningError| Refused::Flow(flow::Problem::from(error).at(sign.at));
            let to_sign = sigv4::prepare_with_hash(&mut request, &scope, style, &hash).map_err(wrong)?;
            let prefix = to_sign.authorization_prefix(&access_key_id).map_err(wrong)?;
            Ok::<_, Refused>((request, to_sign, prefix))
        };
        let canonical = cut(&lengths, |marked| Ok(prepared(marked)?.1.canonical_request.into_bytes()))?;
        let scope = prepared(&|_| false)?.1.scope;
        let string_to_sign = Value::Join(vec![public(scope.string_to_sign("")), digest(joined(canonical))]);
        let signature = Value::Of(Function::Hex, Box::new(hmac(signing_key(Value::Earlier(key), &scope), string_to_sign)));
        let number = lengths.len();
        lengths.push(DIGITS);
        let parts = cut(&lengths, |marked| {
            let (request, _, prefix) = prepared(marked)?;
            let hole = request.encode_around_hole("Authorization", &prefix);
            let (before, after) = hole.map_err(|error| Refused::Flow(flow::Problem::from(error).at(sign.at)))?;
            Ok([before, vec![blank(marked(number)); DIGITS], after].concat())
        })?;
        self.made.push(signature);
        Ok(Parts { secrets: self.secrets, made: self.made, parts })
    }

    fn text(&self, template: &Template) -> Value {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => public((*text).to_owned()),
            Piece::Hole(hole) => self.of_hole(hole.name),
        };
        Value::Join(template.pieces().iter().map(piece).collect())
    }
}

/// What fills a slot, if it may be used like this.
fn secret<'a>(slot: &Slot, entries: &[&'a Entry], quorum: Parties) -> Result<(Secret, Option<&'a Item>, Shape), Refused> {
    match &slot.source {
        Source::Item { stored, purpose } => {
            let name = stored.item.as_str();
            let number = entries.iter().position(|entry| entry.item.name == name).ok_or(Refused::NoItem { item: name.to_owned() })?;
            let item = &entries[number].item;
            if !item.uses.contains(purpose) {
                return Err(Refused::Use { item: name.to_owned(), wanted: purpose.clone(), allowed: item.uses.clone() });
            }
            Ok((Secret::Item(number), Some(item), Shape { len: item.len, sort: item.kind.into() }))
        }
        Source::Private { owner, len, alphabet } => {
            let (len, sort) = (*len as usize, Sort::text(alphabet.mask()));
            let owner = rank(quorum, *owner).ok_or(BadOperation::Seat)?;
            Ok((Secret::Given { owner, len, alphabet: *alphabet }, None, Shape { len, sort }))
        }
    }
}

/// Which secrets are marked, by their numbers.
type Marked<'a> = &'a dyn Fn(usize) -> bool;

/// What stands for a secret byte.
fn blank(marked: bool) -> u8 {
    if marked { b'1' } else { b'0' }
}

/// The pieces of what `write` writes, given which values are marked; of so many bytes are the values.
fn cut(lengths: &[usize], write: impl Fn(Marked) -> Result<Vec<u8>, Refused>) -> Result<Vec<Part>, Refused> {
    let (plain, all) = (write(&|_| false)?, write(&|_| true)?);
    let mut of: Vec<Option<usize>> = plain.iter().zip(&all).map(|(x, y)| (x != y).then_some(0)).collect();
    for bit in 0..usize::BITS - lengths.len().leading_zeros() {
        let marked = write(&|number| number >> bit & 1 == 1)?;
        let differs = plain.iter().zip(&marked).map(|(x, y)| usize::from(x != y));
        of.iter_mut().zip(differs).for_each(|(of, differs)| *of = of.map(|number| number | differs << bit));
    }
    let (mut parts, mut at) = (Vec::new(), 0);
    for run in of.chunk_by(|a, b| a == b) {
        match run[0] {
            None => parts.push(Part::Public(plain[at..at + run.len()].to_vec())),
            // The same secret twice on end is two holes.
            Some(number) => match lengths.get(number) {
                Some(len) if run.len().is_multiple_of(*len) => parts.extend(std::iter::repeat_n(Part::Secret(number), run.len() / len)),
                _ => return Err(Refused::NotItsText),
            },
        }
        at += run.len();
    }
    Ok(parts)
}

fn public(text: String) -> Value {
    Value::Public(text.into_bytes())
}

fn hmac(key: Value, message: Value) -> Value {
    Value::Hmac { key: Box::new(key), message: Box::new(message) }
}

/// The digits of a digest.
fn digest(of: Value) -> Value {
    Value::Of(Function::Hex, Box::new(Value::Of(Function::Sha256, Box::new(of))))
}

fn joined(parts: Vec<Part>) -> Value {
    let value = |part| match part {
        Part::Public(bytes) => Value::Public(bytes),
        Part::Secret(number) => Value::Earlier(number),
    };
    Value::Join(parts.into_iter().map(value).collect())
}

/// The key of a date, region and service, k4 of [`crate::sign::plain`].
fn signing_key(key: Value, scope: &Scope) -> Value {
    let first = Value::Join(vec![public("AWS4".to_owned()), key]);
    let messages = [&scope.date(), scope.region(), scope.service(), TERMINATOR];
    messages.into_iter().fold(first, |key, message| hmac(key, public(message.to_owned())))
}
