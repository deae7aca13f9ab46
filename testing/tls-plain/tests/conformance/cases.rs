//! Scripted servers as test cases: honest but for one message, one record, or another answer.

use crate::memory::{Failed, Server, config, exchange, target};
use cotenant_tls::record::ContentType::{self, Alert, ApplicationData, Handshake};
use cotenant_tls::{Answer, Config, Group, KeyOps, Violation};
use cotenant_tls_plain::PlainKeys;
use cotenant_tls_plain::pki::{Identity, KeyKind, Pki};
use cotenant_tls_plain::scripted::{Level, Outgoing, Script, Scripted, Stage, extension, handshake, vector};
use std::sync::LazyLock;

pub(crate) static PKI: LazyLock<(Pki, Identity)> = LazyLock::new(|| {
    let pki = Pki::new();
    let identity = pki.localhost(KeyKind::EcdsaP256);
    (pki, identity)
});

pub(crate) type Shape = Box<dyn FnMut(&mut Vec<Outgoing>)>;

/// A scripted server with its records shaped, and an answer.
pub(crate) struct Case {
    pub(crate) script: Script,
    pub(crate) shape: Shape,
    pub(crate) answer: Vec<Outgoing>,
    pub(crate) groups: Vec<Group>,
    /// Whether the client says that it has no certificate when it is asked for one.
    pub(crate) empty_certificate: bool,
}

impl Default for Case {
    fn default() -> Self {
        let answer = vec![Outgoing::application(ApplicationData, b"answer"), Outgoing::application(Alert, &[1, 0])];
        Case {
            script: Script::default(),
            shape: Box::new(|_| ()),
            answer,
            groups: vec![Group::Secp256r1, Group::X25519],
            empty_certificate: true,
        }
    }
}

struct Peer<'a> {
    server: Scripted<'a>,
    shape: Shape,
    answer: Vec<Outgoing>,
    hellos: usize,
}

impl Server for Peer<'_> {
    fn feed(&mut self, input: &[u8]) -> Vec<u8> {
        if input.is_empty() {
            return vec![];
        }
        if self.hellos == 0 {
            return self.server.encode(&std::mem::take(&mut self.answer));
        }
        self.hellos -= 1;
        let mut flight = self.server.hello(input);
        if self.hellos == 0 {
            (self.shape)(&mut flight);
        }
        self.server.encode(&flight)
    }
}

impl Case {
    pub(crate) fn run_as(self, identity: &Identity, config: Config, name: &str) -> Result<Answer, Failed> {
        self.run_with(PlainKeys::from_seed([3; 32]), identity, config, name)
    }

    pub(crate) fn run_with<K: KeyOps>(self, keys: K, identity: &Identity, config: Config, name: &str) -> Result<Answer, Failed<K::Error>> {
        let empty = self.empty_certificate;
        let (mut peer, groups) = self.peer(identity);
        let config = config.with_empty_certificate(empty).with_groups(groups).expect("groups are listed once");
        exchange(keys, config, target(name), &mut peer, b"request")
    }

    fn peer(self, identity: &Identity) -> (Peer<'_>, Vec<Group>) {
        let hellos = 1 + usize::from(self.script.retry.is_some());
        (Peer { server: Scripted::new(identity, self.script), shape: self.shape, answer: self.answer, hellos }, self.groups)
    }

    /// The broken rule and the alert that the client sent for it, as the server reads it.
    pub(crate) fn refused(self) -> (Violation, Option<u8>) {
        let empty = self.empty_certificate;
        let (mut peer, groups) = self.peer(&PKI.1);
        let config = config(&PKI.0).with_empty_certificate(empty).with_groups(groups).expect("groups are listed once");
        let run = exchange(PlainKeys::from_seed([3; 32]), config, target("localhost"), &mut peer, b"request");
        let failed = run.expect_err("a rule is broken");
        (failed.violation(), peer.server.alert(&failed.output))
    }

    pub(crate) fn run(self) -> Result<Answer, Failed> {
        self.run_as(&PKI.1, config(&PKI.0), "localhost")
    }
}

/// Changes one message.
pub(crate) fn edited(at: Stage, mut change: impl FnMut(&mut Vec<u8>) + Send + 'static) -> Case {
    let edit = move |stage: Stage, message: &mut Vec<u8>| {
        if stage == at {
            change(message);
        }
    };
    Case { script: Script { edit: Box::new(edit), ..Script::default() }, ..Case::default() }
}

pub(crate) fn replaced(at: Stage, kind: u8, body: Vec<u8>) -> Case {
    let mut case = edited(at, move |message| *message = handshake(kind, &body));
    case.script.request_certificate = at == Stage::CertificateRequest;
    case
}

pub(crate) fn byte(at: Stage, position: usize, value: u8) -> Case {
    edited(at, move |message| message[position] = value)
}

/// Gives the ServerHello these extensions instead of its own, which are handed in: the version, and the key share.
pub(crate) fn hello_extensions(choose: impl Fn(&[u8], &[u8]) -> Vec<u8> + Send + 'static) -> Case {
    edited(Stage::ServerHello, move |message| {
        let extensions = choose(&message[76..82], &message[82..]);
        *message = handshake(2, &[&message[4..74], &vector(2, &extensions)].concat());
    })
}

pub(crate) fn encrypted_extensions(list: Vec<u8>) -> Case {
    replaced(Stage::EncryptedExtensions, 8, vector(2, &list))
}

pub(crate) fn shaped(shape: impl FnMut(&mut Vec<Outgoing>) + 'static) -> Case {
    Case { shape: Box::new(shape), ..Case::default() }
}

/// Puts something in front of the record with this number: 0 is ServerHello's, 1 EncryptedExtensions'.
pub(crate) fn inserted(position: usize, what: Outgoing) -> Case {
    shaped(move |flight| flight.insert(position, what.clone()))
}

pub(crate) fn raw(bytes: &[u8]) -> Outgoing {
    Outgoing::Raw(bytes.to_vec())
}

pub(crate) fn plain(kind: ContentType, content: &[u8]) -> Outgoing {
    Outgoing::Record(Level::Plain, kind, content.to_vec(), 0)
}

pub(crate) fn answered(answer: Vec<Outgoing>) -> Case {
    Case { answer, ..Case::default() }
}

pub(crate) fn post(message: &[u8]) -> Case {
    answered(vec![Outgoing::application(Handshake, message), Outgoing::application(Alert, &[1, 0])])
}

pub(crate) fn retried(group: Option<Group>, cookie: Option<Vec<u8>>) -> Case {
    Case { script: Script { retry: Some((group, cookie)), ..Script::default() }, ..Case::default() }
}

pub(crate) fn x25519_share(share: Vec<u8>) -> Case {
    let mut case = hello_extensions(move |version, _| [version, &extension(51, &[&[0, 0x1d][..], &vector(2, &share)].concat())].concat());
    case.groups = vec![Group::X25519];
    case
}

pub(crate) fn split_message(between: Outgoing) -> Case {
    shaped(move |flight| {
        let Outgoing::Record(level, kind, content, _) = flight[1].clone() else { unreachable!("a record") };
        let halves = [&content[..3], &content[3..]].map(|half| Outgoing::Record(level, kind, half.to_vec(), 0));
        let [first, second] = halves;
        flight.splice(1..2, [first, between.clone(), second]);
    })
}

pub(crate) fn joined_to(record: usize, bytes: &'static [u8]) -> Case {
    shaped(move |flight| {
        if let Outgoing::Record(_, _, content, _) = &mut flight[record] {
            content.extend(bytes);
        }
    })
}

impl Case {
    pub(crate) fn offering(mut self, group: Group) -> Self {
        self.groups = vec![group];
        self
    }
}

pub(crate) fn certificate_request() -> Vec<u8> {
    [vec![0], vector(2, &extension(13, &[0, 2, 4, 3]))].concat()
}
