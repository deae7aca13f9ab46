//! Measures how fast two parties on this machine's loopback interface send to each other, one way and both ways at once.
//!
//! `cargo run --release -p cotenant-net --example throughput [GiB] [KiB a message]`

use cotenant_core::{channel::Channel, party::PartyId};
use cotenant_net::{Identity, Lane, Limits, Member, Mesh, MeshConfig, NetError, listen};
use futures_executor::block_on;
use std::{sync::Arc, thread, time::Instant};

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<(), NetError> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>().expect("a number"));
    let bytes = arguments.next().unwrap_or(4) << 30;
    let message = arguments.next().unwrap_or(1024) << 10;
    let (one, two) = pair().await?;
    for (what, back) in [("one way  ", false), ("both ways", true)] {
        let lanes = [one.lane(1), two.lane(1)];
        let seconds = tokio::task::block_in_place(|| run(lanes, bytes, message, back));
        println!("{what}: {:.1} Gbit/s each way, {message} bytes a message", bytes as f64 * 8e-9 / seconds);
    }
    println!("round trip: {:?}", one.counters(PartyId::new(1)).round_trip);
    tokio::join!(one.close(), two.close());
    Ok(())
}

async fn pair() -> Result<(Mesh, Mesh), NetError> {
    let listener = listen("127.0.0.1:0").await?;
    let address = listener.local_addr().expect("it listens").to_string();
    let identities = [0, 1].map(|_| Arc::new(Identity::generate().expect("randomness")));
    let member = |i: usize| Member { name: format!("party {i}"), identity: identities[i].public(), address: address.clone() };
    let config = |i: usize| MeshConfig {
        identity: identities[i].clone(),
        me: PartyId::new(i),
        members: vec![member(0), member(1)],
        session: [0; 32],
        limits: Limits::default(),
    };
    tokio::try_join!(Mesh::connect(config(0), Some(&listener)), Mesh::connect(config(1), None))
}

/// Seconds until all have received `bytes`: the second party, and the first too if `back`. Each lane works on its own thread.
fn run(lanes: [Lane; 2], bytes: usize, message: usize, back: bool) -> f64 {
    let start = Instant::now();
    thread::scope(|scope| {
        for lane in lanes {
            scope.spawn(move || {
                let mut lane = lane;
                let peer = PartyId::new(1 - lane.me().index());
                let (sends, receives) = (back || lane.me().index() == 0, back || lane.me().index() == 1);
                for _ in 0..bytes / message {
                    if sends {
                        block_on(lane.send(peer, vec![1; message])).expect("the link holds");
                    }
                    if receives {
                        block_on(lane.recv(peer)).expect("the link holds");
                    }
                }
            });
        }
    });
    start.elapsed().as_secs_f64()
}
