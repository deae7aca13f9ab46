//! `.http` files as commands read them: the text, the file of its body, arguments and environments; and `cotenant flow check`, which asks nobody.

use super::{dry_run::DryRunArgs, note, print, print_json};
use crate::{error::Error, serve::operations::api::Given};
use clap::{Args, Subcommand};
use cotenant_agent::{
    approve::{
        escape::escape,
        item::in_words,
        operation::{Argument, Call, MAX_FLOW, Source},
    },
    call::MAX_REQUEST,
    flow::{self, Seats},
};
use cotenant_core::{Digest, PartyId};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
};

/// The longest file of environments, in bytes.
const MAX_ENVIRONMENTS: u64 = 1 << 20;

/// Works on .http files, without a daemon
#[derive(Subcommand)]
#[command(
    after_help = "Examples:\n  cotenant flow check report.http --arg name=2026-11.txt\n  cotenant flow dry-run report.http --arg name=2026-11.txt --secret token=test"
)]
pub(super) enum FlowCommand {
    Check(CheckArgs),
    DryRun(DryRunArgs),
}

/// Reads a .http file as cotenant call does, and says what it would do, or what is wrong and where
///
/// Nobody is asked: whether an item is in the vault, and of which characters it is, the daemon knows, and looks when a call is proposed.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant flow check report.http --arg name=2026-11.txt\n  cotenant flow check report.http --env http-client.env.json --environment test"
)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    file: FlowFile,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// A .http file, and what fills its holes for everybody to see.
#[derive(Args)]
pub(super) struct FlowFile {
    /// The file
    #[arg(value_name = "FLOW.http")]
    file: PathBuf,
    /// What fills the hole {{NAME}}, for everybody to see; may be repeated
    #[arg(long = "arg", value_name = "NAME=VALUE")]
    arguments: Vec<Filled>,
    /// A file of environments, as editors have it (http-client.env.json): what fills holes for which there is no --arg
    #[arg(long, value_name = "FILE", requires = "environment")]
    env: Option<PathBuf>,
    /// Which of its environments
    #[arg(long, value_name = "NAME", requires = "env")]
    environment: Option<String>,
}

/// An argument as it is typed.
#[derive(Clone)]
pub(super) struct Filled(pub(super) Given);

impl FromStr for Filled {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("not NAME=VALUE")?;
        Ok(Filled(Given { name: name.to_owned(), value: value.as_bytes().to_vec() }))
    }
}

impl FlowCommand {
    pub(super) async fn run(self) -> Result<(), Error> {
        match self {
            FlowCommand::Check(CheckArgs { file, json }) => {
                let call = file.read()?.call;
                if json { print_json(&CheckView::of(&call)) } else { print(words(&call).as_bytes()) }
            }
            FlowCommand::DryRun(args) => args.run().await,
        }
    }
}

/// A flow that can be proposed with its arguments.
pub(super) struct ReadFlow {
    /// The call that it is, but for who does what, and the trust roots, which make no difference to whether it is right.
    pub(super) call: Call,
    /// The variables of the environment, if one was named.
    pub(super) environment: BTreeMap<String, String>,
}

impl ReadFlow {
    /// The text.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.call.flow.clone()).expect("a flow is UTF-8")
    }

    /// The arguments.
    pub(super) fn arguments(&self) -> Vec<Given> {
        self.call.arguments.iter().map(|Argument { name, value }| Given { name: name.clone(), value: value.clone() }).collect()
    }
}

impl FlowFile {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.file
    }

    /// Reads it; a body that is in a file becomes an argument.
    pub(super) fn read(self) -> Result<ReadFlow, Error> {
        let FlowFile { file: path, arguments, env, environment } = self;
        let wrong = |source| Error::Flow { path: path.clone(), source: Box::new(source) };
        let text = read(&path, MAX_FLOW as u64)?;
        let mut given: Vec<Argument> = arguments.into_iter().map(|Filled(Given { name, value })| Argument { name, value }).collect();
        let environment = env.zip(environment).map_or(Ok(BTreeMap::new()), |(path, name)| environment_of(&path, &name))?;
        let holes = flow::public_holes(&text).map_err(wrong)?;
        let missing = holes.into_iter().filter(|hole| given.iter().all(|argument| argument.name != *hole)).collect::<Vec<_>>();
        let taken = missing.into_iter().filter_map(|name| Some(Argument { value: environment.get(&name)?.clone().into_bytes(), name }));
        let taken: Vec<Argument> = taken.collect();
        if !taken.is_empty() {
            // Somebody else may have written the flow, and so chosen which variables it takes.
            let names = taken.iter().map(|argument| escape(&argument.name).to_string()).collect::<Vec<_>>().join(", ");
            note(&format!("taken from the environment, for whoever sees the request: {names}"));
        }
        given.extend(taken);
        if let Some(body) = flow::body_file(&text).map_err(wrong)? {
            let beside = beside(&path, body)?;
            let value = read(&beside, MAX_REQUEST)?;
            note(&format!("all members are shown what is in {}: {} bytes", beside.display(), value.len()));
            given.push(Argument { name: format!("< {body}"), value });
        }
        // Neither who does what nor the roots make a difference to whether the text is right.
        let seats = Seats { connector: PartyId::EVALUATOR, giver: PartyId::EVALUATOR };
        Ok(ReadFlow { call: flow::call_among(text, given, seats, &|_| Some(seats.giver), Digest([0; 32])).map_err(wrong)?, environment })
    }
}

/// The variables of an environment.
fn environment_of(path: &Path, name: &str) -> Result<BTreeMap<String, String>, Error> {
    let bytes = read(path, MAX_ENVIRONMENTS)?;
    let mut all: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_slice(&bytes).map_err(|source| Error::Environments { path: path.to_owned(), source })?;
    let known = || all.keys().map(|name| escape(name).to_string()).collect::<Vec<_>>().join(", ");
    match all.contains_key(name) {
        true => Ok(all.remove(name).unwrap_or_default()),
        false => Err(Error::NoEnvironment { path: path.to_owned(), name: name.to_owned(), known: known() }),
    }
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

/// What a flow would do.
#[derive(Serialize)]
struct CheckView {
    host: String,
    port: u16,
    /// What fills holes that are secret, in words, by their names.
    secrets: BTreeMap<String, String>,
    /// The lines of the policy for the answer.
    policy: Vec<String>,
    /// The most that the server may answer.
    limit_bytes: u64,
    /// Whether nothing is sent, and a URL is made.
    presigned: bool,
}

impl CheckView {
    fn of(call: &Call) -> Self {
        // The text is one: it was compiled. Its names are those of members in a room, which is not known here.
        let named = flow::named_givers(&call.flow).unwrap_or_default();
        let secret = |hole: &str, source: &Source| match source {
            Source::Item { stored, purpose } => format!("item {}: {}", stored.item, in_words(purpose)),
            Source::Private { len, .. } => {
                let who = named.get(hole).map_or("who proposes the call", String::as_str);
                format!("{len} characters that {} gives", escape(who))
            }
        };
        CheckView {
            host: call.host.clone(),
            port: call.port,
            secrets: call.slots.iter().map(|slot| (slot.hole.clone(), secret(&slot.hole, &slot.source))).collect(),
            policy: String::from_utf8_lossy(&call.response.policy).lines().map(str::to_owned).collect(),
            limit_bytes: call.response.limit_bytes,
            presigned: flow::is_presign(&call.flow).is_ok_and(|presigned| presigned),
        }
    }
}

fn words(call: &Call) -> String {
    let CheckView { host, port, secrets, policy, limit_bytes, presigned } = CheckView::of(call);
    let what = if presigned { "a URL, for who proposes it alone, of a request" } else { "a request" };
    let mut lines = vec![format!("the text is right: {what} to https://{} port {port}", escape(&host))];
    lines.extend(secrets.into_iter().map(|(hole, what)| format!("  secret {hole} = {what}")));
    let policy = policy.join("; ");
    lines.push(if presigned { format!("  {policy}") } else { format!("  of an answer of up to {limit_bytes} bytes: {policy}") });
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn flow(path: &Path, arguments: &[&str], env: Option<(&Path, &str)>) -> Result<ReadFlow, String> {
        let arguments = arguments.iter().map(|text| text.parse().ok().unwrap()).collect();
        let (env, environment) = env.map(|(path, name)| (path.to_owned(), name.to_owned())).unzip();
        FlowFile { file: path.to_owned(), arguments, env, environment }.read().map_err(|error| error.to_string())
    }

    #[test]
    fn a_flow_is_read_with_the_file_of_its_body() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("put.http");
        let text = "# @open all\nPUT https://h/{{name}}\n\n< ./body.bin\n";
        fs::write(&path, text).unwrap();
        assert!(flow(&path, &["name=a=b"], None).err().unwrap().contains("body.bin: cannot be read"));
        fs::write(dir.path().join("body.bin"), b"\xff{{name}}").unwrap();
        let read = flow(&path, &["name=a=b"], None).unwrap();
        assert_eq!(read.text(), text);
        let arguments = read.arguments();
        assert_eq!((arguments[0].name.as_str(), arguments[1].value.as_slice()), ("< ./body.bin", &b"a=b"[..]));
        assert_eq!(arguments[0].value, b"\xff{{name}}");
        let error = flow(&path, &[], None).err().unwrap();
        assert!(error.starts_with(&format!("{}:2:15: nothing fills {{{{name}}}}", path.display())), "{error}");
        // A link that leads away is not followed, and a directory is none.
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        fs::remove_file(dir.path().join("body.bin")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("body.bin")).unwrap();
        assert!(flow(&path, &["name=a=b"], None).err().unwrap().contains("body.bin: is no file in"));
        fs::remove_file(dir.path().join("body.bin")).unwrap();
        fs::create_dir(dir.path().join("body.bin")).unwrap();
        assert!(flow(&path, &["name=a=b"], None).err().unwrap().contains("body.bin: is no file in"));
        fs::remove_dir(dir.path().join("body.bin")).unwrap();
        fs::write(dir.path().join("body.bin"), vec![b'x'; MAX_REQUEST as usize + 10]).unwrap();
        assert!(flow(&path, &["name=a"], None).err().unwrap().contains("2:1: the request has "));
        assert!("name".parse::<Filled>().is_err());
    }

    /// An environment fills what is a public hole and was not given, and nothing else.
    #[test]
    fn environments_fill_holes() {
        let dir = tempfile::tempdir().unwrap();
        let (path, env) = (dir.path().join("get.http"), dir.path().join("http-client.env.json"));
        let text = "# @vault token = t\n# @let auth = \"{{scheme}} \" token\n# @open all\n# @not-reflected token\n# @not-reflected auth\nGET https://h/{{a}}/{{b}}\nX: {{auth}}\n";
        fs::write(&path, text).unwrap();
        fs::write(&env, r#"{"test": {"a": "1", "b": "2", "scheme": "Bearer", "token": "t0", "other": "x"}, "prod": {"a": "9"}}"#).unwrap();
        let read = flow(&path, &["b=3"], Some((&env, "test"))).unwrap();
        let arguments: Vec<_> = read.arguments().into_iter().map(|given| (given.name, String::from_utf8(given.value).unwrap())).collect();
        assert_eq!(arguments, [("a", "1"), ("b", "3"), ("scheme", "Bearer")].map(|(name, value)| (name.to_owned(), value.to_owned())));
        let told = |name| flow(&path, &[], Some((&env, name))).err().unwrap();
        assert!(told("prod").contains(":6:21: nothing fills {{b}}"), "{}", told("prod"));
        assert!(told("stage").ends_with("has no environment stage: it has prod, test"), "{}", told("stage"));
        fs::write(&env, r#"{"test": {"a": 1}}"#).unwrap();
        assert!(told("test").contains("http-client.env.json: "), "{}", told("test"));
    }

    #[test]
    fn what_a_flow_would_do_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("get.http");
        fs::write(&path, "# @vault key = api/key\n# @private pin chars digits len 4\n# @open all\n# @not-reflected key\n# @not-reflected pin\nPOST https://h:8443/\nX: {{key}}\n\n{{pin}}\n").unwrap();
        let told = words(&flow(&path, &[], None).unwrap().call);
        assert_eq!(
            told,
            "the text is right: a request to https://h port 8443\n  secret key = item api/key: sent to h in the header x\n  secret pin = 4 characters that who \
             proposes the call gives\n  of an answer of up to 262144 bytes: open all; not-reflected key; not-reflected pin\n"
        );
        fs::write(&path, "# @presign aws-sigv4 service=s3 region=r key=k access-key-id=A expires=60\nGET https://h/\n").unwrap();
        let told = words(&flow(&path, &[], None).unwrap().call);
        assert_eq!(
            told,
            "the text is right: a URL, for who proposes it alone, of a request to https://h port 443\n  secret signature = item k: signs requests to h \
             (Signature Version 4, region r, service s3)\n  presigned for seconds: 60\n"
        );
    }
}
