use super::{super::testing::*, *};

fn all() -> Vec<Parameters> {
    let plain = room(3, 2);
    let listed = Charter { trust: Trust::Listed([[1; 32], [2; 32]].into()), ..plain.charter.clone() };
    let later = Charter { epoch: 7, previous: Some(plain.digest()), ..listed.clone() };
    [plain.charter.clone(), listed, later].map(|charter| Parameters::new(charter, plain.members.clone()).unwrap()).into()
}

#[test]
fn parameters_go_there_and_back_and_every_byte_counts() {
    for parameters in all() {
        let bytes = parameters.encode();
        assert_eq!(Parameters::decode(&bytes).as_ref(), Ok(&parameters));
        for at in 0..bytes.len() {
            assert!(Parameters::decode(&bytes[..at]).is_err(), "cut at {at}");
            for change in [1, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                if let Ok(other) = Parameters::decode(&changed) {
                    assert!(other != parameters && other.digest() != parameters.digest() && other.encode() == changed, "byte {at}");
                }
            }
        }
        assert!(Parameters::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn lengths_that_lie_are_refused() {
    for parameters in all() {
        let bytes = parameters.encode();
        for at in 0..bytes.len() {
            for value in [0, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                assert!(value == bytes[at] || Parameters::decode(&changed).as_ref() != Ok(&parameters));
            }
        }
    }
    assert_eq!(Parameters::decode(&[]), Err(BadParameters::Format));
    assert_eq!(Parameters::decode(&[0xff; 1 << 16]), Err(BadParameters::Format));
}

#[test]
fn each_rule_of_a_charter_is_checked() {
    let good = room(3, 2).charter;
    let refused = |change: fn(&mut Charter)| {
        let mut charter = good.clone();
        change(&mut charter);
        assert!(Charter::decode(&charter.encode()).is_err());
        charter.check().unwrap_err()
    };
    assert_eq!(refused(|c| c.epoch = 0), BadParameters::Epoch(0));
    assert_eq!(refused(|c| c.epoch = 2), BadParameters::Epoch(2));
    assert_eq!(refused(|c| c.previous = Some(Digest([0; 32]))), BadParameters::Epoch(1));
    assert_eq!(refused(|c| c.seats = 1), BadParameters::Seats(1));
    assert_eq!(refused(|c| c.seats = 65), BadParameters::Seats(65));
    assert_eq!(refused(|c| c.threshold = 1), BadParameters::Threshold { threshold: 1, seats: 3 });
    assert_eq!(refused(|c| c.threshold = 4), BadParameters::Threshold { threshold: 4, seats: 3 });
    for change in [
        |c: &mut Charter| c.engine.statistical = 39,
        |c: &mut Charter| c.engine.computational = 127,
        |c: &mut Charter| c.engine.protocol = 0,
    ] {
        assert!(matches!(refused(change), BadParameters::Engine(_)));
    }
    assert_eq!(refused(|c| c.trust = Trust::Listed(BTreeSet::new())), BadParameters::Roots(0));
    assert_eq!(refused(|c| c.name = "a\u{202e}b".into()), BadParameters::Name);
    assert_eq!(refused(|c| c.name = String::new()), BadParameters::Name);
    let limits: [fn(&mut Charter); 4] =
        [|c| c.limits.call = 0, |c| c.limits.server = 601, |c| c.limits.clock = 3601, |c| c.limits.proposal = 59];
    for change in limits {
        assert!(matches!(refused(change), BadParameters::Limit(_)));
    }
    let roots: BTreeSet<[u8; 32]> = (0..=MAX_ROOTS as u8).map(|i| [i; 32]).collect();
    assert_eq!(Charter { trust: Trust::Listed(roots), ..good }.check(), Err(BadParameters::Roots(65)));
}

#[test]
fn each_rule_of_a_list_of_members_is_checked() {
    let good = room(3, 2);
    let refused = |change: &dyn Fn(&mut Vec<Member>)| {
        let mut members = good.members.clone();
        change(&mut members);
        Parameters::new(good.charter.clone(), members).unwrap_err()
    };
    assert_eq!(refused(&|m| drop(m.pop())), BadParameters::MembersForSeats { seats: 3, members: 2 });
    assert_eq!(refused(&|m| m[2].name = m[0].name.to_uppercase()), BadParameters::SameName(good.members[0].name.to_uppercase()));
    assert_eq!(refused(&|m| m[2].key = m[1].key), BadParameters::SameKey(good.members[1].name.clone(), good.members[2].name.clone()));
    for name in ["", " a", "a ", "-a", "a\n", "ä", "a\x1b[2Jb", "a\"b", &"a".repeat(49)] {
        assert_eq!(refused(&|m| m[1].name = name.into()), BadParameters::Name, "{name:?}");
    }
    let address = |port: usize| format!("h:{port}").parse().unwrap();
    assert!(matches!(refused(&|m| m[1].addresses = vec![address(1), address(1)]), BadParameters::Addresses(_)));
    assert!(matches!(refused(&|m| m[1].addresses = (1..10).map(address).collect()), BadParameters::Addresses(_)));
}

#[test]
fn room_ids_go_there_and_back() {
    for id in [RoomId([0; 16]), RoomId([255; 16]), RoomId(*b"0123456789abcdef")] {
        let text = id.to_string();
        assert!(text.len() == 26 && text.parse() == Ok(id) && text.to_uppercase().parse() == Ok(id));
        assert!(text[1..].parse::<RoomId>().is_err() && format!("{text}q").parse::<RoomId>().is_err());
        let spare = format!("{}{}", &text[..25], if text.ends_with('q') { 'p' } else { 'l' });
        assert!(spare == text || spare.parse::<RoomId>() != Ok(id));
    }
    assert!("".parse::<RoomId>().is_err());
}
