//! `cotenant call`: a request to a server, made by the members of a room together, with secrets of their vault.

use super::{
    flow::FlowFile,
    note, print, print_body, print_json,
    proposal::{About, Waiting},
};
use crate::{
    error::Error,
    serve::operations::api::{AnswerView, Content, Hidden, Proposed, UrlView},
};
use clap::Args;
use cotenant_agent::{call::MAX_REQUEST, flow};
use std::{fs::File, io::Read, path::PathBuf, str::FromStr};
use zeroize::Zeroizing;

/// Makes the call that a .http file says, once all who take part have approved it
///
/// The file has one request, in the format of editors, and directives in comments: which secrets of the vault go where, and what becomes of the answer. What
/// the server answered is printed; status and number go to standard error. With @presign nothing is sent, and the URL that was made is printed.
///
/// Exit status 0 if the server answered, whatever it said; 4 if the call failed and its request may have been delivered; 1 if it was not.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant call report.http --arg name=2026-11.txt\n  cotenant call report.http --connector bob --within 30 --json\n\nThe other members see it with cotenant pending, and approve it with cotenant approve."
)]
pub(super) struct CallArgs {
    #[command(flatten)]
    file: FlowFile,
    /// A file with what fills the private hole {{NAME}}, for nobody else to see; a line break at its end is not part of it; may be repeated
    #[arg(long = "private", value_name = "NAME=FILE")]
    private: Vec<PrivateFile>,
    /// The member that connects to the server [default: this party]
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,
    /// Say what it would do, what would be opened to whom, and what it would take, and ask nobody
    #[arg(long, conflicts_with = "no_wait")]
    explain: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// The file of a private value as it is typed.
#[derive(Clone)]
pub(super) struct PrivateFile {
    hole: String,
    path: PathBuf,
}

impl FromStr for PrivateFile {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (hole, path) = text.split_once('=').ok_or("not NAME=FILE")?;
        Ok(PrivateFile { hole: hole.to_owned(), path: path.into() })
    }
}

impl PrivateFile {
    /// What it has, which is as long as a request at most.
    pub(super) fn read(self) -> Result<Hidden, Error> {
        let mut value = Zeroizing::new(Vec::with_capacity(MAX_REQUEST as usize + 1));
        let file = File::open(&self.path).and_then(|file| file.take(MAX_REQUEST + 1).read_to_end(&mut value));
        file.map_err(|source| Error::Read { path: self.path, source })?;
        if value.last() == Some(&b'\n') {
            value.pop();
        }
        Ok(Hidden { name: self.hole, value })
    }
}

impl CallArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let CallArgs { file, private, connector, explain, waiting } = self;
        let read = file.read()?;
        let presigned = flow::is_presign(&read.call.flow).is_ok_and(|presigned| presigned);
        let private = private.into_iter().map(PrivateFile::read).collect::<Result<_, _>>()?;
        let proposed = Proposed::Call { flow: read.text(), arguments: read.arguments(), private, connector };
        if explain {
            return waiting.explain(proposed).await;
        }
        let (about, view) = waiting.carry(async |_: &About| Ok(proposed)).await?;
        if !view.is_done() {
            return waiting.show(&view);
        }
        if presigned {
            return print_url(&about, view.number, waiting.json()).await;
        }
        let answer: AnswerView = about.get(&format!("operations/{}/answer", view.number)).await?;
        note(&format!("operation {0}: the server answered {1}; see cotenant receipt {0}", view.number, answer.status));
        print_answer(&answer, waiting.json())
    }
}

/// A URL that was made for this party.
pub(super) async fn print_url(about: &About, number: u64, json: bool) -> Result<(), Error> {
    let made: UrlView = about.get(&format!("operations/{number}/url")).await?;
    if json { print_json(&made) } else { print(Zeroizing::new(format!("{}\n", *made.url)).as_bytes()) }
}

/// What a server answered: the body as it came, and what a policy let out line by line; or all of it as JSON.
pub(super) fn print_answer(answer: &AnswerView, json: bool) -> Result<(), Error> {
    if json {
        return print_json(answer);
    }
    let bytes = |content: &Content| content.bytes().expect("the daemon is of this program");
    // A value is of one line: its characters are printable.
    let opened = answer.opened.iter().flat_map(|(name, value)| [name.as_bytes(), b"=", &bytes(value), b"\n"].concat());
    print_body(&opened.chain(bytes(&answer.body)).collect::<Vec<u8>>())
}
