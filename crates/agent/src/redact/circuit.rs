//! The rules of a policy as one circuit over secret bytes: [`super::plain::find`], gate by gate, in one pass.
//!
//! For each rule: where its prefix ends (a chain of products along the text), which of these is the first value, the second and so on, and
//! for each value a latch that is on from the prefix to the first byte that is not of the rule's characters. There the suffix must stand,
//! and the value must have begun as long ago as the rule allows. Counts and positions are sums over the whole text and nearly free.
//!
//! What is sure when the count is right is not checked twice: a value has one beginning and so one end, hence that all ends are good is a
//! parity, and whether it began in a window of positions another. Windows over single beginnings are sums of prefix sums.
//!
//! Outputs: one bit, whether all is as the rules say, which is opened alone; then for each value, by rule and as they stand, the positions
//! of its first byte and of the byte behind its last, [`Room::width`] bits each, which mean nothing unless that bit is 1.

use super::plain::{Found, Texts};
use super::policy::{Action, Place, Rule, Rules};
use super::repeat;
use super::sample::Sample;
use cotenant_circuit::bytes::{Byte, bits_of, input_bytes, to_array};
use cotenant_circuit::charset::Charsets;
use cotenant_circuit::sum::{Term, sum};
use cotenant_circuit::{Builder, Circuit, Lit};
use std::ops::RangeInclusive;

/// Bits of a byte of the head.
pub const HEAD_BITS: usize = 7;

/// How many bytes a circuit takes. Shorter texts are padded with zeros, which are in no prefix and no value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Room {
    /// Of the head, if a rule is for headers; else none.
    pub head: usize,
    /// Of the content, if a rule is for the body; else none.
    pub content: usize,
}

impl Room {
    /// What the rules look at of a head and a content of these sizes.
    pub fn of(rules: &Rules, head: usize, content: usize) -> Room {
        let if_any = |place, size| if rules.of(place).next().is_some() { size } else { 0 };
        Room { head: if_any(Place::Header, head), content: if_any(Place::Body, content) }
    }

    /// Bits of a position in either text.
    pub fn width(self) -> usize {
        usize::BITS as usize - self.head.max(self.content).leading_zeros() as usize
    }
}

/// The circuit. Its inputs are the head's bytes without their highest bits, which were found to be 0 ([`super::head`]), then the content's
/// bytes.
pub fn matcher(rules: &Rules, room: Room) -> Circuit {
    let mut b = Builder::new();
    let head = (0..room.head).map(|_| to_array::<1>(&[b.input(HEAD_BITS), vec![Lit::FALSE]].concat())[0]).collect();
    let content = input_bytes(&mut b, room.content);
    let texts = [(Place::Header, head), (Place::Body, content)].map(|(place, bytes)| (place, Text::new(rules, place, bytes)));
    let mut values: Vec<Value> = texts.iter().flat_map(|(place, text)| of_place(&mut b, rules, *place, text)).collect();
    values.sort_by_key(|value| value.rule);
    let good: Vec<Lit> = values.iter().map(|value| value.good).collect();
    let ok = good.into_iter().fold(Lit::TRUE, |all, good| b.and(all, good));
    let again = found_again(&mut b, rules, &values);
    let ok = b.and(ok, !again);
    b.output(&[ok]);
    for value in &values {
        for flags in [&value.begins, &value.ends] {
            let position = one_of(&mut b, flags, room.width());
            b.output(&position);
        }
    }
    b.finish()
}

/// The inputs for an answer that has room.
pub fn inputs(room: Room, texts: Texts) -> Option<Vec<bool>> {
    let padded = |text: &[u8], room: usize| match room {
        0 => Some(vec![]),
        _ => (text.len() <= room).then(|| bits_of(&[text, &vec![0; room - text.len()]].concat())),
    };
    let head = padded(texts.head, room.head)?.chunks(8).flat_map(|byte| byte[..HEAD_BITS].to_vec()).collect();
    Some([head, padded(texts.content, room.content)?].concat())
}

/// What the positions say that follow the first bit.
pub fn read(rules: &Rules, room: Room, positions: &[bool]) -> Vec<Found> {
    let number = |bits: &[bool]| bits.iter().rev().fold(0, |n, &bit| n << 1 | usize::from(bit));
    let of_rules = rules.iter().enumerate().flat_map(|(number, rule)| std::iter::repeat_n(number, rule.times));
    let ranges = positions.chunks(2 * room.width().max(1)).map(|range| range.split_at(range.len() / 2));
    of_rules.zip(ranges).map(|(rule, (begin, end))| Found { rule, at: number(begin)..number(end) }).collect()
}

/// At least as many AND gates as [`matcher`] has, without building it: what is in the table of `docs/protocol/redaction.md`, each line at its dearest.
pub fn most_gates(rules: &Rules, room: Room) -> u64 {
    let of = |place| (if place == Place::Header { room.head } else { room.content }) as u64;
    let places = [Place::Header, Place::Body].map(|place| {
        let (mut literals, mut a_byte) = (0_u128, 0);
        for (_, rule) in rules.of(place) {
            rule.prefix_sets().for_each(|set| literals |= set);
            rule.suffix.iter().for_each(|c| literals |= 1 << c);
            // Rows of the characters, chains of both literals, a count, what begins in a prefix, and of each value: whose turn it is, a latch, length, suffix.
            a_byte += (8 + rule.prefix.len() + rule.suffix.len() + 2 + 5 * rule.times) as u64;
        }
        // Monomials of both nibbles, a row for each character of a literal and what stands before a prefix; and for all bytes once counts of up to 16 bits.
        (a_byte + 22 + 2 * u64::from(literals.count_ones()) + 2) * of(place) + 64 * rules.len() as u64
    });
    let of_action = |action| rules.iter().filter(move |rule| rule.action == action);
    let again = of_action(Action::Keep).flat_map(|kept| of_action(Action::Open).map(move |open| (kept, open))).map(|(kept, open)| {
        let Sample { bytes, bits } = Sample::of(kept);
        let (sample, bits) = ((bytes * bits) as u64, bits as u64);
        let one = bits * of(kept.place) + bytes as u64 * sample;
        let other = bits * of(open.place) + (*open.length.end() + bytes) as u64 * (sample + 3);
        kept.times as u64 * (one + open.times as u64 * other)
    });
    places.iter().sum::<u64>() + again.sum::<u64>()
}

/// Secret bytes, and how to look at them.
pub(super) struct Text {
    bytes: Vec<Byte>,
    charsets: Charsets,
}

impl Text {
    fn new(rules: &Rules, place: Place, bytes: Vec<Byte>) -> Text {
        let before = 1 << if place == Place::Header { b'\n' } else { b'\\' };
        let of_rule = |(_, rule): (usize, &Rule)| -> Vec<u128> {
            let suffix = rule.suffix.iter().map(|c| 1 << c);
            rule.prefix_sets().chain(suffix).chain([rule.characters.mask()]).collect()
        };
        let sets: Vec<u128> = rules.of(place).flat_map(of_rule).chain([before]).collect();
        Text { bytes, charsets: Charsets::cheapest(&sets, place == Place::Header) }
    }

    /// For any bytes that will be asked about these sets.
    pub(super) fn asked(bytes: Vec<Byte>, sets: &[u128]) -> Text {
        Text { bytes, charsets: Charsets::cheapest(sets, false) }
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[Byte] {
        &self.bytes
    }

    /// Whether byte `i` is of this set.
    pub(super) fn is_in(&self, b: &mut Builder, i: usize, set: u128) -> Lit {
        self.charsets.is_in(b, &self.bytes[i], set)
    }

    /// Of every byte.
    pub(super) fn all_in(&self, b: &mut Builder, set: u128) -> Vec<Lit> {
        (0..self.bytes.len()).map(|i| self.is_in(b, i, set)).collect()
    }
}

/// One value of one rule, as flags along the text.
pub(super) struct Value<'a> {
    rule: usize,
    pub(super) text: &'a Text,
    /// Whether it begins at each position.
    pub(super) begins: Vec<Lit>,
    /// Whether each byte is of it.
    pub(super) latch: Vec<Lit>,
    /// Whether the byte at each position is the first behind it.
    ends: Vec<Lit>,
    /// Whether it is as its rule wants it, and its rule's prefix was found as often as it must.
    good: Lit,
}

/// The values of all rules for one text.
fn of_place<'a>(b: &mut Builder, rules: &Rules, place: Place, text: &'a Text) -> Vec<Value<'a>> {
    let rules: Vec<(usize, &Rule)> = rules.of(place).collect();
    let begins: Vec<Vec<Lit>> = rules.iter().map(|(_, rule)| behind_prefix(b, rule, text)).collect();
    let mut values = Vec::new();
    for ((number, rule), raw) in rules.iter().zip(&begins) {
        // A single value of the same rule cannot begin in its own prefix; several could.
        let nested: Vec<&[Lit]> = rules
            .iter()
            .zip(&begins)
            .filter(|((other, others), _)| others.can_end_inside(rule) && (other != number || rule.times > 1))
            .map(|(_, begins)| &begins[..])
            .collect();
        let clear = outside_of_prefix(b, raw, &nested, rule.prefix.len());
        let counted = is_count(b, raw, rule.times, rule.period());
        let of_rule =
            OfRule { length: rule.length.clone(), member: text.all_in(b, rule.characters.mask()), suffix: suffixes(b, rule, text) };
        for begins in one_by_one(b, &clear, rule.times) {
            let (latch, ends, good) = of_rule.value(b, &begins);
            values.push(Value { rule: *number, text, begins, latch, ends, good: b.and(good, counted) });
        }
    }
    values
}

/// For each position, whether the prefix ends before it.
fn behind_prefix(b: &mut Builder, rule: &Rule, text: &Text) -> Vec<Lit> {
    let character = |c: u8| 1_u128 << c;
    let ready = (0..text.bytes.len())
        .map(|i| match (rule.place, i) {
            (Place::Header, 0) => Lit::FALSE,
            (Place::Header, _) => text.is_in(b, i - 1, character(b'\n')),
            (Place::Body, 1..) if rule.prefix[0] == b'"' => !text.is_in(b, i - 1, character(b'\\')),
            (Place::Body, _) => Lit::TRUE,
        })
        .collect();
    chain(b, ready, text, rule.prefix_sets())
}

/// For each position, whether bytes of these sets end before it, one after another, that begin where `ready` is set.
pub(super) fn chain(b: &mut Builder, mut ready: Vec<Lit>, text: &Text, sets: impl Iterator<Item = u128>) -> Vec<Lit> {
    for set in sets {
        let next = ready.iter().take(text.bytes.len()).enumerate().map(|(i, &ready)| {
            let fits = text.is_in(b, i, set);
            b.and(ready, fits)
        });
        ready = [Lit::FALSE].into_iter().chain(next).collect();
    }
    ready
}

/// The beginnings before which no other value begins inside the prefix of `length`.
fn outside_of_prefix(b: &mut Builder, begins: &[Lit], others: &[&[Lit]], length: usize) -> Vec<Lit> {
    if others.is_empty() {
        return begins.to_vec();
    }
    // Two of them in one prefix are one inside the other's, so of the first offence the sum is right.
    let any: Vec<Lit> = (0..begins.len()).map(|i| others.iter().fold(Lit::FALSE, |any, flags| b.xor(any, flags[i]))).collect();
    let sums = Sums::new(b, &any);
    (0..begins.len())
        .map(|i| {
            let inside = sums.over(b, i as isize - length as isize + 1, i as isize);
            b.and(begins[i], !inside)
        })
        .collect()
}

/// Whether exactly `times` of the flags are set, of which no two are closer than `period`.
pub(super) fn is_count(b: &mut Builder, flags: &[Lit], times: usize, period: usize) -> Lit {
    let apart: Vec<Lit> = flags.chunks(period).map(|group| group.iter().fold(Lit::FALSE, |any, &flag| b.xor(any, flag))).collect();
    let width = usize::BITS as usize - (apart.len() | times).leading_zeros() as usize;
    let terms: Vec<Term> = apart.iter().map(|flag| Term::plus(std::slice::from_ref(flag), 0)).collect();
    let count = sum(b, &terms, &[], width);
    count.into_iter().enumerate().fold(Lit::TRUE, |equal, (i, bit)| b.and(equal, if times >> i & 1 == 1 { bit } else { !bit }))
}

/// The first flag, the second, and so on round again, each in flags of its own.
fn one_by_one(b: &mut Builder, flags: &[Lit], times: usize) -> Vec<Vec<Lit>> {
    let mut turn: Vec<Lit> = (0..times).map(|i| Lit::constant(i == 0)).collect();
    let mut out = vec![Vec::with_capacity(flags.len()); times];
    for &flag in flags {
        // It is one's turn, so what is left of the flag is the last one's.
        let mut mine: Vec<Lit> = turn[..times - 1].iter().map(|&turn| b.and(turn, flag)).collect();
        mine.push(mine.iter().fold(flag, |rest, &taken| b.xor(rest, taken)));
        for (i, &taken) in mine.iter().enumerate() {
            out[i].push(taken);
            let next = (i + 1) % times;
            (turn[i], turn[next]) = if next == i { (turn[i], turn[i]) } else { (b.xor(turn[i], taken), b.xor(turn[next], taken)) };
        }
    }
    out
}

/// For each position, whether the suffix stands there.
fn suffixes(b: &mut Builder, rule: &Rule, text: &Text) -> Vec<Lit> {
    let stands = |i: usize| {
        if i + rule.suffix.len() > text.bytes.len() {
            return Lit::FALSE;
        }
        rule.suffix.iter().enumerate().fold(Lit::TRUE, |so_far, (k, &c)| {
            let fits = text.is_in(b, i + k, 1 << c);
            b.and(so_far, fits)
        })
    };
    (0..text.bytes.len()).map(stands).collect()
}

/// What the values of one rule have in common.
pub(super) struct OfRule {
    /// How long they may be.
    pub(super) length: RangeInclusive<usize>,
    /// Whether each byte is of their characters.
    pub(super) member: Vec<Lit>,
    /// For each position, whether their suffix stands there.
    pub(super) suffix: Vec<Lit>,
}

impl OfRule {
    /// Latch, ends, and whether the value that begins where the one flag is set is good. Without a flag it is not.
    pub(super) fn value(&self, b: &mut Builder, begins: &[Lit]) -> (Vec<Lit>, Vec<Lit>, Lit) {
        let sums = Sums::new(b, begins);
        let (least, most) = (*self.length.start() as isize, *self.length.end() as isize);
        let (mut on, mut good) = (Lit::FALSE, Lit::FALSE);
        let (mut latch, mut ends) = (Vec::new(), Vec::new());
        for (i, (&member, &begin)) in self.member.iter().zip(begins).enumerate() {
            let active = b.xor(begin, on);
            on = b.and(active, member);
            let end = b.xor(active, on);
            let long_enough = sums.over(b, i as isize - most, i as isize - least + 1);
            let here = b.and(end, long_enough);
            let here = b.and(here, self.suffix[i]);
            good = b.xor(good, here);
            latch.push(on);
            ends.push(end);
        }
        (latch, ends, good)
    }
}

/// Parities of flags over ranges of positions.
struct Sums(Vec<Lit>);

impl Sums {
    fn new(b: &mut Builder, flags: &[Lit]) -> Sums {
        let mut sums = vec![Lit::FALSE];
        for &flag in flags {
            sums.push(b.xor(sums[sums.len() - 1], flag));
        }
        Sums(sums)
    }

    /// Of positions `from..to`, as far as there are any.
    fn over(&self, b: &mut Builder, from: isize, to: isize) -> Lit {
        let at = |i: isize| self.0[(i.max(0) as usize).min(self.0.len() - 1)];
        b.xor(at(from), at(to.max(from)))
    }
}

/// The position of the one flag that is set: bit by bit the sum of the flags at odd positions, while pairs become one.
pub(super) fn one_of(b: &mut Builder, flags: &[Lit], width: usize) -> Vec<Lit> {
    let mut flags = flags.to_vec();
    (0..width)
        .map(|_| {
            let bit = flags.iter().skip(1).step_by(2).fold(Lit::FALSE, |sum, &flag| b.xor(sum, flag));
            flags = flags.chunks(2).map(|pair| pair.iter().fold(Lit::FALSE, |sum, &flag| b.xor(sum, flag))).collect();
            bit
        })
        .collect()
}

/// Whether a kept value stands again in one that would be opened.
fn found_again(b: &mut Builder, rules: &Rules, values: &[Value]) -> Lit {
    let of = |action| values.iter().map(|value| (&rules[value.rule], value)).filter(move |(rule, _)| rule.action == action);
    let mut again = Lit::FALSE;
    for (kept, secret) in of(Action::Keep) {
        let sample = repeat::Sampled::of_kept(b, kept, secret);
        for (open, shown) in of(Action::Open) {
            let stands = sample.stands_in(b, open, shown);
            again = b.or(again, stands);
        }
    }
    again
}
