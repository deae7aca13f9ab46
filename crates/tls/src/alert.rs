//! Alerts (RFC 8446 section 6).

use crate::error::{Fault, Violation};
use crate::record::{ContentType, plain_record};
use std::fmt;

macro_rules! alerts {
    ($($name:ident = $code:literal, $text:literal;)*) => {
        /// An AlertDescription (RFC 8446 section 6).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // the names are the RFC's
        pub enum Alert { $($name,)* Unknown(u8) }

        impl Alert {
            /// The code on the wire.
            pub fn code(self) -> u8 {
                match self { $(Alert::$name => $code,)* Alert::Unknown(code) => code }
            }

            /// The alert with this code.
            pub fn from_code(code: u8) -> Self {
                match code { $($code => Alert::$name,)* code => Alert::Unknown(code) }
            }
        }

        impl fmt::Display for Alert {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Alert::$name => f.write_str($text),)* Alert::Unknown(code) => write!(f, "number {code}") }
            }
        }
    };
}

alerts! {
    CloseNotify = 0, "close_notify";
    UnexpectedMessage = 10, "unexpected_message";
    BadRecordMac = 20, "bad_record_mac";
    RecordOverflow = 22, "record_overflow";
    HandshakeFailure = 40, "handshake_failure";
    BadCertificate = 42, "bad_certificate";
    UnsupportedCertificate = 43, "unsupported_certificate";
    CertificateRevoked = 44, "certificate_revoked";
    CertificateExpired = 45, "certificate_expired";
    CertificateUnknown = 46, "certificate_unknown";
    IllegalParameter = 47, "illegal_parameter";
    UnknownCa = 48, "unknown_ca";
    AccessDenied = 49, "access_denied";
    DecodeError = 50, "decode_error";
    DecryptError = 51, "decrypt_error";
    ProtocolVersion = 70, "protocol_version";
    InsufficientSecurity = 71, "insufficient_security";
    InternalError = 80, "internal_error";
    InappropriateFallback = 86, "inappropriate_fallback";
    UserCanceled = 90, "user_canceled";
    MissingExtension = 109, "missing_extension";
    UnsupportedExtension = 110, "unsupported_extension";
    UnrecognizedName = 112, "unrecognized_name";
    BadCertificateStatusResponse = 113, "bad_certificate_status_response";
    UnknownPskIdentity = 115, "unknown_psk_identity";
    CertificateRequired = 116, "certificate_required";
    NoApplicationProtocol = 120, "no_application_protocol";
}

impl Alert {
    /// The two bytes of the alert: level and description. The level is fatal for all but the two closures (RFC 8446 section 6).
    pub(crate) fn bytes(self) -> [u8; 2] {
        let level = if matches!(self, Alert::CloseNotify | Alert::UserCanceled) { 1 } else { 2 };
        [level, self.code()]
    }

    /// The alert as an unprotected record.
    pub(crate) fn plain_record(self) -> Vec<u8> {
        plain_record(ContentType::Alert, 0x0303, &self.bytes())
    }
}

/// What a received alert means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// close_notify: the server sends no more (RFC 8446 section 6.1).
    Close,
    /// user_canceled: a close_notify is to follow; by itself it says nothing (RFC 8446 section 6.1).
    Ignore,
}

/// Reads the alert in a record. Alerts may neither be cut nor joined (RFC 8446 section 5.1); every alert but the two closures is an error
/// whatever its level says (section 6.2).
pub(crate) fn receive(content: &[u8]) -> Result<Received, Fault> {
    let [_level, code] = content else { return Err(Violation::MalformedAlert.into()) };
    match Alert::from_code(*code) {
        Alert::CloseNotify => Ok(Received::Close),
        Alert::UserCanceled => Ok(Received::Ignore),
        alert => Err(Fault::Alert(alert)),
    }
}
