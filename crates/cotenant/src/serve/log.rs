//! The log: one line an event on standard error, text or JSON (crate `tracing`).
//!
//! Whatever an event holds, a line is printable ASCII: text is escaped as all that others wrote is (`approve::escape`), JSON by its own `\u....` (RFC 8259
//! section 7). So no peer, server or file name forges a line, moves a cursor or hides a character. Secrets have no `Debug`, so none can be logged.

use super::config::{Log, LogFormat};
use crate::text::ascii_json;
use cotenant_agent::approve::escape::escape_bytes;
use std::{
    io::{self, Write},
    panic,
};
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;

/// Logs from now on, panics included.
pub fn start(log: Log) {
    // A log that was started before stays.
    let _ = tracing::subscriber::set_global_default(subscriber(log, io::stderr));
    panic::set_hook(Box::new(|info| {
        let at = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, what = info.payload_as_str().unwrap_or_default(), "a fault of this program; please report it");
    }));
}

fn subscriber<W: Write + 'static>(log: Log, write: impl Fn() -> W + Send + Sync + 'static) -> Box<dyn Subscriber + Send + Sync> {
    let lines = Lines { format: log.format, write };
    let builder = tracing_subscriber::fmt().with_max_level(log.level).with_ansi(false).log_internal_errors(false).with_writer(lines);
    match log.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).with_current_span(false).with_span_list(false).finish()),
    }
}

/// Makes writers that each take one event.
struct Lines<F> {
    format: LogFormat,
    write: F,
}

impl<'a, W: Write, F: Fn() -> W> MakeWriter<'a> for Lines<F> {
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Line<W> {
        Line { format: self.format, out: (self.write)() }
    }
}

/// Takes one event, which comes as a whole and ends in a line feed.
struct Line<W> {
    format: LogFormat,
    out: W,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        let mut shown = match self.format {
            LogFormat::Text => escape_bytes(line).to_string(),
            LogFormat::Json => ascii_json(&String::from_utf8_lossy(line)),
        };
        shown.push('\n');
        self.out.write_all(shown.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tracing::level_filters::LevelFilter;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const HOSTILE: &str = "a\n2026 ERROR forged \u{1b}[2J \u{202e} \u{1f600} \" \\ \u{7f}";

    fn logged(format: LogFormat) -> String {
        let kept = Kept::default();
        let log = Log { format, level: LevelFilter::INFO };
        let writer = kept.clone();
        tracing::subscriber::with_default(subscriber(log, move || writer.clone()), || {
            tracing::info!(room = %HOSTILE, "{HOSTILE}");
            tracing::debug!("below the level");
        });
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn hostile_text_stays_on_its_line_in_printable_ascii() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let log = logged(format);
            let line = log.strip_suffix('\n').unwrap();
            assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        }
    }

    #[test]
    fn a_line_of_json_holds_what_was_logged() {
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json)).unwrap();
        assert_eq!((line["level"].as_str(), line["room"].as_str()), (Some("INFO"), Some(HOSTILE)));
        assert!(line["timestamp"].is_string());
    }
}
