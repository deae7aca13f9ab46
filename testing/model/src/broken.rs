//! Machines that are broken on purpose: the one that ships with something done to what goes in or comes out. They show that each property can fail, and
//! that random walks come to where it does.

use crate::world::FIRST;
use crate::{Machine, REAL, Run, Stepped};
use cotenant_agent::vault::commit::statement::{Closing, Entry, Statement, Version, Vote};
use cotenant_agent::vault::commit::{Effect, Event, Record, State};

/// All of them, by name.
pub const ALL: [(&str, Machine); 19] = [
    ("sends_before_it_persists", SENDS_BEFORE_IT_PERSISTS),
    ("signs_both", SIGNS_BOTH),
    ("votes_do_not_name_the_run", VOTES_DO_NOT_NAME_THE_RUN),
    ("uses_a_round_twice", USES_A_ROUND_TWICE),
    ("erases_before_all_have_committed", ERASES_BEFORE_ALL_HAVE_COMMITTED),
    ("keeps_only_the_settled_share", KEEPS_ONLY_THE_SETTLED_SHARE),
    ("abandons_alone", ABANDONS_ALONE),
    ("commits_with_all_but_one", COMMITS_WITH_ALL_BUT_ONE),
    ("takes_votes_of_an_old_epoch", TAKES_VOTES_OF_AN_OLD_EPOCH),
    ("keeps_a_wrong_proof", KEEPS_A_WRONG_PROOF),
    ("goes_back", GOES_BACK),
    ("enters_alone", ENTERS_ALONE),
    ("enters_with_too_few_shares", ENTERS_WITH_TOO_FEW_SHARES),
    ("destroys_all_where_it_lacks_some", DESTROYS_ALL_WHERE_IT_LACKS_SOME),
    ("loads_while_in_doubt", LOADS_WHILE_IN_DOUBT),
    ("signs_before_it_has_heard", SIGNS_BEFORE_IT_HAS_HEARD),
    ("gives_up_after_prepared", GIVES_UP_AFTER_PREPARED),
    ("withholds_what_it_knows", WITHHOLDS_WHAT_IT_KNOWS),
    ("ignores_its_own_votes", IGNORES_ITS_OWN_VOTES),
];

/// The vote is sent first and written down afterwards.
pub const SENDS_BEFORE_IT_PERSISTS: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (state, mut effects) = (REAL.step)(state, event);
        effects.sort_by_key(|effect| !matches!(effect, Effect::Send(_)));
        (state, effects)
    }
    Machine { step, ..REAL }
};

/// ABANDONED on top of COMMITTED when another asks for it.
pub const SIGNS_BOTH: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let committed = matches!(state.record.votes_of(state.record.me).closing, Some(Closing::Committed(_)));
        let (state, mut effects) = (REAL.step)(state, event);
        if let (true, Event::Heard(Statement { vote: vote @ Vote::Abandoned(round), .. })) = (committed, event)
            && round == state.record.round()
        {
            effects.push(Effect::Send(vote));
        }
        (state, effects)
    }
    Machine { step, ..REAL }
};

/// The run that was begun is forgotten in a crash, so that the same round is used for a second one; and votes for any run are taken for this one's.
pub const VOTES_DO_NOT_NAME_THE_RUN: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let mine = state.record.started;
        let event = match (event, mine) {
            (Event::Heard(Statement { signer, vote: Vote::Prepared(round, _) }), Some(run)) => {
                Event::Heard(Statement { signer, vote: Vote::Prepared(round, run) })
            }
            (Event::Heard(Statement { signer, vote: Vote::Committed(round, _) }), Some(run)) => {
                Event::Heard(Statement { signer, vote: Vote::Committed(round, run) })
            }
            (event, _) => event,
        };
        (REAL.step)(state, event)
    }
    Machine { step, restart: forgets_the_run, ..REAL }
};

/// Only that: two parties prepare different runs of one round and neither can ever leave it.
pub const USES_A_ROUND_TWICE: Machine = Machine { restart: forgets_the_run, ..REAL };

/// The old share goes when COMMITTED is signed.
pub const ERASES_BEFORE_ALL_HAVE_COMMITTED: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (state, mut effects) = (REAL.step)(state, event);
        let committed = effects.iter().any(|effect| matches!(effect, Effect::Send(Vote::Committed(..))));
        effects.extend(state.record.pending().filter(|_| committed).map(|new| Effect::EraseAllBut(vec![new])));
        (state, effects)
    }
    Machine { step, ..REAL }
};

/// The new share, though PREPARED was signed for it, does not outlive a crash.
pub const KEEPS_ONLY_THE_SETTLED_SHARE: Machine = {
    fn restart(record: Record<Run>) -> Stepped {
        let settled = record.settled.into_iter().collect();
        let (state, _) = (REAL.restart)(record);
        (state, vec![Effect::EraseAllBut(settled)])
    }
    Machine { restart, ..REAL }
};

/// A party that has given up goes on without the others.
pub const ABANDONS_ALONE: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (mut state, mut effects) = (REAL.step)(state, event);
        if state.record.votes_of(state.record.me).closing == Some(Closing::Abandoned) {
            state.record.votes.clear();
            state.record.started = None;
            state.record.attempt += 1;
            effects.push(Effect::Persist(state.record.clone()));
        }
        (state, effects)
    }
    Machine { step, ..REAL }
};

/// One certificate fewer than members is enough.
pub const COMMITS_WITH_ALL_BUT_ONE: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (mut state, effects) = (REAL.step)(state, event);
        let record = &state.record;
        let closing = record.votes_of(record.me).closing;
        let equal = record.members.iter().filter(|&party| record.votes_of(party).closing == closing).count();
        if let (Some(Closing::Committed(run)), true) = (closing, equal + 1 == record.members.len()) {
            let settled = Some(Version { number: record.round().version, run });
            state.record = Record { settled, votes: Default::default(), started: None, attempt: 1, ..state.record };
            let kept = Effect::EraseAllBut(state.record.kept());
            let more = [Effect::Persist(state.record.clone()), kept];
            return (state, effects.into_iter().chain(more).collect());
        }
        (state, effects)
    }
    Machine { step, ..REAL }
};

/// Votes of an earlier epoch count in this one.
pub const TAKES_VOTES_OF_AN_OLD_EPOCH: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let epoch = state.record.epoch;
        let event = match event {
            Event::Heard(Statement { signer, vote: Vote::Abandoned(mut round) }) if signer != state.record.me && round.epoch < epoch => {
                round.epoch = epoch;
                Event::Heard(Statement { signer, vote: Vote::Abandoned(round) })
            }
            event => event,
        };
        (REAL.step)(state, event)
    }
    Machine { step, ..REAL }
};

/// It writes down another certificate than the one that it saw.
pub const KEEPS_A_WRONG_PROOF: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (mut state, effects) = (REAL.step)(state, event);
        for statement in &mut state.record.proof {
            if let Vote::Committed(round, _) = &mut statement.vote {
                round.attempt = 2;
            }
        }
        let persisted = |effect| if let Effect::Persist(_) = effect { Effect::Persist(state.record.clone()) } else { effect };
        let effects = effects.into_iter().map(persisted).collect();
        (state, effects)
    }
    Machine { step, ..REAL }
};

/// ABANDONED of a round that was left by commitment takes it back.
pub const GOES_BACK: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let settled = state.record.settled.map(|settled| settled.number);
        if let Event::Heard(Statement { vote: Vote::Abandoned(round), .. }) = event
            && Some(round.version) == settled
        {
            let mut state = state;
            state.record.settled = Some(FIRST);
            let effects = vec![Effect::Persist(state.record.clone())];
            return (state, effects);
        }
        (REAL.step)(state, event)
    }
    Machine { step, ..REAL }
};

/// An epoch is entered without the others.
pub const ENTERS_ALONE: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (mut state, mut effects) = (REAL.step)(state, event);
        if let Some(entry) = state.record.entering() {
            state.record = Record { epoch: entry.epoch, settled: entry.base, attempt: 1, started: None, ..state.record };
            state.record.votes.clear();
            state.record.entries.clear();
            effects.push(Effect::Persist(state.record.clone()));
        }
        (state, effects)
    }
    Machine { step, ..REAL }
};

/// An epoch is entered however few have shares.
pub const ENTERS_WITH_TOO_FEW_SHARES: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let Event::Enter(entry) = event else { return (REAL.step)(state, event) };
        let unchecked = Entry { threshold: 0, ..entry };
        let (mut state, mut effects) = (REAL.step)(state, Event::Enter(unchecked));
        state.record.entries.values_mut().filter(|own| **own == unchecked).for_each(|own| *own = entry);
        for effect in &mut effects {
            match effect {
                Effect::Persist(record) => *record = state.record.clone(),
                Effect::Send(vote) if *vote == Vote::Entered(unchecked) => *vote = Vote::Entered(entry),
                _ => {}
            }
        }
        (state, effects)
    }
    Machine { step, ..REAL }
};

/// Whoever has not all of a version destroys what it has of it.
pub const DESTROYS_ALL_WHERE_IT_LACKS_SOME: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (state, mut effects) = (REAL.step)(state, event);
        for effect in &mut effects {
            if let (Effect::EraseAllBut(kept), false) = (effect, state.record.holds) {
                kept.retain(|version| Some(*version) != state.record.settled);
            }
        }
        (state, effects)
    }
    Machine { step, ..REAL }
};

/// The old version is still given out after COMMITTED was signed for the new one.
pub const LOADS_WHILE_IN_DOUBT: Machine = Machine { loadable: |record| record.settled, ..REAL };

/// A party that comes up does not wait for what others know.
pub const SIGNS_BEFORE_IT_HAS_HEARD: Machine = {
    fn restart(record: Record<Run>) -> Stepped {
        let members = record.members;
        let (state, effects) = (REAL.restart)(record);
        (State { synced: members, ..state }, effects)
    }
    Machine { restart, ..REAL }
};

/// A party that has prepared gives up by itself when it comes up.
pub const GIVES_UP_AFTER_PREPARED: Machine = {
    fn restart(mut record: Record<Run>) -> Stepped {
        let (me, round) = (record.me, record.round());
        let vote = Vote::Abandoned(round);
        if let Some(votes) = record.votes.get_mut(&me).filter(|votes| votes.closing.is_none()) {
            votes.closing = Some(Closing::Abandoned);
            let (state, mut effects) = (REAL.restart)(record);
            effects.splice(0..0, [Effect::Persist(state.record.clone()), Effect::Send(vote)]);
            return (state, effects);
        }
        (REAL.restart)(record)
    }
    Machine { restart, ..REAL }
};

/// The certificate that led to a round is not passed on.
pub const WITHHOLDS_WHAT_IT_KNOWS: Machine = Machine { tell: |record| Record { proof: Vec::new(), ..record.clone() }.tell(), ..REAL };

/// Its own votes do not tell a party that its record is old.
pub const IGNORES_ITS_OWN_VOTES: Machine = {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        match event {
            Event::Heard(statement) if statement.signer == state.record.me => (state, Vec::new()),
            event => (REAL.step)(state, event),
        }
    }
    Machine { step, ..REAL }
};

fn forgets_the_run(record: Record<Run>) -> Stepped {
    (REAL.restart)(Record { started: None, ..record })
}
