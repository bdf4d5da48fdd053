//! What the commands print for people.
//!
//! Much of it comes from devices, so nothing gets here onto a terminal as it came: characters that
//! act on one are written out, and what is too long is cut. Ids and names are shown whole, since
//! commands take them. All of it as it came is in `--output json`.

mod device;
mod manifests;
mod workload;

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::telemetry::{brief, printable};

pub(super) use device::{device, devices, outcome, strays};
pub(super) use manifests::{applied, manifests, objects, rekeyed};
pub(super) use workload::{workload, workloads};

/// Longest word of somebody else's, such as a reason, in characters.
const WORD: usize = 40;

/// Longest message in a table, in characters.
const MESSAGE: usize = 240;

/// Longest sentence on a line of its own, in characters.
const SENTENCE: usize = 2000;

/// A column by its head.
#[derive(Clone, Copy)]
enum Column {
    /// Ids, names and our own words: never cut.
    Whole(&'static str),
    /// Somebody else's words, of which so many characters are shown.
    Cut(&'static str, usize),
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Whole(head) | Self::Cut(head, _) => head,
        }
    }

    fn show(self, cell: &str) -> String {
        match self {
            Self::Whole(_) => printable(cell).into_owned(),
            Self::Cut(_, longest) => brief(cell, longest),
        }
    }
}

/// A table whose columns are as wide as their longest cell.
fn table<const N: usize>(columns: [Column; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let head = columns.map(|column| column.head().to_owned());
    let rows = rows.into_iter().map(|mut row| {
        for (cell, column) in row.iter_mut().zip(columns) {
            *cell = column.show(cell);
        }
        row
    });
    let rows: Vec<[String; N]> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let line: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| padded(cell, width))
            .collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text
}

/// Not `{cell:<width$}`, which panics beyond a width of 65,535.
fn padded(cell: &str, width: usize) -> String {
    let missing = width.saturating_sub(cell.chars().count());
    let mut padded = cell.to_owned();
    padded.extend(std::iter::repeat_n(' ', missing));
    padded
}

/// A sentence with what it is in front.
fn say(text: &mut String, what: &str, sentence: &str) {
    let _ = writeln!(text, "{what:<8} {}", brief(sentence, SENTENCE));
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(
        || "never".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_any_length_is_cut_and_an_id_never() {
        let long = "x".repeat(70_000);
        let text = table(
            [Column::Whole("ID"), Column::Cut("REASON", 5), Column::Whole("N")],
            [
                [long.clone(), long.clone(), "1".to_owned()],
                ["a".to_owned(), "b".to_owned(), "2".to_owned()],
            ],
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1], format!("{long}  xxxxx…  1"));
        assert_eq!(lines[2], format!("a{}  b       2", " ".repeat(69_999)));
    }

    #[test]
    fn no_cell_begins_a_line_or_speaks_to_the_terminal() {
        let hostile = "Running\u{1b}[2K\rdefault/doorcam  all well\n\u{9b}\u{202e}";
        let text = table(
            [Column::Whole("NAME"), Column::Cut("STATE", WORD)],
            [[hostile.to_owned(), hostile.to_owned()]],
        );
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| printable(line) == line), "{text:?}");
        let mut text = String::new();
        say(&mut text, "fault", hostile);
        assert_eq!(printable(text.trim_end()), text.trim_end());
    }
}
