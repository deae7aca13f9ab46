//! Makes the links of a mesh: a party dials those above it in the member list and takes the connections of those below.

use crate::{
    desk::{News, Waiting},
    error::{HelloFault, NetError, PeerError, PeerFault, Phase, Stranger},
    frame::Hello,
    identity::PublicIdentity,
    meet::{Arrival, Failure, ask, reach},
    mesh::MeshConfig,
    stream::Stream,
};
use cotenant_core::party::PartyId;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};

/// The pauses between two attempts to dial double from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How a task of [`connect`] ended.
enum Done {
    Dialled(PartyId, Result<Stream, Failure>),
    Taken(PartyId, SocketAddr, Result<Stream, Failure>),
}

/// Makes the links to all other parties and hands each to `established` at once. A party that dials again, because it was started
/// again, is handed over again. If it is `alone`, no other session can exist at this party's address, and who asks for one is in the
/// wrong.
///
/// # Errors
/// [`NetError::Peers`] with the one party that cannot be a peer of this session, or at the time limit with all that are missing.
pub(crate) async fn connect(
    config: &Arc<MeshConfig>,
    mut waiting: Waiting,
    alone: bool,
    mut established: impl FnMut(PartyId, Stream),
) -> Result<(), NetError> {
    let deadline = Instant::now() + config.limits.connect;
    let me = config.me;
    let mut missing: Vec<PartyId> = me.others(config.members.len()).collect();
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let mut last_stranger = None;
    let mut taking: BTreeMap<PartyId, AbortHandle> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    for &party in missing.iter().filter(|&&party| party < me) {
        tasks.spawn(dial(config.clone(), party, seen.clone()));
    }
    while !missing.is_empty() {
        tokio::select! {
            Some(done) = tasks.join_next() => match done {
                Ok(Done::Dialled(party, Ok(stream)) | Done::Taken(party, _, Ok(stream))) => {
                    missing.retain(|&other| other != party);
                    established(party, stream);
                }
                Ok(Done::Taken(_, from, Err((_, cause)))) if !is_final(&cause) => {
                    last_stranger = Some(Stranger { from, cause: Arc::new(cause) });
                }
                Ok(Done::Dialled(party, Err(failure)) | Done::Taken(party, _, Err(failure))) => {
                    return Err(NetError::Peers(vec![config.peer_error(party, failure.0, failure.1)]));
                }
                Err(gave_way) => assert!(gave_way.is_cancelled(), "no task panics"),
            },
            Some(news) = waiting.news.recv() => match news {
                News::Arrived(arrival) => {
                    let party = config.place_of(&arrival.key);
                    // Only the last connection of a party counts.
                    if let Some(before) = taking.insert(party, tasks.spawn(take(config.clone(), party, *arrival))) {
                        before.abort();
                    }
                }
                News::Refused(stranger) => last_stranger = Some(stranger),
                News::Elsewhere { key, fault, .. } if alone => {
                    let error = config.peer_error(config.place_of(&key), Phase::Hello, PeerFault::Hello(fault));
                    return Err(NetError::Peers(vec![error]));
                }
                News::Elsewhere { from, fault, .. } => {
                    last_stranger = Some(Stranger { from, cause: Arc::new(PeerFault::Hello(fault)) });
                }
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
    matches!(cause, PeerFault::WrongKey { .. } | PeerFault::Refused { .. } | PeerFault::Version | PeerFault::Hello(_))
}

async fn attempt(config: &MeshConfig, party: PartyId) -> Result<Stream, Failure> {
    let stream = reach(&config.identity, &config.members[party.index()], &config.limits).await?;
    ask(stream, &config.identity, &config.hello(party), &config.limits).await
}

async fn take(config: Arc<MeshConfig>, party: PartyId, arrival: Arrival) -> Done {
    let from = arrival.from;
    if party < config.me {
        arrival.refuse(&config.limits).await;
        return Done::Taken(party, from, Err((Phase::Hello, PeerFault::Hello(HelloFault::Direction))));
    }
    Done::Taken(party, from, arrival.welcome(&config.hello(party), &config.limits).await)
}

impl MeshConfig {
    /// What this party says to `party`.
    pub(crate) fn hello(&self, party: PartyId) -> Hello {
        Hello::new(self.members.len(), self.me, party, self.session)
    }

    /// Whose key this is.
    fn place_of(&self, key: &PublicIdentity) -> PartyId {
        PartyId::new(self.members.iter().position(|member| member.identity == *key).expect("only members are waited for"))
    }
}
