//! The XORs that wait to be written.
//!
//! Those with one operand in a slot are in a list of that slot, so that they are found before its wire is made.

use super::emit::Pending;

const NONE: u32 = u32::MAX;

/// Waiting XORs by index.
#[derive(Default)]
pub(super) struct Waiting {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// For every slot the first of its list.
    heads: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Entry {
    gate: Pending,
    /// Slot of the operand that has one, and neighbours in its list; all `NONE` if no operand has.
    slot: u32,
    previous: u32,
    next: u32,
}

impl Waiting {
    /// Adds an XOR, one of whose operands may be in a slot.
    pub(super) fn add(&mut self, gate: Pending, slot: Option<u32>) -> u32 {
        let index = self.free.pop().unwrap_or(self.entries.len() as u32);
        let mut entry = Entry { gate, slot: NONE, previous: NONE, next: NONE };
        if let Some(slot) = slot {
            self.heads.resize(self.heads.len().max(slot as usize + 1), NONE);
            let head = std::mem::replace(&mut self.heads[slot as usize], index);
            if head != NONE {
                self.entries[head as usize].previous = index;
            }
            (entry.slot, entry.next) = (slot, head);
        }
        match self.entries.get_mut(index as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        index
    }

    pub(super) fn get(&self, index: u32) -> Pending {
        self.entries[index as usize].gate
    }

    /// An XOR with an operand in `slot`.
    pub(super) fn user_of(&self, slot: u32) -> Option<u32> {
        self.heads.get(slot as usize).copied().filter(|&head| head != NONE)
    }

    pub(super) fn remove(&mut self, index: u32) -> Pending {
        let Entry { gate, slot, previous, next } = self.entries[index as usize];
        if previous != NONE {
            self.entries[previous as usize].next = next;
        } else if slot != NONE {
            self.heads[slot as usize] = next;
        }
        if next != NONE {
            self.entries[next as usize].previous = previous;
        }
        self.free.push(index);
        gate
    }
}
