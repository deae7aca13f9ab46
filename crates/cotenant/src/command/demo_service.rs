//! `cotenant demo-service`: the demonstration's S3 service alone, for parties in terminals of their own or on other machines.

use super::{parse_parties, print, print_json};
use crate::{
    demo::{ACCESS_KEY_ID, BUCKET},
    error::Error,
    s3::{S3Config, serve},
    share::{deal, new_secret_key},
    target::Endpoint,
};
use clap::Args;
use serde::Serialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Runs the demonstration's S3 service until ctrl-C, for parties that are started by hand
///
/// Makes a CA and a secret key for this run, and in DIR: ca.pem, to be given to every party, and party-K.s3-share.json, to be given to
/// party K alone as s3-share.json in its home. The service knows the key; no party does.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  cotenant demo-service --dir service --listen 127.0.0.1:8443 --parties 2")]
pub(super) struct DemoServiceArgs {
    /// A new directory for the service's files
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Where to listen; port 0 for any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The host name or address by which parties reach it [default: the address of --listen]
    #[arg(long, value_name = "HOST")]
    name: Option<String>,
    /// How many parties get a share
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_parties)]
    parties: usize,
    /// Print a JSON object instead of instructions
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    endpoint: String,
    bucket: &'static str,
    access_key_id: &'static str,
    ca: PathBuf,
    shares: Vec<PathBuf>,
}

impl DemoServiceArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let write_failed = |path: &Path| {
            let what = path.display().to_string();
            move |source| Error::Write { what, source }
        };
        std::fs::create_dir(&self.dir).map_err(write_failed(&self.dir))?;
        let secret = new_secret_key().map_err(Error::Randomness)?;
        let shares = deal(ACCESS_KEY_ID, secret.as_bytes(), self.parties).map_err(Error::Randomness)?;
        let files: Vec<PathBuf> = (1..=self.parties).map(|party| self.dir.join(format!("party-{party}.s3-share.json"))).collect();
        shares.iter().zip(&files).try_for_each(|(share, file)| share.save(file))?;
        let host = self.name.clone().unwrap_or_else(|| self.listen.ip().to_string());
        let config = S3Config {
            directory: self.dir.join("objects"),
            bucket: BUCKET.to_owned(),
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: secret.as_str().into(),
            server_name: host.clone(),
            listen: self.listen,
        };
        let server = serve(config).await?;
        let ca = self.dir.join("ca.pem");
        std::fs::write(&ca, server.ca_pem()).map_err(write_failed(&ca))?;
        let endpoint = format!("https://{}", Endpoint { host, port: server.address().port() });
        let facts = Facts { endpoint, bucket: BUCKET, access_key_id: ACCESS_KEY_ID, ca, shares: files };
        if self.json {
            print_json(&facts)?
        } else {
            print(facts.instructions().as_bytes())?
        }
        // The service runs in the background until the process is interrupted.
        std::future::pending().await
    }
}

impl Facts {
    fn instructions(&self) -> String {
        let Facts { endpoint, bucket, ca, shares, .. } = self;
        let mut text = format!("The service listens at {endpoint}; ctrl-C ends it.\n\n");
        text += &format!("Give every party {}, and each party its share as s3-share.json in its home:\n", ca.display());
        for (i, share) in shares.iter().enumerate() {
            text += &format!("  party {}: {}\n", i + 1, share.display());
        }
        text += "\nThen, at every party, in a terminal of its own:\n";
        let command = format!("cotenant s3 --home HOME --endpoint {endpoint} --ca ca.pem --bucket {bucket}");
        for step in ["put:hello.txt=FILE", "get:hello.txt", "list"] {
            text += &format!("  {command} {step}\n");
        }
        text
    }
}
