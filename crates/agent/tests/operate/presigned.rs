//! URLs that are signed by an item and opened to one member.

use crate::{
    calls::{HOST, KEY, call, sigv4},
    seen::{Notes, Seen},
    world::{DATE, On, Part, World},
};
use cotenant_agent::{
    approve::{
        operation::{Audience, Body, Call, Response},
        receipt::{Receipt, commitment},
    },
    call::{CallError, Made},
    http::Request,
    operate::{Mine, OperateError, Presign, Refused, Work, presigned},
    sign::{
        date::Timestamp,
        plain::signature_with_whole_key,
        presign::{Expires, Grant, SessionToken, presign},
        sigv4::{Scope, Style},
    },
    tls::JointError,
    vault::{VaultError, alphabet::Alphabet, item::Kind},
};
use cotenant_core::PartyId;
use cotenant_mpc::Engine;

const NONCE: [u8; 32] = [7; 32];

/// Bits of a signature's digits.
const DIGITS: usize = 8 * 64;

/// One party's part, what it is told, and whether it lets the URL go.
struct Presigning {
    presign: Presign,
    mine: Mine,
    notes: Notes,
    may: bool,
}

impl Part for Presigning {
    type Out = Made;

    async fn party<E: Engine>(self, engine: E) -> Result<Made, OperateError> {
        let (may, told) = (self.may, self.notes.clone());
        let gate = move || {
            assert!(!told.sizes().contains(&DIGITS), "it is asked before there is a URL");
            may
        };
        self.presign.run(Seen::new(engine, self.notes), self.mine, NONCE, Box::new(gate)).await
    }
}

fn with_key(on: On, t: usize, n: usize) -> World {
    let mut world = World::new(on, t, n);
    let item = world.item("s3/key", Kind::Text(Alphabet::BASE64), 40, vec![sigv4("s3", "us-east-1", HOST)]);
    world.put(0, item, KEY);
    world
}

/// A URL for the first of those who take part.
fn url(directives: &str, rest: &str) -> String {
    format!(
        "# @presign aws-sigv4 service=s3 region=us-east-1 key=s3/key access-key-id=AKIDEXAMPLE expires=3600\n{directives}GET https://localhost:9300{rest}"
    )
}

impl World {
    /// What came of it at each, and what each was told.
    fn presign(&mut self, quorum: &[usize], call: &Call) -> (Vec<Result<Made, OperateError>>, Vec<Notes>) {
        let seed = self.next_seed();
        let notes: Vec<Notes> = quorum.iter().map(|_| Notes::default()).collect();
        let part = |(&seat, notes): (&usize, &Notes)| {
            let task = self.task(self.operation(quorum, Body::Call(call.clone()))).unwrap();
            let (agreed, mine) = (task.digest(), self.mine(&task, seat, None));
            let Work::Presign(presign) = task.into_work() else { panic!("it makes a URL") };
            (agreed, Presigning { presign: *presign, mine, notes: notes.clone(), may: self.holds != Some(seat) })
        };
        let results = self.on.run(seed, quorum.iter().zip(&notes).map(part).collect());
        (results, notes)
    }
}

/// What the holder of the whole key would make.
fn made_by_one() -> ([u8; 64], String) {
    let mut request = Request::new("GET", HOST, 9300, "/bucket/a.txt?versionId=1").unwrap();
    request.add_header("Range", "bytes=0-9").unwrap();
    let scope = Scope::new("s3", "us-east-1", Timestamp::from_unix(DATE).unwrap()).unwrap();
    let grant = Grant { access_key_id: "AKIDEXAMPLE", expires: Expires::after(3600).unwrap(), session_token: SessionToken::None };
    let presigned = presign(request, &scope, Style::S3, &grant).unwrap();
    let digits = signature_with_whole_key(KEY, presigned.to_sign());
    (digits, presigned.url(&digits).to_string())
}

#[test]
fn one_member_is_given_the_url() {
    for (on, t, n, quorum) in [(On::Ideal, 2, 2, vec![0, 1]), (On::Ideal, 2, 3, vec![0, 2]), (On::Real, 2, 2, vec![0, 1])] {
        let mut world = with_key(on, t, n);
        let request = call(&url("", "/bucket/{{name}}?versionId=1\nRange: bytes=0-9\n"), &[("name", "a.txt")]);
        let (results, notes) = world.presign(&quorum, &request);
        let made: Vec<Made> = results.into_iter().map(|r| r.unwrap_or_else(|e| panic!("{e}"))).collect();
        let opened = made[0].opened.as_ref().unwrap();
        let (digits, url) = made_by_one();
        assert_eq!(opened.url.as_str(), url);
        assert!(opened.url.starts_with("https://localhost:9300/bucket/a.txt?versionId=1&X-Amz-Algorithm="));
        assert!(made[1..].iter().all(|made| made.opened.is_none()), "nobody else has it");
        let told: Vec<bool> = notes.iter().map(|notes| notes.have(&digits[..8]) || notes.have(&digits[32..40])).collect();
        assert_eq!(told, [true, false], "nobody else is told a part of it");
        let committed = commitment(&opened.nonce, opened.url.as_bytes());
        assert!(made.iter().all(|made| made.commitment == committed));

        let operation = world.operation(&quorum, Body::Call(request.clone()));
        let run = world.task(operation.clone()).unwrap().run().clone();
        let receipts = made.iter().map(|made| Receipt::new(operation.clone(), run.clone(), presigned(made, PartyId::new(0))).unwrap());
        let digests: Vec<_> = receipts.map(|receipt| receipt.digest()).collect();
        assert!(digests.iter().all(|digest| *digest == digests[0]));
    }
}

/// A member that cannot write down that the URL may be known keeps its part of the signature, and nobody has it.
#[test]
fn what_is_not_written_down_is_not_opened() {
    for holds in [0, 1] {
        let mut world = with_key(On::Ideal, 2, 2);
        world.holds = Some(holds);
        let (results, notes) = world.presign(&[0, 1], &call(&url("", "/\n"), &[]));
        let held = |e: &OperateError| matches!(e, OperateError::Call(CallError::Tls(cotenant_tls::Error::Backend(JointError::Held))));
        assert!(results[holds].as_ref().is_err_and(held));
        // The other had written it down, and cannot know that there is none.
        assert!(matches!(&results[1 - holds], Err(OperateError::Call(CallError::MayHaveBeenSent(_)))));
        assert!(notes.iter().all(|notes| !notes.sizes().contains(&DIGITS)), "nobody is told the digits");
    }
}

/// A share that is not the right one ends it before anybody may have a URL.
#[test]
fn a_bad_share_makes_no_url() {
    let mut world = with_key(On::Ideal, 2, 2);
    world.disks[1].borrow_mut().values_mut().for_each(|bytes| *bytes.last_mut().unwrap() ^= 1);
    let (results, notes) = world.presign(&[0, 1], &call(&url("", "/\n"), &[]));
    let found = |e: &OperateError| matches!(e, OperateError::Call(CallError::Vault(VaultError::VaultTag { .. })));
    assert!(results.iter().all(|result| result.as_ref().is_err_and(found)));
    assert!(notes.iter().all(|notes| !notes.sizes().contains(&DIGITS)));
}

#[test]
fn what_does_not_go_with_a_url_is_refused() {
    let world = with_key(On::Ideal, 2, 2);
    let refused = |call: Call| world.task(world.operation(&[0, 1], Body::Call(call))).err();
    let right = || call(&url("", "/\n"), &[]);
    assert_eq!(refused(right()), None);
    assert_eq!(refused(Call { response: Response { audience: Audience::All, ..right().response }, ..right() }), Some(Refused::NotItsText));
    let elsewhere = call(&url("", "/\n").replace("us-east-1", "eu-west-1"), &[]);
    assert!(matches!(refused(elsewhere), Some(Refused::Use { wanted, .. }) if wanted == sigv4("s3", "eu-west-1", HOST)));
    let of_other = || Response { audience: Audience::Only(PartyId::new(1)), ..right().response };
    assert_eq!(refused(Call { response: of_other(), ..right() }), Some(Refused::NotItsText), "its reader stands for who connects");
    assert_eq!(refused(Call { response: of_other(), connector: PartyId::new(1), ..right() }), None, "for another it is another operation");
}
