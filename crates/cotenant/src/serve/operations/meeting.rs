//! Where those who take part in a run meet: links between them alone, named by the run, and an engine over these.
//!
//! [`OnHub`] is what the daemon has. Tests have one in memory, whose engine computes in the clear, to see thousands of runs end anywhere.

use super::running::RunError;
use cotenant_agent::operate::OperateError;
use cotenant_core::{Channel, Digest, PartyId};
use cotenant_mpc::{Engine, Options, Session};
use cotenant_net::{Hub, Identity, Lane, Limits, Member, Mesh, MeshConfig};
use std::sync::{Arc, Weak};

/// The lane of the engine.
const ENGINE: u8 = 1;

/// A way for members to meet.
pub trait Meeting: Send + Sync + 'static {
    /// What they have then.
    type Links: Links;

    /// Meets the others of `members`, in which this party is `me`, for the run of this digest.
    ///
    /// # Errors
    /// [`RunError::Net`] if they did not all come, [`RunError::Stopped`] if this daemon is ending.
    fn meet(
        &self,
        identity: Arc<Identity>,
        me: PartyId,
        members: Vec<Member>,
        run: Digest,
    ) -> impl Future<Output = Result<Self::Links, RunError>> + Send;
}

/// Links between those who take part in one run.
pub trait Links: Send + Sync {
    /// One of their lanes.
    type Lane: Channel;
    /// The engine over another.
    type Engine: Engine;

    /// The lane of this number, which is not the engine's; each is taken once.
    fn lane(&self, number: u8) -> Self::Lane;

    /// Starts a session for what all have agreed on. Its secrets come from the operating system.
    ///
    /// # Errors
    /// Those of [`Session::start`], or without randomness.
    fn engine(&self, agreed: Digest, options: Options) -> impl Future<Output = Result<Self::Engine, RunError>> + Send;

    /// Says goodbye; what is queued is still sent.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Over connections that the hub makes.
pub struct OnHub {
    /// Where sessions meet, as long as somebody keeps it.
    pub hub: Weak<Hub>,
    /// Times and sizes of the links.
    pub limits: Limits,
}

impl Meeting for OnHub {
    type Links = Mesh;

    async fn meet(&self, identity: Arc<Identity>, me: PartyId, members: Vec<Member>, run: Digest) -> Result<Mesh, RunError> {
        let hub = self.hub.upgrade().ok_or(RunError::Stopped)?;
        Ok(hub.mesh(MeshConfig { identity, me, members, session: run.0, limits: self.limits.clone() }).await?)
    }
}

impl Links for Mesh {
    type Lane = Lane;
    type Engine = Session<Lane>;

    fn lane(&self, number: u8) -> Lane {
        Mesh::lane(self, number)
    }

    async fn engine(&self, agreed: Digest, options: Options) -> Result<Session<Lane>, RunError> {
        let rng = crate::party::fresh_rng().map_err(|_| RunError::Randomness)?;
        Ok(Session::start(Mesh::lane(self, ENGINE), agreed, rng, options).await.map_err(OperateError::from)?)
    }

    async fn close(self) {
        Mesh::close(self).await;
    }
}
