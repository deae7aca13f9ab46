//! What stands for all rows of a database at once, so that none can be put back as it was, or taken away, without all others.
//!
//! The exclusive or, over all rows but the one of the table state, of a keyed hash of (key, sealed row): a set hash whose key nobody knows who cannot open the
//! store (Clarke, Devadas, van Dijk, Gassend, Suh, *Incremental Multiset Hash Functions and Their Application to Memory Integrity Checking*, ASIACRYPT 2003,
//! section 4). A row that is written changes it by two hashes, whatever else there is. It stands in the row of the table state, which the counts in `keys` bind
//! to the last transaction. Nonces are random, so no sealed row ever comes twice.

use super::seal::Key;
use cotenant_core::domain::Domain;
use std::ops::BitXorAssign;

/// The sum of a set of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum(pub(super) [u8; 32]);

impl Sum {
    /// Of one row. The key that names are hashed with is used here too: the first field is longer there than any.
    pub(super) fn of(names: &Key, key: &[u8], sealed: &[u8]) -> Sum {
        Sum(Domain::StoreName.hasher().raw(names.bytes()).field(key).field(sealed).digest().0)
    }
}

impl BitXorAssign for Sum {
    /// With these rows as well, or, if they are in it, without them.
    fn bitxor_assign(&mut self, rows: Sum) {
        self.0.iter_mut().zip(rows.0).for_each(|(byte, other)| *byte ^= other);
    }
}
