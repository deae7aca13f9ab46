//! One party at work: its links to the others, and the joint calls it makes over them, one after another.
//!
//! MPC is bound by the processor, so each call runs on a thread of its own; sockets are served by the tokio runtime.

use crate::{
    connection::{Relaying, TcpServer},
    deadline::{Deadline, Passed},
    error::Error,
    home::Home,
    share::S3Share,
    stages::{self, Recorder, StageCost, Watcher},
    target::Site,
};
use chacha20::ChaCha20Rng;
use cotenant_agent::{
    agree::{self, AgreeError, Agreed, PROGRAM_DIGEST, Protocol, Signing, Terms, ToSend},
    call::{self, Call, Content, Event, Key, Reading, SignedRequest, Stage},
    http,
    sign::{
        date::Timestamp,
        sigv4::{Scope, SigningError, Style},
    },
};
use cotenant_core::{Domain, PartyId};
use cotenant_net::{Mesh, MeshConfig};
use cotenant_tls::{Answer, AnswerLimits};
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// How many calls one mesh carries: each has three lanes of its own, of 256.
pub const MAX_CALLS: usize = 80;

/// One party with links to all others.
pub struct Party {
    home: Home,
    program_digest: Option<[u8; 32]>,
    mesh: Mesh,
    calls: u8,
}

/// What is sent to the server.
pub enum Request<'a> {
    /// These bytes, which end when they end.
    Bytes(Vec<u8>),
    /// An HTTP request, signed by the shares of a secret access key.
    Signed {
        /// The request, without the signer's headers.
        request: http::Request,
        /// The region of the scope.
        region: &'a str,
        /// This party's share.
        share: &'a S3Share,
    },
}

/// A joint call, as all parties must have it but for the cheating.
pub struct Operation<'a> {
    /// What kind of operation this is, and which of several.
    pub what: String,
    /// The server.
    pub site: &'a Site,
    /// Who connects to it.
    pub connector: PartyId,
    /// What is sent.
    pub request: Request<'a>,
    /// How much the server may answer.
    pub limits: AnswerLimits,
    /// For demonstrations: the connector alters one bit of the server's bytes once this stage is finished.
    pub tamper_after: Option<Stage>,
}

/// A finished call.
pub struct Finished {
    /// The opened answer.
    pub answer: Answer,
    /// What each stage cost this party, in order.
    pub stages: Vec<StageCost>,
}

impl Party {
    /// Connects to all other parties. With `any_build` the others may run another build of this version; all must say so.
    ///
    /// # Errors
    /// [`Error::Net`], and [`Error::Read`] if this program's own file cannot be read.
    pub async fn connect(home: Home, any_build: bool) -> Result<Party, Error> {
        let program_digest = if any_build { None } else { Some(program_digest()?) };
        let mine = &home.members[home.me.index()];
        // The last of the list is dialled by nobody.
        let listens = home.me.index() + 1 < home.members.len();
        let listener = if listens { Some(cotenant_net::listen(&mine.address).await?) } else { None };
        let config = MeshConfig {
            identity: home.identity.clone(),
            me: home.me,
            members: home.members.clone(),
            // What is called, and how, is compared over the links, where a difference can be named.
            session: Domain::Session.hasher().field(b"calls one after another").digest().0,
            limits: home.limits.clone(),
        };
        let mesh = Mesh::connect(config, listener.as_ref()).await?;
        Ok(Party { home, program_digest, mesh, calls: 0 })
    }

    /// This party's home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Agrees with the others on the operation, prepares it, and makes the call, all within the home's limit for a call.
    ///
    /// # Errors
    /// The first thing that went wrong; then the others fail too, and the links are of no more use. [`Error::Late`] when the limit has
    /// passed.
    ///
    /// # Panics
    /// After [`MAX_CALLS`] calls.
    pub async fn call(&mut self, operation: Operation<'_>, watcher: Arc<dyn Watcher>) -> Result<Finished, Error> {
        assert!(usize::from(self.calls) < MAX_CALLS, "a mesh carries {MAX_CALLS} calls");
        let first_lane = 3 * self.calls;
        self.calls += 1;
        let deadline = Deadline::after(self.home.call_timeout);
        let prepared = operation.content()?;
        let signed = matches!(prepared, Prepared::Signed { .. });
        let agreed = deadline.bound(self.agree(&operation, &prepared, first_lane)).await;
        let agreed = agreed.map_err(|Passed| self.late(&operation, None))??;

        let call = operation.call(prepared, agreed.time);
        let recorder = Arc::new(Mutex::new(Recorder::new(watcher)));
        let armed = operation.tamper_after.map(|stage| (stage, Arc::new(AtomicBool::new(false))));
        let resources = call::Resources { observe: observe(recorder.clone(), armed.clone()), threads: self.home.threads };
        let server =
            (operation.connector == self.home.me).then(|| TcpServer::new(operation.site.endpoint.clone(), self.home.server_timeout));
        let mpc = self.mesh.lane(first_lane + 1);
        let relay = Relaying::new(self.mesh.lane(first_lane + 2), armed.map(|(_, armed)| armed));
        let work = deadline.bound(call::run(mpc, relay, server, call, agreed.digest, fresh_rng()?, resources));
        // Bound twice: on the thread, which so ends with its lanes and its socket, and here, as a thread that computes looks at no clock.
        let answer = match deadline.bound(on_own_thread(work)).await {
            Ok(Ok(done)) => done.map_err(|source| self.failed(&operation, source))?.answer.whole().expect("it was asked for whole"),
            Ok(Err(Passed)) | Err(Passed) => {
                let finished = recorder.lock().expect("no holder panics").finished();
                return Err(self.late(&operation, Some(stages::after(finished, signed))));
            }
        };
        let stages = recorder.lock().expect("no holder panics").stages().to_vec();
        Ok(Finished { answer, stages })
    }

    /// Says goodbye to all; what is queued is still sent. Memory that was kept for the next call goes back to the system.
    pub async fn close(self) {
        self.mesh.close().await;
        cotenant_core::buffer::trim();
    }

    async fn agree(&self, operation: &Operation<'_>, prepared: &Prepared, lane: u8) -> Result<Agreed, Error> {
        let mut lane = self.mesh.lane(lane);
        let terms = |time| operation.terms(&self.home, self.program_digest, prepared.to_send(time));
        agree::agree(&mut lane, operation.connector, unix_seconds, terms).await.map_err(|source| self.disagreed(source))
    }

    fn disagreed(&self, source: AgreeError) -> Error {
        let mut text = source.explain(|party| self.home.name_of(party));
        if matches!(&source, AgreeError::Differ(all) if all.iter().any(|one| one.field == PROGRAM_DIGEST)) {
            text += "\ninstall the same file of the program everywhere, or start every party with --any-build";
        }
        Error::Agree { text, source }
    }

    fn late(&self, operation: &Operation, stage: Option<Stage>) -> Error {
        Error::Late { endpoint: operation.site.endpoint.to_string(), limit: self.home.call_timeout, stage }
    }

    fn failed(&self, operation: &Operation, source: call::CallError) -> Error {
        let endpoint = operation.site.endpoint.to_string();
        Error::Call { endpoint, members: self.home.members.iter().map(|member| member.name.clone()).collect(), source: Box::new(source) }
    }
}

/// What is sent but for the time.
enum Prepared {
    Bytes(Vec<u8>),
    Signed { request: http::Request, region: String, access_key_id: String, share: Zeroizing<Vec<u8>> },
}

/// The service of every signed request.
const SERVICE: &str = "s3";

impl Prepared {
    fn to_send(&self, time: Timestamp) -> ToSend {
        match self {
            Prepared::Bytes(bytes) => ToSend::Bytes(bytes.clone()),
            Prepared::Signed { request, region, access_key_id, .. } => {
                ToSend::Signed(request.clone(), Signing { scope: scope(region, time), access_key_id: access_key_id.clone() })
            }
        }
    }

    fn content(self, time: Timestamp) -> Content {
        match self {
            Prepared::Bytes(bytes) => Content::Public(bytes),
            Prepared::Signed { request, region, access_key_id, share } => {
                let scope = scope(&region, time);
                Content::Signed(Box::new(SignedRequest {
                    request,
                    scope,
                    style: Style::of_service(SERVICE),
                    access_key_id,
                    key: Key::Share(share),
                }))
            }
        }
    }
}

fn scope(region: &str, time: Timestamp) -> Scope {
    Scope::new(SERVICE, region, time).expect("the region was checked before")
}

impl Operation<'_> {
    /// # Errors
    /// [`Error::Signing`] if the region cannot stand in a scope.
    fn content(&self) -> Result<Prepared, Error> {
        match &self.request {
            Request::Bytes(bytes) => Ok(Prepared::Bytes(bytes.clone())),
            Request::Signed { request, region, share } => {
                let any_time = Timestamp::from_unix(0).map_err(|_| SigningError::Scope)?;
                Scope::new(SERVICE, region, any_time)?;
                let (access_key_id, share) = (share.access_key_id.clone(), share.share.clone());
                Ok(Prepared::Signed { request: request.clone(), region: (*region).to_owned(), access_key_id, share })
            }
        }
    }

    fn terms(&self, home: &Home, program_digest: Option<[u8; 32]>, request: ToSend) -> Terms {
        Terms {
            program: format!("cotenant {}", env!("CARGO_PKG_VERSION")),
            program_digest,
            protocol: Protocol { ot_depth: cotenant_mpc::ot::K, bucket_size: cotenant_mpc::bucket_size(1 << 20, 1) },
            members: home.members.iter().map(|member| member.identity.to_string()).collect(),
            connector: self.connector,
            operation: self.what.clone(),
            host: self.site.endpoint.host.clone(),
            port: self.site.endpoint.port,
            server_name: self.site.server_name.clone(),
            trust_roots: self.site.config.roots().digest(),
            groups: self.site.groups(),
            request,
            answer_bytes: self.limits.bytes as u64,
            answer_records: self.limits.records as u64,
        }
    }

    fn call(&self, prepared: Prepared, time: Timestamp) -> Call {
        Call {
            target: self.site.target(),
            config: self.site.config.clone(),
            connector: self.connector,
            limits: self.limits,
            content: prepared.content(time),
            reading: Reading::Whole,
        }
    }
}

/// Records what happens, and arms a cheating connector when its stage is finished.
fn observe(recorder: Arc<Mutex<Recorder>>, armed: Option<(Stage, Arc<AtomicBool>)>) -> call::Observer {
    Box::new(move |event| {
        if let (Event::Finished(stage, _), Some((after, armed))) = (&event, &armed)
            && stage == after
        {
            armed.store(true, Ordering::Relaxed);
        }
        recorder.lock().expect("no holder panics").event(event);
    })
}

/// The stack of such a thread: the state of a call, with all protocols inside one another, is a value of some hundred kilobytes, which is moved about.
const STACK: usize = 32 << 20;

/// Runs work that is bound by the processor on a thread of its own, inside the current tokio runtime, whose sockets and timers it may use.
///
/// # Panics
/// If the work panics, or outside a runtime.
pub async fn on_own_thread<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Handle::current();
    let (mut done, result) = oneshot::channel();
    let thread = std::thread::Builder::new().name("mpc".to_owned()).stack_size(STACK);
    // Whoever waited may have gone: then nobody wants the result, and the work ends where it waits next.
    let wanted = async move {
        let result = tokio::select! {
            result = work => result,
            () = done.closed() => return,
        };
        let _ = done.send(result);
    };
    let spawned = thread.spawn(move || runtime.block_on(wanted));
    spawned.expect("the operating system has a thread left");
    result.await.expect("the thread ends with a result")
}

/// SHA-256 of the file that this process runs, which may meanwhile have been replaced at its path.
fn program_digest() -> Result<[u8; 32], Error> {
    let path = Path::new("/proc/self/exe");
    let hash = || {
        let mut file = File::open(path).or_else(|_| File::open(std::env::current_exe()?))?;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok::<_, io::Error>(hash.finalize().into()),
                count => hash.update(&buffer[..count]),
            }
        }
    };
    hash().map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// A generator seeded by the operating system.
///
/// # Errors
/// [`Error::Randomness`].
pub fn fresh_rng() -> Result<ChaCha20Rng, Error> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(Error::Randomness)?;
    Ok(ChaCha20Rng::from_seed(*seed))
}

/// This machine's clock, in seconds since 1970.
pub fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
