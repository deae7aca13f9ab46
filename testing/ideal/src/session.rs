//! A session that takes its plan.

use crate::{
    call::{Call, Item, Planned},
    meeting::Seat,
    online::Ideal,
};
use cotenant_circuit::Circuit;
use cotenant_core::{Digest, PartyId};
use cotenant_mpc::{Engine, Error, Input, MAX_PARTIES, Misuse, Segment, Source, Stats, Tag, Wire};
use std::{ops::Range, sync::Arc};

/// A session of the ideal engine, before it is sealed.
pub struct IdealSession {
    tag: Tag,
    seat: Seat,
    /// Whether a wire is public, by wire number.
    public: Vec<bool>,
    items: Vec<Item>,
    segments: Vec<Option<Arc<Planned>>>,
    stats: Stats,
    misuse: Option<Misuse>,
    stocked: bool,
}

impl IdealSession {
    /// Starts a session when all parties do.
    ///
    /// # Errors
    /// [`Misuse::Parties`] for fewer than 2 or more than [`MAX_PARTIES`] parties; a failed check if the parties did not agree on the same.
    pub async fn start(mut seat: Seat, agreed: Digest) -> Result<IdealSession, Error> {
        if !(2..=MAX_PARTIES).contains(&seat.parties()) {
            return Err(Misuse::Parties.into());
        }
        seat.meet(Call::Start(agreed)).await?;
        Ok(IdealSession {
            tag: Tag::fresh(),
            seat,
            public: Vec::new(),
            items: Vec::new(),
            segments: Vec::new(),
            stats: Stats::default(),
            misuse: None,
            stocked: false,
        })
    }

    fn add_wires(&mut self, count: usize, public: bool) -> Range<u32> {
        let first = self.public.len();
        self.public.resize(first + count, public);
        let number = |wire: usize| u32::try_from(wire).expect("a plan has fewer than 2^32 wires");
        number(first)..number(first + count)
    }
}

impl Engine for IdealSession {
    type Online = Ideal;

    fn me(&self) -> PartyId {
        self.seat.party()
    }

    fn parties(&self) -> usize {
        self.seat.parties()
    }

    fn declare(&mut self, source: Source, len: usize) -> Input {
        if matches!(source, Source::Private(p) if p.index() >= self.parties()) {
            self.misuse = Some(Misuse::WrongInput);
        }
        self.items.push(Item::Input(source, len));
        Input::new(self.tag, source, self.add_wires(len, source == Source::Public))
    }

    fn segment(&mut self, circuit: &Arc<Circuit>, inputs: &[Wire]) -> Result<Segment, Error> {
        if inputs.len() != circuit.inputs() {
            return Err(Misuse::Count.into());
        }
        let inputs = inputs.iter().map(|w| w.number(self.tag)).collect::<Result<Vec<u32>, Misuse>>()?;
        for (i, &w) in inputs.iter().enumerate() {
            let public = *self.public.get(w as usize).ok_or(Misuse::Foreign)?;
            if circuit.input_is_public(i) && !public {
                return Err(Misuse::NotPublic.into());
            }
        }
        self.items.push(Item::Segment(circuit.digest(), inputs.clone()));
        let outputs = self.add_wires(circuit.outputs().len(), false);
        let planned = Planned { circuit: circuit.clone(), inputs, outputs: outputs.clone() };
        self.segments.push(Some(Arc::new(planned)));
        self.stats.ands += circuit.stats().ands() as u64;
        self.stats.ands_full += circuit.stats().and_full as u64;
        Ok(Segment::new(self.tag, self.segments.len() - 1, outputs))
    }

    async fn stock(mut self, ands: usize) -> Result<Self, Error> {
        if std::mem::replace(&mut self.stocked, true) {
            return Err(Misuse::Stocked.into());
        }
        self.seat.meet(Call::Stock(ands)).await?;
        Ok(self)
    }

    async fn seal(mut self) -> Result<Ideal, Error> {
        if let Some(misuse) = self.misuse {
            return Err(misuse.into());
        }
        self.seat.meet(Call::Seal(self.items)).await?;
        Ok(Ideal::new(self.tag, self.seat, self.segments, self.stats))
    }
}
