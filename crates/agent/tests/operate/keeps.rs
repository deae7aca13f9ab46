//! Answers of which a part stays secret: it goes from the server into the vault, is in nothing that any party is told, and is then sent to a server that
//! knows it.

use crate::{
    calls::{Came, PKI, call, roots},
    seen::{Notes, assert_untold},
    servers::Tcp,
    world::{On, World},
};
use cotenant_agent::{
    answer::Refusal,
    approve::operation::{Body, Call},
    call::CallError,
    operate::{Known, OperateError, Refused, answer, outcome},
    relay::Server as Socket,
    vault::{
        alphabet::Alphabet,
        item::{Kind, Use},
    },
};
use cotenant_tls::Config;
use cotenant_tls_plain::servers::Server;

pub(crate) const TOKEN: &str = "4fT7kQ0mZp2LxV9sYd6Rb8NwGh1JcUe5AiOq3KtM";

const ISSUE: &str = "\
# @keep token in json \"token\" chars alnum len 40
# @save token = api/token for header:authorization@localhost
# @open id in json \"id\" chars [a-z0-9-] len 1..20
# @limit 1536
POST https://localhost/issue
Accept-Encoding: identity

please
";
const USE: &str = "\
# @vault token = api/token
# @open all
# @not-reflected token
GET https://localhost/use
Authorization: Bearer {{token}}
";

/// nginx issues a token in an answer, and lets in who has it.
fn nginx() -> Server {
    let answer = format!("{{\"id\":\"key-7\",\"token\":\"{TOKEN}\",\"more\":\"x\"}}");
    let locations = format!(
        "location = /issue {{ default_type application/json; return 200 '{answer}'; }}
    location = /use {{ if ($http_authorization != \"Bearer {TOKEN}\") {{ return 403; }} default_type text/plain; return 200 welcome; }}"
    );
    Server::nginx(&PKI.1, &[], "X25519:P-256", &locations).unwrap_or_else(|error| panic!("{error}"))
}

/// What all know of the answer: the same.
fn known(call: &Call, came: &[Came]) -> Known {
    let all: Vec<_> = came.iter().map(|came| outcome(&came.done)).collect();
    assert!(all.iter().all(|one| *one == all[0]));
    answer(call, &all[0]).expect("it was answered").expect("it is an answer")
}

impl World {
    /// A call of all members that is answered; what is kept is committed. Also what each was told.
    pub(crate) fn keeps(&mut self, socket: impl Socket, call: &Call) -> (Known, Vec<Notes>) {
        let everyone = self.everyone();
        let (results, notes) = self.call_to(socket, &everyone, call, &Config::new(roots()), |_, _| ());
        let came: Vec<Came> = results.into_iter().map(|result| result.unwrap_or_else(|error| panic!("{error}"))).collect();
        let made: Vec<_> = came.iter().filter_map(|came| came.made.as_ref().map(|made| made.after().clone())).collect();
        if let Some(after) = made.first() {
            assert!(made.len() == everyone.len() && made.iter().all(|other| other == after), "all have the same manifest");
            self.commit(after.clone());
        }
        (known(call, &came), notes)
    }

    /// A call whose answer is opened: status and content.
    pub(crate) fn opens(&mut self, socket: impl Socket, call: &Call) -> (u16, Vec<u8>) {
        match self.keeps(socket, call).0 {
            Known::Whole(response) => (response.status, response.body),
            Known::Part { .. } => panic!("it was to be opened whole"),
        }
    }
}

fn issued_and_used(mut world: World) {
    let server = nginx();
    let (issue, usage) = (call(ISSUE, &[]), call(USE, &[]));
    // A token that all draw opens nothing.
    let item = world.item("api/token", Kind::Text(Alphabet::ALPHANUMERIC), 40, vec![header_of("localhost")]);
    world.save(Body::Gen(item), None);
    assert_eq!(world.opens(Tcp::new(server.address()), &usage).0, 403);

    let (Known::Part { status, values }, notes) = world.keeps(Tcp::new(server.address()), &issue) else { panic!("it was read in part") };
    assert_untold("the token is issued", TOKEN, &notes);
    println!(
        "opened to all: status {status}, {}",
        values.iter().map(|(name, v)| format!("{name}={}", v.escape_ascii())).collect::<String>()
    );
    assert_eq!((status, values), (200, vec![("id".to_owned(), b"key-7".to_vec())]));
    let entry = world.manifest.get("api/token").expect("it is an item").clone();
    assert_eq!((entry.item.version, entry.item.len, entry.item.uses.clone()), (2, 40, vec![header_of("localhost")]));

    let (Known::Whole(response), notes) = world.keeps(Tcp::new(server.address()), &usage) else { panic!("it was opened") };
    assert_untold("the token is used", TOKEN, &notes);
    assert_eq!((response.status, &response.body[..]), (200, &b"welcome"[..]));
    let quorum: Vec<usize> = (0..world.threshold).collect();
    assert_eq!(world.read(&quorum, "api/token"), TOKEN.as_bytes());
}

fn header_of(host: &str) -> Use {
    Use::Header { name: "authorization".into(), host: host.into() }
}

#[test]
fn a_token_in_an_answer_is_kept_and_then_used() {
    for (t, n) in [(2, 2), (3, 3), (2, 3)] {
        issued_and_used(World::new(On::Ideal, t, n));
    }
}

#[test]
fn two_parties_keep_a_token_on_the_real_engine() {
    issued_and_used(World::new(On::Real, 2, 2));
}

/// What is kept is saved by all members or by none.
#[test]
fn a_quorum_keeps_nothing() {
    let world = World::new(On::Ideal, 2, 3);
    let operation = world.operation(&[0, 1], Body::Call(call(ISSUE, &[])));
    assert!(matches!(world.task(operation).err(), Some(Refused::Operation(_))));
}

/// An answer that fits, of an error: what it says is no secret that the server has issued. Unless the text has that status.
#[test]
fn an_answer_of_another_status_is_not_kept() {
    let body = format!("{{\"id\":\"key-7\",\"token\":\"{TOKEN}\"}}");
    let locations = format!("location = /issue {{ default_type application/json; return 400 '{body}'; }}");
    let server = Server::nginx(&PKI.1, &[], "X25519:P-256", &locations).unwrap_or_else(|error| panic!("{error}"));
    let mut world = World::new(On::Ideal, 2, 2);
    let (results, notes) = world.call_to(Tcp::new(server.address()), &[0, 1], &call(ISSUE, &[]), &Config::new(roots()), |_, _| ());
    for (result, notes) in results.into_iter().zip(notes) {
        let Err(OperateError::Call(CallError::MayHaveBeenSent(error))) = result else { panic!("it was read") };
        assert!(matches!(*error, CallError::Refused(Refusal::Policy { status: 400 })) && !notes.have(b"key-7"), "{error}");
    }
    let said = call(&ISSUE.replace("# @open", "# @status 400\n# @open"), &[]);
    let (Known::Part { status, values }, _) = world.keeps(Tcp::new(server.address()), &said) else { panic!("it was read in part") };
    assert_eq!((status, values.len()), (400, 1));
    assert_eq!(world.read(&[0, 1], "api/token"), TOKEN.as_bytes());
}

/// What was opened is stored before anything is saved: if one cannot store it, nobody has a share.
#[test]
fn what_one_cannot_store_nobody_saves() {
    let locations =
        format!("location = /issue {{ default_type application/json; return 200 '{{\"id\":\"key-7\",\"token\":\"{TOKEN}\"}}'; }}");
    let server = Server::nginx(&PKI.1, &[], "X25519:P-256", &locations).unwrap_or_else(|error| panic!("{error}"));
    let mut world = World::new(On::Ideal, 2, 2);
    world.forgets = Some(1);
    let (results, notes) = world.call_to(Tcp::new(server.address()), &[0, 1], &call(ISSUE, &[]), &Config::new(roots()), |_, _| ());
    assert!(notes.iter().all(|notes| notes.have(b"key-7")), "all were told");
    let errors: Vec<OperateError> = results.into_iter().filter_map(Result::err).collect();
    assert!(matches!(&errors[..], [_, OperateError::Call(CallError::MayHaveBeenSent(error))] if matches!(**error, CallError::Unstored)));
    assert!(world.disks.iter().all(|disk| disk.borrow().is_empty()));
}

/// A key that no signature can take is not asked for.
#[test]
fn what_can_never_be_used_is_not_kept() {
    let world = World::new(On::Ideal, 2, 2);
    let issue = |len: usize| {
        let text = ISSUE.replace("len 40", &format!("len {len}")).replace("header:authorization@", "sigv4:eu-west-1/s3@");
        world.task(world.operation(&[0, 1], Body::Call(call(&text, &[])))).map(drop)
    };
    assert!(issue(60).is_ok());
    assert!(matches!(issue(61), Err(Refused::KeyLength { len: 61, .. })));
}
