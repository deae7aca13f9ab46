//! What this machine can do at the moment of a run, so that figures of loaded and of different machines can be compared as ratios.

use crate::error::Error;
use cotenant_core::{Block, prg::Prg};
use serde::{Deserialize, Serialize};
use std::{
    hint::black_box,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// For how long each of the three is measured.
const TIME: Duration = Duration::from_millis(300);

/// Bytes written at once.
const CHUNK: usize = 1 << 18;

/// AES blocks made at once: 16 KiB, which stay in the first cache.
const STREAM: usize = 1 << 10;

/// Bytes copied at once, far more than caches hold. As many are read as are written.
const COPY: usize = 128 << 20;

/// Three measures of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// AES-128 blocks that one core makes in a second in counter mode, by the generator that the engine uses.
    pub aes_blocks_per_s: f64,
    /// Gbit/s over one plain TCP connection of the loopback interface, one way.
    pub tcp_gbit: f64,
    /// 10^9 bytes that one core copies in a second from one part of memory to another; each is read once and written once.
    pub copy_gb_per_s: f64,
}

/// Measures this machine, for about a second.
///
/// # Errors
/// [`Error::Io`] if there are no sockets.
pub fn calibrate() -> Result<Calibration, Error> {
    let tcp_gbit = tcp_gbit().map_err(Error::io("cannot measure TCP on the loopback interface"))?;
    Ok(Calibration { aes_blocks_per_s: aes_blocks_per_s(), tcp_gbit, copy_gb_per_s: copy_gb_per_s() })
}

fn aes_blocks_per_s() -> f64 {
    let mut stream = Prg::new(Block(7));
    let mut blocks = [Block::ZERO; STREAM];
    let times = repeat(|| {
        stream.fill(&mut blocks);
        black_box(&blocks);
    });
    times * STREAM as f64
}

fn copy_gb_per_s() -> f64 {
    // Not zero, so that every page has memory of its own.
    let mut memory = vec![1u8; 2 * COPY];
    let (from, to) = memory.split_at_mut(COPY);
    let times = repeat(|| black_box(&mut *to).copy_from_slice(black_box(from)));
    times * COPY as f64 / 1e9
}

/// How often a second `work` can be done.
fn repeat(mut work: impl FnMut()) -> f64 {
    let (started, mut times) = (Instant::now(), 0u64);
    while started.elapsed() < TIME {
        work();
        times += 1;
    }
    times as f64 / started.elapsed().as_secs_f64()
}

fn tcp_gbit() -> std::io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    let started = Instant::now();
    let writing = thread::spawn(move || {
        let chunk = vec![0; CHUNK];
        while started.elapsed() < TIME {
            sender.write_all(&chunk)?;
        }
        Ok::<_, std::io::Error>(())
    });
    let (mut buffer, mut bytes) = (vec![0; CHUNK], 0);
    loop {
        match receiver.read(&mut buffer)? {
            0 => break,
            count => bytes += count,
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    writing.join().expect("the writing thread does not panic")?;
    Ok(bytes as f64 * 8e-9 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_does_something() {
        let Calibration { aes_blocks_per_s, tcp_gbit, copy_gb_per_s } = calibrate().unwrap();
        assert!([aes_blocks_per_s, tcp_gbit, copy_gb_per_s].iter().all(|&figure| figure > 0.0 && figure.is_finite()));
    }
}
