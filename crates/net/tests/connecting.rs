//! Parties that cannot become a mesh, and what they are told.

mod common;

use common::{Party, connect_all, only, parties, short};
use cotenant_core::{channel::Channel, party::PartyId};
use cotenant_net::{
    ConfigFault, HelloFault, Identity, Limits, Mesh, NetError, PeerError, PeerFault, Phase, PublicIdentity, Stranger, listen,
};
use std::{io::ErrorKind, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

fn someone() -> PublicIdentity {
    Identity::generate().unwrap().public()
}

fn assert_says(error: &PeerError, party: usize, phase: Phase, words: &[&str]) {
    assert_eq!((error.party, error.phase), (PartyId::new(party), phase), "{error}");
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "\"{word}\" in: {text}");
    }
}

#[tokio::test]
async fn a_dialler_refuses_another_key() {
    let mut both = parties(2, short()).await;
    let real = both[0].config.identity.public();
    both[1].config.members[0].identity = someone();
    let mut results = connect_all(both).await;
    let second = only(results.pop().unwrap());
    assert_says(&second, 0, Phase::Tls, &["P1 \"ann\" at 127.0.0.1:", "TLS", &real.fingerprint()]);
    assert!(matches!(second.cause, PeerFault::WrongKey { seen } if seen == real));
    let first = only(results.pop().unwrap());
    assert_says(&first, 1, Phase::Awaiting, &["P2 \"bob\"", "did not connect", "does not know this party's identity"]);
}

#[tokio::test]
async fn an_acceptor_refuses_another_key() {
    let mut both = parties(2, short()).await;
    let real = both[1].config.identity.public();
    both[0].config.members[1].identity = someone();
    let mut results = connect_all(both).await;
    let second = only(results.pop().unwrap());
    assert_says(&second, 0, Phase::Hello, &["P1 \"ann\"", "waits for no session 070707", &real.to_string()]);
    assert!(matches!(second.cause, PeerFault::Refused { own, session: [7, ..] } if own == real));
    let first = only(results.pop().unwrap());
    assert_says(&first, 1, Phase::Awaiting, &["P2 \"bob\"", "did not connect", &real.to_string()]);
    let PeerFault::Absent { refused: Some(Stranger { cause, .. }) } = first.cause else { panic!("{first}") };
    assert!(matches!(*cause, PeerFault::UnknownKey { seen } if seen == real));
}

#[tokio::test]
async fn another_session_is_refused_by_both() {
    let mut both = parties(2, short()).await;
    both[1].config.session = [8; 32];
    let mut results = connect_all(both).await;
    let second = only(results.pop().unwrap());
    assert_says(&second, 0, Phase::Hello, &["P1 \"ann\"", "waits for no session 080808"]);
    assert!(matches!(second.cause, PeerFault::Refused { session: [8, ..], .. }));
    let first = only(results.pop().unwrap());
    assert_says(&first, 1, Phase::Hello, &["P2 \"bob\"", "another session: 070707070707 here, 080808080808 there"]);
    assert!(matches!(first.cause, PeerFault::Hello(HelloFault::Session { ours: [7, ..], theirs: [8, ..] })));
}

#[tokio::test]
async fn another_number_of_parties_is_refused_by_both() {
    let mut both = parties(2, short()).await;
    let mut third = both[1].config.members[1].clone();
    third.identity = someone();
    both[1].config.members.push(third);
    let mut results = connect_all(both).await;
    for (other, ours, theirs) in [(0, 3, 2), (1, 2, 3)] {
        let error = only(results.pop().unwrap());
        assert_says(&error, other, Phase::Hello, &[&format!("{ours} parties here, {theirs} there")]);
    }
}

#[tokio::test]
async fn another_order_of_members_is_refused() {
    let mut three = parties(3, short()).await;
    three[2].config.members.swap(0, 1);
    let mut results = connect_all(three).await;
    let third = only(results.pop().unwrap());
    let PeerFault::Hello(HelloFault::TheirPlace { ours, theirs }) = third.cause else { panic!("{third}") };
    assert_eq!(ours + theirs, 1, "{third}");
    let accused: Vec<PeerError> = results.into_iter().filter_map(|result| result.is_err().then(|| only(result))).collect();
    assert!(accused.iter().any(|error| matches!(error.cause, PeerFault::Hello(HelloFault::OurPlace { .. }))), "{accused:?}");
    for error in accused.iter().filter(|error| error.phase == Phase::Hello) {
        assert_says(error, 2, Phase::Hello, &["P3 \"cem\"", "order of the member lists"]);
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_named() {
    let mut both = parties(2, short()).await;
    let second = both.pop().unwrap();
    let address = second.config.members[0].address.clone();
    drop(both);
    let error = only(second.connect().await);
    assert_says(&error, 0, Phase::Dialling, &["P1 \"ann\"", &address, "refused", "was started"]);
    assert!(matches!(&error.cause, PeerFault::Io(e) if e.kind() == ErrorKind::ConnectionRefused));
}

#[tokio::test]
async fn a_host_without_address_is_named() {
    let mut second = parties(2, short()).await.pop().unwrap();
    second.config.members[0].address = "no-such-host.invalid:7000".to_owned();
    let error = only(second.connect().await);
    assert_eq!(error.phase, Phase::Dialling);
    assert!(error.to_string().contains("P1 \"ann\" at no-such-host.invalid:7000, dialling"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_named() {
    let mut both = parties(2, Limits { handshake: Duration::from_millis(300), ..short() }).await;
    let (second, first) = (both.pop().unwrap(), both.pop().unwrap());
    // The operating system accepts for `first.listener`; nobody answers.
    let error = only(second.connect().await);
    assert_says(&error, 0, Phase::Tls, &["P1 \"ann\"", "no answer in time"]);
    assert!(matches!(error.cause, PeerFault::TimedOut));
    drop(first);
}

#[tokio::test]
async fn a_server_that_is_something_else_is_named() {
    let mut both = parties(2, short()).await;
    let (second, first) = (both.pop().unwrap(), both.pop().unwrap());
    let other = tokio::spawn(async move {
        loop {
            let (mut stream, _) = first.listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-something\r\n").await.unwrap();
            let _ = stream.read(&mut [0; 1000]).await;
        }
    });
    let error = only(second.connect().await);
    other.abort();
    assert_says(&error, 0, Phase::Tls, &["P1 \"ann\"", "the handshake failed"]);
}

#[tokio::test]
async fn all_who_are_missing_are_named() {
    let mut four = parties(4, short()).await;
    four[1].listener = listen("127.0.0.1:0").await.unwrap();
    four.truncate(2);
    let second = four.pop().unwrap();
    drop(four);
    let Err(NetError::Peers(errors)) = second.connect().await else { panic!("connected") };
    let missing: Vec<_> = errors.iter().map(|error| (error.party.index(), error.phase)).collect();
    assert_eq!(missing, [(0, Phase::Dialling), (2, Phase::Awaiting), (3, Phase::Awaiting)]);
    assert_eq!(NetError::Peers(errors).to_string().lines().count(), 3);
}

/// Strangers who say nothing, talk nonsense, or go away: more of them than are held at once, and none given up before the test is over.
#[tokio::test]
async fn strangers_do_not_disturb() {
    let limits = Limits { handshake: Duration::from_secs(60), connect: Duration::from_secs(30), ..short() };
    let mut both = parties(2, limits).await;
    let (second, first) = (both.pop().unwrap(), both.pop().unwrap());
    let address = first.listener.local_addr().unwrap();
    let first = tokio::spawn(first.connect());
    let mut strangers = Vec::new();
    for i in 0..300 {
        let mut stranger = TcpStream::connect(address).await.unwrap();
        match i % 3 {
            0 => strangers.push(stranger),
            1 => {
                let _ = stranger.write_all(&[0x16, 3, 3, 0xff, 0xff]).await;
            }
            _ => {
                // It may have been turned away already.
                let _ = stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await;
                strangers.push(stranger);
            }
        }
    }
    let second = second.connect().await.unwrap();
    let first = first.await.unwrap().unwrap();
    second.lane(0).send(PartyId::new(0), vec![1, 2, 3]).await.unwrap();
    assert_eq!(first.lane(0).recv(PartyId::new(1)).await, Ok(vec![1, 2, 3]));
    for mut stranger in strangers {
        let mut answer = Vec::new();
        // Turned away: with a reset, or an alert and the end of the connection.
        let _ = timeout(Duration::from_secs(5), stranger.read_to_end(&mut answer)).await.expect("not held open");
        assert!(answer.len() < 100, "an alert at most");
    }
}

/// A party that was started again before all were there takes its old link's place.
#[tokio::test]
async fn a_party_may_start_again_while_others_are_awaited() {
    let mut three = parties(3, Limits { connect: Duration::from_secs(20), ..short() }).await;
    let (third, second, first) = (three.pop().unwrap(), three.pop().unwrap(), three.pop().unwrap());
    let first = tokio::spawn(first.connect());
    let Party { config, listener } = second;
    let again = cotenant_net::MeshConfig {
        identity: config.identity.clone(),
        me: config.me,
        members: config.members.clone(),
        session: config.session,
        limits: config.limits.clone(),
    };
    assert!(timeout(Duration::from_millis(500), Mesh::connect(config, Some(&listener))).await.is_err(), "the third is missing");
    let second = tokio::spawn(async move { Mesh::connect(again, Some(&listener)).await });
    // Only once the second has dialled again may the third complete the first's mesh.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let third = third.connect().await.unwrap();
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    let mut lanes = [first.lane(0), second.lane(0), third.lane(0)];
    for from in 0..3 {
        for to in (0..3).filter(|&to| to != from) {
            lanes[from].send(PartyId::new(to), vec![from as u8]).await.unwrap();
            assert_eq!(lanes[to].recv(PartyId::new(from)).await, Ok(vec![from as u8]));
        }
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = listen("127.0.0.1:0").await.unwrap();
    let address = first.local_addr().unwrap().to_string();
    let error = listen(&address).await.unwrap_err();
    assert!(matches!(&error, NetError::Listen { cause, .. } if cause.kind() == ErrorKind::AddrInUse));
    assert_eq!(error.to_string(), format!("cannot listen at {address}: another program uses that port; stop it or choose another port"));
}

#[tokio::test]
async fn a_configuration_that_makes_no_sense_is_refused() {
    async fn refused(change: impl FnOnce(&mut Party)) -> ConfigFault {
        let mut last = parties(3, short()).await.pop().unwrap();
        change(&mut last);
        match last.connect().await {
            Err(NetError::Config(fault)) => fault,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("connected"),
        }
    }
    assert_eq!(refused(|party| party.config.members.truncate(1)).await, ConfigFault::Members(1));
    assert_eq!(refused(|party| party.config.members.truncate(2)).await, ConfigFault::NoSuchPlace(PartyId::new(2)));
    assert_eq!(
        refused(|party| party.config.members[1] = party.config.members[0].clone()).await,
        ConfigFault::SameIdentity(PartyId::new(0), PartyId::new(1))
    );
    for address in ["", "host", "host:", ":70", "host:port", "host:70000"] {
        let fault = refused(|party| party.config.members[0].address = address.to_owned()).await;
        assert_eq!(fault, ConfigFault::Address { party: PartyId::new(0), address: address.to_owned() });
    }
    let other = Arc::new(Identity::generate().unwrap());
    let own = other.public();
    let fault = refused(|party| party.config.identity = other).await;
    assert!(matches!(fault, ConfigFault::NotMe { place, own: seen, .. } if place == PartyId::new(2) && seen == own));
    let first = parties(2, short()).await.remove(0);
    assert!(matches!(Mesh::connect(first.config, None).await, Err(NetError::Config(ConfigFault::NoListener))));
}
