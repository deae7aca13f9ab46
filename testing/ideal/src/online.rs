//! A sealed session: what a party may ask, checked before it asks.

use crate::{
    call::{Call, Giving, Planned, Reply, Value},
    meeting::Seat,
};
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_mpc::{Error, Given, Input, Misuse, Online, Segment, Source, Stats, Tag, VerifiedWires};
use std::{ops::Range, sync::Arc};

/// A sealed session of the ideal engine.
pub struct Ideal {
    tag: Tag,
    seat: Seat,
    /// What is not evaluated yet.
    segments: Vec<Option<Arc<Planned>>>,
    stats: Stats,
    dead: bool,
}

/// Wires of evaluated segments.
#[derive(Clone)]
pub struct Verified {
    tag: Tag,
    wires: Arc<[u32]>,
}

impl VerifiedWires for Verified {
    fn len(&self) -> usize {
        self.wires.len()
    }

    fn slice(&self, range: Range<usize>) -> Verified {
        Verified { tag: self.tag, wires: self.wires[range].into() }
    }

    /// # Panics
    /// If the others are of another session.
    fn concat(&self, other: &Verified) -> Verified {
        assert!(self.tag == other.tag, "wires of two sessions do not belong together");
        Verified { tag: self.tag, wires: self.wires.iter().chain(other.wires.iter()).copied().collect() }
    }

    fn pick(&self, places: &[u32]) -> Verified {
        Verified { tag: self.tag, wires: places.iter().map(|&place| self.wires[place as usize]).collect() }
    }
}

impl Ideal {
    pub(crate) fn new(tag: Tag, seat: Seat, segments: Vec<Option<Arc<Planned>>>, stats: Stats) -> Ideal {
        Ideal { tag, seat, segments, stats, dead: false }
    }

    /// Makes a call; after an error that is not the caller's the session is dead.
    async fn meet(&mut self, call: Call) -> Result<Reply, Error> {
        let answer = self.seat.meet(call).await;
        self.dead |= answer.is_err();
        answer
    }

    async fn bits(&mut self, call: Call) -> Result<Option<Bits>, Error> {
        match self.meet(call).await? {
            Reply::Bits(bits) => Ok(bits),
            _ => unreachable!("openings are answered by bits"),
        }
    }

    fn alive(&self) -> Result<(), Misuse> {
        if self.dead || self.seat.gave_up() { Err(Misuse::Dead) } else { Ok(()) }
    }

    /// The numbers of verified wires, which have values.
    fn numbers(&self, wires: &Verified) -> Result<Vec<u32>, Misuse> {
        if wires.tag == self.tag { Ok(wires.wires.to_vec()) } else { Err(Misuse::Foreign) }
    }

    /// Takes segments out of the plan, with their numbers, once all of them can be evaluated in this order.
    fn take(&mut self, segments: Vec<Segment>) -> Result<Vec<(usize, Arc<Planned>)>, Misuse> {
        let mut taken: Vec<(usize, Arc<Planned>)> = Vec::new();
        for segment in segments {
            let index = segment.index(self.tag)?;
            let planned = self.segments.get(index).and_then(Option::as_ref).filter(|_| taken.iter().all(|(i, _)| *i != index));
            let planned = planned.ok_or(Misuse::Foreign)?;
            let has_value = |&w: &u32| self.seat.is_known(w) || taken.iter().any(|(_, p)| p.outputs.contains(&w));
            if !planned.inputs.iter().all(has_value) {
                return Err(Misuse::NotEvaluated);
            }
            taken.push((index, planned.clone()));
        }
        taken.iter().for_each(|(index, _)| self.segments[*index] = None);
        Ok(taken)
    }

    fn giving(&self, given: Given) -> Result<Giving, Misuse> {
        let (Given::Public(i, _) | Given::Mine(i, _) | Given::Theirs(i) | Given::Joint(i)) = &given;
        let (source, len, wires) = (i.source(), i.len(), i.numbers(self.tag)?);
        let (fits, value) = match given {
            Given::Public(_, bits) => (source == Source::Public && len == bits.len(), Value::Public(bits)),
            Given::Mine(_, bits) => (source == Source::Private(self.me()) && len == bits.len(), Value::Private(Some(bits))),
            Given::Theirs(_) => (matches!(source, Source::Private(p) if p != self.me()), Value::Private(None)),
            Given::Joint(_) => (source == Source::Joint, Value::Joint),
        };
        if fits { Ok(Giving { wires, value }) } else { Err(Misuse::WrongInput) }
    }
}

impl Online for Ideal {
    type Verified = Verified;

    fn me(&self) -> PartyId {
        self.seat.party()
    }

    fn parties(&self) -> usize {
        self.seat.parties()
    }

    async fn input(&mut self, given: Vec<Given>) -> Result<(), Error> {
        self.alive()?;
        let givings = given.into_iter().map(|g| self.giving(g)).collect::<Result<_, _>>()?;
        self.meet(Call::Input(givings)).await.map(drop)
    }

    async fn evaluate_all(&mut self, segments: Vec<Segment>) -> Result<Vec<Verified>, Error> {
        self.alive()?;
        let planned = self.take(segments)?;
        if planned.is_empty() {
            return Ok(Vec::new());
        }
        let verified = planned.iter().map(|(_, p)| Verified { tag: self.tag, wires: p.outputs.clone().collect() }).collect();
        self.meet(Call::Evaluate(planned)).await?;
        Ok(verified)
    }

    async fn solder_all(&mut self, pairs: Vec<(Input, Verified)>) -> Result<(), Error> {
        self.alive()?;
        let pair = |(input, to): (Input, Verified)| {
            let to = self.numbers(&to)?;
            let fits = input.source() == Source::Soldered && input.len() == to.len();
            if fits { Ok((input.numbers(self.tag)?, to)) } else { Err(Misuse::WrongInput) }
        };
        let pairs = pairs.into_iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        if pairs.is_empty() {
            return Ok(());
        }
        self.meet(Call::Solder(pairs)).await.map(drop)
    }

    async fn open(&mut self, wires: &Verified) -> Result<Bits, Error> {
        self.alive()?;
        let call = Call::Open(self.numbers(wires)?);
        Ok(self.bits(call).await?.expect("everyone gets what is opened to everyone"))
    }

    async fn open_to(&mut self, wires: &Verified, to: PartyId) -> Result<Option<Bits>, Error> {
        self.alive()?;
        if to.index() >= self.parties() {
            return Err(Misuse::Count.into());
        }
        let call = Call::OpenTo(self.numbers(wires)?, to);
        self.bits(call).await
    }

    async fn open_linear(&mut self, wires: &Verified, rows: &[Vec<u32>]) -> Result<Bits, Error> {
        self.alive()?;
        let numbers = self.numbers(wires)?;
        if rows.iter().flatten().any(|&w| w as usize >= numbers.len()) {
            return Err(Misuse::Count.into());
        }
        Ok(self.bits(Call::OpenLinear(numbers, rows.to_vec())).await?.expect("everyone gets what is opened to everyone"))
    }

    async fn compare(&mut self, digest: Digest) -> Result<(), Error> {
        self.alive()?;
        self.meet(Call::Compare(digest)).await.map(drop)
    }

    async fn coin(&mut self) -> Result<[u8; 64], Error> {
        self.alive()?;
        match self.meet(Call::Coin).await? {
            Reply::Coin(coin) => Ok(coin),
            _ => unreachable!("a coin is answered by a coin"),
        }
    }

    async fn exchange(&mut self, value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        self.alive()?;
        match self.meet(Call::Exchange(value.to_vec())).await? {
            Reply::Values(values) => Ok(values),
            _ => unreachable!("an exchange is answered by values"),
        }
    }

    async fn give_up(&mut self) {
        self.seat.give_up();
    }

    fn stats(&self) -> Stats {
        self.stats.clone()
    }
}
