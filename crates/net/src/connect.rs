//! Makes the links of a mesh: a party dials those above it in the member list and accepts those below.
//!
//! No frame is read before TLS has proved the key of a member. A stranger is held for a limited time, and there are never more than so
//! many: one more takes the place of the oldest. So strangers can neither fill the memory nor keep members out.
//!
//! The accepting side says hello first: a dialler whose key is refused then reads the refusal, and has nothing under way that could
//! turn it into a reset.

use crate::{
    error::{HelloFault, NetError, PeerError, PeerFault, Phase, Stranger},
    frame::{HELLO, Hello},
    mesh::MeshConfig,
    stream::Stream,
    tls,
};
use cotenant_core::party::PartyId;
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, lookup_host},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};

/// Connections that have not yet proved to come from a member, held at once; each costs the buffers of a
/// [`Stream`], a quarter of a MiB.
const UNPROVED: usize = 64;

/// The pauses between two attempts to dial double from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A failed attempt: in which phase and why.
type Failure = (Phase, PeerFault);

/// How a task of [`connect`] ended.
enum Done {
    Dialled(PartyId, Result<Stream, Failure>),
    Greeted(Result<(PartyId, Stream), Refusal>),
}

/// Why a connection from outside was turned away.
enum Refusal {
    /// By somebody who did not prove to be a member.
    Stranger(Stranger),
    /// By a member who is in another session.
    Member(PartyId, Failure),
}

/// Makes the links to all other parties and hands each to `established` at once. A party that dials again, because it was started
/// again, is handed over again.
///
/// # Errors
/// [`NetError::Peers`] with the one party that cannot be a peer of this session, or at the time limit with all that are missing.
pub(crate) async fn connect(
    config: &Arc<MeshConfig>,
    listener: Option<&TcpListener>,
    mut established: impl FnMut(PartyId, Stream),
) -> Result<(), NetError> {
    let deadline = Instant::now() + config.limits.connect;
    let me = config.me;
    let mut missing: Vec<PartyId> = me.others(config.members.len()).collect();
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let mut last_stranger = None;
    let mut unproved: VecDeque<AbortHandle> = VecDeque::new();
    let mut tasks = JoinSet::new();
    for &party in missing.iter().filter(|&&party| party < me) {
        tasks.spawn(dial(config.clone(), party, seen.clone()));
    }
    while !missing.is_empty() {
        tokio::select! {
            Some(done) = tasks.join_next() => match done {
                Ok(Done::Dialled(party, Ok(stream)) | Done::Greeted(Ok((party, stream)))) => {
                    missing.retain(|&other| other != party);
                    established(party, stream);
                }
                Ok(Done::Dialled(party, Err(failure)) | Done::Greeted(Err(Refusal::Member(party, failure)))) => {
                    return Err(NetError::Peers(vec![config.peer_error(party, failure.0, failure.1)]));
                }
                Ok(Done::Greeted(Err(Refusal::Stranger(stranger)))) => last_stranger = Some(stranger),
                Err(gave_way) => assert!(gave_way.is_cancelled(), "no task panics"),
            },
            accepted = accept(listener) => match accepted {
                Ok((tcp, from)) => {
                    unproved.retain(|task| !task.is_finished());
                    if unproved.len() == UNPROVED {
                        unproved.pop_front().expect("not empty").abort();
                    }
                    unproved.push_back(tasks.spawn(greet(config.clone(), tcp, from)));
                }
                // Out of file descriptors, or the connection is gone again: nothing that a pause cannot mend.
                Err(_) => sleep(PAUSES.0).await,
            },
            () = sleep_until(deadline) => break,
        }
    }
    let seen = std::mem::take(&mut *seen.lock().expect("no holder panics"));
    absent(config, missing, seen, last_stranger)
}

/// The errors of those still missing at the time limit.
fn absent(
    config: &MeshConfig,
    missing: Vec<PartyId>,
    mut seen: BTreeMap<PartyId, Failure>,
    mut last_stranger: Option<Stranger>,
) -> Result<(), NetError> {
    let mut errors: Vec<PeerError> = Vec::new();
    for party in missing {
        let (phase, cause) = if party > config.me {
            (Phase::Awaiting, PeerFault::Absent { refused: last_stranger.take() })
        } else {
            seen.remove(&party).unwrap_or((Phase::Dialling, PeerFault::TimedOut))
        };
        errors.push(config.peer_error(party, phase, cause));
    }
    if errors.is_empty() { Ok(()) } else { Err(NetError::Peers(errors)) }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Dials until it succeeds or fails for good; leaves in `seen` why the last attempt failed.
async fn dial(config: Arc<MeshConfig>, party: PartyId, seen: Arc<Mutex<BTreeMap<PartyId, Failure>>>) -> Done {
    let mut pause = PAUSES.0;
    loop {
        match attempt(&config, party).await {
            Err((phase, cause)) if !is_final(&cause) => {
                seen.lock().expect("no holder panics").insert(party, (phase, cause));
            }
            done => return Done::Dialled(party, done),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Whether dialling again is pointless: somebody answered, and it is not, or does not want to be, a peer of this session.
fn is_final(cause: &PeerFault) -> bool {
    matches!(cause, PeerFault::WrongKey { .. } | PeerFault::KeyRefused { .. } | PeerFault::Version | PeerFault::Hello(_))
}

async fn attempt(config: &MeshConfig, party: PartyId) -> Result<Stream, Failure> {
    let member = &config.members[party.index()];
    let limit = config.limits.handshake;
    let tcp = in_time(limit, Phase::Dialling, dial_tcp(&member.address)).await?;
    let mut stream = in_time(limit, Phase::Tls, tls::dial(tcp, &config.identity, member.identity, &[tls::ALPN])).await?;
    let ours = Hello::new(config.members.len(), config.me, party, config.session);
    let hello = async {
        let theirs = hear(&mut stream, config).await?;
        say(&mut stream, &ours, config).await?;
        ours.check(&theirs).map_err(PeerFault::Hello)
    };
    match in_time(limit, Phase::Hello, hello).await {
        Ok(()) => Ok(stream),
        // In TLS 1.3 a client learns only after its last message what the server makes of its key.
        Err((_, cause @ PeerFault::KeyRefused { .. })) => Err((Phase::Tls, cause)),
        Err(failure) => Err(failure),
    }
}

async fn dial_tcp(address: &str) -> Result<TcpStream, PeerFault> {
    let addresses: Vec<SocketAddr> = lookup_host(address).await.map_err(PeerFault::NoSuchHost)?.collect();
    let tcp = TcpStream::connect(&addresses[..]).await.map_err(PeerFault::Io)?;
    tcp.set_nodelay(true).map_err(PeerFault::Io)?;
    Ok(tcp)
}

/// Finds out who connected.
async fn greet(config: Arc<MeshConfig>, tcp: TcpStream, from: SocketAddr) -> Done {
    let stranger = |(_, cause)| Done::Greeted(Err(Refusal::Stranger(Stranger { from, cause: Box::new(cause) })));
    let limit = config.limits.handshake;
    let members = config.me.others(config.members.len()).map(|party| config.members[party.index()].identity);
    let secured = in_time(limit, Phase::Tls, async {
        tcp.set_nodelay(true).map_err(PeerFault::Io)?;
        tls::accept(tcp, &config.identity, members.collect(), &[tls::ALPN]).await
    });
    let mut stream = match secured.await {
        Ok(stream) => stream,
        Err(failure) => return stranger(failure),
    };
    let key = tls::peer_key(&stream);
    let place = config.members.iter().position(|member| Some(member.identity) == key).expect("TLS lets in members only");
    let party = PartyId::new(place);
    match in_time(limit, Phase::Hello, greet_member(&config, party, &mut stream)).await {
        Ok(()) => Done::Greeted(Ok((party, stream))),
        Err(failure) if is_final(&failure.1) => Done::Greeted(Err(Refusal::Member(party, failure))),
        Err(failure) => stranger(failure),
    }
}

async fn greet_member(config: &MeshConfig, party: PartyId, stream: &mut Stream) -> Result<(), PeerFault> {
    let ours = Hello::new(config.members.len(), config.me, party, config.session);
    say(stream, &ours, config).await?;
    let theirs = hear(stream, config).await?;
    ours.check(&theirs).map_err(PeerFault::Hello)?;
    if party < config.me { Err(PeerFault::Hello(HelloFault::Direction)) } else { Ok(()) }
}

async fn say(stream: &mut Stream, hello: &Hello, config: &MeshConfig) -> Result<(), PeerFault> {
    let said = async {
        stream.write_all(&hello.encode()).await?;
        stream.flush().await
    };
    said.await.map_err(|e| tls::fault_of(e, &config.identity))
}

async fn hear(stream: &mut Stream, config: &MeshConfig) -> Result<Hello, PeerFault> {
    let mut bytes = [0; HELLO];
    stream.read_exact(&mut bytes).await.map_err(|e| tls::fault_of(e, &config.identity))?;
    Ok(Hello::decode(&bytes))
}

async fn in_time<T>(limit: Duration, phase: Phase, work: impl Future<Output = Result<T, PeerFault>>) -> Result<T, Failure> {
    timeout(limit, work).await.unwrap_or(Err(PeerFault::TimedOut)).map_err(|cause| (phase, cause))
}
