//! `cotenant-bench cot`: maliciously secure correlated oblivious transfers in one direction, between two processes.
//!
//! P1 is the receiver, P2 the sender with the global key. Each chunk is extended, checked and turned to rows as in a session of two parties: the seed of its
//! check is a hash of its correction.

use crate::{
    calibrate::{Calibration, calibrate},
    error::Error,
    processes::{self, Party, Place},
    table::{self, Rows},
};
use chacha20::ChaCha20Rng;
use cotenant::party::{fresh_rng, on_own_thread};
use cotenant_core::{
    Block, Channel, Digest, PartyId,
    buffer::Buffer,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_mpc::ot::{CHUNK_ROWS, Choices, OtFault, Pair, ReceiverSetup, SenderSetup, SoftReceiver, SoftSender, Width, Workers};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use zeroize::Zeroizing;

const RECEIVER: PartyId = PartyId::EVALUATOR;

/// Correlated OTs of a batch, made in chunks.
const BATCH: usize = 1 << 20;

/// What each party's process does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Bits of the global key that one tree covers: 1, 2, 4 or 8.
    pub k: usize,
    /// Batches of 2^20.
    pub batches: usize,
}

/// What one party measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    setup_s: f64,
    extend_s: f64,
    sent_bytes: usize,
}

/// What is printed. Times are those of the party that took longest.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Bits of the global key that one tree covers.
    pub k: usize,
    /// Transfers made.
    pub cots: u64,
    /// Base OTs and trees.
    pub setup_s: f64,
    /// Extension and checks.
    pub extend_s: f64,
    /// `cots / extend_s`.
    pub cot_per_s: f64,
    /// Sent both ways, after the set-up.
    pub bytes_per_cot: f64,
    /// What this machine could do just before.
    pub calibration: Calibration,
}

/// Measures; prints nothing.
///
/// # Errors
/// What failed first.
pub async fn run(job: Job) -> Result<Report, Error> {
    let calibration = calibrate()?;
    let all: Vec<Figures> = processes::run(2, Place::default(), &processes::Job::Cot(job.clone())).await?;
    let longest = |of: fn(&Figures) -> f64| all.iter().map(of).fold(0.0, f64::max);
    let (cots, extend_s) = (job.batches * BATCH / CHUNK_ROWS * CHUNK_ROWS, longest(|f| f.extend_s));
    Ok(Report {
        k: job.k,
        cots: cots as u64,
        setup_s: longest(|f| f.setup_s),
        extend_s,
        cot_per_s: cots as f64 / extend_s,
        bytes_per_cot: all.iter().map(|f| f.sent_bytes).sum::<usize>() as f64 / cots as f64,
        calibration,
    })
}

impl Report {
    /// For people.
    pub fn rows(&self) -> Rows {
        let mut rows = vec![
            ("k", self.k.to_string()),
            ("correlated OTs", table::count(self.cots)),
            ("set-up", table::seconds(self.setup_s)),
            ("extension and checks", table::seconds(self.extend_s)),
            ("COT/s", table::millions(self.cot_per_s)),
            ("bytes a COT", format!("{:.3}", self.bytes_per_cot)),
        ];
        rows.extend(table::calibration(&self.calibration));
        rows.push(("a COT as AES blocks of one core", format!("{:.1}", self.calibration.aes_blocks_per_s / self.cot_per_s)));
        rows
    }
}

/// What a party's process does.
///
/// # Errors
/// A link's, the other party's fault, or [`Error::WrongResult`].
pub async fn attend(party: &Party, job: Job) -> Result<Figures, Error> {
    let (lane, rng) = (party.work(), fresh_rng()?);
    party.meet().await?;
    match job.k {
        1 => on_own_thread(measure::<1, _>(lane, rng, job.batches)).await,
        2 => on_own_thread(measure::<2, _>(lane, rng, job.batches)).await,
        4 => on_own_thread(measure::<4, _>(lane, rng, job.batches)).await,
        8 => on_own_thread(measure::<8, _>(lane, rng, job.batches)).await,
        k => Err(Error::Option { option: "--k", given: k.to_string(), wanted: "trees cover 1, 2, 4 or 8 bits".to_owned() }),
    }
}

async fn measure<const K: usize, C: Channel>(lane: C, mut rng: ChaCha20Rng, batches: usize) -> Result<Figures, Error> {
    let pair = Pair { session: Digest([0; 32]), sender: PartyId::new(1), receiver: RECEIVER };
    let receives = lane.me() == pair.receiver;
    let mut link = Link { peer: if receives { pair.sender } else { pair.receiver }, lane, sent: 0, over: None };
    let started = Instant::now();
    let (set_up, sent_before);
    if receives {
        let (setup, points) = ReceiverSetup::start(pair, &Workers::ONE, &mut rng);
        link.send(points).await?;
        let (receiver, trees) = setup.finish::<K>(&link.recv().await?, &Workers::ONE)?;
        link.send(trees).await?;
        (set_up, sent_before) = (Instant::now(), link.sent);
        receive(receiver, &mut link, &mut rng, batches * BATCH / CHUNK_ROWS).await?;
    } else {
        let delta = Block(Block::random(&mut rng).0 | 1);
        let (setup, choices) = SenderSetup::start(pair, delta, &Workers::ONE, &mut rng);
        link.send(choices).await?;
        let points = link.recv().await?;
        let sender = setup.keys(&points, &Workers::ONE)?.finish::<K>(&link.recv().await?)?;
        (set_up, sent_before) = (Instant::now(), link.sent);
        send(sender, delta, &mut link, batches * BATCH / CHUNK_ROWS).await?;
    }
    let (over, sent) = link.over.expect("both parts end with it");
    let (setup_s, extend_s) = ((set_up - started).as_secs_f64(), (over - set_up).as_secs_f64());
    Ok(Figures { setup_s, extend_s, sent_bytes: sent - sent_before })
}

/// The receiver's part after the set-up: chunk after chunk, each with its proof.
async fn receive<const K: usize, C: Channel>(
    mut receiver: SoftReceiver<K>,
    link: &mut Link<C>,
    rng: &mut ChaCha20Rng,
    chunks: usize,
) -> Result<(), Error> {
    let mut macs = Zeroizing::new(vec![Block::ZERO; CHUNK_ROWS]);
    let mut planes = Buffer::zeroed(0);
    for _ in 0..chunks {
        let (chunk, choices) = (receiver.take(CHUNK_ROWS, Width::Full), Choices::random(CHUNK_ROWS, Width::Full, rng));
        if planes.is_empty() {
            planes = Buffer::zeroed(chunk.planes());
        }
        let mut message = vec![0; chunk.correction_bytes(K)];
        let received = receiver.extend(chunk, &choices, &mut planes, &mut message);
        let seed = received.challenge(&message);
        let (checked, digest) = received.prove(seed);
        checked.rows(&mut macs);
        message.extend(choices.answer(seed)[0].0.to_le_bytes());
        message.extend(digest.0);
        link.send(message).await?;
    }
    link.over = Some((Instant::now(), link.sent));
    let (delta, keys) = link.read(|r| Ok((r.block()?, r.blocks(CHUNK_ROWS)?))).await?;
    let correlated = |i: usize| macs[i].0 == (keys[i] ^ delta.when(macs[i].lsb())).0;
    if (0..CHUNK_ROWS).all(correlated) { Ok(()) } else { Err(Error::WrongResult("a correlation")) }
}

/// The sender's part after the set-up.
async fn send<const K: usize, C: Channel>(mut sender: SoftSender<K>, delta: Block, link: &mut Link<C>, chunks: usize) -> Result<(), Error> {
    let mut keys = Zeroizing::new(vec![Block::ZERO; CHUNK_ROWS]);
    let mut planes = Buffer::zeroed(0);
    for _ in 0..chunks {
        let chunk = sender.take(CHUNK_ROWS, Width::Full);
        if planes.is_empty() {
            planes = Buffer::zeroed(chunk.planes());
        }
        let message = link.recv().await?;
        let (correction, proof) = message.split_at_checked(chunk.correction_bytes(K)).ok_or(OtFault::Format)?;
        let sent = sender.extend(chunk, correction, &mut planes)?;
        let seed = sent.challenge(correction);
        let (answer, digest) = read_proof(proof).map_err(|_| OtFault::Format)?;
        sent.verify(seed, &[answer], &digest)?.rows(&mut keys);
    }
    link.over = Some((Instant::now(), link.sent));
    // Shown to the receiver, after the clock has stopped, so that the last chunk is checked.
    link.send(Writer::new().blocks(&[delta]).blocks(&keys).done()).await
}

fn read_proof(message: &[u8]) -> Result<(Block, Digest), BadFormat> {
    let mut proof = Reader::new(message);
    let read = (proof.block()?, Digest(proof.array()?));
    proof.end().map(|()| read)
}

/// The lane to the other party.
struct Link<C> {
    lane: C,
    peer: PartyId,
    sent: usize,
    /// When the last batch was done, and what had been sent by then.
    over: Option<(Instant, usize)>,
}

impl<C: Channel> Link<C> {
    async fn send(&mut self, message: Vec<u8>) -> Result<(), Error> {
        self.sent += message.len();
        Ok(self.lane.send(self.peer, message).await?)
    }

    async fn recv(&mut self) -> Result<Vec<u8>, Error> {
        Ok(self.lane.recv(self.peer).await?)
    }

    async fn read<T>(&mut self, what: impl FnOnce(&mut Reader<'_>) -> Result<T, BadFormat>) -> Result<T, Error> {
        let message = self.recv().await?;
        let mut reader = Reader::new(&message);
        let value = what(&mut reader).map_err(OtFault::from)?;
        reader.end().map_err(OtFault::from)?;
        Ok(value)
    }
}
