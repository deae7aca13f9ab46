//! `cotenant room`: how parties come to own something together, asked of this party's daemon.

mod text;

use super::{ask::ask, checks::ClearChecksArgs, chosen, home_or_default, print, print_json};
use crate::{
    error::Error,
    serve::{
        client::Client,
        room::{
            routes::{Changing, ChangingLimits, Confirming, Founding, Inviting, Joining, Signing, Withdrawing},
            view::{Finding, InvitationView, RoomView, SeatState},
        },
    },
};
use clap::{Args, Subcommand};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Founds rooms, joins them, and shows who is in them and what was agreed
#[derive(Subcommand)]
#[command(
    after_help = "Alice founds a room of two, and Bob joins it; the daemons of both run (cotenant serve):\n  alice$ cotenant room new board --as alice\n  alice$ cotenant room invite\n  bob$   cotenant room join cotjoin1... --as bob\n  both   read six words to each other: cotenant room confirm\n  bob$   cotenant room sign\n  both   cotenant room show; cotenant room check"
)]
pub(super) enum RoomCommand {
    New(NewArgs),
    Invite(InviteArgs),
    Join(JoinArgs),
    Confirm(ConfirmArgs),
    Sign(SignArgs),
    Show(ShowArgs),
    Check(CheckArgs),
    Change(Box<ChangeArgs>),
    Withdraw(WithdrawArgs),
    ClearChecks(ClearChecksArgs),
}

/// Starts a room: this party has its first seat, the others are open
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cotenant room new board --as alice\n  cotenant room new board --as alice --members 3 --threshold 2 --ca ca.pem"
)]
pub(super) struct NewArgs {
    /// What people call the room
    name: String,
    /// This party's name in it
    #[arg(long = "as", value_name = "NAME")]
    me: String,
    /// How many members, this party included
    #[arg(long, value_name = "N", default_value_t = 2)]
    members: u8,
    /// How many of them can act, and use what the room keeps; one fewer learn nothing [default: all]
    #[arg(long, value_name = "T")]
    threshold: Option<u8>,
    /// Certificates (PEM) of the only authorities for servers; may be repeated [default: those in the program]
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Invites somebody to the next open seat: prints a text, and the same as words to be read aloud
///
/// Whoever has it can come in its place, so send it to nobody else; six words that both sides then compare tell who came.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  cotenant room invite\n  cotenant room invite board --hours 2 --json")]
pub(super) struct InviteArgs {
    /// The room's name or id [default: the only one]
    room: Option<String>,
    /// How long the invitation is good
    #[arg(long, value_name = "H", default_value_t = 24)]
    hours: u64,
    #[command(flatten)]
    common: Common,
}

/// Follows an invitation to the party that made it, and shows six words to compare
#[derive(Args)]
#[command(
    after_help = "Examples:\n  cotenant room join cotjoin1qz8p... --as bob\n  cotenant room join 'ocean dwarf ...' --as bob\n\nThen read the six words to the inviter: cotenant room confirm"
)]
pub(super) struct JoinArgs {
    /// The text, or the words
    #[arg(required = true, value_name = "INVITATION")]
    invitation: Vec<String>,
    /// This party's name in the room
    #[arg(long = "as", value_name = "NAME")]
    me: String,
    #[command(flatten)]
    common: Common,
}

/// Says that both sides of an invitation show the same six words
///
/// Compare them by a way on which you know each other, such as a telephone call. If they differ, somebody stands between you:
/// cotenant room withdraw, on both sides.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant room confirm\n  cotenant room confirm board --phrase 'ocean dwarf lamp anchor vital toe'"
)]
pub(super) struct ConfirmArgs {
    /// The room's name or id [default: the only one]
    room: Option<String>,
    /// The words that the other side shows; without, you are shown those of this side and asked
    #[arg(long, value_name = "WORDS")]
    phrase: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Signs a room's parameters, which are in force once all members have; shows them and asks
#[derive(Args)]
#[command(after_help = "Examples:\n  cotenant room sign\n  cotenant room sign board --digest 9f86d0...")]
pub(super) struct SignArgs {
    /// The room's name or id [default: the only one]
    room: Option<String>,
    /// The digest that cotenant room show shows; without, you are asked
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Shows who is in a room, and what was agreed
#[derive(Args)]
#[command(after_help = "Examples:\n  cotenant room show\n  cotenant room show board --json")]
pub(super) struct ShowArgs {
    /// The room's name or id [default: the only one]
    room: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Checks a room: what is stored, signatures, links, clocks
///
/// Exit status 0 if all is as it should be.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  cotenant room check board --json")]
pub(super) struct CheckArgs {
    /// The room's name or id [default: the only one]
    room: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Drafts a change of a room: who is in it, how many of them can act, addresses, trust roots, time limits
///
/// One draft takes several changes, at once or one after the other. New seats and those of replaced members are open: cotenant room invite. When all are
/// taken, cotenant room sign shows every line that changes and signs; the others see the same, and sign. With the last signature a new epoch begins, in
/// which no earlier approval counts.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant room change --add 1 --threshold 3\n  cotenant room change board --remove dave --threshold 2\n  cotenant room change --replace carol        # a lost key or disk\n  cotenant room change --address bob=bob.example:7001\n  cotenant room withdraw                      # forgets the draft"
)]
pub(super) struct ChangeArgs {
    /// The room's name or id [default: the only one]
    room: Option<String>,
    /// New seats
    #[arg(long, value_name = "N", default_value_t = 0)]
    add: u8,
    /// A member that leaves, by its name; may be repeated
    #[arg(long, value_name = "MEMBER")]
    remove: Vec<String>,
    /// A member whose seat is opened for an invitation, since its key or disk is lost; may be repeated
    #[arg(long, value_name = "MEMBER")]
    replace: Vec<String>,
    /// How many members can act
    #[arg(long, value_name = "T")]
    threshold: Option<u8>,
    /// Where a member is reached, in place of all its addresses before; may be repeated; nothing behind = for one that only dials
    #[arg(long = "address", value_name = "MEMBER=HOST:PORT")]
    addresses: Vec<MemberAddress>,
    /// Certificates (PEM) of the only authorities for servers; may be repeated
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// The authorities in the program instead
    #[arg(long, conflicts_with = "ca")]
    own_ca: bool,
    /// Time for an operation
    #[arg(long, value_name = "S")]
    call_seconds: Option<u32>,
    /// Time for a server to answer
    #[arg(long, value_name = "S")]
    server_seconds: Option<u32>,
    /// How far clocks may be apart
    #[arg(long, value_name = "S")]
    clock_seconds: Option<u32>,
    /// How long a proposal may wait
    #[arg(long, value_name = "S")]
    proposal_seconds: Option<u32>,
    /// Change nothing but the epoch
    #[arg(long, conflicts_with_all = ["add", "remove", "replace", "threshold", "addresses", "ca", "own_ca", "call_seconds", "server_seconds", "clock_seconds", "proposal_seconds"])]
    renew: bool,
    #[command(flatten)]
    common: Common,
}

/// An address as it is typed.
#[derive(Clone)]
struct MemberAddress(String, Option<String>);

impl FromStr for MemberAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (member, address) = text.split_once('=').ok_or("not MEMBER=HOST:PORT")?;
        Ok(MemberAddress(member.to_owned(), (!address.is_empty()).then(|| address.to_owned())))
    }
}

/// Takes back an invitation, the draft of a change, or this party's own part in a room that it has not signed
#[derive(Args)]
#[command(after_help = "Examples:\n  cotenant room withdraw board --seat 2\n  cotenant room withdraw board")]
pub(super) struct WithdrawArgs {
    /// The room's name or id [default: the only one]
    room: Option<String>,
    /// The seat of the invitation; without, this party gives up its draft of a change, or a room that it has not signed
    #[arg(long, value_name = "K")]
    seat: Option<usize>,
    #[command(flatten)]
    common: Common,
}

/// What all of these have.
#[derive(Args)]
struct Common {
    /// The directory that `cotenant init` made [default: $COTENANT_HOME, else ~/.cotenant]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl RoomCommand {
    pub(super) async fn run(self) -> Result<(), Error> {
        match self {
            RoomCommand::New(args) => args.run().await,
            RoomCommand::Invite(args) => args.run().await,
            RoomCommand::Join(args) => args.run().await,
            RoomCommand::Confirm(args) => args.run().await,
            RoomCommand::Sign(args) => args.run().await,
            RoomCommand::Show(args) => args.run().await,
            RoomCommand::Check(args) => args.run().await,
            RoomCommand::ClearChecks(args) => args.run().await,
            RoomCommand::Change(args) => args.run().await,
            RoomCommand::Withdraw(args) => args.run().await,
        }
    }
}

impl NewArgs {
    async fn run(self) -> Result<(), Error> {
        let authorities = read_all(&self.ca)?;
        let threshold = self.threshold.unwrap_or(self.members);
        let founding = Founding { name: self.name, members: self.members, threshold, authorities, me: self.me };
        let room: RoomView = self.common.client()?.post("/v1/rooms", &founding).await?;
        self.common.show(&room)
    }
}

impl InviteArgs {
    async fn run(self) -> Result<(), Error> {
        let inviting = Inviting { seconds: self.hours.saturating_mul(3600) };
        let asked = Asked::new(&self.common, self.room.as_deref()).await?;
        let invitation: InvitationView = asked.post("invitations", &inviting).await?;
        if self.common.json { print_json(&invitation) } else { print(text::invitation(&invitation).as_bytes()) }
    }
}

impl JoinArgs {
    async fn run(self) -> Result<(), Error> {
        let joining = Joining { invitation: self.invitation.join(" "), me: self.me };
        let room: RoomView = self.common.client()?.post("/v1/rooms/join", &joining).await?;
        self.common.show(&room)
    }
}

impl ConfirmArgs {
    async fn run(self) -> Result<(), Error> {
        let asked = Asked::new(&self.common, self.room.as_deref()).await?;
        if let Some(phrase) = self.phrase {
            let room: RoomView = asked.post("confirm", &Confirming { phrase }).await?;
            return self.common.show(&room);
        }
        let waiting = waiting(&asked.room);
        if waiting.is_empty() {
            return Err(Error::NothingWaits { room: asked.room.name });
        }
        for (who, phrase) in waiting {
            ask(&text::comparison(&who, &phrase), "--phrase")?;
            let room: RoomView = asked.post("confirm", &Confirming { phrase }).await?;
            self.common.show(&room)?;
        }
        Ok(())
    }
}

impl SignArgs {
    async fn run(self) -> Result<(), Error> {
        let asked = Asked::new(&self.common, self.room.as_deref()).await?;
        let digest = match self.digest {
            Some(digest) => digest,
            None => {
                let proposal = asked.room.proposal.as_ref().filter(|proposal| !proposal.own);
                let proposal = proposal.ok_or_else(|| Error::NothingWaits { room: asked.room.name.clone() })?;
                ask(&text::proposal(proposal), "--digest")?;
                proposal.digest.clone()
            }
        };
        let room: RoomView = asked.post("sign", &Signing { digest }).await?;
        self.common.show(&room)
    }
}

impl ShowArgs {
    async fn run(self) -> Result<(), Error> {
        let asked = Asked::new(&self.common, self.room.as_deref()).await?;
        self.common.show(&asked.room)
    }
}

impl CheckArgs {
    async fn run(self) -> Result<(), Error> {
        let Asked { client, room } = Asked::new(&self.common, self.room.as_deref()).await?;
        let findings: Vec<Finding> = client.get(&format!("/v1/rooms/{}/check", room.id)).await?;
        if self.common.json {
            print_json(&findings)?
        } else {
            print(text::findings(&findings).as_bytes())?
        }
        match findings.iter().filter(|finding| !finding.good).count() {
            0 => Ok(()),
            failed => Err(Error::RoomCheck { room: room.name, failed, checks: findings.len() }),
        }
    }
}

impl ChangeArgs {
    async fn run(self: Box<Self>) -> Result<(), Error> {
        let asked = Asked::new(&self.common, self.room.as_deref()).await?;
        let common = Common { home: self.common.home.clone(), json: self.common.json };
        let room: RoomView = asked.post("change", &self.changing()?).await?;
        common.show(&room)
    }

    fn changing(self) -> Result<Changing, Error> {
        let mut addresses: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for MemberAddress(member, address) in self.addresses {
            addresses.entry(member).or_default().extend(address);
        }
        let limits = ChangingLimits {
            call: self.call_seconds,
            server: self.server_seconds,
            clock: self.clock_seconds,
            proposal: self.proposal_seconds,
        };
        let changing = Changing {
            add: self.add,
            remove: self.remove,
            replace: self.replace,
            threshold: self.threshold,
            addresses,
            authorities: read_all(&self.ca)?,
            own_authorities: self.own_ca,
            limits,
        };
        if changing == Changing::default() && !self.renew { Err(Error::NothingToChange) } else { Ok(changing) }
    }
}

/// The texts of these files.
fn read_all(paths: &[PathBuf]) -> Result<Vec<String>, Error> {
    let read = |path: &Path| fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source });
    paths.iter().map(|path| read(path)).collect()
}

impl WithdrawArgs {
    async fn run(self) -> Result<(), Error> {
        let asked = Asked::new(&self.common, self.room.as_deref()).await?;
        let () = asked.post("withdraw", &Withdrawing { seat: self.seat }).await?;
        match self.seat {
            Some(_) => self.common.show(&asked.again().await?),
            None if asked.room.draft.is_some() => self.common.show(&asked.again().await?),
            None if self.common.json => print_json(&json!({ "room": asked.room.id, "left": true })),
            None => print(format!("this party has no part in room {} any more\n", asked.room.id).as_bytes()),
        }
    }
}

impl Common {
    fn client(&self) -> Result<Client, Error> {
        Ok(Client::of_home(&home_or_default(self.home.clone())?)?)
    }

    fn show(&self, room: &RoomView) -> Result<(), Error> {
        if self.json { print_json(room) } else { print(text::room(room).as_bytes()) }
    }
}

/// The daemon, and the room that a command is about.
struct Asked {
    client: Client,
    room: RoomView,
}

impl Asked {
    /// The room with this id or name, or the only one.
    async fn new(common: &Common, named: Option<&str>) -> Result<Asked, Error> {
        let client = common.client()?;
        let rooms: Vec<RoomView> = client.get("/v1/rooms").await?;
        let room = chosen(&rooms, named, |room| (&room.id, &room.name))?.clone();
        Ok(Asked { client, room })
    }

    /// The room as it is by now.
    async fn again(&self) -> Result<RoomView, Error> {
        Ok(self.client.get(&format!("/v1/rooms/{}", self.room.id)).await?)
    }

    async fn post<T: DeserializeOwned>(&self, what: &str, body: &impl Serialize) -> Result<T, Error> {
        Ok(self.client.post(&format!("/v1/rooms/{}/{what}", self.room.id), body).await?)
    }
}

/// Who waits to be confirmed, with the words of this side.
fn waiting(room: &RoomView) -> Vec<(String, String)> {
    let inviter = room.join.iter().filter(|join| !join.confirmed).map(|join| ("the inviter".to_owned(), join.phrase.clone()));
    let seats = room.draft.iter().flat_map(|draft| &draft.seats);
    let came = room.members.iter().chain(seats).filter(|member| member.state == SeatState::Came);
    let came = came.filter_map(|member| Some((member.name.clone()?, member.phrase.clone()?)));
    inviter.chain(came).collect()
}
