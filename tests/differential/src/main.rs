//! Plays generated fleets on Flotta's own backend and on ours; says what differs and makes the
//! first failing cases small.
//!
//! usage: `flotta-differential [--crates] [SEED [COUNT [FIRST]]]`
//!
//! With `--crates` our side is the crates called directly, without a server, an Edge API or the
//! operator: a quick look.

use std::process::ExitCode;

use anyhow::{Context, Result};
use differential::operator;
use differential::play::Via;
use differential::report::described;
use differential::run::{run, world_of};
use differential::shrink::shrink;

/// What a run without arguments plays.
const SEED: u64 = 20_221_006;
const COUNT: u64 = 2_000;
/// Cases whose workloads the operator selects.
const OPERATED: u64 = 100;
/// Failing cases that are made small.
const SHRUNK: usize = 2;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the report is the program's output")]
async fn main() -> Result<ExitCode> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let via = if words.first().is_some_and(|word| word == "--crates") {
        words.remove(0);
        Via::Crates
    } else {
        Via::EdgeApi
    };
    let arguments: Vec<u64> = words
        .iter()
        .map(|text| {
            text.parse()
                .with_context(|| format!("'{text}' is not a number: SEED, COUNT, FIRST"))
        })
        .collect::<Result<_>>()?;
    let seed = arguments.first().copied().unwrap_or(SEED);
    let count = arguments.get(1).copied().unwrap_or(COUNT);
    let first = arguments.get(2).copied().unwrap_or(0);
    println!("seed {seed}, {count} cases from {first} on");

    let report = run(seed, first, count, via, |line| println!("{line}")).await?;
    println!("{report}");
    let mut complaints = report.complaints();
    let mut kinds = Vec::new();
    for outcome in report.failing() {
        let kind = outcome.verdict.kind();
        if kinds.len() < SHRUNK && !kinds.contains(&kind) {
            println!("making a case smaller: {}", described(outcome));
            kinds.push(kind);
            let small = shrink(outcome, &world_of(seed, outcome.fleet.number), via).await?;
            println!("{}", described(&small));
            for object in &small.fleet.objects {
                println!("{object}");
            }
        }
    }

    if via == Via::EdgeApi {
        let operated = operator::run(seed, first, count.min(OPERATED)).await?;
        println!("{operated}");
        complaints.extend(operated.complaints());
    }
    for complaint in &complaints {
        println!("FAILED: {complaint}");
    }
    Ok(if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
