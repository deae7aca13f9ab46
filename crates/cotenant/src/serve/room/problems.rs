//! What goes wrong with rooms, as commands are told.

use crate::serve::problem::Problem;
use axum::http::StatusCode;
use cotenant_agent::{
    approve::escape::escape,
    room::{
        draft::BadDraft,
        invitation::BadInvitation,
        join::{JoinFault, Refusal},
    },
};

/// The invitation is none.
pub(super) fn invitation(error: &BadInvitation) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-invitation", "invitation", error, "copy it again, or have the words read again")
}

/// The join ended.
pub(super) fn join(fault: &JoinFault) -> Problem {
    let remedy = match fault {
        JoinFault::Expired | JoinFault::Refused(Refusal::Expired | Refusal::Unknown | Refusal::Used) => "ask for another invitation",
        JoinFault::Own => "an invitation is for another party: give it to that one",
        JoinFault::Taken(_) | JoinFault::Refused(Refusal::Taken) => "join under another name: --as NAME",
        JoinFault::Member(_) => "see --as, and public below [peers] in cotenant.toml",
        _ => "somebody else may answer at the inviter's address: ask the inviter, by a way on which you know each other",
    };
    Problem::new(StatusCode::CONFLICT, "not-joined", "invitation", fault, remedy)
}

/// The inviter does not answer.
pub(super) fn unreachable(why: &str) -> Problem {
    let remedy =
        "check that the inviter's daemon runs, and that the invitation was neither withdrawn nor for a room that is founded already";
    Problem::new(StatusCode::BAD_GATEWAY, "not-reached", "inviter", escape(why), remedy)
}

/// A draft that would break a rule.
pub(super) fn draft(room: &str, error: &BadDraft) -> Problem {
    let remedy = match error {
        BadDraft::Invitations => "take them back: cotenant room withdraw --seat K",
        BadDraft::NoMember | BadDraft::Seat(_) => "see cotenant room show",
        _ => "see --help of the command",
    };
    Problem::new(StatusCode::BAD_REQUEST, "bad-room", format!("room {}", escape(room)), error, remedy)
}

/// Addresses of a member that are none.
pub(super) fn address(member: &str) -> Problem {
    let (place, remedy) = (format!("member {}", escape(member)), "give host and port, as alice.example:7001");
    Problem::new(StatusCode::BAD_REQUEST, "bad-address", place, "an address of it is none", remedy)
}

/// Something is asked of the room that it cannot do as it stands.
pub(super) fn stage(room: &str, title: &str, remedy: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, "wrong-stage", format!("room {}", escape(room)), title, remedy)
}

/// The phrase is not the one shown here.
pub(super) fn phrase(room: &str) -> Problem {
    let title = "these are not the words that are shown here; nothing was confirmed";
    let remedy =
        "type them again; if the other side reads other words, somebody stands between you: cotenant room withdraw, and invite anew";
    Problem::new(StatusCode::CONFLICT, "wrong-phrase", format!("room {}", escape(room)), title, remedy)
}

/// Nobody reaches this party.
pub(super) fn no_address() -> Problem {
    let title = "the configuration does not say where others reach this party";
    Problem::new(
        StatusCode::CONFLICT,
        "no-address",
        "cotenant.toml",
        title,
        "set public below [peers], as in [\"alice.example:7001\"], and start the daemon again",
    )
}

/// The room's task has ended, since its store failed for instance.
pub(super) fn closed(room: &str) -> Problem {
    let remedy = "see the daemon's log, and start it again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "room-closed", format!("room {}", escape(room)), "it is not served any more", remedy)
}

/// The machine does what it must not.
pub(super) fn fault(what: &str) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", "daemon", escape(what), "see the daemon's log")
}
