//! Random authenticated bits: every party draws bits and gets them authenticated by every other, over correlated OT.

use crate::{
    coin::{Nonce, Step},
    error::{Check, Error, Failed},
    kind::Kind,
    ot::{
        CHUNK_ROWS, Checked, Choices, Chunk, CotReceiver, CotSender, K, KAPPA, OtFault, Pair, Received, ReceiverSetup, SenderSetup, Sent,
        Width,
    },
    party::Party,
    shares::Shares,
    stats::Task,
    workers::Scratch,
};
use cotenant_core::{
    Bits, Block, Channel, Digest, PartyId,
    buffer::Buffer,
    codec::{BadFormat, Reader},
    prg::Prg,
    vector,
};
use std::ops::Range;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// How many chunks two parties send before they read the first: more than are made in the time that one is under way on a long link.
const LEAD: usize = 96;

/// With more parties, chunks between two coins: for three 2^19 bits. A coin costs a few rounds; the columns that wait for it, of all pairs, are held in memory.
fn window(n: usize) -> usize {
    (128 / (n - 1)).max(8)
}

/// Blocks of a chunk's columns.
const PLANES: usize = (CHUNK_ROWS / KAPPA + 1) * KAPPA;

/// Test bits of the global-key check beyond the statistical parameter.
const DELTA_TESTS: usize = 40 + 8;

/// The correlated-OT ends of one party, towards all others.
///
/// They exist while a session prepares and are gone when it is sealed, so a sealed session has no OT extension to attack.
pub(crate) struct CotLinks {
    peers: Vec<Link>,
    scratch: Scratch,
}

struct Link {
    peer: PartyId,
    /// For this party's bits, under the peer's key.
    receiver: CotReceiver,
    /// For the peer's bits, under this party's key.
    sender: CotSender,
}

/// A string of shares to be filled.
pub(crate) struct Fill<'a> {
    shares: &'a mut Shares,
    range: Range<usize>,
    width: Width,
    adds: bool,
    sums: Option<Sums<'a>>,
}

impl<'a> Fill<'a> {
    /// Shares `range` become random ones.
    pub(crate) fn over(shares: &'a mut Shares, range: Range<usize>) -> Self {
        Fill { shares, range, width: Width::Full, adds: false, sums: None }
    }

    /// Shares `range` become pairs of random ones, with MACs of 64 bits.
    pub(crate) fn pairs(shares: &'a mut Shares, range: Range<usize>) -> Self {
        Fill { width: Width::Halves, ..Fill::over(shares, range) }
    }

    /// Random shares are added to shares `range`.
    pub(crate) fn onto(shares: &'a mut Shares, range: Range<usize>) -> Self {
        Fill { adds: true, ..Fill::over(shares, range) }
    }

    /// Of the random `<r>`, the low 64 bits of this party's part of each `r * Delta` are added to `products`, and its bits r to `bits`.
    pub(crate) fn summed(self, products: &'a mut [u64], bits: &'a mut [u64]) -> Self {
        Fill { sums: Some(Sums { products, bits }), ..self }
    }
}

/// What random shares are added to beside other shares, while they are in cache.
struct Sums<'a> {
    products: &'a mut [u64],
    bits: &'a mut [u64],
}

/// One chunk of a string that is being filled: where its MACs and keys go, by peer.
struct Job<'a> {
    rows: usize,
    width: Width,
    adds: bool,
    sums: Option<Sums<'a>>,
    macs: Vec<&'a mut [Block]>,
    keys: Vec<&'a mut [Block]>,
}

impl<'a> Job<'a> {
    /// Bits that it authenticates.
    fn bits(&self) -> u64 {
        (self.rows * self.width.strings()) as u64
    }

    /// For the MACs of this party's bits under the key of peer `at`.
    fn mine(&mut self, at: usize, delta: Block) -> Use<'_, 'a> {
        let bearer = Bearer::Me { first: at == 0, delta };
        Use { adds: self.adds, sums: &mut self.sums, out: &mut *self.macs[at], bearer }
    }

    /// For the keys of the bits of peer `at`.
    fn theirs(&mut self, at: usize) -> Use<'_, 'a> {
        Use { adds: self.adds, sums: &mut self.sums, out: &mut *self.keys[at], bearer: Bearer::Peer }
    }

    fn all(outs: Vec<Fill<'a>>) -> Vec<Job<'a>> {
        let mut jobs: Vec<Job<'a>> = Vec::new();
        for Fill { shares, range, width, adds, sums } in outs {
            let first = jobs.len();
            for (column, values) in shares.columns_mut().enumerate() {
                for (chunk, values) in values[range.clone()].chunks_mut(CHUNK_ROWS).enumerate() {
                    if column == 0 {
                        jobs.push(Job { rows: values.len(), width, adds, sums: None, macs: Vec::new(), keys: Vec::new() });
                    }
                    let job = &mut jobs[first + chunk];
                    if column % 2 == 0 { job.macs.push(values) } else { job.keys.push(values) }
                }
            }
            if let Some(Sums { products, bits }) = sums {
                let parts = products.chunks_mut(CHUNK_ROWS).zip(bits.chunks_mut(CHUNK_ROWS / 64));
                jobs[first..].iter_mut().zip(parts).for_each(|(job, (products, bits))| job.sums = Some(Sums { products, bits }));
            }
        }
        jobs
    }
}

/// Whose bits a chunk's rows are for.
#[derive(Clone, Copy)]
enum Bearer {
    /// This party's, under one peer's key; the bits are counted with the first peer.
    Me { first: bool, delta: Block },
    /// A peer's, under this party's.
    Peer,
}

impl Sums<'_> {
    /// Adds what one column of rows has for them.
    fn add(&mut self, rows: &[Block], bearer: Bearer) {
        vector::sum_low(self.products, rows);
        if let Bearer::Me { first: true, delta } = bearer {
            vector::add_where_low(self.products, rows, delta.low());
            let mut own = Zeroizing::new([0; CHUNK_ROWS / 64]);
            let own = &mut own[..self.bits.len()];
            vector::low_bits(rows, own);
            self.bits.iter_mut().zip(own).for_each(|(bits, own)| *bits ^= *own);
        }
    }
}

/// What becomes of the rows of a chunk.
struct Use<'u, 'a> {
    adds: bool,
    sums: &'u mut Option<Sums<'a>>,
    out: &'u mut [Block],
    bearer: Bearer,
}

impl Use<'_, '_> {
    fn put(self, checked: Checked<'_>, scratch: &Scratch) {
        let Use { adds, sums, out, bearer } = self;
        let Some(sums) = sums else { return checked.rows(out) };
        if !adds {
            checked.near_rows(out);
            return sums.add(out, bearer);
        }
        scratch.with(|rows| {
            let rows = &mut rows[..out.len()];
            checked.near_rows(rows);
            vector::xor(out, rows);
            sums.add(rows, bearer);
        });
    }
}

/// The part of a scratch buffer that a chunk takes.
fn fit(planes: &mut [Block], chunk: Chunk) -> &mut [Block] {
    &mut planes[..chunk.planes()]
}

/// A receiver's chunk and its correction as a message.
fn extend<'p>(receiver: &CotReceiver, chunk: Chunk, choices: &Choices, planes: &'p mut [Block]) -> (Received<'p>, Vec<u8>) {
    let mut message = vec![0; 1 + chunk.correction_bytes(K)];
    message[0] = Kind::CotCorrection as u8;
    let received = receiver.extend(chunk, choices, fit(planes, chunk), &mut message[1..]);
    (received, message)
}

impl Link {
    /// Two parties: this party's bits of some chunks, and for each the messages with its correction and its proof.
    fn make<C>(&mut self, party: &mut Party<C>, scratch: &Scratch, jobs: &mut [Job<'_>]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (receiver, delta) = (&mut self.receiver, party.me.delta());
        let items = jobs
            .iter_mut()
            .map(|job| (receiver.take(job.rows, job.width), Choices::random(job.rows, job.width, &mut party.rng), job.mine(0, delta)));
        party.workers.map(items.collect(), |(chunk, choices, macs)| {
            scratch.with(|planes| {
                let (received, message) = extend(receiver, chunk, &choices, planes);
                let seed = received.challenge(&message[1..]);
                let (checked, digest) = received.prove(seed);
                macs.put(checked, scratch);
                (message, Kind::CotProof.message().blocks(&choices.answer(seed)).bytes(&digest.0).done())
            })
        })
    }

    /// Two parties: the peer's bits of some chunks. The fault in any is the peer's.
    async fn verify<C: Channel>(&mut self, party: &mut Party<C>, scratch: &Scratch, jobs: &mut [Job<'_>]) -> Result<(), Error> {
        let mut items = Vec::new();
        for job in jobs {
            let correction = party.comms.recv(self.peer, Kind::CotCorrection).await?;
            let proof =
                party.comms.recv_read(self.peer, Kind::CotProof, |r| Ok((r.blocks(job.width.strings())?, Digest(r.array()?)))).await?;
            items.push((self.sender.take(job.rows, job.width), correction, proof, job.theirs(0)));
        }
        let sender = &self.sender;
        let verified = party.workers.map(items, |(chunk, correction, (answers, digest), keys)| {
            scratch.with(|planes| {
                let sent = sender.extend(chunk, correction.body(), fit(planes, chunk))?;
                let seed = sent.challenge(correction.body());
                sent.verify(seed, &answers, &digest).map(|checked| keys.put(checked, scratch))
            })
        });
        verified.into_iter().collect::<Result<(), OtFault>>().map_err(|e| party.comms.blame(self.peer, failed(e)))
    }
}

/// More parties: receives `from`'s proofs for a window, verifies them, and takes the keys. Its answers.
async fn verify_window<C: Channel>(
    party: &mut Party<C>,
    scratch: &Scratch,
    (from, at): (PartyId, usize),
    sent: Vec<Sent<'_>>,
    seeds: &[Block],
    window: &mut [Job<'_>],
) -> Result<Vec<Block>, Error> {
    let count = window.len();
    let read = |r: &mut Reader<'_>| {
        let answers = window.iter().map(|j| r.blocks(j.width.strings())).collect::<Result<Vec<_>, BadFormat>>()?;
        let digests = (0..count).map(|_| Ok(Digest(r.array()?))).collect::<Result<Vec<_>, BadFormat>>()?;
        Ok((answers, digests))
    };
    let (answers, digests) = party.comms.recv_read(from, Kind::CotProof, read).await?;
    let items = sent.into_iter().zip(seeds).zip(answers.iter().zip(&digests)).zip(window.iter_mut()).collect();
    let verified = party.workers.map(items, |(((sent, &seed), (answers, digest)), job)| {
        sent.verify(seed, answers, digest).map(|checked| job.theirs(at).put(checked, scratch))
    });
    verified.into_iter().collect::<Result<(), OtFault>>().map_err(|e| party.comms.blame(from, failed(e)))?;
    Ok(answers.concat())
}

fn failed(fault: OtFault) -> Failed {
    Failed(match fault {
        OtFault::Format => Check::Format,
        OtFault::Point => Check::BaseOt,
        OtFault::TreeCheck => Check::PuncturedPrf,
        OtFault::CorrelationCheck => Check::CorrelatedOt,
    })
}

impl CotLinks {
    /// Base OTs and trees with every other party, two rounds; then, for n > 2, the global-key check.
    pub(crate) async fn set_up<C: Channel>(party: &mut Party<C>) -> Result<CotLinks, Error> {
        let mut started = Vec::new();
        for peer in party.me.others() {
            let ours = Pair { session: party.session, sender: party.id(), receiver: peer };
            let theirs = Pair { session: party.session, sender: peer, receiver: party.id() };
            let (sender, choices) = SenderSetup::start(ours, party.me.delta(), &party.workers, &mut party.rng);
            let (receiver, points) = ReceiverSetup::start(theirs, &party.workers, &mut party.rng);
            party.comms.send(peer, Kind::BaseOtChoice.message().bytes(&choices).done()).await?;
            party.comms.send(peer, Kind::BaseOtSend.message().bytes(&points).done()).await?;
            started.push((peer, sender, receiver));
        }
        let mut half = Vec::new();
        for (peer, sender, receiver) in started {
            let choices = party.comms.recv(peer, Kind::BaseOtChoice).await?;
            let points = party.comms.recv(peer, Kind::BaseOtSend).await?;
            let (receiver, trees) = receiver.finish(choices.body(), &party.workers).map_err(|e| party.comms.blame(peer, failed(e)))?;
            party.comms.send(peer, Kind::Trees.message().bytes(&trees).done()).await?;
            let sender = sender.keys(points.body(), &party.workers).map_err(|e| party.comms.blame(peer, failed(e)))?;
            half.push((peer, sender, receiver));
        }
        let mut links = CotLinks { peers: Vec::new(), scratch: Scratch::new(PLANES) };
        for (peer, sender, receiver) in half {
            let trees = party.comms.recv(peer, Kind::Trees).await?;
            let sender = sender.finish(trees.body()).map_err(|e| party.comms.blame(peer, failed(e)))?;
            links.peers.push(Link { peer, receiver, sender });
        }
        if party.n() > 2 {
            links.check_deltas(party).await?;
        }
        Ok(links)
    }

    /// Fills strings with random `<r>`, each the xor of a bit that every party drew. Nothing of a chunk is used before its check has passed.
    pub(crate) async fn fill<C: Channel>(&mut self, party: &mut Party<C>, task: Task, outs: Vec<Fill<'_>>) -> Result<(), Error> {
        let jobs = Job::all(outs);
        party.begin(task, jobs.iter().map(Job::bits).sum());
        party.comms.stats.authenticated_bits += jobs.iter().map(Job::bits).sum::<u64>();
        let groups: usize = jobs.iter().map(|j| j.rows.div_ceil(KAPPA) + 1).sum();
        // Each group takes a block of every leaf, in both directions of a pair; the one that the sender lacks is computed under a key of zeros.
        party.comms.stats.aes_blocks += (self.peers.len() * groups * (KAPPA / K) * (2 << K)) as u64;
        if party.n() == 2 { self.fill_two(party, jobs).await } else { self.fill_many(party, jobs).await }
    }

    /// Two parties: each chunk's challenge is a hash of its correction, so a chunk takes no round. A party is some chunks ahead of what it reads.
    async fn fill_two<C: Channel>(&mut self, party: &mut Party<C>, mut jobs: Vec<Job<'_>>) -> Result<(), Error> {
        let width = party.workers.burst();
        let lead = LEAD.div_ceil(width);
        let link = &mut self.peers[0];
        party.comms.stream();
        let mut groups: Vec<&mut [Job<'_>]> = jobs.chunks_mut(width).collect();
        for step in 0..groups.len() + lead {
            if let Some(jobs) = groups.get_mut(step) {
                for (correction, proof) in link.make(party, &self.scratch, jobs) {
                    party.comms.send(link.peer, correction).await?;
                    party.comms.send(link.peer, proof).await?;
                }
            }
            if let Some(jobs) = step.checked_sub(lead).and_then(|s| groups.get_mut(s)) {
                link.verify(party, &self.scratch, jobs).await?;
                party.advance(jobs.iter().map(Job::bits).sum());
            }
        }
        party.comms.stream_ends();
        Ok(())
    }

    /// More parties: the coefficients of a window of chunks are tossed when every correction has been received; the masks and h(b) are one for all peers, so
    /// that no one can use other bits towards another party. That all hold one coin is compared before any proof is looked at, or honest
    /// parties would refuse each other's; that all hold one h(b), with the next coin, and of the last window before anything is used.
    async fn fill_many<C: Channel>(&mut self, party: &mut Party<C>, mut jobs: Vec<Job<'_>>) -> Result<(), Error> {
        for window in jobs.chunks_mut(window(party.n())) {
            self.fill_window(party, window).await?;
            party.advance(window.iter().map(Job::bits).sum());
        }
        party.comms.check_echo().await
    }

    async fn fill_window<C: Channel>(&mut self, party: &mut Party<C>, window: &mut [Job<'_>]) -> Result<(), Error> {
        let choices: Vec<Choices> = window.iter().map(|j| Choices::random(j.rows, j.width, &mut party.rng)).collect();
        let memory = || -> Vec<Buffer> { self.peers.iter().map(|_| Buffer::zeroed(window.len() * PLANES)).collect() };
        let (mut mac_planes, mut key_planes) = (memory(), memory());
        let mut received = Vec::new();
        for (link, planes) in self.peers.iter_mut().zip(&mut mac_planes) {
            let receiver = &mut link.receiver;
            let chunks: Vec<Chunk> = window.iter().map(|j| receiver.take(j.rows, j.width)).collect();
            let items = chunks.into_iter().zip(&choices).zip(planes.chunks_exact_mut(PLANES)).collect();
            let extended = party.workers.map(items, |((chunk, choices), planes)| extend(receiver, chunk, choices, planes));
            let mut one = Vec::new();
            for (r, correction) in extended {
                party.comms.send(link.peer, correction).await?;
                one.push(r);
            }
            received.push(one);
        }
        let coin = party.promise_coin(Step::CotCheck).await?;
        let mut sent = Vec::new();
        for (link, planes) in self.peers.iter_mut().zip(&mut key_planes) {
            let mut items = Vec::new();
            for (job, planes) in window.iter().zip(planes.chunks_exact_mut(PLANES)) {
                let chunk = link.sender.take(job.rows, job.width);
                items.push((chunk, party.comms.recv(link.peer, Kind::CotCorrection).await?, planes));
            }
            let sender = &link.sender;
            let one = party.workers.map(items, |(chunk, correction, planes)| sender.extend(chunk, correction.body(), fit(planes, chunk)));
            sent.push(one.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| party.comms.blame(link.peer, failed(e)))?);
        }
        let mut seeds = vec![Block::ZERO; window.len()];
        Prg::new(party.toss(coin).await?).fill(&mut seeds);
        let coins = party.comms.send_echo().await?;
        let answers: Vec<Block> = choices.into_iter().zip(&seeds).flat_map(|(c, &seed)| c.answer(seed)).collect();
        for (at, (link, received)) in self.peers.iter().zip(received).enumerate() {
            let items = received.into_iter().zip(&seeds).zip(window.iter_mut()).collect();
            let delta = party.me.delta();
            let digests = party.workers.map(items, |((received, &seed), job)| {
                let (checked, digest) = received.prove(seed);
                job.mine(at, delta).put(checked, &self.scratch);
                digest
            });
            let message = digests.iter().fold(Kind::CotProof.message().blocks(&answers), |m, d| m.bytes(&d.0));
            party.comms.send(link.peer, message.done()).await?;
        }
        party.comms.compare_echo(coins).await?;
        let mut sent = sent.into_iter().enumerate();
        for p in PartyId::all(party.n()) {
            let theirs = if p == party.id() {
                answers.clone()
            } else {
                let (at, sent) = sent.next().expect("columns for each peer");
                verify_window(party, &self.scratch, (p, at), sent, &seeds, window).await?
            };
            party.comms.absorb(p, cotenant_core::block::as_bytes(&theirs));
        }
        Ok(())
    }

    /// The corrupt parties' keys have the same sum towards every honest party (WRK17b, protocol aShare, step 3).
    ///
    /// For test bits `<r>`, P_i commits to z_i = r^i * Delta_i ^ (^ over j of K_i[r^j] ^ M_j[r^i]) as number 0 and to z_i ^ Delta_i as number 1. r is opened
    /// and its MACs checked; everyone opens number r, no other, and the values must sum to 0. The test bits are discarded.
    async fn check_deltas<C: Channel>(&mut self, party: &mut Party<C>) -> Result<(), Error> {
        let mut tests = Shares::zero(&party.me, DELTA_TESTS);
        self.fill(party, Task::Masks, vec![Fill::over(&mut tests, 0..DELTA_TESTS)]).await?;
        let numbers: Vec<[u64; 2]> = (0..DELTA_TESTS).map(|_| [party.commitments.next(), party.commitments.next()]).collect();
        let mut mine: Vec<[(Zeroizing<[u8; 16]>, Nonce); 2]> = Vec::new();
        let mut message = Kind::DeltaCommit.message();
        for (t, number) in numbers.iter().enumerate() {
            let z = tests.product(&party.me, t);
            let mut pair = Vec::new();
            for (value, number) in [z, z ^ party.me.delta()].into_iter().zip(number) {
                let value = Zeroizing::new(value.0.to_le_bytes());
                let (c, nonce) = party.commitments.commit(Step::DeltaCheck, *number, &*value, &mut party.rng);
                message = message.bytes(&c.0);
                pair.push((value, nonce));
            }
            mine.push(pair.try_into().unwrap_or_else(|_| unreachable!("two commitments a test")));
        }
        let commitments = party.comms.broadcast(Kind::DeltaCommit, message.done()).await?;
        party.comms.check_echo().await?;
        let r = crate::open::open(party, &[&tests]).await?.remove(0);
        let mut message = Kind::DeltaOpening.message();
        for (t, pair) in mine.iter().enumerate() {
            let (value, nonce) = &pair[r.get(t) as usize];
            message = message.bytes(&value[..]).bytes(nonce.bytes());
        }
        let openings = party.comms.broadcast(Kind::DeltaOpening, message.done()).await?;
        let mut sums = [Block::ZERO; DELTA_TESTS];
        for p in PartyId::all(party.n()) {
            let values = self.read_delta_openings(party, p, &commitments[p.index()], &openings[p.index()], &numbers, &r);
            let values = values.map_err(|e| party.comms.blame(p, e))?;
            sums.iter_mut().zip(values).for_each(|(s, v)| *s ^= v);
        }
        if sums.iter().any(|s| !bool::from(s.ct_eq(&Block::ZERO))) {
            return Err(party.comms.blame_any(Check::Delta));
        }
        party.comms.check_echo().await
    }

    fn read_delta_openings<C: Channel>(
        &self,
        party: &Party<C>,
        from: PartyId,
        commitments: &[u8],
        openings: &[u8],
        numbers: &[[u64; 2]],
        r: &Bits,
    ) -> Result<Vec<Block>, Failed> {
        if commitments.len() != DELTA_TESTS * 64 || openings.len() != DELTA_TESTS * 48 {
            return Err(Failed(Check::Format));
        }
        let mut values = Vec::new();
        for (t, opening) in openings.chunks_exact(48).enumerate() {
            let chosen = r.get(t) as usize;
            let commitment = &commitments[64 * t + 32 * chosen..][..32];
            let (value, nonce) = opening.split_at(16);
            let nonce = nonce.try_into().expect("48 - 16 bytes");
            party.commitments.verify((Step::DeltaCheck, numbers[t][chosen]), from, commitment, value, nonce)?;
            values.push(Block(u128::from_le_bytes(value.try_into().expect("16 bytes"))));
        }
        Ok(values)
    }
}
