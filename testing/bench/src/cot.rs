//! `cotenant-bench cot`: maliciously secure correlated oblivious transfers in one direction, between two processes.
//!
//! P1 is the receiver, P2 the sender with the global key. Each batch is extended and checked as in a session, with the seed of the check sent by the
//! sender, the only one whom it protects when there are two parties. A batch is extended while the one before is checked.

use crate::{
    calibrate::{Calibration, calibrate},
    error::Error,
    processes::{self, Party, Place},
    table::{self, Rows},
};
use chacha20::ChaCha20Rng;
use cotenant::party::{fresh_rng, on_own_thread};
use cotenant_core::{
    Bits, Block, Channel, Digest, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_mpc::ot::{Choices, OtFault, Pair, Received, ReceiverSetup, SenderSetup, Sent, SoftReceiver, SoftSender};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use zeroize::Zeroizing;

const RECEIVER: PartyId = PartyId::EVALUATOR;

/// Correlated OTs of one extension.
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
    let (cots, extend_s) = (job.batches * BATCH, longest(|f| f.extend_s));
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
        let (setup, points) = ReceiverSetup::start(pair, &mut rng);
        link.send(points).await?;
        let (receiver, trees) = setup.finish::<K>(&link.recv().await?)?;
        link.send(trees).await?;
        (set_up, sent_before) = (Instant::now(), link.sent);
        receive(receiver, &mut link, &mut rng, batches).await?;
    } else {
        let delta = Block::random(&mut rng);
        let (setup, choices) = SenderSetup::start(pair, delta, &mut rng);
        link.send(choices).await?;
        let points = link.recv().await?;
        let sender = setup.finish::<K>(&points, &link.recv().await?)?;
        (set_up, sent_before) = (Instant::now(), link.sent);
        send(sender, delta, &mut link, &mut rng, batches).await?;
    }
    let (over, sent) = link.over.expect("both parts end with it");
    let (setup_s, extend_s) = ((set_up - started).as_secs_f64(), (over - set_up).as_secs_f64());
    Ok(Figures { setup_s, extend_s, sent_bytes: sent - sent_before })
}

/// The receiver's part after the set-up.
async fn receive<const K: usize, C: Channel>(
    mut receiver: SoftReceiver<K>,
    link: &mut Link<C>,
    rng: &mut ChaCha20Rng,
    batches: usize,
) -> Result<(), Error> {
    let bits = Bits::random(BATCH, rng);
    let mut extended: Option<(Received, Choices)> = None;
    let mut macs = Zeroizing::default();
    for batch in 0..=batches {
        let mut next = None;
        if batch < batches {
            let choices = Choices::new(&bits, rng);
            let (received, correction) = receiver.extend(&choices);
            link.send(correction).await?;
            next = Some((received, choices));
        }
        if let Some((received, choices)) = std::mem::replace(&mut extended, next) {
            let seed = link.read(|r| r.block()).await?;
            let digest;
            (macs, digest) = received.check(seed);
            link.send(Writer::new().blocks(&[choices.answer(seed)]).bytes(&digest.0).done()).await?;
        }
    }
    link.over = Some((Instant::now(), link.sent));
    let (delta, keys) = link.read(|r| Ok((r.block()?, r.blocks(BATCH)?))).await?;
    let correlated = |i: usize| macs[i].0 == (keys[i] ^ delta.when(bits.get(i))).0;
    if macs.len() == BATCH && (0..BATCH).all(correlated) { Ok(()) } else { Err(Error::WrongResult("a correlation")) }
}

/// The sender's part after the set-up.
async fn send<const K: usize, C: Channel>(
    mut sender: SoftSender<K>,
    delta: Block,
    link: &mut Link<C>,
    rng: &mut ChaCha20Rng,
    batches: usize,
) -> Result<(), Error> {
    let mut extended: Option<(Sent, Block)> = None;
    let mut keys = Zeroizing::default();
    for batch in 0..=batches {
        let mut next = None;
        if batch < batches {
            let sent = sender.extend(BATCH, &link.recv().await?)?;
            let seed = Block::random(rng);
            link.send(Writer::new().blocks(&[seed]).done()).await?;
            next = Some((sent, seed));
        }
        if let Some((sent, seed)) = std::mem::replace(&mut extended, next) {
            let (answer, digest) = link.read(|r| Ok((r.block()?, r.array()?))).await?;
            keys = sent.verify(seed, answer, &Digest(digest))?;
        }
    }
    link.over = Some((Instant::now(), link.sent));
    // Shown to the receiver, after the clock has stopped, so that the last batch is checked.
    link.send(Writer::new().blocks(&[delta]).blocks(&keys).done()).await
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
