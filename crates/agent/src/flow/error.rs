//! What is wrong with a flow, and where.

use crate::{http::RequestError, jwe::BadSealing, redact::Fault, sign::sigv4::SigningError};
use std::fmt;

/// A place in a text, for people: both numbers are from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl Position {
    /// The start of a text.
    pub const START: Position = Position { line: 1, column: 1 };

    /// The place after `text`, which begins here.
    pub(super) fn after(self, text: &str) -> Position {
        match text.rsplit_once('\n') {
            None => Position { line: self.line, column: self.column + text.chars().count() },
            Some((before, last)) => Position { line: self.line + 1 + before.matches('\n').count(), column: 1 + last.chars().count() },
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a text is no flow that can be run. Who wrote it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct FlowError {
    /// Where.
    pub at: Position,
    /// What.
    pub problem: Problem,
}

/// What is wrong. Texts in it are the author's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is not UTF-8.
    #[error("the text is not UTF-8 from here on")]
    Utf8,
    /// Lines end in LF alone, so that a text has one form.
    #[error("there is a carriage return: save the file with line ends of Unix (LF)")]
    CarriageReturn,
    /// The text is longer than an operation holds.
    #[error("the text is longer than {} bytes", crate::approve::operation::MAX_FLOW)]
    LongText,
    /// No request.
    #[error("there is no request: write METHOD https://host/path")]
    NoRequest,
    /// More than one.
    #[error("this is a second request: this version runs files of one request")]
    Several,
    /// A variable that the file defines.
    #[error("variables of a file are not in this version: write {{{{name}}}} and give --arg name=value")]
    FileVariable,
    /// The first line of a request.
    #[error("this is not METHOD https://host/path")]
    RequestLine,
    /// Another scheme, or none.
    #[error("calls are made to https://host/path and nothing else")]
    NotHttps,
    /// Another version.
    #[error("calls are made in HTTP/1.1: leave the version out")]
    Version,
    /// The host.
    #[error("this is not a host name in small letters, or an address")]
    Host,
    /// The port.
    #[error("this is not a port, from 1 to 65535")]
    Port,
    /// A hole in a method, host, port or header name.
    #[error("no hole stands here: method, host, port and names of headers are written out")]
    FixedPlace,
    /// A line that is no header.
    #[error("this is not \"Name: value\"; an empty line stands before a body")]
    Header,
    /// A part that may not stand in a request.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// The request is too long.
    #[error("the request has {0} bytes: all are encrypted inside MPC, and {most} is the most", most = crate::call::MAX_REQUEST)]
    Long(usize),
    /// A line of a body that editors take for something to execute.
    #[error(
        "this stands for a program or file that handles the answer, and nothing is executed; a body that has this line comes from a file: < ./body"
    )]
    Handler,
    /// `< PATH` that is not a path, or not the whole body.
    #[error("a body from a file is one line, \"< PATH\", of 1 to 62 letters, digits and . _ / -")]
    BodyFile,
    /// A hole that is not closed on its line.
    #[error("\"{{{{\" without \"}}}}\" after it on the line")]
    Open,
    /// A name that is none.
    #[error("\"{0}\" is no name: 1 to 64 small letters, digits and . _ -")]
    Name(String),
    /// The name of an item that is none.
    #[error("\"{0}\" is no name of an item: 1 to 63 small letters, digits and . _ / -, the first a letter or a digit")]
    Item(String),
    /// A directive that does not stand before its request.
    #[error("directives stand before the request line that they are about")]
    DirectivePlace,
    /// A directive without a request.
    #[error("no request follows that this directive is about")]
    NoRequestFollows,
    /// A directive that there is not.
    #[error("there is no directive @{found}; the nearest is @{nearest}")]
    UnknownDirective {
        /// As it is written.
        found: String,
        /// One that there is.
        nearest: &'static str,
    },
    /// A directive in another form than its own.
    #[error("this is not in the form of the directive: {0}")]
    Form(&'static str),
    /// What is no value of a `@let`.
    #[error("this is no value: write \"text {{{{name}}}}\", NAME or FUNCTION(VALUE)")]
    Value,
    /// A text without a second quote, or a function without a bracket behind it.
    #[error("this is not closed on its line")]
    Unclosed,
    /// An escape that there is not.
    #[error("after a backslash stands n, a quote or a backslash")]
    Escape,
    /// A function that there is not.
    #[error("there is no function {found}; the nearest is {nearest}")]
    UnknownFunction {
        /// As it is written.
        found: String,
        /// One that there is.
        nearest: &'static str,
    },
    /// A function of more or fewer values.
    #[error("{function} takes {wanted}")]
    Takes {
        /// The function.
        function: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
    /// What of a JWE is known to all.
    #[error("how a JWE is encrypted and for whom is known to all: text, and holes that arguments fill")]
    JwePublic,
    /// A JWE that is none.
    #[error("{0}")]
    Jwe(BadSealing),
    /// Functions within functions within functions.
    #[error("functions are nested too deep: give what is inside a name, with a @let before this one")]
    Deep,
    /// A `@let` without a secret.
    #[error("nothing in this is secret, so that it needs no @let: give it as an argument")]
    Public,
    /// A member that is none.
    #[error("no member is called {}", crate::approve::escape::escape(.0))]
    NoMember(String),
    /// A value that is made of itself, or of one that is declared after it.
    #[error("{{{{{0}}}}} is made by this @let or a later one: what a value is made of stands before it")]
    Later(String),
    /// A set of characters that is none.
    #[error("these are no characters: write digits, hex, alnum, base64, base64url or a set of printable ones like [A-Za-z0-9_]")]
    Characters,
    /// A length that is none.
    #[error("a length is a number of characters from 1 to {}", crate::derive::MAX_VALUE)]
    Length,
    /// A setting that the directive does not have.
    #[error("there is no setting {found} here; the nearest is {nearest}")]
    UnknownSetting {
        /// As it is written.
        found: String,
        /// One that there is.
        nearest: &'static str,
    },
    /// A setting that is missing.
    #[error("the setting {0} is missing")]
    NoSetting(&'static str),
    /// A directive, a setting or a name that is there already.
    #[error("{0} is there already")]
    Twice(String),
    /// Too many directives of one kind.
    #[error("a request declares at most {most} holes, and has at most {most} directives of another kind", most = super::directive::MOST)]
    Many,
    /// What is made of secrets takes too much that is none.
    #[error("what all know of the values of all @let has {0} bytes, and {most} is the most", most = crate::derive::MAX_VALUES)]
    LongValues(usize),
    /// A number of bytes out of bounds.
    #[error("a limit is a number of bytes from 1 to {}", super::compile::MAX_LIMIT)]
    Limit,
    /// Nothing says what becomes of the answer.
    #[error("nothing says what becomes of the answer: write # @open all before this line, or what is opened and kept")]
    NotOpened,
    /// A rule of the policy for the answer.
    #[error("{0}")]
    Rule(Fault),
    /// The whole answer is opened, and something else is said of it.
    #[error("# @open all opens the whole answer, and stands alone")]
    BesideAll,
    /// A server may compress an answer of which a part stays secret.
    #[error(
        "its length would tell what stays secret, and no rule reads what is compressed: write Accept-Encoding: identity, or leave it out"
    )]
    Compressed,
    /// A status that is none, or a second one.
    #[error("this is not the one status of the answer, from 100 to 599")]
    Status,
    /// The rules take too many gates for the limit.
    #[error(
        "to look for these rules in so long an answer takes up to {0} AND gates, and {most} is the most: set a lower @limit, or fewer or shorter values",
        most = crate::answer::MAX_MATCHER
    )]
    Matcher(u64),
    /// What is saved is not what a rule keeps.
    #[error("no # @keep keeps {0}")]
    NotKept(String),
    /// What is kept is not saved.
    #[error("{0} is kept and not used: write # @save {0} = ITEM")]
    NotSaved(String),
    /// A kept value is of several lengths, or there are several.
    #[error("{0} becomes an item, so it stands once and has one length: len N")]
    OneLength(String),
    /// A use that is none.
    #[error("\"{0}\" is no use: sigv4:REGION/SERVICE@HOST, header:NAME@HOST or field@HOST")]
    Use(String),
    /// A limit that is too high for an answer that is read in part.
    #[error("an answer of which a part stays secret has at most {} bytes", crate::answer::MAX_BYTES)]
    PartLimit,
    /// The answer could tell what was sent.
    #[error(
        "what is opened or kept of the answer could be {0}, so it has to be said that the server does not send it back: # @not-reflected {0}"
    )]
    Reflected(String),
    /// A secret in a signed request of which the whole answer is opened.
    #[error(
        "a server that does not find a signature right sends back what was signed, so {0} could be in its answer: open parts of it in place of # @open all"
    )]
    SignedSecret(String),
    /// A secret in a signed request, of an answer to which a part is read whatever its status.
    #[error(
        "a server that does not find a signature right sends back what was signed, so {0} could be in its answer: write # @status 200, or another one of 200 to 299"
    )]
    SignedStatus(String),
    /// What is not sent back is no secret.
    #[error("{0} is not the hole of a secret")]
    NoSecret(String),
    /// A secret in the path or the query, which servers write into logs.
    #[error("the secret {0} cannot stand in the path or query: in the value of a header, or in the body")]
    SecretInTarget(String),
    /// A secret in two kinds of places, which are two uses.
    #[error("the secret {0} stands in another header, or in the body, already: declare another hole for each place")]
    TwoPlaces(String),
    /// Another secret of a signed request has the name of the signature's slot.
    #[error("in a signed request no other secret is called signature")]
    Signature,
    /// What does not go with a URL that is made and not sent.
    #[error("a presigned URL is made and not sent: it has no body, no other secret, and no @keep, @open or @limit")]
    Presign,
    /// What the signer needs.
    #[error("{0}")]
    Signing(#[from] SigningError),
    /// Nothing fills a hole.
    #[error("nothing fills {{{{{name}}}}}{}; give --arg {name}=VALUE, or declare it: # @vault {name} = ITEM", suggested(.nearest.as_deref()))]
    Unfilled {
        /// Its name.
        name: String,
        /// A name that is near, and is declared or given.
        nearest: Option<String>,
    },
    /// The file of a body was not given.
    #[error("the file of the body was not given")]
    NoBodyFile,
    /// An argument or a secret that stands nowhere.
    #[error("there is no {{{{{0}}}}} in the request")]
    Unused(String),
}

impl Problem {
    pub(crate) fn at(self, at: Position) -> FlowError {
        FlowError { at, problem: self }
    }
}

fn suggested(name: Option<&str>) -> String {
    name.map(|name| format!(" ({{{{{name}}}}} is near)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_counted_in_characters() {
        let at = |text: &str| Position { line: 3, column: 5 }.after(text);
        assert_eq!(at(""), Position { line: 3, column: 5 });
        assert_eq!(at("\u{e4}b"), Position { line: 3, column: 7 });
        assert_eq!(at("a\n\nbc"), Position { line: 5, column: 3 });
        assert_eq!(at("a\n"), Position { line: 4, column: 1 });
    }

    #[test]
    fn an_error_reads_like_this() {
        let error = Problem::Unfilled { name: "tokn".into(), nearest: Some("token".into()) }.at(Position { line: 4, column: 23 });
        assert_eq!(
            error.to_string(),
            "4:23: nothing fills {{tokn}} ({{token}} is near); give --arg tokn=VALUE, or declare it: # @vault tokn = ITEM"
        );
    }
}
