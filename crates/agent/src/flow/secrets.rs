//! Where the secrets of a request stand, by themselves and in what is made of them: what they are used for, and which could be seen in an answer.
//!
//! A `@let` is made of what is declared before it, so one pass over them, from the last to the first, carries over to each secret what is so of all that is made
//! of it. Each part is looked at once a pass: a member's text is followed before anybody has approved it.

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
use std::collections::{BTreeSet, HashMap};

impl<'a> Flow<'a> {
    /// Whether what fills the hole is a secret.
    pub(crate) fn is_secret(&self, hole: &str) -> bool {
        self.directives.declared.contains(hole)
    }

    /// What is made of others, each of what stands before it.
    pub(crate) fn lets(&self) -> &[Let<'a>] {
        &self.directives.lets
    }
}

/// The seats of members, by the names in a text.
pub type Named<'a> = &'a dyn Fn(&str) -> Option<PartyId>;

/// The holes that a request declares, by their numbers: items, private values, what is made.
pub(super) struct Secrets<'f, 'a> {
    flow: &'f Flow<'a>,
    holes: Vec<Hole<'a>>,
    numbers: HashMap<&'a str, usize>,
}

/// Where a secret stands, or something that is made of it.
#[derive(Clone, Copy, Default)]
struct Stands<'a> {
    /// The first place that was found.
    first: Option<(Place<'a>, Position)>,
    /// One of another kind.
    other: Option<Position>,
}

impl<'f, 'a> Secrets<'f, 'a> {
    pub(super) fn of(flow: &'f Flow<'a>) -> Self {
        let holes: Vec<Hole> = flow.directives.holes().collect();
        let numbers = holes.iter().enumerate().map(|(number, hole)| (hole.name, number)).collect();
        Secrets { flow, holes, numbers }
    }

    /// What fills the secret holes, in rising order; `giver` gives what is private and no named member's.
    pub(super) fn slots(&self, giver: PartyId, named: Named) -> Result<Vec<Slot>, FlowError> {
        let Directives { vault, private, sign, .. } = &self.flow.directives;
        if let Some(other) = self.holes.iter().find(|hole| sign.is_some() && hole.name == SIGNATURE) {
            return Err(Problem::Signature.at(other.at));
        }
        self.check_lets()?;
        let stand = self.stand()?;
        let purpose = |number: usize| self.purpose(self.holes[number], stand[number]);
        (self.first_let()..self.holes.len()).try_for_each(|number| purpose(number).map(drop))?;
        let item = |item: &ItemName, purpose| Source::Item { stored: Stored { item: item.clone(), pick: Pick::Newest }, purpose };
        let mut slots = Vec::new();
        for (number, secret) in vault.iter().enumerate() {
            slots.push(Slot { hole: secret.hole.name.to_owned(), source: item(&secret.item, purpose(number)?) });
        }
        for (number, &Private { hole, member, alphabet, len }) in (vault.len()..).zip(private) {
            purpose(number)?;
            let owner = member.map_or(Ok(giver), |name| named(name).ok_or_else(|| Problem::NoMember(name.to_owned()).at(hole.at)))?;
            slots.push(Slot { hole: hole.name.to_owned(), source: Source::Private { owner, len: len as u32, alphabet } });
        }
        if let Some(Sign { service, region, key, .. }) = sign {
            let purpose = Use::Sigv4 { service: (*service).to_owned(), region: (*region).to_owned(), host: self.flow.host.to_owned() };
            slots.push(Slot { hole: SIGNATURE.to_owned(), source: item(key, purpose) });
        }
        slots.sort_by(|a, b| a.hole.cmp(&b.hole));
        Ok(slots)
    }

    /// What one to whom all that was sent is sent back can see something of: what is sent by its own name, and items and private values of which it tells.
    ///
    /// An HMAC tells nothing under an item that is nowhere but in keys. Under what a party gives it does, as that party knows the key; and under another HMAC, which may
    /// itself be sent, whatever it is called there.
    pub(super) fn reflected(&self) -> Vec<Hole<'a>> {
        let mut sent = vec![false; self.holes.len()];
        self.flow.holes().filter_map(|(hole, _)| self.number(&hole)).for_each(|number| sent[number] = true);
        let vault = &self.flow.directives.vault;
        let outside = self.with_parts(sent.clone(), Expression::outside_keys);
        let outside: BTreeSet<&ItemName> =
            vault.iter().zip(outside).filter(|(_, outside)| *outside).map(|(secret, _)| &secret.item).collect();
        let mut keys: BTreeSet<&str> =
            vault.iter().filter(|secret| !outside.contains(&secret.item)).map(|secret| secret.hole.name).collect();
        for made in self.flow.lets() {
            if made.value.shown(&|name| keys.contains(name)).iter().any(|part| keys.contains(part.name)) {
                keys.insert(made.hole.name);
            }
        }
        let shown = self.with_parts(sent.clone(), |value| value.shown(&|name| keys.contains(name)));
        let is_seen = |number: usize| sent[number] || (shown[number] && number < self.first_let());
        self.holes.iter().enumerate().filter(|(number, _)| is_seen(*number)).map(|(_, hole)| *hole).collect()
    }

    fn number(&self, hole: &Hole) -> Option<usize> {
        self.numbers.get(hole.name).copied()
    }

    /// The number of the first that is made.
    fn first_let(&self) -> usize {
        self.holes.len() - self.flow.lets().len()
    }

    /// Each is made of what is declared before it, of a secret among it.
    fn check_lets(&self) -> Result<(), FlowError> {
        for (number, made) in (self.first_let()..).zip(self.flow.lets()) {
            let holes = made.value.holes();
            if let Some(later) = holes.iter().find(|hole| self.number(hole).is_some_and(|part| part >= number)) {
                return Err(Problem::Later(later.name.to_owned()).at(later.at));
            }
            if !holes.iter().any(|hole| self.number(hole).is_some()) {
                return Err(Problem::Public.at(made.hole.at));
            }
            let of_jwes = made.value.jwes().into_iter().flat_map(|jwe| &jwe.public).flat_map(Expression::holes);
            if let Some(secret) = of_jwes.into_iter().find(|hole| self.number(hole).is_some()) {
                return Err(Problem::JwePublic.at(secret.at));
            }
        }
        Ok(())
    }

    /// Calls `step` with the numbers of each made value and of each of its `parts`, the last value first: what was found of it is complete then.
    fn each_part(&self, parts: impl Fn(&Expression<'a>) -> Vec<Hole<'a>>, mut step: impl FnMut(usize, usize)) {
        for (k, made) in self.flow.lets().iter().enumerate().rev() {
            parts(&made.value).iter().filter_map(|part| self.number(part)).for_each(|part| step(self.first_let() + k, part));
        }
    }

    /// These, and the `parts` of what is made that is among them.
    fn with_parts(&self, mut these: Vec<bool>, parts: impl Fn(&Expression<'a>) -> Vec<Hole<'a>>) -> Vec<bool> {
        self.each_part(parts, |made, part| these[part] |= these[made]);
        these
    }

    /// Where all stand.
    fn stand(&self) -> Result<Vec<Stands<'a>>, FlowError> {
        let mut all = vec![Stands::default(); self.holes.len()];
        for (hole, place) in self.flow.holes() {
            match self.number(&hole) {
                Some(_) if place == Place::Target => return Err(Problem::SecretInTarget(hole.name.to_owned()).at(hole.at)),
                Some(number) => all[number].add(place, hole.at),
                None => {}
            }
        }
        self.each_part(Expression::holes, |made, part| {
            let of = all[made];
            all[part].merge(of);
        });
        Ok(all)
    }

    /// What a secret is used for: it stands in places of one kind.
    fn purpose(&self, hole: Hole, stands: Stands) -> Result<Use, FlowError> {
        let host = self.flow.host.to_owned();
        match stands {
            Stands { other: Some(at), .. } => Err(Problem::TwoPlaces(hole.name.to_owned()).at(at)),
            Stands { first: Some((Place::Header(name), _)), .. } => Ok(Use::Header { name: name.to_ascii_lowercase(), host }),
            Stands { first: Some(_), .. } => Ok(Use::Field { host }),
            Stands { first: None, .. } => Err(Problem::Unused(hole.name.to_owned()).at(hole.at)),
        }
    }
}

impl<'a> Stands<'a> {
    fn add(&mut self, place: Place<'a>, at: Position) {
        match self.first {
            None => self.first = Some((place, at)),
            Some((known, _)) if is_same(known, place) => {}
            Some((_, before)) => {
                self.other.get_or_insert(at.max(before));
            }
        }
    }

    fn merge(&mut self, other: Stands<'a>) {
        if let Some((place, at)) = other.first {
            self.add(place, at);
        }
        self.other = self.other.or(other.other);
    }
}

/// Names of headers are compared without regard to case (RFC 9110, 5.1).
fn is_same(a: Place, b: Place) -> bool {
    match (a, b) {
        (Place::Header(a), Place::Header(b)) => a.eq_ignore_ascii_case(b),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each part of what is made is followed once, however it is chained: here two hundred values, each of a hundred times the one before.
    #[test]
    fn each_part_is_followed_once() {
        let name = |k: usize| if k == 0 { "key".to_owned() } else { format!("v{k}") };
        let lets: String = (1..=200).map(|k| format!("# @let {} = {}\n", name(k), format!("{} ", name(k - 1)).repeat(100))).collect();
        let text = format!("# @vault key = k\n{lets}# @open all\nGET https://h/\nX: {{{{v200}}}}");
        let flow = Flow::parse(text.as_bytes()).unwrap();
        let secrets = Secrets::of(&flow);
        let mut steps = 0;
        secrets.each_part(Expression::holes, |_, _| steps += 1);
        assert_eq!(steps, 200 * 100);
        assert_eq!(secrets.slots(PartyId::new(0), &|_| None).unwrap().len(), 1);
        assert_eq!(secrets.reflected().iter().map(|hole| hole.name).collect::<Vec<_>>(), ["key", "v200"]);
    }
}
