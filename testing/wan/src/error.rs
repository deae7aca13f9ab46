//! Why there is no network.

use std::io;

/// Why a network could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WanError {
    /// This machine does not let this process have TUN devices or network namespaces.
    #[error("no emulated network here: {what} is refused ({cause}); it takes root, with CAP_NET_ADMIN and CAP_SYS_ADMIN")]
    NotPermitted {
        /// What was asked for.
        what: &'static str,
        /// What the system answered.
        cause: io::Error,
    },
    /// There is no command `ip`.
    #[error("cannot run the command ip, of Debian's package iproute2: {0}")]
    NoIp(io::Error),
    /// The command `ip` failed.
    #[error("ip {arguments}: {said}")]
    Ip {
        /// What it was to do.
        arguments: String,
        /// What it said.
        said: String,
    },
    /// A device failed.
    #[error("cannot make a TUN device: {0}")]
    Device(io::Error),
    /// A network has 2 to 200 hosts.
    #[error("a network of {0} hosts cannot be made, only one of 2 to 200")]
    Hosts(usize),
    /// A host's namespace cannot be entered.
    #[error("cannot enter {host}: {cause}")]
    Enter {
        /// The namespace.
        host: String,
        /// Why not.
        cause: io::Error,
    },
}
