//! Answers that are nearly what a policy says, from a server that is not ours: nothing is opened but that they are not, with status and lengths, nothing is
//! saved, and what the server meant to keep secret is in nothing that any party was told. Each line of a table is an answer; what each party was told of it is
//! printed.

use crate::{
    calls::{Came, PKI, call, roots},
    keeps::TOKEN,
    seen::{Notes, assert_untold},
    servers::Tcp,
    world::{On, World},
};
use cotenant_agent::{
    answer::Refusal,
    call::CallError,
    operate::OperateError,
    redact::framing::FramingError,
    relay::{Patience, Server as Socket, ServerFault},
};
use cotenant_core::PartyId;
use cotenant_tls::{Config, Error, Fault, Violation};
use cotenant_tls_plain::servers::Server;
use std::{
    io::Write,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

/// A token in JSON, and two values beside it that are opened.
const JSON: &str = "\
# @keep token in json \"token\" chars alnum len 40
# @save token = api/token for header:authorization@localhost
# @open id in json \"id\" chars [a-z0-9-] len 1..20
# @open note in json \"note\" chars [A-Za-z0-9.\\-] len 1..60
# @limit 2048
GET https://localhost/{{answer}}
Accept-Encoding: identity
";
/// A cookie.
const COOKIE: &str = "\
# @keep token in header \"Set-Cookie: sid=\" chars alnum len 40 \";\"
# @save token = api/token for header:cookie@localhost
# @limit 2048
GET https://localhost/{{answer}}
";
/// What a caller plants in place of the token.
const PLANTED: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// What the server puts into a record.
const FRAGMENT: usize = 512;

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Becomes {
    /// It is what the policy says: this becomes the item.
    Kept(&'static str),
    /// It is not.
    Refused(Refusal),
    /// It is not even held.
    TooLong,
}

use Becomes::{Kept, Refused, TooLong};

const POLICY: Becomes = Refused(Refusal::Policy { status: 200 });
const HEAD: Becomes = Refused(Refusal::Framing(FramingError::Head));
const END: Becomes = Refused(Refusal::Framing(FramingError::End));
const CHUNK: Becomes = Refused(Refusal::Framing(FramingError::Chunk));

/// What it is, the call that asks for it, the bytes that the server sends, and what becomes of them.
type Case = (&'static str, &'static str, Vec<u8>, Becomes);

/// Two fields, and something more.
fn fields(more: &str) -> String {
    format!("{{\"id\":\"key-7\",\"note\":\"n\",{more}}}")
}

fn token(value: &str) -> String {
    format!("\"token\":\"{value}\"")
}

/// An answer with a length.
fn sized(headers: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n", content.len()).as_bytes(), content].concat()
}

fn json(more: &str) -> Vec<u8> {
    sized("Content-Type: application/json\r\n", fields(more))
}

/// An answer in chunks that end at these places of its content.
fn chunked(content: &str, ends: &[usize]) -> Vec<u8> {
    let mut answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let mut from = 0;
    for &end in ends.iter().chain([&content.len()]) {
        answer += &format!("{:x}\r\n{}\r\n", end - from, &content[from..end]);
        from = end;
    }
    (answer + "0\r\n\r\n").into_bytes()
}

fn gzip(content: &str) -> Vec<u8> {
    let mut child = Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip is installed");
    child.stdin.take().expect("a pipe").write_all(content.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends").stdout
}

/// A field, with filler before it so that a record ends inside its value.
fn over_two_records() -> Vec<u8> {
    let before = |filler: usize| format!("\"more\":\"{}\",", "x".repeat(filler));
    let at = |answer: &[u8]| String::from_utf8_lossy(answer).find(TOKEN).expect("it is there");
    let short = at(&json(&(before(0) + &token(TOKEN))));
    // Lengths of three digits in all of them.
    let answer = json(&(before(FRAGMENT - 20 - short - 1) + &token(TOKEN)));
    assert!((FRAGMENT - 30..FRAGMENT - 10).contains(&at(&answer)));
    answer
}

fn contents() -> Vec<Case> {
    let good = fields(&token(TOKEN));
    let (begin, middle) = (good.find("token").expect("it is there"), good.find(TOKEN).expect("it is there"));
    let [escaped, space, capital] = ["\"\\u0074oken\":\"", "\"token\": \"", "\"Token\":\""].map(|name| format!("{name}{TOKEN}\""));
    let unicode = json(&token(&TOKEN.replace("Q0", "Q\u{e9}")));
    let mut not_utf8 = json(&token(TOKEN));
    let at = not_utf8.windows(4).position(|four| four == &TOKEN.as_bytes()[..4]).expect("it is there");
    not_utf8[at + 5] = 0xff;
    let renamed = format!("\"secret\":\"{TOKEN}\"");
    let unquoted = format!("\"was\":\"\\\"token\\\":\\\"{PLANTED}\\\"\",{renamed}");
    vec![
        ("what the policy says", JSON, json(&token(TOKEN)), Kept(TOKEN)),
        ("no prefix", JSON, json(&format!("\"tokens\":\"{TOKEN}\"")), POLICY),
        ("the prefix twice", JSON, json(&format!("{},{}", token(TOKEN), token(PLANTED))), POLICY),
        ("the prefix twice, the second with nothing behind it", JSON, json(&format!("{},\"token\":\"", token(TOKEN))), POLICY),
        ("a space behind the colon", JSON, json(&space), POLICY),
        ("an escape in the name", JSON, json(&escaped), POLICY),
        ("a capital in the name", JSON, json(&capital), POLICY),
        ("an escape in the value", JSON, json(&token(&format!("\\u0034{}", &TOKEN[1..]))), POLICY),
        ("the field renamed, and reflected text that is escaped", JSON, json(&unquoted), POLICY),
        // What a caller plants is all that it gets: the server's secret stays where it is.
        ("the field renamed, and reflected text as it is", JSON, json(&format!("{},{renamed}", token(PLANTED))), Kept(PLANTED)),
        ("a longer value", JSON, json(&token(&format!("{TOKEN}x"))), POLICY),
        ("a shorter value", JSON, json(&token(&TOKEN[..39])), POLICY),
        ("another character", JSON, json(&token(&TOKEN.replace('Q', "-"))), POLICY),
        ("a terminator inside", JSON, json(&token(&format!("{}\"{}", &TOKEN[..20], &TOKEN[20..]))), POLICY),
        ("an escaped terminator inside", JSON, json(&token(&format!("{}\\\"{}", &TOKEN[..19], &TOKEN[20..]))), POLICY),
        (
            "the value again in what is opened",
            JSON,
            sized("", format!("{{\"id\":\"key-7\",\"note\":\"see-{TOKEN}\",{}}}", token(TOKEN))),
            POLICY,
        ),
        ("the value again in what is not", JSON, json(&format!("\"link\":\"/?t={TOKEN}\",{}", token(TOKEN))), Kept(TOKEN)),
        ("letters beyond ASCII", JSON, unicode, POLICY),
        ("no UTF-8", JSON, not_utf8, POLICY),
        ("over two records", JSON, over_two_records(), Kept(TOKEN)),
        ("over two chunks", JSON, chunked(&good, &[middle + 15]), Kept(TOKEN)),
        ("a prefix over two chunks", JSON, chunked(&good, &[begin + 2, middle]), Kept(TOKEN)),
        ("what looks like a chunk inside the value", JSON, json(&token(&format!("{}\r\n4\r\n{}", &TOKEN[..20], &TOKEN[20..]))), POLICY),
        ("compressed all the same", JSON, sized("Content-Encoding: gzip\r\n", gzip(&good)), POLICY),
    ]
}

fn framings() -> Vec<Case> {
    let good = json(&token(TOKEN));
    let error = format!("{{\"error\":\"what is GET /c1 HTTP/1.1, Host: localhost, Accept-Encoding: identity?\",\"session\":\"{TOKEN}\"}}");
    let error = String::from_utf8(sized("", error)).expect("text").replace("200 OK", "400 Bad Request");
    let chunks = chunked(&fields(&token(TOKEN)), &[10]);
    vec![
        ("an error page with the request", JSON, error.into_bytes(), Refused(Refusal::Policy { status: 400 })),
        ("a head that is too long", JSON, sized(&format!("X: {}\r\n", "x".repeat(1100)), fields(&token(TOKEN))), HEAD),
        ("a header that is no text", JSON, sized("X: \u{e9}\r\n", fields(&token(TOKEN))), HEAD),
        ("two lengths", JSON, sized("Content-Length: 2\r\n", fields(&token(TOKEN))), HEAD),
        ("cut short", JSON, good[..good.len() - 1].to_vec(), END),
        ("cut in the token", JSON, good[..good.len() - 22].to_vec(), END),
        ("a byte too many", JSON, [&good[..], b"\n"].concat(), END),
        ("another answer behind it", JSON, [&good[..], &good].concat(), END),
        ("cut in the last chunk's line", JSON, chunks[..chunks.len() - 3].to_vec(), CHUNK),
        ("cut before the last chunk", JSON, chunks[..chunks.len() - 5].to_vec(), CHUNK),
        ("cut in a chunk", JSON, chunks[..chunks.len() - 20].to_vec(), END),
        ("a megabyte of headers", JSON, sized(&format!("X: {}\r\n", "x".repeat(999)).repeat(1000), fields(&token(TOKEN))), TooLong),
    ]
}

fn headers() -> Vec<Case> {
    let cookie = |name: &str, value: &str| sized(&format!("{name}{value}; Path=/\r\n"), "");
    vec![
        ("a cookie as the policy says", COOKIE, cookie("Set-Cookie: sid=", TOKEN), Kept(TOKEN)),
        ("a header's name in other letters", COOKIE, cookie("set-COOKIE: sid=", TOKEN), Kept(TOKEN)),
        ("a cookie's name in other letters", COOKIE, cookie("Set-Cookie: SID=", TOKEN), POLICY),
        ("no space behind the colon", COOKIE, cookie("Set-Cookie:sid=", TOKEN), POLICY),
        ("two spaces behind the colon", COOKIE, cookie("Set-Cookie:  sid=", TOKEN), POLICY),
        ("two cookies", COOKIE, cookie("Set-Cookie: sid=x\r\nSet-Cookie: sid=", TOKEN), POLICY),
        ("in another header", COOKIE, cookie("X: Set-Cookie: sid=", TOKEN), POLICY),
        ("in the content", COOKIE, sized("", format!("\r\nSet-Cookie: sid={TOKEN};")), POLICY),
        ("a folded line", COOKIE, cookie("Set-Cookie:\r\n sid=", TOKEN), HEAD),
    ]
}

/// OpenSSL with these answers, as `c0` and so on.
fn server(cases: &[Case]) -> Server {
    let names: Vec<String> = (0..cases.len()).map(|k| format!("c{k}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(cases.iter().map(|case| &case.2[..])).collect();
    let arguments = ["-HTTP", "-num_tickets", "0", "-max_send_frag", &FRAGMENT.to_string()];
    Server::openssl(&PKI.1, &files, &arguments).unwrap_or_else(|error| panic!("{error}"))
}

/// What became of a call, the same at all, and what each was told. The vault is as it was unless something was kept.
fn made(world: &mut World, socket: impl Socket, flow: &str, number: usize) -> (Result<Vec<u8>, CallError>, Vec<Notes>) {
    let (before, everyone) = (world.manifest.clone(), world.everyone());
    let request = call(flow, &[("answer", &format!("c{number}"))]);
    let (mut results, notes) = world.call_to(socket, &everyone, &request, &Config::new(roots()), |_, _| ());
    let said = |result: &Result<Came, OperateError>| result.as_ref().err().map(ToString::to_string);
    assert!(results.iter().all(|result| said(result) == said(&results[0])), "{:?}", results.iter().map(said).collect::<Vec<_>>());
    match results.remove(0) {
        Ok(came) => {
            world.commit(came.made.expect("something is kept").after().clone());
            (Ok(world.read(&everyone, "api/token")), notes)
        }
        Err(OperateError::Call(CallError::MayHaveBeenSent(error))) => {
            assert!(world.manifest == before && world.disks.iter().all(|disk| disk.borrow().is_empty()));
            (Err(*error), notes)
        }
        Err(other) => panic!("{other}"),
    }
}

fn try_all(on: On, n: usize, cases: &[Case]) {
    let server = server(cases);
    for (number, (what, flow, _, wanted)) in cases.iter().enumerate() {
        let (came, notes) = made(&mut World::new(on, n, n), Tcp::new(server.address()), flow, number);
        assert_untold(what, TOKEN, &notes);
        let told = |text: &str| notes.iter().any(|notes| notes.have(text.as_bytes()));
        match (wanted, came) {
            (Kept(wanted), Ok(kept)) => assert!(kept == wanted.as_bytes() && told("key-7") == (*flow == JSON), "{what}"),
            (Refused(wanted), Err(CallError::Refused(refusal))) => {
                assert!(refusal == *wanted && !told("key-7") && !told("see-"), "{what}: {refusal}");
                let bit = notes.iter().all(|notes| notes.sizes().last() == Some(&1));
                // Of another status it is not even asked.
                assert!(bit || !matches!(wanted, Refusal::Policy { status: 200 }), "{what}: that it does not fit is the last that is told");
            }
            (TooLong, Err(CallError::Tls(Error::Server(Fault::Violation(Violation::AnswerTooLong))))) => {}
            (wanted, came) => panic!("{what} was to become {wanted:?}, and is {:?}", came.map_err(|error| error.to_string())),
        }
    }
}

#[test]
fn contents_that_are_nearly_as_the_policy_says() {
    try_all(On::Ideal, 2, &contents());
}

#[test]
fn answers_that_are_cut_or_framed_otherwise() {
    try_all(On::Ideal, 2, &framings());
}

#[test]
fn headers_that_are_nearly_as_the_policy_says() {
    try_all(On::Ideal, 3, &headers());
}

#[test]
fn a_sample_on_the_real_engine() {
    let sample = ["the prefix twice", "the value again in what is opened"];
    let cases: Vec<Case> = contents().into_iter().filter(|case| sample.contains(&case.0)).collect();
    assert_eq!(cases.len(), sample.len());
    try_all(On::Real, 2, &cases);
}

/// A connector that keeps an answer back, and gives it for the answer to a later call, which it reads whole.
struct Withholding {
    socket: Tcp,
    kept: Arc<Mutex<Vec<u8>>>,
    gives: bool,
}

impl Socket for Withholding {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        self.socket.connect().await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        self.socket.send(bytes).await
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        if patience == Patience::Handshake {
            return self.socket.recv(patience).await;
        }
        if self.gives {
            return Ok(std::mem::take(&mut self.kept.lock().expect("nobody panics")));
        }
        loop {
            let bytes = self.socket.recv(patience).await?;
            if bytes.is_empty() {
                return Ok(bytes);
            }
            self.kept.lock().expect("nobody panics").extend(bytes);
        }
    }
}

#[test]
fn an_answer_that_was_kept_back_is_not_opened_by_the_next_call() {
    let server = server(&contents()[..1]);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let socket = |gives| Withholding { socket: Tcp::new(server.address()), kept: kept.clone(), gives };
    let mut world = World::new(On::Ideal, 2, 2);
    let (came, notes) = made(&mut world, socket(false), JSON, 0);
    assert_untold("kept back", TOKEN, &notes);
    assert!(matches!(came, Err(CallError::NoAnswer(party)) if party == PartyId::new(1)));
    assert!(kept.lock().expect("nobody panics").len() > TOKEN.len());

    let (came, notes) = made(&mut world, socket(true), "# @open all\nGET https://localhost/{{answer}}\n", 0);
    assert_untold("given later", TOKEN, &notes);
    let other_keys = Fault::Violation(Violation::BadRecordMac);
    assert!(matches!(came, Err(CallError::Tls(Error::Server(found))) if found == other_keys));
    assert!(kept.lock().expect("nobody panics").is_empty(), "it was given");
}
