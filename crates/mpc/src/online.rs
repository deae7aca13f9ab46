//! A sealed session: inputs, evaluation, openings.

use crate::{
    coin::Step,
    engine::{Given, Input, Online, Segment, Source, Tag},
    error::{Check, Error, Misuse},
    evaluate::{Walked, evaluate, follow},
    garble::{Garbled, Masks},
    kind::Kind,
    open::{open, open_to},
    party::Party,
    shares::Shares,
    stats::Stats,
    waves::waves,
    wires::{Verified, Wires},
    zero_test::{self, Tested},
};
use cotenant_core::{Bits, Block, Channel, Digest, Domain, PartyId};
use std::ops::Range;
use zeroize::Zeroizing;

/// A session whose plan is garbled. It holds no OT and no way to make a triple.
pub struct Sealed<C> {
    tag: Tag,
    party: Party<C>,
    /// Gone when the session is dead.
    live: Option<Live>,
    /// A call is under way. If it still is when the next one starts, it was dropped half done.
    busy: bool,
}

struct Live {
    wires: Wires,
    masks: Masks,
    garbled: Vec<Option<Garbled>>,
}

impl<C: Channel> Sealed<C> {
    pub(crate) fn new(tag: Tag, party: Party<C>, wires: Wires, masks: Masks, garbled: Vec<Garbled>) -> Self {
        let live = Live { wires, masks, garbled: garbled.into_iter().map(Some).collect() };
        Sealed { tag, party, live: Some(live), busy: false }
    }

    /// Ends the session and gives the channel back for another; none if the session is dead, as messages of it may still be on their way.
    pub fn finish(self) -> Option<C> {
        let usable = self.live.is_some() && !self.busy && !self.party.comms.is_dead();
        usable.then(|| self.party.comms.into_channel())
    }

    /// Starts a call that the others make too.
    async fn begin(&mut self) -> Result<(&mut Party<C>, &mut Live), Error> {
        if std::mem::replace(&mut self.busy, true) {
            self.kill(&Misuse::Dead.into()).await;
        }
        match &mut self.live {
            Some(live) => Ok((&mut self.party, live)),
            None => Err(Misuse::Dead.into()),
        }
    }

    /// Ends a call. After any error but a caller's mistake, found before anything was sent, the session is dead.
    async fn settle<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        match &result {
            Err(Error::Misuse(_)) | Ok(_) => {}
            Err(e) => self.kill(e).await,
        }
        self.busy = false;
        result
    }

    /// Erases the session's secrets and tells the others.
    async fn kill(&mut self, error: &Error) {
        self.live = None;
        self.party.erase();
        self.party.comms.die(error).await;
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
        let tag = self.tag;
        let (party, live) = self.begin().await?;
        let r = give(tag, party, &mut live.wires, given).await;
        self.settle(r).await
    }

    async fn evaluate_all(&mut self, segments: Vec<Segment>) -> Result<Vec<Verified>, Error> {
        let tag = self.tag;
        let (party, live) = self.begin().await?;
        let r = evaluate_all(tag, party, live, segments).await;
        self.settle(r).await
    }

    async fn solder_all(&mut self, pairs: Vec<(Input, Verified)>) -> Result<(), Error> {
        let tag = self.tag;
        let (party, live) = self.begin().await?;
        let r = solder(tag, party, &mut live.wires, pairs).await;
        self.settle(r).await
    }

    async fn open(&mut self, wires: &Verified) -> Result<Bits, Error> {
        let tag = self.tag;
        let (party, live) = self.begin().await?;
        let r = open_wires(tag, party, &live.wires, wires).await;
        self.settle(r).await
    }

    async fn open_to(&mut self, wires: &Verified, to: PartyId) -> Result<Option<Bits>, Error> {
        let tag = self.tag;
        let (party, live) = self.begin().await?;
        let r = open_wires_to(tag, party, &live.wires, wires, to).await;
        self.settle(r).await
    }

    async fn open_linear(&mut self, wires: &Verified, rows: &[Vec<u32>]) -> Result<Bits, Error> {
        let tag = self.tag;
        let (party, live) = self.begin().await?;
        let r = open_rows(tag, party, &live.wires, wires, rows).await;
        self.settle(r).await
    }

    async fn compare(&mut self, digest: Digest) -> Result<(), Error> {
        let (party, _) = self.begin().await?;
        let r = party.comms.compare(Kind::PublicDigest, digest, Check::PublicValue).await;
        self.settle(r).await
    }

    async fn coin(&mut self) -> Result<[u8; 64], Error> {
        let (party, _) = self.begin().await?;
        let r = coin(party).await;
        self.settle(r).await
    }

    async fn exchange(&mut self, value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let (party, _) = self.begin().await?;
        let r = exchange(party, value).await;
        self.settle(r).await
    }

    async fn give_up(&mut self) {
        self.kill(&Misuse::Dead.into()).await;
    }

    fn stats(&self) -> Stats {
        self.party.comms.stats.clone()
    }
}

async fn open_wires<C: Channel>(tag: Tag, party: &mut Party<C>, wires: &Wires, which: &Verified) -> Result<Bits, Error> {
    let (shares, lambda) = gather(party, wires, which.numbers(tag)?);
    let mut bits = open_one(party, &shares).await?;
    bits.xor_assign(&lambda);
    Ok(bits)
}

async fn open_wires_to<C: Channel>(
    tag: Tag,
    party: &mut Party<C>,
    wires: &Wires,
    which: &Verified,
    to: PartyId,
) -> Result<Option<Bits>, Error> {
    if to.index() >= party.n() {
        return Err(Misuse::Count.into());
    }
    let (shares, lambda) = gather(party, wires, which.numbers(tag)?);
    let bits = open_to(party, shares, to).await?;
    Ok(bits.map(|mut b| {
        b.xor_assign(&lambda);
        b
    }))
}

async fn open_rows<C: Channel>(tag: Tag, party: &mut Party<C>, wires: &Wires, which: &Verified, rows: &[Vec<u32>]) -> Result<Bits, Error> {
    let (shares, lambda) = gather(party, wires, which.numbers(tag)?);
    if rows.iter().flatten().any(|&w| w as usize >= shares.len()) {
        return Err(Misuse::Count.into());
    }
    let mut sums = Shares::zero(&party.me, rows.len());
    let mut public = Bits::zero(rows.len());
    for (k, row) in rows.iter().enumerate() {
        for &w in row {
            sums.add(k, &shares, w as usize);
            public.set(k, public.get(k) ^ lambda.get(w as usize));
        }
    }
    let mut bits = open_one(party, &sums).await?;
    bits.xor_assign(&public);
    Ok(bits)
}

async fn exchange<C: Channel>(party: &mut Party<C>, value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let all = party.exchange(Step::CallerValue, value).await?;
    party.comms.check_echo().await?;
    Ok(all)
}

async fn coin<C: Channel>(party: &mut Party<C>) -> Result<[u8; 64], Error> {
    let promise = party.promise_coin(Step::Caller).await?;
    let seed = party.toss(promise).await?;
    party.comms.check_echo().await?;
    let mut out = [0; 64];
    Domain::Coin.hasher().field(b"caller").field(&seed.0.to_le_bytes()).expand(&mut out);
    Ok(out)
}

/// Masked values of inputs to everyone, then their labels to the evaluator. A joint value is its mask: masked value 0, so that it is the xor of bits that
/// every party drew when the mask was made, and uniform if one of them was honest.
async fn give<C: Channel>(tag: Tag, party: &mut Party<C>, wires: &mut Wires, given: Vec<Given>) -> Result<(), Error> {
    check_given(tag, party, &given)?;
    compare_public(tag, party, &given).await?;
    for g in &given {
        if let Given::Mine(input, bits) = g {
            let masked = masked(wires, input.numbers(tag)?, bits);
            party.comms.send_all(&Kind::MaskedInput.message().bits(&masked).done()).await?;
        }
    }
    let any_private = given.iter().any(|g| matches!(g, Given::Mine(..) | Given::Theirs(_)));
    let mut fresh = Vec::new();
    for g in given {
        let (numbers, lambda) = masked_values(tag, party, wires, g).await?;
        for (w, l) in numbers.zip(lambda.iter()) {
            wires.set_value(w, l);
            fresh.push(w);
        }
    }
    if any_private {
        // All hold the same masked values before anything is evaluated on them: the zero test does not show it where there are no ANDs.
        party.comms.check_echo().await?;
    }
    labels(party, wires, &fresh).await
}

/// All compare what is public, and that they give the same inputs.
async fn compare_public<C: Channel>(tag: Tag, party: &mut Party<C>, given: &[Given]) -> Result<(), Error> {
    if !given.iter().any(|g| matches!(g, Given::Public(..))) {
        return Ok(());
    }
    let mut h = Domain::PublicValue.hasher();
    h.field(&party.session.0);
    for g in given {
        let (Given::Public(input, _) | Given::Mine(input, _) | Given::Theirs(input) | Given::Joint(input)) = g;
        let numbers = input.numbers(tag)?;
        h.number(numbers.start.into()).number(numbers.end.into());
        if let Given::Public(_, bits) = g {
            h.field(&bits.to_packed());
        }
    }
    party.comms.compare(Kind::PublicDigest, h.digest(), Check::PublicValue).await
}

/// This party's private value under the masks that were opened to it.
fn masked(wires: &Wires, numbers: Range<u32>, bits: &Bits) -> Bits {
    let mut masked = bits.clone();
    masked.xor_assign(&wires.own.slice(numbers.start as usize, numbers.len()));
    masked
}

fn check_given<C: Channel>(tag: Tag, party: &Party<C>, given: &[Given]) -> Result<(), Error> {
    for g in given {
        let (Given::Public(input, _) | Given::Mine(input, _) | Given::Theirs(input) | Given::Joint(input)) = g;
        input.numbers(tag)?;
        let fits = match g {
            Given::Public(i, bits) => i.source() == Source::Public && i.len() == bits.len(),
            Given::Mine(i, bits) => i.source() == Source::Private(party.id()) && i.len() == bits.len(),
            Given::Theirs(i) => matches!(i.source(), Source::Private(p) if p != party.id()),
            Given::Joint(i) => i.source() == Source::Joint,
        };
        if !fits {
            return Err(Misuse::WrongInput.into());
        }
    }
    Ok(())
}

async fn masked_values<C: Channel>(tag: Tag, party: &mut Party<C>, wires: &Wires, given: Given) -> Result<(Range<u32>, Bits), Error> {
    Ok(match given {
        Given::Public(input, bits) => (input.numbers(tag)?, bits),
        Given::Joint(input) => (input.numbers(tag)?, Bits::zero(input.len())),
        Given::Mine(input, bits) => {
            let numbers = input.numbers(tag)?;
            let masked = masked(wires, numbers.clone(), &bits);
            let me = party.id();
            absorb_masked(party, me, &numbers, &masked);
            (numbers, masked)
        }
        Given::Theirs(input) => {
            let Source::Private(owner) = input.source() else { unreachable!("checked before anything was sent") };
            let bits = party.comms.recv_read(owner, Kind::MaskedInput, |r| r.bits(input.len())).await?;
            let numbers = input.numbers(tag)?;
            absorb_masked(party, owner, &numbers, &bits);
            (numbers, bits)
        }
    })
}

/// Puts masked values in the echo, with the wires that they are for.
fn absorb_masked<C: Channel>(party: &mut Party<C>, owner: PartyId, numbers: &Range<u32>, masked: &Bits) {
    let body = [&numbers.start.to_le_bytes()[..], &numbers.end.to_le_bytes(), &masked.to_packed()].concat();
    party.comms.absorb(owner, &body);
}

/// Garblers send the evaluator their label for the masked value of each wire: one label a wire, as each input gets its value once.
async fn labels<C: Channel>(party: &mut Party<C>, wires: &mut Wires, fresh: &[u32]) -> Result<(), Error> {
    if party.me.is_evaluator() {
        let mut all = Vec::new();
        for j in party.comms.others() {
            all.push(Zeroizing::new(party.comms.recv_read(j, Kind::InputLabels, |r| r.blocks(fresh.len())).await?));
        }
        for (k, &w) in fresh.iter().enumerate() {
            wires.set_active(w, all.iter().map(|l| l[k]));
        }
        return Ok(());
    }
    let delta = party.me.delta();
    let label = |&w: &u32| wires.labels(w)[0] ^ delta.when(wires.lambda.get(w as usize));
    let active: Zeroizing<Vec<Block>> = Zeroizing::new(fresh.iter().map(label).collect());
    party.comms.send(PartyId::EVALUATOR, Kind::InputLabels.message().blocks(&active).done()).await
}

/// Evaluates segments and runs their zero test; only then their outputs may be opened, soldered or taken by other segments.
async fn evaluate_all<C: Channel>(tag: Tag, party: &mut Party<C>, live: &mut Live, segments: Vec<Segment>) -> Result<Vec<Verified>, Error> {
    let garbled = take(tag, live, segments)?;
    if garbled.is_empty() {
        return Ok(Vec::new());
    }
    let verified = garbled.iter().map(|(_, g)| Verified::new(tag, g.planned.outputs.clone())).collect();
    let Live { wires, masks, .. } = live;
    let tested = walk_all(party, wires, masks, garbled).await?;
    if party.me.is_evaluator() {
        let ands: usize = tested.iter().map(|t| t.values.out.len()).sum();
        // Two hashes of two blocks a gate, for each ordered pair of garblers and each garbler itself.
        party.comms.stats.aes_blocks += (4 * (party.n() - 1).pow(2) * ands) as u64;
        zero_test::prove(party, masks, &tested).await?;
    } else {
        zero_test::answer(party, masks, &tested).await?;
    }
    Ok(verified)
}

/// Takes segments out of the plan, with their numbers, once all of them can be evaluated in this order.
fn take(tag: Tag, live: &mut Live, segments: Vec<Segment>) -> Result<Vec<(usize, Garbled)>, Misuse> {
    let indices = segments.iter().map(|s| s.index(tag)).collect::<Result<Vec<usize>, Misuse>>()?;
    let mut made = Vec::new();
    for (k, &index) in indices.iter().enumerate() {
        let fresh = live.garbled.get(index).and_then(Option::as_ref).filter(|_| !indices[..k].contains(&index));
        let planned = &fresh.ok_or(Misuse::Foreign)?.planned;
        let has_value = |w: &u32| live.wires.known.get(*w as usize) || made.iter().any(|m: &Range<u32>| m.contains(w));
        if !planned.inputs.iter().all(has_value) {
            return Err(Misuse::NotEvaluated);
        }
        made.push(planned.outputs.clone());
    }
    Ok(indices.into_iter().map(|index| (index, live.garbled[index].take().expect("looked at above"))).collect())
}

/// Walks segments, those side by side that do not wait for each other. The evaluator says what came out of a segment before it goes on, so that the garblers
/// follow meanwhile; nothing of it is used before all of it has been tested.
async fn walk_all<C: Channel>(
    party: &mut Party<C>,
    wires: &mut Wires,
    masks: &Masks,
    garbled: Vec<(usize, Garbled)>,
) -> Result<Vec<Tested>, Error> {
    let mut all = Vec::new();
    for wave in waves(garbled, party.workers.width(), |(_, garbled)| &garbled.planned) {
        let Party { comms, me, hash, workers, .. } = &mut *party;
        let given: &Wires = wires;
        let walked = if me.is_evaluator() {
            let walked = workers.map(wave.iter().collect(), |(_, garbled)| evaluate(me, hash, garbled, masks, given));
            for Walked { values, .. } in &walked {
                comms.send_all(&Kind::Lambda.message().bits(&values.out).done()).await?;
            }
            walked
        } else {
            let mut said = Vec::new();
            for (_, garbled) in &wave {
                said.push(comms.recv_read(PartyId::EVALUATOR, Kind::Lambda, |r| r.bits(garbled.places.len())).await?);
            }
            workers.map(wave.iter().zip(said).collect(), |((_, garbled), out)| follow(garbled, given, out))
        };
        for ((index, Garbled { planned, places, .. }), walked) in wave.into_iter().zip(walked) {
            let inputs = planned.inputs.iter().map(|&w| wires.lambda.get(w as usize)).collect();
            all.push(Tested { index, places, inputs, values: walked.end(planned.outputs, wires) });
        }
    }
    Ok(all)
}

/// Mask shares and masked values of evaluated wires.
fn gather<C: Channel>(party: &Party<C>, wires: &Wires, which: &[u32]) -> (Shares, Bits) {
    (wires.masks.gather(&party.me, which), which.iter().map(|&w| wires.lambda.get(w as usize)).collect())
}

/// Opens one string to everyone.
async fn open_one<C: Channel>(party: &mut Party<C>, shares: &Shares) -> Result<Bits, Error> {
    Ok(open(party, &[shares]).await?.pop().expect("one string of bits for each of shares"))
}

/// Binds the input wires v to the evaluated wires u: s = l_u ^ l_v is opened and checked, garbler j sends `L^j_u0 ^ L^j_v0 ^ s*Delta_j`, and the masked value
/// of v becomes that of u xor s.
///
/// A false row gives the evaluator a wrong label, as a false table row would, and is caught like one by the zero test of the segment that uses v; linear
/// uses of v depend on its masked value alone, which no row touches.
async fn solder<C: Channel>(tag: Tag, party: &mut Party<C>, wires: &mut Wires, pairs: Vec<(Input, Verified)>) -> Result<(), Error> {
    let (bound, to) = soldered(tag, &pairs)?;
    if bound.is_empty() {
        return Ok(());
    }
    let (mut shares, lambda) = gather(party, wires, &to);
    for (k, &v) in bound.iter().enumerate() {
        shares.add(k, &wires.masks, v as usize);
    }
    let s = open_one(party, &shares).await?;
    for (k, &v) in bound.iter().enumerate() {
        wires.set_value(v, lambda.get(k) ^ s.get(k));
    }
    let pairs = bound.into_iter().zip(&to).enumerate();
    if !party.me.is_evaluator() {
        let delta = party.me.delta();
        let rows: Vec<Block> = pairs.map(|(k, (v, &u))| wires.labels(u)[0] ^ wires.labels(v)[0] ^ delta.when(s.get(k))).collect();
        return party.comms.send(PartyId::EVALUATOR, Kind::Solder.message().blocks(&rows).done()).await;
    }
    let mut all = Vec::new();
    for j in party.comms.others() {
        all.push(party.comms.recv_read(j, Kind::Solder, |r| r.blocks(to.len())).await?);
    }
    for (k, (v, &u)) in pairs {
        let active: Zeroizing<Vec<Block>> = Zeroizing::new(wires.labels(u).iter().zip(&all).map(|(&l, row)| l ^ row[k]).collect());
        wires.set_active(v, active.iter().copied());
    }
    Ok(())
}

/// The wires of the inputs, and those that each is bound to.
fn soldered(tag: Tag, pairs: &[(Input, Verified)]) -> Result<(Vec<u32>, Vec<u32>), Misuse> {
    let (mut bound, mut to) = (Vec::new(), Vec::new());
    for (input, wires) in pairs {
        let (numbers, wires) = (input.numbers(tag)?, wires.numbers(tag)?);
        if input.source() != Source::Soldered || input.len() != wires.len() {
            return Err(Misuse::WrongInput);
        }
        bound.extend(numbers);
        to.extend(wires);
    }
    Ok((bound, to))
}
