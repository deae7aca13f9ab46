//! Real TLS servers on loopback: OpenSSL's s_server, nginx, gnutls-serv. Started with a given identity on a free port, stopped on drop.
//!
//! A server that is not installed is an error that says what to install, never a test that passes without it.

use crate::pki::Identity;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, io, thread};
use tempfile::TempDir;

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The program is not there.
    Missing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// It ended, or did not listen in time; what it wrote follows.
    Failed {
        /// The program.
        program: &'static str,
        /// Its standard error and output.
        output: String,
    },
    /// Its files could not be written, or no port was free.
    Io(io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Missing { program, package } => {
                write!(f, "{program} is not installed; this test needs it (Debian: apt-get install {package})")
            }
            StartError::Failed { program, output } => write!(f, "{program} did not start: {output}"),
            StartError::Io(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        StartError::Io(error)
    }
}

/// A running server.
pub struct Server {
    child: Child,
    port: u16,
    directory: TempDir,
}

/// How often a server is started anew because another process took its port, and how often it is asked whether it listens.
const STARTS: usize = 3;
const PROBES: usize = 400;
const PAUSE: Duration = Duration::from_millis(25);

impl Server {
    /// OpenSSL's s_server, TLS 1.3 only, with more arguments, in a directory with these files. `-HTTP` serves a file as a whole response;
    /// without a mode, what [`Server::write`] writes goes to the client, and a line `K` or `k` sends a KeyUpdate.
    ///
    /// # Errors
    /// If it does not start.
    pub fn openssl(identity: &Identity, files: &[(&str, &[u8])], arguments: &[&str]) -> Result<Self, StartError> {
        let program = Program { name: "openssl", package: "openssl" };
        program.start(identity, files, |command, port| {
            command.args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-tls1_3"]);
            command.args(["-cert", "leaf.pem", "-cert_chain", "intermediates.pem", "-key", "key.pem"]).args(arguments);
            Ok(())
        })
    }

    /// nginx, TLS 1.3 only, which serves these files; `groups` as in OpenSSL, and more directives for its server block.
    ///
    /// # Errors
    /// If it does not start.
    pub fn nginx(identity: &Identity, files: &[(&str, &[u8])], groups: &str, directives: &str) -> Result<Self, StartError> {
        let program = Program { name: "nginx", package: "nginx-light" };
        program.start(identity, files, |command, port| {
            fs::write(command.get_current_dir().expect("it was set").join("nginx.conf"), nginx_configuration(port, groups, directives))?;
            command.args(["-p", ".", "-c", "nginx.conf", "-e", "stderr"]);
            Ok(())
        })
    }

    /// gnutls-serv with a priority string and more arguments, in a directory with these files.
    ///
    /// # Errors
    /// If it does not start.
    pub fn gnutls(identity: &Identity, files: &[(&str, &[u8])], priority: &str, arguments: &[&str]) -> Result<Self, StartError> {
        let program = Program { name: "gnutls-serv", package: "gnutls-bin" };
        program.start(identity, files, |command, port| {
            command.args(["--port", &port.to_string(), "--x509certfile", "chain.pem", "--x509keyfile", "key.pem"]);
            command.args(["--priority", priority]).args(arguments);
            Ok(())
        })
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Writes to its standard input.
    ///
    /// # Errors
    /// If it does not read.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let input = self.child.stdin.as_mut().expect("standard input is a pipe");
        input.write_all(bytes)?;
        input.flush()
    }

    /// Waits until its standard output has this text so many times.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait_for_output(&self, text: &str, times: usize) {
        for _ in 0..PROBES {
            if fs::read_to_string(self.directory.path().join("stdout")).is_ok_and(|output| output.matches(text).count() == times) {
                return;
            }
            thread::sleep(PAUSE);
        }
        panic!("{text:?} did not come; the server wrote: {}", Self::log(self.directory.path()));
    }

    fn log(directory: &Path) -> String {
        ["stderr", "stdout"].iter().map(|name| fs::read_to_string(directory.join(name)).unwrap_or_default()).collect()
    }

    /// Whether it listens; an error if it ended or will not.
    fn wait(mut self, program: &'static str) -> Result<Self, StartError> {
        for _ in 0..PROBES {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(self);
            }
            if self.child.try_wait()?.is_some() {
                break;
            }
            thread::sleep(PAUSE);
        }
        Err(StartError::Failed { program, output: Self::log(self.directory.path()) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way there is nothing more to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Program {
    name: &'static str,
    package: &'static str,
}

impl Program {
    fn start(
        &self,
        identity: &Identity,
        files: &[(&str, &[u8])],
        arrange: impl Fn(&mut Command, u16) -> io::Result<()>,
    ) -> Result<Server, StartError> {
        let mut last = None;
        for _ in 0..STARTS {
            let directory = tempfile::tempdir()?;
            write_files(directory.path(), identity, files)?;
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let mut command = Command::new(self.name);
            command.current_dir(directory.path()).stdin(Stdio::piped());
            command.stdout(fs::File::create(directory.path().join("stdout"))?).stderr(fs::File::create(directory.path().join("stderr"))?);
            arrange(&mut command, port)?;
            let child = command.spawn().map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => StartError::Missing { program: self.name, package: self.package },
                _ => StartError::Io(error),
            })?;
            match (Server { child, port, directory }).wait(self.name) {
                Ok(server) => return Ok(server),
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("it was tried at least once"))
    }
}

fn write_files(directory: &Path, identity: &Identity, files: &[(&str, &[u8])]) -> io::Result<()> {
    fs::write(directory.join("leaf.pem"), identity.leaf_pem())?;
    fs::write(directory.join("intermediates.pem"), identity.intermediates_pem())?;
    fs::write(directory.join("chain.pem"), identity.chain_pem())?;
    fs::write(directory.join("key.pem"), identity.key.serialize_pem())?;
    files.iter().try_for_each(|(name, content)| fs::write(directory.join(name), content))
}

fn nginx_configuration(port: u16, groups: &str, directives: &str) -> String {
    format!(
        "daemon off; master_process off; worker_processes 1; pid nginx.pid; error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} ssl; root .;
    ssl_certificate chain.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.3; ssl_ecdh_curve {groups};
    {directives}
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{KeyKind, Pki};

    fn start(name: &'static str) -> StartError {
        let program = Program { name, package: "its-package" };
        program.start(&Pki::new().localhost(KeyKind::EcdsaP256), &[], |_, _| Ok(())).map(|_| ()).expect_err("it is no server")
    }

    #[test]
    fn a_missing_server_says_what_to_install() {
        let message = start("no-such-server").to_string();
        assert!(message.contains("no-such-server is not installed") && message.contains("apt-get install its-package"), "{message}");
    }

    #[test]
    fn a_program_that_ends_did_not_start() {
        assert!(matches!(start("true"), StartError::Failed { program: "true", .. }));
    }
}
