//! The smaller run that every change is tested with; `make differential` is the large one.

use anyhow::{Context, Result, ensure};
use differential::play::Via;
use differential::shrink::shrink;
use differential::{change, operator, run, strict};

const SEED: u64 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_fleets_get_what_flotta_gives_them() -> Result<()> {
    let report = run::run(SEED, 0, 200, Via::EdgeApi, |_| ()).await?;
    ensure!(
        report.complaints().is_empty(),
        "{:#?}\n{report}",
        report.complaints()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_selects_the_same_workloads() -> Result<()> {
    let selections = operator::run(SEED, 0, 40).await?;
    ensure!(
        selections.complaints().is_empty(),
        "{:#?}\n{selections}",
        selections.complaints()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_server_refuses_whom_flotta_refuses() -> Result<()> {
    let (refused, differing) = strict::run(SEED, 60).await?;
    ensure!(differing.is_empty(), "{differing:#?}");
    ensure!(
        refused > 3,
        "Flotta refuses only {refused} devices: nothing is proven"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_is_found_and_its_case_made_small() -> Result<()> {
    let report = run::run(SEED, 0, 25, Via::Mistaken, |_| ()).await?;
    let first = report.failing().next().context("the mistake was not found")?;
    for outcome in report.failing() {
        let kind = outcome.verdict.kind().unwrap_or_default();
        ensure!(
            kind.starts_with("/workloads/*/annotations"),
            "another difference: {kind}"
        );
    }
    let small = shrink(first, &run::world_of(SEED, first.fleet.number), Via::Mistaken).await?;
    let objects = &small.fleet.objects;
    ensure!(
        small.verdict.kind() == first.verdict.kind(),
        "another failure: {:?}",
        small.verdict
    );
    // A device, and a workload with an annotation that is selected for it.
    ensure!(objects.len() == 2, "not small: {objects:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_fleets_get_what_flotta_gives_them_then() -> Result<()> {
    let report = change::run(SEED, 40, 4).await?;
    ensure!(report.failing().next().is_none(), "{report}");
    ensure!(report.agreed() > 300, "only {} looks at devices", report.agreed());
    Ok(())
}
