//! An access key from moto, which stands for IAM: it goes into the vault unseen, and then signs requests that moto checks. It needs `moto_server` of PyPI's
//! `moto[server]`, so it is not among the tests of every change: `just moto`.

use crate::{
    calls::{PKI, call, sigv4},
    seen::assert_untold,
    servers::Tcp,
    world::{On, World},
};
use cotenant_agent::{
    approve::operation::Body,
    operate::Known,
    relay::{Patience, Server, ServerFault},
    vault::{alphabet::Alphabet, item::Kind},
};
use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// Requests that it does not check: those that make the user and the key.
const UNCHECKED: &str = "3";
/// It finds the service by this.
const UNSIGNED: &str = "\
Authorization: AWS4-HMAC-SHA256 Credential=none/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0
Content-Type: application/x-www-form-urlencoded
";
const ALL: &str = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22%2A%22%2C%22Resource%22%3A%22%2A%22%7D%5D%7D";

/// A running moto.
struct Moto {
    child: Child,
    address: String,
    _directory: tempfile::TempDir,
}

impl Moto {
    fn start() -> Moto {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("chain.pem"), PKI.1.chain_pem()).expect("a file");
        fs::write(path("key.pem"), PKI.1.key.serialize_pem()).expect("a file");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let child = Command::new("moto_server")
            .args(["-H", "127.0.0.1", "-p", &port.to_string(), "-s", "-c", "chain.pem", "-k", "key.pem"])
            .current_dir(directory.path())
            .env("INITIAL_NO_AUTH_ACTION_COUNT", UNCHECKED)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server is installed (pip install 'moto[server]')");
        let address = format!("127.0.0.1:{port}");
        let moto = Moto { child, address, _directory: directory };
        let listens = (0..600).any(|_| {
            thread::sleep(Duration::from_millis(100));
            TcpStream::connect(&moto.address).is_ok()
        });
        assert!(listens, "moto does not listen");
        moto
    }

    fn socket(&self) -> Patient {
        Patient(Tcp::new(self.address.clone()))
    }
}

/// It answers when it is ready, and takes a half of TCP that is closed before for an error.
struct Patient(Tcp);

impl Server for Patient {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        self.0.connect().await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        self.0.send(bytes).await
    }

    async fn recv(&mut self, _: Patience) -> Result<Vec<u8>, ServerFault> {
        self.0.recv(Patience::Handshake).await
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unchecked(directives: &str, body: &str) -> String {
    format!("{directives}POST https://localhost/\n{UNSIGNED}\n{body}&Version=2010-05-08\n")
}

fn created_and_used(on: On) {
    let moto = Moto::start();
    let mut world = World::new(on, 2, 2);
    let user = unchecked("# @open all\n", "Action=CreateUser&UserName=backup");
    assert_eq!(world.opens(moto.socket(), &call(&user, &[])).0, 200);
    let policy = unchecked("# @open all\n", &format!("Action=PutUserPolicy&UserName=backup&PolicyName=all&PolicyDocument={ALL}"));
    assert_eq!(world.opens(moto.socket(), &call(&policy, &[])).0, 200);

    let key = "\
# @keep secret in xml \"SecretAccessKey\" chars [A-Za-z0-9+/] len 40
# @save secret = iam/key for sigv4:us-east-1/iam@localhost
# @open id in xml \"AccessKeyId\" chars alnum len 16..128
# @limit 2560
";
    let (known, notes) = world.keeps(moto.socket(), &call(&unchecked(key, "Action=CreateAccessKey&UserName=backup"), &[]));
    let Known::Part { status: 200, values } = known else { panic!("{known:?}") };
    let [(name, id)] = &values[..] else { panic!("{values:?}") };
    let id = std::str::from_utf8(id).expect("characters").to_owned();
    println!("opened to all: {name}={id}");

    let list = "\
# @sign aws-sigv4 service=iam region=us-east-1 key={{key}} access-key-id={{id}}
# @open all
POST https://localhost/
Content-Type: application/x-www-form-urlencoded

Action=ListAccessKeys&UserName=backup&Version=2010-05-08
";
    let list = |item: &str| call(&list.replace("{{key}}", item), &[("id", &id)]);
    let (known, later) = world.keeps(moto.socket(), &list("iam/key"));
    let Known::Whole(response) = known else { panic!("it is opened") };
    let body = String::from_utf8_lossy(&response.body).into_owned();
    assert!(response.status == 200 && body.contains(&id), "{} {body}", response.status);

    // Another key under the same id is refused, so the signature was looked at.
    let other = world.item("other", Kind::Text(Alphabet::BASE64), 40, vec![sigv4("iam", "us-east-1", "localhost")]);
    world.save(Body::Gen(other), None);
    assert_eq!(world.opens(moto.socket(), &list("other")).0, 403);

    let secret = String::from_utf8(world.read(&[0, 1], "iam/key")).expect("characters");
    assert_untold("the key is made", &secret, &notes);
    assert_untold("the key signs", &secret, &later);
}

#[test]
#[ignore = "needs moto_server: just moto"]
fn an_access_key_of_moto_is_kept_and_signs() {
    created_and_used(On::Ideal);
}

#[test]
#[ignore = "needs moto_server: just moto"]
fn an_access_key_of_moto_is_kept_and_signs_on_the_real_engine() {
    created_and_used(On::Real);
}
