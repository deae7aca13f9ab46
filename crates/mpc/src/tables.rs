//! The tables of a whole plan, from the garblers to the evaluator, segment by segment.

use crate::{
    error::Error,
    garble::{self, Garbled, Masks, Places, Planned, Rows, Tables, rows_per_gate},
    party::Party,
    stats::Task,
    waves::waves,
    wires::Wires,
};
use cotenant_core::{Channel, PartyId, buffer::Buffer};
use std::{ops::Range, sync::Arc};

/// The most blocks of rows that share a piece of memory, unless one segment has more: 8 MiB, so that the memory of batches fits.
const SHARED: usize = 1 << 19;

/// Garblers send their rows, the evaluator receives them.
pub(crate) async fn exchange<C: Channel>(
    party: &mut Party<C>,
    planned: Vec<(Planned, Places)>,
    masks: &Masks,
    wires: &mut Wires,
) -> Result<Vec<Garbled>, Error> {
    party.begin(Task::Tables, planned.iter().map(|(p, _)| p.circuit.stats().ands() as u64).sum());
    let mut garbled = Vec::new();
    for group in groups(party, planned) {
        let tweaks: Vec<u64> = group.iter().map(|(p, _)| party.take_tweaks(p.circuit.stats().ands())).collect();
        let tables = if party.me.is_evaluator() {
            receive_group(party, &group).await?
        } else {
            send_group(party, &group, &tweaks, masks, wires).await?;
            group.iter().map(|_| None).collect()
        };
        for (((planned, places), tweaks), tables) in group.into_iter().zip(tweaks).zip(tables) {
            let stats = planned.circuit.stats();
            party.comms.stats.ands += stats.ands() as u64;
            party.comms.stats.ands_full += stats.and_full as u64;
            party.advance(stats.ands() as u64);
            garbled.push(Garbled { planned, places, tweaks, tables });
        }
    }
    Ok(garbled)
}

/// Segments whose rows share memory; at a garbler those of them alone that do not wait for each other, one a thread.
fn groups<C: Channel>(party: &Party<C>, planned: Vec<(Planned, Places)>) -> Vec<Vec<(Planned, Places)>> {
    let per_gate = rows_per_gate(party.n());
    if party.me.is_evaluator() {
        return together(planned, per_gate);
    }
    let waves = waves(planned, party.workers.threads(), |(planned, _)| planned);
    waves.into_iter().flat_map(|wave| together(wave, per_gate)).collect()
}

/// Puts segments together whose rows share memory.
fn together(planned: Vec<(Planned, Places)>, per_gate: usize) -> Vec<Vec<(Planned, Places)>> {
    let (mut groups, mut blocks) = (Vec::<Vec<_>>::new(), 0);
    for segment in planned {
        let more = segment.0.circuit.stats().ands() * per_gate;
        match groups.last_mut() {
            Some(group) if blocks + more <= SHARED => {
                blocks += more;
                group.push(segment);
            }
            _ => {
                blocks = more;
                groups.push(vec![segment]);
            }
        }
    }
    groups
}

/// Garbles segments side by side, and sends their rows in order.
async fn send_group<C: Channel>(
    party: &mut Party<C>,
    group: &[(Planned, Places)],
    tweaks: &[u64],
    masks: &Masks,
    wires: &mut Wires,
) -> Result<(), Error> {
    let Party { comms, me, hash, workers, .. } = party;
    // A segment alone is sent as it is garbled. Of several, all messages are made before, in as much memory as their rows take.
    let ahead = if group.len() > 1 { usize::MAX } else { 0 };
    let labels: &Wires = wires;
    let begun = workers.map(group.iter().zip(tweaks).collect(), |(segment, &tweaks)| {
        let mut walk = garble::walk(me, hash, segment, masks, labels, tweaks);
        let messages: Vec<Vec<u8>> = walk.by_ref().take(ahead).collect();
        (walk, messages)
    });
    for (mut walk, messages) in begun {
        for message in messages.into_iter().chain(&mut walk) {
            comms.send(PartyId::EVALUATOR, message).await?;
        }
        walk.end(wires);
    }
    let ands: usize = group.iter().map(|(planned, _)| planned.circuit.stats().ands()).sum();
    // Four hashes of two blocks a gate, for the evaluator and for each other garbler.
    comms.stats.aes_blocks += (8 * (me.n() - 1) * ands) as u64;
    Ok(())
}

/// What the garblers sent for each segment of a group.
async fn receive_group<C: Channel>(party: &mut Party<C>, group: &[(Planned, Places)]) -> Result<Vec<Option<Tables>>, Error> {
    let per_gate = rows_per_gate(party.n());
    let rows = |planned: &Planned| planned.circuit.stats().ands() * per_gate;
    let all = group.iter().map(|(planned, _)| rows(planned)).sum();
    let mut memory: Vec<Buffer> = party.me.others().map(|_| Buffer::zeroed(all)).collect();
    let (mut received, mut end) = (Vec::new(), 0);
    for (planned, _) in group {
        let range = end..end + rows(planned);
        end = range.end;
        let mut of_segment: Vec<_> = memory.iter_mut().map(|memory| &mut memory[range.clone()]).collect();
        received.push((range, garble::receive_tables(party, &planned.circuit, &mut of_segment).await?));
    }
    let memory: Vec<Arc<Buffer>> = memory.into_iter().map(Arc::new).collect();
    let rows = |range: &Range<usize>| memory.iter().map(|memory| Rows { memory: memory.clone(), range: range.clone() }).collect();
    Ok(received.into_iter().map(|(range, b)| Some(Tables { rows: rows(&range), b })).collect())
}
