use super::{
    assembly::{Effect, Event, State, step},
    join::{Inviting, Joining, MAX_MESSAGE},
    signed::{Signatures, founded},
    testing::*,
    *,
};
use cotenant_net::Identity;
use proptest::prelude::*;

const NOW: u64 = 1_000_000;

/// A draft with a seat of each kind, as bytes, and everything else that is read, beside how it is read and written again.
type Codec = (Vec<u8>, fn(&[u8]) -> Option<Vec<u8>>);

fn codecs() -> Vec<Codec> {
    let mut draft = Draft::founding("ops".into(), (3, 2), charter(3, 2).trust, Limits::default(), member(0), &mut rng(1)).unwrap();
    let invitation = draft.invite(1, member(0).key, member(0).addresses, NOW, &mut rng(2)).unwrap();
    draft.invite(2, member(0).key, member(0).addresses, NOW, &mut rng(3)).unwrap();
    draft.seat_joined(2, member(2), Phrase::from_bytes([64; 9]).unwrap());
    let force = in_force(&room(2, 2));
    let record = Record::newcomer(
        member(4).key,
        join::Admission {
            inviter: member(0).key,
            charter: charter(2, 2),
            base: Some(force.clone()),
            phrase: Phrase::from_bytes([0; 9]).unwrap(),
        },
    );
    vec![
        (draft.encode().to_vec(), |bytes| Draft::decode(bytes).ok().map(|it| it.encode().to_vec())),
        (invitation.encode().to_vec(), |bytes| Invitation::decode(bytes).ok().map(|it| it.encode().to_vec())),
        (room(3, 2).encode(), |bytes| Parameters::decode(bytes).ok().map(|it| it.encode())),
        (charter(3, 2).encode(), |bytes| Charter::decode(bytes).ok().map(|it| it.encode())),
        (member(0).encode(), |bytes| Member::decode(bytes).ok().map(|it| it.encode())),
        (force.encode(), |bytes| Sheet::decode(bytes).ok().map(|it| it.encode())),
        (record.encode(), |bytes| Record::decode(bytes).ok().map(|it| it.encode())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to bytes: they are refused, or are the one encoding of what they are read as.
    #[test]
    fn what_is_read_has_one_encoding(
        which in 0usize..7,
        at in any::<prop::sample::Index>(),
        remove in 0usize..40,
        insert in prop::collection::vec(any::<u8>(), 0..6),
    ) {
        let (mut bytes, again) = codecs().swap_remove(which);
        prop_assert_eq!(again(&bytes), Some(bytes.clone()));
        let at = at.index(bytes.len());
        let end = bytes.len().min(at + remove);
        bytes.splice(at..end, insert);
        if let Some(written) = again(&bytes) {
            prop_assert_eq!(written, bytes);
        }
    }
}

#[test]
fn the_largest_room_fits_the_limits() {
    let address = |port: usize| format!("{}:{port}", ["a"; 127].join(".")).parse().unwrap();
    let new = |n: usize| Member {
        name: format!("{n:0>48}"),
        key: Identity::generate().unwrap().public(),
        addresses: (1..=8).map(address).collect(),
    };
    let roots = (0..64).map(|i| [i; 32]).collect();
    let parameters = Parameters::new(Charter { trust: Trust::Listed(roots), ..charter(64, 64) }, (0..64).map(new).collect()).unwrap();
    let sheet = Sheet::new(parameters.clone(), Signatures::new()).unwrap().encode();
    assert_eq!(Sheet::decode(&sheet).unwrap().parameters(), &parameters);
    assert!(sheet.len() + 128 * 96 + parameters.charter().encode().len() + 200 < MAX_MESSAGE);
}

/// From a draft to a room in force, and a lost key replaced.
#[test]
fn people_found_a_room_and_one_loses_its_key() {
    let mut draft = Draft::founding("ops".into(), (3, 2), charter(3, 2).trust, Limits::default(), member(0), &mut rng(1)).unwrap();
    let mut states = vec![State::restart(Record::founder(member(0).key))];
    for number in 1..3 {
        let admission = join(&mut draft, None, number, number);
        states.push(State::restart(Record::newcomer(member(number).key, admission)));
    }
    let parameters = draft.parameters().unwrap();
    let states = agree(states, &[0, 1, 2], &parameters);
    assert!(states.iter().all(|state| state.record.in_force().unwrap().parameters() == &parameters));

    let force = states[0].record.in_force().unwrap().clone();
    let mut draft = Draft::change(&parameters, states[0].record.next_epoch());
    draft.vacate(&member(1).key).unwrap();
    let admission = join(&mut draft, Some(&force), 1, 5);
    let replaced = draft.parameters().unwrap();
    let newcomer = State::restart(Record::newcomer(member(5).key, admission));
    let states = agree(vec![states[0].clone(), states[2].clone(), newcomer], &[0, 2, 5], &replaced);
    assert!(states.iter().all(|state| state.record.in_force().unwrap().parameters() == &replaced));
    assert_eq!(replaced.members()[1], member(5));
    assert!(founded(&replaced, signatures(&replaced, [0, 2, 5])).is_err());
}

/// Member 0 invites to `seat`, and `number` takes it; both people confirm.
fn join(draft: &mut Draft, base: Option<&Signed>, seat: usize, number: usize) -> join::Admission {
    let invitation = draft.invite(seat, member(0).key, member(0).addresses, NOW + 60, &mut rng(seat as u64)).unwrap();
    let invitation = Invitation::parse(&invitation.to_words().join(" ")).unwrap();
    let (joining, hello) = Joining::new(invitation, member(number), identity(number), NOW, &mut rng(7)).unwrap();
    let (inviting, offer) = Inviting::new(draft, base, &hello, identity(0), NOW, &mut rng(8)).unwrap();
    let (opened, opening) = joining.offer(&offer, identity(number)).unwrap();
    let welcome = inviting.opening(draft, &opening, identity(0), NOW).unwrap();
    let admission = opened.welcome(&welcome.message).unwrap();
    assert_eq!(admission.phrase, welcome.phrase);
    draft.confirm(seat, &admission.phrase).unwrap();
    admission
}

/// The first proposes, all approve, and every sheet arrives.
fn agree(mut states: Vec<State>, numbers: &[usize], parameters: &Parameters) -> Vec<State> {
    let mut events = vec![(0, Event::Propose(Box::new(parameters.clone())))];
    while let Some((at, event)) = events.pop() {
        let (state, effects) = step(states[at].clone(), identity(numbers[at]), event);
        states[at] = state;
        for effect in effects {
            match effect {
                Effect::Send(to, sheet) => {
                    let to = numbers.iter().position(|&number| identity(number).public() == to);
                    events.extend(to.map(|to| (to, Event::Heard(identity(numbers[at]).public(), sheet))));
                }
                Effect::Ask(digest, _) => events.push((at, Event::Approve(digest))),
                Effect::Report(report) => panic!("{report:?}"),
                _ => {}
            }
        }
    }
    states
}
