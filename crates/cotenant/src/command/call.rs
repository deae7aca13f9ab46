//! `cotenant call`: a request to a server, made by the members of a room together, with secrets of their vault.

use super::{
    note, print_body, print_json,
    proposal::{About, Waiting},
};
use crate::{
    error::Error,
    serve::operations::api::{AnswerView, Content, Given, Hidden, Proposed},
};
use clap::Args;
use cotenant_agent::{
    approve::operation::{Argument, MAX_FLOW},
    call::MAX_REQUEST,
    flow::{self, Seats},
};
use cotenant_core::{Digest, PartyId};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
};
use zeroize::Zeroizing;

/// Makes the call that a .http file says, once all who take part have approved it
///
/// The file has one request, in the format of editors, and directives in comments: which secrets of the vault go where, and that the answer is opened. What
/// the server answered is printed; status and number go to standard error.
///
/// Exit status 0 if the server answered, whatever it said; 4 if the call failed and its request may have been delivered; 1 if it was not.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant call report.http --arg name=2026-11.txt\n  cotenant call report.http --connector bob --within 30 --json\n\nThe other members see it with cotenant pending, and approve it with cotenant approve."
)]
pub(super) struct CallArgs {
    /// The file
    #[arg(value_name = "FLOW.http")]
    file: PathBuf,
    /// What fills the hole {{NAME}}, for everybody to see; may be repeated
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    arguments: Vec<Filled>,
    /// A file with what fills the private hole {{NAME}}, for nobody else to see; a line break at its end is not part of it; may be repeated
    #[arg(long = "private", value_name = "NAME=FILE")]
    private: Vec<PrivateFile>,
    /// The member that connects to the server [default: this party]
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,
    #[command(flatten)]
    waiting: Waiting,
}

/// An argument as it is typed.
#[derive(Clone)]
struct Filled(Given);

impl FromStr for Filled {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("not NAME=VALUE")?;
        Ok(Filled(Given { name: name.to_owned(), value: value.as_bytes().to_vec() }))
    }
}

/// The file of a private value as it is typed.
#[derive(Clone)]
struct PrivateFile {
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
    fn read(self) -> Result<Hidden, Error> {
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
        let CallArgs { file, arguments, private, connector, waiting } = self;
        let mut arguments: Vec<Given> = arguments.into_iter().map(|Filled(given)| given).collect();
        let text = flow_text(&file, &mut arguments)?;
        let private = private.into_iter().map(PrivateFile::read).collect::<Result<_, _>>()?;
        let proposed = Proposed::Call { flow: text, arguments, private, connector };
        let (about, view) = waiting.carry(async |_: &About| Ok(proposed)).await?;
        if !view.is_done() {
            return waiting.show(&view);
        }
        let answer: AnswerView = about.get(&format!("operations/{}/answer", view.number)).await?;
        note(&format!("operation {0}: the server answered {1}; see cotenant receipt {0}", view.number, answer.status));
        print_answer(&answer, waiting.json())
    }
}

/// The text of a flow that can be proposed with these arguments; a body that is in a file becomes one of them.
fn flow_text(path: &Path, arguments: &mut Vec<Given>) -> Result<String, Error> {
    let wrong = |source| Error::Flow { path: path.to_owned(), source: Box::new(source) };
    let text = read(path, MAX_FLOW as u64)?;
    if let Some(body) = flow::body_file(&text).map_err(wrong)? {
        let beside = beside(path, body)?;
        let value = read(&beside, MAX_REQUEST)?;
        note(&format!("all members are shown what is in {}: {} bytes", beside.display(), value.len()));
        arguments.push(Given { name: format!("< {body}"), value });
    }
    let given = arguments.iter().map(|Given { name, value }| Argument { name: name.clone(), value: value.clone() }).collect();
    // Neither who does what nor the roots make a difference to whether the text is right.
    let seats = Seats { connector: PartyId::EVALUATOR, giver: PartyId::EVALUATOR };
    let call = flow::call(text, given, seats, Digest([0; 32])).map_err(wrong)?;
    Ok(String::from_utf8(call.flow).expect("a flow is UTF-8"))
}

/// The file of a body, which is beside the flow or below, also where links lead: somebody else may have written the flow.
fn beside(flow: &Path, body: &str) -> Result<PathBuf, Error> {
    let directory = flow.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = directory.join(body);
    let real = |path: &Path| path.canonicalize().map_err(|source| Error::Read { path: path.to_owned(), source });
    let file = real(&path)?;
    if file.starts_with(real(directory)?) && file.is_file() {
        Ok(path)
    } else {
        Err(Error::NotBeside { path, directory: directory.to_owned() })
    }
}

/// All of a file, and a little more if it is longer than `most`, so that whoever looks at it sees that.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.map(|_| bytes).map_err(|source| Error::Read { path: path.to_owned(), source })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_flow_is_read_with_the_file_of_its_body() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("put.http");
        let text = "# @open all\nPUT https://h/{{name}}\n\n< ./body.bin\n";
        fs::write(&path, text).unwrap();
        let given = || vec!["name=a=b".parse::<Filled>().ok().unwrap().0];
        let told = |mut arguments: Vec<Given>| flow_text(&path, &mut arguments).map_err(|error| error.to_string());
        assert!(told(given()).unwrap_err().contains("body.bin: cannot be read"));
        fs::write(dir.path().join("body.bin"), b"\xff{{name}}").unwrap();
        let mut arguments = given();
        assert_eq!(flow_text(&path, &mut arguments).unwrap(), text);
        assert_eq!((arguments[0].value.as_slice(), arguments[1].name.as_str()), (&b"a=b"[..], "< ./body.bin"));
        assert_eq!(arguments[1].value, b"\xff{{name}}");
        let error = told(Vec::new()).unwrap_err();
        assert!(error.starts_with(&format!("{}:2:15: nothing fills {{{{name}}}}", path.display())), "{error}");
        // A link that leads away is not followed, and a directory is none.
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        fs::remove_file(dir.path().join("body.bin")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("body.bin")).unwrap();
        assert!(told(given()).unwrap_err().contains("body.bin: is no file in"));
        fs::remove_file(dir.path().join("body.bin")).unwrap();
        fs::create_dir(dir.path().join("body.bin")).unwrap();
        assert!(told(given()).unwrap_err().contains("body.bin: is no file in"));
        fs::remove_dir(dir.path().join("body.bin")).unwrap();
        fs::write(dir.path().join("body.bin"), vec![b'x'; MAX_REQUEST as usize + 10]).unwrap();
        assert!(told(given()).unwrap_err().contains("2:1: the request has "));
        assert!("name".parse::<Filled>().is_err());
    }
}
