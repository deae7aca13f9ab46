//! Everything that can go wrong, sorted by who is at fault: the server (or whoever relays its bytes), our caller, or the key backend.
//!
//! Each rule of the protocol that the client checks has one variant of [`Violation`], with the alert that the RFC demands and the section
//! that demands it.

use crate::alert::Alert;

/// Declares [`Violation`] as a table: variant, alert, section, message.
macro_rules! violations {
    ($($name:ident, $alert:ident, $section:literal, $message:literal;)*) => {
        /// A rule that the server's bytes break. The server is at fault, or whoever stands between it and us.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum Violation {
            $(#[doc = concat!($message, " (", $section, ").")] #[error("{} ({})", $message, $section)] $name,)*
        }

        impl Violation {
            /// Every rule, in the order of the protocol.
            pub const ALL: &[Violation] = &[$(Violation::$name,)*];

            /// The alert that the rule demands.
            pub fn alert(self) -> Alert {
                match self { $(Violation::$name => Alert::$alert,)* }
            }

            /// Where the rule stands.
            pub fn section(self) -> &'static str {
                match self { $(Violation::$name => $section,)* }
            }
        }
    };
}

violations! {
    // Records
    UnknownRecordType, UnexpectedMessage, "RFC 8446 section 5", "record of a type that TLS does not know";
    RecordTooLong, RecordOverflow, "RFC 8446 sections 5.1 and 5.2", "record longer than the protocol allows";
    EmptyFragment, UnexpectedMessage, "RFC 8446 section 5.1", "empty handshake fragment";
    BadChangeCipherSpec, UnexpectedMessage, "RFC 8446 section 5", "change_cipher_spec that is not the single byte 1";
    LateChangeCipherSpec, UnexpectedMessage, "RFC 8446 section 5", "change_cipher_spec after the server's Finished";
    UnprotectedRecord, UnexpectedMessage, "RFC 8446 section 5.2", "unprotected record after keys were agreed";
    ProtectedTooEarly, UnexpectedMessage, "RFC 8446 section 5.2", "protected record before keys were agreed";
    RecordTooShort, BadRecordMac, "RFC 8446 section 5.2", "protected record too short for its tag and content type";
    BadRecordMac, BadRecordMac, "RFC 8446 section 5.2", "record does not authenticate";
    InnerPlaintextTooLong, RecordOverflow, "RFC 8446 section 5.4", "record's plaintext with its padding is too long";
    NoContentType, UnexpectedMessage, "RFC 8446 section 5.4", "record's plaintext has no content type";
    UnexpectedContent, UnexpectedMessage, "RFC 8446 section 5", "content type that is not allowed here";
    SpansKeyChange, UnexpectedMessage, "RFC 8446 section 5.1", "handshake bytes follow in the record in front of a key change";
    Interleaved, UnexpectedMessage, "RFC 8446 section 5.1", "another record type between the fragments of a handshake message";
    MalformedAlert, DecodeError, "RFC 8446 section 5.1", "alert that is not alone in its record";
    MessageTooLong, DecodeError, "RFC 8446 section 4 (local limit)", "handshake message longer than this client takes";
    HandshakeTooLong, DecodeError, "RFC 8446 section 4 (local limit)", "handshake longer than this client takes";
    UnexpectedMessage, UnexpectedMessage, "RFC 8446 section 4", "handshake message out of its order";
    // ServerHello and HelloRetryRequest
    MalformedServerHello, DecodeError, "RFC 8446 section 4.1.3", "ServerHello cannot be read";
    LegacyVersion, IllegalParameter, "RFC 8446 section 4.1.3", "ServerHello.legacy_version is not 0x0303";
    NotTls13, ProtocolVersion, "RFC 8446 section 4.2.1", "server does not speak TLS 1.3";
    WrongVersion, IllegalParameter, "RFC 8446 section 4.2.1", "server selects a version that was not offered";
    SessionIdEcho, IllegalParameter, "RFC 8446 section 4.1.3", "server does not echo the legacy session id";
    CipherSuite, IllegalParameter, "RFC 8446 section 4.1.3", "server selects a cipher suite that was not offered";
    Compression, IllegalParameter, "RFC 8446 section 4.1.3", "server selects a compression method";
    DuplicateExtension, IllegalParameter, "RFC 8446 section 4.2", "extension sent twice";
    UnofferedExtension, UnsupportedExtension, "RFC 8446 section 4.2", "extension that was not offered";
    MisplacedExtension, IllegalParameter, "RFC 8446 section 4.2", "extension in a message where it does not belong";
    NoKeyShare, MissingExtension, "RFC 8446 section 9.2", "ServerHello without a key share";
    GroupMismatch, IllegalParameter, "RFC 8446 section 4.2.8", "server's key share is not of the group that was sent";
    SecondRetry, UnexpectedMessage, "RFC 8446 section 4.1.4", "second HelloRetryRequest";
    RetryWithoutChange, IllegalParameter, "RFC 8446 section 4.1.4", "HelloRetryRequest that changes nothing";
    RetryGroupNotOffered, IllegalParameter, "RFC 8446 section 4.2.8", "HelloRetryRequest for a group that was not offered";
    RetryGroupAlreadySent, IllegalParameter, "RFC 8446 section 4.2.8", "HelloRetryRequest for the group whose share was sent";
    MalformedRetry, DecodeError, "RFC 8446 section 4.1.4", "HelloRetryRequest cannot be read";
    // The server's key share
    P256ShareEncoding, IllegalParameter, "RFC 8446 section 4.2.8.2", "secp256r1 share is not an uncompressed point";
    P256OffCurve, IllegalParameter, "RFC 8446 section 4.2.8.2", "secp256r1 share is not on the curve";
    X25519ShareLength, IllegalParameter, "RFC 8446 section 4.2.8.2", "x25519 share is not 32 bytes";
    X25519NotCanonical, IllegalParameter, "RFC 7748 section 5", "x25519 share is not fully reduced";
    X25519OnTwist, IllegalParameter, "RFC 7748 section 6.1", "x25519 share is on the twist";
    X25519LowOrder, IllegalParameter, "RFC 8446 section 7.4.2", "x25519 share has low order";
    // EncryptedExtensions to Finished
    MalformedEncryptedExtensions, DecodeError, "RFC 8446 section 4.3.1", "EncryptedExtensions cannot be read";
    ServerNameNotEmpty, DecodeError, "RFC 6066 section 3", "server_name in EncryptedExtensions is not empty";
    ApplicationProtocol, IllegalParameter, "RFC 7301 section 3.1", "server selects an application protocol that was not offered";
    MalformedCertificateRequest, DecodeError, "RFC 8446 section 4.3.2", "CertificateRequest cannot be read";
    RequestContext, IllegalParameter, "RFC 8446 section 4.3.2", "CertificateRequest in the handshake has a context";
    ClientCertificateWanted, HandshakeFailure, "RFC 8446 section 4.3.2", "server asks for a client certificate, which a joint client refuses: its connector could give one of its own";
    RequestWithoutSchemes, MissingExtension, "RFC 8446 section 4.3.2", "CertificateRequest without signature_algorithms";
    MalformedCertificate, DecodeError, "RFC 8446 section 4.4.2", "Certificate cannot be read";
    CertificateContext, IllegalParameter, "RFC 8446 section 4.4.2", "server's Certificate has a request context";
    NoCertificate, DecodeError, "RFC 8446 section 4.4.2.4", "server sends no certificate";
    MalformedCertificateVerify, DecodeError, "RFC 8446 section 4.4.3", "CertificateVerify cannot be read";
    SchemeNotOffered, IllegalParameter, "RFC 8446 section 4.4.3", "CertificateVerify by a scheme that was not offered for it";
    SchemeDoesNotFitKey, IllegalParameter, "RFC 8446 section 4.2.3", "CertificateVerify by a scheme that does not fit the certificate's key";
    BadCertificateVerify, DecryptError, "RFC 8446 section 4.4.3", "CertificateVerify signature is wrong";
    MalformedFinished, DecodeError, "RFC 8446 section 4.4.4", "Finished has the wrong length";
    BadFinished, DecryptError, "RFC 8446 section 4.4.4", "Finished is wrong";
    // After the handshake
    MalformedTicket, DecodeError, "RFC 8446 section 4.6.1", "NewSessionTicket cannot be read";
    MalformedKeyUpdate, DecodeError, "RFC 8446 section 4.6.3", "KeyUpdate has the wrong length";
    KeyUpdateRequest, IllegalParameter, "RFC 8446 section 4.6.3", "KeyUpdate.request_update is neither 0 nor 1";
    UnexpectedPostHandshake, UnexpectedMessage, "RFC 8446 section 4.6", "handshake message that was not asked for after the handshake";
    DataAfterClose, UnexpectedMessage, "RFC 8446 section 6.1 (stricter: we refuse what it ignores)", "bytes after close_notify";
    CutInsideHandshake, DecodeError, "RFC 8446 section 6.1", "connection ended inside the handshake";
    CutInsideRecord, DecodeError, "RFC 8446 section 6.1", "connection ended inside a record";
    CutInsideMessage, DecodeError, "RFC 8446 section 6.1", "connection ended inside a handshake message";
    AnswerTooLong, RecordOverflow, "local policy", "answer has more bytes than allowed";
    TooManyRecords, RecordOverflow, "local policy", "answer has more records than allowed";
}

/// Why the server's certificate does not prove that it is the server that was asked for (RFC 8446 section 4.4.2.4, RFC 5280 section 6).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not DER, not X.509, or with an extension that contradicts itself.
    #[error("certificate cannot be read: {0}")]
    Malformed(webpki::Error),
    /// The time given is past the end of a certificate's validity.
    #[error("certificate has expired")]
    Expired,
    /// The time given is ahead of a certificate's validity.
    #[error("certificate is not yet valid")]
    NotYetValid,
    /// No path leads to a trust root.
    #[error("certificate was issued by an unknown authority")]
    UnknownIssuer,
    /// The certificate names itself as its issuer, and is no trust root.
    #[error("certificate is self-signed")]
    SelfSigned,
    /// A certificate authority's certificate where the server's own belongs.
    #[error("certificate of an authority used as a server's")]
    AuthorityAsServer,
    /// The certificate is for other names.
    #[error("certificate is not valid for the server's name")]
    WrongName,
    /// A signature in the chain is wrong.
    #[error("signature on a certificate is wrong")]
    BadSignature,
    /// A signature in the chain is by an algorithm that was not offered.
    #[error("certificate is signed by an algorithm that was not offered")]
    UnsupportedSignature,
    /// The certificate is not for server authentication.
    #[error("certificate is not for TLS servers")]
    WrongUsage,
    /// Another rule of path validation, or the limit on its work.
    #[error("certificate path is refused: {0}")]
    Path(webpki::Error),
}

impl CertificateError {
    /// The alert that RFC 8446 section 6.2 has for it.
    pub fn alert(&self) -> Alert {
        match self {
            CertificateError::Malformed(_) | CertificateError::WrongName | CertificateError::BadSignature => Alert::BadCertificate,
            CertificateError::Expired | CertificateError::NotYetValid => Alert::CertificateExpired,
            CertificateError::UnknownIssuer | CertificateError::SelfSigned => Alert::UnknownCa,
            CertificateError::UnsupportedSignature | CertificateError::WrongUsage => Alert::UnsupportedCertificate,
            CertificateError::AuthorityAsServer | CertificateError::Path(_) => Alert::CertificateUnknown,
        }
    }
}

/// What the server did wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its bytes break a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// Its certificate does not prove who it is.
    #[error("{0} (RFC 8446 section 4.4.2.4)")]
    Certificate(#[from] CertificateError),
    /// It ended the connection with an error alert.
    #[error("server sent the alert {0} (RFC 8446 section 6)")]
    Alert(Alert),
}

impl Fault {
    /// The alert to answer with; none to an alert (RFC 8446 section 6.2).
    pub fn alert(&self) -> Option<Alert> {
        match self {
            Fault::Violation(violation) => Some(violation.alert()),
            Fault::Certificate(error) => Some(error.alert()),
            Fault::Alert(_) => None,
        }
    }

    /// Where the broken rule stands.
    pub fn section(&self) -> &'static str {
        match self {
            Fault::Violation(violation) => violation.section(),
            Fault::Certificate(_) => "RFC 8446 section 4.4.2.4",
            Fault::Alert(_) => "RFC 8446 section 6",
        }
    }
}

/// What our caller did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// The configuration names no group.
    #[error("no key exchange group is configured")]
    NoGroups,
    /// The configuration names a group twice.
    #[error("a key exchange group is configured twice")]
    GroupTwice,
    /// A name that is not one of the groups.
    #[error("unknown key exchange group; known are P-256 and X25519")]
    UnknownGroup,
    /// A file of trust roots holds no certificate that can be one.
    #[error("no usable trust root")]
    NoTrustRoots,
    /// Records are to be cut into pieces of zero bytes, or of more than 2^14 (RFC 8446 section 5.1).
    #[error("records must carry between 1 and 16384 bytes")]
    FragmentSize,
    /// The key has protected as many records as it may (RFC 8446 section 5.5).
    #[error("key has protected as many records as it may (RFC 8446 section 5.5)")]
    KeyExhausted,
    /// Something was sent after our own close_notify (RFC 8446 section 6.1).
    #[error("the connection is closed for sending (RFC 8446 section 6.1)")]
    SendAfterClose,
}

/// What the key backend returned that it must not. Not the backend's own errors, which are [`Error::Backend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendBreach {
    /// A key share that has not the length of its group.
    #[error("key backend returned a key share of the wrong length")]
    KeyShareLength,
    /// Not as many sealed records as there were plans, or one of the wrong length.
    #[error("key backend returned sealed records of the wrong number or length")]
    SealedLength,
}

/// An error, by who is at fault.
#[derive(Debug, thiserror::Error)]
pub enum Error<B: std::error::Error> {
    /// The server, or whoever relays its bytes.
    #[error("server or network: {0}")]
    Server(Fault),
    /// Our caller.
    #[error("caller: {0}")]
    Caller(#[from] Misuse),
    /// The key backend, by its own account; with the MPC backend that account says which party.
    #[error("key backend: {0}")]
    Backend(#[source] B),
    /// The key backend broke the contract of [`crate::KeyOps`].
    #[error(transparent)]
    Breach(#[from] BackendBreach),
}

impl<B: std::error::Error> From<Fault> for Error<B> {
    fn from(fault: Fault) -> Self {
        Error::Server(fault)
    }
}

impl<B: std::error::Error> From<Violation> for Error<B> {
    fn from(violation: Violation) -> Self {
        Error::Server(violation.into())
    }
}

impl<B: std::error::Error> Error<B> {
    /// The alert to send, if any: the fault's own, or internal_error for our side's faults (RFC 8446 section 6.2).
    pub fn alert(&self) -> Option<Alert> {
        match self {
            Error::Server(fault) => fault.alert(),
            Error::Caller(_) | Error::Backend(_) | Error::Breach(_) => Some(Alert::InternalError),
        }
    }

    /// The server's fault, if it is one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Error::Server(fault) => Some(fault),
            _ => None,
        }
    }
}

/// The end of a connection by an error: the error, and the bytes to send before closing (an alert record, or nothing).
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure<B: std::error::Error + 'static> {
    /// What went wrong.
    #[source]
    pub error: Error<B>,
    /// Bytes for the server before the socket is closed; empty where no alert can or should be sent.
    pub output: Vec<u8>,
}
