//! What goes wrong with a store: in which file or row, and what to do.

use super::table::Table;
use std::{io, path::PathBuf};

/// What to do about a store that is damaged. It is in the way of a restored one, and may be wanted yet.
pub const RESTORE: &str = "end the daemon, move the store's directory away, and restore a backup: cotenant vault restore FILE";

/// Why a store could not be made, opened, read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store.
    #[error("{path}: there is no store here")]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// There is something where a new store or file was to be made.
    #[error("{path}: exists already, and is left as it is")]
    Exists {
        /// What exists.
        path: PathBuf,
    },
    /// Another process has the store open.
    #[error("{path}: another process has this store open; a store serves one process at a time")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// Others than the owner may read or write a file or directory.
    #[error("{path}: others have access to it (mode {mode:04o}); run: chmod go= on it")]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file or directory belongs to another user, who could open it at any time.
    #[error("{path}: belongs to user {owner}, and this process is of user {user}; run it as the owner, or: chown {user} on it")]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// The number of its owner.
        owner: u32,
        /// The number of this process's user.
        user: u32,
    },
    /// The disk or a quota is full. What was saved before is all there.
    #[error("{path}: no space left on the disk; nothing that was saved before is lost; free some space and start again")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{path}: {source}; check that it belongs to this user, directories with mode 0700 and files with 0600")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The operating system has no randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
    /// A passphrase of no characters.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The file is no key file.
    #[error("{path}: not a key file: one is 64 hexadecimal digits and a line feed")]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// The store is opened in another way.
    #[error("{path}: opened by {wanted}, not by what was given")]
    OtherUnlock {
        /// The key slots or the backup.
        path: PathBuf,
        /// By what.
        wanted: &'static str,
    },
    /// The passphrase or key file is not the one that the store was made with.
    #[error("{path}: wrong {given}; nothing was changed")]
    WrongKey {
        /// The key slots or the backup.
        path: PathBuf,
        /// What was given.
        given: &'static str,
    },
    /// The header does not have its form or checksum.
    #[error("{path}: its header is damaged or of another kind of file; if it is the store's, {RESTORE}")]
    Header {
        /// The key slots or the backup.
        path: PathBuf,
    },
    /// The header asks for more work per passphrase than is ever needed, as a changed one might.
    #[error("{path}: its header asks for Argon2id with {memory} KiB, {passes} passes, {lanes} lanes, beyond what this program accepts")]
    Cost {
        /// The key slots or the backup.
        path: PathBuf,
        /// Memory in KiB.
        memory: u32,
        /// Passes.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// A newer program wrote the file.
    #[error("{path}: has format {found}, this program knows formats up to {known}; use the program that wrote it, or a newer one")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// The newest version that this program knows.
        known: u16,
    },
    /// The database's file is damaged or has been changed.
    #[error("{path}: the database is damaged ({source}); {RESTORE}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: Box<redb::Error>,
    },
    /// A backup was changed after its header.
    #[error("{path}: the backup is damaged or was changed; use another one")]
    Backup {
        /// The file.
        path: PathBuf,
    },
    /// The database lacks what every store has.
    #[error("{path}: the database is empty or not one of a store; {RESTORE}")]
    Blank {
        /// The file.
        path: PathBuf,
    },
    /// A row is not what was stored there: changed, taken from another place, or written under another master key.
    #[error("table {table}, {key}: was changed or does not belong there; {RESTORE}")]
    Tampered {
        /// The table.
        table: Table,
        /// The row, by name where known, else by its key in hexadecimal.
        key: String,
    },
    /// Single rows are not those that the last transaction left.
    #[error("{path}: rows were put back as they once were, or taken away; {RESTORE}")]
    Rows {
        /// The database.
        path: PathBuf,
    },
    /// The key slots' state cells are both unreadable, or one is with no crash to explain it.
    #[error("{path}: the state cells were changed; {RESTORE}")]
    Cells {
        /// The key slots.
        path: PathBuf,
    },
    /// The database is an older one than the key slots.
    #[error(
        "the database is older than the keys: it has seen {data} transactions, the keys {keys}; put back the newer database, or {RESTORE}"
    )]
    DataOlder {
        /// Transactions of the database.
        data: u64,
        /// Transactions of the key slots.
        keys: u64,
    },
    /// The key slots are older ones than the database.
    #[error(
        "the keys are older than the database: they have seen {keys} transactions, the database {data}; put back the newer keys, or {RESTORE}"
    )]
    KeysOlder {
        /// Transactions of the database.
        data: u64,
        /// Transactions of the key slots.
        keys: u64,
    },
    /// Database and key slots have seen as many transactions, but not the same.
    #[error("the database and the keys come from two different copies of this store, after transaction {transaction}; {RESTORE}")]
    Forked {
        /// The number of transactions.
        transaction: u64,
    },
    /// The key of a share is not in its slot.
    #[error("table {table}, {key}: its key was destroyed or changed; {RESTORE}", table = Table::Shares)]
    KeyGone {
        /// The share.
        key: String,
    },
    /// What is stored once was to be stored again, with other contents.
    #[error("table {table}, {key}: something else is already stored there; please report it")]
    Conflict {
        /// The table.
        table: Table,
        /// The row.
        key: String,
    },
    /// A number or a text is longer than its field.
    #[error("table {table}: more than fits: {what}; please report it")]
    TooLong {
        /// The table.
        table: Table,
        /// What.
        what: &'static str,
    },
    /// The transaction is on disk, but keys that it was to destroy may not be destroyed yet.
    #[error("saved, but old keys are not destroyed yet ({source}); start again to finish that")]
    Unfinished {
        /// What stood in the way.
        source: Box<StoreError>,
    },
    /// A write failed before; whether it took place is found out when the store is opened again.
    #[error("a write to this store failed before; open it again")]
    Failed,
}

impl StoreError {
    /// An error of the operating system on the file at `path`.
    pub(super) fn io(path: &std::path::Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path },
            _ => StoreError::Io { path, source },
        }
    }

    /// An error of the database in the file at `path`.
    pub(super) fn database(path: &std::path::Path, source: impl Into<redb::Error>) -> Self {
        match source.into() {
            redb::Error::Io(source) => Self::io(path, source),
            redb::Error::PreviousIo => StoreError::Failed,
            redb::Error::DatabaseAlreadyOpen => StoreError::InUse { path: path.to_owned() },
            source => StoreError::Damaged { path: path.to_owned(), source: Box::new(source) },
        }
    }
}
