//! A sealed session: inputs, evaluation, openings.

use crate::{
    coin::Step,
    engine::{Given, Input, Online, Segment, Source},
    error::{Check, Error, Misuse},
    evaluate::{self, Evaluated},
    garble::Garbled,
    kind::Kind,
    open::{open, open_to},
    party::Party,
    shares::Shares,
    stats::Stats,
    wires::{Verified, Wires},
    zero_test,
};
use cotenant_core::{Bits, Block, Channel, Digest, Domain, PartyId};

/// A session whose plan is garbled. It holds no OT and no way to make a triple.
pub struct Sealed<C> {
    party: Party<C>,
    /// Gone when the session is dead.
    live: Option<Live>,
}

struct Live {
    wires: Wires,
    garbled: Vec<Option<Garbled>>,
}

impl<C: Channel> Sealed<C> {
    pub(crate) fn new(party: Party<C>, wires: Wires, garbled: Vec<Garbled>) -> Self {
        Sealed { party, live: Some(Live { wires, garbled: garbled.into_iter().map(Some).collect() }) }
    }

    /// Ends the session and gives the channel back.
    pub fn finish(self) -> C {
        self.party.comms.into_channel()
    }

    /// After any error but a caller's mistake the session is dead: its secrets are erased and the others told.
    async fn settle<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(e) = &result
            && !matches!(e, Error::Misuse(_))
        {
            self.live = None;
            self.party.comms.die(e).await;
        }
        result
    }

    fn parts(&mut self) -> Result<(&mut Party<C>, &mut Live), Error> {
        self.party.comms.alive()?;
        let live = self.live.as_mut().ok_or(Misuse::Dead)?;
        Ok((&mut self.party, live))
    }
}

impl<C: Channel> Online for Sealed<C> {
    type Verified = Verified;

    fn me(&self) -> PartyId {
        self.party.id()
    }

    fn parties(&self) -> usize {
        self.party.n()
    }

    async fn input(&mut self, given: Vec<Given>) -> Result<(), Error> {
        let (party, live) = self.parts()?;
        let r = give(party, &mut live.wires, given).await;
        self.settle(r).await
    }

    async fn evaluate(&mut self, segment: Segment) -> Result<Verified, Error> {
        let (party, live) = self.parts()?;
        let index = segment.index();
        let garbled = live.garbled.get_mut(index).and_then(Option::take).ok_or(Misuse::Foreign)?;
        let r = run(party, &mut live.wires, index, garbled).await;
        self.settle(r).await?;
        Ok(Verified::new(segment.wires().map(|w| w.0)))
    }

    async fn solder(&mut self, input: Input, to: &Verified) -> Result<(), Error> {
        if input.source() != Source::Soldered || input.len() != to.wires().len() {
            return Err(Misuse::WrongInput.into());
        }
        let (party, live) = self.parts()?;
        let r = solder(party, &mut live.wires, input, to.wires()).await;
        self.settle(r).await
    }

    async fn open(&mut self, wires: &Verified) -> Result<Bits, Error> {
        let (party, live) = self.parts()?;
        let (shares, lambda) = gather(party, &live.wires, wires.wires())?;
        let r = open(party, &shares).await;
        let mut bits = self.settle(r).await?;
        bits.xor_assign(&lambda);
        Ok(bits)
    }

    async fn open_to(&mut self, wires: &Verified, to: PartyId) -> Result<Option<Bits>, Error> {
        let (party, live) = self.parts()?;
        let (shares, lambda) = gather(party, &live.wires, wires.wires())?;
        let r = open_to(party, &shares, to).await;
        let bits = self.settle(r).await?;
        Ok(bits.map(|mut b| {
            b.xor_assign(&lambda);
            b
        }))
    }

    async fn open_linear(&mut self, wires: &Verified, rows: &[Vec<u32>]) -> Result<Bits, Error> {
        let (party, live) = self.parts()?;
        let (shares, lambda) = gather(party, &live.wires, wires.wires())?;
        let mut sums = Shares::zero(&party.me, rows.len());
        let mut public = Bits::zero(rows.len());
        for (k, row) in rows.iter().enumerate() {
            for &w in row {
                let w = w as usize;
                if w >= shares.len() {
                    return Err(Misuse::Count.into());
                }
                sums.add(k, shares.at(w), true);
                public.set(k, public.get(k) ^ lambda.get(w));
            }
        }
        let r = open(party, &sums).await;
        let mut bits = self.settle(r).await?;
        bits.xor_assign(&public);
        Ok(bits)
    }

    async fn compare(&mut self, digest: Digest) -> Result<(), Error> {
        let (party, _) = self.parts()?;
        let r = party.comms.compare(Kind::PublicDigest, digest, Check::PublicValue).await;
        self.settle(r).await
    }

    async fn coin(&mut self) -> Result<[u8; 64], Error> {
        let (party, _) = self.parts()?;
        let r = coin(party).await;
        self.settle(r).await
    }

    async fn exchange(&mut self, value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let (party, _) = self.parts()?;
        let r = exchange(party, value).await;
        self.settle(r).await
    }

    fn stats(&self) -> Stats {
        self.party.comms.stats.clone()
    }
}

async fn exchange<C: Channel>(party: &mut Party<C>, value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let all = party.exchange(Step::CallerValue, value, true).await?;
    party.comms.check_echo().await?;
    Ok(all)
}

async fn coin<C: Channel>(party: &mut Party<C>) -> Result<[u8; 64], Error> {
    let seed = party.toss(Step::Caller).await?;
    party.comms.check_echo().await?;
    let mut out = [0; 64];
    Domain::Coin.hasher().field(b"caller").field(&seed.0.to_le_bytes()).expand(&mut out);
    Ok(out)
}

/// Masked values of inputs to everyone, then their labels to the evaluator. A joint value is its mask: masked value 0, so that it is the xor of bits that
/// every party drew when the mask was made, and uniform if one of them was honest.
async fn give<C: Channel>(party: &mut Party<C>, wires: &mut Wires, given: Vec<Given>) -> Result<(), Error> {
    check_given(party, &given)?;
    let mut h = Domain::PublicValue.hasher();
    h.field(&party.session.0);
    let mut any_public = false;
    for g in &given {
        if let Given::Public(_, bits) = g {
            h.number(bits.len() as u64).field(&bits.to_packed());
            any_public = true;
        }
    }
    if any_public {
        party.comms.compare(Kind::PublicDigest, h.digest(), Check::PublicValue).await?;
    }
    for g in &given {
        if let Given::Mine(input, bits) = g {
            let mut masked = bits.clone();
            masked.xor_assign(&input.wires().map(|w| wires.masks.bit(w.0 as usize)).collect());
            party.comms.send_all(&Kind::MaskedInput.message().bits(&masked).done()).await?;
        }
    }
    let mut fresh = Vec::new();
    for g in given {
        let (input, lambda) = masked_values(party, wires, g).await?;
        for (w, l) in input.wires().zip(lambda.iter()) {
            wires.set_value(w.0, l);
            fresh.push(w.0);
        }
    }
    labels(party, wires, &fresh).await
}

fn check_given<C: Channel>(party: &Party<C>, given: &[Given]) -> Result<(), Error> {
    let fits = given.iter().all(|g| match g {
        Given::Public(i, bits) => i.source() == Source::Public && i.len() == bits.len(),
        Given::Mine(i, bits) => i.source() == Source::Private(party.id()) && i.len() == bits.len(),
        Given::Theirs(i) => matches!(i.source(), Source::Private(p) if p != party.id()),
        Given::Joint(i) => i.source() == Source::Joint,
    });
    if fits { Ok(()) } else { Err(Misuse::WrongInput.into()) }
}

async fn masked_values<C: Channel>(party: &mut Party<C>, wires: &Wires, given: Given) -> Result<(Input, Bits), Error> {
    Ok(match given {
        Given::Public(input, bits) => (input, bits),
        Given::Joint(input) => {
            let zero = Bits::zero(input.len());
            (input, zero)
        }
        Given::Mine(input, mut bits) => {
            bits.xor_assign(&input.wires().map(|w| wires.masks.bit(w.0 as usize)).collect());
            party.comms.absorb(party.id(), &bits.to_packed());
            (input, bits)
        }
        Given::Theirs(input) => {
            let Source::Private(owner) = input.source() else { unreachable!("checked before anything was sent") };
            let bits = party.comms.recv_read(owner, Kind::MaskedInput, |r| r.bits(input.len())).await?;
            party.comms.absorb(owner, &bits.to_packed());
            (input, bits)
        }
    })
}

/// Garblers send the evaluator their label for the masked value of each wire: one label a wire, as each input gets its value once.
async fn labels<C: Channel>(party: &mut Party<C>, wires: &mut Wires, fresh: &[u32]) -> Result<(), Error> {
    if party.me.is_evaluator() {
        let mut all = Vec::new();
        for j in party.comms.others() {
            all.push(party.comms.recv_read(j, Kind::InputLabels, |r| r.blocks(fresh.len())).await?);
        }
        for (k, &w) in fresh.iter().enumerate() {
            let labels: Vec<Block> = all.iter().map(|l| l[k]).collect();
            wires.set_labels(w, &labels);
        }
        return Ok(());
    }
    let delta = party.me.delta();
    let active: Vec<Block> = fresh.iter().map(|&w| wires.labels(w)[0] ^ delta.when(wires.lambda.get(w as usize))).collect();
    party.comms.send(PartyId::EVALUATOR, Kind::InputLabels.message().blocks(&active).done()).await
}

/// Evaluates a segment and runs its zero test; only then its outputs have values.
async fn run<C: Channel>(party: &mut Party<C>, wires: &mut Wires, index: usize, garbled: Garbled) -> Result<(), Error> {
    let circuit = garbled.planned.circuit.clone();
    if !garbled.planned.inputs.iter().all(|w| wires.known.get(w.0 as usize)) {
        return Err(Misuse::NotEvaluated.into());
    }
    let inputs: Bits = garbled.planned.inputs.iter().map(|w| wires.lambda.get(w.0 as usize)).collect();
    let evaluated = if party.me.is_evaluator() {
        let e = evaluate::evaluate(party, &garbled, wires);
        party.comms.send_all(&Kind::Lambda.message().bits(&e.out).done()).await?;
        zero_test::prove(party, index, &garbled, &inputs, &e).await?;
        e
    } else {
        let out = party.comms.recv_read(PartyId::EVALUATOR, Kind::Lambda, |r| r.bits(circuit.stats().ands())).await?;
        let e = evaluate::follow(&circuit, inputs.iter(), out);
        zero_test::answer(party, index, &garbled, &inputs, &e).await?;
        e
    };
    keep_outputs(party, wires, &garbled, &evaluated);
    Ok(())
}

fn keep_outputs<C: Channel>(party: &Party<C>, wires: &mut Wires, garbled: &Garbled, e: &Evaluated) {
    for (k, w) in garbled.planned.outputs.clone().enumerate() {
        wires.set_value(w, e.outputs.get(k));
        if party.me.is_evaluator() {
            let width = wires.width;
            wires.set_labels(w, &e.labels[k * width..][..width]);
        }
    }
}

/// Mask shares and masked values of evaluated wires.
fn gather<C: Channel>(party: &Party<C>, wires: &Wires, which: &[u32]) -> Result<(Shares, Bits), Error> {
    let mut shares = Shares::with_capacity(&party.me, which.len());
    let mut lambda = Bits::default();
    for &w in which {
        let w = w as usize;
        if w >= wires.known.len() || !wires.known.get(w) {
            return Err(Misuse::Foreign.into());
        }
        let (bit, row) = wires.masks.at(w);
        shares.push(bit, row);
        lambda.push(wires.lambda.get(w));
    }
    Ok((shares, lambda))
}

/// Binds the input wires v to the evaluated wires u: s = l_u ^ l_v is opened and checked, garbler j sends `L^j_u0 ^ L^j_v0 ^ s*Delta_j`, and the masked value
/// of v becomes that of u xor s.
async fn solder<C: Channel>(party: &mut Party<C>, wires: &mut Wires, input: Input, to: &[u32]) -> Result<(), Error> {
    let (mut shares, lambda) = gather(party, wires, to)?;
    for (k, v) in input.wires().enumerate() {
        shares.add(k, wires.masks.at(v.0 as usize), true);
    }
    let s = open(party, &shares).await?;
    for (k, v) in input.wires().enumerate() {
        wires.set_value(v.0, lambda.get(k) ^ s.get(k));
    }
    if !party.me.is_evaluator() {
        let delta = party.me.delta();
        let pairs = input.wires().zip(to).enumerate();
        let rows: Vec<Block> = pairs.map(|(k, (v, &u))| wires.labels(u)[0] ^ wires.labels(v.0)[0] ^ delta.when(s.get(k))).collect();
        return party.comms.send(PartyId::EVALUATOR, Kind::Solder.message().blocks(&rows).done()).await;
    }
    let mut all = Vec::new();
    for j in party.comms.others() {
        all.push(party.comms.recv_read(j, Kind::Solder, |r| r.blocks(to.len())).await?);
    }
    for (k, (v, &u)) in input.wires().zip(to).enumerate() {
        let active: Vec<Block> = wires.labels(u).iter().zip(&all).map(|(&l, row)| l ^ row[k]).collect();
        wires.set_labels(v.0, &active);
    }
    Ok(())
}
