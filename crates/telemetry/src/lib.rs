//! Logs of our programs: text or JSON lines on standard error; and what of others' text may be
//! printed ([`printable()`]).
//!
//! An error is logged once, where it is handled, with its whole chain ([`chain`]).

mod lines;
mod printable;

use std::{error::Error, fmt, io::IsTerminal as _};

use clap::ValueEnum;
use tracing_subscriber::{
    EnvFilter,
    field::MakeExt as _,
    fmt::{MakeWriter, format::debug_fn, time::SystemTime},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

pub use printable::{brief, printable, printable_json, printable_lines};

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object, for machines.
    Json,
}

/// Sends logs of this level (or by these directives) to standard error from here on. Later calls in
/// the same process change nothing.
pub fn init(format: Format, level: &str) {
    // Fails only where a subscriber was set before, as in tests.
    let _ = subscriber(format, level, std::io::stderr, std::io::stderr().is_terminal()).try_init();
}

/// What [`init`] sets, writing elsewhere.
pub fn subscriber<W>(
    format: Format,
    level: &str,
    writer: W,
    colours: bool,
) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry().with(EnvFilter::new(level));
    match format {
        Format::Text => {
            let layer = tracing_subscriber::fmt::layer()
                .with_timer(SystemTime)
                .with_writer(writer)
                .with_ansi(colours)
                .fmt_fields(debug_fn(lines::field).delimited(" "));
            Box::new(registry.with(layer))
        }
        Format::Json => {
            let layer = tracing_subscriber::fmt::layer()
                .with_timer(SystemTime)
                .with_writer(lines::JsonLines(writer))
                .json()
                .flatten_event(true)
                .with_span_list(false);
            Box::new(registry.with(layer))
        }
    }
}

/// An error with all its causes, as `what: why: why`. Causes that the text before already ends with
/// are left out.
pub fn chain(error: &dyn Error) -> impl fmt::Display + tracing::Value {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc, sync::Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: Format, level: &str, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, level, move || writer.clone(), false);
        tracing::subscriber::with_default(subscriber, work);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn refuse() {
        let span = tracing::info_span!(
            "request",
            operation = "heartbeat",
            namespace = "default",
            device = "a"
        );
        span.in_scope(|| tracing::warn!(reason = "busy", "a request failed"));
        tracing::debug!("not of interest");
    }

    #[test]
    fn json_lines_carry_fields_of_the_event_and_its_request() {
        let text = written(Format::Json, "info", refuse);
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["level"], &line["reason"]),
            (&"WARN".into(), &"busy".into())
        );
        assert_eq!(line["message"], "a request failed");
        assert_eq!(line["span"]["operation"], "heartbeat");
        assert_eq!(
            (&line["span"]["namespace"], &line["span"]["device"]),
            (&"default".into(), &"a".into())
        );
    }

    #[test]
    fn text_lines_carry_them_too() {
        let text = written(Format::Text, "info", refuse);
        assert!(
            text.contains("operation=\"heartbeat\"") && text.contains("a request failed"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }

    /// What a device may send, as it is logged by every way that there is.
    fn quote() {
        let status = "Running\u{1b}[2K\r\n\u{9b}\u{202e}all well";
        let span = tracing::info_span!("request", device = %status);
        span.in_scope(|| tracing::warn!(reason = %status, value = status, debug = ?status, "{status}"));
    }

    #[test]
    fn what_a_device_sent_stays_in_its_line_and_does_nothing_to_a_terminal() {
        for format in [Format::Text, Format::Json] {
            let text = written(format, "info", quote);
            let line = text.strip_suffix('\n').unwrap();
            assert_eq!(printable(line), line, "{format:?}");
            assert!(line.contains("all well"), "{format:?}: {line}");
        }
        let json: serde_json::Value = serde_json::from_str(&written(Format::Json, "info", quote)).unwrap();
        assert_eq!(
            json["reason"], "Running\u{1b}[2K\r\n\u{9b}\u{202e}all well",
            "a program reads what was sent"
        );
    }

    #[test]
    fn a_megabyte_is_not_logged() {
        for format in [Format::Text, Format::Json] {
            let text = written(format, "info", || {
                let megabyte = "x".repeat(1 << 20);
                tracing::warn!(reason = megabyte, "refused");
            });
            assert_eq!(text.lines().count(), 1);
            assert!(
                text.len() < 2 * lines::LONGEST,
                "{format:?}: {} bytes",
                text.len()
            );
            assert!(text.contains("refused") && text.contains("xxx…"), "{format:?}");
        }
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Layer(&'static str, #[source] Option<Box<Layer>>);
        let root = Layer("the disk is full", None);
        let repeated = Layer("cannot write: the disk is full", Some(Box::new(root)));
        let top = Layer("the store failed", Some(Box::new(repeated)));
        assert_eq!(
            chain(&top).to_string(),
            "the store failed: cannot write: the disk is full"
        );
    }
}
