//! What the members have of the vault: its description, their shares, and the values, which nobody but a test puts together.

use super::World;
use crate::serve::operations::{changes::manifests, tests::ROOM};
use cotenant_agent::{
    operate::Manifest,
    vault::{
        commit::statement::Version,
        load::{LoadPlan, Wanted},
        share::Share,
        sharing::{Holder, Quorum},
    },
};
use cotenant_circuit::Builder;
use cotenant_core::{Digest, PartyId};
use cotenant_ideal::{IdealSession, Seat, seats};
use cotenant_mpc::{Engine as _, Online as _, Source};
use futures_util::future::join_all;
use std::sync::Arc;

impl World {
    /// The place of a member among those who have shares of this vault.
    fn place(&self, k: usize, manifest: &Manifest) -> Option<PartyId> {
        let key = self.parameters.members()[k].key;
        manifest.members().iter().position(|member| *member == key).map(PartyId::new)
    }

    /// Who has a share of an item of this vault; nobody if there is no such item.
    pub(in super::super) fn holders(&self, manifest: &Manifest, name: &str) -> Vec<usize> {
        let Some(entry) = manifest.get(name) else { return Vec::new() };
        (0..self.n()).filter(|k| self.place(*k, manifest).is_some_and(|place| !entry.lacking.contains(place))).collect()
    }

    /// The vault, which is the same at all; and each has exactly the shares of it.
    pub(in super::super) fn vault(&self) -> Manifest {
        let all: Vec<Manifest> = (0..self.n()).map(|k| self.shell(k).vault()).collect();
        assert!(all.iter().all(|manifest| *manifest == all[0]), "all have the same vault");
        for k in 0..self.n() {
            self.has_its_shares(k, &all[0]);
        }
        all[0].clone()
    }

    fn has_its_shares(&self, k: usize, manifest: &Manifest) {
        let daemon = self.daemon(k).daemon;
        let store = daemon.store();
        let room = store.room(ROOM.0);
        let stored = manifests(&room).unwrap();
        assert!(stored.iter().all(|(_, stored)| stored == manifest), "no other description is left at {k}");
        for name in ["kept", "x"] {
            let wanted = manifest.origin(name).filter(|_| self.holders(manifest, name).contains(&k));
            let wanted = wanted.map(|origin| Version { number: origin.item.version, run: origin.run });
            assert_eq!(room.shares(name).unwrap(), wanted.into_iter().collect::<Vec<_>>(), "shares of {name} at {k}");
        }
    }

    /// The value of an item, which nobody but a test puts together: from the shares of these members.
    pub(in super::super) async fn value(&self, seats_of: &[usize], name: &str) -> Vec<u8> {
        let manifest = self.shell(seats_of[0]).vault();
        let origin = manifest.origin(name).unwrap();
        let place = |seat| self.place(seat, &manifest).expect("it has a share");
        let holders = seats_of.iter().enumerate().map(|(k, seat)| Holder { seat: place(*seat), party: PartyId::new(k) });
        let wanted = Wanted { quorum: Quorum::new(origin.item.sharing, holders.collect()).unwrap(), origin };
        let open = |(seat, k): (Seat, &usize)| open(seat, wanted.clone(), Share::decode(&self.share_bytes(*k, name)).unwrap());
        let opened = join_all(seats(seats_of.len(), 1).into_iter().zip(seats_of).map(open)).await;
        opened[0].clone()
    }

    fn version(&self, k: usize, name: &str) -> Version<Digest> {
        let origin = self.shell(k).vault().origin(name).unwrap();
        Version { number: origin.item.version, run: origin.run }
    }

    /// What a member has stored as its share of the newest version.
    pub(in super::super) fn share_bytes(&self, k: usize, name: &str) -> Vec<u8> {
        let version = self.version(k, name);
        self.daemon(k).daemon.store().room(ROOM.0).share(name, &version).unwrap().unwrap().to_vec()
    }

    /// Stores something else there.
    pub(in super::super) fn put_share(&self, k: usize, name: &str, bytes: &[u8]) {
        let version = self.version(k, name);
        let daemon = self.daemon(k).daemon;
        daemon.store().transaction(|changes| changes.room(ROOM.0).put_share(name, &version, bytes)).unwrap();
    }
}

async fn open(seat: Seat, wanted: Wanted, share: Share) -> Vec<u8> {
    let mut engine = IdealSession::start(seat, Digest([0; 32])).await.unwrap();
    let load = LoadPlan::declare(&mut engine, std::slice::from_ref(&wanted)).unwrap();
    let input = engine.declare(Source::Soldered, 8 * wanted.origin.item.len);
    let mut builder = Builder::new();
    let bits = builder.input(input.len());
    builder.output(&bits);
    let segment = engine.segment(&Arc::new(builder.finish()), &input.wires().collect::<Vec<_>>()).unwrap();
    let mut online = engine.seal().await.unwrap();
    let loaded = load.run(&mut online, vec![share]).await.unwrap();
    loaded.solder(&mut online, &[0], input).await.unwrap();
    let out = online.evaluate(segment).await.unwrap();
    online.open(&out).await.unwrap().to_packed()
}
