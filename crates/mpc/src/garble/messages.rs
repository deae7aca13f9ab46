//! The messages that a segment's rows are sent in, at both ends.

use super::{Garbler, Masks, Places, Planned, rows_per_gate};
use crate::{kind::Kind, party::Party, shares::Me, wires::Wires};
use cotenant_circuit::{Circuit, Output, RUN, Run};
use cotenant_core::{
    Bits, Block, Channel, PartyId,
    codec::{BadFormat, Reader},
    hash::Tmmo,
};

/// A message of tables ends with the run that fills this many gates.
pub(super) const STRETCH: usize = 2048;

/// The garbler's walk: labels through the circuit, one message for the evaluator after the other.
pub(crate) struct Walk<'a, R> {
    planned: &'a Planned,
    garbler: Garbler<'a>,
    runs: R,
    gates: Stretches,
}

/// Starts the walk of one segment, whose first gate has the tweaks number `tweaks`.
pub(crate) fn walk<'a>(
    me: &'a Me,
    hash: &'a Tmmo,
    (planned, places): &'a (Planned, Places),
    masks: &'a Masks,
    wires: &Wires,
    tweaks: u64,
) -> Walk<'a, impl Iterator<Item = Run<'a>> + use<'a>> {
    let circuit = &*planned.circuit;
    let mut garbler = Garbler::new(me, hash, circuit, places, masks, tweaks);
    for (slot, &w) in planned.inputs.iter().enumerate() {
        garbler.labels.set(slot, wires.labels(w)[0]);
    }
    Walk { planned, garbler, runs: circuit.runs(), gates: Stretches::new(circuit) }
}

impl<'a, R: Iterator<Item = Run<'a>>> Iterator for Walk<'a, R> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let Walk { garbler, runs, gates, .. } = self;
        let mut message = gates.message(garbler.me.n());
        for run in runs {
            garbler.labels.xors(run.xors);
            garbler.run(run.ands, &mut message);
            if gates.ends_with(run.ands.len()) {
                let b = garbler.take_b();
                if garbler.me.id() == PartyId::new(1) {
                    message.extend(b.to_packed());
                }
                return Some(message);
            }
        }
        None
    }
}

impl<R> Walk<'_, R> {
    /// Gives the outputs their labels, once there is no further message.
    pub(crate) fn end(self, wires: &mut Wires) {
        for (w, output) in self.planned.outputs.clone().zip(self.planned.circuit.outputs()) {
            let label = match *output {
                Output::Slot { slot, .. } => self.garbler.labels.get(slot),
                Output::Const(_) => Block::ZERO,
            };
            wires.set_labels(w, &[label]);
        }
    }
}

/// The evaluator's side of [`Walk`]: receives all garblers' rows, and b_g of P2's. It reads one message of each garbler after the other, so that what waits in
/// the links is only what a garbler is ahead of the slowest.
pub(crate) async fn receive_tables<C: Channel>(
    party: &mut Party<C>,
    circuit: &Circuit,
    rows: &mut [&mut [Block]],
) -> Result<Bits, crate::Error> {
    let per_gate = rows_per_gate(party.n());
    let mut b = Bits::default();
    let (mut done, mut gates, mut stretches) = (0, 0, Stretches::new(circuit));
    for run in circuit.runs() {
        gates += run.ands.len();
        if !stretches.ends_with(run.ands.len()) {
            continue;
        }
        for (from, rows) in party.comms.others().zip(&mut *rows) {
            let rows = bytemuck::cast_slice_mut(&mut rows[done * per_gate..][..gates * per_gate]);
            let sends_b = from == PartyId::new(1);
            let read = |r: &mut Reader<'_>| -> Result<_, BadFormat> {
                rows.copy_from_slice(r.bytes(rows.len())?);
                if sends_b { r.bits(gates) } else { Ok(Bits::default()) }
            };
            b.extend(&party.comms.recv_read(from, Kind::Tables, read).await?);
        }
        done += std::mem::take(&mut gates);
    }
    Ok(b)
}

/// Cuts a segment's gates into messages: of whole runs, each of [`STRETCH`] gates or up to a run more, but for the last.
pub(super) struct Stretches {
    left: usize,
    gates: usize,
}

impl Stretches {
    pub(super) fn new(circuit: &Circuit) -> Stretches {
        Stretches { left: circuit.stats().ands(), gates: 0 }
    }

    /// Whether a message ends after a run of so many gates.
    pub(super) fn ends_with(&mut self, ands: usize) -> bool {
        self.left -= ands;
        self.gates += ands;
        let ends = ands > 0 && (self.gates >= STRETCH || self.left == 0);
        if ends {
            self.gates = 0;
        }
        ends
    }

    /// An empty message with room for the next stretch.
    fn message(&self, n: usize) -> Vec<u8> {
        let gates = self.left.min(STRETCH + RUN);
        let mut message = Vec::with_capacity(1 + gates * 16 * rows_per_gate(n) + gates.div_ceil(8));
        message.push(Kind::Tables as u8);
        message
    }
}
