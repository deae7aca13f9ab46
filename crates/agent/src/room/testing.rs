//! What tests of rooms share.

use super::{
    parameters::{Charter, Engine, Limits, Member, Parameters, RoomId, Trust},
    signed::{self, Sheet, Signatures, Signed},
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::Identity;
use rand_core::CryptoRng;
use std::sync::OnceLock;

/// Randomness that can be had again.
pub(super) fn rng(seed: u64) -> impl CryptoRng {
    cotenant_cluster::session_rng(seed, PartyId::EVALUATOR)
}

/// The same identity for the same number, below 16, while the tests run.
pub(super) fn identity(number: usize) -> &'static Identity {
    static ALL: [OnceLock<Identity>; 16] = [const { OnceLock::new() }; 16];
    ALL[number].get_or_init(|| Identity::generate().expect("the system has randomness"))
}

/// Member `m0`, `m1`, ….
pub(super) fn member(number: usize) -> Member {
    let address = format!("127.0.0.1:{}", 7000 + number).parse().expect("an address");
    Member { name: format!("m{number}"), key: identity(number).public(), addresses: vec![address] }
}

/// A charter for epoch 1.
pub(super) fn charter(seats: u8, threshold: u8) -> Charter {
    let (trust, limits) = (Trust::Embedded(Digest([7; 32])), Limits::default());
    Charter {
        room: RoomId([5; 16]),
        name: "ops room".into(),
        epoch: 1,
        seats,
        threshold,
        engine: Engine::CURRENT,
        trust,
        limits,
        previous: None,
    }
}

/// Epoch 1 of a room of the first members.
pub(super) fn room(seats: u8, threshold: u8) -> Parameters {
    Parameters::new(charter(seats, threshold), (0..seats.into()).map(member).collect()).expect("a room")
}

/// With the signatures of these numbers.
pub(super) fn signatures(parameters: &Parameters, by: impl IntoIterator<Item = usize>) -> Signatures {
    by.into_iter().map(|number| (identity(number).public(), signed::sign(parameters, identity(number)))).collect()
}

/// Signed by its first members, who must be all.
pub(super) fn in_force(parameters: &Parameters) -> Signed {
    let all = signatures(parameters, 0..parameters.members().len());
    Signed::by_all_members(Sheet::new(parameters.clone(), all).expect("right signatures")).expect("all of them")
}

/// What follows `old` as `epoch` with these members and this threshold.
pub(super) fn following(old: &Parameters, epoch: u32, members: &[usize], threshold: u8) -> Parameters {
    let seats = members.len() as u8;
    let charter = Charter { epoch, seats, threshold, previous: Some(old.digest()), ..old.charter().clone() };
    Parameters::new(charter, members.iter().map(|&number| member(number)).collect()).expect("a room")
}
