//! A dry run: what a call would send, by one who has a value for each of its secrets in the clear, and what its policy would let out of an answer.
//!
//! The request is compiled as for all parties, from the text and from descriptions that fit the values; its circuits are evaluated in the place of being
//! garbled. So its bytes are those that the parties would send together, and what they would refuse of text and policy is refused here. What depends on the
//! vault is not known: which items there are, their uses, and which other characters they could have.

use super::{
    answer::{Known, answer, outcome},
    error::Refused,
    manifest::Entry,
    request,
};
use crate::{
    answer::{Expected, Read, Refusal, head_room},
    approve::operation::{Call, Source},
    call::{Answered, CallError, Content, Done},
    flow::{self, Disposal, Flow, FlowError, SIGNATURE},
    http,
    redact::{
        Action, Policy, Rules,
        framing::framing,
        plain::{Found, Texts, find},
    },
    sign::plain::signature_with_whole_key,
    vault::{
        alphabet::Alphabet,
        commit::statement::Parties,
        item::{Fields, Item, Kind},
        sharing::Sharing,
    },
};
use chacha20::ChaCha20Rng;
use cotenant_core::Digest;
use cotenant_tls::{Answer, End};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Values for the secrets of a call, by their holes. The key of a signature is that of [`SIGNATURE`].
pub type Values = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// What a call comes to.
pub enum Sent {
    /// A request, as it is sent.
    Request(Zeroizing<Vec<u8>>),
    /// A URL, and nothing is sent.
    Url(Zeroizing<String>),
}

/// What a policy lets out of an answer.
#[derive(Debug)]
pub struct Shown {
    /// What all would know.
    pub known: Known,
    /// What would become an item.
    pub kept: Vec<Kept>,
}

/// A value that would become an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// What the policy calls it.
    pub name: String,
    /// The item.
    pub item: String,
    /// Its length.
    pub bytes: usize,
}

/// Why there is no dry run, or what of it the parties would refuse.
#[derive(Debug, thiserror::Error)]
pub enum NotDry {
    /// A secret without a value.
    #[error("{{{{{0}}}}} is secret: give --secret {0}=VALUE")]
    NoValue(String),
    /// A value that fits nothing.
    #[error("{{{{{0}}}}} is not the hole of a secret")]
    NoSecret(String),
    /// What would be private is not as the text says.
    #[error("{{{{{0}}}}} has another length or other characters than its @private says")]
    Private(String),
    /// Two holes of one item.
    #[error("the holes of item {0} have different values")]
    Different(String),
    /// The text.
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// All parties would refuse it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot be made.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The answer is longer than the policy allows.
    #[error("the answer has {found} bytes, and its limit is {limit}, records and all")]
    Long {
        /// Its length.
        found: usize,
        /// The most that the text allows.
        limit: u64,
    },
    /// The parties would open nothing of the answer.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// It is opened, and not one complete answer.
    #[error("the server's answer is not one complete HTTP response: {0}")]
    Answer(#[from] http::ResponseError),
}

/// What a call would send at this date, in seconds since 1970. `rng` is freshly seeded: what a JWE takes is drawn from it.
///
/// # Errors
/// What is missing, or would be refused.
pub fn dry_request(call: &Call, values: &Values, date: i64, rng: &mut ChaCha20Rng) -> Result<Sent, NotDry> {
    if let Some(strange) = values.keys().find(|name| call.slots.iter().all(|slot| slot.hole != **name)) {
        return Err(NotDry::NoSecret(strange.clone()));
    }
    let of_slots = call.slots.iter().map(|slot| value(values, &slot.hole)).collect::<Result<Vec<_>, _>>()?;
    let entries = entries(call, &of_slots)?;
    let entries: Vec<&Entry> = entries.iter().collect();
    if flow::is_presign(&call.flow)? {
        let presigned = request::presigned(call, &entries, quorum(), date)?;
        let digits = signature_with_whole_key(value(values, SIGNATURE)?, presigned.to_sign());
        return Ok(Sent::Url(presigned.url(&digits)));
    }
    let bytes = match request::content(call, &entries, quorum(), date)? {
        Content::Public(bytes) => bytes,
        Content::Signed(signed) => signed.by_one(value(values, SIGNATURE)?)?,
        Content::Parts(parts) => parts.by_one(&entries.iter().map(|entry| &entry.item).collect::<Vec<_>>(), &of_slots, rng)?,
    };
    Ok(Sent::Request(bytes.into()))
}

/// Who takes part: whoever gives private values is the first.
fn quorum() -> Parties {
    Parties::first(2)
}

fn value<'a>(values: &'a Values, hole: &str) -> Result<&'a [u8], NotDry> {
    values.get(hole).map(|value| &value[..]).ok_or_else(|| NotDry::NoValue(hole.to_owned()))
}

/// Items that have these values, by the order of the slots, and the uses that the call has for them, in rising order of names.
fn entries(call: &Call, of_slots: &[&[u8]]) -> Result<Vec<Entry>, NotDry> {
    let mut items: BTreeMap<&str, (&[u8], Vec<_>)> = BTreeMap::new();
    for (slot, value) in call.slots.iter().zip(of_slots) {
        match &slot.source {
            Source::Item { stored, purpose } => {
                let (same, uses) = items.entry(stored.item.as_str()).or_insert((value, Vec::new()));
                if same != value {
                    return Err(NotDry::Different(stored.item.to_string()));
                }
                uses.push(purpose.clone());
            }
            Source::Private { len, alphabet, .. } => {
                if value.len() != *len as usize || !value.iter().all(|byte| alphabet.contains(*byte)) {
                    return Err(NotDry::Private(slot.hole.clone()));
                }
            }
        }
    }
    items.into_iter().map(|(name, (value, uses))| entry(name, value, uses)).collect()
}

fn entry(name: &str, value: &[u8], mut uses: Vec<crate::vault::item::Use>) -> Result<Entry, NotDry> {
    uses.sort();
    uses.dedup();
    let characters = value.iter().try_fold(0, |set: u128, byte| Some(set | 1u128.checked_shl((*byte).into())?));
    // An alphabet has two characters at least.
    let alphabet = characters.and_then(|set| Alphabet::from_mask(set).or(Alphabet::from_mask(set | 1 << b'0' | 1 << b'1')));
    let kind = alphabet.map_or(Kind::Bytes, Kind::Text);
    let sharing = Sharing::new(2, 2).expect("two of two is a sharing");
    let fields = Fields { name: name.to_owned(), version: 1, kind, len: value.len(), sharing, uses, note: String::new() };
    let item = Item::new(fields).map_err(Refused::from)?;
    Ok(Entry { item, run: Digest([0; 32]), lacking: Parties::NONE })
}

/// What the parties would let out of an answer: all that came on the connection, and whether the server said that there was no more.
///
/// # Errors
/// If they would refuse it.
pub fn dry_answer(call: &Call, bytes: Vec<u8>, closed: bool) -> Result<Shown, NotDry> {
    let limit = call.response.limit_bytes;
    if bytes.len() as u64 > limit {
        return Err(NotDry::Long { found: bytes.len(), limit });
    }
    let Disposal { policy, saves, statuses } = Disposal::parse(&call.response.policy).ok_or(Refused::NotItsText)?;
    let (answered, kept) = match policy {
        Policy::All => {
            let end = if closed { End::CloseNotify } else { End::Truncated };
            (Answered::Whole(Answer { body: bytes, end, tickets: 0, key_updates: 0 }), Vec::new())
        }
        Policy::Rules(rules) => {
            let end = if closed { http::End::CloseNotify } else { http::End::Open };
            let expected = Expected { to_head: Flow::parse(&call.flow)?.method == "HEAD", statuses };
            let read = read(&rules, &bytes, head_room(limit as usize), &expected, end)?;
            let kept = |save: flow::Save| {
                let rule = &rules[save.rule];
                Kept { name: rule.name.clone(), item: save.item.to_string(), bytes: *rule.length.start() }
            };
            (Answered::Part(read), saves.into_iter().map(kept).collect())
        }
    };
    let known = answer(call, &outcome(&Done { answer: answered, server_chain: Digest([0; 32]) }));
    Ok(Shown { known: known.ok_or(Refused::NotItsText)??, kept })
}

/// What the rules let out.
fn read(rules: &Rules, bytes: &[u8], head_room: usize, expected: &Expected, end: http::End) -> Result<Read, Refusal> {
    let framing = framing(bytes, head_room, expected.to_head, end).map_err(Refusal::Framing)?;
    if !expected.statuses.contains(&framing.status) {
        return Err(Refusal::Policy { status: framing.status });
    }
    let content: Vec<u8> = framing.content.iter().flat_map(|at| &bytes[at.clone()]).copied().collect();
    let texts = Texts { head: &bytes[..framing.head], content: &content };
    let found = find(rules, texts).ok_or(Refusal::Policy { status: framing.status })?;
    let open = |found: &Found| {
        let rule = &rules[found.rule];
        (rule.action == Action::Open).then(|| (rule.name.clone(), texts.of(rule.place)[found.at.clone()].to_vec()))
    };
    let opened = found.iter().filter_map(open).collect();
    Ok(Read { framing, end, tickets: 0, found, opened })
}
