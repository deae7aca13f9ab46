//! What can happen in a state of the world, and what it leads to: the model as the checker sees it.

use crate::Run;
use crate::world::{Action, Model, Node, World, insert, run};
use cotenant_agent::vault::commit::statement::{Entry, Parties, Round, Statement, Version, Vote};
use cotenant_agent::vault::commit::{Effect, Event, Record};
use cotenant_core::PartyId;
use stateright::Property;

impl stateright::Model for Model {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::start(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.progress(world, actions);
        self.choices(world, actions);
        self.faults(world, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.act(&mut next, action);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        self.all_properties()
    }
}

impl Model {
    /// What happens by itself as long as parties are up and messages arrive: nothing of it can be put off for ever.
    pub(crate) fn progress(&self, world: &World, actions: &mut Vec<Action>) {
        let lies = self.lies(world);
        for me in PartyId::all(self.honest) {
            if world.node(me).state.running {
                actions.push(Action::Fail(me, None));
                if self.all_took_part(world, me) {
                    actions.push(Action::Finish(me, None));
                }
            }
            let heard = world.sent.iter().chain(&lies).filter(|statement| self.matters(world, me, Event::Heard(**statement)));
            actions.extend(heard.map(|statement| Action::Deliver(me, *statement, None)));
            actions.extend(self.members().iter().filter(|&other| other != me).map(|other| Action::Sync(me, other)));
        }
        self.entries(world, actions);
    }

    /// Whether this changes anything at `me`; most statements are of other rounds or known.
    pub(crate) fn matters(&self, world: &World, me: PartyId, event: Event<Run>) -> bool {
        let state = &world.node(me).state;
        let (after, effects) = (self.machine.step)(state.clone(), event);
        after != *state || effects.iter().any(|effect| !matches!(effect, Effect::Report(_)))
    }

    pub(crate) fn all_took_part(&self, world: &World, me: PartyId) -> bool {
        let state = &world.node(me).state;
        let Some(run) = state.record.started else { return false };
        let result = Version { number: state.record.round().version, run };
        world.nodes.iter().all(|node| node.took_part.contains(&result))
    }

    /// All that lying members can sign about rounds within bounds, and entries like those of honest ones.
    fn lies(&self, world: &World) -> Vec<Statement<Run>> {
        if self.liars == 0 {
            return Vec::new();
        }
        let mut votes: Vec<Vote<Run>> = world.sent.iter().map(|statement| statement.vote).filter(|vote| vote.round().is_none()).collect();
        votes.sort();
        votes.dedup();
        for epoch in 1..=self.epochs {
            for version in 2..=self.versions {
                for attempt in 1..=self.attempts {
                    let round = Round { epoch, version, attempt };
                    votes.push(Vote::Abandoned(round));
                    let runs = (1..=self.runs).map(|variant| run(epoch, attempt, variant));
                    votes.extend(runs.flat_map(|run| [Vote::Prepared(round, run), Vote::Committed(round, run)]));
                }
            }
        }
        self.lying().flat_map(|signer| votes.iter().map(move |&vote| Statement { signer, vote })).collect()
    }

    /// New epochs that people can agree on: from any version that an honest party has, or as another has entered it.
    fn entries(&self, world: &World, actions: &mut Vec<Action>) {
        for base in self.bases(world) {
            for epoch in 2..=self.epochs {
                let entry = self.entry(world, epoch, base);
                let enters = PartyId::all(self.honest).filter(|&me| self.may_enter(world, me, entry));
                actions.extend(enters.map(|me| Action::Enter(me, entry, None)));
            }
        }
    }

    /// Whether a party signs an entry: what it says of this party's own shares is right, and its machine agrees.
    pub(crate) fn may_enter(&self, world: &World, me: PartyId, entry: Entry<Run>) -> bool {
        let node = world.node(me);
        let has_all = node.aside && entry.base.is_none_or(|base| node.shares.contains(&base));
        entry.lacking.contains(me) != has_all && self.matters(world, me, Event::Enter(entry))
    }

    /// The versions that a new epoch can begin with, sorted.
    pub(crate) fn bases(&self, world: &World) -> Vec<Version<Run>> {
        let records = world.nodes.iter().map(|node| &node.state.record);
        let mut bases: Vec<_> = records.flat_map(|record| [record.settled, record.pending()]).flatten().collect();
        bases.sort();
        bases.dedup();
        bases
    }

    /// An epoch that begins with `base`: who has a share of what its save wrote, and who of what no save writes, is what they have on their disks. Those who
    /// lie say that they have both.
    pub(crate) fn entry(&self, world: &World, epoch: u32, base: Version<Run>) -> Entry<Run> {
        let members = self.members();
        let without =
            |has: &dyn Fn(&Node) -> bool| world.nodes.iter().filter(|node| !has(node)).map(|node| node.disk.me).collect::<Parties>();
        let lack = [without(&|node| node.shares.contains(&base)), without(&|node| node.aside)];
        let lacking = lack.iter().flat_map(|lack| lack.iter()).collect::<Parties>();
        let needed = |lack: &Parties| self.threshold.saturating_sub(lacking.without(*lack).len() as u8);
        let threshold = lack.iter().map(needed).max().expect("there are two");
        Entry { epoch, members, threshold, base: Some(base), lacking }
    }

    fn choices(&self, world: &World, actions: &mut Vec<Action>) {
        for me in PartyId::all(self.honest) {
            let in_bounds = |round: Round| round.version <= self.versions && round.attempt <= self.attempts;
            if world.node(me).state.may_begin().is_ok_and(in_bounds) {
                actions.extend((1..=self.runs).map(|variant| Action::Begin(me, variant)));
            }
            if self.may_leave(world, me) {
                actions.push(Action::Leave(me, None));
            }
        }
    }

    /// Whether there is an epoch left to be entered.
    pub(crate) fn may_leave(&self, world: &World, me: PartyId) -> bool {
        world.node(me).disk.epoch < self.epochs && !world.node(me).state.leaving
    }

    fn faults(&self, world: &World, actions: &mut Vec<Action>) {
        if world.left.crashes > 0 {
            let whole = std::mem::take(actions);
            for action in whole {
                actions.extend(self.broken_off(world, &action));
                actions.push(action);
            }
            actions.extend(PartyId::all(self.honest).map(Action::Crash));
        }
        let first = PartyId::new(0);
        if world.left.restores > 0 {
            actions.push(if world.node(first).copy.is_none() { Action::Copy(first) } else { Action::Restore(first) });
        }
        if world.left.losses > 0 {
            actions.push(Action::Lose(first));
        }
    }

    /// The same action, with a crash after each of its effects but the last (after which it is a crash of its own). A new share that is on disk when the
    /// machine has not been told is one case more.
    pub(crate) fn broken_off(&self, world: &World, action: &Action) -> Vec<Action> {
        let count = |me: PartyId, event| (self.machine.step)(world.node(me).state.clone(), event).1.len();
        match action {
            Action::Finish(me, _) => {
                let run = world.node(*me).state.record.started.expect("it runs");
                (0..count(*me, Event::Verified(run))).map(|until| Action::Finish(*me, Some(until))).collect()
            }
            Action::Fail(me, _) => {
                let run = world.node(*me).state.record.started.expect("it runs");
                (1..count(*me, Event::Failed(run))).map(|until| Action::Fail(*me, Some(until))).collect()
            }
            Action::Deliver(me, statement, _) => {
                (1..count(*me, Event::Heard(*statement))).map(|until| Action::Deliver(*me, *statement, Some(until))).collect()
            }
            Action::Leave(me, _) => (1..count(*me, Event::Leave)).map(|until| Action::Leave(*me, Some(until))).collect(),
            Action::Enter(me, entry, _) => {
                (1..count(*me, Event::Enter(*entry))).map(|until| Action::Enter(*me, *entry, Some(until))).collect()
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn act(&self, world: &mut World, action: Action) {
        match action {
            Action::Begin(me, variant) => {
                let round = world.node(me).state.record.round();
                world.step(self, me, Event::Begin(run(round.epoch, round.attempt, variant)), None);
            }
            Action::Finish(me, until) => self.finish(world, me, until),
            Action::Fail(me, until) => {
                if let Some(run) = world.node(me).state.record.started {
                    self.step_or_crash(world, me, Event::Failed(run), until);
                }
            }
            Action::Deliver(me, statement, until) => self.step_or_crash(world, me, Event::Heard(statement), until),
            Action::Leave(me, until) => self.step_or_crash(world, me, Event::Leave, until),
            Action::Enter(me, entry, until) => self.step_or_crash(world, me, Event::Enter(entry), until),
            Action::Sync(me, other) => self.sync(world, me, other),
            Action::Crash(me) => {
                world.left.crashes -= 1;
                world.restart(self, me);
            }
            Action::Copy(me) => {
                let node = &mut world.nodes[me.index()];
                node.copy = Some(Box::new((node.disk.clone(), node.shares.clone(), node.aside)));
            }
            Action::Restore(me) => self.restore(world, me),
            Action::Lose(me) => self.lose(world, me),
        }
    }

    fn step_or_crash(&self, world: &mut World, me: PartyId, event: Event<Run>, until: Option<usize>) {
        world.left.crashes -= u8::from(until.is_some());
        world.step(self, me, event, until);
    }

    fn finish(&self, world: &mut World, me: PartyId, until: Option<usize>) {
        let node = &mut world.nodes[me.index()];
        let Some(run) = node.state.record.started.filter(|_| node.state.running) else { return };
        let share = Version { number: node.state.record.round().version, run };
        insert(&mut node.shares, share);
        insert(&mut node.verified, share);
        self.step_or_crash(world, me, Event::Verified(run), until);
    }

    /// What a link that comes up brings. A liar tells nothing more than it says anyway.
    fn sync(&self, world: &mut World, me: PartyId, other: PartyId) {
        if let Some(node) = world.nodes.get(other.index()) {
            for statement in (self.machine.tell)(&node.state.record) {
                if statement.signer == other {
                    insert(&mut world.sent, statement);
                }
                world.step(self, me, Event::Heard(statement), None);
            }
        }
        let told = &mut world.nodes[me.index()].told;
        *told = told.with(other);
        world.step(self, me, Event::Synced(other), None);
    }

    fn restore(&self, world: &mut World, me: PartyId) {
        world.left.restores -= 1;
        let node = &mut world.nodes[me.index()];
        let (record, shares, aside) = *node.copy.take().expect("there is a copy");
        let epoch = node.disk.epoch.max(node.disk.entering().map_or(0, |entry| entry.epoch));
        (node.disk, node.shares, node.aside, node.gap, node.highest) = (record, shares, aside, node.gap.max(epoch), 0);
        world.restart(self, me);
    }

    pub(crate) fn lose(&self, world: &mut World, me: PartyId) {
        world.left.losses -= 1;
        let node = &mut world.nodes[me.index()];
        let epoch = node.disk.epoch.max(node.disk.entering().map_or(0, |entry| entry.epoch));
        (node.disk, node.shares, node.aside, node.gap, node.highest) = (Record::newcomer(me), Vec::new(), false, node.gap.max(epoch), 0);
        world.restart(self, me);
    }
}
