//! What the commands print for people.

mod device;
mod manifests;
mod workload;

use std::fmt::Write as _;

use jiff::Timestamp;

pub(super) use device::{device, devices, outcome, strays};
pub(super) use manifests::{applied, manifests, objects, rekeyed};
pub(super) use workload::{workload, workloads};

/// A table whose columns are as wide as their longest cell.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
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
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    text
}

fn time(time: Option<Timestamp>) -> String {
    time.map_or_else(
        || "never".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}
