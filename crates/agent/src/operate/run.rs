//! Doing it: each kind of work with a started engine.
//!
//! A save has two stages, because a member votes PREPARED only when its new share is on disk, was read back, and all members' new shares were put together
//! and their tag was right. The second stage is part of the same session, so everything for it is declared before that is sealed:
//!
//! ```text
//! Save::run --> Saved (shares to be written) --> Saved::verify(shares that were read back) --> Verified (the vote can be signed)
//! Call::run --> Called, with a Saved if something of the answer is kept
//! ```
//!
//! ```compile_fail
//! # use cotenant_agent::operate::{Manifest, Verified};
//! fn without_looking(after: Manifest) -> Verified {
//!     Verified { after } // the field is private
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use cotenant_agent::operate::Saved;
//! async fn twice<O: cotenant_mpc::Online>(saved: Saved<O>) {
//!     let first = saved.verify(Vec::new()).await;
//!     let second = saved.verify(Vec::new()).await; // it was moved
//! }
//! ```

use super::{
    compare::Compared,
    error::{OperateError, Refused},
    manifest::Manifest,
};
use crate::{
    approve::operation,
    call::{self, Content, Done, Ended, Hooks, Made, Reading, Taken},
    relay::{Relay, Server},
    tls::Gate,
    vault::{
        VaultError,
        commit::Event,
        load::{LoadPlan, Wanted},
        save::{Comes, New, SavePlan, Value},
        share::Share,
    },
};
use chacha20::ChaCha20Rng;
use cotenant_core::{Channel, Digest, PartyId};
use cotenant_mpc::{Engine, Online};
use cotenant_tls::{
    AnswerLimits, Config, Target,
    pki_types::{ServerName, UnixTime},
};
use zeroize::Zeroizing;

/// What this party gives.
#[derive(Default)]
pub struct Mine {
    /// Its shares of the items that are read ([`super::Task::needs`]), in any order.
    pub shares: Vec<Share>,
    /// The value of a put, or what is given for a call, one secret after the other by their holes, at the party that gives it.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

/// By what this party judges a server.
pub struct Client {
    /// The trust roots, which are those that were approved, and the groups.
    pub config: Config,
    /// This party's clock.
    pub now: UnixTime,
}

/// New versions of items.
pub struct Save {
    pub(super) loads: Vec<Wanted>,
    pub(super) new: Vec<New>,
    /// Loads of the new shares, so that every member's is in one.
    pub(super) checks: Vec<Wanted>,
    pub(super) after: Manifest,
}

/// A save whose shares are made and not yet verified.
#[must_use]
pub struct Saved<O> {
    online: O,
    shares: Vec<Share>,
    checks: Vec<Wanted>,
    check: LoadPlan,
    after: Manifest,
}

/// A new version of the vault that this party can vote PREPARED for: its shares are there and right at all members.
#[must_use]
pub struct Verified {
    after: Manifest,
}

/// A check of shares.
pub struct Verify {
    pub(super) loads: Vec<Wanted>,
}

/// A removal.
pub struct Remove {
    pub(super) after: Manifest,
}

/// A request to a server.
pub struct Call {
    pub(super) approved: operation::Call,
    pub(super) content: Content,
    pub(super) loads: Vec<Wanted>,
    pub(super) connector: PartyId,
    pub(super) reading: Reading,
    /// The vault once what is kept of the answer is committed; none if nothing is.
    pub(super) after: Option<Manifest>,
}

/// A call that was answered.
pub struct Called<O> {
    /// What is known of the answer.
    pub done: Done,
    /// What was kept of it, if something was, to be written and verified as in a save.
    pub saved: Option<Saved<O>>,
}

/// A presigned URL.
pub struct Presign {
    pub(super) presign: call::Presign,
    /// Who is to have it, by its seat.
    pub(super) reader: PartyId,
    pub(super) loads: Vec<Wanted>,
}

impl Save {
    /// The vault once this is committed.
    pub fn after(&self) -> &Manifest {
        &self.after
    }

    /// Makes the new shares, with the other members, who do the same.
    ///
    /// # Errors
    /// Those of loading and saving; nothing was saved.
    pub async fn run<E: Engine>(self, mut engine: E, mine: Mine) -> Result<Saved<E::Online>, OperateError> {
        let Save { loads, new, checks, after } = self;
        let load = if loads.is_empty() { None } else { Some(LoadPlan::declare(&mut engine, &loads)?) };
        let save = SavePlan::declare(&mut engine, &new)?;
        let check = LoadPlan::declare(&mut engine, &checks)?;
        let mut online = engine.seal().await?;
        let me = online.me();
        let loaded = match load {
            Some(plan) => Some(plan.run(&mut online, hand_out(&loads, me, &mine.shares)).await?),
            None => None,
        };
        let mut given = mine.value;
        let value = |(k, new): (usize, &New)| match (new.comes, &loaded) {
            (Comes::Loaded, Some(loaded)) => Value::Loaded(loaded, k),
            // Without a value it is too short, which the save says.
            (Comes::Given(party), _) if party == me => Value::Mine(given.take().unwrap_or_default()),
            (Comes::Given(_), _) => Value::Theirs,
            _ => Value::Drawn,
        };
        let values = new.iter().enumerate().map(value).collect();
        let shares = save.run(&mut online, values).await?;
        Ok(Saved { online, shares, checks, check, after })
    }
}

impl<O: Online> Saved<O> {
    /// This party's new shares. They have to be on disk, each under its name, before they are read back and verified.
    pub fn shares(&self) -> &[Share] {
        &self.shares
    }

    /// The vault once this is committed.
    pub fn after(&self) -> &Manifest {
        &self.after
    }

    /// Puts the new shares of all members together, from what each has read back.
    ///
    /// # Errors
    /// [`VaultError::Share`] if what was read back is not what was written, by its header; [`VaultError::VaultTag`] at all if a member's share is not the right
    /// one; or the session's.
    pub async fn verify(self, read_back: Vec<Share>) -> Result<Verified, VaultError> {
        let Saved { mut online, checks, check, after, .. } = self;
        let shares = hand_out(&checks, online.me(), &read_back);
        check.run(&mut online, shares).await?;
        Ok(Verified { after })
    }

    /// For a party that could not write its shares: the others hear of it.
    pub async fn give_up(mut self) {
        self.online.give_up().await;
    }
}

impl Verified {
    /// The vault once this is committed.
    pub fn after(&self) -> &Manifest {
        &self.after
    }

    /// What happens in the commit machine.
    ///
    /// # Panics
    /// Never: what was saved has a version.
    pub fn event(&self) -> Event<Digest> {
        Event::Verified(self.after.version().expect("a save makes a version").run)
    }
}

impl Verify {
    /// Checks all shares of those who take part. Nothing of the secrets is opened.
    ///
    /// # Errors
    /// [`VaultError::VaultTag`] if they do not fit together; or those of a load.
    pub async fn run<E: Engine>(self, mut engine: E, mine: Mine) -> Result<(), OperateError> {
        let plan = LoadPlan::declare(&mut engine, &self.loads)?;
        let mut online = engine.seal().await?;
        let shares = hand_out(&self.loads, online.me(), &mine.shares);
        plan.run(&mut online, shares).await?;
        Ok(())
    }
}

impl Remove {
    /// The vault once this is committed.
    pub fn after(&self) -> &Manifest {
        &self.after
    }

    /// There is nothing to compute, but that all members mean the same has to be known before anyone votes.
    ///
    /// # Errors
    /// [`Refused::NotCompared`] if they compared another run.
    pub fn run(self, compared: &Compared) -> Result<Verified, Refused> {
        let same = self.after.version().is_some_and(|version| compared.is(version.run));
        if same { Ok(Verified { after: self.after }) } else { Err(Refused::NotCompared) }
    }
}

impl Call {
    /// The party of the session that connects to the server.
    pub fn connector(&self) -> PartyId {
        self.connector
    }

    /// What was approved.
    pub fn approved(&self) -> &operation::Call {
        &self.approved
    }

    /// Makes the call. `relay` is for [`Self::connector`]. If it keeps something, its shares have to be on disk before they are verified, as those of a save.
    ///
    /// # Errors
    /// [`Refused::TrustRoots`] before anything; those of loading; those of a call.
    pub async fn run<E: Engine, R: Channel, S: Server>(
        self,
        engine: E,
        relay: Relay<R, S>,
        mine: Mine,
        client: Client,
        rng: ChaCha20Rng,
        hooks: Hooks,
    ) -> Result<Called<E::Online>, OperateError> {
        let (Call { approved, content, loads, connector, reading, after }, Client { config, now }) = (self, client);
        if config.roots().digest() != approved.trust_roots.0 {
            return Err(Refused::TrustRoots.into());
        }
        let shares = hand_out(&loads, engine.me(), &mine.shares);
        let (target, limits) = (target(&approved, now)?, limits(&approved.response));
        let checks = if let Reading::Part(redaction) = &reading { redaction.checks.clone() } else { Vec::new() };
        let call = call::Call { target, config, connector, limits, content, reading };
        let taken = Taken { wanted: loads, shares, given: mine.value.unwrap_or_default() };
        let Ended { done, saved } = call::run_with_secrets(engine, relay, call, taken, rng, hooks).await?;
        let saved = saved.zip(after).map(|(call::Saved { online, shares, check }, after)| Saved { online, shares, checks, check, after });
        Ok(Called { done, saved })
    }
}

impl Call {
    /// Declares all that it takes, for an engine that runs nothing.
    pub(super) fn declare<E: Engine>(self, engine: &mut E) -> Result<(), OperateError> {
        let Call { approved, content, loads, reading, .. } = self;
        Ok(call::declare(engine, content, &loads, (&reading, limits(&approved.response)))?)
    }
}

impl Presign {
    /// Declares all that it takes, for an engine that runs nothing.
    pub(super) fn declare<E: Engine>(self, engine: &mut E) -> Result<(), OperateError> {
        Ok(self.presign.declare(engine, &self.loads).map(drop)?)
    }

    /// The seat of the member that is to have the URL.
    pub fn reader(&self) -> PartyId {
        self.reader
    }

    /// Makes the URL, which its reader has then. `nonce` is fresh and random.
    ///
    /// # Errors
    /// Those of a call.
    pub async fn run<E: Engine>(self, engine: E, mine: Mine, nonce: [u8; 32], may_open: Gate) -> Result<Made, OperateError> {
        let Presign { presign, loads, .. } = self;
        let shares = hand_out(&loads, engine.me(), &mine.shares);
        Ok(presign.run(engine, Taken { wanted: loads, shares, ..Taken::default() }, nonce, may_open).await?)
    }
}

fn target(call: &operation::Call, now: UnixTime) -> Result<Target, Refused> {
    let name = ServerName::try_from(call.host.trim_matches(['[', ']']).to_owned());
    Ok(Target { name: name.map_err(|_| operation::BadOperation::Call)?, now })
}

fn limits(response: &operation::Response) -> AnswerLimits {
    let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    AnswerLimits { bytes: size(response.limit_bytes), records: size(response.limit_records) }
}

/// This party's share for each of the loads that it is in, in their order. One that is missing is found by the load, which counts.
fn hand_out(loads: &[Wanted], me: PartyId, shares: &[Share]) -> Vec<Share> {
    let mine = loads.iter().filter(|wanted| wanted.quorum.seat_of(me).is_some());
    let of_item = |wanted: &Wanted| shares.iter().find(|share| share.origin().item.name == wanted.origin.item.name);
    mine.filter_map(of_item).filter_map(|share| Share::decode(&share.encode()).ok()).collect()
}
