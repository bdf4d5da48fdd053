//! How is an event written, so that nothing in it is taken for another line or for a command to a
//! terminal?
//!
//! Every value of every field passes here, whoever logs it: what a device sent needs no care at
//! each place where it is logged.

use std::{fmt, io};

use serde_json::Value;
use tracing::field::Field;
use tracing_subscriber::fmt::{MakeWriter, format::Writer};

use crate::printable::{brief, printable_json};

/// Longest value of a field, in characters. The longest that are meant are lists of what is wrong
/// with manifests.
pub(crate) const LONGEST: usize = 4096;

/// A field in a line of text.
pub(crate) fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = brief(&format!("{value:?}"), LONGEST);
    match field.name() {
        "message" => writer.write_str(&value),
        name => write!(writer, "{name}={value}"),
    }
}

/// Writes lines of JSON elsewhere.
pub(crate) struct JsonLines<M>(pub(crate) M);

impl<'w, M: MakeWriter<'w>> MakeWriter<'w> for JsonLines<M> {
    type Writer = JsonLine<M::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        JsonLine(self.0.make_writer())
    }

    fn make_writer_for(&'w self, meta: &tracing::Metadata<'_>) -> Self::Writer {
        JsonLine(self.0.make_writer_for(meta))
    }
}

/// One line, which comes with one write.
pub(crate) struct JsonLine<W>(W);

impl<W: io::Write> io::Write for JsonLine<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(line) if line.len() > LONGEST => self.0.write_all(shortened(line).as_bytes())?,
            Ok(line) => self.0.write_all(printable_json(line).as_bytes())?,
            Err(_) => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The line with each of its texts cut.
fn shortened(line: &str) -> String {
    let Ok(mut document) = serde_json::from_str::<Value>(line) else {
        return printable_json(line).into_owned();
    };
    shorten(&mut document);
    format!("{}\n", printable_json(&document.to_string()))
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > LONGEST => *text = brief(text, LONGEST),
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        _ => {}
    }
}
