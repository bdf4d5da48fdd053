//! Medians and ratios, as a Markdown table.

use std::fmt::Write as _;

use testkit::caller::Connections;

use crate::load::{Operation, Sample};

/// Samples by operation, kind of connection and server, in the order in which they came first.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Row>);

#[derive(Debug)]
struct Row {
    operation: Operation,
    connections: Connections,
    peer: &'static str,
    samples: Vec<Sample>,
}

impl Table {
    pub(crate) fn add(
        &mut self,
        operation: Operation,
        connections: Connections,
        peer: &'static str,
        sample: Sample,
    ) {
        let same =
            |row: &&mut Row| row.operation == operation && row.connections == connections && row.peer == peer;
        match self.0.iter_mut().find(same) {
            Some(row) => row.samples.push(sample),
            None => self.0.push(Row {
                operation,
                connections,
                peer,
                samples: vec![sample],
            }),
        }
    }

    /// Each server's rate also as a part of the first one's in the same operation, which is the
    /// bare program's.
    pub(crate) fn render(&self) -> String {
        let mut text = String::from(
            "| Operation | Connection | Server | Requests/s | Of bare | p50 ms | p99 ms | Server CPU µs/request |\n\
             |---|---|---|--:|--:|--:|--:|--:|\n",
        );
        for row in &self.0 {
            let is_peer =
                |other: &&Row| other.operation == row.operation && other.connections == row.connections;
            let rate = row.median(|sample| sample.rate);
            let bare = self.0.iter().find(is_peer).unwrap_or(row);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {rate:.0} | {:.2} | {:.2} | {:.2} | {:.0} |",
                row.operation.name(),
                match row.connections {
                    Connections::KeptAlive => "kept alive",
                    Connections::New => "new mutual TLS",
                },
                row.peer,
                row.ratio(bare),
                row.median(|sample| sample.p50.as_secs_f64() * 1e3),
                row.median(|sample| sample.p99.as_secs_f64() * 1e3),
                row.median(|sample| sample.processor.as_secs_f64() * 1e6),
            );
        }
        text
    }
}

impl Row {
    fn median(&self, value: impl Fn(&Sample) -> f64) -> f64 {
        median(self.samples.iter().map(value).collect())
    }

    /// Of the rates in the same round, which are seconds apart: what else the machine does changes
    /// more slowly.
    fn ratio(&self, bare: &Self) -> f64 {
        let rounds = self.samples.iter().zip(&bare.samples);
        median(rounds.map(|(sample, bare)| sample.rate / bare.rate).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], values[middle])
    } else {
        values[middle]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn medians_and_their_ratio_to_the_first_server() {
        let mut table = Table::default();
        for (peer, rates) in [("bare", [100.0, 400.0, 200.0]), ("ours", [900.0, 100.0, 50.0])] {
            for rate in rates {
                let time = Duration::from_millis(2);
                let sample = Sample {
                    rate,
                    p50: time,
                    p99: time,
                    processor: Duration::from_micros(30),
                };
                table.add(Operation::Registration, Connections::New, peer, sample);
            }
        }
        let text = table.render();
        let ours = text.lines().last().unwrap();
        assert_eq!(
            ours,
            "| GET registration | new mutual TLS | ours | 100 | 0.25 | 2.00 | 2.00 | 30 |"
        );
    }
}
