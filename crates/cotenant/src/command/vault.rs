//! `cotenant vault`: the secrets that a room owns, asked of this party's daemon. What changes them, or uses their shares, is proposed to all members and
//! waited for.

use super::{
    backup::{BackupArgs, RestoreArgs},
    note as say, print, print_json,
    proposal::{About, Common, Waiting},
};
use crate::{
    error::Error,
    serve::operations::api::{ItemView, Letters, Proposed, Purpose, VaultView},
};
use clap::{Args, Subcommand};
use cotenant_agent::{
    approve::escape::escape,
    vault::item::{BadUse, MAX_BYTES, Use},
};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::{
    io::{self, IsTerminal, Read, Write},
    str::FromStr,
};
use zeroize::Zeroizing;

/// Keeps secrets that only a room's members together can use
#[derive(Subcommand)]
#[command(
    after_help = "Examples:\n  cotenant vault put s3/key --kind base64 --use sigv4:eu-central-1/s3@bucket.example.com < key.txt\n  cotenant vault list\n  cotenant vault refresh\n\nThe other members see the proposal with cotenant pending, and approve it with cotenant approve."
)]
pub(super) enum VaultCommand {
    List(ListArgs),
    Show(ShowArgs),
    Put(PutArgs),
    Gen(GenArgs),
    Refresh(RefreshArgs),
    Reshare(ReshareArgs),
    Repair(RepairArgs),
    Verify(VerifyArgs),
    Remove(RemoveArgs),
    Backup(BackupArgs),
    Restore(RestoreArgs),
}

/// Lists what is in the vault: names, versions, what each may be used for
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant vault list --json")]
pub(super) struct ListArgs {
    #[command(flatten)]
    common: Common,
}

/// Shows what all know about an item
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant vault show s3/key")]
pub(super) struct ShowArgs {
    /// The item
    name: String,
    #[command(flatten)]
    common: Common,
}

/// Puts a secret that this party has into the vault, where it exists only as shares
///
/// It is read from standard input, or asked for at the terminal, and never taken from the command line. The daemon keeps it in its memory until the run has
/// it; if the daemon ends before, put it again. With --kind, and at the terminal, one line break at its end is left out; without, every byte counts.
///
/// If there is an item of this name, its secret is replaced at all members.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant vault put api-token --kind visible --use header:authorization@api.example.com\n  cotenant vault put s3/key --kind base64 --use sigv4:eu-central-1/s3@bucket.example.com < key.txt"
)]
pub(super) struct PutArgs {
    /// The item: small letters, digits and . _ / -
    name: String,
    #[command(flatten)]
    about: Description,
    #[command(flatten)]
    waiting: Waiting,
}

/// Has all members draw a secret that nobody knows
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant vault gen session-key --bytes 32\n  cotenant vault gen token --kind alphanumeric --bytes 24")]
pub(super) struct GenArgs {
    /// The item: small letters, digits and . _ / -
    name: String,
    /// How many bytes, or characters
    #[arg(long, value_name = "N")]
    bytes: usize,
    #[command(flatten)]
    about: Description,
    #[command(flatten)]
    waiting: Waiting,
}

/// Makes new shares of the same secrets; those before are destroyed
#[derive(Args)]
#[command(after_help = "Examples:\n  cotenant vault refresh\n  cotenant vault refresh s3/key")]
pub(super) struct RefreshArgs {
    /// The items [default: all]
    names: Vec<String>,
    #[command(flatten)]
    waiting: Waiting,
}

/// Shares everything out anew among the members of the room and for its threshold, as after a change of either
///
/// Members that have left, and shares of another threshold, are of no use from then on.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  cotenant vault reshare")]
pub(super) struct ReshareArgs {
    #[command(flatten)]
    waiting: Waiting,
}

/// Gives a member shares that has none, or bad ones: of all that it lacks, else of everything
///
/// The others make new shares for all, without asking it for any.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  cotenant vault repair carol")]
pub(super) struct RepairArgs {
    /// The member, by its name in the room
    member: String,
    #[command(flatten)]
    waiting: Waiting,
}

/// Checks that the members' shares are right; nothing else becomes known
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant vault verify")]
pub(super) struct VerifyArgs {
    /// The items [default: all]
    names: Vec<String>,
    #[command(flatten)]
    waiting: Waiting,
}

/// Destroys secrets at all members
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant vault remove s3/old-key")]
pub(super) struct RemoveArgs {
    /// The items
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    waiting: Waiting,
}

/// What all agree about an item.
#[derive(Args)]
struct Description {
    /// What its characters are; any bytes if left out, which stand in a request only as a @let of the call makes something of them
    #[arg(long, value_enum)]
    kind: Option<Letters>,
    /// What it may be used for, and nothing else: sigv4:REGION/SERVICE@HOST, header:NAME@HOST, field@HOST; may be repeated
    #[arg(long = "use", value_name = "USE")]
    uses: Vec<UseText>,
    /// What people should know about it
    #[arg(long, default_value = "")]
    note: String,
}

/// A use as it is typed.
#[derive(Clone)]
struct UseText(Purpose);

impl FromStr for UseText {
    type Err = BadUse;

    fn from_str(text: &str) -> Result<Self, BadUse> {
        Ok(UseText(match text.parse()? {
            Use::Sigv4 { service, region, host } => Purpose::Sigv4 { service, region, host },
            Use::Header { name, host } => Purpose::Header { name, host },
            Use::Field { host } => Purpose::Field { host },
        }))
    }
}

impl VaultCommand {
    pub(super) async fn run(self) -> Result<(), Error> {
        match self {
            VaultCommand::List(args) => args.run().await,
            VaultCommand::Show(args) => args.run().await,
            VaultCommand::Put(args) => args.run().await,
            VaultCommand::Gen(args) => args.run().await,
            VaultCommand::Refresh(args) => {
                let names = args.names;
                args.waiting.propose(async |about: &About| Ok(Proposed::Refresh { items: listed(about, names).await? })).await
            }
            VaultCommand::Reshare(args) => args.waiting.propose(async |_| Ok(Proposed::Reshare)).await,
            VaultCommand::Repair(args) => args.waiting.propose(async |_| Ok(Proposed::Repair { member: args.member })).await,
            VaultCommand::Verify(args) => {
                let names = args.names;
                args.waiting.propose(async |about: &About| Ok(Proposed::Verify { items: listed(about, names).await? })).await
            }
            VaultCommand::Backup(args) => args.run().await,
            VaultCommand::Restore(args) => args.run().await,
            VaultCommand::Remove(args) => args.waiting.propose(async |_| Ok(Proposed::Remove { items: args.names })).await,
        }
    }
}

impl ListArgs {
    async fn run(self) -> Result<(), Error> {
        let vault: VaultView = About::new(&self.common).await?.get("vault").await?;
        if self.common.json { print_json(&vault) } else { print(list(&vault).as_bytes()) }
    }
}

impl ShowArgs {
    async fn run(self) -> Result<(), Error> {
        let about = About::new(&self.common).await?;
        let vault: VaultView = about.get("vault").await?;
        let item = vault.items.iter().find(|item| item.name == self.name).ok_or(Error::NoItem { item: self.name })?;
        if self.common.json { print_json(item) } else { print(shown(item).as_bytes()) }
    }
}

impl PutArgs {
    async fn run(self) -> Result<(), Error> {
        let PutArgs { name, about: Description { kind, uses, note }, waiting } = self;
        warn_of_bytes(kind, &uses);
        let uses = uses.into_iter().map(|UseText(purpose)| purpose).collect();
        waiting.propose(async |_| Ok(Proposed::Put { value: secret(&name, kind.is_some())?, name, alphabet: kind, uses, note })).await
    }
}

impl GenArgs {
    async fn run(self) -> Result<(), Error> {
        let GenArgs { name, bytes, about: Description { kind, uses, note }, waiting } = self;
        warn_of_bytes(kind, &uses);
        let uses = uses.into_iter().map(|UseText(purpose)| purpose).collect();
        waiting.propose(async |_| Ok(Proposed::Gen { name, alphabet: kind, len: bytes, uses, note })).await
    }
}

/// Some bytes mean something in a request, so a secret of any bytes is not sent as it is.
fn warn_of_bytes(kind: Option<Letters>, uses: &[UseText]) {
    let sent = uses.iter().any(|UseText(purpose)| matches!(purpose, Purpose::Header { .. } | Purpose::Field { .. }));
    if kind.is_none() && sent {
        say(
            "the secret is of any bytes, so a request can have only what a @let makes of it, such as its base64; give --kind to send it as it is",
        );
    }
}

/// These items, or all there are.
async fn listed(about: &About, names: Vec<String>) -> Result<Vec<String>, Error> {
    if !names.is_empty() {
        return Ok(names);
    }
    let vault: VaultView = about.get("vault").await?;
    if vault.items.is_empty() {
        return Err(Error::EmptyVault);
    }
    Ok(vault.items.into_iter().map(|item| item.name).collect())
}

/// The secret, from standard input: typed without being shown, or what is piped in.
pub(super) fn secret(name: &str, is_text: bool) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |source| Error::Input { source };
    // As long as a secret can be, a line break, and one byte that shows that there is more: it is not moved, so no copy of it stays behind here.
    let mut value = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 3));
    let limit = value.capacity() as u64;
    let stdin = io::stdin();
    let typed = stdin.is_terminal();
    if typed {
        let _ = write!(io::stderr(), "{name}: ");
        let shown = tcgetattr(&stdin).map_err(|error| failed(error.into()))?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(|error| failed(error.into()))?;
        let read = io::BufRead::read_until(&mut stdin.lock().take(limit), b'\n', &mut value);
        let restored = tcsetattr(&stdin, OptionalActions::Flush, &shown);
        read.and(restored.map_err(Into::into)).map_err(failed)?;
    } else {
        stdin.lock().take(limit).read_to_end(&mut value).map_err(failed)?;
    }
    if value.len() as u64 == limit {
        return Err(Error::LongSecret);
    }
    let text = if typed || is_text { without_line_break(&value) } else { value.len() };
    value.truncate(text);
    if value.len() > MAX_BYTES { Err(Error::LongSecret) } else { Ok(value) }
}

/// How many bytes there are before a line break at the end.
fn without_line_break(text: &[u8]) -> usize {
    text.strip_suffix(b"\n").map_or(text, |line| line.strip_suffix(b"\r").unwrap_or(line)).len()
}

fn list(vault: &VaultView) -> String {
    let mut text = vault.hindrance.as_ref().map_or(String::new(), |why| format!("nothing can be begun here: {}\n", escape(why)));
    text += &match vault.version {
        0 => "the vault is empty\n".to_owned(),
        version => format!("version {version} of the vault\n") + &vault.items.iter().map(line).collect::<String>(),
    };
    if let Some(waits) = &vault.waits {
        text += &format!("it enters the room's epoch, and waits {}\n", escape(waits));
    }
    let weak = vault.items.iter().filter(|item| !item.full).count();
    if weak > 0 {
        text += &format!("{weak} of {} items are below full strength: cotenant vault reshare, or repair MEMBER\n", vault.items.len());
    }
    text
}

fn line(item: &ItemView) -> String {
    let weak = strength(item).map(|weak| format!("; {weak}")).unwrap_or_default();
    format!("{:<24} version {:<4} {} bytes, {} of {}{weak}\n", item.name, item.version, item.len, item.threshold, item.members)
}

/// What an item lacks to be as strong as the room wants it.
fn strength(item: &ItemView) -> Option<String> {
    match (item.full, item.lacking.is_empty()) {
        (true, _) => None,
        (false, true) => Some("not shared as the room has it by now".to_owned()),
        (false, false) => Some(format!("no share at {}", escape(&item.lacking.join(", ")))),
    }
}

fn shown(item: &ItemView) -> String {
    let kind = item.characters.map_or("any bytes".to_owned(), |count| format!("text of {count} different characters"));
    let mut text = format!("name     {}\nversion  {}\nmade by  {}\n", item.name, item.version, item.run);
    text += &format!("content  {} bytes, {kind}\nshares   {} of {} members\n", item.len, item.threshold, item.members);
    text += &format!("strength {}\n", strength(item).unwrap_or_else(|| "full".to_owned()));
    text += &item.uses.iter().map(|purpose| format!("use      {purpose}\n")).collect::<String>();
    if item.uses.is_empty() {
        text += "use      none\n";
    }
    text + &format!("note     {}\n", item.note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_at_the_end_is_no_part_of_a_text() {
        for (text, len) in [(&b"ab"[..], 2), (b"ab\n", 2), (b"ab\r\n", 2), (b"ab\n\n", 3), (b"ab\r", 3), (b"\n", 0), (b"", 0)] {
            assert_eq!(without_line_break(text), len, "{text:?}");
        }
    }

    #[test]
    fn a_use_is_read_as_it_is_typed() {
        let read = |text: &str| text.parse::<UseText>().map(|UseText(purpose)| purpose);
        let host = || "b.example.com".to_owned();
        let sigv4 = Purpose::Sigv4 { region: "eu-central-1".into(), service: "s3".into(), host: host() };
        assert_eq!(read("sigv4:eu-central-1/s3@b.example.com"), Ok(sigv4));
        assert_eq!(read("header:authorization@b.example.com"), Ok(Purpose::Header { name: "authorization".into(), host: host() }));
        assert_eq!(read("field@b.example.com"), Ok(Purpose::Field { host: host() }));
        for wrong in ["field", "sigv4:s3@h", "cookie:x@h", "header@h", ""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
