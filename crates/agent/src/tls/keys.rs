//! The key operations of the TLS client, online: each is a joint operation of all parties on the sealed session.

use super::circuits::{ROUND_KEYS, curve};
use super::ecdh::{self, Context, Secret, ShareFault};
use super::plan::{AdditionPlan, ApplicationPlan, GroupPlan, SchedulePlan, SealingPlan, Shape, TlsPlan};
use crate::answer::{self, AnswerPlan, Expected, JointAnswer, Read, Unread};
use crate::redact::Action;
use chacha20::ChaCha20Rng;
use cotenant_circuit::coordinates::DenominatorError;
use cotenant_circuit::ghash::multiplication_rows;
use cotenant_circuit::{hkdf::label_schedule, sha256::schedule_bits};
use cotenant_core::{Bits, Domain, PartyId};
use cotenant_mpc::{Given, Input, Online, Source, Stats, VerifiedWires};
use cotenant_tls::{
    AnswerDigest, ApplicationKeys, Group, HandshakeSecrets, Hole, KeyOps, Piece, RecordPlan, SendingKey, ServerShare, ServerVerified,
    TrafficSecret, TranscriptView, record::Record,
};
use rand_core::Rng;
use zeroize::Zeroizing;

/// Why a joint operation failed.
#[derive(Debug, thiserror::Error)]
pub enum JointError {
    /// The MPC session ended.
    #[error(transparent)]
    Mpc(#[from] cotenant_mpc::Error),
    /// A party's part of the key share is wrong.
    #[error("{0} gave a point without a right proof that it knows its part of the key")]
    KeyShareProof(PartyId),
    /// The parts of the key share cancel out.
    #[error("the parties' parts of the key share cancel out: one was chosen by the others'")]
    KeyShareIdentity,
    /// The blinded denominator of a point addition is zero.
    #[error("the joint point addition failed: {0}")]
    Denominator(#[from] DenominatorError),
    /// What was prepared for one use was asked for again, or was not prepared.
    #[error("the connection needs {0}, which was not prepared or is spent: start a new operation")]
    Spent(Part),
    /// The request does not have the shape that was prepared.
    #[error("the request does not have the shape that was prepared")]
    Shape,
    /// This party did not let its part of the ciphertext out.
    #[error("this party could not write down that the request may be sent, so it sent nothing")]
    Held,
}

/// A part of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A key exchange of this group.
    KeyShare(Group),
    /// The key schedule.
    Schedule,
    /// Sealing of a request.
    Sealing,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::KeyShare(group) => write!(f, "a {group} key share"),
            Part::Schedule => f.write_str("a key schedule"),
            Part::Sealing => f.write_str("sealing of a request"),
        }
    }
}

impl From<ShareFault> for JointError {
    fn from(fault: ShareFault) -> Self {
        match fault {
            ShareFault::Proof(party) => JointError::KeyShareProof(party),
            ShareFault::Identity => JointError::KeyShareIdentity,
        }
    }
}

/// A step of the connection that was finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// The server is verified, by certificates of this digest ([`ServerVerified::chain`]), and the application keys are there.
    Handshake([u8; 32]),
    /// Shares of the request's ciphertext are about to be released: from here on it may be sent, whatever else fails.
    Releasing,
    /// The request is sealed.
    Sealed,
    /// The answer is open, or what of it is to be opened.
    Opened,
}

/// Secret plaintext: the next bytes of the holes that the plan wired.
pub struct JointHole {
    length: usize,
}

impl JointHole {
    /// The next `length` bytes of the plan's holes.
    pub fn new(length: usize) -> JointHole {
        JointHole { length }
    }
}

impl Hole for JointHole {
    fn length(&self) -> usize {
        self.length
    }

    fn split(self, at: usize) -> (Self, Self) {
        (JointHole { length: at }, JointHole { length: self.length - at })
    }
}

/// The key backend of one connection.
pub struct JointKeys<'o, O: Online> {
    online: &'o mut O,
    rng: ChaCha20Rng,
    groups: Vec<GroupPlan>,
    schedule: Option<SchedulePlan>,
    application: Option<ApplicationPlan>,
    sealing: Option<SealingPlan>,
    /// Fresh public randomness that the proofs of key shares are bound to.
    attempt: [u8; 64],
    milestone: Box<dyn FnMut(Milestone, Stats) + Send + 'o>,
    may_send: Gate,
}

/// Is asked before anything of a request's ciphertext leaves this party, and answers whether it may: that is when it is written down, durably, that the
/// request may be sent.
pub type Gate = Box<dyn FnMut() -> bool + Send>;

/// This party's part of a key share, and what was prepared for it.
pub struct KeyShare {
    secret: Secret,
    plan: GroupPlan,
}

/// What is left to do once the handshake secrets are open.
pub struct AfterHandshake {
    application: ApplicationPlan,
}

/// The right to send one request.
pub struct ClientKey<V> {
    sealing: Option<SealingPlan>,
    iv: [u8; 12],
    powers: V,
}

impl<'o, O: Online> JointKeys<'o, O> {
    /// The backend of a declared plan. `rng` is freshly seeded; `milestone` is told how far the connection has come and what it cost.
    pub fn new(
        online: &'o mut O,
        plan: TlsPlan,
        rng: ChaCha20Rng,
        may_send: Gate,
        milestone: impl FnMut(Milestone, Stats) + Send + 'o,
    ) -> Self {
        let TlsPlan { groups, schedule, application, sealing } = plan;
        let (schedule, application, sealing) = (Some(schedule), Some(application), Some(sealing));
        JointKeys { online, rng, groups, schedule, application, sealing, attempt: [0; 64], milestone: Box::new(milestone), may_send }
    }

    /// Reads a part of an answer that was [released](cotenant_tls::HeldAnswer::release), by the policy of the plan, once all have compared what they hold. What
    /// was read, and of each value of a rule that keeps, in the order of what was found, its wires.
    ///
    /// # Errors
    /// The first rule of `docs/protocol/answers.md` that the answer breaks, or the session's.
    pub async fn read(
        mut self,
        plan: AnswerPlan,
        held: AnswerDigest,
        records: Vec<Record>,
        expected: &Expected,
    ) -> Result<(Read, Vec<O::Verified>), Unread<JointError>> {
        let unanswered = |error: cotenant_mpc::Error| Unread::Unanswered(JointError::from(error));
        self.compare_held(6, &held).await.map_err(Unread::Unanswered)?;
        let rules = plan.rules().clone();
        let mut answer = JointAnswer::new(self.online, plan, &records);
        let read = answer::read(records, &mut answer, &rules, expected).await.map_err(|unread| match unread {
            Unread::Refused(refusal) => Unread::Refused(refusal),
            Unread::Unanswered(error) => unanswered(error),
        })?;
        let kept = read.found.iter().filter(|found| rules[found.rule].action == Action::Keep).map(|found| answer.value(found)).collect();
        self.reached(Milestone::Opened);
        Ok((read, kept))
    }

    /// All compare which records they hold, and how they mean to open them.
    async fn compare_held(&mut self, stage: u64, held: &AnswerDigest) -> Result<(), JointError> {
        self.compare(stage, &[&held.wire()[..], &held.bytes().to_be_bytes(), &held.records().to_be_bytes()]).await
    }

    fn reached(&mut self, milestone: Milestone) {
        (self.milestone)(milestone, self.online.stats());
    }

    /// All compare what they saw of the connection; `stage` tells the comparisons apart.
    async fn compare(&mut self, stage: u64, fields: &[&[u8]]) -> Result<(), JointError> {
        let mut h = Domain::PublicValue.hasher();
        h.field(b"tls").number(stage);
        fields.iter().for_each(|f| {
            h.field(f);
        });
        Ok(self.online.compare(h.digest()).await?)
    }

    async fn compare_view(&mut self, stage: u64, view: &TranscriptView) -> Result<(), JointError> {
        self.compare(stage, &[&view.transcript, &view.wire]).await
    }

    /// This party's value for one of the private inputs that all parties give, the others' being theirs to give.
    fn give_private(&self, inputs: Vec<Input>, mine: &Bits, out: &mut Vec<Given>) {
        let me = self.online.me();
        for input in inputs {
            out.push(if input.source() == Source::Private(me) { Given::Mine(input, mine.clone()) } else { Given::Theirs(input) });
        }
    }

    /// A uniform number in [1, p).
    fn blind(&mut self, group: Group) -> Bits {
        let curve = curve(group);
        let mut number = Zeroizing::new([0; 32]);
        loop {
            self.rng.fill_bytes(&mut number[..]);
            if group == Group::X25519 {
                number[31] &= 0x7f;
            }
            if curve.is_blind(&number) {
                return Bits::from_bytes(&number[..]).slice(0, curve.bits());
            }
        }
    }

    /// The shared secret as wires: n - 1 point additions, each with one opening.
    async fn shared_secret(&mut self, secret: &Secret, plan: GroupPlan, server: &ServerShare) -> Result<O::Verified, JointError> {
        let GroupPlan { group, points, additions } = plan;
        let [x, y] = ecdh::coordinates(secret, server).expect("the state machine checks that the server's share is of our group");
        let running = self.online.me() == PartyId::EVALUATOR;
        let bits = if running { curve(group).running_input(&x, &y) } else { curve(group).negated_input(&x, &y) };
        let mut given = Vec::new();
        self.give_private(points, &bits.iter().copied().collect(), &mut given);
        let mut sum = None;
        for addition in additions {
            let AdditionPlan { blinds, slope, inverse, add } = addition;
            let blind = self.blind(group);
            self.give_private(blinds, &blind, &mut given);
            self.online.input(std::mem::take(&mut given)).await?;
            let slope = self.online.evaluate(slope).await?;
            let opened = self.online.open(&slope.slice(0..curve(group).bits())).await?;
            let mut denominator = [0; 32];
            denominator[..opened.len().div_ceil(8)].copy_from_slice(&opened.to_packed());
            let value = curve(group).inverse_input(&denominator)?;
            self.online.input(vec![Given::Public(inverse, value.into_iter().collect())]).await?;
            sum = Some(self.online.evaluate(add).await?);
        }
        Ok(sum.expect("two parties or more make one addition or more"))
    }

    /// Opens key stream, forms the ciphertexts, opens the tags.
    async fn seal_records(
        &mut self,
        key: &mut ClientKey<O::Verified>,
        records: Vec<RecordPlan<JointHole>>,
    ) -> Result<Vec<Vec<u8>>, JointError> {
        let SealingPlan { iv, segment, shape } = key.sealing.take().ok_or(JointError::Spent(Part::Sealing))?;
        check_shape(&shape, &key.iv, &records)?;
        let plaintexts: Vec<Vec<u8>> = records.iter().map(public_bytes).collect();
        let mut fields: Vec<&[u8]> = Vec::new();
        for (record, plaintext) in records.iter().zip(&plaintexts) {
            fields.extend([&record.nonce()[..], &record.header()[..], plaintext]);
        }
        self.compare(3, &fields).await?;
        self.online.input(vec![Given::Public(iv, Bits::from_bytes(&key.iv))]).await?;
        let out = self.online.evaluate(segment).await?;
        if !(self.may_send)() {
            return Err(JointError::Held);
        }
        self.reached(Milestone::Releasing);
        let stream_bits = 8 * plaintexts.iter().map(Vec::len).sum::<usize>();
        let stream = self.online.open(&out.slice(0..stream_bits)).await?.to_packed();
        let mut stream = stream.into_iter();
        let ciphertexts: Vec<Vec<u8>> = plaintexts.iter().map(|p| p.iter().zip(&mut stream).map(|(&p, k)| p ^ k).collect()).collect();
        let wires = key.powers.concat(&out.slice(stream_bits..out.len()));
        let rows = tag_rows(key.powers.len(), &records, &ciphertexts);
        let tags = self.online.open_linear(&wires, &rows).await?.to_packed();
        Ok(ciphertexts.into_iter().zip(tags.chunks(16)).map(|(c, tag)| [&c[..], tag].concat()).collect())
    }
}

/// The plaintext with 0 where it is secret.
fn public_bytes(record: &RecordPlan<JointHole>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in record.pieces() {
        match piece {
            Piece::Public(bytes) => out.extend(bytes),
            Piece::Secret(hole) => out.resize(out.len() + hole.length, 0),
        }
    }
    out
}

/// The records are those that were prepared, in shape and in nonce.
fn check_shape(shape: &Shape, iv: &[u8; 12], records: &[RecordPlan<JointHole>]) -> Result<(), JointError> {
    let fits = |(sequence, (wanted, record)): (usize, (&super::plan::RecordShape, &RecordPlan<JointHole>))| {
        let secret: Vec<bool> = record
            .pieces()
            .iter()
            .flat_map(|p| match p {
                Piece::Public(bytes) => std::iter::repeat_n(false, bytes.len()),
                Piece::Secret(hole) => std::iter::repeat_n(true, hole.length),
            })
            .collect();
        secret == wanted.secret_bytes() && *record.nonce() == cotenant_tls::protect::nonce(iv, sequence as u64)
    };
    let same = shape.records().len() == records.len() && shape.records().iter().zip(records).enumerate().all(fits);
    if same { Ok(()) } else { Err(JointError::Shape) }
}

/// For each bit of each tag the wires it is the xor of: the bits of the powers of H that the public blocks select, and the tag's mask.
///
/// GHASH = sum over blocks i = 1..m of X_i * H^(m - i + 1); blocks are the padded header, the padded ciphertext, and both lengths in bits
/// (NIST SP 800-38D sections 6.4 and 7.1).
fn tag_rows(power_wires: usize, records: &[RecordPlan<JointHole>], ciphertexts: &[Vec<u8>]) -> Vec<Vec<u32>> {
    let mut rows = Vec::new();
    for (k, (record, ciphertext)) in records.iter().zip(ciphertexts).enumerate() {
        let blocks = ghash_blocks(record.header(), ciphertext);
        let mut of_record: Vec<Vec<u32>> = (0..128).map(|i| vec![(power_wires + 128 * k + i) as u32]).collect();
        for (i, block) in blocks.iter().enumerate() {
            let power = blocks.len() - i;
            let base = 128 * (power - 1) as u32;
            for (row, mask) in of_record.iter_mut().zip(multiplication_rows(block)) {
                row.extend((0..128).filter(|j| mask >> j & 1 == 1).map(|j| base + j));
            }
        }
        rows.extend(of_record);
    }
    rows
}

fn ghash_blocks(header: &[u8], ciphertext: &[u8]) -> Vec<[u8; 16]> {
    let padded = |bytes: &[u8]| -> Vec<[u8; 16]> {
        bytes
            .chunks(16)
            .map(|c| {
                let mut block = [0; 16];
                block[..c.len()].copy_from_slice(c);
                block
            })
            .collect()
    };
    let mut lengths = [0; 16];
    lengths[..8].copy_from_slice(&(8 * header.len() as u64).to_be_bytes());
    lengths[8..].copy_from_slice(&(8 * ciphertext.len() as u64).to_be_bytes());
    [padded(header), padded(ciphertext), vec![lengths]].concat()
}

/// Values of the words of two labels with a transcript hash.
fn words(client: &str, server: &str, transcript: &[u8; 32]) -> Bits {
    [client, server].into_iter().flat_map(|label| schedule_bits(&label_schedule(label, transcript))).collect()
}

fn secret(bits: &Bits) -> TrafficSecret {
    TrafficSecret::new(bits.to_packed().try_into().expect("a traffic secret has 256 bits"))
}

impl<O: Online> KeyOps for JointKeys<'_, O> {
    type Error = JointError;
    type KeyShare = KeyShare;
    type Handshake = AfterHandshake;
    type ClientKey = ClientKey<O::Verified>;
    type ServerSecret = O::Verified;
    type Hole = JointHole;

    async fn public_random(&mut self) -> Result<[u8; 64], JointError> {
        self.attempt = self.online.coin().await?;
        Ok(self.attempt)
    }

    async fn key_share(&mut self, group: Group, retry: Option<&TranscriptView>) -> Result<(Vec<u8>, KeyShare), JointError> {
        if let Some(view) = retry {
            self.compare_view(5, view).await?;
        }
        let at = self.groups.iter().position(|p| p.group == group).ok_or(JointError::Spent(Part::KeyShare(group)))?;
        let plan = self.groups.swap_remove(at);
        let context = Context { attempt: &self.attempt, group, party: self.online.me() };
        let (secret, contribution) = ecdh::contribute(&context, &mut self.rng);
        let all = self.online.exchange(&contribution).await?;
        let share = ecdh::combine(&self.attempt, group, &all)?;
        Ok((share, KeyShare { secret, plan }))
    }

    async fn handshake_secrets(
        &mut self,
        share: KeyShare,
        server: &ServerShare,
        view: &TranscriptView,
    ) -> Result<(HandshakeSecrets, AfterHandshake), JointError> {
        self.compare_view(1, view).await?;
        let SchedulePlan { shared, words: input, segment } = self.schedule.take().ok_or(JointError::Spent(Part::Schedule))?;
        let application = self.application.take().ok_or(JointError::Spent(Part::Schedule))?;
        let sum = self.shared_secret(&share.secret, share.plan, server).await?;
        self.online.solder(shared, &sum).await?;
        self.online.input(vec![Given::Public(input, words("c hs traffic", "s hs traffic", &view.transcript))]).await?;
        let out = self.online.evaluate(segment).await?;
        let opened = self.online.open(&out.slice(0..512)).await?;
        let (client, server) = (secret(&opened.slice(0, 256)), secret(&opened.slice(256, 256)));
        Ok((HandshakeSecrets { client, server }, AfterHandshake { application }))
    }

    async fn application_keys(
        &mut self,
        handshake: AfterHandshake,
        verified: &ServerVerified,
    ) -> Result<ApplicationKeys<ClientKey<O::Verified>, O::Verified>, JointError> {
        self.compare_view(2, verified.view()).await?;
        let ApplicationPlan { words: input, segment, powers } = handshake.application;
        self.online.input(vec![Given::Public(input, words("c ap traffic", "s ap traffic", &verified.view().transcript))]).await?;
        let out = self.online.evaluate(segment).await?;
        let iv: [u8; 12] = self.online.open(&out.slice(0..96)).await?.to_packed().try_into().expect("an IV has 96 bits");
        let from = 96 + ROUND_KEYS;
        let key = ClientKey { sealing: self.sealing.take(), iv, powers: out.slice(from..from + 128 * powers) };
        let server = out.slice(from + 128 * powers..out.len());
        self.reached(Milestone::Handshake(*verified.chain()));
        Ok(ApplicationKeys { client: SendingKey { key, iv }, server })
    }

    async fn seal(&mut self, key: &mut Self::ClientKey, records: Vec<RecordPlan<JointHole>>) -> Result<Vec<Vec<u8>>, JointError> {
        let sealed = self.seal_records(key, records).await?;
        self.reached(Milestone::Sealed);
        Ok(sealed)
    }

    async fn open_server_secret(
        &mut self,
        _: Self::ClientKey,
        server: O::Verified,
        held: &AnswerDigest,
    ) -> Result<TrafficSecret, JointError> {
        self.compare_held(4, held).await?;
        let opened = self.online.open(&server).await?;
        self.reached(Milestone::Opened);
        Ok(secret(&opened))
    }
}
