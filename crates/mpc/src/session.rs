//! A session that takes its plan, prepares it and seals.

use crate::{
    auth::CotLinks,
    comms::Comms,
    engine::{Engine, Input, Segment, Source, Tag, Wire},
    error::{Check, Error, Failed, Misuse, Phase},
    garble::{self, Garbled, Masks, Planned},
    kind::Kind,
    online::Sealed,
    open::{open, open_to},
    party::{Observer, Party},
    shares::Shares,
    stats::{Progress, Stats},
    triple::{self, Triples},
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
    pub async fn start(channel: C, agreed: Digest, mut rng: ChaCha20Rng, observer: Option<Observer>) -> Result<Session<C>, Error> {
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
        let mut delta = Block::random(&mut rng);
        if comms.me() == PartyId::new(1) {
            // The lowest bit of P2's labels shows the masked value (section 5 of KRRW18).
            delta.0 |= 1;
        }
        let mut party = Party::new(comms, session, delta, rng, observer);
        match CotLinks::set_up(&mut party).await {
            Ok(links) => {
                let mut digest = Domain::Plan.hasher();
                digest.field(&session.0);
                let plan = Plan { items: Vec::new(), public: Vec::new(), segments: 0, digest, misuse: None };
                Ok(Session { tag: Tag::fresh(), party, links, plan })
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

    async fn seal(self) -> Result<Sealed<C>, Error> {
        if let Some(misuse) = self.plan.misuse {
            return Err(misuse.into());
        }
        let Session { tag, mut party, mut links, plan } = self;
        let prepared = prepare(&mut party, &mut links, plan).await;
        drop(links);
        match prepared {
            Ok((wires, garbled)) => Ok(Sealed::new(tag, party, wires, garbled)),
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

    /// Masks that are fresh random shares: of inputs that are not public, and of ANDs with a secret input.
    fn random_masks(&self) -> usize {
        let inputs = self.items.iter().map(|i| match i {
            Item::Input(d) if d.source != Source::Public => d.wires.len(),
            _ => 0,
        });
        inputs.sum::<usize>() + self.circuits().map(|c| c.stats().and_full + c.stats().and_half_public).sum::<usize>()
    }
}

/// Compares the plan, fills the pool for it, garbles it, and exchanges 'sealed'.
async fn prepare<C: Channel>(party: &mut Party<C>, links: &mut CotLinks, plan: Plan) -> Result<(Wires, Vec<Garbled>), Error> {
    party.comms.enter(Phase::Prepare);
    party.comms.compare(Kind::Plan, plan.digest.digest(), Check::Plan).await?;
    let full: usize = plan.circuits().map(|c| c.stats().and_full).sum();
    let triples = triple::triples(party, links, full).await?;
    let random = links.random_bits(party, plan.random_masks()).await?;

    party.comms.enter(Phase::Garble);
    let mut wires = Wires::new(&party.me, party.n(), plan.public.len());
    let (planned, masks, inputs) = draw_masks(party, plan, &mut wires, random);
    open_private_masks(party, &mut wires, &inputs).await?;
    let garbled = multiply_all(party, planned, masks, triples).await?;
    let garbled = exchange_tables(party, garbled, &mut wires).await?;

    party.comms.send_all(&Kind::Sealed.message().done()).await?;
    for p in party.comms.others() {
        party.comms.recv_read(p, Kind::Sealed, |_| Ok(())).await?;
    }
    party.comms.enter(Phase::Online);
    Ok((wires, garbled))
}

/// Gives every wire its mask, in order of wire numbers, and every declared input of a garbler its label.
fn draw_masks<C: Channel>(
    party: &mut Party<C>,
    plan: Plan,
    wires: &mut Wires,
    random: Shares,
) -> (Vec<Planned>, Vec<Masks>, Vec<Declared>) {
    let mut next = 0..random.len();
    let (mut planned, mut masks, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
    for item in plan.items {
        match item {
            Item::Input(d) => {
                mask_input(party, &d, wires, &mut next, &random);
                inputs.push(d);
            }
            Item::Segment(s) => {
                masks.push(garble::mask(&party.me, &s, wires, &mut next, &random));
                planned.push(s);
            }
        }
    }
    (planned, masks, inputs)
}

/// A public input has mask 0; every other a fresh `<lambda>` to which every party contributed a uniform bit.
///
/// A private input too: if its mask were its owner's share alone, each share of a sum of inputs that is opened would give one owner's input away.
fn mask_input<C: Channel>(party: &mut Party<C>, d: &Declared, wires: &mut Wires, next: &mut impl Iterator<Item = usize>, random: &Shares) {
    let zero = vec![Block::ZERO; party.me.stride()];
    for w in d.wires.clone() {
        let (bit, row) = match d.source {
            Source::Public => (false, &zero[..]),
            _ => random.at(next.next().expect("the pool was filled for this plan")),
        };
        wires.masks.push(bit, row);
        if !party.me.is_evaluator() {
            let label = Block::random(&mut party.rng);
            wires.set_labels(w, &[label]);
        }
    }
}

/// The masks of private inputs are opened to their owners (WRK17b, input processing), each with its MACs checked. One round.
async fn open_private_masks<C: Channel>(party: &mut Party<C>, wires: &mut Wires, inputs: &[Declared]) -> Result<(), Error> {
    for owner in PartyId::all(party.n()) {
        let numbers: Vec<u32> = inputs.iter().filter(|d| d.is_private_of(owner)).flat_map(|d| d.wires.clone()).collect();
        if numbers.is_empty() {
            continue;
        }
        let mut shares = Shares::with_capacity(&party.me, numbers.len());
        for &w in &numbers {
            let (bit, row) = wires.masks.at(w as usize);
            shares.push(bit, row);
        }
        if let Some(masks) = open_to(party, &shares, owner).await? {
            numbers.iter().zip(masks.iter()).for_each(|(&w, m)| wires.own.set(w as usize, m));
        }
    }
    Ok(())
}

/// One opening for all ANDs of the plan, then l* of each.
async fn multiply_all<C: Channel>(
    party: &mut Party<C>,
    planned: Vec<Planned>,
    masks: Vec<Masks>,
    triples: Triples,
) -> Result<Vec<Garbled>, Error> {
    let full: usize = planned.iter().map(|p| p.circuit.stats().and_full).sum();
    let mut differences = Shares::with_capacity(&party.me, 2 * full);
    let mut next = 0;
    for (p, m) in planned.iter().zip(&masks) {
        garble::push_differences(&p.circuit, m, &triples, &mut next, &mut differences);
    }
    let opened = open(party, &differences).await?;
    drop(differences);
    let mut next = 0;
    let mut garbled = Vec::new();
    for (p, mut m) in planned.into_iter().zip(masks) {
        garble::multiply(&party.me, &p.circuit, &mut m, &triples, &mut next, &opened);
        let tweaks = party.take_tweaks(p.circuit.stats().ands());
        garbled.push(Garbled { planned: p, masks: m, tweaks, tables: Vec::new() });
    }
    Ok(garbled)
}

/// Garblers send their rows, the evaluator receives them.
async fn exchange_tables<C: Channel>(party: &mut Party<C>, mut garbled: Vec<Garbled>, wires: &mut Wires) -> Result<Vec<Garbled>, Error> {
    let wanted: u64 = garbled.iter().map(|g| g.planned.circuit.stats().ands() as u64).sum();
    let mut done = 0;
    for g in &mut garbled {
        let stats = g.planned.circuit.stats();
        if party.me.is_evaluator() {
            for j in party.comms.others() {
                g.tables.push(garble::receive_tables(party, &g.planned.circuit, j).await?);
            }
        } else {
            garble::send_tables(party, &g.planned, &g.masks, wires, g.tweaks).await?;
        }
        done += stats.ands() as u64;
        party.comms.stats.ands += stats.ands() as u64;
        party.comms.stats.ands_full += stats.and_full as u64;
        party.progress(|sent_bytes| Progress { phase: Phase::Garble, done, wanted, sent_bytes });
    }
    Ok(garbled)
}
