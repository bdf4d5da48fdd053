//! Logs: text or JSON lines on standard error.
//!
//! Requests are spans that carry operation, namespace and device as fields. An error is logged once, where it is handled,
//! with its whole chain ([`chain`]).

use std::{error::Error, fmt, io::IsTerminal as _};

use tracing_subscriber::{
    EnvFilter, fmt::MakeWriter, fmt::time::SystemTime, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object, for machines.
    Json,
}

/// Sends logs of this level (or by these directives) to standard error from here on. Later calls in the same process change nothing.
pub fn init(format: Format, level: &str) {
    let filter = EnvFilter::new(level);
    let subscriber = subscriber(format, filter, std::io::stderr, std::io::stderr().is_terminal());
    // Fails only where a subscriber was set before, as in tests.
    let _ = subscriber.try_init();
}

fn subscriber<W>(
    format: Format,
    filter: EnvFilter,
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
    let registry = tracing_subscriber::registry().with(filter);
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
