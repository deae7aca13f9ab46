//! Links to a peer that this file drives byte by byte: it deviates from the protocol, or shows what a mesh sends.

use crate::{
    HelloFault, Hub, Identity, Limits, Member, Mesh, MeshConfig, NetError, PeerError, PeerFault, Phase,
    desk::{HELD, HELD_EACH},
    frame::{BEGIN, HEADER, HELLO, Header, Hello, Kind, PAYLOAD, REFUSED, WELCOME},
    hub::UNPROVED,
    listen,
    stream::Stream,
    tls,
};
use cotenant_core::{
    channel::{Channel, ChannelError, ChannelFault},
    party::PartyId,
};
use std::{
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    task::JoinHandle,
    time::{sleep, timeout},
};

const SESSION: [u8; 32] = [3; 32];

fn short() -> Limits {
    let second = Duration::from_secs(1);
    Limits { connect: 3 * second, handshake: second, dead_after: second, close: second, send_ahead: 64 << 20, ..Limits::default() }
}

/// Two identities, and the members they make at `address`.
struct Two {
    identities: [Arc<Identity>; 2],
    members: Vec<Member>,
}

impl Two {
    fn new(address: SocketAddr) -> Self {
        let identities = [0; 2].map(|_| Arc::new(Identity::generate().unwrap()));
        let member = |identity: &Arc<Identity>| Member { name: "m".into(), identity: identity.public(), address: address.to_string() };
        let members = identities.iter().map(member).collect();
        Two { identities, members }
    }

    fn config(&self, me: usize, limits: Limits) -> MeshConfig {
        let (identity, members) = (self.identities[me].clone(), self.members.clone());
        MeshConfig { identity, me: PartyId::new(me), members, session: SESSION, limits }
    }

    /// The driven peer dials as the second party; TLS only.
    async fn dial(&self, alpn: &[&[u8]]) -> Result<Stream, PeerFault> {
        let tcp = TcpStream::connect(&self.members[0].address).await.unwrap();
        tls::dial(tcp, &self.identities[1], self.members[0].identity, alpn).await
    }
}

/// A mesh that waits for the second of two parties.
async fn waiting(limits: Limits) -> (Two, JoinHandle<Result<Mesh, NetError>>) {
    let listener = listen("127.0.0.1:0").await.unwrap();
    let two = Two::new(listener.local_addr().unwrap());
    let config = two.config(0, limits);
    (two, tokio::spawn(async move { Mesh::connect(config, Some(&listener)).await }))
}

/// The hello of the second party.
fn hello() -> Hello {
    Hello::new(2, PartyId::new(1), PartyId::new(0), SESSION)
}

async fn exchange(stream: &mut Stream, hello: &Hello) {
    ask(stream, hello).await;
    let mut answer = [0; 1 + HELLO];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[0], WELCOME);
    // The mesh may have hung up, if the two do not fit.
    let _ = stream.write_all(&[BEGIN]).await;
    let _ = stream.flush().await;
}

/// Says what is wanted, and no more.
async fn ask(stream: &mut Stream, hello: &Hello) {
    stream.write_all(&hello.encode()).await.unwrap();
    stream.flush().await.unwrap();
}

/// A mesh, and the driven peer at the other end of its link.
async fn linked(limits: Limits) -> (Mesh, Stream) {
    let (two, mesh) = waiting(limits).await;
    let mut stream = two.dial(&[tls::ALPN]).await.unwrap();
    exchange(&mut stream, &hello()).await;
    (mesh.await.unwrap().unwrap(), stream)
}

fn frame(kind: Kind, lane: u8, payload: &[u8]) -> Vec<u8> {
    [&Header { kind, lane, length: payload.len() }.encode()[..], payload].concat()
}

/// The next frame that is no ping, without its payload.
async fn next(stream: &mut Stream) -> Header {
    loop {
        let mut head = [0; HEADER];
        stream.read_exact(&mut head).await.unwrap();
        let header = Header::decode(head).unwrap();
        stream.read_exact(&mut vec![0; header.length]).await.unwrap();
        if header.kind != Kind::Ping {
            return header;
        }
    }
}

/// How lane 1 of the mesh ends, and how many messages it gives first.
async fn end(mesh: &Mesh) -> (usize, ChannelFault) {
    let party = PartyId::new(1);
    let mut lane = mesh.lane(1);
    for messages in 0.. {
        match timeout(Duration::from_secs(20), lane.recv(party)).await.expect("the link ends") {
            Ok(_) => {}
            Err(ChannelError { party: of, cause }) => {
                assert_eq!(of, party);
                return (messages, cause);
            }
        }
    }
    unreachable!()
}

fn only(result: Result<Mesh, NetError>) -> PeerError {
    match result {
        Err(NetError::Peers(mut errors)) if errors.len() == 1 => errors.remove(0),
        Err(other) => panic!("one party was to blame: {other}"),
        Ok(_) => panic!("connected"),
    }
}

/// Why the mesh refused the connection that it was waiting for.
async fn refusal(mesh: JoinHandle<Result<Mesh, NetError>>) -> Arc<PeerFault> {
    let error = only(mesh.await.unwrap());
    assert_eq!(error.phase, Phase::Awaiting);
    match error.cause {
        PeerFault::Absent { refused: Some(stranger) } => stranger.cause,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_breaks_the_format_ends_the_link() {
    let whole = frame(Kind::End, 1, b"whole");
    for (bytes, why) in [
        (vec![6, 0, 0, 0, 0, 0], "an unknown kind"),
        ([&[0, 1][..], &(PAYLOAD as u32 + 1).to_be_bytes()].concat(), "a frame one byte too long"),
        (frame(Kind::Abandon, 1, &[]), "nothing to abandon"),
        ([frame(Kind::Part, 2, b"x"), frame(Kind::Abandon, 1, &[])].concat(), "nothing to abandon in this lane"),
        (frame(Kind::Pong, 0, &1000u64.to_be_bytes()), "a pong that no ping asked for"),
    ] {
        let (mesh, mut stream) = linked(short()).await;
        stream.write_all(&[&whole[..], &bytes].concat()).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(end(&mesh).await, (1, ChannelFault::Malformed), "{why}");
    }
}

#[tokio::test]
async fn an_end_without_goodbye_is_a_broken_connection() {
    let (mesh, mut stream) = linked(short()).await;
    stream.write_all(&[frame(Kind::End, 1, b"a"), frame(Kind::Part, 1, b"b")].concat()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(end(&mesh).await, (1, ChannelFault::Broken), "TLS was closed in good order, the link was not");

    let (mesh, stream) = linked(short()).await;
    drop(stream);
    assert_eq!(end(&mesh).await, (0, ChannelFault::Broken), "cut off");

    let (mesh, mut stream) = linked(short()).await;
    let forged = [0x17, 3, 3, 0, 40].into_iter().chain([0; 40]).collect::<Vec<u8>>();
    stream.socket().write_all(&forged).await.unwrap();
    assert_eq!(end(&mesh).await, (0, ChannelFault::Broken), "a record that the peer did not protect");

    let (mesh, mut stream) = linked(short()).await;
    stream.write_all(&frame(Kind::Goodbye, 0, &[])).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(end(&mesh).await, (0, ChannelFault::Closed));
}

/// The connection breaks under this side's writing while messages of the other side are still unread.
#[tokio::test]
async fn what_arrived_before_a_break_is_read() {
    for _ in 0..10 {
        let (mesh, mut stream) = linked(short()).await;
        mesh.lane(1).send(PartyId::new(1), vec![0; 16 << 20]).await.unwrap();
        // The mesh fills the operating system's buffers.
        sleep(Duration::from_millis(20)).await;
        let messages: Vec<u8> = (0..5).flat_map(|_| frame(Kind::End, 1, &[0; 100])).collect();
        // The mesh's tasks are on this thread, and run again only when all this has happened.
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(stream.write_all(&messages)).poll(&mut cx).is_ready());
        assert!(pin!(stream.flush()).poll(&mut cx).is_ready());
        drop(stream);
        assert_eq!(end(&mesh).await, (5, ChannelFault::Broken));
    }
}

#[tokio::test]
async fn a_peer_that_takes_everything_and_says_nothing_is_dead() {
    let (mesh, mut stream) = linked(short()).await;
    let drained = tokio::spawn(async move { while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} });
    assert_eq!(end(&mesh).await, (0, ChannelFault::Silent));
    drained.await.unwrap();
}

#[tokio::test]
async fn a_peer_that_pings_and_takes_nothing_is_dead() {
    let (mesh, mut stream) = linked(short()).await;
    mesh.lane(1).send(PartyId::new(1), vec![0; 64 << 20]).await.unwrap();
    let pings = tokio::spawn(async move {
        // Until the mesh has had enough.
        while stream.write_all(&frame(Kind::Ping, 0, &[0; 8])).await.is_ok() && stream.flush().await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    });
    assert_eq!(end(&mesh).await, (0, ChannelFault::Silent));
    timeout(Duration::from_secs(5), pings).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_ping_gets_its_number_back() {
    let (_mesh, mut stream) = linked(short()).await;
    stream.write_all(&frame(Kind::Ping, 0, &77u64.to_be_bytes())).await.unwrap();
    stream.flush().await.unwrap();
    let mut frame = [0; HEADER + 8];
    while frame[0] != Kind::Pong as u8 {
        stream.read_exact(&mut frame).await.unwrap();
        assert!([Kind::Ping as u8, Kind::Pong as u8].contains(&frame[0]));
    }
    assert_eq!(frame[HEADER..], 77u64.to_be_bytes());
}

#[tokio::test]
async fn a_short_message_overtakes_a_long_one_in_another_lane() {
    let (mesh, mut stream) = linked(short()).await;
    mesh.lane(1).send(PartyId::new(1), vec![0; 32 << 20]).await.unwrap();
    mesh.lane(0).send(PartyId::new(1), vec![0; 9]).await.unwrap();
    let mut parts = 0;
    loop {
        match next(&mut stream).await {
            Header { kind: Kind::Part, lane: 1, .. } => parts += 1,
            header => {
                assert_eq!(header, Header { kind: Kind::End, lane: 0, length: 9 }, "after {parts} parts");
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_is_dropped_is_abandoned() {
    let (mesh, mut stream) = linked(short()).await;
    let mut lane = mesh.lane(1);
    for _ in 0..2 {
        lane.send(PartyId::new(1), vec![0; 32 << 20]).await.unwrap();
    }
    assert_eq!(next(&mut stream).await.kind, Kind::Part);
    lane.drop_queued();
    lane.send(PartyId::new(1), vec![0; 5]).await.unwrap();
    let mut header = next(&mut stream).await;
    let mut bytes = PAYLOAD;
    while header.kind == Kind::Part {
        bytes += header.length;
        header = next(&mut stream).await;
    }
    assert_eq!(header, Header { kind: Kind::Abandon, lane: 1, length: 0 });
    assert!(bytes < 32 << 20);
    assert_eq!(next(&mut stream).await, Header { kind: Kind::End, lane: 1, length: 5 });
    let counters = lane.counters(PartyId::new(1));
    assert_eq!((counters.messages_sent, counters.bytes_sent), (1, bytes as u64 + 5));
}

#[tokio::test]
async fn goodbye_is_the_last_frame() {
    let (mesh, mut stream) = linked(short()).await;
    mesh.lane(1).send(PartyId::new(1), vec![0; 5]).await.unwrap();
    let closing = tokio::spawn(mesh.close());
    assert_eq!(next(&mut stream).await, Header { kind: Kind::End, lane: 1, length: 5 });
    assert_eq!(next(&mut stream).await.kind, Kind::Goodbye);
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "closed in good order");
    stream.shutdown().await.unwrap();
    closing.await.unwrap();
}

#[tokio::test]
async fn parts_of_a_message_count_as_read_ahead() {
    let part = frame(Kind::Part, 1, &[0; 60_000]);
    let limits = Limits { read_ahead: 1_000_000, ..short() };

    let (mesh, mut stream) = linked(limits.clone()).await;
    let parts: Vec<u8> = (0..17).flat_map(|_| part.clone()).collect();
    // The mesh may hang up before all is written.
    let _ = stream.write_all(&parts).await;
    let _ = stream.flush().await;
    assert_eq!(end(&mesh).await, (0, ChannelFault::Flooded));

    let (mesh, mut stream) = linked(limits).await;
    for _ in 0..5 {
        stream.write_all(&parts[..part.len() * 16]).await.unwrap();
        stream.write_all(&frame(Kind::Abandon, 1, &[])).await.unwrap();
    }
    stream.write_all(&[frame(Kind::End, 1, b"x"), frame(Kind::Goodbye, 0, &[])].concat()).await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(end(&mesh).await, (1, ChannelFault::Closed), "what was abandoned no longer counts");
}

#[tokio::test]
async fn a_dialler_of_another_version_is_refused() {
    for alpn in [&[&b"cotenant/2"[..]][..], &[]] {
        let (two, mesh) = waiting(short()).await;
        // One that offers no version at all learns of its refusal by the end of the connection.
        assert!(two.dial(alpn).await.is_err_and(|fault| matches!(fault, PeerFault::Version)));
        let cause = refusal(mesh).await;
        assert!(matches!(*cause, PeerFault::Version), "{cause}");
        assert!(cause.to_string().contains("another version"), "{cause}");
    }
}

#[tokio::test]
async fn an_acceptor_of_another_version_is_refused() {
    for alpn in [&[&b"cotenant/2"[..]][..], &[]] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let two = Two::new(listener.local_addr().unwrap());
        let mesh = tokio::spawn(Mesh::connect(two.config(1, short()), None));
        let (tcp, _) = listener.accept().await.unwrap();
        assert!(tls::accept(tcp, &two.identities[0], alpn).await.is_err());
        let error = only(mesh.await.unwrap());
        assert_eq!((error.party, error.phase), (PartyId::new(0), Phase::Tls));
        assert!(matches!(error.cause, PeerFault::Version), "{error}");
    }
}

#[tokio::test]
async fn a_hello_of_another_version_is_refused() {
    let (two, mesh) = waiting(short()).await;
    let mut stream = two.dial(&[tls::ALPN]).await.unwrap();
    exchange(&mut stream, &Hello { version: 2, ..hello() }).await;
    let error = only(mesh.await.unwrap());
    assert_eq!((error.party, error.phase), (PartyId::new(1), Phase::Hello));
    assert!(matches!(error.cause, PeerFault::Hello(HelloFault::Version { ours: 3, theirs: 2 })), "{error}");
}

#[tokio::test]
async fn a_member_above_does_not_dial() {
    let (listener, elsewhere) = (listen("127.0.0.1:0").await.unwrap(), listen("127.0.0.1:0").await.unwrap());
    let mut two = Two::new(listener.local_addr().unwrap());
    two.members[0].address = elsewhere.local_addr().unwrap().to_string();
    let config = two.config(1, short());
    let mesh = tokio::spawn(async move { Mesh::connect(config, Some(&listener)).await });
    let tcp = TcpStream::connect(&two.members[1].address).await.unwrap();
    let mut stream = tls::dial(tcp, &two.identities[0], two.members[1].identity, &[tls::ALPN]).await.unwrap();
    ask(&mut stream, &Hello::new(2, PartyId::new(0), PartyId::new(1), SESSION)).await;
    assert_eq!(stream.read_u8().await.unwrap(), REFUSED);
    let error = only(mesh.await.unwrap());
    assert!(matches!(error.cause, PeerFault::Hello(HelloFault::Direction)), "{error}");
}

#[tokio::test]
async fn a_member_that_never_says_hello_is_given_up() {
    let (two, mesh) = waiting(short()).await;
    let silent = two.dial(&[tls::ALPN]).await.unwrap();
    let cause = refusal(mesh).await;
    assert!(matches!(*cause, PeerFault::TimedOut), "{cause}");
    drop(silent);

    let (two, mesh) = waiting(short()).await;
    let _silent = two.dial(&[tls::ALPN]).await.unwrap();
    let mut stream = two.dial(&[tls::ALPN]).await.unwrap();
    exchange(&mut stream, &hello()).await;
    assert!(mesh.await.unwrap().is_ok(), "it may try again");
}

/// A dialler that has gone, or thought better of it, before it was answered is no party of the mesh.
#[tokio::test]
async fn a_member_that_asks_and_never_begins_is_given_up() {
    let (two, mesh) = waiting(short()).await;
    let mut gone = two.dial(&[tls::ALPN]).await.unwrap();
    ask(&mut gone, &hello()).await;
    drop(gone);
    assert!(matches!(*refusal(mesh).await, PeerFault::Io(_)));

    let (two, mesh) = waiting(short()).await;
    let mut other = two.dial(&[tls::ALPN]).await.unwrap();
    ask(&mut other, &hello()).await;
    other.write_all(&[BEGIN + 1]).await.unwrap();
    other.flush().await.unwrap();
    assert!(matches!(*refusal(mesh).await, PeerFault::Link(ChannelFault::Malformed)));
}

/// An answer that is neither of the two is no link.
#[tokio::test]
async fn an_answer_out_of_the_format_is_no_link() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let two = Two::new(listener.local_addr().unwrap());
    let mesh = tokio::spawn(Mesh::connect(two.config(1, short()), None));
    let acceptor = two.identities[0].clone();
    let answers = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut stream = tls::accept(tcp, &acceptor, &[tls::ALPN]).await.unwrap();
            stream.read_exact(&mut [0; HELLO]).await.unwrap();
            stream.write_all(&[WELCOME + 1]).await.unwrap();
            stream.flush().await.unwrap();
        }
    });
    let error = only(mesh.await.unwrap());
    answers.abort();
    assert!(matches!(error.cause, PeerFault::Link(ChannelFault::Malformed)), "{error}");
}

/// A peer opens a thousand connections, half of which prove its key and ask for sessions that nobody waits for. The hub holds few of them,
/// and lets in who is waited for.
#[tokio::test]
async fn a_thousand_connections_take_few_places() {
    let identity = Arc::new(Identity::generate().unwrap());
    let hub = Hub::listen(identity, "127.0.0.1:0", Limits { hold: Duration::from_secs(600), ..Limits::default() }).await.unwrap();
    let two = Two::new(hub.address());
    let (mut raw, mut asking) = (Vec::new(), Vec::new());
    for i in 0..500u16 {
        raw.push(TcpStream::connect(hub.address()).await.unwrap());
        let tcp = TcpStream::connect(hub.address()).await.unwrap();
        let mut stream = tls::dial(tcp, &two.identities[1], hub.identity(), &[tls::ALPN]).await.unwrap();
        let mut session = SESSION;
        session[..2].copy_from_slice(&i.to_be_bytes());
        ask(&mut stream, &Hello { session, ..hello() }).await;
        asking.push(stream);
    }
    let tasks = Handle::current().metrics().num_alive_tasks();
    assert!(tasks <= UNPROVED + HELD + 2, "{tasks}");
    let mut guests = hub.guests(SESSION).unwrap();
    let joiner = Hub::listen(two.identities[0].clone(), "127.0.0.1:0", Limits::default()).await.unwrap();
    let address = hub.address().to_string();
    let (guest, knocked) = tokio::join!(guests.next(), joiner.knock(hub.identity(), &address, SESSION));
    assert_eq!(guest.identity, joiner.identity());
    knocked.unwrap();
    // Those that gave way are closed, without an answer.
    let mut held = 0;
    for stream in &mut asking {
        match timeout(Duration::from_millis(100), stream.read(&mut [0; 1])).await {
            Err(_waits) => held += 1,
            Ok(gone) => assert!(!matches!(gone, Ok(1..))),
        }
    }
    assert_eq!(held, HELD_EACH);
}
