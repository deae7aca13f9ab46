//! Saving: secret wires become shares, one for each member, which nobody but that member sees.
//!
//! The circuit draws x and all masks from randomness of all parties together and makes the shares; each is opened to its member alone. Every save is therefore a
//! refresh: its shares are independent of all earlier ones. There is no dealer: a value that one party has is its private input, and a value that nobody is to
//! have is drawn by all.
//!
//! Whether the characters of a text are of its alphabet is checked inside, wherever that is not known, and that bit is opened before any share.

use super::{
    circuits,
    error::{PlanError, VaultError},
    item::{Item, Kind},
    load::{Loaded, declare_all},
    share::{Origin, Share},
    sharing::Sharing,
};
use crate::built::Built;
use cotenant_core::{Bits, PartyId, codec::Reader};
use cotenant_mpc::{Engine, Given, Input, Online, Segment, Source, VerifiedWires, Wire};
use zeroize::Zeroizing;

/// Where the value of a saved item comes from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Comes {
    /// It was loaded in this session: the same secret in its next version.
    Loaded,
    /// It was computed in this session.
    Computed,
    /// This party has it.
    Given(PartyId),
    /// All draw it together: uniform bytes, or uniform characters of the alphabet.
    Drawn,
}

/// An item to be saved.
#[derive(Clone, Debug)]
pub struct New {
    /// What it will be, and the run that makes it.
    pub origin: Origin,
    /// Where its value comes from.
    pub comes: Comes,
    /// By seat, which party of the session the member is.
    pub receivers: Vec<PartyId>,
}

/// The value of an item, from where the plan has it.
pub enum Value<'a, V> {
    /// For [`Comes::Loaded`]: that item of a load.
    Loaded(&'a Loaded<V>, usize),
    /// For [`Comes::Computed`]: wires that were evaluated, 8 a byte, the lowest bit first.
    Computed(&'a V),
    /// For [`Comes::Given`] of this party.
    Mine(Zeroizing<Vec<u8>>),
    /// For [`Comes::Given`] of another party.
    Theirs,
    /// For [`Comes::Drawn`].
    Drawn,
}

/// One circuit for all items of a kind, a length and a sharing whose values come alike.
static BUILT: Built<(Kind, usize, Sharing, circuits::Value)> = Built::new();

/// A declared save of one or more items.
pub struct SavePlan {
    items: Vec<Planned>,
    /// The and of the bits of items whose characters are checked, if there are several.
    all: Option<Segment>,
}

struct Planned {
    new: New,
    value: Input,
    /// x, then the masks.
    drawn: Input,
    segment: Segment,
}

impl Comes {
    fn source(self) -> Source {
        match self {
            Comes::Loaded | Comes::Computed => Source::Soldered,
            Comes::Given(party) => Source::Private(party),
            Comes::Drawn => Source::Joint,
        }
    }

    fn into_circuit(self) -> circuits::Value {
        match self {
            Comes::Loaded => circuits::Value::Trusted,
            Comes::Computed | Comes::Given(_) => circuits::Value::Checked,
            Comes::Drawn => circuits::Value::Drawn,
        }
    }
}

impl New {
    /// Whether one bit says that its characters are right.
    fn is_checked(&self) -> bool {
        self.comes.into_circuit().unchecked(&self.origin.item).is_some()
    }

    fn check(&self, parties: usize) -> Result<(), PlanError> {
        let giver = if let Comes::Given(party) = self.comes { Some(party) } else { None };
        if let Some(&outside) = self.receivers.iter().chain(&giver).find(|p| p.index() >= parties) {
            return Err(PlanError::Party(outside));
        }
        let item = &self.origin.item;
        let members = item.sharing.members();
        let once = |p: &PartyId| self.receivers.iter().filter(|other| *other == p).count() == 1;
        let right = self.receivers.len() == members && self.receivers.iter().all(once);
        if right { Ok(()) } else { Err(PlanError::Receivers { item: item.name.clone(), members }) }
    }

    /// Whether this is where the value comes from, at this party.
    fn takes<V: VerifiedWires>(&self, value: &Value<'_, V>, me: PartyId) -> Result<(), VaultError> {
        let item = &self.origin.item;
        let fits = match (self.comes, value) {
            (Comes::Loaded, Value::Loaded(loaded, k)) => loaded.items().nth(*k).is_some_and(|from| item.holds_what(from)),
            (Comes::Computed, Value::Computed(wires)) => wires.len() == 8 * item.len,
            (Comes::Given(party), Value::Mine(bytes)) if party == me => return may_be(item, bytes),
            (Comes::Given(party), Value::Theirs) => party != me,
            (Comes::Drawn, Value::Drawn) => true,
            _ => false,
        };
        if fits { Ok(()) } else { Err(PlanError::Source { item: item.name.clone() }.into()) }
    }
}

/// What the circuit will find, found before it is told to all.
fn may_be(item: &Item, value: &[u8]) -> Result<(), VaultError> {
    let of_kind = match item.kind {
        Kind::Bytes => true,
        Kind::Text(alphabet) => value.iter().fold(true, |all, &byte| all & alphabet.contains(byte)),
    };
    if of_kind && value.len() == item.len { Ok(()) } else { Err(VaultError::Value { item: item.name.clone(), len: item.len }) }
}

impl SavePlan {
    /// Declares the save of these items, in this order.
    ///
    /// # Errors
    /// [`VaultError::Plan`] for none, or parties that do not fit the item or the session.
    pub fn declare<E: Engine>(engine: &mut E, new: &[New]) -> Result<SavePlan, VaultError> {
        if new.is_empty() {
            return Err(PlanError::Empty.into());
        }
        let mut items = Vec::new();
        for each in new {
            each.check(engine.parties())?;
            let (item, value) = (&each.origin.item, each.comes.into_circuit());
            let shape = (item.kind, item.len, item.sharing, value);
            let circuit = BUILT.get(shape, || circuits::save(item, value));
            let drawn = engine.declare(Source::Joint, circuits::BITS + circuits::mask_bits(item));
            let value = engine.declare(each.comes.source(), value.bits(item));
            let wires: Vec<Wire> = value.wires().chain(drawn.wires()).collect();
            let segment = engine.segment(&circuit, &wires)?;
            items.push(Planned { new: each.clone(), value, drawn, segment });
        }
        let checked = items.iter().filter(|planned| planned.new.is_checked());
        let all = declare_all(engine, checked.map(|planned| &planned.segment))?;
        Ok(SavePlan { items, all })
    }

    /// Saves. `values` in the order of the plan; what comes back are this party's shares, in the same order, of the items of which it is a member.
    ///
    /// # Errors
    /// [`VaultError::Value`] or [`VaultError::Plan`] before anything is sent if a value does not fit; [`VaultError::Alphabet`] at every party if a text has
    /// a character that is not of its alphabet, and then no share is opened; or the session's.
    pub async fn run<O: Online>(self, online: &mut O, values: Vec<Value<'_, O::Verified>>) -> Result<Vec<Share>, VaultError> {
        if let Err(error) = self.check_values(online.me(), &values) {
            // The others wait for a value that will not come.
            online.give_up().await;
            return Err(error);
        }
        self.compute(online, values).await
    }

    /// The joint part, for values that this party has looked at.
    async fn compute<O: Online>(self, online: &mut O, values: Vec<Value<'_, O::Verified>>) -> Result<Vec<Share>, VaultError> {
        let (mut new, mut segments, mut given, mut soldered) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (planned, value) in self.items.into_iter().zip(values) {
            given.push(Given::Joint(planned.drawn));
            match value {
                Value::Mine(bytes) => given.push(Given::Mine(planned.value, Bits::from_bytes(&bytes))),
                Value::Theirs => given.push(Given::Theirs(planned.value)),
                Value::Drawn => given.push(Given::Joint(planned.value)),
                Value::Loaded(..) | Value::Computed(_) => soldered.push((planned.value, value)),
            }
            segments.push(planned.segment);
            new.push(planned.new);
        }
        online.input(given).await?;
        for (input, value) in soldered {
            match value {
                Value::Loaded(loaded, k) => loaded.solder(online, &[k], input).await?,
                Value::Computed(wires) => online.solder(input, wires).await?,
                _ => {}
            }
        }
        let evaluated = online.evaluate_all(segments.into_iter().chain(self.all).collect()).await?;
        characters_are_right(online, &new, &evaluated).await?;
        deliver(online, new, evaluated).await
    }

    fn check_values<V: VerifiedWires>(&self, me: PartyId, values: &[Value<'_, V>]) -> Result<(), VaultError> {
        if values.len() != self.items.len() {
            return Err(VaultError::Values { wanted: self.items.len(), found: values.len() });
        }
        self.items.iter().zip(values).try_for_each(|(planned, value)| planned.new.takes(value, me))
    }
}

/// Opens the bit that says so, if any characters were checked: of all items, or of the only one.
async fn characters_are_right<O: Online>(online: &mut O, new: &[New], evaluated: &[O::Verified]) -> Result<(), VaultError> {
    let checked: Vec<usize> = (0..new.len()).filter(|&k| new[k].is_checked()).collect();
    let ok = match checked[..] {
        [] => return Ok(()),
        [only] => &evaluated[only],
        _ => &evaluated[new.len()],
    };
    if online.open(&ok.slice(0..1)).await?.get(0) {
        return Ok(());
    }
    Err(VaultError::Alphabet { items: checked.into_iter().map(|k| new[k].origin.item.name.clone()).collect() })
}

/// Opens to each party its shares of all items, at once.
async fn deliver<O: Online>(online: &mut O, new: Vec<New>, evaluated: Vec<O::Verified>) -> Result<Vec<Share>, VaultError> {
    let me = online.me();
    let mut mine = Bits::default();
    for party in PartyId::all(online.parties()) {
        let of_party = new.iter().zip(&evaluated).filter_map(|(each, wires)| {
            let seat = each.receivers.iter().position(|&p| p == party)?;
            let from = usize::from(each.is_checked()) + seat * circuits::share_bits(&each.origin.item);
            Some(wires.slice(from..from + circuits::share_bits(&each.origin.item)))
        });
        if let Some(wires) = of_party.reduce(|one, two| one.concat(&two))
            && let Some(bits) = online.open_to(&wires, party).await?
        {
            mine = bits;
        }
    }
    let packed = Zeroizing::new(mine.to_packed());
    let mut reader = Reader::new(&packed);
    let shares = new.into_iter().filter_map(|each| {
        let seat = PartyId::new(each.receivers.iter().position(|&p| p == me)?);
        let blocks = reader.blocks(each.origin.item.share_bytes() / 16).expect("as many bits as were opened");
        Some(Share::new(each.origin, seat, Zeroizing::new(blocks)))
    });
    Ok(shares.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::room::RoomId;
    use crate::vault::{alphabet::Alphabet, item::Fields, sharing::Sharing};
    use cotenant_core::Digest;
    use cotenant_ideal::{IdealSession, seats};
    use futures::{executor::block_on, future::join_all};

    fn new(name: &str, giver: usize) -> New {
        let kind = Kind::Text(Alphabet::DIGITS);
        let sharing = Sharing::new(2, 2).unwrap();
        let fields = Fields { name: name.into(), version: 1, kind, len: 4, sharing, uses: vec![], note: String::new() };
        let origin = Origin { room: RoomId([0; 16]), item: Item::new(fields).unwrap(), run: Digest([0; 32]) };
        New { origin, comes: Comes::Given(PartyId::new(giver)), receivers: PartyId::all(2).collect() }
    }

    /// Both parties put two texts each into one save, without looking at their own.
    fn save(texts: [&[u8]; 4]) -> Vec<Result<Vec<Share>, VaultError>> {
        let new = ["a", "b", "c", "d"].iter().zip([0, 1, 0, 1]).map(|(name, giver)| new(name, giver)).collect::<Vec<_>>();
        let party = async |seat| {
            let mut engine = IdealSession::start(seat, Digest([0; 32])).await?;
            let plan = SavePlan::declare(&mut engine, &new)?;
            let mut online = engine.seal().await?;
            let me = online.me().index();
            let value = |(k, text): (usize, &[u8])| if k % 2 == me { Value::Mine(text.to_vec().into()) } else { Value::Theirs };
            plan.compute(&mut online, texts.into_iter().enumerate().map(value).collect()).await
        };
        block_on(join_all(seats(2, 1).into_iter().map(party)))
    }

    /// A party that gives what it should not is found out by the circuit, and nobody gets a share of anything.
    #[test]
    fn a_given_text_outside_of_its_alphabet() {
        let right: [&[u8]; 4] = [b"0123", b"4567", b"8901", b"9999"];
        assert!(save(right).into_iter().all(|shares| shares.is_ok_and(|shares| shares.len() == 4)));
        for wrong in 0..4 {
            let mut texts = right;
            texts[wrong] = b"12a4";
            let found = |r| matches!(r, Err(VaultError::Alphabet { items }) if items == ["a", "b", "c", "d"]);
            assert!(save(texts).into_iter().all(found), "text {wrong}");
        }
    }
}
