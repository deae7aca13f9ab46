//! Each rule that the client checks, broken alone: exactly that rule refuses, with its alert, and nothing is released.

use crate::cases::*;
use cotenant_tls::record::ContentType::{Alert, ApplicationData, Handshake};
use cotenant_tls::{End, Group, MAX_HANDSHAKE, Violation};
use cotenant_tls_plain::scripted::{Level, Outgoing, Script, Stage, extension, handshake, vector};

fn number(low: u8, high: u8, fill: u8) -> Vec<u8> {
    let mut out = vec![fill; 32];
    (out[0], out[31]) = (low, high);
    out
}

/// A case that breaks this rule and no other. A new rule without a case does not compile.
pub(crate) fn breaks(rule: Violation) -> Case {
    use Stage::*;
    use Violation as V;
    match rule {
        V::UnknownRecordType => inserted(0, raw(&[99, 3, 3, 0, 1, 0])),
        V::RecordTooLong => inserted(0, raw(&[22, 3, 3, 0x40, 1])),
        V::EmptyFragment => inserted(0, plain(Handshake, &[])),
        V::BadChangeCipherSpec => inserted(0, raw(&[20, 3, 3, 0, 1, 2])),
        V::LateChangeCipherSpec => answered(vec![raw(&[20, 3, 3, 0, 1, 1])]),
        V::UnprotectedRecord => inserted(1, plain(Handshake, &[8, 0, 0, 2, 0, 0])),
        V::ProtectedTooEarly => inserted(0, raw(&[&[23, 3, 3, 0, 17][..], &[0; 17]].concat())),
        V::RecordTooShort => inserted(1, raw(&[&[23, 3, 3, 0, 16][..], &[0; 16]].concat())),
        V::BadRecordMac => inserted(1, raw(&[&[23, 3, 3, 0, 17][..], &[0; 17]].concat())),
        V::InnerPlaintextTooLong => answered(vec![Outgoing::Record(Level::Application, ApplicationData, b"x".to_vec(), 1 << 14)]),
        V::NoContentType => answered(vec![Outgoing::Inner(vec![0; 5])]),
        V::UnexpectedContent => inserted(1, Outgoing::Record(Level::Handshake, ApplicationData, b"early".to_vec(), 0)),
        V::SpansKeyChange => joined_to(0, &[8, 0, 0, 2, 0, 0]),
        V::Interleaved => split_message(Outgoing::Record(Level::Handshake, Alert, vec![1, 90], 0)),
        V::MalformedAlert => inserted(0, plain(Alert, &[2])),
        V::MessageTooLong => inserted(0, plain(Handshake, &[2, 1, 0, 0])),
        V::HandshakeTooLong => inserted(0, Outgoing::Raw([20, 3, 3, 0, 1, 1].repeat(MAX_HANDSHAKE / 6 + 1))),
        V::UnexpectedMessage => edited(CertificateVerify, Vec::clear),
        V::MalformedServerHello => edited(ServerHello, |message| *message = handshake(2, &[&message[4..], &[0]].concat())),
        V::LegacyVersion => byte(ServerHello, 5, 4),
        V::NotTls13 => hello_extensions(|_, share| share.to_vec()),
        V::WrongVersion => byte(ServerHello, 81, 3),
        V::SessionIdEcho => edited(ServerHello, |message| message[39] ^= 1),
        V::CipherSuite => byte(ServerHello, 72, 2),
        V::Compression => byte(ServerHello, 73, 1),
        V::DuplicateExtension => hello_extensions(|version, share| [version, share, version].concat()),
        V::UnofferedExtension => hello_extensions(|version, share| [version, share, &extension(41, &[0, 0])].concat()),
        V::MisplacedExtension => hello_extensions(|version, share| [version, share, &extension(16, &[0, 3, 2, b'h', b'2'])].concat()),
        V::NoKeyShare => hello_extensions(|version, _| version.to_vec()),
        V::GroupMismatch => byte(ServerHello, 87, 0x1d),
        V::SecondRetry => second_retry(),
        V::RetryWithoutChange => retried(None, None),
        V::RetryGroupNotOffered => retried(Some(Group::X25519), None).offering(Group::Secp256r1),
        V::RetryGroupAlreadySent => retried(Some(Group::Secp256r1), None),
        V::MalformedRetry => retried(None, Some(vec![])),
        V::P256ShareEncoding => byte(ServerHello, 90, 5),
        V::P256OffCurve => edited(ServerHello, |message| *message.last_mut().expect("not empty") ^= 1),
        V::X25519ShareLength => x25519_share(vec![9; 31]),
        V::X25519NotCanonical => x25519_share(number(0xed, 0x7f, 0xff)),
        V::X25519OnTwist => x25519_share(number(2, 0, 0)),
        V::X25519LowOrder => x25519_share(number(1, 0, 0)),
        V::MalformedEncryptedExtensions => replaced(EncryptedExtensions, 8, vec![0]),
        V::ServerNameNotEmpty => encrypted_extensions(extension(0, &[0])),
        V::ApplicationProtocol => encrypted_extensions(extension(16, &[0, 3, 2, b'h', b'2'])),
        V::MalformedCertificateRequest => replaced(CertificateRequest, 13, vec![0]),
        V::RequestContext => replaced(CertificateRequest, 13, [vec![1, 7], vector(2, &extension(13, &[0, 2, 4, 3]))].concat()),
        V::ClientCertificateWanted => Case { empty_certificate: false, ..replaced(CertificateRequest, 13, certificate_request()) },
        V::RequestWithoutSchemes => replaced(CertificateRequest, 13, [vec![0], vector(2, &extension(47, &[0, 0]))].concat()),
        V::MalformedCertificate => replaced(Certificate, 11, vec![0, 0, 0]),
        V::CertificateContext => edited(Certificate, |message| *message = handshake(11, &[&[1, 7], &message[5..]].concat())),
        V::NoCertificate => replaced(Certificate, 11, vec![0, 0, 0, 0]),
        V::MalformedCertificateVerify => replaced(CertificateVerify, 15, vec![4]),
        V::SchemeNotOffered => scheme(0x0401),
        V::SchemeDoesNotFitKey => scheme(0x0503),
        V::BadCertificateVerify => edited(CertificateVerify, |message| *message.last_mut().expect("not empty") ^= 1),
        V::MalformedFinished => edited(Finished, |message| *message = handshake(20, &message[5..])),
        V::BadFinished => edited(Finished, |message| *message.last_mut().expect("not empty") ^= 1),
        V::MalformedTicket => post(&[4, 0, 0, 1, 0]),
        V::MalformedKeyUpdate => post(&[24, 0, 0, 2, 0, 0]),
        V::KeyUpdateRequest => post(&[24, 0, 0, 1, 2]),
        V::UnexpectedPostHandshake => post(&handshake(13, &[vec![0], vector(2, &extension(13, &[0, 2, 4, 3]))].concat())),
        V::DataAfterClose => {
            answered(vec![Outgoing::application(Alert, &[1, 0]), Outgoing::application(ApplicationData, b"and one more thing")])
        }
        V::CutInsideHandshake => shaped(|flight| flight.truncate(flight.len() - 1)),
        V::CutInsideRecord => answered(vec![raw(&[23, 3, 3, 0, 40, 1])]),
        V::CutInsideMessage => answered(vec![Outgoing::application(Handshake, &[4, 0, 0])]),
        V::AnswerTooLong => answered(vec![Outgoing::application(ApplicationData, &[0; 1 << 14]); 65]),
        V::TooManyRecords => answered(vec![Outgoing::application(ApplicationData, &[0]); 4097]),
    }
}

fn scheme(scheme: u16) -> Case {
    Case { script: Script { scheme, ..Script::default() }, ..Case::default() }
}

/// The retry is answered with what is a retry by its random.
fn second_retry() -> Case {
    let mut first = None;
    let edit = move |stage: Stage, message: &mut Vec<u8>| match stage {
        Stage::HelloRetryRequest => first = Some(message[6..38].to_vec()),
        Stage::ServerHello => message[6..38].copy_from_slice(first.as_ref().expect("a retry came first")),
        _ => (),
    };
    let script = Script { retry: Some((Some(Group::X25519), None)), edit: Box::new(edit), ..Script::default() };
    Case { script, ..Case::default() }
}

#[test]
fn every_rule_is_checked_and_exactly_that_rule() {
    for &rule in Violation::ALL {
        let failed = breaks(rule).run().expect_err(&format!("{rule:?} passes"));
        assert_eq!(failed.violation(), rule, "{rule:?} is caught by another rule");
    }
}

/// Once the client awaits its answer it may send no more, and where the connection ended there is nobody to send to.
fn has_alert(rule: Violation) -> bool {
    use Violation::*;
    let ended = [CutInsideHandshake, CutInsideRecord, CutInsideMessage];
    let post_handshake = [MalformedTicket, MalformedKeyUpdate, KeyUpdateRequest, UnexpectedPostHandshake, DataAfterClose];
    let answer = [AnswerTooLong, TooManyRecords, LateChangeCipherSpec, InnerPlaintextTooLong, NoContentType];
    ![&ended[..], &post_handshake, &answer].concat().contains(&rule)
}

#[test]
fn a_broken_rule_is_answered_with_its_alert_while_there_is_a_right_to_send() {
    for &rule in Violation::ALL {
        let (_, alert) = breaks(rule).refused();
        assert_eq!(alert, has_alert(rule).then_some(rule.alert().code()), "{rule:?}");
    }
}

#[test]
fn rules_that_hold_in_more_than_one_place() {
    use Stage::*;
    use Violation as V;
    let finished = 4;
    let cases: Vec<(&str, V, Case)> = vec![
        ("bytes behind Finished in its record", V::SpansKeyChange, joined_to(finished, &[4, 0, 0])),
        ("a message behind KeyUpdate in its record", V::SpansKeyChange, post(&[24, 0, 0, 1, 0, 24, 0, 0, 1, 0])),
        ("data between the fragments of a ticket", V::Interleaved, {
            answered(vec![Outgoing::application(Handshake, &[4, 0]), Outgoing::application(ApplicationData, b"x")])
        }),
        ("an empty protected fragment", V::EmptyFragment, inserted(1, Outgoing::Record(Level::Handshake, Handshake, vec![], 0))),
        ("an empty fragment after the handshake", V::EmptyFragment, post(&[])),
        ("an unprotected alert in the flight", V::UnprotectedRecord, inserted(1, plain(Alert, &[2, 40]))),
        ("an unprotected alert in the answer", V::UnprotectedRecord, answered(vec![plain(Alert, &[1, 0])])),
        ("an unprotected message in the answer", V::UnprotectedRecord, answered(vec![plain(Handshake, &[24, 0, 0, 1, 0])])),
        ("a forged record in the answer", V::BadRecordMac, answered(vec![raw(&[&[23, 3, 3, 0, 17][..], &[0; 17]].concat())])),
        ("a short record in the answer", V::RecordTooShort, answered(vec![raw(&[23, 3, 3, 0, 0])])),
        ("data under the handshake key before Finished", V::UnexpectedContent, {
            inserted(finished, Outgoing::Record(Level::Handshake, ApplicationData, b"early".to_vec(), 0))
        }),
        ("EncryptedExtensions in front of ServerHello", V::UnexpectedMessage, inserted(0, plain(Handshake, &[8, 0, 0, 2, 0, 0]))),
        ("a second ServerHello", V::UnprotectedRecord, inserted(1, plain(Handshake, &[2, 0, 0, 0]))),
        ("two EncryptedExtensions", V::UnexpectedMessage, Case::default().with_second(&[8, 0, 0, 2, 0, 0])),
        ("no EncryptedExtensions", V::UnexpectedMessage, edited(EncryptedExtensions, Vec::clear)),
        ("no Certificate", V::UnexpectedMessage, edited(Certificate, Vec::clear)),
        ("neither Certificate nor CertificateVerify", V::UnexpectedMessage, without_proof()),
        ("a supported_versions of three bytes", V::MalformedServerHello, {
            hello_extensions(|_, share| [share, &extension(43, &[3, 4, 0])].concat())
        }),
        ("a key share with bytes behind it", V::MalformedServerHello, {
            hello_extensions(|version, share| [version, &extension(51, &[&share[4..], &[0]].concat())].concat())
        }),
        ("a retry for a cookie of 4 KiB and a byte", V::MalformedRetry, retried(None, Some(vec![7; 4097]))),
        ("a cookie in ServerHello", V::UnofferedExtension, {
            hello_extensions(|version, share| [version, share, &extension(44, &[0, 1, 7])].concat())
        }),
        ("a key share in EncryptedExtensions", V::MisplacedExtension, encrypted_extensions(extension(51, &[0, 0x17]))),
        ("early_data in EncryptedExtensions", V::UnofferedExtension, encrypted_extensions(extension(42, &[]))),
        ("ALPN twice in EncryptedExtensions", V::DuplicateExtension, encrypted_extensions(extension(10, &[0, 0]).repeat(2))),
        ("an empty ALPN list", V::ApplicationProtocol, encrypted_extensions(extension(16, &[0, 0]))),
        ("an extension cut short", V::MalformedEncryptedExtensions, encrypted_extensions(vec![0, 16, 0])),
        ("an extension of a certificate", V::UnofferedExtension, certificate_extension()),
        ("a schemes extension twice in CertificateRequest", V::DuplicateExtension, {
            replaced(CertificateRequest, 13, [vec![0], vector(2, &extension(13, &[0, 2, 4, 3]).repeat(2))].concat())
        }),
        ("a second CertificateRequest", V::UnexpectedMessage, {
            replaced(CertificateRequest, 13, certificate_request()).with_second(&handshake(13, &certificate_request()))
        }),
        ("ECDSA with SHA-1", V::SchemeNotOffered, scheme(0x0203)),
        ("RSA-PSS of an ECDSA key", V::SchemeDoesNotFitKey, scheme(0x0804)),
        ("Ed25519 of an ECDSA key", V::SchemeDoesNotFitKey, scheme(0x0807)),
        ("a retry for a group nobody knows", V::RetryGroupNotOffered, {
            let mut case = edited(HelloRetryRequest, |message| *message.last_mut().expect("not empty") = 0x18);
            case.script.retry = Some((Some(Group::X25519), None));
            case
        }),
        ("a retry with bytes behind it", V::MalformedServerHello, {
            let mut case = edited(HelloRetryRequest, |message| *message = handshake(2, &[&message[4..], &[0]].concat()));
            case.script.retry = Some((Some(Group::X25519), None));
            case
        }),
        ("another suite after a retry", V::CipherSuite, {
            let mut case = byte(ServerHello, 72, 3);
            case.script.retry = Some((Some(Group::X25519), None));
            case
        }),
        ("the first group after a retry", V::GroupMismatch, {
            let mut case = byte(ServerHello, 87, 0x17);
            case.script.retry = Some((Some(Group::X25519), None));
            case
        }),
        ("x25519: p + 9", V::X25519NotCanonical, x25519_share(number(0xf6, 0x7f, 0xff))),
        ("x25519: the top bit", V::X25519NotCanonical, x25519_share(number(9, 0x80, 0))),
        ("x25519: p - 1", V::X25519OnTwist, x25519_share(number(0xec, 0x7f, 0xff))),
        ("x25519: 0", V::X25519LowOrder, x25519_share(vec![0; 32])),
        ("an empty share", V::X25519ShareLength, x25519_share(vec![])),
        ("a ticket with no ticket in it", V::MalformedTicket, post(&handshake(4, &[0; 13]))),
    ];
    for (what, rule, case) in cases {
        assert_eq!(case.run().expect_err(what).violation(), rule, "{what}");
    }
}

impl Case {
    /// One more message right behind EncryptedExtensions or CertificateRequest, in a record of its own and outside the transcript.
    fn with_second(mut self, message: &[u8]) -> Self {
        let record = Outgoing::Record(Level::Handshake, Handshake, message.to_vec(), 0);
        let position = if message[0] == 13 { 3 } else { 2 };
        self.shape = Box::new(move |flight| flight.insert(position, record.clone()));
        self
    }
}

fn without_proof() -> Case {
    let edit = |stage: Stage, message: &mut Vec<u8>| {
        if matches!(stage, Stage::Certificate | Stage::CertificateVerify) {
            message.clear();
        }
    };
    Case { script: Script { edit: Box::new(edit), ..Script::default() }, ..Case::default() }
}

fn certificate_extension() -> Case {
    edited(Stage::Certificate, |message| {
        let length = usize::from(u16::from_be_bytes([message[9], message[10]]));
        let entry = [vector(3, &message[11..11 + length]), vector(2, &extension(5, &[1, 0, 0, 0]))].concat();
        *message = handshake(11, &[vec![0], vector(3, &entry)].concat());
    })
}

#[test]
fn the_end_of_tcp_alone_is_told_from_close_notify() {
    let answer = answered(vec![Outgoing::application(ApplicationData, b"half")]).run().expect("every record is good");
    assert_eq!((answer.body.as_slice(), answer.end), (&b"half"[..], End::Truncated));
}

#[test]
fn an_error_alert_of_the_server_is_an_error_everywhere() {
    use cotenant_tls::{Alert as Description, Fault};
    let alert = |level| Outgoing::Record(level, Alert, vec![1, 40], 0);
    for case in [inserted(0, alert(Level::Plain)), inserted(1, alert(Level::Handshake)), answered(vec![alert(Level::Application)])] {
        let failed = case.run().expect_err("an alert came");
        assert_eq!(failed.fault(), &Fault::Alert(Description::HandshakeFailure));
        assert!(failed.output.is_empty(), "no alert is sent for one received");
    }
    let failed = inserted(1, Outgoing::Record(Level::Handshake, Alert, vec![1, 0], 0)).run().expect_err("the server closed");
    assert_eq!(failed.fault(), &Fault::Alert(Description::CloseNotify));
}
