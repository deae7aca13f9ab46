//! Keys in an ssh-agent: which there are, and signatures with one of them. An agent asks its own person, or a security key's, before it signs, if it is told to.
//!
//! The SSH agent protocol (draft-miller-ssh-agent, now draft-ietf-sshm-ssh-agent) over the Unix socket that `SSH_AUTH_SOCK` names. A message is its length (4,
//! big-endian), number (1) and contents, in which strings stand after their lengths (4):
//!
//! | asked | contents | answered | contents |
//! | --- | --- | --- | --- |
//! | `SSH_AGENTC_REQUEST_IDENTITIES` (11) | | `SSH_AGENT_IDENTITIES_ANSWER` (12) | number of keys (4), each: key (string), comment (string) |
//! | `SSH_AGENTC_SIGN_REQUEST` (13) | key (string), data (string), flags (4): 0 | `SSH_AGENT_SIGN_RESPONSE` (14) | signature (string) |
//!
//! Any other answer is a refusal.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// The longest answer, in bytes; OpenSSH has the same limit.
const LONGEST: usize = 256 << 10;
/// The variable that names the socket.
const SOCKET: &str = "SSH_AUTH_SOCK";

/// A connection to an agent.
pub struct Agent {
    stream: UnixStream,
    socket: PathBuf,
}

impl Agent {
    /// Connects to the one that the environment names.
    ///
    /// # Errors
    /// [`AgentError::None`] or [`AgentError::Io`].
    pub fn of_environment() -> Result<Agent, AgentError> {
        let socket: OsString = std::env::var_os(SOCKET).filter(|socket| !socket.is_empty()).ok_or(AgentError::None)?;
        Self::at(Path::new(&socket))
    }

    /// Connects to the one at a socket.
    ///
    /// # Errors
    /// [`AgentError::Io`].
    pub fn at(socket: &Path) -> Result<Agent, AgentError> {
        let stream = UnixStream::connect(socket).map_err(|source| AgentError::Io { socket: socket.to_owned(), source })?;
        Ok(Agent { stream, socket: socket.to_owned() })
    }

    /// The public keys that it has, as SSH writes them.
    ///
    /// # Errors
    /// If it does not answer as it should.
    pub fn keys(&mut self) -> Result<Vec<Vec<u8>>, AgentError> {
        let answer = self.ask(REQUEST_IDENTITIES, &[], IDENTITIES_ANSWER)?;
        self.read_keys(&answer).ok_or_else(|| self.unclear())
    }

    /// A signature over `data` by the key `blob`, as SSH writes it. The agent may wait for a person, so it is given as long as it takes.
    ///
    /// # Errors
    /// If it refuses, or does not answer as it should.
    pub fn sign(&mut self, blob: &[u8], data: &[u8]) -> Result<Vec<u8>, AgentError> {
        let asked = [string(blob), string(data), vec![0; 4]].concat();
        let answer = self.ask(SIGN_REQUEST, &asked, SIGN_RESPONSE)?;
        let mut rest = &answer[..];
        take_string(&mut rest).filter(|_| rest.is_empty()).ok_or_else(|| self.unclear())
    }

    fn read_keys(&self, mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
        let count = u32::from_be_bytes(take(&mut rest)?);
        let key = |rest: &mut &[u8]| {
            let key = take_string(rest)?;
            take_string(rest).map(|_comment| key)
        };
        // Each takes eight bytes at least, so that a false number ends soon.
        let keys = (0..count).map(|_| key(&mut rest)).collect::<Option<Vec<_>>>()?;
        rest.is_empty().then_some(keys)
    }

    /// One question. The contents of the answer, if it is the one that is wanted.
    fn ask(&mut self, number: u8, contents: &[u8], wanted: u8) -> Result<Vec<u8>, AgentError> {
        let message = string(&[&[number], contents].concat());
        let failed = |source| AgentError::Io { socket: self.socket.clone(), source };
        self.stream.write_all(&message).map_err(failed)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(failed)?;
        let length = u32::from_be_bytes(length) as usize;
        if !(1..=LONGEST).contains(&length) {
            return Err(self.unclear());
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).map_err(failed)?;
        if answer.remove(0) == wanted { Ok(answer) } else { Err(AgentError::Refused { socket: self.socket.clone() }) }
    }

    fn unclear(&self) -> AgentError {
        AgentError::Unclear { socket: self.socket.clone() }
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn take(rest: &mut &[u8]) -> Option<[u8; 4]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

fn take_string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = u32::from_be_bytes(take(rest)?) as usize;
    let (string, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(string.to_vec())
}

/// Why there is no signature from an agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The environment names none.
    #[error("no ssh-agent: {SOCKET} is not set")]
    None,
    /// The socket cannot be used.
    #[error("{socket}: no ssh-agent answers ({source})")]
    Io {
        /// The socket.
        socket: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It has not signed: a person said no, or the key is locked or gone.
    #[error("{socket}: the ssh-agent has refused")]
    Refused {
        /// The socket.
        socket: PathBuf,
    },
    /// Its answer has another form.
    #[error("{socket}: the answer is not one of an ssh-agent")]
    Unclear {
        /// The socket.
        socket: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_agent::approve::person::Approver;
    use std::{
        fs,
        os::unix::net::UnixListener,
        process::{Child, Command, Stdio},
        thread,
        time::{Duration, Instant},
    };

    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn connect(socket: &Path) -> Agent {
        let start = Instant::now();
        loop {
            match Agent::at(socket) {
                Ok(agent) => return agent,
                Err(error) => assert!(start.elapsed() < Duration::from_secs(60), "{error}"),
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// OpenSSH's own agent, with keys of both kinds that approve.
    #[test]
    fn a_real_agent_lists_its_keys_and_signs() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let _running = Running(agent);
        let mut agent = connect(&socket);
        assert_eq!(agent.keys().unwrap(), Vec::<Vec<u8>>::new());
        let mut blobs = Vec::new();
        for kind in ["ed25519", "ecdsa"] {
            let key = dir.path().join(kind);
            let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", kind, "-f"]).arg(&key).status().unwrap();
            let added = Command::new("ssh-add").arg("-q").arg(&key).env(SOCKET, &socket).status().unwrap();
            assert!(made.success() && added.success());
            blobs.push(Approver::parse(&fs::read_to_string(key.with_extension("pub")).unwrap()).unwrap().blob());
        }
        assert_eq!(agent.keys().unwrap(), blobs);
        for blob in &blobs {
            let signature = agent.sign(blob, b"data").unwrap();
            assert!(
                signature.windows(11).any(|part| part == b"ssh-ed25519")
                    || signature.windows(19).any(|part| part == b"ecdsa-sha2-nistp256")
            );
        }
        let removed = Command::new("ssh-add").args(["-q", "-D"]).env(SOCKET, &socket).status().unwrap();
        assert!(removed.success());
        assert!(matches!(agent.sign(&blobs[0], b"data"), Err(AgentError::Refused { .. })), "it has the key no more");
        assert!(matches!(Agent::at(&dir.path().join("none")), Err(AgentError::Io { .. })));
    }

    /// What answers as no agent does.
    #[test]
    fn answers_of_another_form_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        let long = ((LONGEST + 1) as u32).to_be_bytes().to_vec();
        let count = |count: u32| string(&[&[IDENTITIES_ANSWER][..], &count.to_be_bytes()].concat());
        let extra = string(&[IDENTITIES_ANSWER, 0, 0, 0, 0, 9]);
        let answers = [vec![0; 4], long, count(u32::MAX), extra, string(&[SIGN_RESPONSE]), vec![0, 0]];
        let wanted = answers.clone();
        let serving = thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut [0; 5]).unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        for (at, answer) in wanted.iter().enumerate() {
            let told = Agent::at(&socket).unwrap().keys().unwrap_err();
            let right = match at {
                0..=3 => matches!(told, AgentError::Unclear { .. }),
                4 => matches!(told, AgentError::Refused { .. }),
                _ => matches!(told, AgentError::Io { .. }),
            };
            assert!(right, "{answer:?}: {told}");
        }
        serving.join().unwrap();
    }
}
