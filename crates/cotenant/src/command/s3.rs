//! `cotenant s3`: one party's process of a joint S3 client.

use super::{JointArgs, TrustArgs, connector, note, parse_endpoint, print, print_body, print_json};
use crate::{
    alone,
    error::Error,
    facts::{S3Facts, StepFacts},
    home::{Home, S3_SHARE},
    listing::Listing,
    party::{MAX_CALLS, Operation, Party, Request},
    progress::Console,
    save,
    share::S3Share,
    stages::StageCost,
    steps::{Step, StepError},
    target::{Endpoint, Site},
};
use clap::Args;
use cotenant_agent::call::Stage;
use cotenant_agent::http::Response;
use cotenant_tls::AnswerLimits;
use std::{path::PathBuf, sync::Arc};

/// The most that a server may answer to one step, in bytes.
const MAX_ANSWER: usize = 16 << 20;

/// One party's process of a joint S3 client: every request is signed by a key that no party holds
///
/// Steps are done one after another: put:KEY=FILE stores a file of up to 32768 bytes, get:KEY=FILE reads an object into a file (get:KEY to
/// standard output), list lists the bucket, one key a line with control characters and backslashes escaped. All parties are started with
/// the same steps; the file of a get is each party's own, and is written as a whole or not at all. This party's share of the key is
/// HOME/s3-share.json. A call that takes longer than "call" under [timeouts] in HOME/party.toml, 600 s if it is not there, fails.
/// Exit status 0 if every step was done, 3 if this party stopped only because another one did, another status after any other failure.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Example, at every party:\n  cotenant s3 --home ~/.cotenant --endpoint https://s3.example.com:443 --ca ca.pem --bucket reports put:a.txt=a.txt list"
)]
pub(super) struct S3Args {
    /// This party's home
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// The service
    #[arg(long, value_name = "https://HOST:PORT", value_parser = parse_endpoint)]
    endpoint: Endpoint,
    #[command(flatten)]
    trust: TrustArgs,
    /// The bucket
    #[arg(long, value_name = "NAME")]
    bucket: String,
    /// The region of the signature
    #[arg(long, default_value = "us-east-1")]
    region: String,
    #[command(flatten)]
    joint: JointArgs,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
    /// Try without the others, with this party's share as if it were the key; the server refuses
    #[arg(long)]
    alone: bool,
    /// For demonstrations: as connector, alter one bit of what the server says to the others
    #[arg(long, hide = true)]
    tamper: bool,
    /// put:KEY=FILE, get:KEY[=FILE] or list
    #[arg(value_name = "STEP", required = true, num_args = 1..)]
    steps: Vec<String>,
}

impl S3Args {
    pub(super) async fn run(self) -> Result<(), Error> {
        let steps = self.steps.iter().map(|text| text.parse()).collect::<Result<Vec<Step>, StepError>>()?;
        if steps.len() > MAX_CALLS {
            return Err(StepError::TooMany { given: steps.len() }.into());
        }
        for step in &steps {
            if let Step::Get { file: Some(file), .. } = step {
                save::check(file)?;
            }
        }
        let site = Site::new(self.endpoint.clone(), self.trust.server_name.as_deref(), &self.trust.ca, &self.trust.groups)?;
        let home = Home::open(&self.home)?;
        let share = S3Share::load(&self.home.join(S3_SHARE), home.me, home.members.len())?;
        if self.alone { self.alone(&home, &site, &share, &steps).await } else { self.jointly(home, &site, &share, &steps).await }
    }

    async fn jointly(&self, home: Home, site: &Site, share: &S3Share, steps: &[Step]) -> Result<(), Error> {
        let connector = connector(self.joint.connector, home.members.len())?;
        let tamper_after = (self.tamper && connector == home.me).then_some(Stage::Connect);
        let requests = steps.iter().map(|step| step.request(site, &self.bucket)).collect::<Result<Vec<_>, _>>()?;
        let name = home.name_of(home.me);
        let waiting = Console::new(name.clone(), false);
        waiting.waiting("waiting for the other parties");
        let party = home.me.to_string();
        let mut joint = Party::connect(home, self.joint.any_build).await?;
        waiting.clear();
        let mut done = Vec::new();
        let mut result = Ok(());
        for (i, (step, request)) in steps.iter().zip(requests).enumerate() {
            let console = Arc::new(Console::new(format!("{name}, {step}"), false));
            let operation = Operation {
                what: format!("s3 {step}, step {} of {}", i + 1, steps.len()),
                site,
                connector,
                request: Request::Signed { request, region: &self.region, share },
                limits: AnswerLimits::of_bytes(MAX_ANSWER),
                tamper_after,
            };
            let finished = joint.call(operation, console.clone()).await;
            console.clear();
            match finished.and_then(|finished| self.take(step, step.response(&finished.answer)?, finished.stages)) {
                Ok(facts) => done.push(facts),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        joint.close().await;
        if self.json {
            print_json(&S3Facts { party, steps: done, alone: None })?;
        }
        result
    }

    /// Puts an answer where it belongs.
    fn take(&self, step: &Step, response: Response, stages: Vec<StageCost>) -> Result<StepFacts, Error> {
        let (status, body_bytes) = (response.status, response.body.len());
        let listing = if *step == Step::List { Some(Listing::parse(&response.body)?) } else { None };
        match (step, &listing) {
            (Step::Get { file: Some(file), .. }, _) => save::save(file, &response.body)?,
            (Step::Get { file: None, .. }, _) if !self.json => print_body(&response.body)?,
            (_, Some(listing)) if !self.json => {
                print(listing.lines().as_bytes())?;
                if listing.truncated {
                    note(&format!(
                        "the bucket holds more keys than these {}, which are all that the service puts into one list",
                        listing.keys.len()
                    ));
                }
            }
            _ => {}
        }
        let (keys, truncated) = listing.map(|Listing { keys, truncated }| (keys, truncated)).unzip();
        Ok(StepFacts { step: step.to_string(), status, body_bytes, keys, truncated, stages })
    }

    async fn alone(&self, home: &Home, site: &Site, share: &S3Share, steps: &[Step]) -> Result<(), Error> {
        for step in steps {
            let verdict = alone::attempt(site, &self.bucket, &self.region, share, step, home.call_timeout).await?;
            if self.json {
                print_json(&S3Facts { party: home.me.to_string(), steps: Vec::new(), alone: Some(verdict.clone()) })?;
            }
            if verdict.status != 200 {
                return Err(Error::Status {
                    step: format!("{step}, {} alone", home.name_of(home.me)),
                    status: verdict.status,
                    code: verdict.code,
                });
            }
        }
        Ok(())
    }
}
