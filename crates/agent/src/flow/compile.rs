//! From a text to what an operation says beside it: host, port, which item fills which hole for which use, what becomes of the answer.
//!
//! The use of an item follows from the place of its hole: the value of a header, or the body. A signature has no hole; its slot is [`SIGNATURE`].

use super::{
    directive::{Directives, Sign},
    disposal::{self, BadLine, Disposal},
    error::{FlowError, Position, Problem},
    request::{Body, Flow},
    secrets::{Named, Secrets},
    template::Hole,
};
use crate::{
    answer,
    approve::{
        operation::{self, Argument, Audience, Call, Language, Response, Slot},
        receipt,
    },
    derive::MAX_VALUES,
    http,
    redact::Policy,
    sign::{
        date::{BadTimestamp, Timestamp},
        presign::{Expires, Grant, Presigned, SessionToken, presign},
        sigv4::{self, Scope, Style},
    },
};
use cotenant_core::{Digest, PartyId};
use cotenant_tls::AnswerLimits;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

/// The slot of a signature.
pub const SIGNATURE: &str = "signature";
/// The most bytes that a limit can allow: so much a receipt holds.
pub const MAX_LIMIT: u64 = receipt::MAX_VALUE as u64;
/// The limit where none is said.
const DEFAULT_LIMIT: u64 = 1 << 18;
/// How near a name has to be to be suggested, in changes.
const NEAR: usize = 2;
/// The limit where none is said and a part of the answer stays secret: it is paid for, whether the answer is as long or not.
const DEFAULT_PART: u64 = 1 << 12;
/// The policy that opens a URL, before the seconds for which it is valid.
const PRESIGNED: &str = "presigned for seconds:";
/// Before the name of a hole, on a line of the policy: the server does not send back what fills it.
const NOT_REFLECTED: &str = "not-reflected";

/// Who does what in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seats {
    /// Who has the connection.
    pub connector: PartyId,
    /// Who gives what is private and of no named member, and is given a URL: who proposes the call.
    pub giver: PartyId,
}

/// The call that a text is which names no member, with these arguments.
///
/// # Errors
/// What is wrong with the text, or with the arguments for it.
pub fn call(flow: Vec<u8>, arguments: Vec<Argument>, seats: Seats, trust_roots: Digest) -> Result<Call, FlowError> {
    call_among(flow, arguments, seats, &|_| None, trust_roots)
}

/// The call that a text is, with these arguments, among the members that it names.
///
/// # Errors
/// What is wrong with the text, or with the arguments for it.
pub fn call_among(flow: Vec<u8>, mut arguments: Vec<Argument>, seats: Seats, named: Named, trust_roots: Digest) -> Result<Call, FlowError> {
    let Seats { connector, giver } = seats;
    arguments.sort_by(|a, b| a.name.cmp(&b.name));
    let parsed = Flow::parse(&flow)?;
    let secrets = Secrets::of(&parsed);
    let slots = secrets.slots(giver, named)?;
    check_holes(&parsed, &arguments, &slots)?;
    let response = match parsed.presign() {
        Some((sign, expires)) => url(&parsed, sign, expires, giver)?,
        None => response(&parsed, &secrets)?,
    };
    // What the writer and the signer refuse is refused here, and what is longer than people are to be shown.
    let blank = |name: &str| Cow::from(argument(&arguments, name).unwrap_or(b"0"));
    let made = parsed.lets().iter().map(|made| made.value.filled_len(&blank)).fold(0, usize::saturating_add);
    if made > MAX_VALUES {
        return Err(Problem::LongValues(made).at(parsed.at));
    }
    parsed.lets().iter().flat_map(|made| made.value.jwes()).try_for_each(|jwe| jwe.sealing(&blank).map(drop))?;
    match &parsed.directives.sign {
        Some(sign @ Sign { expires: Some(_), .. }) => presigned(&parsed, sign, &blank, 0).map(drop)?,
        Some(sign) => signed(&parsed, sign, &blank, 0).map(drop)?,
        None => parsed.request(&blank).map(drop)?,
    }
    // Nobody connects for a URL: that it is its reader makes one call of one text.
    let connector = if parsed.presign().is_some() { giver } else { connector };
    let (host, port) = (parsed.host.to_owned(), parsed.port);
    Ok(Call { language: Language::V1, flow, arguments, host, port, connector, trust_roots, slots, response })
}

/// Whether a call is what its text says, with its arguments: people have approved both. Who is called what in it is for those to judge who know the members
/// ([`givers`]): here each name is one seat's, and no seat has two.
///
/// # Errors
/// If the text is no flow, or not for these arguments.
pub fn is_its_text(given: &Call) -> Result<bool, FlowError> {
    let (mut named, mut giver) = (BTreeMap::new(), given.response.audience.only().unwrap_or(given.connector));
    for (name, seat) in givers(given)? {
        match name {
            None => giver = seat,
            // Of two seats under one name the call is one only, so it is another than its text says.
            Some(name) => drop(named.insert(name, seat)),
        }
    }
    if named.values().collect::<BTreeSet<_>>().len() != named.len() {
        return Ok(false);
    }
    let seats = Seats { connector: given.connector, giver };
    Ok(call_among(given.flow.clone(), given.arguments.clone(), seats, &|name| named.get(name).copied(), given.trust_roots)? == *given)
}

/// Who gives what is private, for each such hole: the name in the text, if there is one, and the seat in the call.
///
/// # Errors
/// If the text is no flow.
pub fn givers(given: &Call) -> Result<Vec<(Option<String>, PartyId)>, FlowError> {
    let mut named = named_givers(&given.flow)?;
    let owned = given.slots.iter().filter_map(|slot| Some((named.remove(&slot.hole), slot.source.owner()?)));
    Ok(owned.collect())
}

/// The names of the members that fill private holes, by holes.
///
/// # Errors
/// If the text is no flow.
pub fn named_givers(flow: &[u8]) -> Result<BTreeMap<String, String>, FlowError> {
    let flow = Flow::parse(flow)?;
    let named = flow.directives.private.iter().filter_map(|private| Some((private.hole.name.to_owned(), private.member?.to_owned())));
    Ok(named.collect())
}

/// Whether a text makes a URL and sends nothing.
///
/// # Errors
/// If the text is no flow.
pub fn is_presign(flow: &[u8]) -> Result<bool, FlowError> {
    Ok(Flow::parse(flow)?.presign().is_some())
}

/// The holes that arguments fill, each once, in the order of the text's parts.
///
/// # Errors
/// If the text is no flow.
pub fn public_holes(flow: &[u8]) -> Result<Vec<String>, FlowError> {
    let flow = Flow::parse(flow)?;
    let mut names: Vec<String> = Vec::new();
    for hole in public(&flow) {
        if !names.iter().any(|name| name == hole.name) {
            names.push(hole.name.to_owned());
        }
    }
    Ok(names)
}

/// The same, as often as they stand.
fn public<'a>(flow: &Flow<'a>) -> Vec<Hole<'a>> {
    let ids = flow.directives.sign.iter().flat_map(|sign| sign.access_key_id.holes());
    let made = flow.lets().iter().flat_map(|made| made.value.holes());
    flow.holes().map(|(hole, _)| hole).chain(made).filter(|hole| !flow.is_secret(hole.name)).chain(ids).collect()
}

/// The path, beside the file of the flow, of the file that the body is in; none if the body is in the text.
///
/// # Errors
/// If the text is no flow.
pub fn body_file(flow: &[u8]) -> Result<Option<&str>, FlowError> {
    Ok(match Flow::parse(flow)?.body {
        Body::File(argument, _) => Some(&argument[2..]),
        Body::Text(_) => None,
    })
}

/// A request to be signed, but for the key.
pub(crate) struct ToSign {
    pub(crate) request: http::Request,
    pub(crate) scope: Scope,
    pub(crate) style: Style,
    pub(crate) access_key_id: String,
}

/// What a `@sign` makes of a request at a date, in seconds since 1970.
pub(crate) fn signed<'f>(flow: &Flow, sign: &Sign, fill: &impl Fn(&str) -> Cow<'f, [u8]>, date: i64) -> Result<ToSign, FlowError> {
    let wrong = |error: sigv4::SigningError| Problem::from(error).at(sign.at);
    if sign.access_key_id.filled_len(fill) > sigv4::MAX_ACCESS_KEY_ID {
        return Err(wrong(sigv4::SigningError::AccessKeyId));
    }
    let access_key_id = String::from_utf8(sign.access_key_id.filled(fill)).map_err(|_| wrong(sigv4::SigningError::AccessKeyId))?;
    let timestamp = Timestamp::from_unix(date).map_err(|BadTimestamp| wrong(sigv4::SigningError::Scope))?;
    let scope = Scope::new(sign.service, sign.region, timestamp).map_err(wrong)?;
    let (request, style) = (flow.request(fill)?, Style::of_service(sign.service));
    sigv4::prepare(&mut request.clone(), &scope, style).and_then(|to_sign| to_sign.authorization_prefix(&access_key_id)).map_err(wrong)?;
    Ok(ToSign { request, scope, style, access_key_id })
}

/// What a `@presign` makes of a request at a date, in seconds since 1970.
pub(crate) fn presigned<'f>(flow: &Flow, sign: &Sign, fill: &impl Fn(&str) -> Cow<'f, [u8]>, date: i64) -> Result<Presigned, FlowError> {
    let ToSign { request, scope, style, access_key_id } = signed(flow, sign, fill, date)?;
    let expires = sign.expires.ok_or(Problem::Presign.at(sign.at))?;
    let grant = Grant { access_key_id: &access_key_id, expires, session_token: SessionToken::None };
    presign(request, &scope, style, &grant).map_err(|error| Problem::from(error).at(sign.at))
}

/// The value of an argument; they are in rising order.
pub(crate) fn argument<'a>(arguments: &'a [Argument], name: &str) -> Option<&'a [u8]> {
    let found = arguments.binary_search_by(|argument| argument.name.as_str().cmp(name));
    found.ok().map(|number| &arguments[number].value[..])
}

/// What becomes of a URL that is made: it is opened to the reader. No server answers.
fn url(flow: &Flow, sign: &Sign, expires: Expires, reader: PartyId) -> Result<Response, FlowError> {
    let Directives { vault, private, lets, not_reflected, policy, limit, .. } = &flow.directives;
    let secrets = vault.len() + private.len() + lets.len() + not_reflected.len();
    let body = match &flow.body {
        Body::Text(text) => text.plain() != Some(""),
        Body::File(..) => true,
    };
    if secrets > 0 || body || !policy.is_empty() || limit.is_some() {
        return Err(Problem::Presign.at(sign.at));
    }
    let policy = format!("{PRESIGNED} {}", expires.seconds()).into_bytes();
    Ok(Response { policy, audience: Audience::Only(reader), limit_bytes: 0, limit_records: 0 })
}

/// What becomes of the answer: the directives about it, and for each secret that is sent, where anything of the answer is opened or kept, that it is not sent back.
fn response(flow: &Flow, secrets: &Secrets) -> Result<Response, FlowError> {
    let Directives { policy, limit, sign, .. } = &flow.directives;
    if policy.is_empty() {
        return Err(Problem::NotOpened.at(flow.at));
    }
    let mut lines: Vec<String> = policy.iter().map(|line| line.text.to_owned()).collect();
    let disposal = disposal::read(&policy.iter().map(|line| line.text).collect::<Vec<_>>());
    let Disposal { policy, statuses, .. } = disposal.map_err(|BadLine { line, column, problem }| {
        let Position { line, column: before } = policy[line].at;
        problem.at(Position { line, column: before + if column > 1 { column } else { 0 } })
    })?;
    let (default, most) = match &policy {
        Policy::All => (DEFAULT_LIMIT, MAX_LIMIT),
        Policy::Rules(_) => (DEFAULT_PART, answer::MAX_BYTES as u64),
    };
    // AWS answers 403 SignatureDoesNotMatch with the canonical request, which has the headers as they were sent and the hash of the body; whoever can give a wrong
    // key brings that about.
    if let (Some(_), Some(secret)) = (sign, flow.directives.holes().next()) {
        let succeeds = disposal::SUCCESS.contains(statuses.start()) && disposal::SUCCESS.contains(statuses.end());
        match &policy {
            Policy::All => return Err(Problem::SignedSecret(secret.name.to_owned()).at(secret.at)),
            Policy::Rules(rules) if !rules.is_empty() && !succeeds => {
                return Err(Problem::SignedStatus(secret.name.to_owned()).at(secret.at));
            }
            Policy::Rules(_) => {}
        }
    }
    lines.extend(unreflected(flow, secrets, &policy)?);
    if lines.iter().map(|line| line.len() + 1).sum::<usize>() > operation::MAX_RESPONSE {
        return Err(Problem::Many.at(flow.at));
    }
    let limit_bytes = limit.unwrap_or(default);
    if limit_bytes > most {
        return Err(Problem::PartLimit.at(flow.at));
    }
    if let Policy::Rules(rules) = &policy {
        flow.is_not_compressed()?;
        // What it takes is looked at before anybody is asked: all would have to build it.
        let gates = answer::matcher_gates(rules, limit_bytes as usize);
        if gates > answer::MAX_MATCHER {
            return Err(Problem::Matcher(gates).at(flow.at));
        }
    }
    let limit_records = AnswerLimits::of_bytes(limit_bytes as usize).records as u64;
    Ok(Response { policy: lines.join("\n").into_bytes(), audience: Audience::All, limit_bytes, limit_records })
}

/// What is said not to be sent back, of each secret that could be: the whole answer may have it, and so may what a rule opens, or keeps as an item with other
/// uses. The status alone has nothing.
fn unreflected(flow: &Flow, secrets: &Secrets, policy: &Policy) -> Result<Vec<String>, FlowError> {
    let not_reflected = &flow.directives.not_reflected;
    if let Some(strange) = not_reflected.iter().find(|hole| !flow.is_secret(hole.name)) {
        return Err(Problem::NoSecret(strange.name.to_owned()).at(strange.at));
    }
    let said: BTreeSet<&str> = not_reflected.iter().map(|said| said.name).collect();
    let says_nothing = matches!(policy, Policy::Rules(rules) if rules.is_empty());
    if let Some(seen) = secrets.reflected().iter().find(|secret| !says_nothing && !said.contains(secret.name)) {
        return Err(Problem::Reflected(seen.name.to_owned()).at(seen.at));
    }
    Ok(said.iter().map(|hole| format!("{NOT_REFLECTED} {hole}")).collect())
}

/// Every hole is filled once, and everything that is given fills one.
fn check_holes(flow: &Flow, arguments: &[Argument], slots: &[Slot]) -> Result<(), FlowError> {
    let public = public(flow);
    if arguments.len() > operation::MAX_HOLES {
        return Err(Problem::Many.at(flow.at));
    }
    for hole in &public {
        if argument(arguments, hole.name).is_none() {
            let declared = flow.directives.holes().map(|hole| hole.name);
            let known = arguments.iter().map(|argument| argument.name.as_str()).chain(declared);
            let near = known.filter(|known| (1..=NEAR).contains(&strsim::damerau_levenshtein(known, hole.name)));
            let nearest = near.min_by_key(|known| strsim::damerau_levenshtein(known, hole.name)).map(str::to_owned);
            return Err(Problem::Unfilled { name: hole.name.to_owned(), nearest }.at(hole.at));
        }
    }
    let file = match flow.body {
        Body::File(name, at) if argument(arguments, name).is_none() => return Err(Problem::NoBodyFile.at(at)),
        Body::File(name, _) => Some(name),
        Body::Text(_) => None,
    };
    // A signature has a slot and no hole.
    let is_taken = |name: &str| flow.is_secret(name) || slots.iter().any(|slot| slot.hole == name);
    let public: BTreeSet<&str> = public.iter().map(|hole| hole.name).collect();
    for (k, Argument { name, .. }) in arguments.iter().enumerate() {
        if arguments[..k].last().is_some_and(|other| other.name == *name) || is_taken(name) {
            return Err(Problem::Twice(name.clone()).at(flow.at));
        }
        if Some(name.as_str()) != file && !public.contains(name.as_str()) {
            return Err(Problem::Unused(name.clone()).at(flow.at));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
