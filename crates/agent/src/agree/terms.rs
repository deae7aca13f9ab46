//! The fields that parties agree on: everything that decides what an operation does, as names and texts.

use crate::{hex, http::Request, sign::sigv4::Scope};
use cotenant_core::PartyId;
use sha2::{Digest, Sha256};

/// The name of the field that is compared before all others.
pub(super) const CONNECTOR: &str = "connector";
/// The name of the field with the digest of the program's file.
pub const PROGRAM_DIGEST: &str = "program digest";
/// A request that is given as bytes is shown as text up to this length, beside its digest.
const SHOWN_REQUEST: usize = 16 << 10;

/// What one party was started for.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Name and version of the program.
    pub program: String,
    /// SHA-256 of the program's file, as `sha256sum` prints it; none leaves it out, for parties with builds of their own.
    pub program_digest: Option<[u8; 32]>,
    /// Parameters of the MPC engine.
    pub protocol: Protocol,
    /// The public identities of all members as text, in order.
    pub members: Vec<String>,
    /// Who holds the connection to the server.
    pub connector: PartyId,
    /// What kind of operation this is, and which of several.
    pub operation: String,
    /// Where the connector connects to.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// The name that the server's certificate must be for.
    pub server_name: String,
    /// Digest of the trust roots.
    pub trust_roots: [u8; 32],
    /// The key exchange groups offered, most wanted first.
    pub groups: String,
    /// What is sent.
    pub request: ToSend,
    /// How many bytes the server may answer.
    pub answer_bytes: u64,
    /// How many records the server may answer.
    pub answer_records: u64,
}

/// Parameters of the MPC engine that all parties must share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Depth of the trees of correlated oblivious transfer.
    pub ot_depth: usize,
    /// Leaky triples that make one triple in a plan of 2^20 AND gates; it stands for the statistical parameter.
    pub bucket_size: usize,
}

/// What is sent to the server.
#[derive(Clone, Debug)]
pub enum ToSend {
    /// These bytes.
    Bytes(Vec<u8>),
    /// An HTTP request with a signature that the parties make together.
    Signed(Request, Signing),
}

/// How a request is signed.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The service, the region, and the time that was agreed.
    pub scope: Scope,
    /// Whose key it is.
    pub access_key_id: String,
}

impl Terms {
    /// All fields by name, in a fixed order. Every member of the structure is in one of them.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("program", self.program.clone())];
        fields.extend(self.program_digest.map(|digest| (PROGRAM_DIGEST, hex::encode(&digest))));
        fields.extend([
            ("oblivious transfer tree depth", self.protocol.ot_depth.to_string()),
            ("triple bucket size", self.protocol.bucket_size.to_string()),
            ("number of parties", self.members.len().to_string()),
            ("members", self.members.join("\n")),
            (CONNECTOR, self.connector.to_string()),
            ("operation", self.operation.clone()),
            ("host", self.host.clone()),
            ("port", self.port.to_string()),
            ("server name", self.server_name.clone()),
            ("trust roots", hex::encode(&self.trust_roots)),
            ("key exchange groups", self.groups.clone()),
            ("answer limit in bytes", self.answer_bytes.to_string()),
            ("answer limit in records", self.answer_records.to_string()),
        ]);
        match &self.request {
            ToSend::Bytes(bytes) => fields.extend(bytes_fields(bytes)),
            ToSend::Signed(request, signing) => fields.extend(signed_fields(request, signing)),
        }
        fields
    }
}

fn bytes_fields(bytes: &[u8]) -> Vec<(&'static str, String)> {
    let mut fields = vec![("request length", bytes.len().to_string()), ("request digest", sha256(bytes))];
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= SHOWN_REQUEST => fields.push(("request", text.to_owned())),
        _ => {}
    }
    fields
}

fn signed_fields(request: &Request, signing: &Signing) -> Vec<(&'static str, String)> {
    let headers: Vec<String> = request.headers().iter().map(|(name, value)| format!("{name}: {value}")).collect();
    vec![
        ("method", request.method().to_owned()),
        ("target", request.target().to_owned()),
        ("Host header", request.host().to_owned()),
        ("headers", headers.join("\n")),
        ("body length", request.body().len().to_string()),
        ("body digest", sha256(request.body())),
        ("signature scope", signing.scope.to_string()),
        ("signature time", signing.scope.timestamp().to_string()),
        ("access key id", signing.access_key_id.clone()),
    ]
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes))
}
