//! What this machine can do at the moment of a run, so that figures of loaded and of different machines can be compared as ratios.

use crate::error::Error;
use aes::{
    Aes128Enc,
    cipher::{Array, BlockCipherEncrypt, KeyInit},
};
use serde::{Deserialize, Serialize};
use std::{
    hint::black_box,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// For how long each of the two is measured.
const TIME: Duration = Duration::from_millis(300);

/// Bytes written at once.
const CHUNK: usize = 1 << 18;

/// Two measures of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// AES-128 blocks that one core enciphers in a second, eight at a time under one key.
    pub aes_blocks_per_s: f64,
    /// Gbit/s over one plain TCP connection of the loopback interface, one way.
    pub tcp_gbit: f64,
}

/// Measures this machine, for about 0.6 s.
///
/// # Errors
/// [`Error::Io`] if there are no sockets.
pub fn calibrate() -> Result<Calibration, Error> {
    let tcp_gbit = tcp_gbit().map_err(Error::io("cannot measure TCP on the loopback interface"))?;
    Ok(Calibration { aes_blocks_per_s: aes_blocks_per_s(), tcp_gbit })
}

fn aes_blocks_per_s() -> f64 {
    let cipher = Aes128Enc::new(&Array([7; 16]));
    let mut blocks = [Array([0; 16]); 8];
    let (started, mut done) = (Instant::now(), 0u64);
    while started.elapsed() < TIME {
        for _ in 0..1000 {
            cipher.encrypt_blocks(&mut blocks);
        }
        done += 8000;
    }
    black_box(blocks);
    done as f64 / started.elapsed().as_secs_f64()
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
        let calibration = calibrate().unwrap();
        assert!(calibration.aes_blocks_per_s > 0.0 && calibration.tcp_gbit > 0.0, "{calibration:?}");
    }
}
