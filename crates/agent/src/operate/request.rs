//! What a call sends, from its approved text: where each secret stands, whether it may stand there, and the pieces between.
//!
//! A slot for Signature Version 4 has no hole in the text: it is the request's Authorization header. Its public half is the argument `access-key-id`.
//!
//! Items are sent bare, so their characters have to be ones that the place does not give a meaning to. All are printable ASCII, so there is no CR, LF or NUL
//! among them; a header takes no space, which may be cut from its ends; a body takes what its type leaves free: JSON strings no quote and backslash
//! (RFC 8259 section 7), forms the unreserved characters that stand for themselves (RFC 3986 section 2.3), plain text all.

use super::{
    error::Refused,
    flow::{Flow, FlowError, Place, RequestOrText},
    manifest::Entry,
};
use crate::{
    approve::operation::{Audience, Call, Response, Source},
    call::{Content, Key, Part, SignedRequest},
    sign::{
        date::{BadTimestamp, Timestamp},
        sigv4::{self, Scope, SigningError, Style},
    },
    vault::{
        alphabet::Alphabet,
        item::{Item, Kind, Use},
    },
};

/// The argument with the public half of a key that signs.
pub const ACCESS_KEY_ID: &str = "access-key-id";
/// The policy that opens the whole answer to all.
pub const OPEN_ALL: &str = "open all";
/// Before the name of a hole, on a line of the policy: the server does not send back what fills it.
pub const NOT_REFLECTED: &str = "not-reflected";
/// The longest key of which `AWS4` and the key are one block of HMAC.
const MAX_KEY: usize = 60;

/// A slot that an item fills.
struct Secret<'a> {
    hole: &'a str,
    purpose: &'a Use,
    /// Its number among the items that the call reads.
    number: usize,
    item: &'a Item,
}

/// What is sent. `entries` are the items that the call reads, in its order.
pub(super) fn content(call: &Call, entries: &[&Entry], date: i64) -> Result<Content, Refused> {
    let secrets = secrets(call, entries)?;
    let flow = Flow::parse(&call.flow)?;
    let (signers, holes): (Vec<Secret>, Vec<Secret>) = secrets.into_iter().partition(|secret| matches!(secret.purpose, Use::Sigv4 { .. }));
    check_response(&call.response, &holes)?;
    match &signers[..] {
        [] => parts(call, &flow, &holes).map(Content::Parts),
        [signer] if holes.is_empty() => signed(call, &flow, signer, date).map(|signed| Content::Signed(Box::new(signed))),
        _ => Err(Refused::Signed),
    }
}

/// The slots, each with an item that may be used like this.
fn secrets<'a>(call: &'a Call, entries: &[&'a Entry]) -> Result<Vec<Secret<'a>>, Refused> {
    let secret = |slot: &'a crate::approve::operation::Slot| {
        let Source::Item { stored, purpose } = &slot.source else { return Err(Refused::Private { hole: slot.hole.clone() }) };
        let name = stored.item.as_str();
        let number = entries.iter().position(|entry| entry.item.name == name).ok_or(Refused::NoItem { item: name.to_owned() })?;
        let item = &entries[number].item;
        if !item.uses.contains(purpose) {
            return Err(Refused::Use { item: name.to_owned(), wanted: purpose.clone(), allowed: item.uses.clone() });
        }
        Ok(Secret { hole: &slot.hole, purpose, number, item })
    };
    call.slots.iter().map(secret).collect()
}

/// The answer is opened whole, so of each bare item people have said that it is not in there.
fn check_response(response: &Response, holes: &[Secret]) -> Result<(), Refused> {
    let policy = std::str::from_utf8(&response.policy).map_err(|_| Refused::Response)?;
    let mut lines: Vec<&str> = policy.lines().collect();
    let before = lines.len();
    lines.retain(|line| *line != OPEN_ALL);
    if response.audience != Audience::All || before != lines.len() + 1 {
        return Err(Refused::Response);
    }
    for Secret { hole, .. } in holes {
        let said = lines.iter().position(|line| line.strip_prefix(NOT_REFLECTED).and_then(|rest| rest.strip_prefix(' ')) == Some(hole));
        lines.remove(said.ok_or(Refused::Reflected { hole: (*hole).to_owned() })?);
    }
    if lines.is_empty() { Ok(()) } else { Err(Refused::Response) }
}

fn signed(call: &Call, flow: &Flow, signer: &Secret, date: i64) -> Result<SignedRequest, Refused> {
    let Use::Sigv4 { service, region, .. } = signer.purpose else { return Err(Refused::Signed) };
    if signer.item.len > MAX_KEY {
        return Err(Refused::KeyLength { item: signer.item.name.clone(), len: signer.item.len });
    }
    let id = argument(call, ACCESS_KEY_ID).ok_or(Refused::NoAccessKeyId)?;
    let access_key_id = String::from_utf8(id.to_vec()).map_err(|_| SigningError::AccessKeyId)?;
    let timestamp = Timestamp::from_unix(date).map_err(|BadTimestamp| SigningError::Scope)?;
    let scope = Scope::new(service, region, timestamp)?;
    check_holes(call, flow, &[], &[ACCESS_KEY_ID])?;
    let request = flow.request(&call.host, call.port, &|name| argument(call, name).unwrap_or_default().to_vec())?;
    let style = Style::of_service(service);
    // What the signer refuses is refused here, before there is a session.
    sigv4::prepare(&mut request.clone(), &scope, style)?.authorization_prefix(&access_key_id)?;
    Ok(SignedRequest { request, scope, style, access_key_id, key: Key::Item(signer.number) })
}

/// The request is written twice, with two different characters in place of each secret one: where the two differ are the secrets, and the writer has seen
/// bytes of the right length at the right places.
fn parts(call: &Call, flow: &Flow, holes: &[Secret]) -> Result<Vec<Part>, Refused> {
    check_holes(call, flow, holes, &[])?;
    let find = |name: &str| holes.iter().find(|secret| secret.hole == name);
    let encoded = |blank: u8| {
        let fill = |name: &str| find(name).map_or_else(|| argument(call, name).unwrap_or_default().to_vec(), |s| vec![blank; s.item.len]);
        flow.request(&call.host, call.port, &fill).map(|request| request.encode())
    };
    let (one, other) = (encoded(b'0')?, encoded(b'1')?);
    let mut parts = Vec::new();
    let mut at = 0;
    for secret in flow.holes().filter_map(|(name, _)| find(name)) {
        let public = one[at..].iter().zip(&other[at..]).take_while(|(x, y)| x == y).count();
        parts.extend((public > 0).then(|| Part::Public(one[at..at + public].to_vec())));
        parts.push(Part::Item(secret.number));
        at += public + secret.item.len;
    }
    parts.extend((at < one.len()).then(|| Part::Public(one[at..].to_vec())));
    Ok(parts)
}

/// Every hole is filled, everything given has a hole but what is in `elsewhere`, and secrets stand where they may.
fn check_holes(call: &Call, flow: &Flow, holes: &[Secret], elsewhere: &[&str]) -> Result<(), Refused> {
    for (name, place) in flow.holes() {
        match holes.iter().find(|secret| secret.hole == name) {
            Some(secret) => check_place(flow, secret, place)?,
            None if argument(call, name).is_some() && !elsewhere.contains(&name) => {}
            None => return Err(FlowError::Unfilled { name: name.to_owned() }.into()),
        }
    }
    let arguments = call.arguments.iter().map(|argument| argument.name.as_str());
    let mut given = arguments.chain(holes.iter().map(|secret| secret.hole)).filter(|name| !elsewhere.contains(name));
    match given.find(|name| flow.holes().all(|(hole, _)| hole != *name)) {
        Some(unused) => Err(FlowError::Unused { name: unused.to_owned() }.into()),
        None => Ok(()),
    }
}

fn check_place(flow: &Flow, secret: &Secret, place: Place) -> Result<(), Refused> {
    let free: fn(u8) -> bool = match (secret.purpose, place) {
        (Use::Header { name, .. }, Place::Header(header)) if header.eq_ignore_ascii_case(name) => |c| c != b' ',
        (Use::Field { .. }, Place::Body) => free_in_body(flow.public_header("content-type")),
        _ => return Err(Refused::Place { hole: secret.hole.to_owned(), purpose: secret.purpose.clone() }),
    };
    let fits = match secret.item.kind {
        Kind::Bytes => false,
        Kind::Text(alphabet) => characters(alphabet).all(free),
    };
    let wrong = || Refused::Characters { hole: secret.hole.to_owned(), item: secret.item.name.clone() };
    if fits { Ok(()) } else { Err(wrong()) }
}

/// Which printable characters have no meaning of their own in a body of this type. Of a type that is not known, as in forms, those that never have one.
fn free_in_body(content_type: Option<&[u8]>) -> fn(u8) -> bool {
    let kind = content_type.and_then(|kind| kind.split(|&b| b == b';').next()).unwrap_or_default();
    match kind {
        b"application/json" => |c| c != b'"' && c != b'\\',
        b"text/plain" => |_| true,
        _ => |c| c.is_ascii_alphanumeric() || b"-._~".contains(&c),
    }
}

fn characters(alphabet: Alphabet) -> impl Iterator<Item = u8> {
    (0..128).filter(move |&c| alphabet.contains(c))
}

fn argument<'a>(call: &'a Call, name: &str) -> Option<&'a [u8]> {
    call.arguments.iter().find(|argument| argument.name == name).map(|argument| &argument.value[..])
}

impl From<RequestOrText> for Refused {
    fn from(error: RequestOrText) -> Self {
        match error {
            RequestOrText::Request(error) => error.into(),
            RequestOrText::Text(error) => error.into(),
        }
    }
}
