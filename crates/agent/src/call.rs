//! One joint call: prepare, connect, handshake, send, hold the answer, open it.
//!
//! What the parties must agree on beforehand is agreed on elsewhere (`agree`); its digest goes into the MPC session. Items of the vault are loaded, and the
//! signature is computed, before the connection is opened, so that the server waits for nothing that could have been done earlier.

mod answer;
mod content;
mod jwe;
mod parts;
mod presign;

pub use answer::{Answered, Keeping, Reading, Redaction, Saved};
pub use content::{Content, Key, SignedRequest};
pub use jwe::JweError;
pub use parts::{Part, Parts, Secret};
pub use presign::{Made, Opened, Presign};

use crate::answer::{AnswerPlan, Expected, Read, Refusal, Unread};
use crate::derive::NoValue;
use crate::http;
use crate::relay::{Patience, Relay, RelayError, Server};
use crate::sign::{circuit, sigv4};
use crate::tls::{Gate, JointError, JointHole, JointKeys, Milestone, Shape, TlsPlan};
use crate::vault::{
    VaultError,
    load::{LoadPlan, Wanted},
    share::Share,
};
use answer::ReadPlan;
use chacha20::ChaCha20Rng;
use content::{HolesPlan, Message};
use cotenant_core::{Channel, Digest, PartyId};
use cotenant_mpc::{Engine, Online, Options, Session, Stats};
use cotenant_tls::{AnswerLimits, Config, Connection, Failure, FragmentSize, Handshake, HeldAnswer, Piece, Progress, Released, Target};
use rand_core::SeedableRng;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// The most bytes that one call sends. Each 16 of them take about 5000 AND gates, for an AES-128 block and powers of the authentication key, and all of
/// them 2.7 GB of the evaluator's memory, as measured with two parties.
pub const MAX_REQUEST: u64 = 32 << 10;

/// One call, as one party sees it; all but a share of a key is the same at every party.
pub struct Call {
    /// Whose certificate is wanted, and the time by this party's clock.
    pub target: Target,
    /// Groups and trust roots.
    pub config: Config,
    /// The party with the socket.
    pub connector: PartyId,
    /// How much the server may answer.
    pub limits: AnswerLimits,
    /// What is sent.
    pub content: Content,
    /// What becomes of the answer.
    pub reading: Reading,
}

/// A stage of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The MPC session is set up.
    Setup,
    /// Everything is garbled, the session is sealed.
    Prepare,
    /// Items of the vault are loaded and the request is signed, still as shares.
    Sign,
    /// The connector is connected.
    Connect,
    /// The server is verified and the application keys exist.
    Handshake,
    /// The request is sealed and sent.
    Send,
    /// The answer is held, compared and open.
    Receive,
}

/// What the caller is told while a call runs.
#[derive(Clone, Debug)]
pub enum Event {
    /// A long step goes on.
    Progress(cotenant_mpc::Progress),
    /// A stage has ended; what the session has cost so far.
    Finished(Stage, Stats),
}

/// Is told what happens. It is called on the call's own thread and should return at once.
pub type Observer = Box<dyn FnMut(Event) + Send>;

/// Whom a call turns to while it runs.
pub struct Hooks {
    /// Is told what happens.
    pub observe: Observer,
    /// Is asked before anything of the request's ciphertext leaves this party. It may take as long as a disk does; if it says no, nothing is sent.
    pub may_send: Gate,
    /// Is told what was opened of an answer of which something is to be saved, before anything of that is done. If it says no, nothing is.
    pub seen: Seen,
}

/// Takes what was opened of an answer, which others know; whether it is safe.
pub type Seen = Box<dyn FnMut(&Done) -> bool + Send>;

impl Hooks {
    /// An observer, for a caller that keeps nothing.
    pub fn observing(observe: Observer) -> Self {
        Hooks { observe, may_send: Box::new(|| true), seen: Box::new(|_| true) }
    }
}

/// Why a call failed. Nothing of its answer is used, and nothing is retried.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The MPC session.
    #[error(transparent)]
    Mpc(#[from] cotenant_mpc::Error),
    /// TLS: the server, or a joint operation inside TLS.
    #[error(transparent)]
    Tls(#[from] cotenant_tls::Error<JointError>),
    /// The way to the server.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// The request cannot be signed.
    #[error(transparent)]
    Signing(#[from] sigv4::SigningError),
    /// The request cannot be written.
    #[error(transparent)]
    Request(#[from] http::RequestError),
    /// The connector says that the answer ended before it began.
    #[error("{0}, the connector, says that the server closed the connection without an answer")]
    NoAnswer(PartyId),
    /// The call failed when the request's ciphertext may already have been in the connector's hands.
    #[error("{0}; the request may have been sent: find out before you repeat it")]
    MayHaveBeenSent(Box<CallError>),
    /// This party's share of the secret access key has the wrong length.
    #[error("this party's share of the secret access key has {found} bytes, not {}", circuit::SECRET_KEY_BYTES)]
    Share {
        /// Its length.
        found: usize,
    },
    /// An item of the vault was not loaded.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A value that the request takes.
    #[error(transparent)]
    Value(#[from] NoValue),
    /// What this party gives for the request has the wrong length.
    #[error("this party gives {found} bytes, not the {wanted} that the request takes")]
    Given {
        /// As it was agreed.
        wanted: usize,
        /// What there is.
        found: usize,
    },
    /// What a party gives for the request has a character that it may not have. Nothing was sent.
    #[error("what is given for the request has a character that may not stand there; nothing was sent")]
    Characters,
    /// The encrypted key of a JWE.
    #[error(transparent)]
    Jwe(#[from] JweError),
    /// The answer may be longer than one that is read in part can be: an error of the caller, which all parties make alike.
    #[error(
        "an answer that is opened in part has at most {} bytes, and a record for every 512 of them and some more",
        crate::answer::MAX_BYTES
    )]
    Limits,
    /// What is to be saved is not among what the policy keeps: an error of the caller, which all parties make alike.
    #[error("value {number} is to be saved, and the policy keeps fewer")]
    NotKept {
        /// Its number.
        number: usize,
    },
    /// The answer is not read.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This party could not store what was opened of the answer ([`Hooks::seen`]).
    #[error("what was opened of the answer could not be stored, so nothing of it is saved")]
    Unstored,
    /// The content takes an item that the call does not load: an error of the caller, which all parties make alike.
    #[error("the request takes item {number} of those that are loaded, and there are fewer")]
    NoItem {
        /// Its number.
        number: usize,
    },
}

impl CallError {
    /// What happened in the session, if that is why.
    pub fn in_session(&self) -> Option<&cotenant_mpc::Error> {
        match self {
            CallError::MayHaveBeenSent(error) => error.in_session(),
            CallError::Mpc(error) | CallError::Vault(VaultError::Mpc(error)) => Some(error),
            CallError::Tls(cotenant_tls::Error::Backend(JointError::Mpc(error))) => Some(error),
            _ => None,
        }
    }
}

impl From<Unread<JointError>> for CallError {
    fn from(unread: Unread<JointError>) -> Self {
        match unread {
            Unread::Refused(refusal) => CallError::Refused(refusal),
            Unread::Unanswered(error) => CallError::Tls(cotenant_tls::Error::Backend(error)),
        }
    }
}

/// The secrets that a call takes.
#[derive(Default)]
pub struct Taken {
    /// Items of the vault: which, in which version, loaded by whom.
    pub wanted: Vec<Wanted>,
    /// This party's shares, one for each item of whose quorum it is.
    pub shares: Vec<Share>,
    /// What this party gives, one secret after the other.
    pub given: Zeroizing<Vec<u8>>,
}

/// What came of a call.
#[derive(Debug)]
pub struct Done {
    /// What the server answered.
    pub answer: Answered,
    /// Stands for the certificates that the server showed ([`cotenant_tls::ServerVerified::chain`]).
    pub server_chain: Digest,
}

/// A call that has ended well.
pub struct Ended<O> {
    /// What came of it.
    pub done: Done,
    /// What it kept as items; none if it kept none.
    pub saved: Option<Saved<O>>,
}

/// Shared with the MPC session's own observer, which reports from inside its steps.
#[derive(Clone)]
struct Watch(Arc<Mutex<Observer>>);

impl Watch {
    fn tell(&self, event: Event) {
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(event);
    }

    fn finished(&self, stage: Stage, stats: Stats) {
        self.tell(Event::Finished(stage, stats));
    }
}

/// What a call may use of its caller.
pub struct Resources {
    /// Is told how the call goes.
    pub observe: Observer,
    /// Threads that compute.
    pub threads: NonZeroUsize,
}

/// Makes the call together with the other parties, who call the same.
///
/// `mpc` and `relay` are lanes to all other parties; `server` is there at the connector only. `rng` is freshly seeded by the operating system.
///
/// # Errors
/// The first thing that went wrong; then nothing of the call is left.
pub async fn run<C: Channel, R: Channel, S: Server>(
    mpc: C,
    relay: R,
    server: Option<S>,
    call: Call,
    agreed: Digest,
    mut rng: ChaCha20Rng,
    Resources { observe, threads }: Resources,
) -> Result<Done, CallError> {
    let watch = Watch(Arc::new(Mutex::new(observe)));
    let relay = Relay::new(relay, call.connector, server);
    let progress = watch.clone();
    let session_rng = ChaCha20Rng::from_rng(&mut rng);
    let observer: cotenant_mpc::Observer = Box::new(move |p| progress.tell(Event::Progress(p)));
    let options = Options { observer: Some(observer), threads };
    let session = Session::start(mpc, agreed, session_rng, options).await?;
    watch.finished(Stage::Setup, session.stats());
    let Hooks { may_send, seen, .. } = Hooks::observing(Box::new(|_| ()));
    run_on(session, relay, call, Taken::default(), rng, (&watch, may_send, seen)).await.map(|ended| ended.done)
}

/// The same on a session that was started elsewhere, of any engine.
///
/// # Errors
/// Those of [`run`].
pub async fn run_in<E: Engine, R: Channel, S: Server>(
    session: E,
    relay: Relay<R, S>,
    call: Call,
    rng: ChaCha20Rng,
    observe: Observer,
) -> Result<Done, CallError> {
    run_with_secrets(session, relay, call, Taken::default(), rng, Hooks::observing(observe)).await.map(|ended| ended.done)
}

/// The same with secrets, sent and kept.
///
/// # Errors
/// Those of [`run`].
pub async fn run_with_secrets<E: Engine, R: Channel, S: Server>(
    session: E,
    relay: Relay<R, S>,
    call: Call,
    taken: Taken,
    rng: ChaCha20Rng,
    Hooks { observe, may_send, seen }: Hooks,
) -> Result<Ended<E::Online>, CallError> {
    run_on(session, relay, call, taken, rng, (&Watch(Arc::new(Mutex::new(observe))), may_send, seen)).await
}

/// Declares all that a call of this content takes, and runs nothing: for an engine that counts.
pub(crate) fn declare<E: Engine>(
    engine: &mut E,
    content: Content,
    wanted: &[Wanted],
    reading: (&Reading, AnswerLimits),
) -> Result<(), CallError> {
    let message = Message::new(content, wanted)?;
    Plan::declare(engine, &Config::GROUPS, &message, wanted, reading).map(drop)
}

async fn run_on<E: Engine, R: Channel, S: Server>(
    mut session: E,
    mut relay: Relay<R, S>,
    call: Call,
    taken: Taken,
    rng: ChaCha20Rng,
    (watch, may_send, seen): (&Watch, Gate, Seen),
) -> Result<Ended<E::Online>, CallError> {
    let Call { target, config, limits, content, reading, .. } = call;
    let Taken { wanted, shares, given } = taken;
    let message = Message::new(content, &wanted)?;
    let plan = Plan::declare(&mut session, config.groups(), &message, &wanted, (&reading, limits))?;
    let mut online = session.seal().await?;
    watch.finished(Stage::Prepare, online.stats());

    let ready = Ready { plan, message, shares, given, config, target, limits, rng, watch, may_send, seen };
    match ready.run(&mut online, &mut relay).await {
        Ok((done, saved)) => Ok(Ended { done, saved: saved.map(|(shares, check)| Saved { online, shares, check }) }),
        // A party that refuses the server, say, must not leave the others waiting.
        Err(error) => {
            online.give_up().await;
            Err(error)
        }
    }
}

/// A call once everything is prepared.
struct Ready<'a> {
    plan: Plan,
    message: Message,
    shares: Vec<Share>,
    given: Zeroizing<Vec<u8>>,
    config: Config,
    target: Target,
    limits: AnswerLimits,
    rng: ChaCha20Rng,
    watch: &'a Watch,
    may_send: Gate,
    seen: Seen,
}

/// What a call leaves beside what is known: this party's shares of what was kept, and how they are verified.
type Left = Option<(Vec<Share>, LoadPlan)>;

impl Ready<'_> {
    async fn run<O: Online, R: Channel, S: Server>(self, online: &mut O, relay: &mut Relay<R, S>) -> Result<(Done, Left), CallError> {
        let Ready { plan, message, shares, given, config, target, limits, mut rng, watch, may_send, mut seen } = self;
        if !plan.holes.is_empty() {
            plan.holes.fill(online, &message, (shares, given), &mut rng).await?;
            watch.finished(Stage::Sign, online.stats());
        }
        relay.connect().await?;
        watch.finished(Stage::Connect, online.stats());
        let (released, chain) = (AtomicBool::new(false), Mutex::new([0; 32]));
        let reached = |milestone, stats| match milestone {
            Milestone::Handshake(of_server) => {
                *chain.lock().unwrap_or_else(PoisonError::into_inner) = of_server;
                watch.finished(Stage::Handshake, stats);
            }
            Milestone::Releasing => released.store(true, Ordering::Relaxed),
            Milestone::Sealed => watch.finished(Stage::Send, stats),
            Milestone::Opened => watch.finished(Stage::Receive, stats),
        };
        let done = |answer| Done { answer, server_chain: Digest(*chain.lock().unwrap_or_else(PoisonError::into_inner)) };
        let calling = async {
            let keys = JointKeys::new(online, plan.tls, ChaCha20Rng::from_rng(&mut rng), may_send, reached);
            let held = converse(keys, relay, config, target, message.pieces, limits).await?;
            let Some(read) = plan.read else { return Ok((done(Answered::Whole(held.open().await.map_err(|f| f.error)?)), None)) };
            let (answer, expected, keep) = read.split();
            let (read, kept) = read_part(held, answer, &expected).await?;
            let done = done(Answered::Part(read));
            if keep.saves() && !seen(&done) {
                return Err(CallError::Unstored);
            }
            Ok((done, keep.run(online, &kept).await?))
        };
        let result: Result<(Done, Left), CallError> = calling.await;
        match released.into_inner() {
            true => result.map_err(|e| CallError::MayHaveBeenSent(Box::new(e))),
            false => result,
        }
    }
}

/// Handshake, request, and the answer as it is held.
async fn converse<'o, O: Online, R: Channel, S: Server>(
    keys: JointKeys<'o, O>,
    relay: &mut Relay<R, S>,
    config: Config,
    target: Target,
    request: Vec<Piece<JointHole>>,
    limits: AnswerLimits,
) -> Result<HeldAnswer<JointKeys<'o, O>>, CallError> {
    let connection = handshake(keys, relay, config, target).await?;
    let (connection, records) = alert_on_failure(relay, connection.send(request, FragmentSize::LARGEST).await).await?;
    relay.send(&records).await?;
    hold(connection, relay, limits).await
}

/// Reads what the policy lets out. What was kept is wires.
async fn read_part<O: Online>(
    held: HeldAnswer<JointKeys<'_, O>>,
    plan: AnswerPlan,
    expected: &Expected,
) -> Result<(Read, Vec<O::Verified>), CallError> {
    let Released { ops, digest, records, .. } = held.release();
    Ok(ops.read(plan, digest, records, expected).await?)
}

async fn handshake<'o, O: Online, R: Channel, S: Server>(
    keys: JointKeys<'o, O>,
    relay: &mut Relay<R, S>,
    config: Config,
    target: Target,
) -> Result<Connection<JointKeys<'o, O>>, CallError> {
    let (mut handshake, hello) = alert_on_failure(relay, Handshake::start(keys, config, target).await).await?;
    relay.send(&hello).await?;
    loop {
        let bytes = relay.recv(Patience::Handshake).await?;
        if bytes.is_empty() {
            return Err(handshake.end().error.into());
        }
        let (progress, output) = alert_on_failure(relay, handshake.receive(&bytes).await).await?;
        relay.send(&output).await?;
        match progress {
            Progress::Pending(pending) => handshake = pending,
            Progress::Established(connection) => return Ok(connection),
        }
    }
}

/// Holds everything until the server closes.
async fn hold<'o, O: Online, R: Channel, S: Server>(
    connection: Connection<JointKeys<'o, O>>,
    relay: &mut Relay<R, S>,
    limits: AnswerLimits,
) -> Result<HeldAnswer<JointKeys<'o, O>>, CallError> {
    let mut collector = connection.await_answer(limits);
    loop {
        let patience = if collector.ends_like_a_closure() { Patience::Farewell } else { Patience::Answer };
        let bytes = relay.recv(patience).await?;
        if bytes.is_empty() {
            break;
        }
        collector = collector.receive(&bytes).map_err(|f| f.error)?;
    }
    let held = collector.end().map_err(|f| f.error)?;
    if held.digest().records() == 0 {
        // Nothing to read, so nothing of the server's secret is opened to whoever may still read on alone.
        return Err(CallError::NoAnswer(relay.connector()));
    }
    Ok(held)
}

/// Sends the alert that a failure wants sent. The failure is what is reported, whether or not the alert got through.
async fn alert_on_failure<T, R: Channel, S: Server>(
    relay: &mut Relay<R, S>,
    result: Result<T, Failure<JointError>>,
) -> Result<T, CallError> {
    match result {
        Ok(value) => Ok(value),
        Err(failure) => {
            let _ = relay.send(&failure.output).await;
            Err(failure.error.into())
        }
    }
}

/// Everything that is declared for a call.
struct Plan {
    holes: HolesPlan,
    tls: TlsPlan,
    read: Option<ReadPlan>,
}

impl Plan {
    fn declare<E: Engine>(
        engine: &mut E,
        groups: &[cotenant_tls::Group],
        message: &Message,
        wanted: &[Wanted],
        (reading, limits): (&Reading, AnswerLimits),
    ) -> Result<Plan, CallError> {
        let (holes, wires) = HolesPlan::declare(engine, message, wanted)?;
        let shape = Shape::new(&message.shape, FragmentSize::LARGEST);
        let tls = TlsPlan::declare(engine, groups, shape, &wires)?;
        let read = match reading {
            Reading::Whole => None,
            Reading::Part(redaction) => Some(ReadPlan::declare(engine, redaction, limits, &tls.server_secret())?),
        };
        Ok(Plan { holes, tls, read })
    }
}
