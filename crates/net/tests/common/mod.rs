//! Parties of a session on this machine's loopback interface.
#![allow(dead_code, reason = "each test file uses its part of these")]

use cotenant_core::party::PartyId;
use cotenant_net::{Identity, Limits, Member, Mesh, MeshConfig, NetError, PeerError, listen};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// A party that has not connected yet.
pub(crate) struct Party {
    pub(crate) config: MeshConfig,
    pub(crate) listener: TcpListener,
}

impl Party {
    pub(crate) async fn connect(self) -> Result<Mesh, NetError> {
        Mesh::connect(self.config, Some(&self.listener)).await
    }
}

/// The one link error of a failed attempt.
pub(crate) fn only(result: Result<Mesh, NetError>) -> PeerError {
    match result {
        Err(NetError::Peers(mut errors)) if errors.len() == 1 => errors.remove(0),
        Err(other) => panic!("one party was to blame: {other}"),
        Ok(_) => panic!("connected"),
    }
}

/// `n` parties who agree on everything.
pub(crate) async fn parties(n: usize, limits: Limits) -> Vec<Party> {
    let mut listeners = Vec::new();
    let mut members = Vec::new();
    let mut identities = Vec::new();
    for i in 0..n {
        let listener = listen("127.0.0.1:0").await.unwrap();
        let identity = Arc::new(Identity::generate().unwrap());
        let address = listener.local_addr().unwrap().to_string();
        members.push(Member { name: ["ann", "bob", "cem", "dee"][i].to_owned(), identity: identity.public(), address });
        listeners.push(listener);
        identities.push(identity);
    }
    PartyId::all(n)
        .zip(listeners.into_iter().zip(identities))
        .map(|(me, (listener, identity))| Party {
            config: MeshConfig { identity, me, members: members.clone(), session: [7; 32], limits: limits.clone() },
            listener,
        })
        .collect()
}

/// What each party's attempt to connect gives, all at once.
pub(crate) async fn connect_all(parties: Vec<Party>) -> Vec<Result<Mesh, NetError>> {
    let tasks: Vec<_> = parties.into_iter().map(|party| tokio::spawn(party.connect())).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// The meshes of `n` parties.
pub(crate) async fn meshes(n: usize, limits: Limits) -> Vec<Mesh> {
    connect_all(parties(n, limits).await).await.into_iter().map(|mesh| mesh.unwrap()).collect()
}

/// Limits under which a test of a failure does not take long.
pub(crate) fn short() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        handshake: Duration::from_secs(2),
        dead_after: Duration::from_secs(1),
        close: Duration::from_secs(2),
        ..Limits::default()
    }
}
