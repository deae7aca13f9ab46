//! A call in words: what is sent where, with arguments in their places and secrets as `\secret{name}`, then the text that all of it follows from.
//!
//! A backslash of a text is shown twice, so no text can pass for a secret's place.

use super::{SHOWN_ARGUMENT, barred};
use crate::{
    answer,
    approve::{
        escape::{escape, escape_bytes},
        item,
        operation::{Audience, Call, Language, Source},
    },
    derive::Function,
    flow::{self, Body, Disposal, Expression, Flow, FlowError, Piece, Save, Template, argument},
    redact::Policy,
    sign::{presign::Expires, sigv4::Style},
};
use cotenant_circuit::base64::Base64;
use cotenant_core::PartyId;
use cotenant_net::PublicIdentity;

/// The lines of a call.
pub(super) fn lines(call: &Call, members: &[PublicIdentity], who: &impl Fn(PartyId) -> String) -> Vec<String> {
    let Language::V1 = call.language;
    let server = format!("https://{} port {}", escape(&call.host), call.port);
    let url = Flow::parse(&call.flow).ok().and_then(|flow| flow.presign().map(|(sign, expires)| allows(sign, expires)));
    let mut lines = match &url {
        Some(allows) => vec![
            format!("send nothing; make a URL by which whoever has it can {allows} to {server}"),
            format!("  no server is judged; the roots are {}", call.trust_roots),
        ],
        None => vec![
            format!("send a request to {server}, connected by {}", who(call.connector)),
            format!("  server certificate under the roots {}", call.trust_roots),
        ],
    };
    lines.extend(match request(call) {
        Ok(Some(lines)) => lines,
        Ok(None) => vec!["  it is not what its text says, so it will not run".to_owned()],
        Err(error) => vec![format!("  its text is no flow, so it will not run: {}", escape(&error.to_string()))],
    });
    for slot in &call.slots {
        let hole = escape(&slot.hole);
        lines.push(match &slot.source {
            Source::Item { stored, purpose } => {
                format!("  secret {hole} = item {}, {}: {}", stored.item, stored.pick, item::in_words(purpose))
            }
            Source::Private { owner, len, alphabet } => {
                let characters: String = (0..=127u8).filter(|byte| alphabet.contains(*byte)).map(char::from).collect();
                format!("  secret {hole} = what {} gives, {len} characters of \"{}\"", who(*owner), escape(&characters))
            }
        });
    }
    let response = &call.response;
    let audience = match response.audience {
        Audience::All => "all who take part".to_owned(),
        Audience::Only(party) => format!("{} alone", who(party)),
    };
    let limits = format!("an answer of up to {} bytes in {} records", response.limit_bytes, response.limit_records);
    lines.push(if url.is_some() { format!("  the URL is opened to {audience}:") } else { format!("  of {limits}, opened to {audience}:") });
    lines.extend(barred(&response.policy));
    if url.is_none() {
        lines.extend(disposal(call));
    }
    lines
        .extend(call.arguments.iter().map(|argument| format!("  argument {} = {}", escape(&argument.name), super::value(&argument.value))));
    lines.push(format!("  text of {} bytes, from which all of this follows:", call.flow.len()));
    lines.extend(barred(&call.flow));
    lines.push(match (call.saves().is_empty(), &url) {
        (false, _) => "  no standing policy approves this, as it makes items".to_owned(),
        (true, Some(_)) => "  no standing policy approves this, as a URL works at any hour and as often as its bearer likes".to_owned(),
        (true, None) => format!("  a standing policy names this flow {}", call.flow_digest(members)),
    });
    lines
}

/// What a URL lets do whoever has it.
fn allows(sign: &flow::Sign, expires: Expires) -> String {
    let body = if Style::of_service(sign.service).content_sha256 { ", with any body," } else { "" };
    format!("for {} seconds send this request{body} as often as it likes", expires.seconds())
}

/// What the policy means, where it does not open all.
fn disposal(call: &Call) -> Vec<String> {
    let Some(Disposal { policy, saves, statuses }) = Disposal::parse(&call.response.policy) else {
        return vec!["  it is no policy, so it will not run".to_owned()];
    };
    let Policy::Rules(rules) = &policy else { return Vec::new() };
    let mut lines: Vec<String> = policy.words().into_iter().map(|line| format!("  {line}")).collect();
    let bytes = usize::try_from(call.response.limit_bytes).map_or(answer::MAX_BYTES, |bytes| bytes.min(answer::MAX_BYTES));
    lines.push(format!("  to look for this takes up to {} AND gates", answer::matcher_gates(rules, bytes)));
    let (least, most) = statuses.into_inner();
    if (least, most) != (0, 999) {
        let which = if least == most { format!("status {least}") } else { format!("a status from {least} to {most}") };
        lines.push(format!("  an answer without {which} does not fit: of that only the status and the lengths become known"));
    }
    for Save { rule, item, uses } in saves {
        lines.push(format!("  {} becomes the next version of item {item}, new or in place of what it is now", rules[rule].name));
        lines.extend(uses.iter().map(|one| format!("    which may be used: {}", item::in_words(one))));
        if uses.is_empty() {
            lines.push("    which may not be used for anything".to_owned());
        }
    }
    lines
}

/// What is sent; none if the call is another one than its text says.
fn request(call: &Call) -> Result<Option<Vec<String>>, FlowError> {
    if !flow::is_its_text(call)? {
        return Ok(None);
    }
    let flow = Flow::parse(&call.flow)?;
    let mut lines = vec![format!("  {} {}", flow.method, filled(call, &flow.target).concat())];
    for header in &flow.headers {
        lines.push(format!("  | {}: {}", escape(header.name), filled(call, &header.value).concat()));
    }
    if let Some((name, value)) = flow.adds() {
        lines.push(format!("  | {name}: {value}"));
    }
    if let Some(sign) = flow.sign() {
        lines.push(format!("  signed under the access key id {}", filled(call, &sign.access_key_id).concat()));
    }
    match &flow.body {
        Body::Text(text) if text.plain() == Some("") => {}
        Body::Text(text) => {
            lines.push("  body:".to_owned());
            lines.extend(filled(call, text).into_iter().map(|line| format!("  | {line}")));
        }
        Body::File(name, _) => lines.push(format!("  body: the argument {name}")),
    }
    lines.extend(flow.lets().iter().map(|made| format!("  secret {} = {}", made.hole.name, value(call, &made.value))));
    Ok(Some(lines))
}

/// What a secret is made of, with arguments in their places. A quote of a text is shown with a backslash before it.
fn value(call: &Call, expression: &Expression) -> String {
    match expression {
        Expression::Join(parts) => joined(call, parts),
        Expression::Of(function, of) => format!("{}({})", name(*function), value(call, of)),
        Expression::Hmac(of) => format!("HMAC-SHA-256(key {}, message {})", value(call, &of[0]), value(call, &of[1])),
        Expression::Jwe(jwe) => {
            let sealing = jwe.sealing(&|hole| argument(&call.arguments, hole).unwrap_or_default().into());
            let how = sealing.map_or_else(|wrong| wrong.to_string(), |sealing| escape(&sealing.in_words()).to_string());
            format!("JWE(text {}, {how})", value(call, &jwe.text))
        }
        Expression::Text(_) | Expression::Hole(_) => joined(call, std::slice::from_ref(expression)),
    }
}

/// One after the other, what all know as one text.
fn joined(call: &Call, parts: &[Expression]) -> String {
    let (mut shown, mut text) = (Vec::new(), Vec::new());
    for part in parts {
        let secret = match part {
            Expression::Text(plain) => {
                text.extend_from_slice(plain.as_bytes());
                continue;
            }
            Expression::Hole(hole) => match argument(&call.arguments, hole.name) {
                Some(value) if value.len() <= SHOWN_ARGUMENT => {
                    text.extend_from_slice(value);
                    continue;
                }
                Some(_) => format!("\\argument{{{}}}", hole.name),
                None => format!("\\secret{{{}}}", hole.name),
            },
            other => value(call, other),
        };
        shown.extend(quoted(&std::mem::take(&mut text)));
        shown.push(secret);
    }
    shown.extend(quoted(&text));
    shown.join(" ")
}

/// A text in quotes, unless it is empty.
fn quoted(text: &[u8]) -> Option<String> {
    (!text.is_empty()).then(|| format!("\"{}\"", escape_bytes(text).to_string().replace('"', "\\\"")))
}

fn name(function: Function) -> &'static str {
    match function {
        Function::Base64(Base64::Standard) => "base64",
        Function::Base64(Base64::Url) => "base64url",
        Function::Hex => "hex",
        Function::Percent => "percent-escapes",
        Function::Json => "JSON escapes",
        Function::Sha256 => "SHA-256",
    }
}

/// The lines of a text with arguments in their holes; of a long one the name.
fn filled(call: &Call, template: &Template) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in template.pieces() {
        match piece {
            Piece::Text(text) => push(&mut lines, text.as_bytes()),
            Piece::Hole(hole) => match argument(&call.arguments, hole.name) {
                Some(value) if value.len() <= SHOWN_ARGUMENT => push(&mut lines, value),
                Some(_) => append(&mut lines, &format!("\\argument{{{}}}", hole.name)),
                None => append(&mut lines, &format!("\\secret{{{}}}", hole.name)),
            },
        }
    }
    lines
}

/// Adds bytes, which may have ends of lines in them.
fn push(lines: &mut Vec<String>, bytes: &[u8]) {
    for (k, part) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if k > 0 {
            lines.push(String::new());
        }
        append(lines, &escape_bytes(part).to_string());
    }
}

fn append(lines: &mut [String], text: &str) {
    if let Some(line) = lines.last_mut() {
        *line += text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approve::operation::Argument;
    use cotenant_core::Digest;

    const TEXT: &str = "\
# @vault token = api/token
# @vault field = api/field
# @open all
# @not-reflected token
# @not-reflected field
POST https://api.example:8443/{{name}}?x={{long}}
Authorization: Bearer {{token}}

a{{name}}
  | {{field}}\\secret{token}
";

    fn seats() -> flow::Seats {
        flow::Seats { connector: PartyId::new(1), giver: PartyId::new(0) }
    }

    /// What is made of secrets is shown with all that it is made of, and no text in it passes for anything else.
    #[test]
    fn what_is_made_of_secrets_is_told() {
        let text = "\
# @vault key = api/key
# @private card chars digits len 16
# @let auth = base64(\"{{user}}:\" card)
# @let mac = hex(hmac-sha256(key, \"\\n\\\" \\\\secret{x}\"))
# @open all
# @not-reflected card
# @not-reflected auth
# @not-reflected mac
POST https://api.example/
Authorization: Basic {{auth}}
X-Mac: {{mac}}
";
        let given = vec![Argument { name: "user".to_owned(), value: b"a\"b".to_vec() }];
        let call = flow::call(text.into(), given, seats(), Digest([3; 32])).unwrap();
        let words = lines(&call, &[], &|party| party.to_string()).join("\n");
        for part in [
            "\n  secret auth = base64(\"a\\\"b:\" \\secret{card})\n",
            "\n  secret mac = hex(HMAC-SHA-256(key \\secret{key}, message \"\\u{a}\\\" \\\\secret{x}\"))\n",
            "\n  secret card = what P1 gives, 16 characters of \"0123456789\"\n",
            "\n  | Authorization: Basic \\secret{auth}\n",
        ] {
            assert!(words.contains(part), "{part:?} is not in\n{words}");
        }
    }

    /// For which key is what people compare.
    #[test]
    fn a_jwe_reads_like_this() {
        let key = format!("{{\\\"kty\\\":\\\"RSA\\\",\\\"n\\\":\\\"{}w\\\",\\\"e\\\":\\\"AQAB\\\"}}", "_".repeat(341));
        let text = format!(
            "# @vault key = api/key\n# @let a = jwe(key, \"RSA-OAEP\", \"A128GCM\", \"{key}\")\n# @open status\nGET https://h/\nX: {{{{a}}}}\n"
        );
        let call = flow::call(text.into(), Vec::new(), seats(), Digest([3; 32])).unwrap();
        let words = lines(&call, &[], &|party| party.to_string()).join("\n");
        let told = "\n  secret a = JWE(text \\secret{key}, for the RSA key of 2048 bits with SHA-256 thumbprint ";
        assert!(words.contains(told) && words.contains(", header {\"alg\":\"RSA-OAEP\",\"enc\":\"A128GCM\"})\n"), "{words}");
    }

    #[test]
    fn a_url_reads_like_this() {
        let text = "# @presign aws-sigv4 service=s3 region=r key=s3/key access-key-id=AKID expires=60\nGET https://h:8443/a\n";
        let call = flow::call(text.into(), Vec::new(), seats(), Digest([3; 32])).unwrap();
        let words = lines(&call, &[], &|party| party.to_string()).join("\n");
        for part in [
            "send nothing; make a URL by which whoever has it can for 60 seconds send this request, with any body, as often as it likes to https://h port 8443\n  no server is judged",
            "\n  GET /a\n  signed under the access key id AKID\n",
            "\n  the URL is opened to P1 alone:\n  | presigned for seconds: 60\n",
        ] {
            assert!(words.contains(part), "{part:?} is not in\n{words}");
        }
        assert!(!words.contains("will not run") && !words.contains("connected"), "{words}");
        let call = flow::call(text.replace("=s3 ", "=ses ").into(), Vec::new(), seats(), Digest([3; 32])).unwrap();
        let words = lines(&call, &[], &|party| party.to_string()).join("\n");
        assert!(words.contains("for 60 seconds send this request as often as it likes to https://h port 8443\n"), "{words}");
    }

    fn shown(change: impl FnOnce(&mut Call)) -> String {
        let argument = |name: &str, value: Vec<u8>| Argument { name: name.to_owned(), value };
        let arguments = vec![argument("name", b"b".to_vec()), argument("long", vec![b'y'; SHOWN_ARGUMENT + 1])];
        let mut call = flow::call(TEXT.into(), arguments, seats(), Digest([3; 32])).unwrap();
        change(&mut call);
        lines(&call, &[], &|party| party.to_string()).join("\n")
    }

    #[test]
    fn arguments_and_secrets_stand_in_their_places() {
        let words = shown(|_| ());
        for part in [
            "send a request to https://api.example port 8443, connected by P2",
            "\n  POST /b?x=\\argument{long}\n  | Authorization: Bearer \\secret{token}\n  body:\n  | ab\n  |   | \\secret{field}\\\\secret{token}\n",
            "\n  secret field = item api/field, newest version: sent to api.example in the body\n",
            "\n  secret token = item api/token, newest version: sent to api.example in the header authorization\n",
            "opened to all who take part:\n  | open all\n  | not-reflected field\n  | not-reflected token\n",
            "\n  argument long = 4097 bytes with SHA-256 ",
            "\n  | POST https://api.example:8443/{{name}}?x={{long}}\n",
            "\n  a standing policy names this flow ",
        ] {
            assert!(words.contains(part), "{part:?} is not in\n{words}");
        }
    }

    /// What is opened and kept is said in words, rule by rule, and what becomes of it.
    #[test]
    fn a_policy_is_shown_in_words() {
        let text = "# @keep key in xml \"Key\" chars base64 len 40\n# @save key = iam/key for field@b.example\n# @open status\nPOST https://api.example/\n";
        let call = flow::call(text.into(), Vec::new(), seats(), Digest([3; 32])).unwrap();
        let words = lines(&call, &[], &|party| party.to_string()).join("\n");
        for part in [
            "opened to all who take part:\n  | keep key in xml \"Key\" chars base64 len 40\n  | save key = iam/key for field@b.example\n  | open status\n",
            "\n  POST /\n  | Accept-Encoding: identity\n",
            "\n  an answer without a status from 200 to 299 does not fit: of that only the status and the lengths become known\n",
            "\n  the status and the lengths of the answer become known to all\n",
            "\n  no standing policy approves this, as it makes items",
            "\n  key: what stands once in the content after \"<Key>\", 40 characters of [",
            "\n  key becomes the next version of item iam/key, new or in place of what it is now\n    which may be used: sent to b.example in the body\n",
        ] {
            assert!(words.contains(part), "{part:?} is not in\n{words}");
        }
        let words = shown(|call| call.response.policy = b"keep".to_vec());
        assert!(words.contains("it is no policy, so it will not run"), "{words}");
    }

    /// No argument makes a line of its own, or a secret where there is none.
    #[test]
    fn an_argument_cannot_pass_for_something_else() {
        let words = shown(|call| call.arguments[1].value = b"x".to_vec());
        assert!(words.contains("POST /x?x="), "{words}");
        let words = shown(|call| call.flow = TEXT.replace("a{{name}}", "\\secret{x}\u{1b}").into());
        assert!(words.contains("  | \\\\secret{x}\\u{1b}\n"), "{words}");
    }

    #[test]
    fn a_call_that_is_not_its_text_is_called_so() {
        let words = shown(|call| call.port = 443);
        assert!(words.contains("it is not what its text says, so it will not run") && !words.contains("POST /b"), "{words}");
        let words = shown(|call| call.flow = b"# @no\x1b".to_vec());
        assert!(words.contains("its text is no flow, so it will not run: 1:3: there is no directive @no\\u{1b}"), "{words}");
    }
}
