//! A cheating party of its own: the set-up and global-key check of a session, written a second time, with a dial for every lie.
//!
//! It uses the engine's oblivious transfer as it is, and does the rest itself, so it holds every secret of the party it plays. Sources as in the engine:
//! WRK17b (ePrint 2017/189), protocol aShare.

use crate::{
    formula::{Step, coin, commitment, session_id},
    link::Local,
    scenario::AGREED,
};
use chacha20::ChaCha20Rng;
use cotenant_core::{
    Bits, Block, Channel, Digest, Domain, PartyId,
    codec::Writer,
    domain::Hasher,
    hash::{Tmmo, TweakUse, tweak},
    prg::Prg,
};
use cotenant_mpc::{
    Kind,
    ot::{Checked, Choices, Chunk, CotReceiver, CotSender, K, Pair, ReceiverSetup, SenderSetup, Width, Workers},
};
use rand_core::{Rng, SeedableRng};

/// Of all its commitments to parts of coins.
const NONCE: [u8; 32] = [3; 32];

/// Test bits of the global-key check.
const TESTS: usize = 48;

/// How the party lies. Each lie is told towards the first of the other parties; the others see an honest party.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Lies {
    /// Uses a global key that differs in this. The lowest bit of a key is public and never transferred: it cannot differ.
    pub delta: u128,
    /// Has a random bit of the check authenticated flipped.
    pub bit: bool,
    /// Shows one h(b), as if the bits were the same, where `bit` makes them differ.
    pub same_answer: bool,
    /// Opens a flipped bit, with the hash over its MACs changed by this.
    pub opened: Option<u128>,
    /// Opens the commitment with the other number, to everyone.
    pub number: bool,
    /// Commits to a changed value for each number, to everyone.
    pub value: u128,
}

struct Peer {
    id: PartyId,
    receiver: CotReceiver,
    sender: CotSender,
}

/// One rogue after its set-up.
pub struct Rogue {
    link: Local,
    lies: Lies,
    session: Digest,
    delta: Block,
    rng: ChaCha20Rng,
    peers: Vec<Peer>,
    echo: Hasher,
    counter: u64,
}

/// The test bits: own bits, and towards each peer the MACs and keys.
struct Tests {
    bits: Bits,
    rows: Vec<(Vec<Block>, Vec<Block>)>,
}

/// Takes part in the set-up until it is over. `None` if the others ended it.
pub async fn set_up(link: Local, lies: Lies, rng: ChaCha20Rng) -> Option<()> {
    let mut rogue = Rogue::start(link, lies, rng).await?;
    let tests = rogue.random_bits().await?;
    rogue.check_deltas(&tests).await
}

impl Rogue {
    async fn start(mut link: Local, lies: Lies, mut rng: ChaCha20Rng) -> Option<Rogue> {
        let (me, n) = (link.me(), link.parties());
        let mut nonces = vec![[0; 32]; n];
        rng.fill_bytes(&mut nonces[me.index()]);
        let delta = Block(Block::random(&mut rng).0 | 1);
        for j in me.others(n) {
            let hello = message(Kind::Hello).bytes(&nonces[me.index()]).bytes(&AGREED.0);
            link.send(j, hello.done()).await.ok()?;
        }
        for j in me.others(n) {
            nonces[j.index()] = recv(&mut link, j, Kind::Hello).await?[..32].try_into().ok()?;
        }
        let session = session_id(&nonces);
        let mut rogue = Rogue { link, lies, session, delta, rng, peers: Vec::new(), echo: Domain::Echo.hasher(), counter: 0 };
        nonces.iter().enumerate().for_each(|(p, nonce)| rogue.absorb(p, nonce));
        rogue.compare_echo().await?;
        rogue.echo.field(&session.0);
        for (k, j) in me.others(n).enumerate() {
            rogue.pair(j, if k == 0 { Block(delta.0 ^ lies.delta) } else { delta }).await?;
        }
        Some(rogue)
    }

    /// Base OTs and trees with one peer.
    async fn pair(&mut self, id: PartyId, delta: Block) -> Option<()> {
        let me = self.link.me();
        let pair = |sender, receiver| Pair { session: self.session, sender, receiver };
        let (sender, choices) = SenderSetup::start(pair(me, id), delta, &Workers::ONE, &mut self.rng);
        let (receiver, points) = ReceiverSetup::start(pair(id, me), &Workers::ONE, &mut self.rng);
        self.send(id, message(Kind::BaseOtChoice).bytes(&choices)).await?;
        self.send(id, message(Kind::BaseOtSend).bytes(&points)).await?;
        let choices = recv(&mut self.link, id, Kind::BaseOtChoice).await?;
        let points = recv(&mut self.link, id, Kind::BaseOtSend).await?;
        let (receiver, trees) = receiver.finish(&choices, &Workers::ONE).ok()?;
        self.send(id, message(Kind::Trees).bytes(&trees)).await?;
        let trees = recv(&mut self.link, id, Kind::Trees).await?;
        self.peers.push(Peer { id, receiver, sender: sender.keys(&points, &Workers::ONE).ok()?.finish(&trees).ok()? });
        Some(())
    }

    async fn random_bits(&mut self) -> Option<Tests> {
        let bits = Bits::random(TESTS, &mut self.rng);
        let mask = self.rng.next_u64();
        let choices = |bits: &Bits| Choices::new(bits, &mut ChaCha20Rng::seed_from_u64(mask));
        let chunks: Vec<[Chunk; 2]> =
            self.peers.iter_mut().map(|p| [p.receiver.take(TESTS, Width::Full), p.sender.take(TESTS, Width::Full)]).collect();
        let mut planes: Vec<[Vec<Block>; 2]> = chunks.iter().map(|c| c.map(|c| vec![Block::ZERO; c.planes()])).collect();
        let (mut received, mut sent) = (Vec::new(), Vec::new());
        for (k, (chunks, [macs, keys])) in chunks.iter().zip(&mut planes).enumerate() {
            let mut theirs = bits.clone();
            theirs.set(0, bits.get(0) ^ (self.lies.bit && k == 0));
            let theirs = choices(&theirs);
            let mut correction = vec![0; chunks[0].correction_bytes(K)];
            let columns = self.peers[k].receiver.extend(chunks[0], &theirs, macs, &mut correction);
            received.push((theirs, columns));
            sent.push((chunks[1], keys));
            send(&mut self.link, self.peers[k].id, message(Kind::CotCorrection).bytes(&correction)).await?;
        }
        let part = self.promise().await?;
        let mut pending = Vec::new();
        for (peer, (chunk, keys)) in self.peers.iter().zip(sent) {
            let correction = recv(&mut self.link, peer.id, Kind::CotCorrection).await?;
            pending.push(peer.sender.extend(chunk, &correction, keys).ok()?);
        }
        let seed = Prg::new(self.toss(part).await?).block();
        self.send_echo().await?;
        let answer = choices(&bits).answer(seed)[0];
        let mut rows = Vec::new();
        for (k, (theirs, columns)) in received.into_iter().enumerate() {
            let theirs = if self.lies.same_answer { answer } else { theirs.answer(seed)[0] };
            let (macs, digest) = columns.prove(seed);
            rows.push((first_rows(macs), Vec::new()));
            self.send(self.peers[k].id, message(Kind::CotProof).blocks(&[theirs]).bytes(&digest.0)).await?;
        }
        self.receive_echo().await?;
        let mut answers = vec![answer; self.link.parties()];
        for (k, columns) in pending.into_iter().enumerate() {
            let proof = recv(&mut self.link, self.peers[k].id, Kind::CotProof).await?;
            let (theirs, digest) = (Block(u128::from_le_bytes(proof[..16].try_into().ok()?)), Digest(proof[16..].try_into().ok()?));
            answers[self.peers[k].id.index()] = theirs;
            rows[k].1 = first_rows(columns.verify(seed, &[theirs], &digest).ok()?);
        }
        answers.iter().enumerate().for_each(|(p, a)| self.absorb(p, &a.0.to_le_bytes()));
        self.compare_echo().await?;
        Some(Tests { bits, rows })
    }

    async fn check_deltas(&mut self, tests: &Tests) -> Option<()> {
        let first = self.counter;
        self.counter += 2 * TESTS as u64;
        let (mut commitments, mut openings) = (message(Kind::DeltaCommit), Vec::new());
        for t in 0..TESTS {
            let own = self.delta.when(tests.bits.get(t)) ^ Block(self.lies.value);
            let z = tests.rows.iter().fold(own, |z, (m, k)| z ^ m[t] ^ k[t]);
            let number = first + 1 + 2 * t as u64;
            openings.push([z, z ^ self.delta].map(|z| z.0.to_le_bytes()));
            for (c, value) in openings[t].iter().enumerate() {
                let made = commitment(&self.session, Step::DeltaCheck, number + c as u64, self.link.me(), value, &[t as u8; 32]);
                commitments = commitments.bytes(&made);
            }
        }
        self.broadcast(Kind::DeltaCommit, commitments).await?;
        self.compare_echo().await?;
        let r = self.open(tests).await?;
        let mut opening = message(Kind::DeltaOpening);
        for (t, values) in openings.iter().enumerate() {
            opening = opening.bytes(&values[(r.get(t) ^ self.lies.number) as usize]).bytes(&[t as u8; 32]);
        }
        self.broadcast(Kind::DeltaOpening, opening).await?;
        self.compare_echo().await
    }

    /// Opens the test bits, with the lie; the sum.
    async fn open(&mut self, tests: &Tests) -> Option<Bits> {
        let mut key = [0; 16];
        Domain::HashKey.hasher().field(&self.session.0).expand(&mut key);
        let hash = Tmmo::new(Block(u128::from_le_bytes(key)));
        let mut sum = tests.bits.slice(0, TESTS);
        for k in 0..self.peers.len() {
            let (mut bits, mut macs) = (tests.bits.slice(0, TESTS), tests.rows[k].0[..TESTS].to_vec());
            // where the peer authenticated another bit, that is the one to open
            let other = k == 0 && self.lies.bit;
            if let Some(shift) = self.lies.opened.filter(|_| k == 0) {
                bits.set(0, !bits.get(0));
                macs[0] ^= Block(shift);
            }
            bits.set(0, bits.get(0) ^ other);
            // The first tweaks of the session.
            hash.hash_run(&mut macs, tweak(TweakUse::OpenedMac, self.link.me(), self.peers[k].id, 0));
            let tag = macs.iter().fold(Block::ZERO, |s, &m| s ^ m);
            self.send(self.peers[k].id, message(Kind::Opened).bits(&bits).blocks(&[tag])).await?;
        }
        for k in 0..self.peers.len() {
            let theirs = recv(&mut self.link, self.peers[k].id, Kind::Opened).await?;
            sum.xor_assign(&Bits::from_packed(&theirs[..TESTS / 8], TESTS)?);
        }
        Some(sum)
    }

    /// Commits to its part of a coin.
    async fn promise(&mut self) -> Option<([u8; 16], [u8; 32])> {
        self.counter += 1;
        let mut part = [0; 16];
        self.rng.fill_bytes(&mut part);
        let made = commitment(&self.session, Step::CotCheck, self.counter, self.link.me(), &part, &NONCE);
        self.send_all(message(Kind::Commit).bytes(&made).done()).await?;
        Some((part, made))
    }

    async fn toss(&mut self, (part, made): ([u8; 16], [u8; 32])) -> Option<Block> {
        self.collect(Kind::Commit, made.to_vec()).await?;
        let all = self.broadcast(Kind::Opening, message(Kind::Opening).bytes(&part).bytes(&NONCE)).await?;
        let opened: Option<Vec<[u8; 16]>> = all.iter().map(|o| o[..16].try_into().ok()).collect();
        Some(coin(&self.session, Step::CotCheck, self.counter, &opened?))
    }

    async fn send_all(&mut self, message: Vec<u8>) -> Option<()> {
        for j in self.link.me().others(self.link.parties()) {
            self.link.send(j, message.clone()).await.ok()?;
        }
        Some(())
    }

    async fn collect(&mut self, kind: Kind, mine: Vec<u8>) -> Option<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        for p in PartyId::all(self.link.parties()) {
            all.push(if p == self.link.me() { mine.clone() } else { recv(&mut self.link, p, kind).await? });
            self.absorb(p.index(), &all[p.index()]);
        }
        Some(all)
    }

    async fn broadcast(&mut self, kind: Kind, mine: Writer) -> Option<Vec<Vec<u8>>> {
        let mine = mine.done();
        let body = mine[1..].to_vec();
        self.send_all(mine).await?;
        self.collect(kind, body).await
    }

    fn absorb(&mut self, from: usize, body: &[u8]) {
        self.echo.number(from as u64).field(body);
    }

    async fn compare_echo(&mut self) -> Option<()> {
        self.send_echo().await?;
        self.receive_echo().await
    }

    async fn send_echo(&mut self) -> Option<()> {
        let digest = self.echo.digest();
        self.send_all(message(Kind::Echo).bytes(&digest.0).done()).await
    }

    async fn receive_echo(&mut self) -> Option<()> {
        for j in self.link.me().others(self.link.parties()) {
            recv(&mut self.link, j, Kind::Echo).await?;
        }
        Some(())
    }

    async fn send(&mut self, to: PartyId, message: Writer) -> Option<()> {
        send(&mut self.link, to, message).await
    }
}

fn first_rows(columns: Checked<'_>) -> Vec<Block> {
    let mut rows = vec![Block::ZERO; TESTS];
    columns.rows(&mut rows);
    rows
}

fn message(kind: Kind) -> Writer {
    Writer::new().bytes(&[kind as u8])
}

async fn send(link: &mut Local, to: PartyId, message: Writer) -> Option<()> {
    link.send(to, message.done()).await.ok()
}

async fn recv(link: &mut Local, from: PartyId, kind: Kind) -> Option<Vec<u8>> {
    let m = link.recv(from).await.ok()?;
    (Kind::of(&m) == Some(kind)).then(|| m[1..].to_vec())
}
