//! Large arrays of secrets: zero at first, on huge pages where the system has them, erased when dropped, and then used again.
//!
//! The first touch of a fresh page of 4 KiB costs the kernel more than the arithmetic on what it holds costs us; a huge page is 512 of them in one. Even
//! those have to be cleared, and on a virtual machine perhaps found, so a large buffer that is dropped is erased and kept for the next one of about its
//! size. [`trim`] gives what is kept back to the system.

use crate::Block;
use bytemuck::Pod;
use memmap2::MmapMut;
use std::{
    ops::{Deref, DerefMut},
    sync::Mutex,
};
use zeroize::{DefaultIsZeroes, Zeroize};

/// From this size on a buffer is a mapping of its own.
const MAPPED: usize = 1 << 20;

/// A huge page. Mappings begin where one does.
const HUGE: usize = 2 << 20;

/// A small page. Mappings are whole ones, and what does not fill a huge page at the end is on small ones.
const PAGE: usize = 4 << 10;

/// A fixed number of elements, all zero at first; erased when dropped, never written to a core dump if it is large.
pub struct Buffer<T: Pod + DefaultIsZeroes = Block> {
    memory: Memory<T>,
    len: usize,
}

/// A buffer of words.
pub type Words = Buffer<u64>;

enum Memory<T> {
    Heap(Vec<T>),
    /// None only while it is dropped.
    Mapped(Option<Mapping>),
}

/// Whole pages.
struct Mapping {
    map: MmapMut,
    /// Where the first huge page begins.
    offset: usize,
    len: usize,
}

/// What is used again may be so many times too large.
const MANY: usize = 16;

/// Mappings that nobody uses. All are zero.
static KEPT: Mutex<Vec<Mapping>> = Mutex::new(Vec::new());

/// Gives back to the system what is kept for later.
pub fn trim() {
    KEPT.lock().expect("no holder panics").clear();
}

impl<T: Pod + DefaultIsZeroes> Buffer<T> {
    /// `len` elements, all zero.
    pub fn zeroed(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        let mapped = if bytes < MAPPED { None } else { Mapping::of(bytes) };
        Buffer { memory: mapped.map_or_else(|| Memory::Heap(vec![T::zeroed(); len]), |m| Memory::Mapped(Some(m))), len }
    }
}

impl Mapping {
    /// At least `bytes` bytes, kept ones if there are such of about that size; none if the system grants no more.
    fn of(bytes: usize) -> Option<Mapping> {
        let len = bytes.next_multiple_of(PAGE);
        Mapping::kept(len).or_else(|| Mapping::fresh(len))
    }

    /// The smallest that is kept and large enough, but not so large that most of it would lie idle.
    fn kept(len: usize) -> Option<Mapping> {
        let mut kept = KEPT.lock().expect("no holder panics");
        let fits = kept.iter().enumerate().filter(|(_, m)| m.len >= len && m.len / MANY <= len);
        let best = fits.min_by_key(|(_, m)| m.len).map(|(i, _)| i)?;
        Some(kept.swap_remove(best))
    }

    fn fresh(len: usize) -> Option<Mapping> {
        let map = MmapMut::map_anon(len + HUGE).ok()?;
        let offset = (map.as_ptr() as usize).next_multiple_of(HUGE) - map.as_ptr() as usize;
        #[cfg(target_os = "linux")]
        {
            use memmap2::Advice;
            // A kernel without huge pages, or that writes no core dumps, refuses; the buffer works all the same.
            let _ = map.advise_range(Advice::HugePage, offset, len / HUGE * HUGE);
            let _ = map.advise(Advice::DontDump);
        }
        Some(Mapping { map, offset, len })
    }

    fn bytes(&self) -> &[u8] {
        &self.map[self.offset..][..self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.offset..][..self.len]
    }
}

impl<T: Pod + DefaultIsZeroes> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match &self.memory {
            Memory::Heap(v) => v,
            Memory::Mapped(m) => &bytemuck::cast_slice(m.as_ref().expect("taken by drop alone").bytes())[..self.len],
        }
    }
}

impl<T: Pod + DefaultIsZeroes> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.memory {
            Memory::Heap(v) => v,
            Memory::Mapped(m) => &mut bytemuck::cast_slice_mut(m.as_mut().expect("taken by drop alone").bytes_mut())[..self.len],
        }
    }
}

impl<T: Pod + DefaultIsZeroes> Drop for Buffer<T> {
    fn drop(&mut self) {
        match &mut self.memory {
            Memory::Heap(v) => v.as_mut_slice().zeroize(),
            Memory::Mapped(m) => {
                let mut mapping = m.take().expect("taken by drop alone");
                // Whoever gets the mapping next reads these zeros, so the compiler has to write them.
                mapping.bytes_mut()[..self.len * size_of::<T>()].fill(0);
                KEPT.lock().expect("no holder panics").push(mapping);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_ones_are_zero_and_hold_what_is_written() {
        for len in [0, 1, 1000, MAPPED / 16 - 1, MAPPED / 16, MAPPED / 16 + 1, 200_001] {
            let mut b: Buffer = Buffer::zeroed(len);
            assert_eq!(b.len(), len);
            assert!(b.iter().all(|x| x.0 == 0));
            b.iter_mut().zip(0..).for_each(|(x, n)| x.0 = n << 64 | 1);
            assert!(b.iter().zip(0..).all(|(x, n)| x.0 == n << 64 | 1));
            let mut w = Words::zeroed(len);
            w.fill(len as u64);
            assert_eq!(w.iter().map(|&x| x as usize).sum::<usize>(), len * len);
        }
    }

    #[test]
    fn only_large_ones_are_mapped_and_those_are_used_again_all_zero() {
        let mapped = |len| matches!(Buffer::<Block>::zeroed(len).memory, Memory::Mapped(_));
        assert!(!mapped(MAPPED / 16 - 1) && mapped(MAPPED / 16));
        // A size that no other test has.
        let len = 3 * HUGE / 16 + 5;
        let mut first: Buffer = Buffer::zeroed(len);
        first.iter_mut().for_each(|b| b.0 = u128::MAX);
        let place = first.as_ptr() as usize;
        assert!(place.is_multiple_of(HUGE));
        drop(first);
        let again: Buffer = Buffer::zeroed(len - 1);
        assert_eq!(again.as_ptr() as usize, place);
        assert!(again.iter().all(|b| b.0 == 0));
        let other: Buffer = Buffer::zeroed(len);
        assert_ne!(other.as_ptr() as usize, place, "that one is in use");
    }
}
