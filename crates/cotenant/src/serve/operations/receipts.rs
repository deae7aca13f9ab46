//! Receipts of what was done: made, signed by all who took part, and stored.

use super::{Operations, note::Note};
use cotenant_agent::approve::{
    log::Outcome as LoggedOutcome,
    operation::Operation,
    receipt::{self, Receipt},
    run::Run,
};
use cotenant_core::PartyId;

/// Receipts that wait for signatures. Others can be asked again for those of older ones.
const MAX_RECEIPTS: usize = 64;
/// Signatures under receipts that are kept for others who ask for them.
const MAX_SIGNATURES: usize = 1 << 12;

impl Operations {
    /// Signs the receipt of what was done.
    pub(super) fn done(&mut self, number: u64, operation: Operation, run: Run, outcome: receipt::Outcome) -> LoggedOutcome {
        match self.new_receipt(operation, run, outcome) {
            Ok(receipt) => {
                let digest = receipt.digest();
                self.await_signatures(number, receipt);
                if let Some(note) = self.asking(number) {
                    self.send_all(&note);
                }
                self.keep_receipt(number);
                LoggedOutcome::Done(digest)
            }
            Err(error) => LoggedOutcome::Failed(error.to_string()),
        }
    }

    /// A receipt that this party has signed.
    fn new_receipt(&self, operation: Operation, run: Run, outcome: receipt::Outcome) -> Result<Receipt, receipt::BadReceipt> {
        let mut receipt = Receipt::new(operation, run, outcome)?;
        let signature = receipt.sign(&self.setup.identity);
        receipt.add(self.me, signature)?;
        Ok(receipt)
    }

    /// Keeps a receipt until all have signed it.
    pub(super) fn await_signatures(&mut self, number: u64, receipt: Receipt) {
        self.sign_receipt(number, &receipt);
        self.receipts.insert(number, receipt);
        while self.receipts.len() > MAX_RECEIPTS {
            self.receipts.pop_first();
        }
    }

    /// Asks all for their signatures under the receipt of what was done.
    pub(super) fn ask_again(&mut self, number: u64, receipt: Receipt) {
        if !self.receipts.contains_key(&number) {
            self.await_signatures(number, receipt);
        }
        self.asking(number).iter().for_each(|note| self.send_all(note));
    }

    /// Keeps this party's signature for others who ask for it.
    pub(super) fn sign_receipt(&mut self, number: u64, receipt: &Receipt) {
        self.signatures.insert(number, receipt.sign(&self.setup.identity));
        while self.signatures.len() > MAX_SIGNATURES {
            self.signatures.pop_first();
        }
    }

    /// Stores a receipt as it is, as it holds what was opened; once all who took part have signed it, no more signatures are asked for.
    pub(super) fn keep_receipt(&mut self, number: u64) {
        let Some(receipt) = self.receipts.get(&number) else { return };
        self.step.changes.receipts.push((number, receipt.encode()));
        if self.all_have_signed(receipt) {
            self.receipts.remove(&number);
        }
    }

    /// Whether a receipt of this party's store is of what was done, which it has signed. Of what failed, or is voted on, there may be one of the answer: nobody
    /// signs that, as it says that the run has made what it was to make.
    pub(super) fn is_of_what_was_done(&self, receipt: &Receipt) -> bool {
        let operation = receipt.operation();
        operation.epoch == self.parameters().charter().epoch && receipt.is_signed_by(self.me)
    }

    /// Whether a receipt of this party's store proves to anybody what it says. The members and the threshold of its operation are those of its epoch: no other
    /// was taken.
    pub(super) fn all_have_signed(&self, receipt: &Receipt) -> bool {
        let operation = receipt.operation();
        receipt.verify(&operation.members, operation.threshold).is_ok()
    }

    /// Another's signature.
    pub(super) fn heard_receipt(&mut self, from: PartyId, number: u64, signature: [u8; 64], now: i64) {
        let Some(receipt) = self.receipts.get_mut(&number) else { return };
        if let Err(error) = receipt.add(from, signature) {
            return self.complain(from, Some(number), &error, now);
        }
        self.keep_receipt(number);
    }

    /// Who lacks signatures may lack this party's.
    pub(super) fn answer_receipt(&mut self, to: PartyId, number: u64, asks: bool) {
        if let (true, Some(&signature)) = (asks, self.signatures.get(&number)) {
            self.send(to, &Note::Receipt { number, signature, asks: false });
        }
    }
}
