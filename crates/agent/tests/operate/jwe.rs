//! Passwords that are encrypted for a server's RSA key, inside MPC, and read with OpenSSL by who has the private key.

use crate::{
    calls::{HOST, call, roots},
    derived::{SECRET, refused, text, world},
    dry,
    seen::assert_untold,
    servers::{Rustls, rustls_config},
    watched::Reached,
    world::{On, World},
};
use base64ct::{Base64UrlUnpadded, Encoding};
use cotenant_agent::{
    approve::operation::{Body, Call},
    call::{CallError, JweError},
    derive::NoValue,
    jwe::MAX_PARTIES,
    operate::{OperateError, Refused, Work},
    vault::{
        alphabet::Alphabet,
        item::{Kind, Use},
    },
};
use cotenant_core::PartyId;
use cotenant_mpc::{Error, Reason};
use cotenant_tls::{Config, Group};
use data_encoding::HEXUPPER;
use ring::aead;
use std::{path::PathBuf, process::Command, sync::LazyLock};
use tempfile::TempDir;

fn field() -> Use {
    Use::Field { host: HOST.into() }
}

/// An RSA key of OpenSSL.
struct Key {
    dir: TempDir,
    modulus: Vec<u8>,
}

static KEY: LazyLock<Key> = LazyLock::new(|| Key::new(2048));

fn openssl(arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new("openssl").args(arguments).output().expect("OpenSSL is installed");
    output.status.success().then_some(output.stdout)
}

impl Key {
    fn new(bits: usize) -> Key {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("key.pem");
        let (file, bits) = (file.to_str().unwrap(), format!("rsa_keygen_bits:{bits}"));
        openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", &bits, "-out", file]).unwrap();
        let told = openssl(&["rsa", "-in", file, "-noout", "-modulus"]).unwrap();
        let modulus = HEXUPPER.decode(told.trim_ascii().strip_prefix(b"Modulus=").unwrap()).unwrap();
        Key { dir, modulus }
    }

    fn jwk(&self) -> String {
        format!("{{\"kty\":\"RSA\",\"kid\":\"1\",\"n\":\"{}\",\"e\":\"AQAB\"}}", Base64UrlUnpadded::encode_string(&self.modulus))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The text of a JWE; none if there is none for this key.
    fn read(&self, jwe: &str) -> Option<Vec<u8>> {
        let parts: Vec<&str> = jwe.split('.').collect();
        let [header, wrapped, iv, ciphertext, tag] = parts[..] else { panic!("{jwe} has other than five parts") };
        let decoded = |text| Base64UrlUnpadded::decode_vec(text).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&decoded(header)).unwrap();
        let hash = if said["alg"] == "RSA-OAEP" { "rsa_oaep_md:sha1" } else { "rsa_oaep_md:sha256" };
        let (key, file) = (self.file("key.pem"), self.file("wrapped"));
        std::fs::write(&file, decoded(wrapped)).unwrap();
        let [key, file] = [&key, &file].map(|path| path.to_str().unwrap());
        let padding = "rsa_padding_mode:oaep";
        let content_key = openssl(&["pkeyutl", "-decrypt", "-inkey", key, "-in", file, "-pkeyopt", padding, "-pkeyopt", hash])?;
        let algorithm = if said["enc"] == "A128GCM" { &aead::AES_128_GCM } else { &aead::AES_256_GCM };
        let opening = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, &content_key).ok()?);
        let nonce = aead::Nonce::try_assume_unique_for_key(&decoded(iv)).unwrap();
        let mut sealed = [decoded(ciphertext), decoded(tag)].concat();
        opening.open_in_place(nonce, aead::Aad::from(header), &mut sealed).ok().map(|text| text.to_vec())
    }
}

/// Says who it is with a password that is encrypted.
fn login(alg: &str, enc: &str, key: &Key) -> Call {
    let text = format!(
        "\
# @vault password = password
# @let pw = jwe(password, \"{alg}\", \"{enc}\", \"{{{{jwk}}}}\")
# @open all
# @not-reflected password
# @not-reflected pw
POST https://localhost/login
Content-Type: application/json

{{\"user\":\"ada\",\"password\":\"{{{{pw}}}}\"}}
"
    );
    call(&text, &[("jwk", &key.jwk())])
}

/// The JWE that was sent.
fn sent(received: Vec<u8>) -> String {
    let body: serde_json::Value = serde_json::from_str(&text(received).1).unwrap();
    body["password"].as_str().unwrap().to_owned()
}

#[test]
fn a_password_that_nobody_has_is_read_by_the_server() {
    let mut world = world();
    let call = login("RSA-OAEP-256", "A256GCM", &KEY);
    let [first, second] = [(); 2].map(|()| sent(world.calls(&[0, 1], &call)));
    assert_eq!(KEY.read(&first).as_deref(), Some(&SECRET[..]));
    assert_eq!(KEY.read(&second).as_deref(), Some(&SECRET[..]));
    let parts = |jwe: &str| jwe.split('.').map(str::to_owned).collect::<Vec<_>>();
    assert!(parts(&first).iter().zip(&parts(&second)).skip(1).all(|(a, b)| a != b), "all but the header is new each time");
    assert_eq!(Key::new(2048).read(&first), None);

    let alone = dry::request(&call, &[("password", SECRET)]).unwrap();
    assert_eq!(KEY.read(&sent(alone)).as_deref(), Some(&SECRET[..]));
}

fn server() -> Rustls {
    let config = rustls_config(&crate::calls::PKI.1, &[Group::Secp256r1, Group::X25519]);
    Rustls::new(config, &[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
}

/// What a party tells, or gives, that is not of its factor.
#[derive(Debug)]
enum Cheat {
    /// It tells this number.
    Told(usize, Vec<u8>),
    /// The first party's factor is this number.
    Factor(Vec<u8>),
}

/// Runs a call with a cheat. What each came to, and the JWE, if one was sent; no party is ever told a part of the password.
fn cheated(cheat: &Cheat) -> (Vec<Option<OperateError>>, Option<String>, Vec<Reached>) {
    let mut world = World::new(On::Ideal, 2, 2);
    let item = world.item("password", Kind::Text(Alphabet::ALPHANUMERIC), 24, vec![field()]);
    let password = "4hQx9ZtLw2Rk7VbNc5Jd8MfP";
    world.put(0, item, password.as_bytes());
    match cheat {
        Cheat::Told(party, number) => world.told = Some((*party, number.clone())),
        Cheat::Factor(number) => world.forged = Some(number.clone()),
    }
    let server = server();
    let received = server.received();
    let call = login("RSA-OAEP-256", "A256GCM", &KEY);
    let (results, notes) = world.call_to(server, &[0, 1], &call, &Config::new(roots()), |_, _| ());
    assert_untold(&format!("{cheat:?}").chars().take(24).collect::<String>(), password, &notes);
    let received = received.lock().unwrap().clone();
    (results.into_iter().map(Result::err).collect(), (!received.is_empty()).then(|| sent(received)), world.reached)
}

/// A number of 256 bytes, the least significant given.
fn number(least: u8) -> Vec<u8> {
    [&[0; 255][..], &[least]].concat()
}

/// 0, 1, N and what is above it: each is found by all, names who told it, and ends the call before there is a connection.
#[test]
fn what_no_factor_gives_is_refused() {
    let modulus = || KEY.modulus.clone();
    let above = vec![0xff; 256];
    let told = [number(0), number(1), modulus(), above].into_iter().flat_map(|told| [Cheat::Told(0, told.clone()), Cheat::Told(1, told)]);
    for cheat in told {
        let (errors, sent, reached) = cheated(&cheat);
        let Cheat::Told(party, _) = cheat else { unreachable!() };
        let named = |error: &Option<OperateError>| matches!(error, Some(OperateError::Call(CallError::Jwe(JweError::Part(who)))) if who.index() == party);
        assert!(errors.iter().all(named), "{cheat:?}: {errors:?}");
        assert_eq!((sent, reached), (None, vec![Reached::Nothing; 2]));
    }
}

/// A factor without an inverse is found by the last party, who tells nothing then.
#[test]
fn a_factor_that_hides_nothing_is_refused() {
    let little_endian: Vec<u8> = KEY.modulus.iter().rev().copied().collect();
    for factor in [number(0), little_endian] {
        let (errors, sent, reached) = cheated(&Cheat::Factor(factor));
        assert!(matches!(errors[1], Some(OperateError::Call(CallError::Jwe(JweError::Factor)))), "{errors:?}");
        let stopped = |error: &OperateError| matches!(error.in_session(), Some(Error::Stopped { by, reason: Reason::GaveUp, .. }) if *by == PartyId::new(1));
        assert!(errors[0].as_ref().is_some_and(stopped), "{errors:?}");
        assert_eq!((sent, reached), (None, vec![Reached::Nothing; 2]));
    }
}

/// What could be right and is not gives a JWE that nobody can read: the call is lost, and no more than that.
#[test]
fn a_lie_about_a_factor_makes_a_jwe_for_nobody() {
    let last = number(0).into_iter().map(|_| 0x11).collect::<Vec<_>>();
    let one = [&[1][..], &[0; 255]].concat();
    for cheat in [Cheat::Told(0, last.clone()), Cheat::Told(1, last), Cheat::Factor(vec![0xff; 256]), Cheat::Factor(one)] {
        let (errors, sent, reached) = cheated(&cheat);
        assert!(errors.iter().all(Option::is_none), "{cheat:?}: {errors:?}");
        assert_eq!(reached, [Reached::ServerSecret; 2]);
        assert_eq!(KEY.read(&sent.unwrap()), None, "{cheat:?}");
    }
}

#[test]
fn as_many_parties_as_make_one() {
    let n = MAX_PARTIES + 1;
    let mut world = World::new(On::Ideal, 2, n);
    let item = world.item("password", Kind::Bytes, 24, vec![field()]);
    world.put(0, item, SECRET);
    let call = login("RSA-OAEP", "A128GCM", &KEY);
    let of = |quorum: Vec<usize>| world.task(world.operation(&quorum, Body::Call(call.clone()))).err();
    assert_eq!((of((0..n).collect()), of((0..n - 1).collect())), (Some(Refused::Value(NoValue::Parties)), None));
}

#[test]
fn as_many_as_one_call_makes() {
    let world = world();
    let with = |count: usize| {
        let names = || (0..count).map(|k| format!("p{k}"));
        let lets: String =
            names().map(|name| format!("# @let {name} = jwe(password, \"RSA-OAEP\", \"A128GCM\", \"{{{{jwk}}}}\")\n")).collect();
        let said: String = names().map(|name| format!("# @not-reflected {name}\n")).collect();
        let holes: String = names().map(|name| format!("{{{{{name}}}}} ")).collect();
        let text = format!(
            "# @vault password = password\n{lets}# @open all\n# @not-reflected password\n{said}POST https://localhost/\nContent-Type: text/plain\n\n{holes}"
        );
        refused(&world, call(&text, &[("jwk", &KEY.jwk())]))
    };
    assert_eq!((with(4), with(5)), (None, Some(Refused::Value(NoValue::Jwes))));
}

/// With SHA-1, more parties, larger keys; and what it takes is known before.
#[test]
#[ignore = "circuits of some million gates: just jwe"]
fn more_parties_and_larger_keys() {
    let long = Key::new(4096);
    for (n, alg, enc, key) in [(3, "RSA-OAEP", "A128GCM", &*KEY), (2, "RSA-OAEP-256", "A128GCM", &long), (2, "RSA-OAEP", "A256GCM", &*KEY)]
    {
        let mut world = World::new(On::Ideal, n, n);
        let item = world.item("password", Kind::Bytes, 24, vec![field()]);
        world.put(0, item, SECRET);
        let jwe = sent(world.calls(&(0..n).collect::<Vec<_>>(), &login(alg, enc, key)));
        assert_eq!(key.read(&jwe).as_deref(), Some(&SECRET[..]), "{n}, {alg}, {enc}");
    }
}

#[test]
#[ignore = "two million gates on the real engine: just jwe"]
fn on_the_real_engine() {
    let mut world = World::new(On::Real, 2, 2);
    let item = world.item("password", Kind::Bytes, 24, vec![field()]);
    world.put(0, item, SECRET);
    let call = login("RSA-OAEP-256", "A256GCM", &KEY);
    let Work::Call(planned) = world.task(world.operation(&[0, 1], Body::Call(call.clone()))).unwrap().into_work() else {
        panic!("it calls")
    };
    let cost = planned.cost(2).unwrap();
    let jwe = sent(world.calls(&[0, 1], &call));
    assert_eq!(KEY.read(&jwe).as_deref(), Some(&SECRET[..]));
    let prepared = world.prepared.lock().unwrap();
    assert!(prepared.iter().all(|stats| (stats.ands_full, stats.ands) == (cost.ands as u64, (cost.ands + cost.cheap) as u64)));
    println!("{} AND gates of two secrets", cost.ands);
}
