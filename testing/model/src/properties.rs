//! What must hold in every state of the world. Each is stated by what parties signed and what is on their disks, not by how the machine reasons.
//!
//! A party whose memory has a gap in this epoch (put back to an old copy, disk lost) counts as faulty until it has entered a new one.

use crate::Run;
use crate::world::{Action, Model, Node, World};
use cotenant_agent::vault::commit::statement::{Closing, Entry, Statement, Version, Vote};
use stateright::{Model as _, Property};

/// An honest party signs one PREPARED a round and one of COMMITTED and ABANDONED, all for one run; and one ENTERED an epoch.
pub const NEVER_BOTH: &str = "never both";
/// No two honest parties ever settle different contents of one version.
pub const ONE_CONTENT: &str = "one content";
/// A share of a settled version is destroyed only when all have committed to the next one and it was verified here, or have entered an epoch with a later
/// one; a share of what no save writes never is.
pub const ERASED_LAST: &str = "erased last";
/// There is a version of which every honest party has a share and keeps it, but for those that entered the epoch without; and there are enough of them.
pub const LOADABLE: &str = "loadable";
/// An honest party has left a round only if every honest member has closed it in the same way: absence blocks.
pub const UNANIMOUS: &str = "unanimous";
/// The votes that a party keeps as proof are what honest parties signed, all of one round or for one epoch.
pub const CERTIFIED: &str = "certified";
/// No honest party goes back behind a version that it settled.
pub const NO_WAY_BACK: &str = "no way back";
/// No honest party gives its share of a version when another has settled a later one.
pub const NO_STALE_LOAD: &str = "no stale load";
/// A party that came up signs nothing before all others have told it what they know.
pub const HEARS_FIRST: &str = "hears first";
/// When nothing more happens by itself, all honest parties stand in the same round and can begin a save.
pub const SETTLES: &str = "settles";
/// When nothing more happens by itself, a party put back to an old copy knows it, or its copy was as good as new.
pub const OLD_IS_TOLD: &str = "old is told";

/// All of them.
pub const ALL: [&str; 11] =
    [NEVER_BOTH, ONE_CONTENT, ERASED_LAST, LOADABLE, UNANIMOUS, CERTIFIED, NO_WAY_BACK, NO_STALE_LOAD, HEARS_FIRST, SETTLES, OLD_IS_TOLD];

impl Model {
    pub(crate) fn all_properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(NEVER_BOTH, never_both),
            Property::always(ONE_CONTENT, one_content),
            Property::always(ERASED_LAST, |_, world: &World| !world.erased_early),
            Property::always(HEARS_FIRST, |_, world: &World| !world.signed_unheard),
            Property::always(LOADABLE, loadable),
            Property::always(UNANIMOUS, unanimous),
            Property::always(CERTIFIED, certified),
            Property::always(NO_WAY_BACK, no_way_back),
            Property::always(NO_STALE_LOAD, no_stale_load),
        ];
        if self.liars == 0 {
            all.extend([Property::always(SETTLES, settles), Property::always(OLD_IS_TOLD, old_is_told)]);
        }
        if self.versions > 1 {
            all.extend([
                Property::sometimes("a save is settled", |model: &Model, world: &World| {
                    reliable(world).all(|node| settled(node) == model.versions)
                }),
                Property::sometimes("an attempt is abandoned", |_, world: &World| reliable(world).all(|node| node.disk.attempt > 1)),
            ]);
        }
        if self.restores > 0 {
            all.push(Property::sometimes("a party is old", |_, world: &World| world.nodes.iter().any(|node| node.disk.old)));
        }
        if self.restores > 0 && self.epochs > 1 {
            all.push(Property::sometimes("an old copy goes on with its shares", |_, world: &World| world.nodes.iter().any(goes_on)));
        }
        if self.epochs > 1 {
            all.push(Property::sometimes("an epoch is entered", |model: &Model, world: &World| {
                world.nodes.iter().all(|node| node.disk.epoch == model.epochs)
            }));
        }
        all
    }
}

fn reliable(world: &World) -> impl Iterator<Item = &Node> {
    world.nodes.iter().filter(|node| node.reliable())
}

/// Whether it has entered an epoch since it was put back, and its share of everything.
fn goes_on(node: &Node) -> bool {
    node.gap > 0 && node.reliable() && node.disk.holds
}

fn settled(node: &Node) -> u64 {
    node.disk.settled.map_or(0, |version| version.number)
}

fn never_both(_: &Model, world: &World) -> bool {
    world.nodes.iter().all(|node| {
        let own = world.sent.iter().filter(|statement| statement.signer == node.disk.me).map(|statement| statement.vote);
        let counted: Vec<_> = own.filter(|vote| epoch_of(vote) > node.gap).collect();
        counted.iter().all(|one| counted.iter().all(|other| one == other || compatible(one, other)))
    })
}

fn epoch_of(vote: &Vote<Run>) -> u32 {
    match vote {
        Vote::Entered(entry) => entry.epoch,
        Vote::Prepared(round, _) | Vote::Committed(round, _) | Vote::Abandoned(round) => round.epoch,
    }
}

/// Whether an honest party can sign two different votes.
fn compatible(one: &Vote<Run>, other: &Vote<Run>) -> bool {
    if one.round() != other.round() {
        return true;
    }
    match (one, other) {
        (Vote::Prepared(_, run), Vote::Committed(_, same)) | (Vote::Committed(_, run), Vote::Prepared(_, same)) => run == same,
        (Vote::Prepared(..), Vote::Abandoned(_)) | (Vote::Abandoned(_), Vote::Prepared(..)) => true,
        (Vote::Entered(one), Vote::Entered(other)) => one.epoch != other.epoch,
        _ => false,
    }
}

fn one_content(_: &Model, world: &World) -> bool {
    world.finished.windows(2).all(|pair| pair[0].number != pair[1].number)
}

fn loadable(model: &Model, world: &World) -> bool {
    let has = |node: &Node, version: &Version<Run>| node.shares.contains(version) && node.disk.kept().contains(version);
    let lacks = |node: &Node, version: &Version<Run>| {
        let entered = node.disk.entering().is_some_and(|entry| entry.base == Some(*version) && entry.lacking.contains(node.disk.me));
        entered || !node.disk.holds && node.disk.settled == Some(*version)
    };
    let needed = usize::from(model.threshold).saturating_sub(model.liars + world.nodes.iter().filter(|node| !node.reliable()).count());
    let enough = |version: &Version<Run>| {
        reliable(world).filter(|node| has(node, version)).count() >= needed
            && reliable(world).all(|node| has(node, version) || lacks(node, version))
    };
    let mut candidates = world.nodes.iter().flat_map(|node| &node.shares);
    let aside = reliable(world).filter(|node| node.aside).count() >= needed;
    needed == 0 || aside && candidates.any(enough)
}

fn unanimous(_: &Model, world: &World) -> bool {
    let behind = |node: &Node, ahead: &Node| {
        let (round, next) = (node.disk.round(), ahead.disk.round());
        let closing = node.disk.votes_of(node.disk.me).closing;
        if next.epoch > round.epoch {
            return node.disk.entering().is_some_and(|entry| entry.epoch >= next.epoch);
        }
        match closing {
            Some(Closing::Committed(run)) => {
                next.version == round.version + 1 && next.attempt == 1 && ahead.disk.settled == Some(Version { number: round.version, run })
            }
            Some(Closing::Abandoned) => next.version == round.version && next.attempt == round.attempt + 1,
            None => false,
        }
    };
    reliable(world).all(|ahead| reliable(world).all(|node| node.disk.round() >= ahead.disk.round() || behind(node, ahead)))
}

fn certified(model: &Model, world: &World) -> bool {
    let signed = |statement: &Statement<Run>| statement.signer.index() >= model.honest || world.signed(statement);
    reliable(world).all(|node| {
        let equal = node.disk.proof.windows(2).all(|pair| pair[0].vote == pair[1].vote);
        equal && node.disk.proof.iter().all(|statement| epoch_of(&statement.vote) == node.disk.epoch && signed(statement))
    })
}

fn no_way_back(_: &Model, world: &World) -> bool {
    reliable(world).all(|node| settled(node) >= node.highest)
}

fn no_stale_load(model: &Model, world: &World) -> bool {
    let newest = reliable(world).map(settled).max();
    reliable(world).all(|node| (model.machine.loadable)(&node.state.record).is_none_or(|version| Some(version.number) >= newest))
}

/// Nothing happens any more unless someone begins a save or a fault strikes. All that happens by itself only adds to what is known, so every schedule in
/// which parties stay up and messages arrive ends in such a state.
fn quiet(model: &Model, world: &World) -> bool {
    let mut actions: Vec<Action> = Vec::new();
    model.progress(world, &mut actions);
    actions.into_iter().all(|action| model.next_state(world, action).is_none())
}

/// Whether all stand in one round with one content and can begin a save.
pub(crate) fn agreed(world: &World) -> bool {
    let ready = |node: &Node| (node.state.may_begin().is_ok()).then(|| (node.disk.round(), node.disk.settled));
    let first = ready(&world.nodes[0]);
    first.is_some() && world.nodes.iter().all(|node| ready(node) == first)
}

/// Whether only a further epoch helps, which the bounds do not allow: two have entered the last one differently, or one was put back to an old copy in it.
fn out_of_epochs(model: &Model, world: &World) -> bool {
    let stuck = |node: &Node| match node.disk.entering() {
        Some(entry) => entry.epoch == model.epochs,
        None => node.disk.old && node.disk.epoch == model.epochs,
    };
    world.nodes.iter().any(stuck)
}

/// Whether something would have fewer holders than make it up.
pub(crate) fn has_too_few(entry: &Entry<Run>) -> bool {
    entry.members.without(entry.lacking).len() < usize::from(entry.threshold)
}

impl Model {
    /// Whether so many have lost their shares of the newest version that somebody insists on, or of what no save writes, that it is lost.
    pub(crate) fn is_short(&self, world: &World) -> bool {
        let newest = world.nodes.iter().filter_map(|node| node.state.record.insists()).max();
        newest.is_some_and(|base| has_too_few(&self.entry(world, self.epochs, base)))
    }
}

fn settles(model: &Model, world: &World) -> bool {
    let no_remedy = model.epochs == 1 && world.nodes.iter().any(|node| !node.reliable()) || model.is_short(world);
    no_remedy || agreed(world) || out_of_epochs(model, world) || !quiet(model, world)
}

fn old_is_told(model: &Model, world: &World) -> bool {
    let unaware = |node: &Node| !node.reliable() && !node.disk.old;
    !world.nodes.iter().any(unaware) || agreed(world) || out_of_epochs(model, world) || !quiet(model, world)
}
