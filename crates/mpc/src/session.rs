//! A session that takes its plan, prepares it and seals.

use crate::{
    auth::{CotLinks, Fill},
    comms::Comms,
    engine::{Engine, Input, Segment, Source, Tag, Wire},
    error::{Check, Error, Failed, Misuse, Phase},
    garble::{self, Garbled, Masks, Places, Planned},
    kind::Kind,
    leaky::Spare,
    online::Sealed,
    open::{Awaited, start_open_to},
    party::{Options, Party},
    shares::Shares,
    stats::{Stats, Task},
    stock::{Stock, multiply_all},
    tables, triple,
    wires::{Declared, Wires},
};
use chacha20::ChaCha20Rng;
use cotenant_circuit::Circuit;
use cotenant_core::{Block, Channel, Digest, Domain, PartyId, domain::Hasher};
use rand_core::Rng;
use std::sync::Arc;

/// The largest number of parties of a session.
pub const MAX_PARTIES: usize = 64;

/// A session of the authenticated-garbling engine, before it is sealed.
///
/// It is one run between the same parties over live links, with a fresh global key and fresh base OTs; nothing of it survives it.
pub struct Session<C> {
    tag: Tag,
    party: Party<C>,
    links: CotLinks,
    plan: Plan,
    stock: Option<Stock>,
}

/// What was declared, in order of wire numbers.
struct Plan {
    items: Vec<Item>,
    public: Vec<bool>,
    segments: usize,
    digest: Hasher,
    misuse: Option<Misuse>,
}

enum Item {
    Input(Declared),
    Segment(Planned),
}

impl<C: Channel> Session<C> {
    /// Starts a session: agrees on its id, sets up correlated OT with every other party, checks global keys.
    ///
    /// `agreed` stands for everything that the parties have to agree on beforehand: identities, parameters, what the session is for. `rng` must be freshly
    /// seeded from the operating system; all secrets of the session come from it.
    ///
    /// # Errors
    /// [`Error::Misuse`] for fewer than 2 or more than [`MAX_PARTIES`] parties; otherwise what the others did or the network.
    pub async fn start(channel: C, agreed: Digest, mut rng: ChaCha20Rng, options: Options) -> Result<Session<C>, Error> {
        if !(2..=MAX_PARTIES).contains(&channel.parties()) {
            return Err(Misuse::Parties.into());
        }
        let mut comms = Comms::new(channel);
        let session = match hello(&mut comms, agreed, &mut rng).await {
            Ok(session) => session,
            Err(e) => {
                comms.die(&e).await;
                return Err(e);
            }
        };
        // Lowest bits of MACs show bits, and those of P2's labels masked values (section 5 of KRRW18).
        let delta = Block(Block::random(&mut rng).0 | 1);
        let mut party = Party::new(comms, session, delta, rng, options);
        match CotLinks::set_up(&mut party).await {
            Ok(links) => {
                let mut digest = Domain::Plan.hasher();
                digest.field(&session.0);
                let plan = Plan { items: Vec::new(), public: Vec::new(), segments: 0, digest, misuse: None };
                Ok(Session { tag: Tag::fresh(), party, links, plan, stock: None })
            }
            Err(e) => {
                party.erase();
                party.comms.die(&e).await;
                Err(e)
            }
        }
    }

    /// What the session has cost so far.
    pub fn stats(&self) -> Stats {
        self.party.comms.stats.clone()
    }
}

/// The session id: a hash of a nonce of every party and of what was agreed, compared by all.
async fn hello<C: Channel>(comms: &mut Comms<C>, agreed: Digest, rng: &mut ChaCha20Rng) -> Result<Digest, Error> {
    let mut nonce = [0; 32];
    rng.fill_bytes(&mut nonce);
    comms.send_all(&Kind::Hello.message().bytes(&nonce).bytes(&agreed.0).done()).await?;
    let mut h = Domain::Session.hasher();
    h.number(comms.n() as u64).field(&agreed.0);
    for p in PartyId::all(comms.n()) {
        let theirs = if p == comms.me() {
            nonce
        } else {
            let (nonce, digest) = comms.recv_read(p, Kind::Hello, |r| Ok((r.array::<32>()?, r.array::<32>()?))).await?;
            if digest != agreed.0 {
                return Err(comms.blame_if_two(p, Failed(Check::PublicValue)));
            }
            nonce
        };
        comms.absorb(p, &theirs);
        h.field(&theirs);
    }
    comms.check_echo().await?;
    Ok(h.digest())
}

impl<C: Channel> Engine for Session<C> {
    type Online = Sealed<C>;

    fn me(&self) -> PartyId {
        self.party.id()
    }

    fn parties(&self) -> usize {
        self.party.n()
    }

    fn declare(&mut self, source: Source, len: usize) -> Input {
        let wires = self.plan.add_wires(len, source == Source::Public);
        if matches!(source, Source::Private(p) if p.index() >= self.party.n()) {
            self.plan.misuse = Some(Misuse::WrongInput);
        }
        let (code, who) = match source {
            Source::Private(p) => (0, p.index() as u64),
            Source::Public => (1, 0),
            Source::Joint => (2, 0),
            Source::Soldered => (3, 0),
        };
        self.plan.digest.field(b"input").number(code).number(who).number(len as u64);
        self.plan.items.push(Item::Input(Declared { source, wires: wires.clone() }));
        Input::new(self.tag, source, wires)
    }

    fn segment(&mut self, circuit: &Arc<Circuit>, inputs: &[Wire]) -> Result<Segment, Error> {
        if inputs.len() != circuit.inputs() {
            return Err(Misuse::Count.into());
        }
        let inputs = inputs.iter().map(|w| w.number(self.tag)).collect::<Result<Vec<u32>, Misuse>>()?;
        for (i, &w) in inputs.iter().enumerate() {
            let public = *self.plan.public.get(w as usize).ok_or(Misuse::Foreign)?;
            if circuit.input_is_public(i) && !public {
                return Err(Misuse::NotPublic.into());
            }
        }
        let outputs = self.plan.add_wires(circuit.outputs().len(), false);
        self.plan.digest.field(b"segment").field(&circuit.digest()).number(inputs.len() as u64);
        inputs.iter().for_each(|&w| {
            self.plan.digest.number(w.into());
        });
        let index = self.plan.segments;
        self.plan.segments += 1;
        self.plan.items.push(Item::Segment(Planned { circuit: circuit.clone(), inputs, outputs: outputs.clone() }));
        Ok(Segment::new(self.tag, index, outputs))
    }

    async fn stock(mut self, ands: usize) -> Result<Self, Error> {
        if self.stock.is_some() {
            return Err(Misuse::Stocked.into());
        }
        self.plan.digest.field(b"stock").number(ands as u64);
        match stock(&mut self.party, &mut self.links, self.plan.digest.digest(), ands).await {
            Ok(stock) => {
                self.stock = Some(stock);
                Ok(self)
            }
            Err(e) => {
                self.party.erase();
                self.party.comms.die(&e).await;
                Err(e)
            }
        }
    }

    async fn seal(self) -> Result<Sealed<C>, Error> {
        if let Some(misuse) = self.plan.misuse {
            return Err(misuse.into());
        }
        let Session { tag, mut party, mut links, plan, stock } = self;
        let prepared = prepare(&mut party, &mut links, plan, stock).await;
        drop(links);
        match prepared {
            Ok((wires, masks, garbled)) => Ok(Sealed::new(tag, party, wires, masks, garbled)),
            Err(e) => {
                party.erase();
                party.comms.die(&e).await;
                Err(e)
            }
        }
    }
}

impl Plan {
    fn add_wires(&mut self, count: usize, public: bool) -> std::ops::Range<u32> {
        let first = self.public.len();
        self.public.resize(first + count, public);
        u32::try_from(first).expect("a plan has fewer than 2^32 wires")
            ..u32::try_from(first + count).expect("a plan has fewer than 2^32 wires")
    }

    fn circuits(&self) -> impl Iterator<Item = &Circuit> {
        self.items.iter().filter_map(|i| match i {
            Item::Segment(s) => Some(&*s.circuit),
            Item::Input(_) => None,
        })
    }

    /// ANDs of two secrets.
    fn ands_full(&self) -> usize {
        self.circuits().map(|c| c.stats().and_full).sum()
    }

    /// Input wires that are not public: each has a fresh random mask.
    fn secret_inputs(&self) -> usize {
        let inputs = self.items.iter().map(|i| match i {
            Item::Input(d) if d.source != Source::Public => d.wires.len(),
            _ => 0,
        });
        inputs.sum()
    }
}

/// Compares how large the stock is to be, and makes it.
async fn stock<C: Channel>(party: &mut Party<C>, links: &mut CotLinks, plan: Digest, ands: usize) -> Result<Stock, Error> {
    party.comms.enter(Phase::Prepare);
    party.comms.announce(Kind::Plan, plan, Check::Plan).await?;
    Stock::make(party, links, ands).await
}

/// Compares the plan, draws masks for it, multiplies them, garbles, and exchanges 'sealed'.
async fn prepare<C: Channel>(
    party: &mut Party<C>,
    links: &mut CotLinks,
    plan: Plan,
    stock: Option<Stock>,
) -> Result<(Wires, Masks, Vec<Garbled>), Error> {
    party.comms.enter(Phase::Prepare);
    party.comms.announce(Kind::Plan, plan.digest.digest(), Check::Plan).await?;
    let full = plan.ands_full();
    let (stocked, taken) = (stock.is_some(), stock.as_ref().map_or(0, Stock::len).min(full));
    let batches = triple::batches(full - taken);
    let Drawn { mut wires, mut masks, planned, declared } = draw_masks(party, links, plan, taken + batches.iter().sum::<usize>()).await?;
    if let Some(stock) = stock {
        stock.spend(party, &mut masks, taken).await?;
    }
    let spare = multiply_all(party, links, &mut masks, taken, &batches, stocked).await?;
    party.comms.enter(Phase::Garble);
    let own = open_private_masks(party, &wires, &declared).await?;
    let mut left = Some((spare, own));
    // What can wait takes nobody's time: the evaluator does it while tables are made, a garbler when its own are on their way.
    if party.me.is_evaluator() {
        finish(party, &mut wires, left.take()).await?;
    }
    let garbled = tables::exchange(party, planned, &masks, &mut wires).await?;
    finish(party, &mut wires, left).await?;

    party.comms.send_all(&Kind::Sealed.message().done()).await?;
    for p in party.comms.others() {
        party.comms.recv_read(p, Kind::Sealed, |_| Ok(())).await?;
    }
    party.comms.enter(Phase::Online);
    Ok((wires, masks, garbled))
}

/// A plan with masks.
struct Drawn {
    wires: Wires,
    masks: Masks,
    planned: Vec<(Planned, Places)>,
    declared: Vec<Declared>,
}

/// Gives every wire of the plan its mask, and every declared input of a garbler its label. There is room for `padded` ANDs of two secrets.
async fn draw_masks<C: Channel>(party: &mut Party<C>, links: &mut CotLinks, plan: Plan, padded: usize) -> Result<Drawn, Error> {
    let full = plan.ands_full();
    let cheap: usize = plan.circuits().map(|c| c.stats().ands() - c.stats().and_full).sum();
    let new = |len| Shares::zero(&party.me, len);
    let (mut masks, mut random) =
        (Masks { left: new(padded + cheap), right: new(padded + cheap), star: new(padded + cheap) }, new(plan.secret_inputs()));
    let inputs = 0..random.len();
    // Whole batches are made; where no gate is, fresh bits are multiplied.
    let outs =
        vec![Fill::over(&mut masks.star, 0..padded + cheap), Fill::over(&mut masks.right, full..padded), Fill::over(&mut random, inputs)];
    links.fill(party, Task::Masks, outs).await?;
    party.begin(Task::MaskWalk, 0);
    let mut wires = Wires::new(&party.me, party.n(), plan.public.len());
    let (mut planned, mut declared) = (Vec::new(), Vec::new());
    let (mut next_input, mut next_full, mut next_cheap) = (0, 0, padded);
    for item in plan.items {
        match item {
            Item::Input(d) => {
                next_input = mask_input(party, &d, &mut wires, &random, next_input);
                declared.push(d);
            }
            Item::Segment(s) => {
                let stats = s.circuit.stats();
                let cheap = stats.ands() - stats.and_full;
                let places = Places { full: next_full..next_full + stats.and_full, cheap: next_cheap..next_cheap + cheap };
                (next_full, next_cheap) = (places.full.end, places.cheap.end);
                planned.push((s, places));
            }
        }
    }
    let planned = garble::mask_all(&party.me, &party.workers, planned, &mut wires, &mut masks);
    Ok(Drawn { wires, masks, planned, declared })
}

/// A public input has mask 0; every other a fresh `<lambda>` to which every party contributed a uniform bit.
///
/// A private input too: if its mask were its owner's share alone, each share of a sum of inputs that is opened would give one owner's input away.
fn mask_input<C: Channel>(party: &mut Party<C>, d: &Declared, wires: &mut Wires, random: &Shares, mut next: usize) -> usize {
    for w in d.wires.clone() {
        if d.source != Source::Public {
            wires.masks.copy(w as usize, random, next);
            next += 1;
        }
        if !party.me.is_evaluator() {
            let mut label = Block::random(&mut party.rng);
            if party.id() == PartyId::new(1) {
                label.0 &= !1;
            }
            wires.set_labels(w, &[label]);
        }
    }
    next
}

/// The masks of this party's private inputs, of which the others have sent their shares.
struct OwnMasks {
    wires: Vec<u32>,
    opened: Awaited,
}

/// The masks of private inputs are opened to their owners (WRK17b, input processing), each with its MACs checked. What this party is to learn is read later,
/// so that nobody waits for it.
async fn open_private_masks<C: Channel>(party: &mut Party<C>, wires: &Wires, inputs: &[Declared]) -> Result<Option<OwnMasks>, Error> {
    let mut own = None;
    for owner in PartyId::all(party.n()) {
        let numbers: Vec<u32> = inputs.iter().filter(|d| d.is_private_of(owner)).flat_map(|d| d.wires.clone()).collect();
        if numbers.is_empty() {
            continue;
        }
        let shares = wires.masks.gather(&party.me, &numbers);
        if let Some(opened) = start_open_to(party, shares, owner).await? {
            own = Some(OwnMasks { wires: numbers, opened });
        }
    }
    Ok(own)
}

/// Erases what the products were made of, and learns the masks that were opened to this party.
async fn finish<C: Channel>(party: &mut Party<C>, wires: &mut Wires, left: Option<(Spare, Option<OwnMasks>)>) -> Result<(), Error> {
    let Some((spare, own)) = left else { return Ok(()) };
    spare.erase(&party.workers);
    if let Some(OwnMasks { wires: numbers, opened }) = own {
        let masks = opened.receive(party).await?;
        numbers.iter().zip(masks.iter()).for_each(|(&w, m)| wires.own.set(w as usize, m));
    }
    Ok(())
}
