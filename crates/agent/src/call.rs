//! One joint call: prepare, connect, handshake, send, hold the answer, open it.
//!
//! What the parties must agree on beforehand is agreed on elsewhere (`agree`); its digest goes into the MPC session. The signature is computed before the
//! connection is opened, so that the server waits for nothing that could have been done earlier.

use crate::http;
use crate::relay::{Patience, Relay, RelayError, Server};
use crate::sign::{circuit, sigv4};
use crate::tls::{JointError, JointHole, JointKeys, Milestone, PieceShape, Shape, TlsPlan};
use chacha20::ChaCha20Rng;
use cotenant_circuit::bytes::{output_bytes, to_bytes};
use cotenant_circuit::{Builder, Circuit};
use cotenant_core::{Bits, Channel, Digest, PartyId};
use cotenant_mpc::{Engine, Given, Input, Online, Options, Segment, Session, Source, Stats, Wire};
use cotenant_tls::{Answer, AnswerLimits, Config, Connection, Failure, FragmentSize, Handshake, Piece, Progress, Target};
use rand_core::SeedableRng;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// What is sent.
pub enum Content {
    /// These bytes.
    Public(Vec<u8>),
    /// A request signed with AWS Signature Version 4 by a key that no party has.
    Signed(Box<SignedRequest>),
}

/// A request to be signed inside MPC.
pub struct SignedRequest {
    /// The request, without an Authorization header.
    pub request: http::Request,
    /// Date, region, service.
    pub scope: sigv4::Scope,
    /// How the service wants its requests canonicalised.
    pub style: sigv4::Style,
    /// The public half of the key pair.
    pub access_key_id: String,
    /// This party's share of the secret access key: the key is the exclusive or of all parties' shares.
    pub share: Zeroizing<Vec<u8>>,
}

/// One call, as one party sees it; all but the share is the same at every party.
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
}

/// A stage of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The MPC session is set up.
    Setup,
    /// Everything is garbled, the session is sealed.
    Prepare,
    /// The request is signed, still as shares.
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
) -> Result<Answer, CallError> {
    let watch = Watch(Arc::new(Mutex::new(observe)));
    let relay = Relay::new(relay, call.connector, server);
    let progress = watch.clone();
    let session_rng = ChaCha20Rng::from_rng(&mut rng);
    let observer: cotenant_mpc::Observer = Box::new(move |p| progress.tell(Event::Progress(p)));
    let options = Options { observer: Some(observer), threads };
    let session = Session::start(mpc, agreed, session_rng, options).await?;
    watch.finished(Stage::Setup, session.stats());
    run_on(session, relay, call, rng, &watch).await
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
) -> Result<Answer, CallError> {
    run_on(session, relay, call, rng, &Watch(Arc::new(Mutex::new(observe)))).await
}

async fn run_on<E: Engine, R: Channel, S: Server>(
    mut session: E,
    mut relay: Relay<R, S>,
    call: Call,
    rng: ChaCha20Rng,
    watch: &Watch,
) -> Result<Answer, CallError> {
    let Call { target, config, limits, content, .. } = call;
    let message = Message::new(content)?;
    let plan = Plan::declare(&mut session, config.groups(), &message)?;
    let mut online = session.seal().await?;
    watch.finished(Stage::Prepare, online.stats());

    let ready = Ready { plan, message, config, target, limits, rng, watch };
    let result = ready.run(&mut online, &mut relay).await;
    if result.is_err() {
        // A party that refuses the server, say, must not leave the others waiting.
        online.give_up().await;
    }
    result
}

/// A call once everything is prepared.
struct Ready<'a> {
    plan: Plan,
    message: Message,
    config: Config,
    target: Target,
    limits: AnswerLimits,
    rng: ChaCha20Rng,
    watch: &'a Watch,
}

impl Ready<'_> {
    async fn run<O: Online, R: Channel, S: Server>(self, online: &mut O, relay: &mut Relay<R, S>) -> Result<Answer, CallError> {
        let Ready { plan, message, config, target, limits, mut rng, watch } = self;
        if let Some(signing) = plan.signing {
            signing.sign(online, &message).await?;
            watch.finished(Stage::Sign, online.stats());
        }
        relay.connect().await?;
        watch.finished(Stage::Connect, online.stats());
        let released = AtomicBool::new(false);
        let keys = JointKeys::new(online, plan.tls, ChaCha20Rng::from_rng(&mut rng), |milestone, stats| match milestone {
            Milestone::Handshake => watch.finished(Stage::Handshake, stats),
            Milestone::Releasing => released.store(true, Ordering::Relaxed),
            Milestone::Sealed => watch.finished(Stage::Send, stats),
            Milestone::Opened => watch.finished(Stage::Receive, stats),
        });
        let result = converse(keys, relay, config, target, message.pieces, limits).await;
        match released.into_inner() {
            true => result.map_err(|e| CallError::MayHaveBeenSent(Box::new(e))),
            false => result,
        }
    }
}

/// Handshake, request, answer.
async fn converse<O: Online, R: Channel, S: Server>(
    keys: JointKeys<'_, O>,
    relay: &mut Relay<R, S>,
    config: Config,
    target: Target,
    request: Vec<Piece<JointHole>>,
    limits: AnswerLimits,
) -> Result<Answer, CallError> {
    let connection = handshake(keys, relay, config, target).await?;
    let (connection, records) = alert_on_failure(relay, connection.send(request, FragmentSize::LARGEST).await).await?;
    relay.send(&records).await?;
    hold_and_open(connection, relay, limits).await
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

/// Holds everything until the server closes, then opens.
async fn hold_and_open<O: Online, R: Channel, S: Server>(
    connection: Connection<JointKeys<'_, O>>,
    relay: &mut Relay<R, S>,
    limits: AnswerLimits,
) -> Result<Answer, CallError> {
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
        // Nothing to read, so the server's secret is not opened to whoever may still read on alone.
        return Err(CallError::NoAnswer(relay.connector()));
    }
    Ok(held.open().await.map_err(|f| f.error)?)
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

/// A request as pieces of plaintext, with what its signature needs.
struct Message {
    pieces: Vec<Piece<JointHole>>,
    shape: Vec<PieceShape>,
    signature: Option<Signature>,
}

struct Signature {
    to_sign: sigv4::ToSign,
    share: Zeroizing<Vec<u8>>,
}

impl Message {
    fn new(content: Content) -> Result<Message, CallError> {
        match content {
            Content::Public(bytes) => {
                Ok(Message { shape: vec![PieceShape::Public(bytes.len())], pieces: vec![Piece::Public(bytes)], signature: None })
            }
            Content::Signed(signed) => Self::signed(*signed),
        }
    }

    fn signed(signed: SignedRequest) -> Result<Message, CallError> {
        let SignedRequest { mut request, scope, style, access_key_id, share } = signed;
        if share.len() != circuit::SECRET_KEY_BYTES {
            return Err(CallError::Share { found: share.len() });
        }
        let to_sign = sigv4::prepare(&mut request, &scope, style)?;
        let (before, after) = request.encode_around_hole("Authorization", &to_sign.authorization_prefix(&access_key_id)?)?;
        let shape = vec![PieceShape::Public(before.len()), PieceShape::Secret(DIGITS), PieceShape::Public(after.len())];
        let pieces = vec![Piece::Public(before), Piece::Secret(JointHole::new(DIGITS)), Piece::Public(after)];
        Ok(Message { pieces, shape, signature: Some(Signature { to_sign, share }) })
    }
}

/// Hex digits of a signature.
const DIGITS: usize = 64;

/// Everything that is declared for a call.
struct Plan {
    signing: Option<SigningPlan>,
    tls: TlsPlan,
}

struct SigningPlan {
    shares: Vec<Input>,
    words: Input,
    segment: Segment,
}

impl Plan {
    fn declare<E: Engine>(engine: &mut E, groups: &[cotenant_tls::Group], message: &Message) -> Result<Plan, CallError> {
        let signing = match &message.signature {
            Some(s) => Some(SigningPlan::declare(engine, s)?),
            None => None,
        };
        let holes: Vec<Wire> = signing.iter().flat_map(|s| s.segment.wires()).collect();
        let shape = Shape::new(&message.shape, FragmentSize::LARGEST);
        let tls = TlsPlan::declare(engine, groups, shape, &holes)?;
        Ok(Plan { signing, tls })
    }
}

impl SigningPlan {
    fn declare<E: Engine>(engine: &mut E, signature: &Signature) -> Result<SigningPlan, CallError> {
        let n = engine.parties();
        let circuit = Arc::new(signing_circuit(n, &signature.to_sign.scope));
        let bits = 8 * circuit::SECRET_KEY_BYTES;
        let shares: Vec<Input> = PartyId::all(n).map(|p| engine.declare(Source::Private(p), bits)).collect();
        let words = engine.declare(Source::Public, circuit.inputs() - n * bits);
        let wires: Vec<Wire> = shares.iter().flat_map(|s| s.wires()).chain(words.wires()).collect();
        let segment = engine.segment(&circuit, &wires)?;
        Ok(SigningPlan { shares, words, segment })
    }

    /// Computes the signature; it stays shared until it is sent.
    async fn sign<O: Online>(self, online: &mut O, message: &Message) -> Result<(), CallError> {
        let signature = message.signature.as_ref().expect("a signing plan was made for a signature");
        let me = Source::Private(online.me());
        let mut given: Vec<Given> = Vec::new();
        for input in self.shares {
            given.push(if input.source() == me { Given::Mine(input, Bits::from_bytes(&signature.share)) } else { Given::Theirs(input) });
        }
        given.push(Given::Public(self.words, circuit::string_to_sign_bits(&signature.to_sign).into_iter().collect()));
        online.input(given).await?;
        online.evaluate(self.segment).await?;
        Ok(())
    }
}

/// From `n` shares of the secret access key, and the words of the string to sign, to the digits of the signature.
fn signing_circuit(n: usize, scope: &sigv4::Scope) -> Circuit {
    let mut b = Builder::new();
    let mut secret = b.input(8 * circuit::SECRET_KEY_BYTES);
    for _ in 1..n {
        let share = b.input(secret.len());
        secret = b.xor_bits(&secret, &share);
    }
    let words = circuit::string_to_sign_input(&mut b, scope);
    let key = circuit::signing_key(&mut b, &to_bytes(&secret), scope);
    let digits = circuit::signature(&mut b, &key, &words);
    output_bytes(&mut b, &digits);
    b.finish()
}
