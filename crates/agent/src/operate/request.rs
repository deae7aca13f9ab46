//! What a call sends, from its approved text: the pieces between the secrets, and whether each item may stand where it does.
//!
//! Items are sent bare, so their characters have to be ones that the place does not give a meaning to. All are printable ASCII, so there is no CR, LF or NUL
//! among them; a header takes no space, which may be cut from its ends; a body takes what its type leaves free: JSON strings no quote and backslash
//! (RFC 8259 section 7), forms the unreserved characters that stand for themselves (RFC 3986 section 2.3), plain text all.

use super::{error::Refused, manifest::Entry};
use crate::{
    approve::operation::{Call, Slot, Source},
    call::{Content, Key, Part, SignedRequest},
    flow::{self, Flow, FlowError, Place, argument},
    vault::{
        alphabet::Alphabet,
        item::{Item, Kind},
    },
};

/// The longest key of which `AWS4` and the key are one block of HMAC.
const MAX_KEY: usize = 60;

/// A slot that an item fills.
struct Secret<'a> {
    hole: &'a str,
    /// Its number among the items that the call reads.
    number: usize,
    item: &'a Item,
}

/// What is sent. `entries` are the items that the call reads, in its order.
pub(super) fn content(call: &Call, entries: &[&Entry], date: i64) -> Result<Content, Refused> {
    if !flow::is_its_text(call)? {
        return Err(Refused::NotItsText);
    }
    let secrets = secrets(call, entries)?;
    let flow = Flow::parse(&call.flow)?;
    match (flow.sign(), &secrets[..]) {
        (Some(sign), [signer]) => signed(call, &flow, sign, signer, date).map(|signed| Content::Signed(Box::new(signed))),
        (Some(_), _) => Err(Refused::NotItsText),
        (None, _) => parts(call, &flow, &secrets).map(Content::Parts),
    }
}

/// The slots, each with an item that may be used like this.
fn secrets<'a>(call: &'a Call, entries: &[&'a Entry]) -> Result<Vec<Secret<'a>>, Refused> {
    let secret = |slot: &'a Slot| {
        let Source::Item { stored, purpose } = &slot.source else { return Err(Refused::NotItsText) };
        let name = stored.item.as_str();
        let number = entries.iter().position(|entry| entry.item.name == name).ok_or(Refused::NoItem { item: name.to_owned() })?;
        let item = &entries[number].item;
        if !item.uses.contains(purpose) {
            return Err(Refused::Use { item: name.to_owned(), wanted: purpose.clone(), allowed: item.uses.clone() });
        }
        Ok(Secret { hole: &slot.hole, number, item })
    };
    call.slots.iter().map(secret).collect()
}

fn signed(call: &Call, flow: &Flow, sign: &flow::Sign, signer: &Secret, date: i64) -> Result<SignedRequest, Refused> {
    if signer.item.len > MAX_KEY {
        return Err(Refused::KeyLength { item: signer.item.name.clone(), len: signer.item.len });
    }
    let fill = |name: &str| argument(&call.arguments, name).unwrap_or_default().to_vec();
    let flow::ToSign { request, scope, style, access_key_id } = flow::signed(flow, sign, &fill, date)?;
    Ok(SignedRequest { request, scope, style, access_key_id, key: Key::Item(signer.number) })
}

/// The request is written twice, with two different characters in place of each secret one: where the two differ are the secrets, and the writer has seen
/// bytes of the right length at the right places.
fn parts(call: &Call, flow: &Flow, secrets: &[Secret]) -> Result<Vec<Part>, Refused> {
    secrets.iter().try_for_each(|secret| check_characters(flow, secret))?;
    let find = |name: &str| secrets.iter().find(|secret| secret.hole == name);
    let encoded = |blank: u8| -> Result<Vec<u8>, FlowError> {
        let public = |name: &str| argument(&call.arguments, name).unwrap_or_default().to_vec();
        let fill = |name: &str| find(name).map_or_else(|| public(name), |secret| vec![blank; secret.item.len]);
        flow.request(&fill).map(|request| request.encode())
    };
    let (one, other) = (encoded(b'0')?, encoded(b'1')?);
    let mut parts = Vec::new();
    let mut at = 0;
    for secret in flow.holes().filter_map(|(hole, _)| find(hole.name)) {
        let public = one[at..].iter().zip(&other[at..]).take_while(|(x, y)| x == y).count();
        parts.extend((public > 0).then(|| Part::Public(one[at..at + public].to_vec())));
        parts.push(Part::Item(secret.number));
        at += public + secret.item.len;
    }
    parts.extend((at < one.len()).then(|| Part::Public(one[at..].to_vec())));
    Ok(parts)
}

/// That no character which the item can have means something at the places of its hole.
fn check_characters(flow: &Flow, secret: &Secret) -> Result<(), Refused> {
    let fits = |place: Place| {
        let free: fn(u8) -> bool = match place {
            Place::Header(_) => |c| c != b' ',
            Place::Body => free_in_body(flow.public_header("content-type")),
            Place::Target => |_| false,
        };
        matches!(secret.item.kind, Kind::Text(alphabet) if characters(alphabet).all(free))
    };
    match flow.holes().filter(|(hole, _)| hole.name == secret.hole).all(|(_, place)| fits(place)) {
        true => Ok(()),
        false => Err(Refused::Characters { hole: secret.hole.to_owned(), item: secret.item.name.clone() }),
    }
}

/// Which printable characters have no meaning of their own in a body of this type. Of a type that is not known, as in forms, those that never have one.
fn free_in_body(content_type: Option<&str>) -> fn(u8) -> bool {
    match content_type.and_then(|kind| kind.split(';').next()).unwrap_or_default() {
        "application/json" => |c| c != b'"' && c != b'\\',
        "text/plain" => |_| true,
        _ => |c| c.is_ascii_alphanumeric() || b"-._~".contains(&c),
    }
}

fn characters(alphabet: Alphabet) -> impl Iterator<Item = u8> {
    (0..128).filter(move |&c| alphabet.contains(c))
}
