//! How somebody with an invitation comes in: the inviter's side, one door an invitation, and the joiner's.
//!
//! The messages are those of `cotenant_agent::room::join`, over lane 0 of a link that only who has the invitation can ask for.

use super::{
    actor::{Command, Offered},
    context::Context,
    problems,
};
use crate::serve::problem::Problem;
use cotenant_agent::room::{
    Invitation, Member,
    join::{Admission, JoinFault, Joining, Welcome},
};
use cotenant_core::{Domain, PartyId, channel::Channel};
use cotenant_net::{Guest, Guests, Lane, Mesh};
use std::time::Duration;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

/// How long one guest may take.
const GUEST: Duration = Duration::from_secs(30);
/// How long a joiner tries to reach the inviter, and then how long the handshake may take: the command that asks waits for both.
const TRY: Duration = Duration::from_secs(14);
/// Guests of one invitation at once.
const AT_ONCE: usize = 8;

/// The session at which an inviter waits for whoever has this invitation.
pub(super) fn session(invitation: &Invitation) -> [u8; 32] {
    Domain::InvitationDoor.hasher().field(&invitation.encode()).digest().0
}

/// Lets in whoever comes with an invitation, and asks the room about each, until it is dropped.
pub(super) async fn serve(mut guests: Guests, room: mpsc::Sender<Command>) {
    let mut served = JoinSet::new();
    loop {
        tokio::select! {
            guest = guests.next(), if served.len() < AT_ONCE => {
                let room = room.clone();
                served.spawn(async move { timeout(GUEST, receive(guest, &room)).await.ok() });
            }
            Some(_) = served.join_next() => {}
        }
    }
}

/// One guest's handshake; one that goes away is none.
async fn receive(guest: Guest, room: &mpsc::Sender<Command>) -> Option<()> {
    let peer = PartyId::new(1);
    let mut lane = guest.mesh.lane(0);
    let hello = lane.recv(peer).await.ok()?;
    let offered: Result<Offered, JoinFault> = ask(room, |reply| Command::Hello(hello, reply)).await?;
    match offered {
        Err(fault) => refuse(&guest, &mut lane, &fault).await?,
        Ok((inviting, offer)) => {
            lane.send(peer, offer).await.ok()?;
            let opening = lane.recv(peer).await.ok()?;
            let welcome: Result<Welcome, JoinFault> = ask(room, |reply| Command::Opening(inviting, opening, reply)).await?;
            match welcome {
                Err(fault) => refuse(&guest, &mut lane, &fault).await?,
                Ok(welcome) => lane.send(peer, welcome.message).await.ok()?,
            }
        }
    }
    drop(lane);
    guest.mesh.close().await;
    Some(())
}

async fn refuse(guest: &Guest, lane: &mut Lane, fault: &JoinFault) -> Option<()> {
    tracing::warn!(key = %guest.identity, from = %guest.from, %fault, "refused who came with an invitation");
    lane.send(PartyId::new(1), fault.refusal()).await.ok()
}

async fn ask<T>(room: &mpsc::Sender<Command>, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    room.send(command(reply)).await.ok()?;
    answer.await.ok()
}

/// Goes to the inviter as `me`, and comes back with what it offers and the phrase.
///
/// # Errors
/// If the inviter cannot be reached, or refuses, or is not whom the invitation names.
pub(super) async fn join(context: &Context, invitation: Invitation, me: Member) -> Result<Admission, Problem> {
    let failed = |fault: JoinFault| problems::join(&fault);
    let (mut rng, now) = (context.rng()?, context.seconds());
    let (joining, hello) = Joining::new(invitation.clone(), me, context.identity(), now, &mut rng).map_err(failed)?;
    let mesh = reach(context, &invitation).await?;
    let (host, mut lane) = (PartyId::new(0), mesh.lane(0));
    let broken = |error| problems::unreachable(&mesh.explain(&error).to_string());
    let handshake = async {
        lane.send(host, hello).await.map_err(broken)?;
        let offer = lane.recv(host).await.map_err(broken)?;
        let (opened, opening) = joining.offer(&offer, context.identity()).map_err(failed)?;
        lane.send(host, opening).await.map_err(broken)?;
        opened.welcome(&lane.recv(host).await.map_err(broken)?).map_err(failed)
    };
    let admission = timeout(TRY, handshake).await.unwrap_or_else(|_| Err(problems::unreachable("the inviter does not go on")))?;
    drop(lane);
    mesh.close().await;
    Ok(admission)
}

/// A link to the inviter, at the first of its addresses that leads to it.
async fn reach(context: &Context, invitation: &Invitation) -> Result<Mesh, Problem> {
    let (session, inviter) = (session(invitation), invitation.inviter());
    let mut last = String::new();
    let attempts = async {
        for address in invitation.addresses() {
            match context.hub.knock(inviter, &address.to_string(), session).await {
                Ok(mesh) => return Some(mesh),
                Err(error) => last = error.to_string().replace('\n', "; "),
            }
        }
        None
    };
    let reached = timeout(TRY, attempts).await;
    match reached {
        Ok(Some(mesh)) => Ok(mesh),
        Ok(None) => Err(problems::unreachable(&last)),
        Err(_) if last.is_empty() => Err(problems::unreachable("no answer in time")),
        Err(_) => Err(problems::unreachable(&last)),
    }
}
