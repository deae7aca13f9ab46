//! Every kind of message, changed in every way: each run ends in an abort that names the right check and suspects the cheating party, or with the right
//! output; never with a wrong one, never stuck.
//!
//! The table is a `match` over [`Kind`]: a kind without its line does not build.

use cotenant_cluster::{
    Message,
    tamper::{Change, Verdict, honest_messages, of_kind, tampered},
};
use cotenant_core::PartyId;
use cotenant_mpc::{Check, Kind};
use std::ops::Range;

/// One part of a message.
struct Field {
    /// Its bytes, the kind byte being number 0.
    bytes: Range<usize>,
    /// Checks that may notice another value.
    checks: &'static [Check],
    /// Whether every changed bit is noticed. Otherwise it is noticed when it is used; then the output is right when it is not.
    always: bool,
}

/// What the protocol says of one kind of message.
struct Line {
    fields: Vec<Field>,
    /// What notices a message that is longer or shorter.
    length: &'static [Check],
}

fn line(fields: Vec<Field>) -> Line {
    Line { fields, length: &[Check::Format] }
}

fn always(bytes: Range<usize>, checks: &'static [Check]) -> Field {
    Field { bytes, checks, always: true }
}

fn when_used(bytes: Range<usize>, checks: &'static [Check]) -> Field {
    Field { bytes, checks, always: false }
}

/// A proof of masked values fails where the tables or labels that led to them were false, or the masked values: at a garbler before it answers, else at the
/// evaluator. Spare bits are a matter of format.
const PROOFS: &[Check] = &[Check::EvaluatorProof, Check::GarblerProof];
const PROOFS_OR_SPARE: &[Check] = &[Check::EvaluatorProof, Check::GarblerProof, Check::Format];

/// Bytes of rows in a message of tables; what may follow, a bit for each of a few gates, is shorter than the rows of one gate.
fn table_rows(n: usize, length: usize) -> usize {
    let per_gate = 16 * (2 + 3 * (n - 2));
    length / per_gate * per_gate
}

/// The table. `len` is the length with the kind byte.
fn table(kind: Kind, n: usize, from: PartyId, len: usize) -> Line {
    use Check::*;
    let echoed = n > 2;
    match kind {
        // sent when a session dies: see the last test
        Kind::Notice => line(vec![]),
        // another nonce gives another session id, which is compared, or under which no tree opens
        Kind::Hello => line(vec![always(1..33, if echoed { &[Echo] } else { &[PuncturedPrf] }), always(33..65, &[PublicValue])]),
        Kind::Echo => line(vec![always(1..33, &[Echo])]),
        // some commitments are in an echo before they are opened
        Kind::Commit => {
            let checks: &[Check] = if echoed { &[Commitment, Echo] } else { &[Commitment] };
            Line { fields: vec![always(1..33, checks)], length: checks }
        }
        Kind::Opening => line(vec![always(1..len - 32, &[Commitment]), always(len - 32..len, &[Commitment])]),
        // where the bytes still are a group element, it is the cheating party whose trees do not open
        Kind::BaseOtChoice => line(vec![always(1..8193, &[BaseOt])]),
        Kind::BaseOtSend => line(vec![always(1..4097, &[BaseOt, PuncturedPrf])]),
        // a tree has three levels of two sums, then two blocks of proofs
        Kind::Trees => line(vec![
            when_used(1..97, &[PuncturedPrf]),
            always(97..129, &[PuncturedPrf]),
            when_used(1 + 31 * 128..97 + 31 * 128, &[PuncturedPrf]),
            always(4097..4129, &[PuncturedPrf]),
        ]),
        Kind::CotCorrection => line(vec![when_used(1..len, &[CorrelatedOt])]),
        Kind::CotProof => line(vec![always(1..17, &[CorrelatedOt]), always(17..49, &[CorrelatedOt])]),
        Kind::DeltaCommit => Line { fields: vec![always(1..len, &[Echo])], length: &[Echo] },
        Kind::DeltaOpening => line(vec![always(1..17, &[Commitment]), always(len - 32..len, &[Commitment])]),
        // eight triples have one byte of bits and eight words
        Kind::LeakyAnd => {
            let bits = (len - 1) / 65;
            line(vec![when_used(1..1 + bits, &[Triple]), when_used(1 + bits..len, &[Triple])])
        }
        Kind::LeakyShift => line(vec![always(1..len, if echoed { &[Echo] } else { &[Triple] })]),
        Kind::Opened => line(vec![always(1..len - 16, &[OpenedMac, Format]), always(len - 16..len, &[OpenedMac])]),
        Kind::Plan => line(vec![always(1..33, &[Plan])]),
        Kind::Tables => {
            let rows = table_rows(n, len - 1);
            let mut fields = vec![when_used(1..1 + rows, PROOFS)];
            if from == PartyId::new(1) {
                fields.push(always(1 + rows..len, PROOFS_OR_SPARE));
            }
            line(fields)
        }
        Kind::Sealed => line(vec![]),
        Kind::PublicDigest => line(vec![always(1..33, &[PublicValue])]),
        Kind::MaskedInput => line(vec![always(1..len, if echoed { &[Echo, Format] } else { PROOFS_OR_SPARE })]),
        Kind::InputLabels => line(vec![when_used(1..len, PROOFS)]),
        Kind::Lambda => line(vec![always(1..len, &[EvaluatorProof, Format])]),
        Kind::EvaluatorProof => line(vec![always(1..17, &[EvaluatorProof])]),
        Kind::GarblerProof => line(vec![always(1..17, &[GarblerProof])]),
        Kind::LambdaDigest => line(vec![always(1..33, &[MaskedValues])]),
        Kind::Solder => line(vec![when_used(1..len, PROOFS)]),
    }
}

/// Checks that may end a run in which a whole message is another of its kind.
fn any_field(line: &Line) -> Vec<Check> {
    line.fields.iter().flat_map(|f| f.checks).chain(line.length).copied().chain([Check::Format]).collect()
}

/// One changed message and what is expected of it.
struct Case {
    what: String,
    change: Change,
    checks: Vec<Check>,
    always: bool,
}

fn flipped(body: &[u8], bit: usize) -> Change {
    let mut body = body.to_vec();
    body[bit / 8] ^= 1 << (bit % 8);
    Change::To(body)
}

/// Numbers that differ from seed to seed and place to place.
fn pick(seed: u64, salt: usize, below: usize) -> usize {
    let x = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(salt as u64).wrapping_mul(0xd134_2543_de82_ef95);
    (x >> 33) as usize % below
}

/// Every change of message number `at`.
fn cases(n: usize, messages: &[Message], at: usize, seed: u64) -> Vec<Case> {
    let message = &messages[at];
    let (body, kind) = (&message.body, Kind::of(&message.body).expect("an honest message has a kind"));
    let line = table(kind, n, message.from, body.len());
    let mut all = Vec::new();
    let mut case = |what: &str, change, checks: &[Check], always| {
        all.push(Case { what: what.into(), change, checks: checks.to_vec(), always });
    };
    for f in line.fields.iter().filter(|f| !f.bytes.is_empty()) {
        let (first, last) = (8 * f.bytes.start, 8 * f.bytes.end - 1);
        for bit in [first, last, first + pick(seed, at, last - first)] {
            case(&format!("bit {bit} flipped"), flipped(body, bit), f.checks, f.always);
        }
    }
    let used = line.fields.iter().all(|f| f.always);
    if body.len() > 1 {
        let noise = (1..body.len()).map(|k| pick(seed, at + k, 256) as u8);
        case("noise", Change::To([body[0]].into_iter().chain(noise).collect()), &any_field(&line), used);
    }
    case("longer by a byte", Change::To([&body[..], &[0]].concat()), line.length, true);
    let length: &[Check] = if body.len() == 1 { &[Check::Order] } else { line.length };
    case("shorter by a byte", Change::To(body[..body.len() - 1].to_vec()), length, true);
    case("empty", Change::To(Vec::new()), &[Check::Order], true);
    let code = [0, 27, 255, 2 + (kind as u8 - 1) % 25][pick(seed, at, 4)];
    case("under another kind", Change::To([&[code], &body[1..]].concat()), &[Check::Order], true);
    let link = |m: &&Message| (m.from, m.to) == (message.from, message.to);
    let earlier = messages[..at].iter().filter(link).rfind(|m| m.body[0] == body[0] && m.body != *body);
    if let Some(m) = earlier {
        case("an earlier one", Change::To(m.body.clone()), &any_field(&line), used);
    }
    let next = messages[at + 1..].iter().find(link);
    let same = next.is_some_and(|m| m.body[0] == body[0]);
    let order = if same { any_field(&line) } else { vec![Check::Order] };
    case("after the next", Change::Later, &order, !same);
    // where some of a kind follow each other, the first of another kind comes too early
    case("lost", Change::Never, &[order, vec![Check::Order]].concat(), true);
    // with more parties a run takes longer: of what two parties have tried as well, each seed takes every other case
    let mut turn = (seed..).map(|k| n == 2 || !is_sent(2, kind) || k % 2 == 0);
    all.retain(|_| turn.next() == Some(true));
    all
}

/// Runs every change of a message of one kind. Which message it is, and so which party cheats, depends on the seed.
fn all_changes(n: usize, seed: u64, kind: Kind) -> Vec<String> {
    let messages = honest_messages(n, seed);
    let candidates = of_kind(&messages, kind);
    assert_eq!(candidates.is_empty(), !is_sent(n, kind), "the scenario and {kind:?}, {n} parties");
    if candidates.is_empty() {
        return Vec::new();
    }
    let (at, message) = candidates[pick(seed, kind as usize, candidates.len())];
    let mut wrong = Vec::new();
    for case in cases(n, &messages, at, seed) {
        let fault = match tampered(n, seed, message.from, at, case.change) {
            Err(e) => e,
            Ok(Verdict::Caught(check)) if !case.checks.contains(&check) => format!("caught by '{check}'"),
            Ok(Verdict::Correct) if case.always => "not noticed".into(),
            Ok(_) => continue,
        };
        let (from, to) = (message.from, message.to);
        wrong.push(format!("{n} parties, seed {seed}: {kind:?}, message {at} from {from} to {to}, {}: {fault}", case.what));
    }
    wrong
}

/// Whether honest parties ever send the kind. Two parties have nothing to compare: each broadcast has one receiver, each key one user.
fn is_sent(n: usize, kind: Kind) -> bool {
    let three_or_more = matches!(kind, Kind::Echo | Kind::DeltaCommit | Kind::DeltaOpening | Kind::LambdaDigest);
    kind != Kind::Notice && (n > 2 || !three_or_more)
}

fn holds(n: usize, rounds: Range<u64>, kinds: &[Kind]) {
    let runs = rounds.flat_map(|r| kinds.iter().map(move |&k| (100 * r + k as u64, k)));
    let wrong: Vec<String> = runs.flat_map(|(seed, kind)| all_changes(n, seed, kind)).collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn two_parties() {
    holds(2, 0..1, &Kind::ALL);
}

#[test]
fn three_parties_set_up_and_preparation() {
    holds(3, 0..1, &Kind::ALL[..17]);
}

#[test]
fn three_parties_garbling_and_online() {
    holds(3, 0..1, &Kind::ALL[17..]);
}

#[test]
fn four_parties() {
    holds(4, 0..1, &[Kind::Commit, Kind::CotProof, Kind::LeakyShift, Kind::LambdaDigest]);
}

#[test]
fn a_notice_ends_the_session_and_a_malformed_one_names_its_sender() {
    let (n, seed) = (2, 1);
    let messages = honest_messages(n, seed);
    for kind in [Kind::Hello, Kind::LeakyAnd, Kind::Tables, Kind::Opened] {
        let (at, message) = of_kind(&messages, kind)[0];
        let notice = Kind::Notice as u8;
        for check in Check::ALL {
            let verdict = tampered(n, seed, message.from, at, Change::To(vec![notice, check as u8]));
            assert_eq!(verdict, Ok(Verdict::GaveUp));
        }
        for body in [vec![notice], vec![notice, 16], vec![notice, 17], vec![notice, 255], vec![notice, 1, 0]] {
            assert_eq!(tampered(n, seed, message.from, at, Change::To(body)), Ok(Verdict::Caught(Check::Format)));
        }
    }
}
