//! Questions to the person at the terminal.

use crate::error::Error;
use std::io::{self, IsTerminal, Write};

/// Asks the person at the terminal, who has to type `yes`.
///
/// # Errors
/// [`Error::NotConfirmed`]; [`Error::NobodyThere`] without a terminal, with the `option` that says the same.
pub(super) fn ask(question: &str, option: &'static str) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::NobodyThere { option });
    }
    let mut out = io::stderr().lock();
    // A terminal that is gone gives no answer either.
    let _ = write!(out, "{question} Type yes: ").and_then(|()| out.flush());
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(_) if answer.trim().eq_ignore_ascii_case("yes") => Ok(()),
        _ => Err(Error::NotConfirmed),
    }
}
