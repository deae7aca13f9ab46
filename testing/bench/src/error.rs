//! Why a measurement failed.

use cotenant::error::CONSEQUENCE;
use cotenant_agent::{call::CallError, relay::RelayError, tls::JointError, vault::VaultError};
use cotenant_core::ChannelError;
use std::io;

/// Why a measurement failed. There are no figures then.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A value of an option that cannot be measured.
    #[error("{option} {given}: {wanted}")]
    Option {
        /// The option.
        option: &'static str,
        /// What was given.
        given: String,
        /// What can be.
        wanted: String,
    },
    /// The parties' homes, processes and links.
    #[error(transparent)]
    Party(#[from] cotenant::error::Error),
    /// A joint computation.
    #[error(transparent)]
    Joint(Box<CallError>),
    /// A secret saved or loaded.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A link, outside of a joint computation.
    #[error(transparent)]
    Link(#[from] ChannelError),
    /// The process of a party failed.
    #[error("{party}: {text}")]
    Process {
        /// Which party.
        party: String,
        /// Its own words.
        text: String,
    },
    /// The process of a party printed what is no result, or was given what is no job.
    #[error("the text between the processes of the parties is malformed: {0}; are all of one build?")]
    Malformed(#[from] serde_json::Error),
    /// What was computed jointly is not what was to be computed: an error in the program.
    #[error("{0} is wrong; these are no figures but a defect of the program: please report it")]
    WrongResult(&'static str),
    /// The other party of an oblivious transfer sent something wrong.
    #[error("the other party {0}")]
    Ot(#[from] cotenant_mpc::ot::OtFault),
    /// The certificates of the server that calls go to.
    #[error("cannot make certificates: {0}")]
    Certificates(#[from] rcgen::Error),
    /// TLS of the server that calls go to.
    #[error("cannot set up TLS of the server: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// Files, sockets, standard output.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// The process was told to end.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// An error of the operating system while doing `what`.
    pub fn io(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { what, source }
    }

    /// The exit status: 1, or that of a party that stopped because another one did, or 130 after an interruption.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Party(error) => error.exit_status(),
            Error::Link(_) => CONSEQUENCE,
            Error::Joint(error) if is_consequence(error) => CONSEQUENCE,
            Error::Vault(VaultError::Mpc(error)) if ended_elsewhere(error) => CONSEQUENCE,
            Error::Interrupted => 130,
            _ => 1,
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Error::Joint(Box::new(error))
    }
}

impl From<cotenant_mpc::Error> for Error {
    fn from(error: cotenant_mpc::Error) -> Self {
        CallError::from(error).into()
    }
}

/// Whether this party stopped only because another one did or went away.
fn is_consequence(error: &CallError) -> bool {
    match error {
        CallError::Relay(RelayError::Channel(_)) => true,
        CallError::Mpc(error) | CallError::Tls(cotenant_tls::Error::Backend(JointError::Mpc(error))) => ended_elsewhere(error),
        _ => false,
    }
}

fn ended_elsewhere(error: &cotenant_mpc::Error) -> bool {
    matches!(error, cotenant_mpc::Error::Channel { .. } | cotenant_mpc::Error::Stopped { .. })
}
