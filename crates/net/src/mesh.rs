//! The links of one party to all others, and the lanes over them.

use crate::{
    connect::connect,
    desk::{Admits, Desk},
    error::{ConfigFault, NetError, PeerError, PeerFault, Phase},
    hub::Door,
    identity::{Identity, PublicIdentity},
    link::Link,
    queue::LaneCounters,
    stream::Stream,
};
use cotenant_core::{
    channel::{Channel, ChannelError, ChannelFault},
    party::PartyId,
};
use std::{
    collections::BTreeSet,
    future::poll_fn,
    hint::black_box,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

/// One party of a session, as all members know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// A name for people.
    pub name: String,
    /// Its key.
    pub identity: PublicIdentity,
    /// Where those below it in the list reach it, as `host:port`.
    pub address: String,
}

/// What a mesh needs to know.
pub struct MeshConfig {
    /// This party's private key.
    pub identity: Arc<Identity>,
    /// This party's place in `members`.
    pub me: PartyId,
    /// All parties, in the order that all agree on.
    pub members: Vec<Member>,
    /// What names the session; it must be the same at all parties. A digest of what they agreed on.
    pub session: [u8; 32],
    /// Times and sizes.
    pub limits: Limits,
}

/// Times and sizes that a mesh keeps to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long to try to reach all parties of a mesh. Default 60 s.
    pub connect: Duration,
    /// How long one attempt may take in each phase: dialling, TLS, hello. Default 10 s.
    pub handshake: Duration,
    /// How long a [`crate::Hub`] holds a connection for a session that nobody waits for yet; who dials waits as long for an answer.
    /// Default 10 s.
    pub hold: Duration,
    /// The longest pause between two attempts to make a link that is kept. Default 10 s.
    pub retry: Duration,
    /// After how long a peer from which nothing comes, or that takes nothing, counts as dead; it is noticed within a quarter of
    /// that more. Default 10 s.
    pub dead_after: Duration,
    /// How long [`Mesh::close`] waits for the other sides. Default 5 s.
    pub close: Duration,
    /// How many bytes may wait in one lane to one peer before `send` waits. More than the caches hold costs time and wins none. Default 2 MiB.
    pub send_ahead: usize,
    /// How many bytes a peer may send ahead of what this party reads, over all lanes; beyond that the link fails. No message can be
    /// longer. Memory in use can reach twice that for a message that is being received. Default 1 GiB.
    pub read_ahead: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(60),
            handshake: Duration::from_secs(10),
            hold: Duration::from_secs(10),
            retry: Duration::from_secs(10),
            dead_after: Duration::from_secs(10),
            close: Duration::from_secs(5),
            send_ahead: 2 << 20,
            read_ahead: 1 << 30,
        }
    }
}

/// Listens at `address` (`host:port`; port 0 for any free one) for the members further down the list.
///
/// # Errors
/// [`NetError::Listen`], if the port is in use for instance.
pub async fn listen(address: &str) -> Result<TcpListener, NetError> {
    TcpListener::bind(address).await.map_err(|cause| NetError::Listen { address: address.to_owned(), cause })
}

/// Authenticated links from this party to all others of a session.
///
/// When the mesh and all its lanes are dropped without [`Mesh::close`], the other sides see broken connections.
pub struct Mesh(Arc<Inner>);

/// What a mesh and its lanes share.
struct Inner {
    config: Arc<MeshConfig>,
    /// By place; none at this party's own.
    links: Vec<Option<Arc<Link>>>,
    /// One for each link; they end with this.
    tasks: Mutex<JoinSet<()>>,
    /// The lanes in use.
    lanes: Mutex<BTreeSet<u8>>,
    ended: Ended,
}

/// How the first of a mesh's links ended, if one has. The links' tasks have it too.
type Ended = Arc<watch::Sender<Option<ChannelError>>>;

impl Mesh {
    /// Connects to all other parties: dials those above this one in the list, accepts those below. `listener` may be left out by the
    /// last party of the list.
    ///
    /// The links are served by tasks on the tokio runtime this is called on, until the mesh and its lanes are dropped.
    ///
    /// # Errors
    /// [`NetError::Config`] before anything is sent; [`NetError::Peers`] at once if somebody else answers for a party or a party is in
    /// another session, else at the connect limit with all parties that are missing.
    pub async fn connect(config: MeshConfig, listener: Option<&TcpListener>) -> Result<Mesh, NetError> {
        config.check(&config.identity.public(), listener.is_some()).map_err(NetError::Config)?;
        // This session is the only one there: whoever asks for another can be refused at once.
        let limits = Limits { hold: Duration::ZERO, ..config.limits.clone() };
        let door = Door { identity: config.identity.clone(), limits, desk: Arc::default() };
        let mesh = Mesh::gather(config, &door.desk, true);
        match listener {
            None => mesh.await,
            Some(listener) => tokio::select! {
                mesh = mesh => mesh,
                never = door.accept(listener) => match never {},
            },
        }
    }

    /// Makes the links of a mesh whose configuration was checked.
    pub(crate) async fn gather(config: MeshConfig, desk: &Arc<Desk>, alone: bool) -> Result<Mesh, NetError> {
        keep_freed_memory();
        let others = config.me.others(config.members.len()).map(|party| config.members[party.index()].identity);
        let waiting = desk.wait(config.session, Admits::These(others.collect()));
        let waiting = waiting.ok_or(NetError::Config(ConfigFault::SessionTwice(config.session)))?;
        let config = Arc::new(config);
        let mut links = Links::new(config.clone());
        // Links are served from the start: the others' watches run while this party still waits for the rest.
        let connected = connect(&config, waiting, alone, |party, stream| links.add(party, stream)).await;
        let mesh = links.mesh();
        match connected {
            Ok(()) => Ok(mesh),
            Err(error) => {
                mesh.close().await;
                Err(error)
            }
        }
    }

    /// This party.
    pub fn me(&self) -> PartyId {
        self.0.config.me
    }

    /// The number of parties, this one included.
    pub fn parties(&self) -> usize {
        self.0.config.members.len()
    }

    /// The lane of this number: messages in it keep their order, and wait for those of no other lane. All parties give the same number
    /// the same use.
    ///
    /// # Panics
    /// If the lane is in use. It can be taken again after it was dropped; what arrived meanwhile is still there.
    pub fn lane(&self, number: u8) -> Lane {
        let free = self.0.lanes.lock().expect("no holder panics").insert(number);
        assert!(free, "lane {number} is in use");
        Lane { mesh: self.0.clone(), number }
    }

    /// What passed between this party and `party`.
    ///
    /// # Panics
    /// If `party` is this party or none of the session.
    pub fn counters(&self, party: PartyId) -> PeerCounters {
        let link = self.0.link(party);
        let numbers: BTreeSet<u8> = link.outbox.lanes().into_iter().chain(link.inbox.lanes()).collect();
        let lanes = numbers.into_iter().map(|number| (number, lane_counters(link, number))).collect();
        PeerCounters { round_trip: link.round_trip(), lanes }
    }

    /// Gives a lane's error the party's name and address.
    pub fn explain(&self, error: &ChannelError) -> PeerError {
        self.0.config.peer_error(error.party, Phase::Running, PeerFault::Link(error.cause))
    }

    /// Waits until a link has ended, and says which first and why. It may be called at any time and more than once.
    pub async fn ended(&self) -> ChannelError {
        let mut ended = self.0.ended.subscribe();
        let first = ended.wait_for(Option::is_some).await.expect("this holds the other end");
        first.clone().expect("just waited for")
    }

    /// Sends what is queued, says goodbye to all, and waits until they have heard, for [`Limits::close`] at most. Lanes still in use
    /// fail from now on.
    pub async fn close(self) {
        self.hang_up().await;
    }

    /// See [`Mesh::close`].
    pub(crate) async fn hang_up(&self) {
        self.0.links.iter().flatten().for_each(|link| link.outbox.close());
        let mut tasks = std::mem::take(&mut *self.0.tasks.lock().expect("no holder panics"));
        // Whoever has not answered by then finds the connection broken.
        let _ = timeout(self.0.config.limits.close, async { while tasks.join_next().await.is_some() {} }).await;
        drop(tasks);
        self.cut();
    }

    /// Ends all links at once.
    pub(crate) fn cut(&self) {
        self.0.tasks.lock().expect("no holder panics").abort_all();
        for (party, link) in PartyId::all(self.parties()).zip(&self.0.links) {
            let Some(link) = link else { continue };
            link.outbox.fail(ChannelFault::Broken);
            link.inbox.fail(ChannelFault::Broken);
            end(&self.0.ended, party, ChannelFault::Broken);
        }
    }
}

/// The links of a mesh in the making.
pub(crate) struct Links {
    config: Arc<MeshConfig>,
    links: Vec<Option<(Arc<Link>, AbortHandle)>>,
    tasks: JoinSet<()>,
    ended: Ended,
}

impl Links {
    pub(crate) fn new(config: Arc<MeshConfig>) -> Self {
        let links = config.members.iter().map(|_| None).collect();
        Links { config, links, tasks: JoinSet::new(), ended: Arc::new(watch::Sender::new(None)) }
    }

    /// Serves the link to `party` from now on; an earlier one to it is no more.
    pub(crate) fn add(&mut self, party: PartyId, stream: Stream) {
        let link = Arc::new(Link::new(&self.config.limits));
        let (served, config, ended) = (link.clone(), self.config.clone(), self.ended.clone());
        let before = self.links[party.index()].take();
        if let Some((_, before)) = before {
            before.abort();
            self.ended.send_if_modified(|first| first.take_if(|error| error.party == party).is_some());
        }
        let task = self.tasks.spawn(async move {
            let fault = served.drive(stream, &config.limits).await;
            end(&ended, party, fault);
        });
        self.links[party.index()] = Some((link, task));
    }

    pub(crate) fn mesh(self) -> Mesh {
        let links = self.links.into_iter().map(|link| link.map(|(link, _)| link)).collect();
        let (config, tasks, ended) = (self.config, Mutex::new(self.tasks), self.ended);
        Mesh(Arc::new(Inner { config, links, tasks, lanes: Mutex::default(), ended }))
    }
}

fn end(ended: &Ended, party: PartyId, cause: ChannelFault) {
    ended.send_if_modified(|first| {
        let news = first.is_none();
        first.get_or_insert(ChannelError { party, cause });
        news
    });
}

/// What passed over the link to one party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCounters {
    /// The shortest time measured from a ping to its answer; none before the first.
    pub round_trip: Option<Duration>,
    /// Each lane used so far, by number.
    pub lanes: Vec<(u8, LaneCounters)>,
}

impl PeerCounters {
    /// All lanes together.
    pub fn total(&self) -> LaneCounters {
        self.lanes.iter().fold(LaneCounters::default(), |sum, (_, lane)| LaneCounters {
            messages_sent: sum.messages_sent + lane.messages_sent,
            bytes_sent: sum.bytes_sent + lane.bytes_sent,
            messages_received: sum.messages_received + lane.messages_received,
            bytes_received: sum.bytes_received + lane.bytes_received,
        })
    }
}

/// One ordered stream of messages to and from each other party.
pub struct Lane {
    mesh: Arc<Inner>,
    number: u8,
}

impl Lane {
    /// What passed through this lane between this party and `party`.
    ///
    /// # Panics
    /// If `party` is this party or none of the session.
    pub fn counters(&self, party: PartyId) -> LaneCounters {
        lane_counters(self.mesh.link(party), self.number)
    }
}

impl Channel for Lane {
    fn me(&self) -> PartyId {
        self.mesh.config.me
    }

    fn parties(&self) -> usize {
        self.mesh.config.members.len()
    }

    /// See [`Channel::send`].
    ///
    /// # Panics
    /// If the message is longer than [`crate::MAX_MESSAGE`], or `to` is this party or none of the session.
    async fn send(&mut self, to: PartyId, mut message: Vec<u8>) -> Result<(), ChannelError> {
        assert!(message.len() <= crate::MAX_MESSAGE, "a message of {} bytes is longer than any link carries", message.len());
        let link = self.mesh.link(to);
        poll_fn(|cx| link.outbox.poll_send(cx, self.number, &mut message)).await.map_err(|cause| ChannelError { party: to, cause })
    }

    /// See [`Channel::recv`].
    ///
    /// # Panics
    /// If `from` is this party or none of the session.
    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        let link = self.mesh.link(from);
        poll_fn(|cx| link.inbox.poll_recv(cx, self.number)).await.map_err(|cause| ChannelError { party: from, cause })
    }

    /// See [`Channel::drop_queued`]; other lanes are left alone.
    fn drop_queued(&mut self) {
        self.mesh.links.iter().flatten().for_each(|link| link.outbox.drop_queued(self.number));
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.mesh.lanes.lock().expect("no holder panics").remove(&self.number);
    }
}

impl Inner {
    fn link(&self, party: PartyId) -> &Link {
        self.links[party.index()].as_ref().unwrap_or_else(|| panic!("{party} has no link to itself"))
    }
}

impl MeshConfig {
    /// Whether it makes sense for the party with the identity `own`.
    pub(crate) fn check(&self, own: &PublicIdentity, listens: bool) -> Result<(), ConfigFault> {
        let parties = self.members.len();
        if !(2..=255).contains(&parties) {
            return Err(ConfigFault::Members(parties));
        }
        let Some(mine) = self.members.get(self.me.index()) else { return Err(ConfigFault::NoSuchPlace(self.me)) };
        for own in [*own, self.identity.public()] {
            if mine.identity != own {
                return Err(ConfigFault::NotMe { place: self.me, listed: mine.identity, own });
            }
        }
        for (party, member) in PartyId::all(parties).zip(&self.members) {
            if let Some(before) = self.members[..party.index()].iter().position(|other| other.identity == member.identity) {
                return Err(ConfigFault::SameIdentity(PartyId::new(before), party));
            }
            if party < self.me && !is_address(&member.address) {
                return Err(ConfigFault::Address { party, address: member.address.clone() });
            }
        }
        if !listens && self.me.index() + 1 < parties { Err(ConfigFault::NoListener) } else { Ok(()) }
    }

    pub(crate) fn peer_error(&self, party: PartyId, phase: Phase, cause: PeerFault) -> PeerError {
        let Member { name, address, .. } = self.members[party.index()].clone();
        PeerError { party, name, address, phase, cause }
    }
}

/// Has glibc keep up to 32 MiB of what is freed for the next messages. At first it gives back to the kernel, and takes from it again page by page,
/// whatever is above 128 KiB, which costs as much as sending it does. It keeps twice the size of the largest mapping that was ever freed, if that is
/// below 32 MiB (mallopt(3), `M_MMAP_THRESHOLD`); so it does sooner or later, and here it does at once. The mapping is never touched.
fn keep_freed_memory() {
    drop(black_box(Vec::<u8>::with_capacity(16 << 20)));
}

/// Whether it has the form `host:port`.
pub(crate) fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

fn lane_counters(link: &Link, lane: u8) -> LaneCounters {
    let ((messages_sent, bytes_sent), (messages_received, bytes_received)) = (link.outbox.counts(lane), link.inbox.counts(lane));
    LaneCounters { messages_sent, bytes_sent, messages_received, bytes_received }
}
