//! A sealed session: what a party may ask, checked before it asks.

use crate::{
    call::{Call, Giving, Planned, Reply, Value},
    meeting::Seat,
};
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_mpc::{Error, Given, Input, Misuse, Online, Segment, Source, Stats, VerifiedWires};
use std::{ops::Range, sync::Arc};

/// A sealed session of the ideal engine.
pub struct Ideal {
    seat: Seat,
    wires: usize,
    /// What is not evaluated yet.
    segments: Vec<Option<Arc<Planned>>>,
    stats: Stats,
    dead: bool,
}

/// Wires of evaluated segments.
#[derive(Clone)]
pub struct Verified(Arc<[u32]>);

impl VerifiedWires for Verified {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn slice(&self, range: Range<usize>) -> Verified {
        Verified(self.0[range].into())
    }

    fn concat(&self, other: &Verified) -> Verified {
        Verified(self.0.iter().chain(other.0.iter()).copied().collect())
    }
}

impl Ideal {
    pub(crate) fn new(seat: Seat, wires: usize, segments: Vec<Option<Arc<Planned>>>, stats: Stats) -> Ideal {
        Ideal { seat, wires, segments, stats, dead: false }
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
        if self.dead { Err(Misuse::Dead) } else { Ok(()) }
    }

    /// The numbers of wires that have values.
    fn known(&self, wires: &Verified) -> Result<Vec<u32>, Misuse> {
        if wires.0.iter().all(|&w| self.seat.is_known(w)) { Ok(wires.0.to_vec()) } else { Err(Misuse::Foreign) }
    }

    /// An input's wires, if it is of this plan and has no value yet.
    fn fresh(&self, input: &Input) -> Result<Range<u32>, Misuse> {
        let numbers = input.wires().map(|w| w.0);
        let range = numbers.clone().next().map_or(0..0, |first| first..first + input.len() as u32);
        let fits = range.end as usize <= self.wires && !range.clone().any(|w| self.seat.is_known(w));
        if fits { Ok(range) } else { Err(Misuse::Foreign) }
    }

    fn giving(&self, given: Given) -> Result<Giving, Misuse> {
        let (fits, (input, value)) = match given {
            Given::Public(i, bits) => (i.source() == Source::Public && i.len() == bits.len(), (i, Value::Public(bits))),
            Given::Mine(i, bits) => (i.source() == Source::Private(self.me()) && i.len() == bits.len(), (i, Value::Private(Some(bits)))),
            Given::Theirs(i) => (matches!(i.source(), Source::Private(p) if p != self.me()), (i, Value::Private(None))),
            Given::Joint(i) => (i.source() == Source::Joint, (i, Value::Joint)),
        };
        if !fits {
            return Err(Misuse::WrongInput);
        }
        Ok(Giving { wires: self.fresh(&input)?, value })
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

    async fn evaluate(&mut self, segment: Segment) -> Result<Verified, Error> {
        self.alive()?;
        let index = segment.index();
        let planned = self.segments.get_mut(index).and_then(Option::take).ok_or(Misuse::Foreign)?;
        if !planned.inputs.iter().all(|w| self.seat.is_known(w.0)) {
            return Err(Misuse::NotEvaluated.into());
        }
        let outputs = planned.outputs.clone();
        self.meet(Call::Evaluate(index, planned)).await?;
        Ok(Verified(outputs.collect()))
    }

    async fn solder(&mut self, input: Input, to: &Verified) -> Result<(), Error> {
        if input.source() != Source::Soldered || input.len() != to.len() {
            return Err(Misuse::WrongInput.into());
        }
        self.alive()?;
        let call = Call::Solder(self.fresh(&input)?, self.known(to)?);
        self.meet(call).await.map(drop)
    }

    async fn open(&mut self, wires: &Verified) -> Result<Bits, Error> {
        self.alive()?;
        let call = Call::Open(self.known(wires)?);
        Ok(self.bits(call).await?.expect("everyone gets what is opened to everyone"))
    }

    async fn open_to(&mut self, wires: &Verified, to: PartyId) -> Result<Option<Bits>, Error> {
        self.alive()?;
        if to.index() >= self.parties() {
            return Err(Misuse::Count.into());
        }
        let call = Call::OpenTo(self.known(wires)?, to);
        self.bits(call).await
    }

    async fn open_linear(&mut self, wires: &Verified, rows: &[Vec<u32>]) -> Result<Bits, Error> {
        self.alive()?;
        let known = self.known(wires)?;
        if rows.iter().flatten().any(|&w| w as usize >= known.len()) {
            return Err(Misuse::Count.into());
        }
        Ok(self.bits(Call::OpenLinear(known, rows.to_vec())).await?.expect("everyone gets what is opened to everyone"))
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

    fn stats(&self) -> Stats {
        self.stats.clone()
    }
}
