//! Links that are made again whenever they break.

mod common;

use common::short;
use cotenant_core::channel::{Channel, ChannelFault};
use cotenant_net::{ConfigFault, Hub, Identity, Kept, Limits, LinkState, Mesh, NetError, Peer, PeerError, PeerFault, Phase};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, runtime::Handle, time::timeout};

const ROOM: &[u8] = b"a room";

/// Two parties, the one with the smaller key first.
async fn two(limits: &Limits) -> [(Arc<Identity>, Hub); 2] {
    let mut identities = [0; 2].map(|_| Arc::new(Identity::generate().unwrap()));
    identities.sort_by_key(|identity| identity.public());
    let [one, two] = identities;
    let hub = async |identity: Arc<Identity>| (identity.clone(), Hub::listen(identity, "127.0.0.1:0", limits.clone()).await.unwrap());
    [hub(one).await, hub(two).await]
}

fn limits() -> Limits {
    Limits { retry: Duration::from_millis(300), hold: Duration::from_millis(500), ..short() }
}

fn peer(hub: &Hub, address: Option<String>) -> Peer {
    Peer { name: "bob".to_owned(), identity: hub.identity(), address }
}

/// Keeps a link from the first hub to the second, whose address it may know.
fn keep(from: &Hub, to: &Hub, knows: bool) -> Kept {
    from.keep(peer(to, knows.then(|| to.address().to_string())), ROOM).unwrap()
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), work).await.expect("in time")
}

/// Both ends of the link, once it is up, carry messages both ways.
async fn up(one: &mut Kept, two: &mut Kept) -> [Arc<Mesh>; 2] {
    let meshes: [Arc<Mesh>; 2] = in_time(async { tokio::join!(one.up(), two.up()) }).await.into();
    assert!(talk(&meshes).await, "what is up stays up");
    meshes
}

async fn talk([one, two]: &[Arc<Mesh>; 2]) -> bool {
    let (mut one, mut two) = (one.lane(3), two.lane(3));
    let (first, second) = (one.me(), two.me());
    assert_ne!(first, second);
    let sent = one.send(second, vec![1]).await.is_ok() && two.send(first, vec![2]).await.is_ok();
    sent && in_time(two.recv(first)).await == Ok(vec![1]) && in_time(one.recv(second)).await == Ok(vec![2])
}

async fn down(kept: &Kept) -> Arc<PeerError> {
    let mut state = kept.state();
    let state = in_time(state.wait_for(|state| matches!(state, LinkState::Down(_)))).await.unwrap();
    let LinkState::Down(error) = &*state else { unreachable!("just waited for") };
    error.clone()
}

#[tokio::test]
async fn who_knows_the_address_dials() {
    for (knows_one, knows_two) in [(true, false), (false, true), (true, true)] {
        let [(_, one), (_, two)] = two(&limits()).await;
        let (mut here, mut there) = (keep(&one, &two, knows_one), keep(&two, &one, knows_two));
        assert_eq!((here.peer().index(), there.peer().index()), (1, 0), "places by key");
        up(&mut here, &mut there).await;
    }
}

/// On several threads, so that the two really are at it at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_dial_at_once_and_use_one_connection() {
    for _ in 0..30 {
        let [(_, one), (_, two)] = two(&limits()).await;
        let (mut here, mut there) = (keep(&one, &two, true), keep(&two, &one, true));
        let meshes = up(&mut here, &mut there).await;
        // The connection that was given up disturbs nothing.
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert!(talk(&meshes).await);
        for (kept, mesh) in [(&here, &meshes[0]), (&there, &meshes[1])] {
            assert!(Arc::ptr_eq(&kept.link().unwrap(), mesh));
        }
    }
}

/// Whichever side is started again, and whichever knows the other's address.
#[tokio::test]
async fn a_party_that_is_started_again_is_back() {
    for (knows_one, knows_two) in [(true, false), (false, true), (true, true)] {
        let [(_, one), (identity, two)] = two(&limits()).await;
        let (mut here, mut there) = (keep(&one, &two, knows_one), keep(&two, &one, knows_two));
        let [old, _] = up(&mut here, &mut there).await;
        let mut lane = old.lane(7);
        let address = two.address().to_string();
        drop(there);
        two.close().await;
        let error = down(&here).await;
        assert!(error.to_string().starts_with("P2 \"bob\""), "{error}");
        assert!(in_time(lane.recv(here.peer())).await.is_err(), "the old lanes fail");
        let two = in_time(async {
            loop {
                // The old connections may hold the port for a moment.
                if let Ok(hub) = Hub::listen(identity.clone(), &address, limits()).await {
                    return hub;
                }
            }
        })
        .await;
        let mut there = keep(&two, &one, knows_two);
        let [new, _] = up(&mut here, &mut there).await;
        assert!(!Arc::ptr_eq(&old, &new));
    }
}

/// A connection that arrives while the link is up takes its place: the other side has none. Here the old one's end goes unnoticed.
#[tokio::test]
async fn a_new_connection_takes_the_place_of_a_dead_one() {
    let patient = Limits { dead_after: Duration::from_secs(600), ..limits() };
    let [(_, one), (identity, two)] = two(&patient).await;
    let mut here = keep(&one, &two, false);
    let frozen = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let other = Hub::listen(identity.clone(), "127.0.0.1:0", patient.clone()).await.unwrap();
    let to_one = peer(&one, Some(one.address().to_string()));
    // The second party's keeper runs on a runtime that stops without closing its sockets, as a machine without power does.
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let (handle, entered) = (frozen.handle().clone(), to_one.clone());
    let mut there = frozen.spawn(async move { other.keep(entered, ROOM).unwrap() }).await.unwrap();
    let meshes = [in_time(here.up()).await, in_time(there.up()).await];
    assert!(talk(&meshes).await);
    handle.spawn(async move { stopped.recv().unwrap_err() });
    let old = meshes[0].clone();
    let mut again = two.keep(to_one, ROOM).unwrap();
    let new = in_time(async {
        loop {
            let new = here.up().await;
            if !Arc::ptr_eq(&new, &old) {
                return new;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(old.ended().await.cause, ChannelFault::Broken);
    assert!(talk(&[new, in_time(again.up()).await]).await);
    drop(stop);
    frozen.shutdown_background();
}

/// The side whose connection would be used cannot reach the other; the other can.
#[tokio::test]
async fn an_address_that_leads_nowhere_does_not_keep_the_other_side_out() {
    let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let patient = Limits { handshake: Duration::from_secs(600), ..limits() };
    let [(_, one), (_, two)] = two(&patient).await;
    let wrong = peer(&two, Some(nowhere.local_addr().unwrap().to_string()));
    let (mut here, mut there) = (one.keep(wrong, ROOM).unwrap(), keep(&two, &one, true));
    up(&mut here, &mut there).await;
}

#[tokio::test]
async fn what_keeps_a_link_down_is_said() {
    let [(_, one), (_, two)] = two(&limits()).await;
    // Two does not keep the link.
    let here = keep(&one, &two, true);
    let error = down(&here).await;
    assert_eq!(error.phase, Phase::Hello);
    assert!(matches!(error.cause, PeerFault::Refused { own, .. } if own == one.identity()), "{error}");
    assert!(error.to_string().contains(&format!("\"bob\" at {}", two.address())), "{error}");
    // Nor does it under another purpose, or when it means somebody else.
    let _other = two.keep(peer(&one, None), b"another room").unwrap();
    assert!(here.link().is_none());
    let mut there = keep(&two, &one, false);
    let mut here = here;
    up(&mut here, &mut there).await;
}

#[tokio::test]
async fn somebody_else_at_the_address_is_named() {
    let [(_, one), (_, two)] = two(&limits()).await;
    let somebody = Hub::listen(Arc::new(Identity::generate().unwrap()), "127.0.0.1:0", limits()).await.unwrap();
    let here = one.keep(peer(&two, Some(somebody.address().to_string())), ROOM).unwrap();
    let error = down(&here).await;
    assert!(matches!(error.cause, PeerFault::WrongKey { seen } if seen == somebody.identity()), "{error}");
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let [(_, one), (_, two)] = two(&limits()).await;
    let _first = keep(&one, &two, false);
    let refused = |peer: Peer| match one.keep(peer, ROOM) {
        Err(NetError::Config(fault)) => fault,
        _ => panic!("kept"),
    };
    assert!(matches!(refused(peer(&two, None)), ConfigFault::SessionTwice(_)));
    assert!(matches!(refused(peer(&one, None)), ConfigFault::SameIdentity(..)));
    assert!(matches!(refused(peer(&two, Some("nowhere".to_owned()))), ConfigFault::Address { address, .. } if address == "nowhere"));
}

#[tokio::test]
async fn close_says_goodbye_and_leaves_nothing() {
    let [(_, one), (_, two)] = two(&limits()).await;
    let (mut here, mut there) = (keep(&one, &two, true), keep(&two, &one, true));
    let [mine, theirs] = up(&mut here, &mut there).await;
    let (mut sender, mut reader) = (mine.lane(0), theirs.lane(0));
    sender.send(here.peer(), vec![0; 1 << 20]).await.unwrap();
    let from = there.peer();
    here.close().await;
    assert_eq!(reader.recv(from).await.map(|message| message.len()), Ok(1 << 20));
    assert_eq!(reader.recv(from).await.unwrap_err().cause, ChannelFault::Closed);
    drop(there);
    tokio::join!(one.close(), two.close());
    let none = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    in_time(none).await;
}
