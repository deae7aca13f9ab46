//! Who waits for which session at this party's address, and who came before anybody did.
//!
//! A connection is handed to whoever waits for its session and key. If nobody does it is held for a while, as the other parties may be
//! ahead of this one. What is refused is refused after the same time and in the same way whether or not the session exists, so that
//! nobody learns what others do here. Held are so many connections at most, and so many of one key; one more takes the place of the
//! oldest, whose dialler finds its connection closed and may dial again.

use crate::{
    error::{HelloFault, PeerFault, Stranger},
    identity::PublicIdentity,
    meet::Arrival,
    mesh::Limits,
};
use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

/// Connections held at once; each costs the buffers of a [`crate::stream::Stream`], a quarter of a MiB.
pub(crate) const HELD: usize = 64;

/// Those of one key.
pub(crate) const HELD_EACH: usize = 8;

/// News that may wait for one waiter; what more comes is dropped, and its dialler may dial again.
const NEWS: usize = 16;

/// The name of a session.
pub(crate) type Session = [u8; 32];

/// Who is let in to a session.
pub(crate) enum Admits {
    /// The holders of these keys.
    These(Vec<PublicIdentity>),
    /// Whoever knows the session.
    Anyone,
}

/// What a waiter hears.
pub(crate) enum News {
    /// One it waits for.
    Arrived(Box<Arrival>),
    /// Somebody was turned away.
    Refused(Stranger),
    /// One it waits for asked for a session that nobody here waits for, and was turned away.
    Elsewhere {
        /// Who.
        key: PublicIdentity,
        /// From where.
        from: SocketAddr,
        /// How the sessions differ.
        fault: HelloFault,
    },
}

/// See the module.
#[derive(Default)]
pub(crate) struct Desk(Mutex<State>);

#[derive(Default)]
struct State {
    waiters: BTreeMap<Session, Waiter>,
    /// The oldest first.
    held: VecDeque<Held>,
}

struct Waiter {
    admits: Admits,
    news: mpsc::Sender<News>,
}

struct Held {
    session: Session,
    key: PublicIdentity,
    /// Takes the waiter that came for it; the connection is given up when this is dropped.
    claim: oneshot::Sender<mpsc::Sender<News>>,
}

/// One that waits; it does until this is dropped.
pub(crate) struct Waiting {
    desk: Arc<Desk>,
    session: Session,
    pub(crate) news: mpsc::Receiver<News>,
}

impl Desk {
    /// Waits for those that are let in to the session; none if somebody waits in it already.
    pub(crate) fn wait(self: &Arc<Self>, session: Session, admits: Admits) -> Option<Waiting> {
        let (sender, news) = mpsc::channel(NEWS);
        let mut state = self.lock();
        if state.waiters.contains_key(&session) {
            return None;
        }
        for held in std::mem::take(&mut state.held) {
            if held.session == session && admits.admit(&held.key) {
                // It may have given up just now.
                let _ = held.claim.send(sender.clone());
            } else {
                state.held.push_back(held);
            }
        }
        state.waiters.insert(session, Waiter { admits, news: sender });
        drop(state);
        Some(Waiting { desk: self.clone(), session, news })
    }

    /// Hands the connection to who waits for it, holds it, or turns it away.
    pub(crate) async fn receive(&self, arrival: Arrival, limits: &Limits) {
        let (from, key, session) = (arrival.from, arrival.key, arrival.hello.session);
        let claimed = match self.claim(session, key) {
            Ok(news) => Some(news),
            Err(mut later) => match timeout(limits.hold, &mut later).await {
                Ok(Ok(news)) => Some(news),
                Ok(Err(_gave_way)) => return,
                Err(_) => {
                    later.close();
                    later.try_recv().ok()
                }
            },
        };
        match claimed {
            // If it is full or gone, the dialler finds its connection closed.
            Some(news) => drop(news.try_send(News::Arrived(Box::new(arrival)))),
            None => {
                arrival.refuse(limits).await;
                self.turned_away(from, key, session);
            }
        }
    }

    /// Tells all who wait for certain others of a connection that was turned away.
    pub(crate) fn tell(&self, stranger: &Stranger) {
        for waiter in self.lock().waiters.values() {
            if let Admits::These(_) = waiter.admits {
                waiter.tell(News::Refused(stranger.clone()));
            }
        }
    }

    /// Who waits for it, or where to hear of that.
    fn claim(&self, session: Session, key: PublicIdentity) -> Result<mpsc::Sender<News>, oneshot::Receiver<mpsc::Sender<News>>> {
        let mut state = self.lock();
        match state.waiters.get(&session) {
            Some(waiter) if waiter.admits.admit(&key) => Ok(waiter.news.clone()),
            _ => Err(state.hold(session, key)),
        }
    }

    fn turned_away(&self, from: SocketAddr, key: PublicIdentity, asked: Session) {
        for (session, waiter) in &self.lock().waiters {
            let Admits::These(keys) = &waiter.admits else { continue };
            let news = if keys.contains(&key) {
                News::Elsewhere { key, from, fault: HelloFault::Session { ours: *session, theirs: asked } }
            } else {
                News::Refused(Stranger { from, cause: Arc::new(PeerFault::UnknownKey { seen: key }) })
            };
            waiter.tell(news);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }
}

impl State {
    fn hold(&mut self, session: Session, key: PublicIdentity) -> oneshot::Receiver<mpsc::Sender<News>> {
        self.held.retain(|held| !held.claim.is_closed());
        let same = |held: &Held| held.key == key;
        if self.held.iter().filter(|held| same(held)).count() == HELD_EACH {
            let oldest = self.held.iter().position(same).expect("just counted");
            self.held.remove(oldest);
        } else if self.held.len() == HELD {
            self.held.pop_front();
        }
        let (claim, later) = oneshot::channel();
        self.held.push_back(Held { session, key, claim });
        later
    }
}

impl Waiter {
    /// Of those turned away, who leave room for those that are waited for.
    fn tell(&self, news: News) {
        if self.news.capacity() > NEWS / 2 {
            let _ = self.news.try_send(news);
        }
    }
}

impl Admits {
    fn admit(&self, key: &PublicIdentity) -> bool {
        match self {
            Admits::These(keys) => keys.contains(key),
            Admits::Anyone => true,
        }
    }
}

impl Waiting {
    /// The next that arrives, whatever else is heard.
    pub(crate) async fn arrival(&mut self) -> Arrival {
        loop {
            if let News::Arrived(arrival) = self.news.recv().await.expect("the desk keeps the other end") {
                return *arrival;
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.desk.lock().waiters.remove(&self.session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn key() -> PublicIdentity {
        Identity::generate().unwrap().public()
    }

    /// How many of the held were given up.
    fn given_up(held: &mut [oneshot::Receiver<mpsc::Sender<News>>]) -> Vec<usize> {
        (0..held.len()).filter(|&i| matches!(held[i].try_recv(), Err(oneshot::error::TryRecvError::Closed))).collect()
    }

    #[test]
    fn only_who_is_waited_for_is_handed_over() {
        let (desk, [member, stranger]) = (Arc::new(Desk::default()), [key(), key()]);
        let mut early = [(1, member), (1, stranger), (2, member)].map(|(session, key)| desk.claim([session; 32], key).unwrap_err());
        let waiting = desk.wait([1; 32], Admits::These(vec![member])).unwrap();
        assert!(desk.wait([1; 32], Admits::Anyone).is_none(), "one waits in a session");
        assert!(early[0].try_recv().is_ok(), "it came before it was waited for");
        assert!(early[1..].iter_mut().all(|held| matches!(held.try_recv(), Err(oneshot::error::TryRecvError::Empty))));
        assert!(desk.claim([1; 32], member).is_ok());
        assert!(desk.claim([1; 32], stranger).is_err() && desk.claim([2; 32], member).is_err());
        drop(waiting);
        assert!(desk.claim([1; 32], member).is_err(), "no longer waited for");
        let _open = desk.wait([3; 32], Admits::Anyone).unwrap();
        assert!(desk.claim([3; 32], stranger).is_ok() && desk.claim([4; 32], stranger).is_err());
    }

    #[test]
    fn who_comes_often_displaces_itself() {
        let (desk, often, once) = (Desk::default(), key(), key());
        let mut one = [desk.claim([0; 32], once).unwrap_err()];
        let mut many: Vec<_> = (0..HELD as u8).map(|i| desk.claim([i; 32], often).unwrap_err()).collect();
        assert_eq!(given_up(&mut many), Vec::from_iter(0..HELD - HELD_EACH));
        assert_eq!(given_up(&mut one), []);
        assert_eq!(desk.lock().held.len(), HELD_EACH + 1);
    }

    #[test]
    fn the_oldest_of_many_gives_way() {
        let desk = Desk::default();
        let mut many: Vec<_> = (0..HELD + 3).map(|_| desk.claim([0; 32], key()).unwrap_err()).collect();
        assert_eq!(given_up(&mut many), [0, 1, 2]);
        many.clear();
        let _last = desk.claim([0; 32], key());
        assert_eq!(desk.lock().held.len(), 1, "those whose time is over take no place");
    }
}
