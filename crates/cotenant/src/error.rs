//! Why a command failed, by what and where; the text also says what to do.

use crate::{
    children::ChildrenError,
    home::HomeError,
    run::RunError,
    s3::S3Error,
    serve::{
        backup::BackupError,
        error::{ClientError, ServeError},
    },
    share::ShareError,
    steps::StepError,
    target::SiteError,
};
use cotenant_agent::{
    agree::AgreeError,
    approve::escape::escape,
    call::{CallError, Stage},
    flow::FlowError,
    http::{RequestError, ResponseError},
    operate::NotDry,
    relay::RelayError,
    sign::sigv4::SigningError,
    tls::JointError,
    vault::item::MAX_BYTES,
};
use cotenant_core::PartyId;
use cotenant_net::{NetError, PeerFault};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This party's home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The daemon did not start.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The operation is another one than the digest that was given is of.
    #[error("operation {number} is another one than that digest is of: see cotenant pending; nothing was signed")]
    OtherOperation {
        /// Its number.
        number: u64,
    },
    /// The daemon did not answer, or refused.
    #[error(transparent)]
    Daemon(#[from] ClientError),
    /// A backup.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Which room is meant is not clear.
    #[error("{}", which_room(.named.as_deref(), .rooms))]
    WhichRoom {
        /// What was given to name it.
        named: Option<String>,
        /// Those it is in, by id and name.
        rooms: Vec<String>,
    },
    /// A person has to say something, and there is none at the terminal.
    #[error("standard input is no terminal, so nobody can be asked; give {option}")]
    NobodyThere {
        /// The option that says it.
        option: &'static str,
    },
    /// A person said no.
    #[error("nothing was done: you did not type yes")]
    NotConfirmed,
    /// There is nothing that a person could confirm or sign.
    #[error("room {room}: nothing waits for you; see cotenant room show")]
    NothingWaits {
        /// The room.
        room: String,
    },
    /// No change was asked for.
    #[error("nothing to change was given; see cotenant room change --help, or give --renew to change the epoch alone")]
    NothingToChange,
    /// A room is not as it should be.
    #[error("room {room}: {failed} of {checks} checks failed; do what stands beside them")]
    RoomCheck {
        /// The room.
        room: String,
        /// How many failed.
        failed: usize,
        /// How many there were.
        checks: usize,
    },
    /// There is no such item.
    #[error("there is no item {item} in the vault; see cotenant vault list")]
    NoItem {
        /// What was asked for.
        item: String,
    },
    /// There is nothing that all items could mean.
    #[error("the vault is empty: cotenant vault put NAME, or cotenant vault gen NAME")]
    EmptyVault,
    /// More was given than a secret can have. Nothing was proposed.
    #[error(
        "standard input has more than the {MAX_BYTES} bytes of a secret or passphrase; of a longer one put a key into the vault, and encrypt the rest with it"
    )]
    LongSecret,
    /// Standard input cannot be read.
    #[error("standard input cannot be read: {source}")]
    Input {
        /// What the operating system said.
        source: io::Error,
    },
    /// A person's key did not sign.
    #[error("{key}: {what}; give a private key, or a public key or fingerprint of one in an ssh-agent")]
    Sign {
        /// The key, as it was given.
        key: String,
        /// What happened.
        what: String,
    },
    /// An operation was not done.
    #[error("operation {number}: {how}")]
    NotDone {
        /// Its number.
        number: u64,
        /// What became of it.
        how: String,
    },
    /// A call was not done to its end, and the server may have its request.
    #[error("operation {number}: {how}")]
    MayBeSent {
        /// Its number.
        number: u64,
        /// What became of it.
        how: String,
    },
    /// No home was named.
    #[error("there is no home to take: name one with --home, or set COTENANT_HOME or HOME")]
    NoHome,
    /// This party's share of the key.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// Which server, and whom to trust.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// A step of the S3 client.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The links to the other parties.
    #[error("{}", indented(.0))]
    Net(#[from] NetError),
    /// The parties were started with different things.
    #[error("{text}")]
    Agree {
        /// What differs, with the members' names.
        text: String,
        /// The same for programs.
        source: AgreeError,
    },
    /// The joint call.
    #[error("call to {endpoint}: {}", named(.source, .members))]
    Call {
        /// The server.
        endpoint: String,
        /// The members' names, in order.
        members: Vec<String>,
        /// What went wrong.
        source: Box<CallError>,
    },
    /// A joint call was not finished in time, by this party's clock.
    #[error("call to {endpoint}: {}", late(*.limit, *.stage))]
    Late {
        /// The server.
        endpoint: String,
        /// The limit.
        limit: Duration,
        /// The stage that it was in; none if the parties had not agreed yet.
        stage: Option<Stage>,
    },
    /// A server did not answer a party that tries alone.
    #[error("{endpoint}: no whole answer within {} s; check the address", limit.as_secs())]
    LateAlone {
        /// The server.
        endpoint: String,
        /// The limit.
        limit: Duration,
    },
    /// A region that cannot stand in a signature's scope, or an access key id.
    #[error("--region or access key id: {0}")]
    Signing(#[from] SigningError),
    /// A part of a request is not well-formed.
    #[error("request: {0}; check bucket, key and server name")]
    Request(#[from] RequestError),
    /// `--connector` names no party.
    #[error("--connector {given}: there are {parties} parties; give a number from 1 to {parties}")]
    NoSuchConnector {
        /// What was given.
        given: usize,
        /// How many parties there are.
        parties: usize,
    },
    /// The answer is no complete HTTP response.
    #[error("{step}: the server's answer is not one complete HTTP response: {source}")]
    Answer {
        /// The step.
        step: String,
        /// What is wrong with it.
        source: ResponseError,
    },
    /// The server answered with another status than success.
    #[error("{step}: the server answered {status} {code}")]
    Status {
        /// The step.
        step: String,
        /// The HTTP status.
        status: u16,
        /// The error code in the answer's body, if any.
        code: String,
    },
    /// The connection ended without close_notify, so that the answer may be cut (RFC 8446 section 6.1). Nothing of it was printed.
    #[error(
        "the connection ended without close_notify, so the answer may be cut, and is not printed (RFC 8446 section 6.1); ask the server's side, or try again if the request can be repeated"
    )]
    Truncated,
    /// Standard input has no request.
    #[error("standard input is empty: give the request, as in the example of --help")]
    NoInput,
    /// Standard input is longer than what is sent inside MPC.
    #[error(
        "standard input has more than the {} bytes that one call takes: all of them are encrypted inside MPC; send less",
        cotenant_agent::call::MAX_REQUEST
    )]
    LongInput,
    /// The answer would act on the terminal that it was to be printed on.
    #[error("the answer is not plain text, and is not printed on a terminal; redirect standard output to a file")]
    NotForTerminal,
    /// An answer was to be written over something that is no regular file.
    #[error("{path}: is there and is no regular file; name another one")]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// A flow is wrong.
    #[error("{}:{source}", path.display())]
    Flow {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Box<FlowError>,
    },
    /// A flow's call cannot be made by one party, or members would refuse it.
    #[error("{path}: {source}")]
    DryRun {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<NotDry>,
    },
    /// A file of environments is none.
    #[error("{path}: {source}: a file of environments is {{\"NAME\": {{\"VARIABLE\": \"TEXT\"}}}}")]
    Environments {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// An environment is not in its file.
    #[error("{path} has no environment {name}: it has {known}")]
    NoEnvironment {
        /// The file.
        path: PathBuf,
        /// The environment.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A secret is to be taken from an environment that lacks it.
    #[error("no environment gives {name}: give --secret {name}=VALUE, or --env and --environment with one that has it")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// A file cannot be read.
    #[error("{}", unread(path, source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A flow names a file that is not beside it.
    #[error("{path}: is no file in {directory} or below, and its content would be shown to all members; copy it there")]
    NotBeside {
        /// The file.
        path: PathBuf,
        /// Where the flow is.
        directory: PathBuf,
    },
    /// A file, a directory or standard output cannot be written.
    #[error("{}", unwritten(what, source))]
    Write {
        /// What was to be written.
        what: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The connection of a party that tries alone.
    #[error("{endpoint}: {source}; check address, CA and server name")]
    Alone {
        /// The server.
        endpoint: String,
        /// What went wrong.
        source: io::Error,
    },
    /// Nobody of that name is another member, and there is no such file.
    #[error("{with}: neither a file nor another member of the room; give a file that cotenant log wrote, or a name of cotenant room show")]
    NoLog {
        /// What was given.
        with: String,
    },
    /// A file is no log that can be compared.
    #[error("{path}: {what}; have it printed again: cotenant log > FILE")]
    BadLog {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Two logs tell different things.
    #[error("the logs differ: {what}; show it to all members, and begin nothing before it is explained")]
    LogsDiffer {
        /// In what, first.
        what: String,
    },
    /// The embedded S3 service.
    #[error(transparent)]
    Service(#[from] S3Error),
    /// The processes of the other parties.
    #[error(transparent)]
    Children(#[from] ChildrenError),
    /// The demonstration did not show what it must.
    #[error("the demonstration failed: {0}")]
    Demo(#[from] crate::demo::DemoFault),
    /// The operating system has no randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(getrandom::Error),
    /// The process that started this one, as one of several parties on one machine, has gone.
    #[error("the process that started this one has gone")]
    Orphaned,
    /// The user pressed ctrl-C, or the process was told to end.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// The exit status: 1, or [`CONSEQUENCE`] if this party stopped only because another one did, [`MAY_BE_SENT`] if a request may have been delivered,
    /// 130 after an interruption; [`ServeError::exit_status`] of the daemon.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Interrupted => 130,
            Error::MayBeSent { .. } => MAY_BE_SENT,
            Error::Serve(error) => error.exit_status(),
            error if error.is_consequence() => CONSEQUENCE,
            _ => 1,
        }
    }

    /// Whether the cause has to be asked of another party: it stopped, or went away, or says that its connection failed.
    fn is_consequence(&self) -> bool {
        match self {
            Error::Agree { source, .. } => matches!(source, AgreeError::Channel(_)),
            Error::Net(NetError::Peers(peers)) => {
                peers.iter().all(|peer| matches!(peer.cause, PeerFault::Link(_) | PeerFault::Absent { .. } | PeerFault::TimedOut))
            }
            Error::Call { source, .. } => match cause(source) {
                CallError::Relay(RelayError::Channel(_)) => true,
                CallError::Mpc(error) | CallError::Tls(cotenant_tls::Error::Backend(JointError::Mpc(error))) => {
                    matches!(error, cotenant_mpc::Error::Channel { .. } | cotenant_mpc::Error::Stopped { .. })
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// The exit status of a party that stopped because another one did.
pub const CONSEQUENCE: u8 = 3;
/// The exit status of a call whose request may have been delivered.
pub const MAY_BE_SENT: u8 = 4;

/// Why a call failed, whether or not its request may have been sent before.
fn cause(error: &CallError) -> &CallError {
    match error {
        CallError::MayHaveBeenSent(error) => cause(error),
        error => error,
    }
}

fn late(limit: Duration, stage: Option<Stage>) -> String {
    let stage_name = stage.map_or("agreement", crate::stages::name);
    // The request's ciphertext is made in the stage "send".
    let sent = matches!(stage, Some(Stage::Send | Stage::Receive));
    let warning = if sent { "; the request may have been sent: find out before you repeat it" } else { "" };
    format!(
        "not finished within {} s, given up in stage \"{stage_name}\"; see which party or server does not go on, or raise \"call\" under \
         [timeouts] in party.toml at every party{warning}",
        limit.as_secs()
    )
}

/// The text of a failure in a session of these members, and who the parties in it are.
pub(crate) fn named(source: &impl std::fmt::Display, members: &[String]) -> String {
    let text = source.to_string();
    let mentioned = PartyId::all(members.len()).zip(members).filter(|(party, _)| mentions(&text, &party.to_string()));
    let names: Vec<String> = mentioned.map(|(party, name)| format!("{party} is \"{name}\"")).collect();
    if names.is_empty() { text } else { format!("{text} ({})", names.join(", ")) }
}

/// Whether `text` has `party` as a word.
fn mentions(text: &str, party: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == party)
}

/// Why a file was not read, and what to do.
pub(crate) fn unread(path: &Path, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::InvalidData => format!("{}: is no UTF-8 text; check that it is the right file", path.display()),
        _ => format!("{}: cannot be read ({source}); check the path", path.display()),
    }
}

fn unwritten(what: &str, source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AlreadyExists => format!("{what}: is there already; name a new one"),
        _ => format!("{what}: cannot be written ({source}); check permissions and free space"),
    }
}

fn which_room(named: Option<&str>, rooms: &[String]) -> String {
    let all = rooms.join(", ");
    match named {
        _ if rooms.is_empty() => {
            "this party is in no room; cotenant room new founds one, cotenant room join takes an invitation".to_owned()
        }
        Some(name) => format!("room {}: this party is in {all}; name one of them by its id", escape(&cut(name))),
        None => format!("this party is in {all}; say which: --room ID, or ID behind the command of cotenant room"),
    }
}

/// The beginning of what somebody typed.
fn cut(text: &str) -> String {
    const SHOWN: usize = 64;
    if text.len() <= SHOWN { text.to_owned() } else { format!("{}...", &text[..text.floor_char_boundary(SHOWN)]) }
}

/// Several lines as one.
fn indented(error: &NetError) -> String {
    error.to_string().replace('\n', "; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_core::{ChannelError, ChannelFault};

    fn gone() -> CallError {
        CallError::Relay(RelayError::Channel(ChannelError { party: PartyId::new(1), cause: ChannelFault::Closed }))
    }

    fn call(source: CallError) -> Error {
        Error::Call { endpoint: "localhost:443".into(), members: vec!["alice".into(), "bob".into()], source: Box::new(source) }
    }

    #[test]
    fn parties_get_their_names() {
        let text = call(gone()).to_string();
        assert!(text.starts_with("call to localhost:443: P2 closed the connection") && text.ends_with("(P2 is \"bob\")"), "{text}");
        assert!(!mentions("P12 and P21", "P2") && mentions("one of P1, P2 did", "P2"));
    }

    #[test]
    fn a_late_call_says_whether_its_request_may_have_been_sent() {
        let late = |stage| Error::Late { endpoint: "localhost:443".into(), limit: Duration::from_secs(7), stage };
        let stages = [None, Some(Stage::Setup), Some(Stage::Handshake), Some(Stage::Send), Some(Stage::Receive)];
        assert_eq!(stages.map(|stage| late(stage).to_string().contains("may have been sent")), [false, false, false, true, true]);
        let text = late(None).to_string();
        assert!(text.starts_with("call to localhost:443: not finished within 7 s, given up in stage \"agreement\"; "), "{text}");
        assert_eq!(late(None).exit_status(), 1);
    }

    #[test]
    fn who_only_lost_the_others_says_so_by_its_status() {
        assert_eq!(call(gone()).exit_status(), CONSEQUENCE);
        assert_eq!(call(CallError::Share { found: 3 }).exit_status(), 1);
        let sent = |inner| call(CallError::MayHaveBeenSent(Box::new(inner)));
        assert_eq!(sent(gone()).exit_status(), CONSEQUENCE);
        assert_eq!(sent(CallError::Share { found: 3 }).exit_status(), 1);
        let text = sent(gone()).to_string();
        assert!(text.contains("may have been sent") && text.ends_with("(P2 is \"bob\")"), "{text}");
        assert_eq!(Error::Truncated.exit_status(), 1);
        assert_eq!(Error::Interrupted.exit_status(), 130);
    }
}
