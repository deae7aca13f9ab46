//! How many correlated OTs one core makes in a second, for each tree size: `cargo run --release -p cotenant-mpc --example cot`.
//!
//! Times one party at a time: the receiver (extend and check) and the sender (extend and verify), without a network.

use chacha20::ChaCha20Rng;
use cotenant_core::{Bits, Block, Digest, PartyId};
use cotenant_mpc::ot::{Choices, OtFault, Pair, ReceiverSetup, SenderSetup, SoftReceiver, SoftSender};
use rand_core::SeedableRng;
use std::time::{Duration, Instant};

const COUNT: usize = 1 << 20;
const ROUNDS: u32 = 8;

fn main() -> Result<(), OtFault> {
    println!("{:>2} {:>12} {:>12} {:>10} {:>10}", "k", "receiver M/s", "sender M/s", "bits/COT", "set-up ms");
    measure::<1>()?;
    measure::<2>()?;
    measure::<4>()?;
    measure::<8>()
}

fn measure<const K: usize>() -> Result<(), OtFault> {
    let mut rng = ChaCha20Rng::seed_from_u64(K as u64);
    let started = Instant::now();
    let (mut receiver, mut sender) = set_up::<K>(&mut rng)?;
    let set_up = started.elapsed();
    let (mut receiving, mut sending, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    for round in 0..ROUNDS {
        let bits = Bits::random(COUNT, &mut rng);
        let seed = Block(round.into());

        let started = Instant::now();
        let choices = Choices::new(&bits, &mut rng);
        let (received, correction) = receiver.extend(&choices);
        let (macs, digest) = received.check(seed);
        let answer = choices.answer(seed);
        receiving += started.elapsed();

        let started = Instant::now();
        let keys = sender.extend(COUNT, &correction)?.verify(seed, answer, &digest)?;
        sending += started.elapsed();
        bytes += correction.len();
        assert_eq!(macs.len(), keys.len());
    }
    let total = f64::from(ROUNDS) * COUNT as f64;
    let rate = |t: Duration| total / t.as_secs_f64() / 1e6;
    let bits_each = 8.0 * bytes as f64 / total;
    println!("{K:>2} {:>12.1} {:>12.1} {bits_each:>10.1} {:>10.1}", rate(receiving), rate(sending), set_up.as_secs_f64() * 1e3);
    Ok(())
}

fn set_up<const K: usize>(rng: &mut ChaCha20Rng) -> Result<(SoftReceiver<K>, SoftSender<K>), OtFault> {
    let pair = Pair { session: Digest([0; 32]), sender: PartyId::new(1), receiver: PartyId::new(0) };
    let (receiver, points) = ReceiverSetup::start(pair, rng);
    let (sender, choices) = SenderSetup::start(pair, Block::random(rng), rng);
    let (receiver, trees) = receiver.finish(&choices)?;
    Ok((receiver, sender.finish(&points, &trees)?))
}
