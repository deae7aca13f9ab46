use super::*;
use cotenant_circuit::{
    Circuit,
    bytes::{bits_of, bytes_of, input_bytes, output_bytes},
};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const TOKEN: Sort = Sort::text(Alphabet::ALPHANUMERIC.mask());

fn of(function: Function, value: Value) -> Value {
    Value::Of(function, Box::new(value))
}

fn hmac(key: Value, message: Value) -> Value {
    Value::Hmac { key: Box::new(key), message: Box::new(message) }
}

fn public(text: &str) -> Value {
    Value::Public(text.into())
}

/// The circuit of values that are made of secrets of these kinds, the last one being what comes out, and its shape.
fn circuit(secrets: &[Shape], made: &[Value]) -> (Circuit, Shape) {
    let mut b = Builder::new();
    let mut all: Vec<(Shape, Vec<Byte>)> = secrets.iter().map(|shape| (*shape, input_bytes(&mut b, shape.len))).collect();
    let shapes = shapes(secrets.to_vec(), made).unwrap();
    for (value, shape) in made.iter().zip(&shapes[secrets.len()..]) {
        let bytes = value.build(&mut b, &all, &mut std::iter::empty());
        assert_eq!(bytes.len(), shape.len, "{value:?}");
        all.push((*shape, bytes));
    }
    let (shape, bytes) = all.last().unwrap();
    output_bytes(&mut b, bytes);
    (b.finish(), *shape)
}

/// What is made of these secrets. That its characters are those that were told is checked on the way.
fn made(secrets: &[(&[u8], Sort)], values: &[Value]) -> Vec<u8> {
    let shapes: Vec<Shape> = secrets.iter().map(|(secret, sort)| Shape { len: secret.len(), sort: *sort }).collect();
    let (circuit, shape) = circuit(&shapes, values);
    let out = bytes_of(&circuit.eval(&secrets.iter().flat_map(|(secret, _)| bits_of(secret)).collect::<Vec<_>>()));
    let can = |byte: u8| shape.sort.characters().is_none_or(|all| byte < 128 && all >> byte & 1 == 1);
    assert!(out.iter().all(|&byte| can(byte)), "{out:?}");
    out
}

/// RFC 7617 section 2: `Authorization: Basic`, of a user that all know.
#[test]
fn basic() {
    let basic = of(Function::Base64(Base64::Standard), Value::Join(vec![public("Aladdin:"), Value::Earlier(0)]));
    assert_eq!(made(&[(b"open sesame", Sort::Any)], &[basic]), b"QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

/// RFC 7515 appendix A.1: a token signed with HMAC-SHA-256, the payload being the secret beside the key.
#[test]
fn a_json_web_token() {
    let header = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
    let payload = b"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    let key = BASE64URL_NOPAD.decode(b"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow").unwrap();
    let encode = |value| of(Function::Base64(Base64::Url), value);
    let values = [
        Value::Join(vec![public(header), public("."), encode(Value::Earlier(1))]),
        Value::Join(vec![Value::Earlier(2), public("."), encode(hmac(Value::Earlier(0), Value::Earlier(2)))]),
    ];
    let token = made(&[(&key, Sort::Any), (payload, Sort::Any)], &values);
    assert_eq!(
        std::str::from_utf8(&token).unwrap(),
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV\
         lfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
}

/// Each function of secrets of many lengths, against implementations of others.
#[test]
fn functions_agree_with_others() {
    for len in [0, 1, 2, 3, 20, 55, 56, 63, 64, 65, 100] {
        let secret: Vec<u8> = (0..len).map(|i| (37 * i + 11) as u8).collect();
        let function = |function| made(&[(&secret, Sort::Any)], &[of(function, Value::Earlier(0))]);
        assert_eq!(function(Function::Base64(Base64::Standard)), BASE64.encode(&secret).as_bytes());
        assert_eq!(function(Function::Base64(Base64::Url)), BASE64URL_NOPAD.encode(&secret).as_bytes());
        assert_eq!(function(Function::Hex), HEXLOWER.encode(&secret).as_bytes());
        assert_eq!(function(Function::Sha256), Sha256::digest(&secret).as_slice());
        let escaped = function(Function::Percent);
        assert_eq!(percent_encoding::percent_decode(&escaped).collect::<Vec<u8>>(), secret);
        assert_eq!(escaped.len(), 3 * len);
        let message = b"what all know, and";
        let signed = hmac(Value::Earlier(0), Value::Join(vec![Value::Public(message.to_vec()), Value::Earlier(0)]));
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(message);
        mac.update(&secret);
        assert_eq!(made(&[(&secret, Sort::Any)], &[signed]), mac.finalize().into_bytes().as_slice());
    }
}

/// Every byte is escaped or none, by what the secret can be and not by what it is.
#[test]
fn an_escape_has_one_length() {
    let escaped = |function, secret: &'static [u8], sort| made(&[(secret, sort)], &[of(function, Value::Earlier(0))]);
    let tilde = Sort::text(UNRESERVED);
    let plus = Sort::text(Alphabet::BASE64.mask());
    assert_eq!(escaped(Function::Percent, b"aZ9-", tilde), b"aZ9-");
    assert_eq!(escaped(Function::Percent, b"aZ9", plus), b"%61%5A%39", "there could be a plus");
    let visible = Sort::text(Alphabet::VISIBLE.mask());
    assert_eq!(escaped(Function::Json, b"aZ9+/", plus), b"aZ9+/");
    let quoted = escaped(Function::Json, b"a\"\\z", visible);
    assert_eq!(quoted, b"\\u0061\\u0022\\u005c\\u007a");
    assert_eq!(serde_json::from_str::<String>(&format!("\"{}\"", String::from_utf8(quoted).unwrap())).unwrap(), "a\"\\z");
    // What is escaped is escaped once more, and what needs no escape is left.
    let twice = of(Function::Percent, of(Function::Percent, Value::Earlier(0)));
    assert_eq!(made(&[(b"+", plus)], &[twice]), b"%25%32%42");
    let mixed = of(Function::Percent, of(Function::Hex, Value::Earlier(0)));
    assert_eq!(made(&[(b"+", plus)], &[mixed]), b"2b");
    let percent_in_json = of(Function::Json, of(Function::Percent, Value::Earlier(0)));
    assert_eq!(made(&[(b"+", plus)], &[percent_in_json]), b"%2B");
}

/// What a value can be decides where it may stand.
#[test]
fn what_a_value_can_be() {
    let shape = |value: &Value, sort| value.shape(&[Shape { len: 5, sort }]).map(|shape| shape.sort);
    let form = |value: &Value, sort| shape(value, sort).unwrap().is_within_escaped(UNRESERVED);
    let json = |value: &Value, sort| shape(value, sort).unwrap().is_json();
    let visible = Sort::text(Alphabet::VISIBLE.mask());
    let bare = Value::Earlier(0);
    assert!(form(&bare, TOKEN) && json(&bare, TOKEN));
    assert!(!form(&bare, visible) && !json(&bare, visible));
    assert!(!form(&bare, Sort::Any) && !json(&bare, Sort::Any));
    let percent = of(Function::Percent, Value::Earlier(0));
    assert!([TOKEN, visible, Sort::Any].into_iter().all(|sort| form(&percent, sort) && json(&percent, sort)));
    let escaped = of(Function::Json, Value::Earlier(0));
    assert!(json(&escaped, visible) && !form(&escaped, visible) && form(&escaped, TOKEN));
    // A bare percent sign is not an escape, and neither is a backslash.
    assert!(!form(&Value::Join(vec![public("%2"), percent.clone()]), visible));
    assert!(!json(&Value::Join(vec![public("\\"), escaped.clone()]), visible));
    assert!(!json(&public("a\nb"), visible) && !public("\u{e4}").shape(&[]).unwrap().sort.is_json());
    assert_eq!(shape(&escaped, Sort::Any), Err(NoValue::NotText));
    let base64 = |len: usize, alphabet| {
        let value = of(Function::Base64(alphabet), Value::Earlier(0));
        value.shape(&[Shape { len, sort: Sort::Any }]).unwrap().sort.is_within_escaped(UNRESERVED)
    };
    assert!(!base64(3, Base64::Standard) && base64(4, Base64::Url));
}

#[test]
fn what_is_too_much_is_refused() {
    let secret = |len| Shape { len, sort: Sort::Any };
    let twice = Value::Join(vec![Value::Earlier(0), Value::Earlier(0)]);
    assert!(twice.shape(&[secret(MAX_VALUE / 2)]).is_ok());
    assert_eq!(twice.shape(&[secret(MAX_VALUE / 2 + 1)]), Err(NoValue::Long));
    assert_eq!(Value::Earlier(1).shape(&[secret(1)]), Err(NoValue::Missing));
    assert_eq!(shapes(vec![secret(1)], &[Value::Earlier(1)]), Err(NoValue::Missing), "not of itself");
    // Each is short enough.
    let copied = |times: usize| shapes(vec![secret(MAX_VALUE)], &vec![Value::Earlier(0); times - 1]).map(|_| ());
    assert_eq!((copied(MAX_VALUES / MAX_VALUE), copied(MAX_VALUES / MAX_VALUE + 1)), (Ok(()), Err(NoValue::Longer)));
    // 16 384 bytes are 257 blocks with their padding.
    let hashed = |times| shapes(vec![secret(1 << 14)], &vec![of(Function::Sha256, Value::Earlier(0)); times]).map(|_| ());
    assert_eq!((hashed(3), hashed(4)), (Ok(()), Err(NoValue::Dear)));
    let signed = |times| shapes(vec![secret(1 << 14)], &vec![hmac(Value::Earlier(0), public("")); times]).map(|_| ());
    assert_eq!((signed(3), signed(4)), (Ok(()), Err(NoValue::Dear)));
    let sealing = Box::new(crate::jwe::tests::rfc_7516().sealing);
    let jwes =
        |len: usize, times| shapes(vec![secret(len)], &vec![Value::Jwe(sealing.clone(), Box::new(Value::Earlier(0))); times]).map(|_| ());
    assert_eq!((jwes(1 << 14, 2), jwes(1 << 14, 3)), (Ok(()), Err(NoValue::Dear)));
    assert_eq!((jwes(24, MAX_JWES), jwes(24, MAX_JWES + 1)), (Ok(()), Err(NoValue::Jwes)));
}

/// What callers pay: nothing for joining, and nothing for what all know.
#[test]
fn counts_are_these() {
    let ands = |len, values: &[Value]| circuit(&[Shape { len, sort: Sort::text(Alphabet::VISIBLE.mask()) }], values).0.stats().ands();
    let secret = || Value::Earlier(0);
    let prefix = |len: usize| Value::Join(vec![Value::Public(vec![b'x'; len]), secret()]);
    assert_eq!(ands(24, &[prefix(100)]), 0);
    let counts = [
        ands(24, &[of(Function::Base64(Base64::Standard), prefix(6))]),
        ands(24, &[of(Function::Hex, secret())]),
        ands(24, &[of(Function::Percent, secret())]),
        ands(24, &[of(Function::Json, secret())]),
        ands(24, &[of(Function::Sha256, prefix(0))]),
        ands(24, &[of(Function::Sha256, prefix(640))]),
        ands(32, &[hmac(secret(), public("a message of one block"))]),
    ];
    assert_eq!(counts, [512, 192, 192, 96, 20_802, 20_810, 79_898]);
}

/// What all know before the first secret is computed before there is a circuit; what comes out means the same, and so much of it is secret.
#[test]
fn what_is_public_is_folded() {
    let hex = Sort::text(Alphabet::HEX.mask());
    let (base64, percent) = (Function::Base64(Base64::Standard), Function::Percent);
    for (before, after) in [("", ""), ("a", "\n"), ("ab", "?~>"), ("#!/bin/sh\necho '>>?'\n", "\n"), ("abc", "")] {
        let script = Value::Join(vec![public(before), Value::Earlier(0), public(after)]);
        for (function, plain) in
            [(base64, BASE64.encode(format!("{before}00ff{after}").as_bytes())), (Function::Base64(Base64::Url), String::new())]
        {
            let folded = of(function, script.clone()).folded();
            let text = made(&[(b"00ff", hex)], &[folded]);
            assert!(plain.is_empty() || text == plain.as_bytes(), "{before:?} {after:?}");
            assert_eq!(text, made(&[(b"00ff", hex)], &[of(function, script.clone())]));
            let escaped = made(&[(b"00ff", hex)], &[of(percent, of(function, script.clone())).folded()]);
            assert_eq!(percent_encoding::percent_decode(&escaped).collect::<Vec<u8>>(), text, "{before:?} {after:?}");
        }
    }
    // A script around a key in a form: of the secret part nothing is escaped, if base64 needs no padding.
    let script = |before: &str| of(percent, of(base64, Value::Join(vec![public(before), Value::Earlier(0), public("\nEOF\n")]))).folded();
    let shape = |value: Value| value.shape(&[Shape { len: 64, sort: hex }]).unwrap();
    let long = "#!/bin/sh\ncurl 'https://h/?a=b&c=%2F' >> x\n".repeat(20);
    let of_len = |missing: usize| format!("{long}{}", "#".repeat((6 - (long.len() + 69 + missing) % 3) % 3));
    let (fits, not) = (shape(script(&of_len(0))), shape(script(&of_len(1))));
    assert!(fits.sort.is_within_escaped(UNRESERVED) && fits.len < (long.len() + 71) * 4 / 3 + 60, "{fits:?}");
    assert!(not.len - fits.len > 2 * 64, "with padding all of the secret part is escaped");
}

/// Base64 of text has what it can have: no `+` and no `/` but of a few characters.
#[test]
fn characters_of_base64() {
    let characters = |text: &[u8]| {
        let shape = of(Function::Base64(Base64::Standard), Value::Earlier(0)).shape(&[Shape { len: 3, sort: Sort::text(mask(text)) }]);
        shape.unwrap().sort.characters().unwrap()
    };
    for byte in 0..128_u8 {
        // In all places of the three bytes, alone and with others.
        let all = characters(&[byte, b'a']);
        for text in [[byte; 3], [byte, b'a', b'a'], [b'a', byte, b'a'], [b'a', b'a', byte], [byte, byte, b'a'], [b'a', byte, byte]] {
            assert_eq!(mask(BASE64.encode(&text).as_bytes()) & !all, 0, "{byte}");
        }
    }
    assert_eq!(characters(b"0123456789abcdef\n") & mask(b"+/="), 0);
    assert_ne!(characters(b"a?"), characters(b"a"));
    assert_eq!(characters(b"?") & mask(b"/"), mask(b"/"));
    let any = of(Function::Base64(Base64::Standard), Value::Earlier(0)).shape(&[Shape { len: 4, sort: Sort::Any }]).unwrap();
    assert_eq!(any.sort, Sort::text(Alphabet::BASE64.mask() | mask(b"=")));
}
