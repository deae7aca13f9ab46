//! A message in parts: what all know, and secrets, which are items of the vault, what one party gives, or made of others.
//!
//! ```text
//! items --load, their check opened--> wires --+--> sent as they are
//! given by a party -------------------> wires --+--> one circuit: all that is made and sent, for a JWE once its encrypted key is known
//!                                         |
//!                                         +--> one circuit: each character is of its alphabet --> one bit
//! ```
//!
//! The bit is opened before there is a connection, and if it is 0 the call ends there. So what a party gives cannot leave its place in the request,
//! whatever that party's program is: lengths are those of the plan, and characters are checked here.

use super::{
    CallError,
    content::VaultPlan,
    jwe::{self, JwePlan},
};
use crate::{
    derive::{Shape, Sort, Value, shapes},
    jwe::Sealing,
    vault::{alphabet::Alphabet, conjunction, item::Item, load::Wanted, share::Share},
};
use chacha20::ChaCha20Rng;
use cotenant_circuit::{
    Builder, Circuit,
    bytes::{Byte, input_bytes, output_bytes},
};
use cotenant_core::{Bits, PartyId};
use cotenant_mpc::{Engine, Given, Input, Online, Segment, Source, Wire};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is sent, with the secrets in it.
pub struct Parts {
    /// Secrets that are there, the first values.
    pub secrets: Vec<Secret>,
    /// What is made of values before it.
    pub made: Vec<Value>,
    /// What is sent of all that.
    pub parts: Vec<Part>,
}

/// A secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secret {
    /// One of the items that the call loads, by its number.
    Item(usize),
    /// Text of so many characters that one party gives.
    Given {
        /// That party.
        owner: PartyId,
        /// Its length.
        len: usize,
        /// Its characters.
        alphabet: Alphabet,
    },
}

/// A part of what is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// These bytes.
    Public(Vec<u8>),
    /// The value with this number: secrets are counted first, then what is made.
    Secret(usize),
}

impl Parts {
    /// Bytes that all know.
    pub fn public(bytes: Vec<u8>) -> Parts {
        Parts { secrets: Vec::new(), made: Vec::new(), parts: vec![Part::Public(bytes)] }
    }

    /// What one sends who has all secrets, which are given in their order: the circuit that makes values is evaluated in the clear.
    pub(crate) fn by_one(self, items: &[&Item], secrets: &[&[u8]], rng: &mut ChaCha20Rng) -> Result<Vec<u8>, CallError> {
        let Parts { secrets: of, made, parts } = self;
        let mut recipe = Recipe::new(of, made, items)?;
        for part in &parts {
            if let Part::Secret(number) = part {
                recipe.sent(*number)?;
            }
        }
        let drawn = recipe.sealings().into_iter().map(|sealing| sealing.alone(rng));
        let inputs: Zeroizing<Vec<u8>> = drawn.fold(secrets.concat(), |all, drawn| [&all[..], &drawn].concat()).into();
        let inputs: Vec<bool> = Bits::from_bytes(&inputs).iter().collect();
        let made = recipe.sent_and_made();
        let outputs: Bits = if made.is_empty() { Bits::default() } else { recipe.making().eval(&inputs).into_iter().collect() };
        let (outputs, mut at) = (outputs.to_packed(), 0);
        let mut values: Vec<&[u8]> = secrets.to_vec();
        values.resize(recipe.shapes.len(), &[]);
        for number in made {
            let len = recipe.shapes[number].len;
            values[number] = &outputs[at..at + len];
            at += len;
        }
        let bytes = parts.iter().flat_map(|part| match part {
            Part::Public(bytes) => &bytes[..],
            Part::Secret(number) => values[*number],
        });
        Ok(bytes.copied().collect())
    }
}

/// The secrets of a message, how they are made, and which are sent.
pub(super) struct Recipe {
    secrets: Vec<Secret>,
    made: Vec<Value>,
    /// Of all values.
    shapes: Vec<Shape>,
    /// The numbers of the values in the holes.
    sent: Vec<usize>,
}

impl Recipe {
    /// `items` are those that the call loads.
    pub(super) fn new(secrets: Vec<Secret>, made: Vec<Value>, items: &[&Item]) -> Result<Recipe, CallError> {
        let shape = |secret: &Secret| match *secret {
            Secret::Item(number) => {
                let item = items.get(number).ok_or(CallError::NoItem { number })?;
                Ok(Shape { len: item.len, sort: item.kind.into() })
            }
            Secret::Given { len, alphabet, .. } => Ok(Shape { len, sort: Sort::text(alphabet.mask()) }),
        };
        let first = secrets.iter().map(shape).collect::<Result<_, CallError>>()?;
        let shapes = shapes(first, &made)?;
        Ok(Recipe { secrets, made, shapes, sent: Vec::new() })
    }

    /// Sends a value, whose length this is.
    pub(super) fn sent(&mut self, number: usize) -> Result<usize, CallError> {
        let shape = self.shapes.get(number).ok_or(CallError::NoItem { number })?;
        self.sent.push(number);
        Ok(shape.len)
    }

    /// What is given: by whom, how much, of which characters.
    fn given(&self) -> impl Iterator<Item = (PartyId, usize, Alphabet)> {
        self.secrets.iter().filter_map(|secret| match *secret {
            Secret::Given { owner, len, alphabet } => Some((owner, len, alphabet)),
            Secret::Item(_) => None,
        })
    }

    /// The values that are sent and made, each once.
    fn sent_and_made(&self) -> Vec<usize> {
        let mut numbers: Vec<usize> = self.sent.iter().copied().filter(|&number| number >= self.secrets.len()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// The JWEs that are made.
    fn sealings(&self) -> Vec<&Sealing> {
        self.made.iter().flat_map(Value::sealings).collect()
    }

    /// From all secrets, and what is drawn for JWEs, to what is made of them and sent.
    fn making(&self) -> Circuit {
        let mut b = Builder::new();
        let secrets = &self.shapes[..self.secrets.len()];
        let mut values: Vec<(Shape, Vec<Byte>)> = secrets.iter().map(|shape| (*shape, input_bytes(&mut b, shape.len))).collect();
        let drawn: Vec<_> = self.sealings().into_iter().map(|sealing| sealing.input(&mut b)).collect();
        let mut drawn = drawn.into_iter();
        for (value, shape) in self.made.iter().zip(&self.shapes[self.secrets.len()..]) {
            let bytes = value.build(&mut b, &values, &mut drawn);
            values.push((*shape, bytes));
        }
        self.sent_and_made().into_iter().for_each(|number| output_bytes(&mut b, &values[number].1));
        b.finish()
    }

    /// From what is given to whether each character is of its alphabet.
    fn check(&self) -> Circuit {
        let mut b = Builder::new();
        let mut members = Vec::new();
        for (_, len, alphabet) in self.given() {
            let bytes = input_bytes(&mut b, len);
            members.extend(bytes.iter().map(|byte| alphabet.is_member(&mut b, byte)));
        }
        let all = conjunction(&mut b, members);
        b.output(&[all]);
        b.finish()
    }

    /// Whether this is what this party is to give, as the circuit will find.
    fn accepts(&self, me: PartyId, given: &[u8]) -> Result<(), CallError> {
        let mine = || self.given().filter(|&(owner, ..)| owner == me);
        let wanted: usize = mine().map(|(_, len, _)| len).sum();
        if given.len() != wanted {
            return Err(CallError::Given { wanted, found: given.len() });
        }
        let alphabets = mine().flat_map(|(_, len, alphabet)| std::iter::repeat_n(alphabet, len));
        let of_its_own = given.iter().zip(alphabets).fold(true, |all, (&byte, alphabet)| all & alphabet.contains(byte));
        if of_its_own { Ok(()) } else { Err(CallError::Characters) }
    }
}

/// What is declared for the secrets of a message.
pub(super) struct PartsPlan {
    vault: Option<VaultPlan>,
    /// By secrets that are given.
    given: Vec<Input>,
    check: Option<Segment>,
    jwes: Vec<JwePlan>,
    making: Option<Segment>,
}

impl PartsPlan {
    /// Also the wires of all that is sent, in order.
    pub(super) fn declare<E: Engine>(engine: &mut E, recipe: &Recipe, wanted: &[Wanted]) -> Result<(PartsPlan, Vec<Wire>), CallError> {
        let item = |secret: &Secret| if let Secret::Item(number) = *secret { Some(number) } else { None };
        let items: Vec<usize> = recipe.secrets.iter().filter_map(item).collect();
        let vault = if items.is_empty() { None } else { Some(VaultPlan::declare(engine, &items, wanted)?) };
        let given: Vec<Input> = recipe.given().map(|(owner, len, _)| engine.declare(Source::Private(owner), 8 * len)).collect();
        let check = declare_if(engine, !given.is_empty(), || recipe.check(), given.iter().flat_map(Input::wires).collect())?;

        let (mut of_items, mut of_given) = (vault.iter().flat_map(VaultPlan::wires), given.iter());
        let mut values: Vec<Vec<Wire>> = Vec::new();
        for (secret, shape) in recipe.secrets.iter().zip(&recipe.shapes) {
            values.push(match secret {
                Secret::Item(_) => of_items.by_ref().take(8 * shape.len).collect(),
                Secret::Given { .. } => of_given.next().map(Input::wires).into_iter().flatten().collect(),
            });
        }
        let made = recipe.sent_and_made();
        let jwes: Vec<JwePlan> =
            recipe.sealings().into_iter().map(|sealing| JwePlan::declare(engine, sealing)).collect::<Result<_, CallError>>()?;
        let wires = values.iter().flatten().copied().chain(jwes.iter().flat_map(JwePlan::wires)).collect();
        let making = declare_if(engine, !made.is_empty(), || recipe.making(), wires)?;
        values.resize(recipe.shapes.len(), Vec::new());
        let mut outputs = making.iter().flat_map(Segment::wires);
        for number in made {
            values[number] = outputs.by_ref().take(8 * recipe.shapes[number].len).collect();
        }
        drop(outputs);
        let sent = recipe.sent.iter().flat_map(|&number| values[number].iter().copied()).collect();
        Ok((PartsPlan { vault, given, check, jwes, making }, sent))
    }

    /// Whether there is anything to compute.
    pub(super) fn is_empty(&self) -> bool {
        self.vault.is_none() && self.given.is_empty() && self.making.is_none()
    }

    /// Loads the items, takes what is given, checks it, and makes what is made.
    pub(super) async fn fill<O: Online>(
        self,
        online: &mut O,
        recipe: &Recipe,
        (shares, given): (Vec<Share>, Zeroizing<Vec<u8>>),
        rng: &mut ChaCha20Rng,
    ) -> Result<(), CallError> {
        recipe.accepts(online.me(), &given)?;
        let PartsPlan { vault, given: inputs, check, jwes, making } = self;
        if let Some(plan) = vault {
            plan.load(online, shares).await?;
        }
        let mut rest = &given[..];
        let mut values = Vec::new();
        for (input, (owner, len, _)) in inputs.into_iter().zip(recipe.given()) {
            values.push(match rest.split_at_checked(len) {
                Some((mine, after)) if owner == online.me() => {
                    rest = after;
                    Given::Mine(input, Bits::from_bytes(mine))
                }
                _ => Given::Theirs(input),
            });
        }
        let (sealings, mut waiting, mut wrappings) = (recipe.sealings(), Vec::new(), Vec::new());
        for (plan, sealing) in jwes.into_iter().zip(&sealings) {
            let (wait, given, wrapping) = plan.begin(online.me(), sealing, rng);
            values.extend(given);
            waiting.push(wait);
            wrappings.push(wrapping);
        }
        if !values.is_empty() {
            online.input(values).await?;
        }
        let checked = check.is_some();
        // A JWE is written once its encrypted key is known.
        let (now, later) = if waiting.is_empty() { (making, None) } else { (None, making) };
        let evaluated = online.evaluate_all(check.into_iter().chain(wrappings).chain(now).collect()).await?;
        if checked && !online.open(&evaluated[0]).await?.get(0) {
            return Err(CallError::Characters);
        }
        if let Some(making) = later {
            let wrapped = jwe::wrap(online, &sealings, waiting, &evaluated[usize::from(checked)..]).await?;
            online.input(wrapped).await?;
            online.evaluate(making).await?;
        }
        Ok(())
    }
}

/// A segment, if it is wanted.
fn declare_if<E: Engine>(
    engine: &mut E,
    wanted: bool,
    circuit: impl FnOnce() -> Circuit,
    wires: Vec<Wire>,
) -> Result<Option<Segment>, CallError> {
    if wanted { Ok(Some(engine.segment(&Arc::new(circuit()), &wires)?)) } else { Ok(None) }
}
