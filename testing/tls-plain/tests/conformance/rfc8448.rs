//! The traces of RFC 8448: key schedule, record protection in both directions, transcript with and without HelloRetryRequest.
//!
//! Their client offers more than ours and their server's RSA key has 1024 bits, which no verifier here takes; so the layers below the state
//! machine are driven by hand.

use cotenant_tls::protect::RecordKey;
use cotenant_tls::record::{ContentType, MessageJoiner, Record, RecordReader};
use cotenant_tls::{Group, Hash, ServerShare, TrafficSecret, Transcript, Violation, signed_content};
use cotenant_tls_plain::schedule::{HandshakeStage, MasterStage};
use std::collections::HashMap;

type Trace = HashMap<&'static str, Vec<u8>>;

fn trace(section: &str) -> Trace {
    let text = include_str!("../data/rfc8448/traces.txt");
    let lines = text.lines().skip_while(|line| *line != format!("[{section}]")).skip(1).take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split_once(" = ")).map(|(name, hex)| (name, bytes(hex))).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn record(bytes: &[u8]) -> Record {
    let mut reader = RecordReader::default();
    reader.push(bytes);
    let record = reader.next_record().expect("a good record").expect("a whole one");
    assert!(reader.is_empty());
    record
}

/// The client's private key is the last thing it drew.
fn private_key(trace: &Trace) -> [u8; 32] {
    *trace["Client_RNG_Pool"].last_chunk().expect("more than 32 bytes")
}

/// The server's share, which is the last thing in both traces' ServerHello but for supported_versions.
fn server_share(trace: &Trace, group: Group) -> ServerShare {
    let hello = &trace["Message_ServerHello"];
    let entry = [&group.code().to_be_bytes()[..], &[0, group.share_length() as u8]].concat();
    let start = hello.windows(4).position(|window| window == entry).expect("a share of the group") + 4;
    ServerShare::validate(group, &hello[start..start + group.share_length()]).expect("RFC 8448's share is good")
}

struct Session {
    transcript: Transcript,
    client: TrafficSecret,
    master: MasterStage,
    /// Transcript-Hash through the server's Finished.
    finished: Hash,
}

/// ServerHello to the server's Finished: opens the flight and checks every message, the signed content and the Finished.
fn flight(trace: &Trace, mut transcript: Transcript, shared: &[u8]) -> Session {
    assert_eq!(record(&trace["Record_ServerHello"]).body, trace["Message_ServerHello"]);
    transcript.add(&trace["Message_ServerHello"]);
    let stage = HandshakeStage::new(shared);
    let (client, server) = stage.traffic(&transcript.hash());
    let (kind, content) = RecordKey::new(&server).open(record(&trace["Record_ServerHandshakeMessages"])).expect("the record opens");
    assert_eq!(kind, ContentType::Handshake);
    let mut joiner = MessageJoiner::default();
    joiner.push(&content).unwrap();
    for name in ["Message_EncryptedExtensions", "Message_Server_Certificate", "Message_Server_CertificateVerify", "Message_Server_Finished"]
    {
        let message = joiner.next_message().unwrap().expect(name);
        assert_eq!(message.bytes, trace[name], "{name}");
        match name {
            "Message_Server_CertificateVerify" => assert_eq!(signed_content(&transcript.hash()), trace["Server_MessageToSign"]),
            "Message_Server_Finished" => assert_eq!(message.body(), server.finished(&transcript.hash())),
            _ => (),
        }
        transcript.add(&message.bytes);
    }
    assert!(joiner.is_empty());
    let finished = transcript.hash();
    Session { transcript, client, master: stage.into_master(), finished }
}

fn check_client_finished(trace: &Trace, session: &Session) {
    let message = [&[20, 0, 0, 32][..], &session.client.finished(&session.transcript.hash())].concat();
    assert_eq!(RecordKey::new(&session.client).seal(ContentType::Handshake, &message, 0), trace["Record_ClientFinished"]);
}

#[test]
fn simple_handshake() {
    let trace = trace("Simple_1RTT_Handshake");
    let transcript = Transcript::start(&record(&trace["Record_ClientHello_1"]).body);
    let share = server_share(&trace, Group::X25519);
    let shared = x25519_dalek::x25519(private_key(&trace), *share.x25519().expect("x25519").0);
    let session = flight(&trace, transcript, &shared);
    check_client_finished(&trace, &session);

    let (client, server) = session.master.traffic(&session.finished);
    let (mut sending, mut receiving) = (RecordKey::new(&client), RecordKey::new(&server));
    let (kind, ticket) = receiving.open(record(&trace["Record_NewSessionTicket"])).expect("the ticket opens");
    assert_eq!((kind, ticket[0]), (ContentType::Handshake, 4));
    assert_eq!(sending.seal(ContentType::ApplicationData, &trace["Client_AppData"], 0), trace["Record_Client_AppData"]);
    let data = receiving.open(record(&trace["Record_Server_AppData"]));
    assert_eq!(data, Ok((ContentType::ApplicationData, trace["Server_AppData"].clone())));
    assert_eq!(sending.seal(ContentType::Alert, &[1, 0], 0), trace["Record_Client_CloseNotify"]);
    assert_eq!(receiving.open(record(&trace["Record_Server_CloseNotify"])), Ok((ContentType::Alert, vec![1, 0])));
}

#[test]
fn hello_retry_request() {
    let trace = trace("HelloRetryRequest_Handshake");
    let mut transcript = Transcript::start(&record(&trace["Record_ClientHello_1"]).body).into_retry();
    transcript.add(&record(&trace["Record_HelloRetryRequest"]).body);
    transcript.add(&record(&trace["Record_ClientHello_2"]).body);
    let share = server_share(&trace, Group::Secp256r1);
    let secret = p256::SecretKey::from_slice(&private_key(&trace)).expect("a scalar");
    let shared = p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), share.secp256r1().expect("secp256r1").as_affine());
    let session = flight(&trace, transcript, shared.raw_secret_bytes());
    check_client_finished(&trace, &session);

    let (client, server) = session.master.traffic(&session.finished);
    assert_eq!(RecordKey::new(&client).seal(ContentType::Alert, &[1, 0], 0), trace["Record_Client_CloseNotify"]);
    assert_eq!(RecordKey::new(&server).open(record(&trace["Record_Server_CloseNotify"])), Ok((ContentType::Alert, vec![1, 0])));
}

#[test]
fn without_the_message_hash_the_retry_does_not_open() {
    let trace = trace("HelloRetryRequest_Handshake");
    let mut transcript = Transcript::start(&record(&trace["Record_ClientHello_1"]).body);
    for name in ["Record_HelloRetryRequest", "Record_ClientHello_2", "Record_ServerHello"] {
        transcript.add(&record(&trace[name]).body);
    }
    let share = server_share(&trace, Group::Secp256r1);
    let secret = p256::SecretKey::from_slice(&private_key(&trace)).expect("a scalar");
    let shared = p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), share.secp256r1().expect("secp256r1").as_affine());
    let (_, server) = HandshakeStage::new(shared.raw_secret_bytes()).traffic(&transcript.hash());
    let opened = RecordKey::new(&server).open(record(&trace["Record_ServerHandshakeMessages"]));
    assert_eq!(opened, Err(Violation::BadRecordMac));
}
