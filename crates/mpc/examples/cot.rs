//! How many correlated OTs one core makes in a second, for each tree size: `cargo run --release -p cotenant-mpc --example cot`.
//!
//! Times one party at a time: the receiver (extend and prove) and the sender (extend and verify), without a network.

use chacha20::ChaCha20Rng;
use cotenant_core::{Block, Digest, PartyId};
use cotenant_mpc::ot::{CHUNK_ROWS, Choices, OtFault, Pair, ReceiverSetup, SenderSetup, SoftReceiver, SoftSender, Width, Workers};
use rand_core::SeedableRng;
use std::time::{Duration, Instant};

const CHUNKS: u32 = 1024;

fn main() -> Result<(), OtFault> {
    println!("{:>2} {:>12} {:>12} {:>10} {:>10}", "k", "receiver M/s", "sender M/s", "bits/COT", "set-up ms");
    measure::<1>()?;
    measure::<2>()?;
    measure::<4>()?;
    measure::<8>()
}

fn measure<const K: usize>() -> Result<(), OtFault> {
    let mut rng = ChaCha20Rng::seed_from_u64(K as u64);
    let delta = Block(Block::random(&mut rng).0 | 1);
    let started = Instant::now();
    let (mut receiver, mut sender) = set_up::<K>(delta, &mut rng)?;
    let set_up = started.elapsed();
    let (mut receiving, mut sending, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    let (mut planes, mut correction) = (Vec::new(), Vec::new());
    let (mut macs, mut keys) = ([Block::ZERO; CHUNK_ROWS], [Block::ZERO; CHUNK_ROWS]);
    for _ in 0..CHUNKS {
        let chunk = receiver.take(CHUNK_ROWS, Width::Full);
        planes.resize(chunk.planes(), Block::ZERO);
        correction.resize(chunk.correction_bytes(K), 0);

        let started = Instant::now();
        let choices = Choices::random(CHUNK_ROWS, Width::Full, &mut rng);
        let received = receiver.extend(chunk, &choices, &mut planes, &mut correction);
        let seed = received.challenge(&correction);
        let (checked, digest) = received.prove(seed);
        checked.rows(&mut macs);
        let answer = choices.answer(seed);
        receiving += started.elapsed();

        let started = Instant::now();
        let chunk = sender.take(CHUNK_ROWS, Width::Full);
        let sent = sender.extend(chunk, &correction, &mut planes)?;
        let seed = sent.challenge(&correction);
        sent.verify(seed, &answer, &digest)?.rows(&mut keys);
        sending += started.elapsed();
        bytes += correction.len();
        assert!(macs.iter().zip(&keys).all(|(m, k)| m.0 == (*k ^ delta.when(m.lsb())).0));
    }
    let total = f64::from(CHUNKS) * CHUNK_ROWS as f64;
    let rate = |t: Duration| total / t.as_secs_f64() / 1e6;
    let bits_each = 8.0 * bytes as f64 / total;
    println!("{K:>2} {:>12.1} {:>12.1} {bits_each:>10.1} {:>10.1}", rate(receiving), rate(sending), set_up.as_secs_f64() * 1e3);
    Ok(())
}

fn set_up<const K: usize>(delta: Block, rng: &mut ChaCha20Rng) -> Result<(SoftReceiver<K>, SoftSender<K>), OtFault> {
    let pair = Pair { session: Digest([0; 32]), sender: PartyId::new(1), receiver: PartyId::new(0) };
    let (receiver, points) = ReceiverSetup::start(pair, &Workers::ONE, rng);
    let (sender, choices) = SenderSetup::start(pair, delta, &Workers::ONE, rng);
    let (receiver, trees) = receiver.finish(&choices, &Workers::ONE)?;
    Ok((receiver, sender.keys(&points, &Workers::ONE)?.finish(&trees)?))
}
