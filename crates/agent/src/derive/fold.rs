//! What all know of a value, computed before a circuit is: the public text before the first secret becomes base64 in the clear, and an escape is of each part
//! by itself.
//!
//! ```text
//! base64(public || rest)  =  base64(first 3k bytes of public) || base64(rest of public || rest)
//! percent(a || b)         =  percent(a) || percent(b)
//! ```
//!
//! The bytes mean the same, and the parts that are public need no escape for what the secret ones could be. Without it a script of a thousand bytes around
//! one key would be sent as three escapes a byte.

use super::{Function, UNRESERVED, Value};
use cotenant_circuit::base64::Base64;

impl Value {
    /// A value that means the same, with all that can be computed of it without secrets.
    #[must_use]
    pub fn folded(self) -> Value {
        match self {
            Value::Join(parts) => joined(parts.into_iter().map(Value::folded).collect()),
            Value::Of(Function::Percent, of) => escaped(of.folded()),
            Value::Of(Function::Base64(alphabet), of) => encoded(alphabet, of.folded()),
            Value::Of(function, of) => Value::Of(function, Box::new(of.folded())),
            Value::Hmac { key, message } => Value::Hmac { key: Box::new(key.folded()), message: Box::new(message.folded()) },
            Value::Jwe(sealing, of) => Value::Jwe(sealing, Box::new(of.folded())),
            Value::Public(_) | Value::Earlier(_) => self,
        }
    }
}

/// One after the other, what is public as few parts as can be.
fn joined(parts: Vec<Value>) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for part in parts.into_iter().flat_map(Value::into_parts) {
        match (all.last_mut(), part) {
            (Some(Value::Public(before)), Value::Public(bytes)) => before.extend(bytes),
            (_, part) => all.push(part),
        }
    }
    if all.len() == 1 { all.remove(0) } else { Value::Join(all) }
}

impl Value {
    fn into_parts(self) -> Vec<Value> {
        match self {
            Value::Join(parts) => parts,
            one => vec![one],
        }
    }
}

/// Of what is public each byte is escaped that needs it, and no other.
fn escaped(value: Value) -> Value {
    let escape = |part| Value::Of(Function::Percent, Box::new(part));
    let part = |part: Value| match part {
        Value::Public(bytes) => {
            let runs = bytes.chunk_by(|a, b| is_unreserved(*a) == is_unreserved(*b)).map(<[u8]>::to_vec);
            runs.map(|run| if is_unreserved(run[0]) { Value::Public(run) } else { escape(Value::Public(run)) }).collect()
        }
        secret => vec![escape(secret)],
    };
    joined(value.into_parts().into_iter().flat_map(part).collect())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii() && UNRESERVED >> byte & 1 == 1
}

fn encoded(alphabet: Base64, value: Value) -> Value {
    let mut parts = value.into_parts();
    let known: Vec<u8> = match &mut parts[..] {
        [Value::Public(bytes)] => return Value::Public(alphabet.encode_public(bytes)),
        [Value::Public(bytes), ..] => bytes.drain(..bytes.len() / 3 * 3).collect(),
        _ => Vec::new(),
    };
    let rest = Value::Of(Function::Base64(alphabet), Box::new(joined(parts)));
    if known.is_empty() { rest } else { joined(vec![Value::Public(alphabet.encode_public(&known)), rest]) }
}
