//! `cotenant flow dry-run`: the call of a .http file by one party, with test secrets in the clear, before anybody is asked.

use super::{
    call::print_answer,
    flow::{FlowFile, ReadFlow},
    note, parse_endpoint, print, print_json,
};
use crate::{
    clear::{Heard, exchange},
    deadline::{Deadline, Passed},
    error::Error,
    party::{fresh_rng, unix_seconds},
    serve::operations::api::{AnswerView, Content},
    target::{Endpoint, SiteError},
};
use clap::Args;
use cotenant_agent::{
    approve::{escape::escape, operation::Call},
    operate::{Kept, Sent, Shown, Values, dry_answer, dry_request},
};
use cotenant_tls::TrustRoots;
use serde::Serialize;
use std::{convert::Infallible, fs, path::PathBuf, str::FromStr, time::Duration};
use zeroize::Zeroizing;

/// How long a server may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Makes the call of a .http file alone, with test secrets in the clear, and prints what members would see of the answer
///
/// For a server to try things with: no daemon and no other member takes part, and the connection is an ordinary one of TLS 1.3. What is sent is what the members would
/// send together with secrets that have these values. With @presign nothing is sent, and the URL is printed. Whoever lists processes sees what --secret NAME=VALUE gives; a
/// file of environments keeps it from them. Of that only what --secret names is taken for a secret hole: somebody else may have written the flow.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant flow dry-run report.http --secret token=test --ca ca.pem --connect localhost:8443\n  cotenant flow dry-run put.http --env http-client.private.env.json --environment test --secret signature"
)]
pub(super) struct DryRunArgs {
    #[command(flatten)]
    file: FlowFile,
    /// What fills the secret hole {{NAME}} here, the key of a signature as the one called signature; NAME alone takes the environment's variable; may be repeated
    #[arg(long = "secret", value_name = "NAME[=VALUE]")]
    secrets: Vec<Secret>,
    /// Certificates of authorities, PEM: the only trust roots [default: those that the program contains]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where the server is, for one that plays the host of the text [default: the text's host and port]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_endpoint)]
    connect: Option<Endpoint>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// What is to fill a secret hole; without a value that of the environment.
#[derive(Clone)]
struct Secret {
    name: String,
    value: Option<Zeroizing<Vec<u8>>>,
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.as_bytes().to_vec().into())));
        Ok(Secret { name: name.to_owned(), value })
    }
}

/// What members would see.
#[derive(Serialize)]
struct DryView {
    status: u16,
    headers: Vec<(String, String)>,
    body: Content,
    opened: Vec<(String, Content)>,
    kept: Vec<KeptView>,
}

/// What would become an item.
#[derive(Serialize)]
struct KeptView {
    name: String,
    item: String,
    bytes: usize,
}

impl DryRunArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let DryRunArgs { file, secrets, ca, connect, json } = self;
        let path = file.path().to_owned();
        let wrong = |source| Error::DryRun { path: path.clone(), source: Box::new(source) };
        let ReadFlow { call, mut environment } = file.read()?;
        let mut values = Values::new();
        for Secret { name, value } in secrets {
            let value = match value {
                Some(value) => value,
                None => environment.remove(&name).ok_or_else(|| Error::NoVariable { name: name.clone() })?.into_bytes().into(),
            };
            values.insert(name, value);
        }
        let request = match dry_request(&call, &values, unix_seconds(), &mut fresh_rng()?).map_err(wrong)? {
            Sent::Request(request) => request,
            Sent::Url(url) if json => return print_json(&serde_json::json!({ "url": *url })),
            Sent::Url(url) => return print(Zeroizing::new(format!("{}\n", *url)).as_bytes()),
        };
        let Heard { bytes, closed } = sent(&call, connect, ca, &request).await?;
        let Shown { known, kept } = dry_answer(&call, bytes, closed).map_err(wrong)?;
        let answer = AnswerView::of(0, known);
        if json {
            let kept = kept.into_iter().map(|Kept { name, item, bytes }| KeptView { name, item, bytes }).collect();
            let AnswerView { status, headers, body, opened, .. } = answer;
            return print_json(&DryView { status, headers, body, opened, kept });
        }
        note(&format!("the server answered {}", answer.status));
        kept.iter().for_each(|Kept { name, item, bytes }| note(&format!("{}, {bytes} bytes, would become item {item}", escape(name))));
        print_answer(&answer, false)
    }
}

async fn sent(call: &Call, connect: Option<Endpoint>, ca: Option<PathBuf>, request: &[u8]) -> Result<Heard, Error> {
    let host = call.host.trim_matches(['[', ']']);
    let endpoint = connect.unwrap_or_else(|| Endpoint { host: host.to_owned(), port: call.port });
    let roots = match ca {
        None => TrustRoots::mozilla(),
        Some(path) => {
            let pem = fs::read(&path).map_err(|source| SiteError::CaFile { path: path.clone(), source })?;
            TrustRoots::from_pem(&pem).map_err(|source| SiteError::Ca { path, source })?
        }
    };
    note(&format!("{} bytes go to {endpoint}, with test secrets in the clear", request.len()));
    let most = call.response.limit_bytes + 1;
    let heard = Deadline::after(LIMIT).bound(exchange(&endpoint, host, &roots, request, most)).await;
    let heard = heard.map_err(|Passed| Error::LateAlone { endpoint: endpoint.to_string(), limit: LIMIT })?;
    heard.map_err(|source| Error::Alone { endpoint: endpoint.to_string(), source })
}
