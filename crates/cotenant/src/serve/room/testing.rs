//! Rooms for tests.

use cotenant_agent::room::{Charter, Limits, Member, Parameters, RoomId, Trust, parameters::Engine};
use cotenant_core::Digest;
use cotenant_net::Identity;

/// A room of these, all of whom have to act together.
pub(super) fn parameters(identities: &[Identity]) -> Parameters {
    let seats = identities.len() as u8;
    let (trust, limits) = (Trust::Embedded(Digest([7; 32])), Limits::default());
    let (room, name, engine) = (RoomId([5; 16]), "board".to_owned(), Engine::CURRENT);
    let charter = Charter { room, name, epoch: 1, seats, threshold: seats, engine, trust, limits, previous: None };
    let member = |(at, identity): (usize, &Identity)| {
        let addresses = vec![format!("127.0.0.1:{}", 7001 + at).parse().unwrap()];
        Member { name: format!("m{at}"), key: identity.public(), addresses }
    };
    Parameters::new(charter, identities.iter().enumerate().map(member).collect()).unwrap()
}
