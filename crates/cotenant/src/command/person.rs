//! How a person signs what this party would say: with a private key in a file, by ssh-keygen, or with one that an ssh-agent has.

use crate::{error::Error, serve::operations::OperationView, ssh_agent::Agent};
use cotenant_agent::{
    approve::{
        person::{Approver, NAMESPACE, PersonSignature, to_be_signed},
        statement::{Choice, Statement},
    },
    hex,
};
use std::{
    fmt::Display,
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
};

/// How a file with a private key begins.
const PRIVATE: &[u8; 10] = b"-----BEGIN";
/// How a fingerprint begins, as ssh-keygen and ssh-add print it.
const FINGERPRINT: &str = "SHA256:";

/// A signature of the person with this key under what the daemon has given to be signed about this operation, but for `choice`: what `ssh-keygen -Y sign`
/// writes. A daemon that gives a statement about another operation than the one of that digest gets none.
pub(super) fn sign(key: &str, view: &OperationView, digest: &str, choice: Choice) -> Result<String, Error> {
    let failed = |what: String| Error::Sign { key: key.to_owned(), what };
    let statement = hex::decode(&view.to_sign)
        .and_then(|bytes| Statement::decode(&bytes).ok())
        .ok_or_else(|| failed("the daemon's statement is none".to_owned()))?;
    if statement.operation.to_string() != digest || statement.number != view.number {
        return Err(Error::OtherOperation { number: view.number });
    }
    let statement = Statement { choice, ..statement };
    match InAgent::of(key) {
        Some(meant) => by_agent(&meant, &statement),
        None => by_file(Path::new(key), &statement),
    }
    .map_err(failed)
}

/// Which key of an agent is meant.
enum InAgent {
    Fingerprint(String),
    Public(Approver),
}

impl InAgent {
    /// If one is: by its fingerprint, or a file with the public key.
    fn of(key: &str) -> Option<InAgent> {
        if key.starts_with(FINGERPRINT) {
            return Some(InAgent::Fingerprint(key.to_owned()));
        }
        // A private key is not read here: ssh-keygen does that.
        let mut start = [0; PRIVATE.len()];
        if File::open(key).ok()?.read_exact(&mut start).is_ok() && start == *PRIVATE {
            return None;
        }
        Approver::parse(fs::read_to_string(key).ok()?.trim()).ok().map(InAgent::Public)
    }

    fn is(&self, key: &Approver) -> bool {
        match self {
            InAgent::Fingerprint(fingerprint) => key.fingerprint() == *fingerprint,
            InAgent::Public(public) => key.blob() == public.blob(),
        }
    }
}

fn by_agent(meant: &InAgent, statement: &Statement) -> Result<String, String> {
    let mut agent = Agent::of_environment().map_err(text)?;
    let keys = agent.keys().map_err(text)?;
    // It may have keys of kinds that approve nothing.
    let approver = keys.iter().filter_map(|blob| Approver::from_blob(blob).ok()).find(|key| meant.is(key));
    let approver = approver.ok_or("the ssh-agent has no such key; see ssh-add -l")?;
    let answer = agent.sign(&approver.blob(), &to_be_signed(statement)).map_err(text)?;
    let signature = PersonSignature::from_agent(&approver, &answer).map_err(text)?;
    String::from_utf8(signature.evidence().to_vec()).map_err(text)
}

fn by_file(key: &Path, statement: &Statement) -> Result<String, String> {
    let mut tool = Command::new("ssh-keygen");
    tool.args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(key).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = tool.spawn().map_err(|error| format!("ssh-keygen: {error}"))?;
    let mut to = running.stdin.take().expect("it was asked for");
    to.write_all(&statement.encode()).map_err(text)?;
    drop(to);
    let output = running.wait_with_output().map_err(text)?;
    match String::from_utf8(output.stdout) {
        Ok(signature) if output.status.success() => Ok(signature),
        _ => Err(format!("ssh-keygen ended with {}", output.status)),
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
