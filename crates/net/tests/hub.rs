//! Parties that each have one address for many sessions.

mod common;

use common::{only, short};
use cotenant_core::{
    channel::{Channel, ChannelFault},
    party::PartyId,
};
use cotenant_net::{ConfigFault, Hub, Identity, Limits, Member, Mesh, MeshConfig, NetError, PeerFault, Phase, listen};
use std::{sync::Arc, time::Duration};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

const P1: PartyId = PartyId::EVALUATOR;

/// A party with a hub.
struct Party {
    identity: Arc<Identity>,
    hub: Hub,
}

impl Party {
    async fn new(limits: Limits) -> Party {
        let identity = Arc::new(Identity::generate().unwrap());
        Party { hub: Hub::listen(identity.clone(), "127.0.0.1:0", limits).await.unwrap(), identity }
    }

    fn config(&self, members: &[Member], session: u8, limits: Limits) -> MeshConfig {
        let me = members.iter().position(|member| member.identity == self.hub.identity()).unwrap();
        let (identity, members) = (self.identity.clone(), members.to_vec());
        MeshConfig { identity, me: PartyId::new(me), members, session: [session; 32], limits }
    }

    async fn mesh(&self, members: &[Member], session: u8) -> Result<Mesh, NetError> {
        self.hub.mesh(self.config(members, session, short())).await
    }
}

async fn parties<const N: usize>(limits: Limits) -> ([Arc<Party>; N], Vec<Member>) {
    let (mut parties, mut members) = (Vec::new(), Vec::new());
    for i in 0..N {
        let party = Party::new(limits.clone()).await;
        let (identity, address) = (party.hub.identity(), party.hub.address().to_string());
        members.push(Member { name: ["ann", "bob", "cem"][i].to_owned(), identity, address });
        parties.push(Arc::new(party));
    }
    (parties.try_into().ok().unwrap(), members)
}

/// Sends `what` from each to each, and sees that it arrives.
async fn talk(meshes: &[&Mesh], what: u8) {
    let mut lanes: Vec<_> = meshes.iter().map(|mesh| mesh.lane(9)).collect();
    for from in 0..lanes.len() {
        for to in (0..lanes.len()).filter(|&to| to != from) {
            lanes[from].send(PartyId::new(to), vec![what, from as u8]).await.unwrap();
            assert_eq!(lanes[to].recv(PartyId::new(from)).await, Ok(vec![what, from as u8]));
        }
    }
}

#[tokio::test]
async fn several_sessions_of_the_same_members_at_once() {
    const SESSIONS: u8 = 4;
    let (all, members) = parties::<3>(short()).await;
    let mut making = Vec::new();
    // Each party begins with another session, so that each sees some that it does not wait for yet.
    for i in 0..SESSIONS {
        for (k, party) in all.iter().enumerate() {
            let (party, members, session) = (party.clone(), members.clone(), (i + k as u8) % SESSIONS);
            making.push(((session, k), tokio::spawn(async move { party.mesh(&members, session).await.unwrap() })));
        }
        sleep(Duration::from_millis(50)).await;
    }
    let mut made = Vec::new();
    for (key, mesh) in making {
        made.push((key, mesh.await.unwrap()));
    }
    made.sort_by_key(|(key, _)| *key);
    for session in 0..SESSIONS {
        let meshes: Vec<&Mesh> = made.iter().filter(|((of, _), _)| *of == session).map(|(_, mesh)| mesh).collect();
        assert_eq!(meshes.len(), 3);
        talk(&meshes, session).await;
    }
}

#[tokio::test]
async fn who_dials_early_is_held() {
    // The dialler would pause for a second after a refusal, and fail for good.
    let ([one, two], members) = parties::<2>(short()).await;
    let early = {
        let (two, members) = (two.clone(), members.clone());
        tokio::spawn(async move { two.mesh(&members, 1).await })
    };
    sleep(Duration::from_millis(500)).await;
    let first = one.mesh(&members, 1).await.unwrap();
    talk(&[&first, &early.await.unwrap().unwrap()], 1).await;
}

#[tokio::test]
async fn a_session_that_nobody_waits_for_is_refused_in_the_end() {
    let ([one, two], members) = parties::<2>(Limits { hold: Duration::from_millis(100), ..short() }).await;
    let error = only(two.mesh(&members, 1).await);
    assert!(matches!(error.cause, PeerFault::Refused { own, session: [1, ..] } if own == two.hub.identity()), "{error}");
    let text = error.to_string();
    for words in [&format!("P1 \"ann\" at {}, hello", members[0].address)[..], "no session 0101", &two.hub.identity().to_string()] {
        assert!(text.contains(words), "{words} in {text}");
    }
    // Another session of the two is not disturbed, and the first can be made afterwards.
    for session in [2, 1] {
        let (first, second) = tokio::join!(one.mesh(&members, session), two.mesh(&members, session));
        talk(&[&first.unwrap(), &second.unwrap()], session).await;
    }
}

#[tokio::test]
async fn a_stranger_at_a_members_session_is_refused() {
    let ([one, two, stranger], members) = parties::<3>(Limits { hold: Duration::from_millis(100), ..short() }).await;
    let pair = &members[..2];
    let false_pair = [members[0].clone(), members[2].clone()];
    let (first, strange) = tokio::join!(one.mesh(pair, 1), stranger.mesh(&false_pair, 1));
    let seen = stranger.hub.identity();
    let strange = only(strange);
    assert!(matches!(strange.cause, PeerFault::Refused { own, .. } if own == seen), "{strange}");
    let first = only(first);
    assert_eq!((first.party, first.phase), (PartyId::new(1), Phase::Awaiting));
    let PeerFault::Absent { refused: Some(refused) } = &first.cause else { panic!("{first}") };
    assert!(matches!(*refused.cause, PeerFault::UnknownKey { seen: key } if key == seen), "{first}");
    // It does not keep the member out.
    let (first, strange, second) = tokio::join!(one.mesh(pair, 2), stranger.mesh(&false_pair, 2), async {
        sleep(Duration::from_millis(300)).await;
        two.mesh(pair, 2).await
    });
    assert!(strange.is_err());
    talk(&[&first.unwrap(), &second.unwrap()], 2).await;
}

/// A stranger is refused in the same words and no sooner or later, whether or not the session exists.
#[tokio::test]
async fn a_stranger_cannot_ask_what_sessions_there_are() {
    let ([one, _two, stranger], members) = parties::<3>(Limits { hold: Duration::from_secs(600), ..short() }).await;
    let waiting = one.mesh(&members[..2], 1);
    let false_pair = [members[0].clone(), members[2].clone()];
    let asked = async { tokio::join!(stranger.mesh(&false_pair, 1), stranger.mesh(&false_pair, 2)) };
    let (_, (there, not_there)) = tokio::join!(waiting, asked);
    for error in [only(there), only(not_there)] {
        assert!(matches!(error.cause, PeerFault::TimedOut), "not answered while it is held: {error}");
    }
}

#[tokio::test]
async fn another_key_at_the_address_is_named() {
    let ([one, two, other], mut members) = parties::<3>(short()).await;
    members.pop();
    members[0].identity = other.hub.identity();
    let error = only(two.mesh(&members, 1).await);
    assert_eq!((error.party, error.phase), (P1, Phase::Tls));
    assert!(matches!(error.cause, PeerFault::WrongKey { seen } if seen == one.hub.identity()), "{error}");
}

#[tokio::test]
async fn a_session_is_waited_for_once() {
    let ([one, two], members) = parties::<2>(short()).await;
    let (first, again, second) = tokio::join!(one.mesh(&members, 1), one.mesh(&members, 1), two.mesh(&members, 1));
    assert!(matches!(again, Err(NetError::Config(ConfigFault::SessionTwice([1, ..])))));
    talk(&[&first.unwrap(), &second.unwrap()], 1).await;
    let elsewhere = two.config(&members, 1, short());
    let wrong = one.hub.mesh(elsewhere).await;
    assert!(matches!(wrong, Err(NetError::Config(ConfigFault::NotMe { own, .. })) if own == one.hub.identity()));
}

#[tokio::test]
async fn guests_come_with_any_key() {
    let ([host, one, two], members) = parties::<3>(Limits { hold: Duration::from_millis(100), ..short() }).await;
    let mut guests = host.hub.guests([5; 32]).unwrap();
    assert!(matches!(host.hub.guests([5; 32]), Err(NetError::Config(ConfigFault::SessionTwice([5, ..])))));
    for party in [&one, &two] {
        let (guest, knocked) = tokio::join!(guests.next(), party.hub.knock(host.hub.identity(), &members[0].address, [5; 32]));
        assert_eq!(guest.identity, party.hub.identity());
        talk(&[&guest.mesh, &knocked.unwrap()], 5).await;
    }
    let refused = async |session| {
        let error = only(one.hub.knock(host.hub.identity(), &members[0].address, session).await);
        assert!(matches!(error.cause, PeerFault::Refused { .. }), "{error}");
    };
    // An invitation opens no other session, and none after its end.
    refused([6; 32]).await;
    drop(guests);
    refused([5; 32]).await;
}

#[tokio::test]
async fn a_guest_cannot_fill_the_memory() {
    let ([host, one], members) = parties::<2>(short()).await;
    let mut guests = host.hub.guests([5; 32]).unwrap();
    let (guest, knocked) = tokio::join!(guests.next(), one.hub.knock(host.hub.identity(), &members[0].address, [5; 32]));
    let knocked = knocked.unwrap();
    knocked.lane(0).send(P1, vec![0; 2 << 20]).await.unwrap();
    assert_eq!(guest.mesh.ended().await.cause, ChannelFault::Flooded);
}

#[tokio::test]
async fn guests_that_say_nothing_keep_no_one_out() {
    let ([host, one], members) = parties::<2>(short()).await;
    let mut guests = host.hub.guests([5; 32]).unwrap();
    let mut slow = Vec::new();
    for _ in 0..5 {
        // It asks, and goes away before it is answered: nobody calls `next` yet.
        let knock = one.hub.knock(host.hub.identity(), &members[0].address, [5; 32]);
        assert!(timeout(Duration::from_millis(100), knock).await.is_err());
        slow.push(tokio::net::TcpStream::connect(host.hub.address()).await.unwrap());
    }
    let (guest, knocked) = tokio::join!(guests.next(), one.hub.knock(host.hub.identity(), &members[0].address, [5; 32]));
    talk(&[&guest.mesh, &knocked.unwrap()], 5).await;
}

async fn no_task_is_left() {
    let none = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), none).await.expect("no task is left");
}

#[tokio::test]
async fn nothing_is_left_when_all_is_closed() {
    let ([one, two, three], members) = parties::<3>(Limits { hold: Duration::from_secs(600), ..short() }).await;
    let (first, second) = tokio::join!(one.mesh(&members[..2], 1), two.mesh(&members[..2], 1));
    let guests = one.hub.guests([5; 32]).unwrap();
    // One that is held, one that proves nothing, and one mesh that is given up.
    assert!(timeout(Duration::from_millis(300), three.mesh(&members, 7)).await.is_err());
    let _raw = tokio::net::TcpStream::connect(one.hub.address()).await.unwrap();
    let (first, second) = (first.unwrap(), second.unwrap());
    tokio::join!(first.close(), second.close());
    drop(guests);
    let address = one.hub.address().to_string();
    for party in [one, two, three] {
        Arc::into_inner(party).unwrap().hub.close().await;
    }
    no_task_is_left().await;
    listen(&address).await.expect("the port is free");
}
