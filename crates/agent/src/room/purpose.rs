//! What members of a room sign, one name a kind of statement.

/// "I take part in the room of these parameters": over their digest.
pub(super) const PARAMETERS: &str = "room parameters";
/// "This is what I invited you to": over the transcript of a join as far as the offer.
pub(super) const OFFER: &str = "room join offer";
/// "I want to join": over the transcript as far as the opening.
pub(super) const OPENING: &str = "room join opening";
/// "You have a seat": over the same.
pub(super) const WELCOME: &str = "room join welcome";
