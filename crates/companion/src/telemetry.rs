//! Logs, without the Kubernetes client's own lines, whatever level is asked for: it logs a body
//! that it cannot read, and that may be a Secret. Its errors come back as values and are logged
//! where they are handled.

pub use ::telemetry::{Format, brief, chain, printable_lines};
use tracing_subscriber::fmt::MakeWriter;

const SILENCED: &str = "kube_client=off,kube_runtime=off,kube_core=off";

/// Sends logs of this level (or by these directives) to standard error from here on. Later calls in
/// the same process change nothing.
pub fn init(format: Format, level: &str) {
    ::telemetry::init(format, &silenced(level));
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
    ::telemetry::subscriber(format, &silenced(level), writer, colours)
}

fn silenced(level: &str) -> String {
    format!("{level},{SILENCED}")
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
