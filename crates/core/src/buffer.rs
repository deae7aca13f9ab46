//! Large arrays of secrets: zero at first, on huge pages where the system has them, erased when dropped.
//!
//! The first touch of a fresh page of 4 KiB costs the kernel more than the arithmetic on what it holds costs us; a huge page is 512 of them in one.

use crate::Block;
use bytemuck::Pod;
use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};
use zeroize::{DefaultIsZeroes, Zeroize};

/// From this size on a buffer is a mapping of its own.
const MAPPED: usize = 1 << 20;

/// A fixed number of elements, all zero at first; erased when dropped, never written to a core dump if it is large.
pub struct Buffer<T: Pod + DefaultIsZeroes = Block> {
    memory: Memory<T>,
    len: usize,
}

/// A buffer of words.
pub type Words = Buffer<u64>;

enum Memory<T> {
    Heap(Vec<T>),
    Mapped(MmapMut),
}

impl<T: Pod + DefaultIsZeroes> Buffer<T> {
    /// `len` elements, all zero.
    pub fn zeroed(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        let mapped = if bytes < MAPPED { None } else { map(bytes) };
        Buffer { memory: mapped.map_or_else(|| Memory::Heap(vec![T::zeroed(); len]), Memory::Mapped), len }
    }
}

/// A mapping of `bytes` bytes, if the system grants it.
fn map(bytes: usize) -> Option<MmapMut> {
    let map = MmapMut::map_anon(bytes).ok()?;
    #[cfg(target_os = "linux")]
    {
        use memmap2::Advice;
        // A kernel without huge pages, or that writes no core dumps, refuses; the buffer works all the same.
        let _ = map.advise(Advice::HugePage);
        let _ = map.advise(Advice::DontDump);
    }
    Some(map)
}

impl<T: Pod + DefaultIsZeroes> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match &self.memory {
            Memory::Heap(v) => v,
            Memory::Mapped(m) => &bytemuck::cast_slice(m)[..self.len],
        }
    }
}

impl<T: Pod + DefaultIsZeroes> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.memory {
            Memory::Heap(v) => v,
            Memory::Mapped(m) => &mut bytemuck::cast_slice_mut(m)[..self.len],
        }
    }
}

impl<T: Pod + DefaultIsZeroes> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.deref_mut().zeroize();
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
    fn only_large_ones_are_mapped() {
        let mapped = |len| matches!(Buffer::<Block>::zeroed(len).memory, Memory::Mapped(_));
        assert!(!mapped(MAPPED / 16 - 1) && mapped(MAPPED / 16));
    }
}
