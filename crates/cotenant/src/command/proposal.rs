//! Operations of a room, asked of this party's daemon: proposed and waited for, shown, approved, refused, and what is known of them afterwards.

use super::{
    ask::ask,
    call::{PrivateFile, print_answer, print_url},
    chosen, home_or_default, note,
    person::sign,
    print, print_json,
};
use crate::{
    error::Error,
    party::unix_seconds,
    serve::{
        client::Client,
        daemon::Status,
        operations::{
            Difference, End, OperationView, Shown,
            api::{AnswerView, Decision, Explanation, Hidden, Proposed, Proposing, ReceiptView},
        },
        room::view::RoomView,
    },
};
use clap::Args;
use cotenant_agent::approve::{
    escape::escape,
    statement::{Choice, MAX_REASON},
    words::moment,
};
use serde::{Serialize, de::DeserializeOwned};
use std::path::PathBuf;

/// What commands about a room have.
#[derive(Args)]
pub(super) struct Common {
    /// The room's name or id [default: the only one]
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// The directory that `cotenant init` made [default: $COTENANT_HOME, else ~/.cotenant]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

impl Common {
    /// The home that was named.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }
}

/// What commands have that propose something.
#[derive(Args)]
pub(super) struct Waiting {
    /// Propose it and do not wait for what becomes of it
    #[arg(long)]
    no_wait: bool,
    /// Who takes part beside this party, where not all members have to [default: all who are connected]
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    with: Option<Vec<String>>,
    /// By when it may begin; standing policies want less than an hour by their own clock, so 50 at most [default: as long as the room allows]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    within: Option<u32>,
    #[command(flatten)]
    common: Common,
}

/// Shows operations that are not over, and who has yet to approve them
#[derive(Args)]
#[command(after_help = "Examples:\n  cotenant pending\n  cotenant pending --all --json")]
pub(super) struct PendingArgs {
    /// Those that are over as well
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    common: Common,
}

/// Approves an operation for this party; shows it first, and asks
///
/// Where approvers.toml in the home lists keys of people, as many of them have to sign as it says: a private key by ssh-keygen, a public key or a fingerprint by the
/// ssh-agent that SSH_AUTH_SOCK names, which can have keys of security keys as well.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant approve 4\n  cotenant approve 4 --key ~/.ssh/id_ed25519_sk\n  cotenant approve 4 --key ~/.ssh/id_ed25519.pub\n  cotenant approve 4 --key SHA256:2cx5..."
)]
pub(super) struct ApproveArgs {
    /// The operation's number
    number: u64,
    /// Do not ask; the digest of what is approved, as cotenant pending shows it
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// A private key of a person; or a public key, or its fingerprint, that an ssh-agent has
    #[arg(long, value_name = "FILE|SHA256:...")]
    key: Option<String>,
    /// A file with what this party is to give for the private hole {{NAME}}; may be repeated
    #[arg(long = "private", value_name = "NAME=FILE")]
    private: Vec<PrivateFile>,
    #[command(flatten)]
    common: Common,
}

/// Refuses an operation for this party
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant refuse 4 'not before the audit'")]
pub(super) struct RefuseArgs {
    /// The operation's number
    number: u64,
    /// Why, for the others
    #[arg(default_value = "")]
    reason: String,
    /// A private key of a person; or a public key, or its fingerprint, that an ssh-agent has
    #[arg(long, value_name = "FILE|SHA256:...")]
    key: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// Prints the receipt of an operation that was done, which all who took part have signed
#[derive(Args)]
#[command(after_help = "Examples:\n  cotenant receipt 4 > receipt.pem\n  cotenant receipt 4 --answer")]
pub(super) struct ReceiptArgs {
    /// The operation's number
    number: u64,
    /// Print what the server answered to a call, whoever has signed by now
    #[arg(long)]
    answer: bool,
    /// Print the URL that a call with @presign made for this party
    #[arg(long, conflicts_with = "answer")]
    url: bool,
    #[command(flatten)]
    common: Common,
}

/// The daemon, and the room that a command is about.
pub(super) struct About {
    client: Client,
    room: String,
}

impl About {
    /// The room with this id or name, or the only one.
    pub(super) async fn new(common: &Common) -> Result<About, Error> {
        let client = Client::of_home(&home_or_default(common.home.clone())?)?;
        let status: Status = client.get("/v1/status").await?;
        let room = chosen(&status.rooms, common.room.as_deref(), |room| (&room.id, &room.name))?.id.clone();
        Ok(About { client, room })
    }

    /// What this party is called in the room.
    pub(super) async fn own_name(&self) -> Result<String, Error> {
        let room: RoomView = self.client.get(&format!("/v1/rooms/{}", self.room)).await?;
        let own = room.members.into_iter().find(|member| member.own).and_then(|member| member.name);
        Ok(own.unwrap_or_default())
    }

    /// What is at a path of the room.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        Ok(self.client.get(&self.path(path)).await?)
    }

    fn path(&self, path: &str) -> String {
        format!("/v1/rooms/{}/{path}", self.room)
    }

    /// Sends something to a path of the room.
    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(&self, path: &str, body: &B) -> Result<T, Error> {
        Ok(self.client.post(&self.path(path), body).await?)
    }

    /// Approves the operation that was shown, which is asked about unless its digest is given.
    pub(super) async fn approve(
        &self,
        view: &OperationView,
        digest: Option<String>,
        key: Option<&str>,
        private: Vec<Hidden>,
    ) -> Result<OperationView, Error> {
        let digest = match digest {
            // Nothing is signed but what the digest is of.
            Some(digest) if digest != view.digest => return Err(Error::OtherOperation { number: view.number }),
            Some(digest) => digest,
            None => {
                ask(&format!("{}Approve it?", text(view)), "--digest")?;
                view.digest.clone()
            }
        };
        let signature = key.map(|key| sign(key, view, &digest, Choice::Approve)).transpose()?;
        self.decide(view.number, &Decision { digest, refuse: None, signature, private }).await
    }

    async fn decide(&self, number: u64, decision: &Decision) -> Result<OperationView, Error> {
        Ok(self.client.post(&self.path(&format!("operations/{number}/decision")), decision).await?)
    }
}

impl Waiting {
    /// Proposes what `what` says, and waits until it is over, unless it is not to be waited for.
    pub(super) async fn propose(self, what: impl AsyncFnOnce(&About) -> Result<Proposed, Error>) -> Result<(), Error> {
        let (_, view) = self.carry(what).await?;
        self.show(&view)
    }

    /// The same, and gives how it stands: it was done, or was not waited for.
    pub(super) async fn carry(&self, what: impl AsyncFnOnce(&About) -> Result<Proposed, Error>) -> Result<(About, OperationView), Error> {
        let about = About::new(&self.common).await?;
        let proposed = what(&about).await?;
        let within = self.within.map(|minutes| minutes.saturating_mul(60));
        let proposing = Proposing { proposed, with: self.with.clone(), within };
        let first: OperationView = about.client.post(&about.path("operations"), &proposing).await?;
        drop(proposing);
        if !first.without.is_empty() {
            note(&format!("operation {}: without {}", first.number, names(&first.without)));
        }
        // By a clock that goes as this party's daemon's does, but for the time that it took to ask.
        if let Some(wanted) = within
            && first.expiry < unix_seconds() + i64::from(wanted) - 60
        {
            note(&format!("operation {}: may begin until {}, as the room allows no more", first.number, moment(first.expiry)));
        }
        if self.no_wait {
            return Ok((about, first));
        }
        let (mut said, mut last) = (String::new(), first.clone());
        let tell = |view: OperationView| {
            let now = standing(&view);
            if now != said && !matches!(view.standing, Shown::Ended(_)) {
                note(&format!("operation {}: {now}", view.number));
                said = now;
            }
            last = view;
        };
        about.client.follow(&about.path(&format!("operations/{}/events", first.number)), tell).await?;
        match &last.standing {
            Shown::Ended(End::Done) => Ok((about, last)),
            standing_so => {
                // Programs are told how it ended on standard output too.
                if self.common.json {
                    print_json(&last)?;
                }
                let (number, how) = (last.number, standing(&last));
                Err(match standing_so {
                    Shown::Ended(End::MayBeSent { .. }) => Error::MayBeSent { number, how },
                    _ => Error::NotDone { number, how },
                })
            }
        }
    }

    /// Explains what `proposed` would be, and asks nobody.
    pub(super) async fn explain(&self, proposed: Proposed) -> Result<(), Error> {
        let about = About::new(&self.common).await?;
        let within = self.within.map(|minutes| minutes.saturating_mul(60));
        let explained: Explanation = about.post("explanations", &Proposing { proposed, with: self.with.clone(), within }).await?;
        if self.common.json {
            return print_json(&explained);
        }
        let Explanation { lines, parties, ands, cheap_ands, sent_bytes } = explained;
        let megabytes = sent_bytes as f64 / 1e6;
        let takes = format!(
            "takes {ands} AND gates of two secrets and {cheap_ands} of a secret and what all know, with {parties} members, of whom each sends up to about {megabytes:.1} MB \
             to prepare them"
        );
        print(format!("{}\n{takes}\n", lines.join("\n")).as_bytes())
    }

    /// The home of this party.
    pub(super) fn home(&self) -> Result<PathBuf, Error> {
        home_or_default(self.common.home())
    }

    pub(super) fn json(&self) -> bool {
        self.common.json
    }

    pub(super) fn show(&self, view: &OperationView) -> Result<(), Error> {
        shown(&self.common, view)
    }
}

impl PendingArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let views: Vec<OperationView> = About::new(&self.common).await?.get("operations").await?;
        let wanted = |view: &OperationView| self.all || !matches!(view.standing, Shown::Ended(_));
        let views: Vec<OperationView> = views.into_iter().filter(wanted).collect();
        if self.common.json {
            return print_json(&views);
        }
        if views.is_empty() {
            return print(b"nothing waits\n");
        }
        print(views.iter().map(text).collect::<Vec<_>>().join("\n").as_bytes())
    }
}

impl ApproveArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let about = About::new(&self.common).await?;
        let view: OperationView = about.get(&format!("operations/{}", self.number)).await?;
        let private = self.private.into_iter().map(PrivateFile::read).collect::<Result<_, _>>()?;
        let view = about.approve(&view, self.digest, self.key.as_deref(), private).await?;
        shown(&self.common, &view)
    }
}

impl RefuseArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let about = About::new(&self.common).await?;
        let view: OperationView = about.get(&format!("operations/{}", self.number)).await?;
        let mut reason = self.reason;
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        let signature = self.key.map(|key| sign(&key, &view, &view.digest, Choice::Refuse(reason.clone()))).transpose()?;
        let view =
            about.decide(self.number, &Decision { digest: view.digest, refuse: Some(reason), signature, private: Vec::new() }).await?;
        shown(&self.common, &view)
    }
}

impl ReceiptArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let about = About::new(&self.common).await?;
        if self.answer {
            let answer: AnswerView = about.get(&format!("operations/{}/answer", self.number)).await?;
            return print_answer(&answer, self.common.json);
        }
        if self.url {
            return print_url(&about, self.number, self.common.json).await;
        }
        let view: ReceiptView = about.get(&format!("operations/{}/receipt", self.number)).await?;
        if self.common.json { print_json(&view) } else { print(view.receipt.as_bytes()) }
    }
}

pub(super) fn shown(common: &Common, view: &OperationView) -> Result<(), Error> {
    if common.json { print_json(view) } else { print(format!("operation {}: {}\n", view.number, standing(view)).as_bytes()) }
}

/// All of an operation, for who has to decide.
fn text(view: &OperationView) -> String {
    // They are escaped already, and a backslash in them means something.
    let lines: String = view.lines.iter().map(|line| format!("{line}\n")).collect();
    let decide = if view.undecided { "this party has not decided: cotenant approve, cotenant refuse\n" } else { "" };
    let policy = view.policy.as_ref().map(|why| format!("{}; so people decide\n", escape(why))).unwrap_or_default();
    let differs: String = view.differs.iter().map(difference).collect();
    format!("{lines}digest {}\nnow: {}\n{differs}{policy}{decide}", view.digest, standing(view))
}

/// What another member was shown under the same number.
fn difference(difference: &Difference) -> String {
    let lines: String = difference.lines.iter().map(|line| format!("  {line}\n")).collect();
    format!(
        "{} says it was shown another operation, which would keep this one from running (- here, + there):\n{lines}",
        escape(&difference.party)
    )
}

/// How an operation stands, in words of printable ASCII.
fn standing(view: &OperationView) -> String {
    match &view.standing {
        Shown::Proposed { missing } => {
            let away = |name: &String| if view.away.contains(name) { format!("{name} (away)") } else { name.clone() };
            format!("waits for the approval of {}", names(&missing.iter().map(away).collect::<Vec<_>>()))
        }
        Shown::Approved { waits } if waits.is_empty() => "all who take part have approved".to_owned(),
        Shown::Approved { waits } => format!("all who take part have approved; it waits: {}", escape(waits)),
        Shown::Running => "runs".to_owned(),
        Shown::Voting { missing } => format!("computed; waits for the votes of {}", names(missing)),
        Shown::Ended(End::Done) => "done".to_owned(),
        Shown::Ended(End::Failed { reason }) => format!("failed, and nothing has changed: {}", escape(reason)),
        Shown::Ended(End::MayBeSent { reason }) => {
            format!("failed, and its request may have been delivered, so look at the server before you repeat it: {}", escape(reason))
        }
        Shown::Ended(End::InDoubt { reason }) => {
            format!("ended while the members voted on it, so look at `cotenant vault list` before you repeat it: {}", escape(reason))
        }
        Shown::Ended(End::Refused { by, reason }) => format!("refused by {}: {}", escape(by), escape(reason)),
        Shown::Ended(End::Expired) => "not begun in time".to_owned(),
        Shown::Ended(End::Elsewhere { by }) => format!("done without this party, says {}", escape(by)),
        Shown::Ended(End::Unknown) => "for others to do, who have not said what became of it".to_owned(),
    }
}

/// Names of members, as printable ASCII.
fn names(all: &[String]) -> String {
    all.iter().map(|name| escape(name).to_string()).collect::<Vec<_>>().join(", ")
}
