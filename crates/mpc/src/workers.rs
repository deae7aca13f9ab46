//! The threads of one party: independent pieces of a step, side by side.
//!
//! A session has as many as its caller allows. Nothing that a party sends depends on how many there are.

use cotenant_core::{Block, buffer::Buffer};
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use std::{num::NonZeroUsize, sync::Mutex};

/// The threads of one session; with one, everything runs on the caller's.
pub struct Workers(Option<rayon::ThreadPool>);

impl Workers {
    /// The caller's thread alone.
    pub const ONE: Workers = Workers(None);

    /// As many, or one if the system refuses.
    pub(crate) fn new(threads: NonZeroUsize) -> Workers {
        let build = || rayon::ThreadPoolBuilder::new().num_threads(threads.get()).build().ok();
        Workers((threads.get() > 1).then(build).flatten())
    }

    /// How many there are.
    pub(crate) fn threads(&self) -> usize {
        self.0.as_ref().map_or(1, rayon::ThreadPool::current_num_threads)
    }

    /// How many pieces to work on at once: one, or several a thread, so that they seldom wait for each other.
    pub(crate) fn width(&self) -> usize {
        if self.threads() > 1 { self.burst() } else { 1 }
    }

    /// How many pieces of a stream to work on before their messages are sent, also with one thread: links are woken up for several at a time.
    pub(crate) fn burst(&self) -> usize {
        4 * self.threads()
    }

    /// `f` of every item, in order. One item is not worth a thread's waking up.
    pub(crate) fn map<T: Send, R: Send>(&self, items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
        match &self.0 {
            Some(pool) if items.len() > 1 => pool.install(|| items.into_par_iter().map(f).collect()),
            _ => items.into_iter().map(f).collect(),
        }
    }
}

/// Memory for pieces of work, kept from one to the next: fresh memory costs more than what is computed in it.
pub(crate) struct Scratch {
    free: Mutex<Vec<Buffer>>,
    len: usize,
}

impl Scratch {
    /// Of `len` blocks a piece.
    pub(crate) fn new(len: usize) -> Scratch {
        Scratch { free: Mutex::default(), len }
    }

    /// Calls `f` with blocks of unknown content.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut [Block]) -> R) -> R {
        let free = self.free.lock().expect("no holder panics").pop();
        let mut buffer = free.unwrap_or_else(|| Buffer::zeroed(self.len));
        let result = f(&mut buffer);
        self.free.lock().expect("no holder panics").push(buffer);
        result
    }
}
