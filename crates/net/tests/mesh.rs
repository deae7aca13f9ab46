//! Meshes of parties who keep to the protocol: who writes when, in which order it arrives, and how it ends.

mod common;

use common::{meshes, parties, short};
use cotenant_core::{
    channel::{Channel, ChannelError, ChannelFault},
    party::PartyId,
};
use cotenant_net::{Lane, LaneCounters, Limits, MAX_MESSAGE, Mesh};
use futures_executor::block_on;
use std::{thread, time::Duration};

const P1: PartyId = PartyId::EVALUATOR;

fn p2() -> PartyId {
    PartyId::new(1)
}

/// Runs `work` for each party on a thread of its own that knows nothing of tokio.
fn on_threads(lanes: Vec<Lane>, work: impl Fn(Lane) + Sync) {
    let work = &work;
    thread::scope(|scope| lanes.into_iter().for_each(|lane| drop(scope.spawn(move || work(lane)))));
}

/// The `i`th message that one party sends another: lengths from nothing to many frames, contents that tell them apart.
fn message(from: PartyId, to: PartyId, i: usize) -> Vec<u8> {
    let length = [0, 1, 262_141, 262_142, 262_140, 3_000_000, 200_000, 1_734_179][i % 8] + i;
    let start = (from.index() * 64 + to.index() * 16 + i) as u8;
    (0..length).map(|k| start.wrapping_add((k >> 8) as u8)).collect()
}

async fn all_write_at_once(n: usize) {
    // A small budget, so that senders wait for the other side's socket to be drained, which nobody does but the links themselves.
    let limits = Limits { send_ahead: 1 << 20, ..Limits::default() };
    let meshes = meshes(n, limits).await;
    let lanes = meshes.iter().map(|mesh| mesh.lane(1)).collect();
    let enough = (0..).scan(0, |sum, i| {
        *sum += message(P1, p2(), i).len();
        Some(*sum)
    });
    let messages = enough.take_while(|&sum| sum < 50_000_000).count() + 1;
    tokio::task::block_in_place(|| {
        on_threads(lanes, |mut lane| {
            let me = lane.me();
            for i in 0..messages {
                for to in me.others(n) {
                    block_on(lane.send(to, message(me, to, i))).unwrap();
                }
            }
            for from in me.others(n) {
                for i in 0..messages {
                    assert!(block_on(lane.recv(from)).unwrap() == message(from, me, i), "message {i} from {from} to {me}");
                }
                assert_eq!(lane.counters(from).messages_received, messages as u64);
                assert!(lane.counters(from).bytes_received >= 50_000_000);
            }
        });
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn two_write_at_once() {
    all_write_at_once(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn three_write_at_once() {
    all_write_at_once(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_write_at_once() {
    all_write_at_once(4).await;
}

#[tokio::test]
async fn each_lane_keeps_its_order_and_waits_for_no_other() {
    let meshes = meshes(2, Limits::default()).await;
    let numbers = [0, 7, 255];
    let mut here = numbers.map(|number| meshes[0].lane(number));
    let mut there = numbers.map(|number| meshes[1].lane(number));
    for i in 0..100 {
        for lane in &mut here {
            lane.send(p2(), message(P1, p2(), i % 5)).await.unwrap();
        }
    }
    for lane in there.iter_mut().rev() {
        for i in 0..100 {
            assert!(lane.recv(P1).await.unwrap() == message(P1, p2(), i % 5));
        }
    }
}

#[tokio::test]
async fn a_lane_has_one_holder_at_a_time() {
    let meshes = meshes(2, Limits::default()).await;
    meshes[0].lane(4).send(p2(), vec![1]).await.unwrap();
    let mut held = meshes[1].lane(4);
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| meshes[1].lane(4)));
    assert!(again.is_err());
    meshes[0].lane(4).send(p2(), vec![2]).await.unwrap();
    assert_eq!(held.recv(P1).await, Ok(vec![1]));
    drop(held);
    assert_eq!(meshes[1].lane(4).recv(P1).await, Ok(vec![2]));
}

#[tokio::test]
#[should_panic(expected = "longer than any link carries")]
async fn a_message_too_long_is_the_senders_fault() {
    let meshes = meshes(2, Limits::default()).await;
    let _ = meshes[0].lane(0).send(p2(), vec![0; MAX_MESSAGE + 1]).await;
}

#[tokio::test]
async fn counters_count() {
    let limits = Limits { dead_after: Duration::from_millis(400), ..short() };
    let meshes = meshes(3, limits).await;
    let (mut one, mut two) = (meshes[0].lane(1), meshes[1].lane(1));
    let mut other = meshes[0].lane(2);
    for length in [10, 0, 100_000] {
        one.send(p2(), vec![0; length]).await.unwrap();
        assert_eq!(two.recv(P1).await.unwrap().len(), length);
    }
    two.send(P1, vec![0; 5]).await.unwrap();
    one.recv(p2()).await.unwrap();
    other.send(PartyId::new(2), vec![0; 9]).await.unwrap();
    let expected = LaneCounters { messages_sent: 3, bytes_sent: 100_010, messages_received: 1, bytes_received: 5 };
    assert_eq!(one.counters(p2()), expected);
    assert_eq!(meshes[0].counters(p2()).lanes, [(1, expected)]);
    let mirrored = LaneCounters { messages_sent: 1, bytes_sent: 5, messages_received: 3, bytes_received: 100_010 };
    assert_eq!(meshes[1].counters(P1).total(), mirrored);
    assert_eq!(meshes[0].counters(PartyId::new(2)).total(), LaneCounters { messages_sent: 1, bytes_sent: 9, ..LaneCounters::default() });
    while meshes[0].counters(p2()).round_trip.is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_idle_link_stays_up() {
    let limits = Limits { dead_after: Duration::from_millis(400), ..short() };
    let meshes = meshes(2, limits).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    meshes[0].lane(0).send(p2(), vec![1]).await.unwrap();
    assert_eq!(meshes[1].lane(0).recv(P1).await, Ok(vec![1]));
}

/// What the lane gives until it fails, and how it fails.
async fn to_the_end(lane: &mut Lane, from: PartyId) -> (usize, ChannelError) {
    let mut messages = 0;
    loop {
        match lane.recv(from).await {
            Ok(_) => messages += 1,
            Err(error) => return (messages, error),
        }
    }
}

async fn assert_ended(lane: &mut Lane, party: PartyId, cause: ChannelFault) {
    let expected = ChannelError { party, cause };
    assert_eq!(lane.send(party, vec![1]).await, Err(expected.clone()));
    for _ in 0..2 {
        assert_eq!(lane.recv(party).await.map(|message| message.len()), Err(expected.clone()));
    }
}

async fn two(limits: Limits) -> (Mesh, Mesh) {
    let mut both = meshes(2, limits).await;
    (both.remove(0), both.remove(0))
}

#[tokio::test]
async fn close_sends_what_is_queued_and_says_goodbye() {
    let (one, two) = two(Limits::default()).await;
    let mut lane = two.lane(3);
    let mut sender = one.lane(3);
    for _ in 0..20 {
        sender.send(p2(), vec![0; 1 << 20]).await.unwrap();
    }
    // The other side has much under way to a party that no longer reads; that disturbs neither.
    lane.send(P1, vec![0; 8 << 20]).await.unwrap();
    one.close().await;
    let (messages, error) = to_the_end(&mut lane, P1).await;
    assert_eq!((messages, error), (20, ChannelError { party: P1, cause: ChannelFault::Closed }));
    assert_ended(&mut lane, P1, ChannelFault::Closed).await;
    assert!(to_the_end(&mut sender, p2()).await.0 <= 1);
    assert_ended(&mut sender, p2(), ChannelFault::Broken).await;
    let explained = two.explain(&ChannelError { party: P1, cause: ChannelFault::Closed }).to_string();
    assert!(explained.starts_with("P1 \"ann\" at 127.0.0.1:") && explained.ends_with("running: it closed the connection"), "{explained}");
}

#[tokio::test]
async fn a_party_that_dies_is_noticed_by_all() {
    let mut meshes = meshes(3, Limits::default()).await;
    let mut lanes: Vec<Lane> = meshes.iter().map(|mesh| mesh.lane(0)).collect();
    let mut dead = lanes.remove(1);
    dead.send(P1, vec![9]).await.unwrap();
    assert_eq!(lanes[0].recv(p2()).await, Ok(vec![9]));
    drop(dead);
    drop(meshes.remove(1));
    for lane in &mut lanes {
        assert_eq!(to_the_end(lane, p2()).await, (0, ChannelError { party: p2(), cause: ChannelFault::Broken }));
        assert_ended(lane, p2(), ChannelFault::Broken).await;
    }
    lanes[0].send(PartyId::new(2), vec![1]).await.unwrap();
    assert_eq!(lanes[1].recv(P1).await, Ok(vec![1]), "the others go on");
}

/// The second party's runtime stops, as a frozen machine does: its sockets stay open and nobody serves them.
#[test]
fn a_party_that_falls_silent_is_noticed() {
    let [here, there] = [0; 2].map(|_| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    let frozen = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut both = there.block_on(parties(2, short()));
    let (second, first) = (both.pop().unwrap(), both.pop().unwrap());
    let first = here.spawn(first.connect());
    let (_second, mut lane) = frozen.block_on(async {
        let second = second.connect().await.unwrap();
        let first = first.await.unwrap().unwrap();
        second.lane(0).send(P1, vec![5]).await.unwrap();
        let mut lane = first.lane(0);
        assert_eq!(lane.recv(p2()).await, Ok(vec![5]));
        (second, lane)
    });
    // Far more than the operating system's buffers hold.
    block_on(lane.send(p2(), vec![0; 32 << 20])).unwrap();
    assert_eq!(block_on(lane.recv(p2())), Err(ChannelError { party: p2(), cause: ChannelFault::Silent }));
    block_on(assert_ended(&mut lane, p2(), ChannelFault::Silent));
}

#[tokio::test]
async fn who_sends_too_far_ahead_is_cut_off() {
    let (one, two) = two(Limits { read_ahead: 1 << 20, ..Limits::default() }).await;
    let (mut reader, mut sender) = (one.lane(0), two.lane(0));
    for _ in 0..100 {
        if sender.send(P1, vec![0; 100_000]).await.is_err() {
            break;
        }
    }
    assert_eq!(to_the_end(&mut sender, P1).await, (0, ChannelError { party: P1, cause: ChannelFault::Broken }));
    let (messages, error) = to_the_end(&mut reader, p2()).await;
    assert_eq!(error, ChannelError { party: p2(), cause: ChannelFault::Flooded });
    assert_eq!(messages, 10, "what was within the limit is delivered");
}

#[tokio::test]
async fn what_is_dropped_never_arrives_in_part() {
    let (one, two) = two(Limits::default()).await;
    let (mut sender, mut reader) = (one.lane(0), two.lane(0));
    for round in 0..20u8 {
        for _ in 0..4 {
            sender.send(p2(), vec![round; 4 << 20]).await.unwrap();
        }
        if round % 3 == 0 {
            tokio::task::yield_now().await;
        }
        sender.drop_queued();
        sender.send(p2(), vec![round]).await.unwrap();
        loop {
            let message = reader.recv(P1).await.unwrap();
            assert!(message.iter().all(|&byte| byte == round), "nothing of an earlier round");
            if message.len() == 1 {
                break;
            }
            assert_eq!(message.len(), 4 << 20);
        }
    }
    let (sent, received) = (sender.counters(p2()), reader.counters(P1));
    assert_eq!(sent.messages_sent, received.messages_received);
}
