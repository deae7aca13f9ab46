//! Bodies of requests, any of which may have a secret in it: what this program has in its hands of one is erased when it has been read, and what is wrong with
//! one is a [`Problem`]. What the HTTP library has read from the socket is in a buffer of its own until the connection ends, and is freed with it; no interface
//! lets it be erased if it is shared.

use super::problem::Problem;
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use zeroize::{Zeroize, Zeroizing};

/// The longest body, in bytes.
const LONGEST: usize = 2 << 20;

/// The JSON value that a body is.
pub(super) struct Wiped<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Wiped<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bad = |status, title: String| Problem::new(status, "bad-body", "the body", title, "use the command of the daemon's version");
        // Never grown, so that no copy is left where it grew from.
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST));
        let mut pieces = request.into_body().into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| bad(StatusCode::BAD_REQUEST, format!("it broke off: {error}")))?;
            if text.len() + piece.len() > LONGEST {
                return Err(bad(StatusCode::PAYLOAD_TOO_LARGE, format!("it is longer than {LONGEST} bytes")));
            }
            text.extend_from_slice(&piece);
            wipe(piece);
        }
        // What serde says of a value that does not fit can have that value in it.
        let place = |error: &serde_json::Error| format!("it is not what is expected, in line {}, column {}", error.line(), error.column());
        serde_json::from_slice(&text).map(Wiped).map_err(|error| bad(StatusCode::BAD_REQUEST, place(&error)))
    }
}

fn wipe(piece: Bytes) {
    if let Ok(mut own) = piece.try_into_mut() {
        own.as_mut().zeroize();
    }
}

/// Secret bytes as hexadecimal digits, so that they are read without copies that nobody erases: a list of numbers would be kept as such for a while.
pub(super) mod hexadecimal {
    use serde::{
        Deserializer, Serializer,
        de::{Error, Visitor},
    };
    use std::fmt;
    use zeroize::Zeroizing;

    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    pub(in crate::serve) fn serialize<S: Serializer>(bytes: &Zeroizing<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
        for byte in bytes.iter() {
            text.push(DIGITS[usize::from(byte >> 4)].into());
            text.push(DIGITS[usize::from(byte & 15)].into());
        }
        to.serialize_str(&text)
    }

    pub(in crate::serve) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Zeroizing<Vec<u8>>, D::Error> {
        from.deserialize_str(Digits)
    }

    struct Digits;

    impl Visitor<'_> for Digits {
        type Value = Zeroizing<Vec<u8>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes in hexadecimal")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            let (pairs, rest) = text.as_bytes().as_chunks::<2>();
            let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
            for pair in pairs {
                let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (high, low) else { return Err(E::custom("not hexadecimal")) };
                bytes.push((high << 4 | low) as u8);
            }
            if rest.is_empty() { Ok(bytes) } else { Err(E::custom("half a byte")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
    enum Given {
        Put {
            #[serde(with = "hexadecimal")]
            value: Zeroizing<Vec<u8>>,
        },
    }

    async fn read(body: impl Into<Body>) -> Result<Given, Problem> {
        Wiped::from_request(Request::new(body.into()), &()).await.map(|Wiped(given)| given)
    }

    #[tokio::test]
    async fn a_secret_goes_there_and_back_and_is_in_no_error() {
        let all: Vec<u8> = (0..=255).collect();
        let text = serde_json::to_string(&Given::Put { value: Zeroizing::new(all.clone()) }).unwrap();
        let Given::Put { value } = read(text.clone()).await.unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(*value, all);
        for wrong in [text.replace("00", "0g"), text.replace("00", "000"), text.replace("put", "c0ffee"), text[..40].to_owned()] {
            let problem = read(wrong).await.err().unwrap().to_string();
            assert!(!problem.contains("0102") && !problem.contains("c0ffee"), "{problem}");
        }
        let long = read(vec![b' '; LONGEST + 1]).await.err().unwrap();
        assert_eq!(long.status, 413);
    }
}
