use super::{super::testing::*, *};
use proptest::prelude::*;

#[test]
fn epoch_1_needs_all_and_no_other() {
    let parameters = room(3, 2);
    assert!(founded(&parameters, signatures(&parameters, 0..3)).is_ok());
    assert_eq!(founded(&parameters, signatures(&parameters, [0, 2])), Err(Fault::Missing("m1".into())));
    assert_eq!(founded(&parameters, signatures(&parameters, 0..4)), Err(Fault::Stranger(identity(3).public())));
    let mut copied = signatures(&parameters, 0..3);
    copied.insert(identity(1).public(), copied[&identity(0).public()]);
    assert_eq!(founded(&parameters, copied), Err(Fault::Signature(identity(1).public())));
    let other = room(3, 3);
    assert!(matches!(founded(&parameters, signatures(&other, 0..3)), Err(Fault::Signature(_))));
    let later = following(&parameters, 2, &[0, 1, 2], 2);
    assert_eq!(founded(&later, signatures(&later, 0..3)), Err(Fault::Previous));
}

#[test]
fn what_does_not_follow_is_refused() {
    let old = in_force(&room(3, 2));
    let refused = |new: &Parameters| admits(&old, new, signatures(new, 0..3)).unwrap_err();
    let good = following(old.parameters(), 2, &[0, 1, 2], 3);
    assert!(admits(&old, &good, signatures(&good, 0..3)).is_ok());
    let changed = |change: fn(&mut super::super::Charter)| {
        let mut charter = good.charter().clone();
        change(&mut charter);
        Parameters::new(charter, good.members().to_vec()).unwrap()
    };
    assert_eq!(refused(&changed(|c| c.room.0[0] ^= 1)), Fault::Room);
    assert_eq!(refused(&changed(|c| c.previous = Some(Digest([0; 32])))), Fault::Previous);
    assert_eq!(refused(&changed(|c| c.epoch = MAX_SKIP + 2)), Fault::Epoch { old: 1, new: MAX_SKIP + 2 });
    assert_eq!(refused(old.parameters()), Fault::Epoch { old: 1, new: 1 });
    let skipping = changed(|c| c.epoch = MAX_SKIP + 1);
    assert!(admits(&old, &skipping, signatures(&skipping, 0..3)).is_ok());
}

#[test]
fn who_may_be_left_out() {
    let all_of_three = in_force(&room(3, 3));
    let two_of_three = in_force(&room(3, 2));
    // Member 2 lost its key; 4 is its new one.
    for (old, by, expected) in [
        (&two_of_three, vec![0, 1, 4], Ok(())),
        (&two_of_three, vec![0, 1], Err(Fault::Missing("m4".into()))),
        (&two_of_three, vec![0, 4], Err(Fault::Few { signed: 1, threshold: 2 })),
        (&two_of_three, vec![0, 2, 4], Err(Fault::Missing("m1".into()))),
        (&two_of_three, vec![0, 1, 4, 5], Err(Fault::Stranger(identity(5).public()))),
        (&all_of_three, vec![0, 1, 4], Err(Fault::Few { signed: 2, threshold: 3 })),
        (&all_of_three, vec![0, 1, 2, 4], Ok(())),
    ] {
        let new = following(old.parameters(), 2, &[0, 1, 4], 2);
        assert_eq!(admits(old, &new, signatures(&new, by)).map(|_| ()), expected);
    }
    // One member and friends of its own cannot take the room from two.
    let taken = following(two_of_three.parameters(), 2, &[0, 4, 5], 2);
    assert_eq!(admits(&two_of_three, &taken, signatures(&taken, [0, 4, 5])), Err(Fault::Few { signed: 1, threshold: 2 }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// For every room, change and set of signers: admitted if all of the new members and t of the old ones signed, and not otherwise.
    #[test]
    fn exactly_enough_changes_a_room(
        old_members in prop::sample::subsequence((0..6).collect::<Vec<usize>>(), 2..=5),
        new_members in prop::sample::subsequence((0..6).collect::<Vec<usize>>(), 2..=5),
        signers in prop::sample::subsequence((0..6).collect::<Vec<usize>>(), 0..=6),
        old_t in 0usize..5,
        new_t in 0usize..5,
    ) {
        let threshold = |members: &[usize], t: usize| (2 + t % (members.len() - 1)) as u8;
        let t = threshold(&old_members, old_t);
        let old = {
            let charter = charter(old_members.len() as u8, t);
            let parameters = Parameters::new(charter, old_members.iter().map(|&m| member(m)).collect()).unwrap();
            founded(&parameters, signatures(&parameters, old_members.iter().copied())).unwrap()
        };
        let new = following(old.parameters(), 2, &new_members, threshold(&new_members, new_t));
        let stranger = signers.iter().any(|s| !old_members.contains(s) && !new_members.contains(s));
        let of_old = signers.iter().filter(|s| old_members.contains(s)).count();
        let enough = !stranger && of_old >= usize::from(t) && new_members.iter().all(|m| signers.contains(m));
        let result = admits(&old, &new, signatures(&new, signers.iter().copied()));
        prop_assert_eq!(result.is_ok(), enough, "{:?}", result);
    }
}

#[test]
fn sheets_go_there_and_back_and_every_byte_counts() {
    let parameters = room(2, 2);
    let sheet = Sheet::new(parameters.clone(), signatures(&parameters, 0..2)).unwrap();
    let bytes = sheet.encode();
    assert_eq!(Sheet::decode(&bytes), Ok(sheet.clone()));
    assert_eq!(Signed::decode(&bytes).unwrap().encode(), bytes);
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(Sheet::decode(&changed).is_err() && Sheet::decode(&bytes[..at]).is_err(), "{at}");
    }
    assert_eq!(Sheet::decode(&[&bytes[..], &[0]].concat()), Err(Fault::Format));
    assert_eq!(Sheet::decode(&[1, 255, 255, 255, 255]), Err(Fault::Format));
    let one = Sheet::new(parameters.clone(), signatures(&parameters, [1])).unwrap();
    assert_eq!(Signed::decode(&one.encode()), Err(Fault::Missing("m0".into())));
}

#[test]
fn signatures_in_another_order_or_twice_are_refused() {
    let parameters = room(2, 2);
    let sheet = Sheet::new(parameters.clone(), signatures(&parameters, 0..2)).unwrap();
    let bytes = sheet.encode();
    let (head, tail) = bytes.split_at(bytes.len() - 192);
    assert_eq!(Sheet::decode(&[head, &tail[96..], &tail[..96]].concat()), Err(Fault::Format));
    assert_eq!(Sheet::decode(&[head, &tail[..96], &tail[..96]].concat()), Err(Fault::Format));
}

#[test]
fn who_signs_twice_for_one_epoch_is_named() {
    let (a, b) = (room(3, 2), room(3, 3));
    let sheet = |parameters: &Parameters, by: &[usize]| Sheet::new(parameters.clone(), signatures(parameters, by.iter().copied())).unwrap();
    assert_eq!(sheet(&a, &[0, 1]).signed_twice(&sheet(&b, &[0, 2])), [identity(0).public()]);
    assert_eq!(sheet(&a, &[0, 1]).signed_twice(&sheet(&a, &[0, 2])), []);
    assert_eq!(sheet(&a, &[0]).signed_twice(&sheet(&following(&a, 2, &[0, 1], 2), &[0])), []);
    let mut merged = sheet(&a, &[0]);
    assert!(merged.merge(&sheet(&a, &[1])) && !merged.merge(&sheet(&a, &[1])) && !merged.merge(&sheet(&b, &[2])));
    assert_eq!(merged.signatures().len(), 2);
}
