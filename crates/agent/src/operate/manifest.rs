//! What is in a room's vault in one version, without the secrets: what all members must have alike before anything is read or saved.
//!
//! | field | bytes |
//! | --- | --- |
//! | format | 1, of value 1 |
//! | room | 16 |
//! | version, run that made it | 8, 32; all 0 before the first |
//! | members | number (1), 32 each |
//! | items, by rising names | number (2), then length (2) and description, run that made its shares (32), who has none (8, one bit a seat) |
//! | removed, by rising names | number (2), then length (1) and name, last version (8) |
//!
//! Numbers are little-endian. Each commit makes the next version of the vault, and the next manifest is a function of this one and of what was done, so
//! members that committed to the same run have the same manifest. An item that a save does not write keeps its shares.
//!
//! Members are those among whom the shares are; seats of shares are places in this list. It is the room's list but between a change of the room and the
//! `reshare` after it.

use crate::{
    approve::operation::MAX_ITEMS,
    room::RoomId,
    vault::{
        commit::statement::{Parties, Version},
        item::{Item, MAX_NAME},
        share::{Origin, Share},
        sharing::MAX_MEMBERS,
    },
};
use cotenant_core::{
    Digest, Domain, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::PublicIdentity;
use std::collections::BTreeMap;

/// The most names of removed items that are remembered.
pub const MAX_REMOVED: usize = 1 << 12;
/// The longest that one may become, in bytes: half of what a link reads ahead, so it can be told.
pub const MAX_MANIFEST: usize = 1 << 22;
const FORMAT: u8 = 1;

/// What is in a vault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    room: RoomId,
    version: Option<Version<Digest>>,
    members: Vec<PublicIdentity>,
    items: BTreeMap<String, Entry>,
    /// The last version of each item that is no more: a name never has the same version twice.
    removed: BTreeMap<String, u64>,
}

/// An item in a vault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What is known of it.
    pub item: Item,
    /// The run that made its shares.
    pub run: Digest,
    /// Members without a share of it.
    pub lacking: Parties,
}

/// The place of a share: what a store keeps it under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShareName {
    /// The item.
    pub item: String,
    /// Its version.
    pub version: u64,
    /// The run that made it.
    pub run: [u8; 32],
}

impl ShareName {
    /// Of a share.
    pub fn of(share: &Share) -> Self {
        let Origin { item, run, .. } = share.origin();
        ShareName { item: item.name.clone(), version: item.version, run: run.0 }
    }
}

/// Of all `stored` shares those that no kept manifest names, which are to be destroyed.
pub fn unnamed<'a>(stored: impl IntoIterator<Item = &'a ShareName>, kept: &[Manifest]) -> Vec<&'a ShareName> {
    stored.into_iter().filter(|share| !kept.iter().any(|manifest| manifest.names(share))).collect()
}

impl Manifest {
    /// An empty vault.
    pub fn new(room: RoomId, members: Vec<PublicIdentity>) -> Self {
        Manifest { room, version: None, members, items: BTreeMap::new(), removed: BTreeMap::new() }
    }

    /// The room.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// The version, as it is committed; none before the first.
    pub fn version(&self) -> Option<Version<Digest>> {
        self.version
    }

    /// Its number, 0 before the first.
    pub fn number(&self) -> u64 {
        self.version.map_or(0, |version| version.number)
    }

    /// Among whom the shares are.
    pub fn members(&self) -> &[PublicIdentity] {
        &self.members
    }

    /// All items, by rising names.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.items.values()
    }

    /// Names and last versions of items that are no more.
    pub fn removed(&self) -> impl ExactSizeIterator<Item = (&str, u64)> {
        self.removed.iter().map(|(name, &last)| (name.as_str(), last))
    }

    /// The item of this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.items.get(name)
    }

    /// The version that a new value under this name gets.
    pub fn next_version(&self, name: &str) -> u64 {
        let last = self.items.get(name).map(|entry| entry.item.version).or(self.removed.get(name).copied());
        last.map_or(1, |last| last.saturating_add(1))
    }

    /// Which shares make up an item.
    pub fn origin(&self, name: &str) -> Option<Origin> {
        self.items.get(name).map(|Entry { item, run, .. }| Origin { room: self.room, item: item.clone(), run: *run })
    }

    /// The members that have a share of an item, by rising seats.
    pub fn holders(&self, entry: &Entry) -> impl Iterator<Item = (PartyId, &PublicIdentity)> {
        PartyId::all(self.members.len()).zip(&self.members).filter(move |(seat, _)| !entry.lacking.contains(*seat))
    }

    /// Whether a share is one of an item in it.
    pub fn names(&self, share: &ShareName) -> bool {
        self.items.get(&share.item).is_some_and(|entry| entry.item.version == share.version && entry.run.0 == share.run)
    }

    /// What stands for it.
    pub fn digest(&self) -> Digest {
        Domain::VaultManifest.hasher().field(&self.encode()).digest()
    }

    /// The next version: `run` has made these items, each for all of `members`.
    pub(super) fn saved(&self, items: Vec<Item>, members: &[PublicIdentity], run: Digest) -> Manifest {
        let mut next = self.next(run);
        next.members = members.to_vec();
        for item in items {
            next.removed.remove(&item.name);
            next.items.insert(item.name.clone(), Entry { item, run, lacking: Parties::NONE });
        }
        next
    }

    /// The next version: these items are no more.
    pub(super) fn without<'a>(&self, names: impl Iterator<Item = &'a str>, run: Digest) -> Manifest {
        let mut next = self.next(run);
        for name in names {
            if let Some(gone) = next.items.remove(name) {
                next.removed.insert(name.to_owned(), gone.item.version);
            }
        }
        next
    }

    /// The same version in a new epoch of the room with these `members`, where those have shares of an item who say so, whatever was known before. If the
    /// list differs only by keys that have taken the places of others, they have these places among the shares too, and no shares; else shares stay among
    /// whom they are, until a `reshare`.
    pub fn entered(&self, members: &[PublicIdentity], has: impl Fn(&PublicIdentity, &Entry) -> bool) -> Manifest {
        let mut same = self.clone();
        let replaced = |(old, new)| old == new || !self.members.contains(new) && !members.contains(old);
        if members.len() == self.members.len() && self.members.iter().zip(members).all(replaced) {
            same.members = members.to_vec();
        }
        let places = || PartyId::all(self.members.len()).zip(self.members.iter().zip(&same.members));
        for entry in same.items.values_mut() {
            let without = |(old, new): (&PublicIdentity, &PublicIdentity)| old != new || !has(new, entry);
            entry.lacking = places().filter(|(_, both)| without(*both)).map(|(seat, _)| seat).collect();
        }
        same
    }

    /// Those of a room's `members`, by their seats there, that do not have a share of everything.
    pub fn lacking(&self, members: &[PublicIdentity]) -> Parties {
        let has_all = |key| self.items.values().all(|entry| self.holders(entry).any(|(_, holder)| holder == key));
        PartyId::all(members.len()).zip(members).filter(|(_, key)| !has_all(*key)).map(|(seat, _)| seat).collect()
    }

    /// How many of a room's `members` have to have a share of everything, so that all can be loaded: the most that any item needs beside the shares of it that
    /// those have who do not.
    pub fn needed(&self, members: &[PublicIdentity]) -> usize {
        let lacking = self.lacking(members);
        let in_part =
            |key: &PublicIdentity| members.iter().position(|other| other == key).is_some_and(|seat| lacking.contains(PartyId::new(seat)));
        let needed =
            |entry: &Entry| entry.item.sharing.threshold().saturating_sub(self.holders(entry).filter(|(_, key)| in_part(key)).count());
        self.items.values().map(needed).max().unwrap_or(0)
    }

    /// Whether another is the same but for who has shares, and for whose the places are at which it names no share at all.
    pub fn is_but_for_holders(&self, other: &Manifest) -> bool {
        let idle = |seat: PartyId| other.items.values().all(|entry| entry.lacking.contains(seat));
        let mut bare = other.entered(&other.members, |_, _| true);
        let places = PartyId::all(bare.members.len()).zip(bare.members.iter_mut().zip(&self.members));
        places.filter(|(seat, _)| idle(*seat)).for_each(|(_, (theirs, ours))| *theirs = *ours);
        bare == self.entered(&self.members, |_, _| true)
    }

    fn next(&self, run: Digest) -> Manifest {
        Manifest { version: Some(Version { number: self.number() + 1, run }), ..self.clone() }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let run = self.version.map_or([0; 32], |version| version.run.0);
        let w = Writer::new().bytes(&[FORMAT]).bytes(&self.room.0).bytes(&self.number().to_le_bytes()).bytes(&run);
        let w = self.members.iter().fold(w.bytes(&[self.members.len() as u8]), |w, member| w.bytes(member.as_bytes()));
        let w = self.items.values().fold(w.bytes(&(self.items.len() as u16).to_le_bytes()), |w, entry| entry.write(w));
        let w = w.bytes(&(self.removed.len() as u16).to_le_bytes());
        let removed = self.removed.iter();
        removed.fold(w, |w, (name, last)| w.bytes(&[name.len() as u8]).bytes(name.as_bytes()).bytes(&last.to_le_bytes())).done()
    }

    /// The manifest with these canonical bytes.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, BadFormat> {
        let mut r = Reader::new(bytes);
        let manifest = Self::read(&mut r)?;
        r.end()?;
        demand(manifest.is_well_formed() && manifest.encode() == bytes)?;
        Ok(manifest)
    }

    fn read(r: &mut Reader) -> Result<Manifest, BadFormat> {
        demand(r.array()? == [FORMAT])?;
        let (room, number, run) = (RoomId(r.array()?), u64::from_le_bytes(r.array()?), Digest(r.array()?));
        let [members]: [u8; 1] = r.array()?;
        let member = |r: &mut Reader| PublicIdentity::from_bytes(&r.array()?).map_err(|_| BadFormat);
        let members = (0..members).map(|_| member(r)).collect::<Result<_, _>>()?;
        let mut items = BTreeMap::new();
        for _ in 0..count(r, MAX_ITEMS)? {
            let entry = Entry::read(r)?;
            items.insert(entry.item.name.clone(), entry);
        }
        let mut removed = BTreeMap::new();
        for _ in 0..count(r, MAX_REMOVED)? {
            let [len]: [u8; 1] = r.array()?;
            let name = String::from_utf8(r.bytes(len.into())?.to_vec()).map_err(|_| BadFormat)?;
            removed.insert(name, u64::from_le_bytes(r.array()?));
        }
        let version = (number > 0).then_some(Version { number, run });
        Ok(Manifest { room, version, members, items, removed })
    }

    /// What the form of the bytes does not say. That names rise, each once, and that there is no run without a version, shows when they are written again.
    fn is_well_formed(&self) -> bool {
        let n = self.members.len();
        let everyone = Parties::first(n.min(MAX_MEMBERS));
        let of_all = |entry: &Entry| entry.item.sharing.members() == n && entry.lacking.without(everyone).is_empty();
        let gone = |(name, &last): (&String, &u64)| (1..=MAX_NAME).contains(&name.len()) && last > 0 && !self.items.contains_key(name);
        let members = (2..=MAX_MEMBERS).contains(&n) && (1..n).all(|k| !self.members[..k].contains(&self.members[k]));
        let empty = self.items.is_empty() && self.removed.is_empty();
        members && (self.version.is_some() || empty) && self.items.values().all(of_all) && self.removed.iter().all(gone)
    }
}

impl Entry {
    fn write(&self, w: Writer) -> Writer {
        let item = self.item.encode();
        let lacking = self.lacking.iter().fold(0u64, |bits, seat| bits | 1 << seat.index());
        w.bytes(&(item.len() as u16).to_le_bytes()).bytes(&item).bytes(&self.run.0).bytes(&lacking.to_le_bytes())
    }

    fn read(r: &mut Reader) -> Result<Entry, BadFormat> {
        let len = u16::from_le_bytes(r.array()?);
        let item = Item::decode(r.bytes(len.into())?).map_err(|_| BadFormat)?;
        let (run, lacking) = (Digest(r.array()?), u64::from_le_bytes(r.array()?));
        Ok(Entry { item, run, lacking: PartyId::all(MAX_MEMBERS).filter(|seat| lacking >> seat.index() & 1 == 1).collect() })
    }
}

fn count(r: &mut Reader, limit: usize) -> Result<u16, BadFormat> {
    let count = u16::from_le_bytes(r.array()?);
    demand(usize::from(count) <= limit)?;
    Ok(count)
}

fn demand(right: bool) -> Result<(), BadFormat> {
    if right { Ok(()) } else { Err(BadFormat) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{
        item::{Fields, Kind, Use},
        sharing::Sharing,
    };
    use cotenant_net::Identity;

    fn item(name: &str, version: u64, n: usize) -> Item {
        let uses = vec![Use::Field { host: "h".into() }];
        let (sharing, note) = (Sharing::new(2, n).unwrap(), "n".to_owned());
        Item::new(Fields { name: name.into(), version, kind: Kind::Bytes, len: 20, sharing, uses, note }).unwrap()
    }

    fn members(n: usize) -> Vec<PublicIdentity> {
        (0..n).map(|_| Identity::generate().unwrap().public()).collect()
    }

    fn vault() -> Manifest {
        let members = members(3);
        let one =
            Manifest::new(RoomId([7; 16]), members.clone()).saved(vec![item("a", 1, 3), item("b/c", 1, 3)], &members, Digest([1; 32]));
        let two = one.saved(vec![item("a", 2, 3)], &members, Digest([2; 32])).without(["b/c"].into_iter(), Digest([3; 32]));
        two.saved(vec![item("d", 1, 3)], &members, Digest([4; 32])).entered(&members, |key, _| *key != members[1])
    }

    #[test]
    fn what_is_not_written_stays() {
        let vault = vault();
        assert_eq!((vault.number(), vault.version().unwrap().run), (4, Digest([4; 32])));
        let entries: Vec<_> = vault.items().map(|e| (e.item.name.as_str(), e.item.version, e.run.0[0], e.lacking.len())).collect();
        assert_eq!(entries, [("a", 2, 2, 1), ("d", 1, 4, 1)]);
        assert_eq!(["a", "b/c", "d", "e"].map(|name| vault.next_version(name)), [3, 2, 2, 1]);
        assert_eq!(vault.holders(vault.get("a").unwrap()).map(|(seat, _)| seat.index()).collect::<Vec<_>>(), [0, 2]);
        let again = vault.saved(vec![item("b/c", 2, 3)], vault.members(), Digest([5; 32]));
        assert!(again.removed().len() == 0 && again.next_version("b/c") == 3);
    }

    /// A new key in a place of the list has no share, and its place; another list leaves the shares where they are.
    #[test]
    fn who_takes_a_place_takes_it_among_the_shares_and_others_wait() {
        let (vault, new) = (vault(), members(1)[0]);
        let [a, b, c] = vault.members() else { unreachable!() };
        let lacking =
            |vault: &Manifest| vault.items().map(|entry| entry.lacking.iter().map(PartyId::index).collect::<Vec<_>>()).collect::<Vec<_>>();
        let replaced = vault.entered(&[*a, *b, new], |key, _| key != b);
        assert_eq!((replaced.members(), lacking(&replaced)), (&[*a, *b, new][..], vec![vec![1, 2], vec![1, 2]]));
        assert_eq!(replaced.entered(&[*a, *b, new], |key, _| key == a), replaced, "once more makes no difference");
        for list in [vec![*a, *b, *c, new], vec![*a, *c], vec![*a, *c, *b], vec![*a, *c, new]] {
            let same = vault.entered(&list, |key, _| key == c);
            assert_eq!((same.members(), lacking(&same)), (vault.members(), vec![vec![0, 1], vec![0, 1]]), "{}", list.len());
        }
        let again = replaced.entered(&[*a, *b, new], |_, _| true);
        assert_eq!(lacking(&again).concat(), [0; 0], "who has shares after all says so");
        assert!(again.is_but_for_holders(&replaced) && again.is_but_for_holders(&vault.entered(vault.members(), |key, _| key != c)));
        assert!(!again.is_but_for_holders(&vault), "the place of c, with its share");
    }

    /// Two of three make up each item. a has `a` alone, b both, c `d` alone: b suffices as the one with everything.
    #[test]
    fn who_has_a_part_counts_for_that_part() {
        let vault = vault();
        let [a, b, c] = vault.members() else { unreachable!() };
        let seats = |vault: &Manifest, list: &[PublicIdentity]| vault.lacking(list).iter().map(PartyId::index).collect::<Vec<_>>();
        let parts = vault.entered(&[*a, *b, *c], |key, entry| key == b || (key == a) == (entry.item.name == "a"));
        assert_eq!((seats(&parts, &[*a, *b, *c]), parts.needed(&[*a, *b, *c])), (vec![0, 2], 1));
        assert_eq!((seats(&parts, &[*c, *b]), parts.needed(&[*c, *b])), (vec![0], 2), "of `a` the share of who has left is missing");
        let few = vault.entered(&[*a, *b, *c], |key, _| key == b);
        assert_eq!((seats(&few, &[*a, *b, *c]), few.needed(&[*a, *b, *c])), (vec![0, 2], 2));
        let empty = Manifest::new(vault.room(), vec![*a, *b]);
        assert_eq!((seats(&empty, &[*a, *c]), empty.needed(&[*a, *c])), (vec![], 0));
    }

    #[test]
    fn shares_that_no_kept_version_names_are_destroyed() {
        let (new, members) = (vault(), members(3));
        let old = Manifest::new(new.room(), members.clone()).saved(vec![item("a", 1, 3)], &members, Digest([1; 32]));
        let share = |name: &str, version, run| ShareName { item: name.into(), version, run: [run; 32] };
        let stored = [share("a", 1, 1), share("a", 2, 2), share("a", 2, 9), share("b/c", 1, 1), share("d", 1, 4)];
        let gone = |kept: &[Manifest]| unnamed(&stored, kept).into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(gone(&[old.clone(), new.clone()]), [share("a", 2, 9), share("b/c", 1, 1)]);
        assert_eq!(gone(&[new]), [share("a", 1, 1), share("a", 2, 9), share("b/c", 1, 1)]);
        assert_eq!(gone(&[]).len(), stored.len());
    }

    #[test]
    fn one_manifest_has_one_encoding() {
        for manifest in [Manifest::new(RoomId([1; 16]), members(2)), vault()] {
            let bytes = manifest.encode();
            assert_eq!(Manifest::decode(&bytes).as_ref(), Ok(&manifest));
            for at in 0..bytes.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut mutant = bytes.clone();
                    mutant[at] ^= flip;
                    let other = Manifest::decode(&mutant);
                    assert!(
                        other.is_err()
                            || other
                                .is_ok_and(|other| other != manifest && other.encode() == mutant && other.digest() != manifest.digest())
                    );
                }
                assert!(Manifest::decode(&bytes[..at]).is_err(), "cut at {at}");
            }
            assert!(Manifest::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let refused = |change: fn(&mut Manifest)| {
            let mut manifest = vault();
            change(&mut manifest);
            Manifest::decode(&manifest.encode()).is_err()
        };
        assert!(!refused(|_| ()));
        assert!(refused(|m| m.version = None), "items of no version");
        assert!(refused(|m| m.members.truncate(2)), "shared among others");
        assert!(refused(|m| m.members[1] = m.members[0]), "one member twice");
        assert!(refused(|m| m.items.get_mut("a").unwrap().lacking = Parties::first(4)), "more than members lack a share");
        assert!(refused(|m| _ = m.removed.insert("a".into(), 1)), "there and removed");
        assert!(refused(|m| _ = m.removed.insert("x".into(), 0)), "there is no version 0");
        assert!(refused(|m| _ = m.removed.insert(String::new(), 1)), "no name");
    }
}
