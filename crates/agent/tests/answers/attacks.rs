//! What a connector does to the records: before they are held, where every change is found before a type or a byte is seen; and what it
//! could do afterwards, which is why records are read once.

use crate::oracle::{Oracle, ServerKey, Told};
use crate::servers::{ID, POLICY, SECRET, assert_untold, response, rules};
use cotenant_agent::answer::{Refusal, TagKeys};
use cotenant_agent::redact::framing::FramingError;
use cotenant_tls::TrafficSecret;
use cotenant_tls::protect::{RecordKey, TAG};
use cotenant_tls::record::{ContentType, Record, RecordReader};

/// What a server says: content type, content, zeros.
type Said<'a> = (ContentType, &'a [u8], usize);

const CLOSE: Said = (ContentType::Alert, &[1, 0], 0);

fn secret() -> TrafficSecret {
    TrafficSecret::new([7; 32])
}

fn server_key() -> ServerKey {
    let (key, iv) = secret().key_and_iv();
    ServerKey { key: *key, iv }
}

/// The records that say this.
fn sealed(said: &[Said]) -> Vec<Record> {
    let (mut key, mut reader) = (RecordKey::new(&secret()), RecordReader::default());
    said.iter().for_each(|(kind, content, zeros)| reader.push(&key.seal(*kind, content, *zeros)));
    std::iter::from_fn(|| reader.next_record().expect("records")).collect()
}

fn handshake(content: &[u8]) -> Said<'_> {
    (ContentType::Handshake, content, 0)
}

fn alert(content: &[u8]) -> Said<'_> {
    (ContentType::Alert, content, 0)
}

/// What comes of records, and what was told.
fn outcome(records: Vec<Record>) -> (Option<Refusal>, Vec<Told>) {
    let mut oracle = Oracle::new(server_key(), &rules(POLICY), &records);
    let outcome = oracle.read(records, false);
    assert_untold(&oracle.told);
    (outcome.err(), oracle.told)
}

fn two_records(response: &str) -> [Said<'_>; 3] {
    let (first, second) = response.as_bytes().split_at(400);
    [(ContentType::ApplicationData, first, 0), (ContentType::ApplicationData, second, 100), CLOSE]
}

#[test]
fn changed_dropped_repeated_and_swapped_records_show_nothing() {
    let response = response();
    let good = sealed(&two_records(&response));
    assert_eq!(outcome(good.clone()).0, None);
    let nothing = |records: Vec<Record>, at: usize| {
        let (refusal, told) = outcome(records);
        assert_eq!(refusal, Some(Refusal::Tag(at)));
        assert!(matches!(told[..], [Told::HashKey(_), Told::TagMasks(_)]), "no type is seen");
    };
    for (record, byte) in [(0, 0), (0, 399), (0, 400), (0, 416), (1, 5), (1, 600), (2, 0), (2, 2), (2, 18)] {
        let mut bad = good.clone();
        bad[record].body[byte] ^= 1;
        nothing(bad, record);
    }
    let mut longer = good.clone();
    longer[0].header[4] ^= 1;
    nothing(longer, 0);
    nothing(vec![good[1].clone(), good[0].clone(), good[2].clone()], 0);
    nothing(vec![good[0].clone(), good[2].clone()], 1);
    nothing(vec![good[0].clone(), good[0].clone(), good[1].clone()], 1);
    nothing([&good[..], &good[2..]].concat(), 3);
    // Cut at the end it is authentic, and found to be cut by its framing; what is shown is framing.
    let (refusal, told) = outcome(good[..1].to_vec());
    assert_eq!(refusal, Some(Refusal::Framing(FramingError::End)));
    assert!(matches!(told.last(), Some(Told::Head(Some(_)))));
}

#[test]
fn what_a_server_may_not_send_shows_nothing_of_the_stream() {
    let response = response();
    let [first, second, close] = two_records(&response);
    let ticket: &[u8] = &[4, 0, 0, 3, 1, 2, 3];
    let cases: [(&str, Vec<Said>, Refusal); 10] = [
        ("an unknown type", vec![first, (ContentType::ChangeCipherSpec, &[1], 0), second, close], Refusal::Inner(1)),
        ("an empty alert", vec![first, second, (ContentType::Alert, &[], 0)], Refusal::Alert),
        ("data behind close_notify", vec![first, close, second], Refusal::AfterClose),
        ("a ticket behind close_notify", vec![first, second, close, handshake(ticket)], Refusal::AfterClose),
        ("another alert", vec![first, second, alert(&[2, 80])], Refusal::Alert),
        ("an update of keys", vec![first, second, handshake(&[24, 0, 0, 1, 0])], Refusal::KeyUpdate),
        ("another message", vec![first, second, handshake(&[11, 0, 0, 0])], Refusal::Handshake),
        ("data inside a message", vec![handshake(&ticket[..3]), first, second, close], Refusal::Handshake),
        ("half a message", vec![first, second, handshake(&ticket[..5])], Refusal::Handshake),
        ("an empty fragment", vec![first, handshake(&[]), second, close], Refusal::Handshake),
    ];
    for (what, said, refusal) in cases {
        let (found, told) = outcome(sealed(&said));
        assert_eq!(found, Some(refusal), "{what}");
        assert!(!told.iter().any(|told| matches!(told, Told::Head(_) | Told::Fits(_))), "{what}");
    }
    for (what, said) in [
        ("tickets between", vec![first, handshake(ticket), second, close]),
        ("a ticket in parts", vec![handshake(&ticket[..2]), handshake(&ticket[2..]), first, second, close]),
        ("user_canceled", vec![first, second, alert(&[1, 90]), close]),
        ("empty data", vec![(ContentType::ApplicationData, &[], 0), first, (ContentType::ApplicationData, &[], 500), second, close]),
        ("no closure", vec![first, second]),
    ] {
        assert_eq!(outcome(sealed(&said)).0, None, "{what}");
    }
    // Only zeros, and more content than a record may have.
    let inner = |inner: Vec<u8>| {
        let (mut key, mut reader) = (RecordKey::new(&secret()), RecordReader::default());
        reader.push(&key.seal_inner(inner));
        outcome(vec![reader.next_record().expect("a record").expect("whole")]).0
    };
    assert_eq!(inner(vec![0; 200]), Some(Refusal::Inner(0)));
    assert_eq!(inner([vec![b'x'; (1 << 14) + 1], vec![23]].concat()), Some(Refusal::Inner(0)));
}

/// After the first reading everybody has E(0) and E(J0), and knows every byte of the answer but the secret. With these the connector makes
/// authentic records of the same length in which the secret stands where the policy opens: nothing in them is wrong. So held records are
/// used up by being read, and nothing else of their generation is ever accepted.
#[test]
fn a_second_reading_of_other_records_would_open_the_secret() {
    let response = response();
    let records = sealed(&[(ContentType::ApplicationData, response.as_bytes(), 0), CLOSE]);
    let (refusal, told) = outcome(records.clone());
    assert_eq!(refusal, None);
    let [Told::HashKey(key), Told::TagMasks(masks), ..] = &told[..] else { panic!("keys of tags come first") };
    // What the connector knows, and what it would rather have there.
    let at = response.find(SECRET).expect("it is there");
    let mut known = response.clone().into_bytes();
    known[at..at + SECRET.len()].fill(0);
    let mut wanted = known.clone();
    let mut put = |at: usize, text: &str| wanted[at..at + text.len()].copy_from_slice(text.as_bytes());
    let begin = response.find("<AccessKeyId>").expect("it is there");
    let free = at - "<AccessKeyId>".len() - begin;
    put(begin, &format!("<SecretAccessKey>{}</SecretAccessKey>{}", "A".repeat(40), "-".repeat(free - 40 - 35)));
    put(at - "<AccessKeyId>".len(), "<AccessKeyId>");
    put(at + SECRET.len(), "</AccessKeyId>");
    put(at + SECRET.len() + 14, &" ".repeat(response.len() - at - SECRET.len() - 14));
    let mut forged = records;
    let length = forged[0].body.len() - TAG;
    for (byte, (k, w)) in forged[0].body.iter_mut().zip(known.iter().zip(&wanted)) {
        *byte ^= k ^ w;
    }
    let tag = TagKeys { hash: *key, masks: vec![] }.tag(&masks[0], &forged[0].header, &forged[0].body[..length]);
    forged[0].body[length..].copy_from_slice(&tag);
    let mut oracle = Oracle::new(server_key(), &rules(POLICY), &forged);
    let read = oracle.read(forged, false).expect("nothing in it is wrong");
    assert_eq!(read.opened, [("id".to_owned(), SECRET.as_bytes().to_vec())], "not {ID}");
}
