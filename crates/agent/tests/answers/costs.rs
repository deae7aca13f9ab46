//! What reading a part of an answer costs: the AND gates that are prepared for it, which depend on its limit and its policy alone.

use crate::lanes::{Running, run_all};
use crate::servers::{POLICY, rules};
use cotenant_agent::answer::AnswerPlan;
use cotenant_core::Digest;
use cotenant_ideal::{IdealSession, Seat, seats};
use cotenant_mpc::{Engine, Error, Online, Source};
use cotenant_tls::AnswerLimits;

async fn prepared(seat: Seat, policy: &str, limit: usize) -> Result<u64, Error> {
    let mut session = IdealSession::start(seat, Digest([1; 32])).await?;
    let secret: Vec<_> = session.declare(Source::Joint, 256).wires().collect();
    AnswerPlan::declare(&mut session, &rules(policy), AnswerLimits::of_bytes(limit), &secret)?;
    Ok(session.seal().await?.stats().ands)
}

/// AND gates for an answer of at most so many bytes.
fn ands(policy: &str, limit: usize) -> u64 {
    let parties = seats(2, 1).into_iter().map(|seat| Box::pin(prepared(seat, policy, limit)) as Running<'_, Result<u64, Error>>).collect();
    let all: Vec<u64> = run_all(parties, || ()).into_iter().map(|ands| ands.expect("it is prepared")).collect();
    assert_eq!(all[0], all[1]);
    all[0]
}

/// The figures of `docs/flows.md`.
#[test]
fn what_a_byte_of_the_limit_costs() {
    let json = "keep token in json \"token\" chars alnum len 40";
    let cookie = "keep sid in header \"Set-Cookie: sid=\" chars alnum len 32 \";\"";
    let costs = [json, POLICY, cookie].map(|policy| [1024, 2048, 4096].map(|limit| ands(policy, limit)));
    let expected = [[675_672, 1_032_487, 1_744_070], [715_240, 1_105_858, 1_885_047], [687_449, 1_002_151, 1_629_509]];
    assert_eq!(costs, expected);
}
