//! `cotenant serve` and `cotenant status`: this party's daemon, and what it is doing.

use super::{home_or_default, print, print_json};
use crate::{
    error::Error,
    serve::{
        self,
        client::Client,
        config::{Config, LogFormat, template},
        daemon::{RoomStatus, Status},
        log,
        queue::State,
    },
};
use clap::Args;
use cotenant_agent::approve::escape::escape;
use std::path::PathBuf;

/// Runs this party's daemon until it is told to end (ctrl-C, SIGTERM)
///
/// It keeps this party's shares, holds the links to the other parties of all rooms, and runs their operations, one at a time in each room. Other commands
/// ask it through a socket in the home. How it runs is set in cotenant.toml there.
/// Exit status 0 after it was told to end, 78 if the home or a file in it that says how it runs or decides is wrong, 1 if it cannot start for another reason.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant init --home ~/.cotenant --name alice\n  cotenant serve\n  cotenant serve --home /var/lib/cotenant --json\n  cotenant serve --print-config"
)]
pub(super) struct ServeArgs {
    /// The directory that `cotenant init` made [default: $COTENANT_HOME, else ~/.cotenant]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Log as JSON lines, whatever cotenant.toml says
    #[arg(long)]
    json: bool,
    /// Print a cotenant.toml with every key, what it means and its default, and do nothing else
    #[arg(long)]
    print_config: bool,
}

/// Shows what this party's daemon is doing
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant status --json")]
pub(super) struct StatusArgs {
    /// The directory that `cotenant init` made [default: $COTENANT_HOME, else ~/.cotenant]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl ServeArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        if self.print_config {
            return print(template().as_bytes());
        }
        let mut config = Config::open(&home_or_default(self.home)?)?;
        if self.json {
            config.log.format = LogFormat::Json;
        }
        log::start(config.log);
        Ok(serve::serve(config).await?)
    }
}

impl StatusArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let client = Client::of_home(&home_or_default(self.home)?)?;
        let status: Status = client.get("/v1/status").await?;
        if self.json { print_json(&status) } else { print(text(&status).as_bytes()) }
    }
}

fn text(status: &Status) -> String {
    let Status { version, process, uptime_seconds, identity, metrics, rooms } = status;
    let mut text = format!("cotenant {}, process {process}, up {}\n", escape(version), duration(*uptime_seconds));
    text += &format!("identity  {}\n", escape(identity));
    text += &format!("metrics   {}\n", metrics.map_or("off".to_owned(), |address| format!("http://{address}/metrics")));
    if rooms.is_empty() {
        text += "rooms     none yet\n";
    }
    text + &rooms.iter().map(room).collect::<String>()
}

fn room(room: &RoomStatus) -> String {
    let RoomStatus { id, name, peers, notes, undecided, waiting, running, weak } = room;
    let mut text = format!("room      {} \"{}\": {waiting} approved and waiting for their turn\n", escape(id), escape(name));
    if *undecided > 0 {
        text += &format!("  decide    {undecided} here: cotenant pending\n");
    }
    for peer in peers {
        let link = if peer.connected { "connected" } else { "away" };
        text += &format!("  {:<9} \"{}\" {}\n", link, escape(&peer.name), escape(&peer.fingerprint));
    }
    text += &notes.iter().map(|note| format!("  note      {}\n", escape(note))).collect::<String>();
    if let Some(task) = running {
        let at = match &task.state {
            State::Running { progress: Some(progress) } if progress.wanted > 0 => {
                let percent = progress.done.saturating_mul(100) / progress.wanted;
                format!(": {} {percent} %", escape(&progress.stage))
            }
            State::Running { progress: Some(progress) } => format!(": {}", escape(&progress.stage)),
            _ => String::new(),
        };
        text += &format!("  running   {} {}{at}\n", task.id, escape(&task.summary));
    }
    if !weak.is_empty() {
        text += &format!("  vault     below full strength: {}\n", escape(&weak.join(", ")));
    }
    text
}

/// Seconds as people say them: the two largest units.
fn duration(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::{
        queue::{Progress, TaskView},
        room::Peer,
    };

    #[test]
    fn what_others_wrote_is_shown_escaped() {
        let hostile = "\u{1b}[2J\u{202e}".to_owned();
        let peer = Peer { name: hostile.clone(), fingerprint: hostile.clone(), connected: true, sent_bytes: 1, received_bytes: 2 };
        let progress = Progress { stage: hostile.clone(), done: 1, wanted: 4 };
        let task = TaskView { id: 7, room: hostile.clone(), summary: hostile.clone(), state: State::Running { progress: Some(progress) } };
        let room = RoomStatus {
            id: hostile.clone(),
            name: hostile.clone(),
            peers: vec![peer],
            notes: vec![hostile.clone()],
            undecided: 3,
            waiting: 2,
            running: Some(task),
            weak: vec![hostile.clone()],
        };
        let status =
            Status { version: hostile.clone(), process: 1, uptime_seconds: 3_725, identity: hostile, metrics: None, rooms: vec![room] };
        let text = text(&status);
        assert!(text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic()), "{text}");
        assert!(
            text.contains("up 1 h 2 min")
                && text.contains(" 25 %")
                && text.contains("2 approved and waiting")
                && text.contains("3 here: cotenant pending")
                && text.contains("connected"),
            "{text}"
        );
    }

    #[test]
    fn durations_have_two_units() {
        assert_eq!([0, 61, 3_661, 90_000].map(duration), ["0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
