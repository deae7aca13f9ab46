use super::{super::testing::*, *};
use rand_core::CryptoRng;

const NOW: u64 = 1_000_000;

/// A new room of three with an invitation to seat 1, and it.
fn drafted(by: usize) -> (Draft, Invitation) {
    let charter = charter(3, 2);
    let mut draft = Draft::founding("ops".into(), (3, 2), charter.trust, charter.limits, member(by), &mut rng(by as u64)).expect("a draft");
    let invitation = draft.invite(1, member(by).key, member(by).addresses, NOW + 600, &mut rng(50 + by as u64)).expect("an invitation");
    (draft, invitation)
}

fn hello(invitation: &Invitation, me: usize, rng: &mut impl CryptoRng) -> (Joining, Vec<u8>) {
    Joining::new(invitation.clone(), member(me), identity(me), NOW, rng).expect("a hello")
}

/// The whole handshake between the inviter and the joiner of these numbers.
fn joined(draft: &mut Draft, invitation: &Invitation, by: usize, me: usize, seed: u64) -> Result<(Welcome, Admission), JoinFault> {
    let (joining, message) = hello(invitation, me, &mut rng(seed));
    let (inviting, message) = Inviting::new(draft, None, &message, identity(by), NOW, &mut rng(seed + 1))?;
    let (opened, message) = joining.offer(&message, identity(me))?;
    let welcome = inviting.opening(draft, &message, identity(by), NOW)?;
    let admission = opened.welcome(&welcome.message)?;
    Ok((welcome, admission))
}

#[test]
fn both_sides_show_the_same_phrase() {
    let (mut draft, invitation) = drafted(0);
    let (welcome, admission) = joined(&mut draft, &invitation, 0, 1, 1).unwrap();
    assert_eq!((welcome.phrase, welcome.seat), (admission.phrase, 1));
    assert_eq!(welcome.phrase.to_string().split(' ').count(), 6);
    assert_eq!((&admission.charter, admission.inviter, &admission.base), (draft.charter(), member(0).key, &None));
    assert!(matches!(&draft.seats()[1], Seat::Invited(_, Some(joined)) if joined.member == member(1) && !joined.confirmed));
}

#[test]
fn an_invitation_is_for_one_key() {
    let (mut draft, invitation) = drafted(0);
    let (first, _) = joined(&mut draft, &invitation, 0, 1, 1).unwrap();
    let (_, message) = hello(&invitation, 2, &mut rng(3));
    assert_eq!(Inviting::new(&draft, None, &message, identity(0), NOW, &mut rng(4)).err(), Some(JoinFault::Used));
    // The same key comes again after a crash: another phrase, which people have to compare anew.
    draft.confirm(1, &first.phrase).unwrap();
    let (again, admission) = joined(&mut draft, &invitation, 0, 1, 5).unwrap();
    assert!(again.phrase == admission.phrase && again.phrase != first.phrase);
    assert!(draft.confirm(1, &first.phrase).is_err() && draft.confirm(1, &again.phrase).is_ok());
}

#[test]
fn two_at_once_get_one_seat() {
    let (mut draft, invitation) = drafted(0);
    let start = |me: usize, draft: &Draft| {
        let (joining, message) = hello(&invitation, me, &mut rng(me as u64));
        let (inviting, offer) = Inviting::new(draft, None, &message, identity(0), NOW, &mut rng(9)).unwrap();
        (inviting, joining.offer(&offer, identity(me)).unwrap().1)
    };
    let (first, second) = (start(1, &draft), start(2, &draft));
    first.0.opening(&mut draft, &first.1, identity(0), NOW).unwrap();
    let before = draft.clone();
    assert_eq!(second.0.opening(&mut draft, &second.1, identity(0), NOW), Err(JoinFault::Used));
    assert!(draft == before);
}

#[test]
fn late_withdrawn_and_unknown_invitations_are_refused() {
    let (mut draft, invitation) = drafted(0);
    let expiry = invitation.expiry();
    let early = Joining::new(invitation.clone(), member(1), identity(1), expiry, &mut rng(1));
    assert_eq!(early.err(), Some(JoinFault::Expired));
    let (joining, message) = hello(&invitation, 1, &mut rng(1));
    let new = |draft: &Draft, now| Inviting::new(draft, None, &message, identity(0), now, &mut rng(2));
    assert_eq!(new(&draft, expiry).err(), Some(JoinFault::Expired));
    let (inviting, offer) = new(&draft, expiry - 1).unwrap();
    let (_, opening) = joining.offer(&offer, identity(1)).unwrap();
    assert_eq!(inviting.opening(&mut draft, &opening, identity(0), expiry), Err(JoinFault::Expired));
    let (inviting, _) = new(&draft, NOW).unwrap();
    draft.withdraw(1).unwrap();
    assert_eq!(new(&draft, NOW).err(), Some(JoinFault::Unknown));
    assert_eq!(inviting.opening(&mut draft, &opening, identity(0), NOW), Err(JoinFault::Unknown));
    draft.invite(1, member(0).key, member(0).addresses, NOW, &mut rng(99)).unwrap();
    assert_eq!(new(&draft, NOW).err(), Some(JoinFault::Unknown));
}

#[test]
fn who_lacks_the_token_gets_no_offer() {
    let (draft, invitation) = drafted(0);
    let (_, mut message) = hello(&invitation, 1, &mut rng(1));
    // A hello that was seen, with a key of one's own.
    message[18..50].copy_from_slice(member(2).key.as_bytes());
    assert_eq!(Inviting::new(&draft, None, &message, identity(0), NOW, &mut rng(2)).err(), Some(JoinFault::Proof));
}

#[test]
fn callers_with_a_wrong_identity_or_name_are_told() {
    let (mut draft, invitation) = drafted(0);
    let new = |me: Member, by: usize| Joining::new(invitation.clone(), me, identity(by), NOW, &mut rng(1)).err();
    assert_eq!(new(member(1), 2), Some(JoinFault::Own));
    assert_eq!(new(member(0), 0), Some(JoinFault::Own));
    assert_eq!(new(Member { name: "\u{7}".into(), ..member(1) }, 1), Some(JoinFault::Member(BadParameters::Name)));
    let (_, message) = hello(&invitation, 1, &mut rng(1));
    assert_eq!(Inviting::new(&draft, None, &message, identity(3), NOW, &mut rng(2)).err(), Some(JoinFault::Own));
    let named = Member { name: "M0".into(), ..member(1) };
    let (joining, message) = Joining::new(invitation.clone(), named, identity(1), NOW, &mut rng(1)).unwrap();
    let (inviting, offer) = Inviting::new(&draft, None, &message, identity(0), NOW, &mut rng(2)).unwrap();
    let (opened, opening) = joining.offer(&offer, identity(1)).unwrap();
    let fault = inviting.opening(&mut draft, &opening, identity(0), NOW).unwrap_err();
    assert_eq!(fault, JoinFault::Taken("M0".into()));
    assert_eq!(opened.welcome(&fault.refusal()), Err(JoinFault::Refused(Refusal::Taken)));
}

#[test]
fn every_byte_of_every_message_counts() {
    let (mut draft, invitation) = drafted(0);
    let (_, hello_bytes) = hello(&invitation, 1, &mut rng(1));
    let say_hello = || hello(&invitation, 1, &mut rng(1)).0;
    let answer = |message: &[u8]| Inviting::new(&draft, None, message, identity(0), NOW, &mut rng(2));
    let (_, offer) = answer(&hello_bytes).unwrap();
    let (_, opening) = say_hello().offer(&offer, identity(1)).unwrap();
    let changed = |bytes: &[u8], at: usize| {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        changed
    };
    for at in 0..hello_bytes.len() {
        assert!(answer(&changed(&hello_bytes, at)).is_err() && answer(&hello_bytes[..at]).is_err(), "hello {at}");
    }
    for at in 0..offer.len() {
        let take = |message: &[u8]| say_hello().offer(message, identity(1)).is_err();
        assert!(take(&changed(&offer, at)) && take(&offer[..at]), "offer {at}");
    }
    let inviting = || answer(&hello_bytes).unwrap().0;
    let mut spoiled = draft.clone();
    for at in 0..opening.len() {
        for message in [&changed(&opening, at), &opening[..at]] {
            assert!(inviting().opening(&mut spoiled, message, identity(0), NOW).is_err() && spoiled == draft, "opening {at}");
        }
    }
    let welcome = inviting().opening(&mut spoiled, &opening, identity(0), NOW).unwrap().message;
    let opened = || say_hello().offer(&offer, identity(1)).unwrap().0;
    for at in 0..welcome.len() {
        assert!(opened().welcome(&changed(&welcome, at)).is_err() && opened().welcome(&welcome[..at]).is_err(), "welcome {at}");
    }
    assert!(opened().welcome(&welcome).is_ok());
    draft.withdraw(1).unwrap();
}

#[test]
fn an_opening_of_another_commitment_is_refused() {
    // A joiner that chooses its nonce once it knows the inviter's signs all of it rightly.
    let (mut draft, invitation) = drafted(0);
    let (_, message) = hello(&invitation, 1, &mut rng(1));
    let (inviting, offer) = Inviting::new(&draft, None, &message, identity(0), NOW, &mut rng(2)).unwrap();
    let body = opening_body(&[9; 32], &member(1));
    let signature = identity(1).sign(purpose::OPENING, &transcript(&[&message, &offer[..offer.len() - 64], &body]));
    let opening = [&body[..], &signature].concat();
    assert_eq!(inviting.opening(&mut draft, &opening, identity(0), NOW), Err(JoinFault::Commitment));
}

#[test]
fn an_offer_of_something_else_is_refused() {
    let (draft, invitation) = drafted(0);
    let (_, message) = hello(&invitation, 1, &mut rng(1));
    let sign = |body: &[u8]| [body, &identity(0).sign(purpose::OFFER, &transcript(&[&message, body]))].concat();
    let refused = |charter: &Charter, base: Option<&Signed>| {
        let offer = sign(&Offer::write(&[1; 32], charter, base));
        hello(&invitation, 1, &mut rng(1)).0.offer(&offer, identity(1)).err()
    };
    let good = draft.charter();
    assert_eq!(refused(good, None), None);
    assert_eq!(refused(&Charter { threshold: 3, ..good.clone() }, None), Some(JoinFault::Offer));
    let force = in_force(&room(3, 2));
    assert_eq!(refused(good, Some(&force)), Some(JoinFault::Offer));
    let long = [&Offer::write(&[1; 32], good, None)[..], &vec![0; MAX_MESSAGE]].concat();
    assert_eq!(hello(&invitation, 1, &mut rng(1)).0.offer(&sign(&long), identity(1)).err(), Some(JoinFault::Format));
}

#[test]
fn a_new_member_of_an_old_room_sees_what_is_in_force() {
    let force = in_force(&room(3, 2));
    let mut draft = Draft::change(force.parameters(), 2);
    draft.add_seat().unwrap();
    let invitation = draft.invite(3, member(0).key, member(0).addresses, NOW + 600, &mut rng(1)).unwrap();
    let (joining, message) = hello(&invitation, 4, &mut rng(2));
    assert_eq!(Inviting::new(&draft, None, &message, identity(0), NOW, &mut rng(3)).err(), Some(JoinFault::Own));
    let (inviting, message) = Inviting::new(&draft, Some(&force), &message, identity(0), NOW, &mut rng(3)).unwrap();
    let (opened, message) = joining.offer(&message, identity(4)).unwrap();
    let welcome = inviting.opening(&mut draft, &message, identity(0), NOW).unwrap();
    let admission = opened.welcome(&welcome.message).unwrap();
    assert_eq!((admission.base, admission.charter.previous), (Some(force.clone()), Some(force.digest())));
}

/// One who stands between: it has seen the invitation, gave the joiner one of its own, and joins the inviter's room itself.
#[test]
fn with_someone_between_the_phrases_differ() {
    for seed in 0..20 {
        let (mut draft, invitation) = drafted(0);
        let (mut theirs, replaced) = drafted(5);
        let (inviter, _) = joined(&mut draft, &invitation, 0, 5, 100 + seed).unwrap();
        let (_, joiner) = joined(&mut theirs, &replaced, 5, 1, 200 + seed).unwrap();
        assert_ne!(inviter.phrase, joiner.phrase);
    }
}

/// The same, with all that it can choose: the same room, its nonce after the joiner's commitment, one handshake held while the other goes on.
#[test]
fn someone_between_fixes_its_nonce_before_it_sees_the_honest_one() {
    let (mut draft, invitation) = drafted(0);
    let mut theirs = draft.clone();
    theirs.withdraw(1).unwrap();
    let Err(fault) = Inviting::new(&theirs, None, &hello(&invitation, 1, &mut rng(1)).1, identity(5), NOW, &mut rng(2)) else { panic!() };
    assert_eq!(fault, JoinFault::Unknown, "without an invitation of its own it can answer nobody");
    let replaced = theirs.invite(1, member(5).key, member(5).addresses, NOW + 600, &mut rng(77)).unwrap();
    let (_, said) = hello(&replaced, 1, &mut rng(3));
    // It waits with its offer to the joiner until it has the inviter's nonce, for which it had to commit to its own.
    let (between, own) = hello(&invitation, 5, &mut rng(4));
    let (inviting, offer) = Inviting::new(&draft, None, &own, identity(0), NOW, &mut rng(5)).unwrap();
    let (_, opening) = between.offer(&offer, identity(5)).unwrap();
    let at_inviter = inviting.opening(&mut draft, &opening, identity(0), NOW).unwrap().phrase;
    // Whatever it offers now, the joiner's nonce, which it has not seen, decides: no two of these are equal.
    let mut seen = vec![at_inviter];
    for offer_seed in 0..50 {
        let (_, offered) = Inviting::new(&theirs, None, &said, identity(5), NOW, &mut rng(1000 + offer_seed)).unwrap();
        let (opened, _) = hello(&replaced, 1, &mut rng(3)).0.offer(&offered, identity(1)).unwrap();
        assert!(!seen.contains(&opened.admission.phrase));
        seen.push(opened.admission.phrase);
    }
}

#[test]
fn every_part_of_a_join_is_in_the_phrase() {
    let (key, hello, offer, nonce) = (member(0).key, b"hello".as_slice(), b"offer".as_slice(), [1; 32]);
    let phrase = Phrase::of(&key, hello, offer, &nonce);
    let others = [
        Phrase::of(&member(1).key, hello, offer, &nonce),
        Phrase::of(&key, b"hellp", offer, &nonce),
        Phrase::of(&key, b"hell", b"ooffer", &nonce),
        Phrase::of(&key, hello, b"offeR", &nonce),
        Phrase::of(&key, hello, offer, &[2; 32]),
    ];
    assert!(others.iter().all(|other| *other != phrase && other.to_string() != phrase.to_string()));
    assert_eq!(Phrase::from_bytes(*phrase.as_bytes()), Some(phrase));
    assert_eq!(Phrase::from_bytes([1; 9]), None);
}

#[test]
fn refusals_are_read_strictly() {
    let faults = [JoinFault::Unknown, JoinFault::Expired, JoinFault::Used, JoinFault::Taken("x".into()), JoinFault::Proof];
    let reasons = [Refusal::Unknown, Refusal::Expired, Refusal::Used, Refusal::Taken, Refusal::Wrong];
    for (fault, reason) in faults.iter().zip(reasons) {
        assert_eq!(JoinFault::received(&fault.refusal()), Err(JoinFault::Refused(reason)));
    }
    assert_eq!(JoinFault::received(&[1, 5, 6]), Err(JoinFault::Format));
    assert_eq!(JoinFault::received(&[1, 5]), Ok(()), "and then it is no offer either");
}
