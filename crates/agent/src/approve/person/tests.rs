use super::*;
use crate::approve::{
    operation::tests::{call, refresh, seat},
    statement::Choice,
    wire::one_value_one_encoding,
};
use ed25519_dalek::{Signer, SigningKey};
use ssh_key::public::{Ed25519PublicKey, SkEd25519};
use std::{fs, path::PathBuf, process::Command};

/// A person in a test, with a key in memory.
pub(in crate::approve) struct Person {
    key: SigningKey,
    /// The application of a security key, whose part is played here.
    token: Option<&'static str>,
}

impl Person {
    pub(in crate::approve) fn new(seed: u8) -> Self {
        Person { key: SigningKey::from_bytes(&[seed; 32]), token: None }
    }

    pub(in crate::approve) fn with_token(seed: u8) -> Self {
        Person { token: Some("ssh:"), ..Person::new(seed) }
    }

    fn data(&self) -> KeyData {
        let key = Ed25519PublicKey(self.key.verifying_key().to_bytes());
        self.token.map_or(KeyData::Ed25519(key), |application| KeyData::SkEd25519(SkEd25519::new(key, application)))
    }

    pub(in crate::approve) fn approver(&self) -> Approver {
        Approver::parse(&PublicKey::new(self.data(), "a person").to_openssh().unwrap()).unwrap()
    }

    fn sign_as(&self, namespace: &str, statement: &Statement, flags: u8, counter: u32) -> String {
        let message = SshSig::signed_data(namespace, HashAlg::Sha512, &statement.encode()).unwrap();
        let signature = match self.token {
            None => Signature::new(Algorithm::Ed25519, self.key.sign(&message).to_bytes()),
            Some(application) => {
                let token = Token { signature: &[], flags, counter };
                let signed = self.key.sign(&token.message(application, &message)).to_bytes();
                Signature::new(Algorithm::SkEd25519, [&signed[..], &[flags], &counter.to_be_bytes()].concat())
            }
        };
        SshSig::new(self.data(), namespace, HashAlg::Sha512, signature.unwrap()).unwrap().to_pem(Default::default()).unwrap()
    }

    pub(in crate::approve) fn sign(&self, statement: &Statement) -> PersonSignature {
        PersonSignature::from_armoured(&self.sign_as(NAMESPACE, statement, 0, 0)).unwrap()
    }

    pub(in crate::approve) fn touch(&self, statement: &Statement, counter: u32) -> PersonSignature {
        PersonSignature::from_armoured(&self.sign_as(NAMESPACE, statement, TOUCHED, counter)).unwrap()
    }
}

fn statement() -> Statement {
    Statement::new(&call(), seat(0), Choice::Approve)
}

#[test]
fn a_signature_counts_for_its_key_statement_and_namespace_alone() {
    let (person, other) = (Person::new(1), Person::new(2));
    let verify = |signature: &PersonSignature, by: &Person, statement: &Statement| signature.verify(&by.approver(), statement, false);
    let signature = person.sign(&statement());
    assert_eq!(verify(&signature, &person, &statement()), Ok(None));
    assert_eq!(verify(&signature, &other, &statement()), Err(BadSignature::Stranger));
    let others = [
        Statement::new(&refresh(), seat(0), Choice::Approve),
        Statement::new(&call(), seat(1), Choice::Approve),
        Statement::new(&call(), seat(0), Choice::Refuse(String::new())),
    ];
    assert!(others.iter().all(|other| verify(&signature, &person, other) == Err(BadSignature::Mismatch)));
    for namespace in ["file", "git", "cotenant-approve@v2"] {
        let foreign = PersonSignature::from_armoured(&person.sign_as(namespace, &statement(), 0, 0));
        assert_eq!(foreign.err(), Some(BadSignature::Namespace));
    }
    let mut stolen = other.sign(&statement());
    stolen.key = person.data();
    assert_eq!(verify(&stolen, &person, &statement()), Err(BadSignature::Mismatch), "another key's signature under this name");
}

#[test]
fn an_agents_answer_is_the_same_signature() {
    let person = Person::new(3);
    let signed = person.key.sign(&to_be_signed(&statement())).to_bytes();
    let answer = Vec::try_from(Signature::new(Algorithm::Ed25519, signed).unwrap()).unwrap();
    let read = |answer: &[u8]| PersonSignature::from_agent(&person.approver(), answer);
    assert_eq!(read(&answer).unwrap().verify(&person.approver(), &statement(), false), Ok(None));
    let written = String::from_utf8(read(&answer).unwrap().evidence().to_vec()).unwrap();
    assert_eq!(PersonSignature::from_armoured(&written).unwrap().verify(&person.approver(), &statement(), false), Ok(None));
    assert_eq!(Approver::from_blob(&person.approver().blob()).unwrap().fingerprint(), person.approver().fingerprint());
    assert_eq!(read(&[&answer[..], &[0]].concat()).err(), Some(BadSignature::Format));
    assert_eq!(read(&answer[1..]).err(), Some(BadSignature::Format));
}

#[test]
fn security_keys_are_touched_count_and_ask_for_a_pin() {
    let person = Person::with_token(4);
    let verify = |flags, pin| {
        let text = person.sign_as(NAMESPACE, &statement(), flags, 7);
        PersonSignature::from_armoured(&text).unwrap().verify(&person.approver(), &statement(), pin)
    };
    assert_eq!(verify(TOUCHED, false), Ok(Some(7)));
    assert_eq!(verify(0, false), Err(BadSignature::NotTouched));
    assert_eq!(verify(PIN_CHECKED, false), Err(BadSignature::NotTouched));
    assert_eq!(verify(TOUCHED, true), Err(BadSignature::NoPin));
    assert_eq!(verify(TOUCHED | PIN_CHECKED, true), Ok(Some(7)));

    // Flags, counter and application are signed.
    let mut changed = person.touch(&statement(), 7);
    let mut bytes = changed.signature.as_bytes().to_vec();
    *bytes.last_mut().unwrap() = 8;
    changed.signature = Signature::new(Algorithm::SkEd25519, bytes).unwrap();
    assert_eq!(changed.verify(&person.approver(), &statement(), false), Err(BadSignature::Mismatch));
    let elsewhere = Person { token: Some("ssh:other"), ..Person::with_token(4) };
    assert_eq!(person.touch(&statement(), 7).verify(&elsewhere.approver(), &statement(), false), Err(BadSignature::Stranger));

    let (mut counters, key) = (Counters::default(), person.approver());
    assert_eq!([7, 9].map(|seen| counters.accept(&key, seen)), [Ok(()), Ok(())]);
    assert_eq!(counters.accept(&key, 9), Err(BadSignature::Counter { last: 9, seen: 9 }));
    assert_eq!(counters.accept(&key, 8), Err(BadSignature::Counter { last: 9, seen: 8 }));
    assert_eq!(counters.accept(&key, 0), Err(BadSignature::Counter { last: 9, seen: 0 }), "a key that counts does not stop");
    assert_eq!(counters.accept(&key, 10), Ok(()));
    // What was counted in an epoch that is over counts in the next.
    let mut later = Counters::default();
    [7, 9, 8].into_iter().for_each(|seen| later.note(&person.touch(&statement(), seen)));
    later.note(&Person::new(4).sign(&statement()));
    assert_eq!(later.accept(&key, 9), Err(BadSignature::Counter { last: 9, seen: 9 }));
    assert_eq!(later.accept(&key, 10), Ok(()));
    let uncounted = Person::with_token(5).approver();
    assert_eq!([0, 0].map(|seen| counters.accept(&uncounted, seen)), [Ok(()), Ok(())]);
    one_value_one_encoding(&counters.encode(), Counters::encode, |bytes| Counters::decode(bytes).ok());
}

#[test]
fn other_texts_are_no_keys_and_no_signatures() {
    assert_eq!(Approver::parse("hello"), Err(BadKey::Format));
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAwEAAQ== x";
    assert!(matches!(Approver::parse(rsa), Err(BadKey::Algorithm | BadKey::Format)));
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let weak = PublicKey::new(KeyData::Ed25519(Ed25519PublicKey(neutral)), "").to_openssh().unwrap();
    assert_eq!(Approver::parse(&weak), Err(BadKey::Weak), "anyone can sign under the neutral point");
    let text = Person::new(1).sign_as(NAMESPACE, &statement(), 0, 0);
    assert!(PersonSignature::from_armoured(&text).is_ok());
    assert!(PersonSignature::from_armoured(&text[1..]).is_err());
    assert!(PersonSignature::from_armoured(&text.replacen("SSH SIGNATURE", "SSH SIGNATURX", 2)).is_err());
    assert!(PersonSignature::from_armoured(&format!("{text}{}", " ".repeat(MAX_SIGNATURE))).is_err());
}

/// Fields of OpenSSH's formats, put together without the crate that reads them.
fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn armoured(version: u8, reserved: &[u8], key: &[u8], signature: &[u8]) -> String {
    let parts = [key, NAMESPACE.as_bytes(), reserved, b"sha512", signature].map(string).concat();
    let blob = [b"SSHSIG", &[0, 0, 0, version][..], &parts].concat();
    let mut text = vec![0; 2 * blob.len() + 200];
    let mut encoder = pem_rfc7468::Encoder::new_wrapped("SSH SIGNATURE", 70, pem_rfc7468::LineEnding::LF, &mut text).unwrap();
    encoder.encode(&blob).unwrap();
    let length = encoder.finish().unwrap();
    String::from_utf8(text[..length].to_vec()).unwrap()
}

#[test]
fn only_the_format_that_is_known_is_read() {
    let person = Person::new(1);
    let signed = person.key.sign(&to_be_signed(&statement())).to_bytes();
    let signature = [string(b"ssh-ed25519"), string(&signed)].concat();
    let read =
        |version, reserved: &[u8]| PersonSignature::from_armoured(&armoured(version, reserved, &person.approver().blob(), &signature));
    assert_eq!(read(1, b"").unwrap().verify(&person.approver(), &statement(), false), Ok(None));
    for (version, reserved) in [(0, &b""[..]), (2, b""), (1, b"x")] {
        assert_eq!(read(version, reserved).err(), Some(BadSignature::Format), "version {version}, reserved {reserved:?}");
    }
    let other_algorithm = [string(b"rsa-sha2-512"), string(&signed)].concat();
    let text = armoured(1, b"", &person.approver().blob(), &other_algorithm);
    let verified = PersonSignature::from_armoured(&text).unwrap().verify(&person.approver(), &statement(), false);
    assert_eq!(verified, Err(BadSignature::Mismatch), "the algorithm of the signature is that of the key");
}

/// A security key for P-256, which is what the oldest ones have; and OpenSSH takes what is taken here.
#[test]
fn security_keys_for_p256() {
    let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let point = key.verifying_key().to_sec1_point(false);
    let algorithm = b"sk-ecdsa-sha2-nistp256@openssh.com";
    let blob = [&algorithm[..], b"nistp256", point.as_bytes(), b"ssh:"].map(string).concat();
    let approver = Approver(PublicKey::from_bytes(&blob).unwrap());
    assert_eq!(Approver::parse(&approver.0.to_openssh().unwrap()).unwrap().blob(), blob);
    let sign = |flags: u8| {
        let token = Token { signature: &[], flags, counter: 9 };
        let signature: p256::ecdsa::Signature = key.sign(&token.message("ssh:", &to_be_signed(&statement())));
        let (r, s) = signature.split_bytes();
        let numbers = [r, s].map(|number| string(Mpint::from_positive_bytes(&number).unwrap().as_bytes())).concat();
        [string(algorithm), string(&numbers), vec![flags, 0, 0, 0, 9]].concat()
    };
    let verify = |answer: &[u8], statement: &Statement, pin| {
        PersonSignature::from_agent(&approver, answer).and_then(|s| s.verify(&approver, statement, pin))
    };
    assert_eq!(verify(&sign(TOUCHED), &statement(), false), Ok(Some(9)));
    assert_eq!(verify(&sign(TOUCHED), &Statement { number: 42, ..statement() }, false), Err(BadSignature::Mismatch));
    assert_eq!(verify(&sign(0), &statement(), false), Err(BadSignature::NotTouched));
    assert_eq!(verify(&sign(TOUCHED), &statement(), true), Err(BadSignature::NoPin));
    let text = armoured(1, b"", &blob, &sign(TOUCHED));
    assert_eq!(PersonSignature::from_armoured(&text).unwrap().verify(&approver, &statement(), false), Ok(Some(9)));
    ssh_keygen_verifies(&Scratch::new("p256"), &approver, &text);
}

/// A directory that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cotenant-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("ssh-keygen is installed (package openssh-client)");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_ssh_keygen_signs_is_read() {
    let scratch = Scratch::new("sign");
    for (kind, hash) in [("ed25519", "sha512"), ("ed25519", "sha256"), ("ecdsa", "sha512")] {
        let (key, file) = (scratch.0.join(format!("{kind}-{hash}")), scratch.0.join("statement"));
        run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-C", "test", "-f"]).arg(&key));
        for round in 0..4 {
            let statement = Statement::new(&call(), seat(0), Choice::Refuse(format!("round {round}")));
            fs::write(&file, statement.encode()).unwrap();
            run(Command::new("ssh-keygen")
                .args(["-Y", "sign", "-n", NAMESPACE, "-O", &format!("hashalg={hash}"), "-f"])
                .arg(&key)
                .arg(&file));
            let text = fs::read_to_string(scratch.0.join("statement.sig")).unwrap();
            fs::remove_file(scratch.0.join("statement.sig")).unwrap();
            let approver = Approver::parse(&fs::read_to_string(key.with_extension("pub")).unwrap()).unwrap();
            let signature = PersonSignature::from_armoured(&text).unwrap();
            assert_eq!(signature.verify(&approver, &statement, false), Ok(None), "{kind} {hash}");
            assert_eq!(signature.verify(&approver, &Statement { number: 42, ..statement }, false), Err(BadSignature::Mismatch));
        }
    }
}

/// The security keys of these tests sign as OpenSSH expects of real ones.
#[test]
fn what_the_test_token_signs_ssh_keygen_verifies() {
    let scratch = Scratch::new("verify");
    for person in [Person::with_token(6), Person::new(6)] {
        ssh_keygen_verifies(&scratch, &person.approver(), &person.sign_as(NAMESPACE, &statement(), TOUCHED, 7));
    }
}

fn ssh_keygen_verifies(scratch: &Scratch, approver: &Approver, text: &str) {
    let [allowed, signature, message] = ["allowed", "signature", "message"].map(|name| scratch.0.join(name));
    fs::write(&allowed, format!("someone {}\n", approver.0.to_openssh().unwrap())).unwrap();
    fs::write(&signature, text).unwrap();
    fs::write(&message, statement().encode()).unwrap();
    let stdin = fs::File::open(&message).unwrap();
    let mut verify = Command::new("ssh-keygen");
    verify.args(["-Y", "verify", "-I", "someone", "-n", NAMESPACE, "-f"]).arg(&allowed).arg("-s").arg(&signature).stdin(stdin);
    run(&mut verify);
}
