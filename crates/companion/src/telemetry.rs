//! Logs: text or JSON lines on standard error.
//!
//! The Kubernetes client's own lines are switched off, whatever level is asked for: it logs a body that it cannot read, and
//! that may be a Secret. Its errors come back as values and are logged where they are handled.

use std::{error::Error, fmt, io::IsTerminal as _};

use clap::ValueEnum;
use tracing_subscriber::{
    EnvFilter, fmt::MakeWriter, fmt::time::SystemTime, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

const SILENCED: &str = "kube_client=off,kube_runtime=off,kube_core=off";

/// The form of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object, for machines.
    Json,
}

/// Sends logs of this level (or by these directives) to standard error from here on. Later calls in the same process change nothing.
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
    let layer = tracing_subscriber::fmt::layer()
        .with_timer(SystemTime)
        .with_writer(writer)
        .with_ansi(colours);
    let registry = tracing_subscriber::registry().with(EnvFilter::new(format!("{level},{SILENCED}")));
    match format {
        Format::Text => Box::new(registry.with(layer)),
        Format::Json => Box::new(registry.with(layer.json().flatten_event(true).with_span_list(false))),
    }
}

/// An error with all its causes, as `what: why: why`. Causes that the text before already ends with are left out.
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
    use std::{
        io,
        sync::{Arc, Mutex},
    };

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

    #[test]
    fn lines_of_the_kubernetes_client_are_not_written_at_any_level() {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(
            subscriber(Format::Json, "trace", move || writer.clone(), false),
            || {
                tracing::warn!(target: "kube_client::client", "{{\"data\":{{\"tls.key\":\"c2VjcmV0\"}}}}");
                tracing::info!(name = "flotta", "observed");
            },
        );
        let bytes = lines.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["message"], &line["name"]),
            (&"observed".into(), &"flotta".into())
        );
    }
}
