//! The steps of the S3 client: `put:KEY=FILE`, `get:KEY[=FILE]`, `list`, as requests, and what to make of their answers.
//!
//! Path-style addresses (`/bucket/key`), as services that are not Amazon's take them too. Source: Amazon S3 API Reference, PutObject,
//! GetObject, ListObjectsV2.

use crate::{error::Error, listing::error_code, target::Site};
use cotenant_agent::{
    call::MAX_REQUEST,
    http::{self, End, Request, Response},
};
use cotenant_tls::Answer;
use std::{fmt, fs::File, io::Read, path::PathBuf, str::FromStr};

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Stores a file's contents under a key.
    Put {
        /// The key.
        key: String,
        /// The file, the same at all parties.
        file: PathBuf,
    },
    /// Reads an object.
    Get {
        /// The key.
        key: String,
        /// Where this party writes it; standard output if nowhere.
        file: Option<PathBuf>,
    },
    /// Lists the keys of the bucket, up to a thousand.
    List,
}

/// Why a step cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// Not one of the three forms.
    #[error("{0:?} is no step: write put:KEY=FILE, get:KEY, get:KEY=FILE or list")]
    Form(String),
    /// A key that servers, or programs on the way, would read as another one.
    #[error(
        "{0:?} is no key for a step: it must not begin or end with a slash, nor have \"//\", \"/./\" or \"/../\" in it, nor be \".\" or \"..\""
    )]
    Key(String),
    /// A bucket's name that is not one segment of a path.
    #[error("--bucket {0:?} is no name of a bucket")]
    Bucket(String),
    /// The file is too long to put.
    #[error("{}: more than the {MAX_REQUEST} bytes that a put takes: all of them are encrypted inside MPC", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// More steps than one mesh carries.
    #[error("{given} steps are more than the {} that one run takes", crate::party::MAX_CALLS)]
    TooMany {
        /// How many were given.
        given: usize,
    },
    /// The server's list is not one well-formed ListBucketResult.
    #[error("the server's list of objects is not one well-formed ListBucketResult that says whether it is complete")]
    Listing,
}

impl FromStr for Step {
    type Err = StepError;

    fn from_str(text: &str) -> Result<Self, StepError> {
        let wrong = || StepError::Form(text.to_owned());
        let file = |file: &str| if file.is_empty() { Err(wrong()) } else { Ok(PathBuf::from(file)) };
        let step = match text.split_once(':') {
            None if text == "list" => Step::List,
            Some(("put", rest)) => {
                let (key, path) = rest.split_once('=').ok_or_else(wrong)?;
                Step::Put { key: key.to_owned(), file: file(path)? }
            }
            Some(("get", rest)) => match rest.split_once('=') {
                Some((key, path)) => Step::Get { key: key.to_owned(), file: Some(file(path)?) },
                None => Step::Get { key: rest.to_owned(), file: None },
            },
            _ => return Err(wrong()),
        };
        match &step {
            Step::Put { key, .. } | Step::Get { key, .. } if key.is_empty() => Err(wrong()),
            Step::Put { key, .. } | Step::Get { key, .. } if !key.split('/').all(is_segment) => Err(StepError::Key(key.clone())),
            _ => Ok(step),
        }
    }
}

/// Whether a segment of a path is taken as it is; others are removed on the way, with what is before them (RFC 3986 section 5.2.4).
fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..")
}

/// The step without this party's own files: the same at all parties.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Put { key, .. } => write!(f, "put:{key}"),
            Step::Get { key, .. } => write!(f, "get:{key}"),
            Step::List => f.write_str("list"),
        }
    }
}

impl Step {
    /// The request at `site`, unsigned. Reads the file of a put.
    ///
    /// # Errors
    /// A file that cannot be read or is too long, a bucket or key that makes no target.
    pub fn request(&self, site: &Site, bucket: &str) -> Result<Request, Error> {
        let at = |method, target: String| Request::new(method, &site.host_header(), site.endpoint.port, &target);
        if !is_segment(bucket) || bucket.contains('/') {
            return Err(StepError::Bucket(bucket.to_owned()).into());
        }
        let bucket = percent_encode(bucket);
        match self {
            Step::Put { key, file } => {
                let read = |source| Error::Read { path: file.clone(), source };
                let mut body = Vec::new();
                File::open(file).and_then(|open| open.take(MAX_REQUEST + 1).read_to_end(&mut body)).map_err(read)?;
                if body.len() as u64 > MAX_REQUEST {
                    return Err(StepError::TooLong { path: file.clone() }.into());
                }
                let mut request = at("PUT", format!("/{bucket}/{}", percent_encode(key)))?;
                request.set_body(body);
                Ok(request)
            }
            Step::Get { key, .. } => Ok(at("GET", format!("/{bucket}/{}", percent_encode(key)))?),
            Step::List => Ok(at("GET", format!("/{bucket}?list-type=2"))?),
        }
    }

    /// Reads the opened answer strictly, and lets nothing but success pass.
    ///
    /// # Errors
    /// [`Error::Answer`], [`Error::Status`].
    pub fn response(&self, answer: &Answer) -> Result<Response, Error> {
        let method = if matches!(self, Step::Put { .. }) { "PUT" } else { "GET" };
        let end = match answer.end {
            cotenant_tls::End::CloseNotify => End::CloseNotify,
            cotenant_tls::End::Truncated => End::Open,
        };
        let step = self.to_string();
        match http::parse(&answer.body, method, end) {
            Ok(response) if response.status == 200 => Ok(response),
            Ok(response) => Err(Error::Status { step, status: response.status, code: error_code(&response.body) }),
            Err(source) => Err(Error::Answer { step, source }),
        }
    }
}

/// Every byte but the unreserved ones of RFC 3986 section 2.3 and slashes as `%` and two capital hex digits.
fn percent_encode(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    text.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read() {
        let step = |text: &str| text.parse::<Step>();
        assert_eq!(step("list"), Ok(Step::List));
        assert_eq!(step("put:a/b=c=d"), Ok(Step::Put { key: "a/b".into(), file: "c=d".into() }));
        assert_eq!(step("get:a"), Ok(Step::Get { key: "a".into(), file: None }));
        assert_eq!(step("get:a=f"), Ok(Step::Get { key: "a".into(), file: Some("f".into()) }));
        for wrong in ["", "lists", "put:", "put:a", "put:=f", "put:a=", "get:", "get:=f", "get:a=", "delete:a"] {
            assert_eq!(step(wrong), Err(StepError::Form(wrong.to_owned())));
        }
    }

    #[test]
    fn answers_but_success_are_errors() {
        let answer = |text: &str| Answer {
            body: text.replace('\n', "\r\n").into_bytes(),
            end: cotenant_tls::End::CloseNotify,
            tickets: 0,
            key_updates: 0,
        };
        let response = |text: &str| Step::List.response(&answer(text));
        assert_eq!(response("HTTP/1.1 200 OK\n\nhello").unwrap().body, b"hello");
        let refused = response("HTTP/1.1 403 Forbidden\n\n<Error><Code>SignatureDoesNotMatch</Code></Error>").unwrap_err();
        assert_eq!(refused.to_string(), "list: the server answered 403 SignatureDoesNotMatch");
        assert!(matches!(response("HTTP/1.1 200 OK\nContent-Length: 9\n\nhello"), Err(Error::Answer { .. })));
    }

    #[test]
    fn keys_that_a_server_would_change_are_refused() {
        for key in ["/a", "a/", "a//b", "/", ".", "..", "../a", "a/..", "a/../b", "./a", "a/./b"] {
            for step in [format!("get:{key}"), format!("get:{key}=f"), format!("put:{key}=f")] {
                assert_eq!(step.parse::<Step>(), Err(StepError::Key(key.to_owned())));
            }
        }
        for key in ["...", ".a", "a.", "a..b", ".../a", "a/.b/c"] {
            assert!(format!("get:{key}").parse::<Step>().is_ok(), "{key}");
        }
    }

    #[test]
    fn keys_are_encoded_byte_by_byte() {
        assert_eq!(percent_encode("a b/\u{e9}+%?"), "a%20b/%C3%A9%2B%25%3F");
    }
}
