//! The command `plain-s-client`, as a script would use it.

use crate::cases::PKI;
use cotenant_tls_plain::pki::Pki;
use cotenant_tls_plain::servers::Server;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Home { directory: tempfile::tempdir().expect("a directory") };
        std::fs::write(home.ca(), PKI.0.root_pem()).expect("written");
        home
    }

    fn ca(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plain-s-client"));
        command.args(arguments).current_dir(self.directory.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        // It may refuse its arguments without reading.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        child.wait_with_output().expect("it ends")
    }
}

const REQUEST: &str = "GET /page HTTP/1.0\r\n\r\n";
const PAGE: &[u8] = b"HTTP/1.0 200 OK\r\n\r\nhello\n";

fn serve() -> Server {
    Server::openssl(&PKI.1, &[("page", PAGE)], &["-HTTP"]).unwrap_or_else(|error| panic!("{error}"))
}

fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr.clone()).expect("text");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn a_page_is_fetched() {
    let (home, server) = (Home::new(), serve());
    for groups in ["P-256", "X25519", "P-256:X25519", "x25519:p-256"] {
        let arguments = [&server.address(), "--ca", "ca.pem", "--groups", groups, "--server-name", "localhost"];
        let output = home.run(&arguments, REQUEST);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), PAGE), "{output:?}");
    }
    // The address itself is in the certificate too.
    assert_eq!(home.run(&[&server.address(), "--ca", "ca.pem"], REQUEST).stdout, PAGE);
}

#[test]
fn distrust_is_one_line_and_a_status() {
    let (home, server) = (Home::new(), serve());
    let wrong_name = home.run(&[&server.address(), "--ca", "ca.pem", "--server-name", "example.com"], REQUEST);
    assert!(failure(&wrong_name).contains("not valid for the server's name") && wrong_name.stdout.is_empty());
    std::fs::write(home.ca(), Pki::new().root_pem()).expect("written");
    let wrong_root = home.run(&[&server.address(), "--ca", "ca.pem"], REQUEST);
    assert!(failure(&wrong_root).contains("unknown authority") && wrong_root.stdout.is_empty());
}

#[test]
fn unreachable_servers_missing_and_useless_files() {
    let home = Home::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
    assert!(failure(&home.run(&[&format!("127.0.0.1:{port}")], "")).contains("refused"));
    assert!(failure(&home.run(&["127.0.0.1:1", "--ca", "missing.pem"], "")).contains("missing.pem"));
    std::fs::write(home.ca(), "no certificate").expect("written");
    assert!(failure(&home.run(&["127.0.0.1:1", "--ca", "ca.pem"], "")).contains("no usable trust root"));
}

#[test]
fn a_killed_server_leaves_an_answer_that_is_known_to_be_cut() {
    let (home, listener) = (Home::new(), std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let address = listener.local_addr().expect("an address").to_string();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        let config = crate::rustls_peer::server_config(&PKI.1, &[cotenant_tls::Group::Secp256r1]);
        let mut session = rustls::ServerConnection::new(config.into()).expect("a server");
        rustls::Stream::new(&mut session, &mut socket).write_all(b"half an ans").expect("sent");
    });
    let output = home.run(&[&address, "--ca", "ca.pem"], "");
    server.join().expect("it served");
    assert!(failure(&output).contains("without close_notify"));
    assert_eq!(output.stdout, b"half an ans");
}

#[test]
fn wrong_command_lines() {
    let home = Home::new();
    let cases: [&[&str]; 7] = [
        &[],
        &["localhost"],
        &["a:1", "b:2"],
        &["a:1", "--parties", "2"],
        &["a:1", "--connector", "1"],
        &["a:1", "--ca"],
        &["a:1", "--what"],
    ];
    for arguments in cases {
        let output = home.run(arguments, "");
        assert!(output.status.code() == Some(2) && output.stderr.starts_with(b"plain-s-client: "), "{arguments:?}: {output:?}");
    }
    for arguments in
        [["127.0.0.1:1", "--groups", "P-521"], ["127.0.0.1:1", "--groups", "X25519:X25519"], ["127.0.0.1:1", "--server-name", "a b"]]
    {
        failure(&home.run(&arguments, ""));
    }
    let help = home.run(&["--help"], "");
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("example: "));
}
