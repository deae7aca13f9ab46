//! Where the secrets of a request stand, by themselves and in what is made of them, and so what they are used for.

use super::{
    compile::SIGNATURE,
    directive::{Directives, Let, Private, Sign},
    error::{FlowError, Position, Problem},
    request::{Flow, Place},
    template::Hole,
    value::Expression,
};
use crate::{
    approve::{
        item::{ItemName, Pick},
        operation::{Slot, Source, Stored},
    },
    vault::item::Use,
};
use cotenant_core::PartyId;

impl<'a> Flow<'a> {
    /// Whether what fills the hole is a secret.
    pub(crate) fn is_secret(&self, hole: &str) -> bool {
        self.directives.holes().any(|other| other.name == hole)
    }

    /// What is made of others, each of what stands before it.
    pub(crate) fn lets(&self) -> &[Let<'a>] {
        &self.directives.lets
    }

    /// Whether something of the secret in `hole` can be seen in what is sent, by a server that sends it back.
    pub(super) fn shows(&self, hole: &str) -> bool {
        let with = self.made_of(hole, |value| value.shown(&|name| self.is_secret(name)));
        self.holes().any(|(here, _)| with.contains(&here.name))
    }

    /// The hole, and those that are filled with what is made of it, where `parts` are the holes of a value that count.
    fn made_of<'s>(&'s self, hole: &'s str, parts: impl Fn(&Expression<'a>) -> Vec<Hole<'a>>) -> Vec<&'s str> {
        self.lets().iter().fold(vec![hole], |mut with, made| {
            if parts(&made.value).iter().any(|part| with.contains(&part.name)) {
                with.push(made.hole.name);
            }
            with
        })
    }

    /// What the secret of a hole is used for, by the places where it stands or something that is made of it, which are of one kind.
    fn purpose(&self, hole: &str, declared: Position) -> Result<Use, FlowError> {
        let with = self.made_of(hole, Expression::holes);
        let mut found = None;
        for (here, place) in self.holes().filter(|(here, _)| with.contains(&here.name)) {
            let host = self.host.to_owned();
            let purpose = match place {
                Place::Target => return Err(Problem::SecretInTarget(here.name.to_owned()).at(here.at)),
                Place::Header(name) => Use::Header { name: name.to_ascii_lowercase(), host },
                Place::Body => Use::Field { host },
            };
            if found.get_or_insert_with(|| purpose.clone()) != &purpose {
                return Err(Problem::TwoPlaces(hole.to_owned()).at(here.at));
            }
        }
        found.ok_or_else(|| Problem::Unused(hole.to_owned()).at(declared))
    }
}

/// What fills the secret holes, in rising order; `giver` gives what is private.
pub(super) fn slots(flow: &Flow, giver: PartyId) -> Result<Vec<Slot>, FlowError> {
    let Directives { vault, private, lets, sign, .. } = &flow.directives;
    if let Some(other) = flow.directives.holes().find(|hole| sign.is_some() && hole.name == SIGNATURE) {
        return Err(Problem::Signature.at(other.at));
    }
    lets.iter().enumerate().try_for_each(|(k, made)| check_let(flow, k, made))?;
    let item = |item: &ItemName, purpose| Source::Item { stored: Stored { item: item.clone(), pick: Pick::Newest }, purpose };
    let mut slots = Vec::new();
    for secret in vault {
        let source = item(&secret.item, flow.purpose(secret.hole.name, secret.hole.at)?);
        slots.push(Slot { hole: secret.hole.name.to_owned(), source });
    }
    for &Private { hole, alphabet, len } in private {
        flow.purpose(hole.name, hole.at)?;
        slots.push(Slot { hole: hole.name.to_owned(), source: Source::Private { owner: giver, len: len as u32, alphabet } });
    }
    if let Some(Sign { service, region, key, .. }) = sign {
        let purpose = Use::Sigv4 { service: (*service).to_owned(), region: (*region).to_owned(), host: flow.host.to_owned() };
        slots.push(Slot { hole: SIGNATURE.to_owned(), source: item(key, purpose) });
    }
    slots.sort_by(|a, b| a.hole.cmp(&b.hole));
    Ok(slots)
}

/// Each is made of what is declared before it, of a secret among it, and stands somewhere.
fn check_let(flow: &Flow, number: usize, made: &Let) -> Result<(), FlowError> {
    let lets = flow.lets();
    let holes = made.value.holes();
    if let Some(later) = holes.iter().find(|hole| lets[number..].iter().any(|other| other.hole.name == hole.name)) {
        return Err(Problem::Later(later.name.to_owned()).at(later.at));
    }
    if !holes.iter().any(|hole| flow.is_secret(hole.name)) {
        return Err(Problem::Public.at(made.hole.at));
    }
    flow.purpose(made.hole.name, made.hole.at).map(|_| ())
}
