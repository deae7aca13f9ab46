//! Which server a call is for: where the connector connects to, which name is verified there, and whom to trust.

use cotenant_tls::{
    Config, Group, Misuse, Target, TrustRoots,
    pki_types::{ServerName, UnixTime},
};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// Host and port, written `HOST:PORT`, `[V6]:PORT` or `https://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The text is not host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write HOST:PORT, such as example.com:443 or [::1]:443; calls are made by TLS alone")]
pub struct BadEndpoint;

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let text = text.strip_prefix("https://").map_or(text, |rest| rest.trim_end_matches('/'));
        let (host, port) = text.rsplit_once(':').ok_or(BadEndpoint)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.unwrap_or(host);
        let good =
            !host.is_empty() && (bracketed.is_some() || !host.contains(':')) && host.chars().all(|c| c.is_ascii_graphic() && c != '/');
        let port = port.parse().ok().filter(|&port| port != 0).ok_or(BadEndpoint)?;
        if good { Ok(Endpoint { host: host.to_owned(), port }) } else { Err(BadEndpoint) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]:{}", self.host, self.port) } else { write!(f, "{}:{}", self.host, self.port) }
    }
}

/// A server that can be called.
#[derive(Clone)]
pub struct Site {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The name that its certificate must be for, as given.
    pub server_name: String,
    /// Groups and trust roots.
    pub config: Config,
    name: ServerName<'static>,
}

/// Why a site cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The file of trust roots cannot be read.
    #[error("{path}: cannot be read ({source}); give the CA's certificate with --ca FILE")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file of trust roots holds none.
    #[error("{path}: {source}; give a PEM file with the CA's certificate")]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Misuse,
    },
    /// The list of groups is wrong.
    #[error("--groups {given:?}: {source}; write for example P-256:X25519")]
    Groups {
        /// The list.
        given: String,
        /// What is wrong.
        source: Misuse,
    },
    /// The name is neither a host name nor an address.
    #[error("--server-name {0:?} is neither a host name nor an address")]
    Name(String),
}

impl Site {
    /// The server at `endpoint`, verified by `server_name`, or the endpoint's host if none is given.
    ///
    /// # Errors
    /// What is wrong with which part.
    pub fn new(endpoint: Endpoint, server_name: Option<&str>, ca: &Path, groups: &str) -> Result<Site, SiteError> {
        let pem = std::fs::read(ca).map_err(|source| SiteError::CaFile { path: ca.to_owned(), source })?;
        let roots = TrustRoots::from_pem(&pem).map_err(|source| SiteError::Ca { path: ca.to_owned(), source })?;
        let wrong_groups = |source| SiteError::Groups { given: groups.to_owned(), source };
        let parsed = Group::parse_list(groups).map_err(wrong_groups)?;
        let config = Config::new(roots).with_groups(parsed).map_err(wrong_groups)?;
        let server_name = server_name.unwrap_or(&endpoint.host).to_owned();
        let name = ServerName::try_from(server_name.clone()).map_err(|_| SiteError::Name(server_name.clone()))?;
        Ok(Site { endpoint, server_name, config, name })
    }

    /// Whom to expect now, by this machine's clock.
    pub fn target(&self) -> Target {
        Target { name: self.name.clone(), now: UnixTime::now() }
    }

    /// The groups as a list, most wanted first.
    pub fn groups(&self) -> String {
        self.config.groups().iter().map(Group::to_string).collect::<Vec<_>>().join(":")
    }

    /// The host as a Host header has it: the verified name, an IPv6 address in brackets.
    pub fn host_header(&self) -> String {
        if self.server_name.contains(':') { format!("[{}]", self.server_name) } else { self.server_name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_written() {
        for (text, host, port) in
            [("example.com:443", "example.com", 443), ("[::1]:8443", "::1", 8443), ("https://127.0.0.1:9/", "127.0.0.1", 9)]
        {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!((endpoint.host.as_str(), endpoint.port), (host, port));
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
        for text in ["", "host", "host:", ":443", "host:0", "host:65536", "::1:443", "http://host:80", "a b:1", "https://h:1/x"] {
            assert_eq!(text.parse::<Endpoint>(), Err(BadEndpoint), "{text}");
        }
    }

    #[test]
    fn a_site_says_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let (good, bad) = (dir.path().join("good.pem"), dir.path().join("bad.pem"));
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&good, rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&bad, "no certificate").unwrap();
        let site = |name: Option<&str>, ca: &Path, groups: &str| Site::new("localhost:443".parse().unwrap(), name, ca, groups);
        let made = site(None, &good, "x25519:P-256").ok().unwrap();
        assert_eq!((made.server_name.as_str(), made.groups().as_str()), ("localhost", "X25519:P-256"));
        let error = |result: Result<Site, SiteError>| result.err().unwrap();
        assert!(matches!(error(site(None, &dir.path().join("none"), "P-256")), SiteError::CaFile { .. }));
        assert!(matches!(error(site(None, &bad, "P-256")), SiteError::Ca { .. }));
        assert!(matches!(error(site(None, &good, "P-521")), SiteError::Groups { .. }));
        assert!(matches!(error(site(None, &good, "P-256:P-256")), SiteError::Groups { .. }));
        assert!(matches!(error(site(Some("a b"), &good, "P-256")), SiteError::Name(_)));
    }
}
