//! A link that is made again whenever it breaks.
//!
//! Both sides may dial, and each takes the other's connection at any time. If both dial at once, the connection of the party with the
//! smaller key is used: the other party gives up its own as soon as that arrives, while the first, once it has asked, looks at no
//! connection of the other before it has an answer. Before it has asked it gives up its own, of which the other then knows nothing. A
//! connection counts only when both have said so (see `meet`), so the two never end up with different ones.
//!
//! A connection that arrives while the link is up says that the other side has none, since it was started again for instance: it takes
//! the link's place.

use crate::{
    desk::{Admits, Session, Waiting},
    error::{ConfigFault, PeerError, PeerFault, Phase},
    hub::{Door, Peer},
    identity::PublicIdentity,
    meet::{Arrival, Failure, ask, reach},
    mesh::{Links, Member, Mesh, MeshConfig, is_address},
    stream::Stream,
};
use cotenant_core::{Domain, party::PartyId};
use std::{convert::Infallible, future::pending, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep},
};

/// The first pause after an attempt that failed; they double.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// How a kept link is.
#[derive(Clone)]
pub enum LinkState {
    /// It was not up yet, and no attempt has failed.
    Connecting,
    /// It is up, as a mesh of two parties in the order of their keys. Lanes of an earlier one fail.
    Up(Arc<Mesh>),
    /// It broke, or the last attempt to make it failed. It will be tried again.
    Down(Arc<PeerError>),
}

/// A link that is kept until this is dropped.
pub struct Kept {
    peer: PartyId,
    state: watch::Receiver<LinkState>,
    closing: oneshot::Sender<()>,
    keeper: JoinSet<()>,
}

impl Kept {
    pub(crate) fn new(door: &Door, peer: Peer, purpose: &[u8], here: SocketAddr) -> Result<Kept, ConfigFault> {
        let own = Member { name: "this party".to_owned(), identity: door.identity.public(), address: here.to_string() };
        let (first, dials) = (own.identity < peer.identity, peer.address.is_some());
        let other = Member { name: peer.name, identity: peer.identity, address: peer.address.unwrap_or_default() };
        let (me, party) = if first { (0, 1) } else { (1, 0) };
        let (me, party) = (PartyId::new(me), PartyId::new(party));
        if own.identity == other.identity {
            return Err(ConfigFault::SameIdentity(me, party));
        }
        if dials && !is_address(&other.address) {
            return Err(ConfigFault::Address { party, address: other.address });
        }
        let members = if first { vec![own, other] } else { vec![other, own] };
        let session = session(purpose, [0, 1].map(|i| members[i].identity));
        let admits = Admits::These(vec![members[party.index()].identity]);
        let waiting = door.desk.wait(session, admits).ok_or(ConfigFault::SessionTwice(session))?;
        let config = Arc::new(MeshConfig { identity: door.identity.clone(), me, members, session, limits: door.limits.clone() });
        let (report, state) = watch::channel(LinkState::Connecting);
        let (closing, closed) = oneshot::channel();
        let mut keeper = JoinSet::new();
        keeper.spawn(Keeper { config, peer: party, waiting, report, dials, first }.keep_until(closed));
        Ok(Kept { peer: party, state, closing, keeper })
    }

    /// The peer's place in the link's mesh.
    pub fn peer(&self) -> PartyId {
        self.peer
    }

    /// How the link is, and every change of that but those that last too short to be seen.
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// The link, if it is up.
    pub fn link(&self) -> Option<Arc<Mesh>> {
        link(&self.state.borrow())
    }

    /// Waits until the link is up.
    pub async fn up(&mut self) -> Arc<Mesh> {
        let up = self.state.wait_for(|state| matches!(state, LinkState::Up(_))).await;
        link(&up.expect("the keeper lives as long as this")).expect("just waited for")
    }

    /// Sends what is queued, says goodbye, and keeps the link no longer.
    pub async fn close(self) {
        let Kept { closing, mut keeper, .. } = self;
        let _ = closing.send(());
        keeper.join_next().await;
    }
}

struct Keeper {
    config: Arc<MeshConfig>,
    peer: PartyId,
    waiting: Waiting,
    report: watch::Sender<LinkState>,
    /// This party knows where the peer is.
    dials: bool,
    /// This party's connection is used if both dial at once.
    first: bool,
}

impl Keeper {
    async fn keep_until(mut self, closed: oneshot::Receiver<()>) {
        tokio::select! {
            _ = closed => {}
            never = self.keep() => match never {},
        }
        let link = link(&self.report.borrow());
        if let Some(mesh) = link {
            mesh.hang_up().await;
        }
    }

    async fn keep(&mut self) -> Infallible {
        let mut pause = Duration::ZERO;
        loop {
            match self.attempt(pause).await {
                Ok(stream) => {
                    let since = Instant::now();
                    let failure = self.hold(stream).await;
                    self.down(failure);
                    if since.elapsed() >= self.config.limits.dead_after {
                        pause = Duration::ZERO;
                    }
                }
                Err(Some(failure)) => self.down(failure),
                // A connection of the peer that it has given up itself.
                Err(None) => continue,
            }
            pause = (pause * 2).clamp(FIRST_PAUSE, self.config.limits.retry.max(FIRST_PAUSE));
        }
    }

    /// One connection: the peer's, or after a pause this party's own.
    async fn attempt(&mut self, pause: Duration) -> Result<Stream, Option<Failure>> {
        let config = self.config.clone();
        let member = &config.members[self.peer.index()];
        let dial = async {
            if !self.dials {
                return pending().await;
            }
            sleep(pause).await;
            reach(&config.identity, member, &config.limits).await
        };
        let reached = tokio::select! {
            biased;
            arrival = self.waiting.arrival() => return self.take(arrival).await.ok_or(None),
            reached = dial => reached.map_err(Some)?,
        };
        let hello = config.hello(self.peer);
        let asked = ask(reached, &config.identity, &hello, &config.limits);
        if self.first {
            return asked.await.map_err(Some);
        }
        tokio::select! {
            biased;
            arrival = self.waiting.arrival() => self.take(arrival).await.ok_or(None),
            asked = asked => asked.map_err(Some),
        }
    }

    async fn take(&self, arrival: Arrival) -> Option<Stream> {
        arrival.welcome(&self.config.hello(self.peer), &self.config.limits).await.ok()
    }

    /// Has the link up until it breaks, and gives the reason.
    async fn hold(&mut self, stream: Stream) -> Failure {
        let mut mesh = self.up(stream);
        loop {
            tokio::select! {
                error = mesh.ended() => {
                    mesh.cut();
                    return (Phase::Running, PeerFault::Link(error.cause));
                }
                arrival = self.waiting.arrival() => if let Some(stream) = self.take(arrival).await {
                    mesh.cut();
                    mesh = self.up(stream);
                },
            }
        }
    }

    fn up(&self, stream: Stream) -> Arc<Mesh> {
        let mut links = Links::new(self.config.clone());
        links.add(self.peer, stream);
        let mesh = Arc::new(links.mesh());
        self.report.send_replace(LinkState::Up(mesh.clone()));
        mesh
    }

    fn down(&self, (phase, cause): Failure) {
        self.report.send_replace(LinkState::Down(Arc::new(self.config.peer_error(self.peer, phase, cause))));
    }
}

impl Drop for Keeper {
    /// Who still has the mesh finds it broken.
    fn drop(&mut self) {
        if let Some(mesh) = link(&self.report.borrow()) {
            mesh.cut();
        }
    }
}

/// The name of the session between these two, the smaller key first.
fn session(purpose: &[u8], [one, two]: [PublicIdentity; 2]) -> Session {
    Domain::KeptLink.hasher().field(purpose).field(one.as_bytes()).field(two.as_bytes()).digest().0
}

fn link(state: &LinkState) -> Option<Arc<Mesh>> {
    match state {
        LinkState::Up(mesh) => Some(mesh.clone()),
        LinkState::Connecting | LinkState::Down(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::{BEGIN, HELLO, Hello, WELCOME},
        hub::Hub,
        identity::Identity,
        mesh::Limits,
        tls,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        time::timeout,
    };

    /// A kept link, its hub, and a peer that the test drives: both have dialled and asked, and neither has answered.
    struct Both {
        kept: Kept,
        _hub: Hub,
        hello: Hello,
        /// The connection that the kept link's side dialled.
        theirs: Stream,
        /// The one that the peer dialled.
        ours: Stream,
    }

    /// `first`: the kept link's side has the smaller key.
    async fn both(first: bool) -> Both {
        let mut identities = [0; 2].map(|_| Arc::new(Identity::generate().unwrap()));
        identities.sort_by_key(|identity| identity.public());
        let session = session(b"purpose", identities.each_ref().map(|identity| identity.public()));
        if !first {
            identities.reverse();
        }
        let [own, peer] = identities;
        let patient = Limits { hold: Duration::from_secs(600), ..Limits::default() };
        let hub = Hub::listen(own, "127.0.0.1:0", patient).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Some(listener.local_addr().unwrap().to_string());
        let kept = hub.keep(Peer { name: "peer".to_owned(), identity: peer.public(), address }, b"purpose").unwrap();
        let (me, other) = if first { (1, 0) } else { (0, 1) };
        let hello = Hello::new(2, PartyId::new(me), PartyId::new(other), session);
        let mut theirs = tls::accept(listener.accept().await.unwrap().0, &peer, &[tls::ALPN]).await.unwrap();
        theirs.read_exact(&mut [0; HELLO]).await.unwrap();
        let tcp = TcpStream::connect(hub.address()).await.unwrap();
        let mut ours = tls::dial(tcp, &peer, hub.identity(), &[tls::ALPN]).await.unwrap();
        say(&mut ours, &hello.encode()).await;
        Both { kept, _hub: hub, hello, theirs, ours }
    }

    async fn say(stream: &mut Stream, bytes: &[u8]) {
        stream.write_all(bytes).await.unwrap();
        stream.flush().await.unwrap();
    }

    #[tokio::test]
    async fn who_has_the_smaller_key_waits_for_its_own_answer() {
        let Both { mut kept, _hub, hello, mut theirs, mut ours } = both(true).await;
        assert!(timeout(Duration::from_millis(300), ours.read_u8()).await.is_err(), "it answers while it has none itself");
        drop(ours);
        say(&mut theirs, &[&[WELCOME][..], &hello.encode()].concat()).await;
        assert_eq!(theirs.read_u8().await.unwrap(), BEGIN);
        let mesh = kept.up().await;
        // What the peer gave up takes no link's place.
        assert!(timeout(Duration::from_millis(300), mesh.ended()).await.is_err());
        assert!(Arc::ptr_eq(&mesh, &kept.link().unwrap()));
    }

    #[tokio::test]
    async fn who_has_the_larger_key_gives_way() {
        let Both { mut kept, _hub, mut theirs, mut ours, .. } = both(false).await;
        let mut answer = [0; 1 + HELLO];
        let answered = timeout(Duration::from_secs(30), ours.read_exact(&mut answer)).await;
        answered.expect("it waits for no answer of its own").unwrap();
        assert_eq!(answer[0], WELCOME);
        assert!(!matches!(theirs.read(&mut [0]).await, Ok(1..)), "it has closed its own");
        assert!(kept.link().is_none(), "nothing is agreed yet");
        say(&mut ours, &[BEGIN]).await;
        kept.up().await;
    }
}
