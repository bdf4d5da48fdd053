//! What must hold on a whole cluster: `make e2e`, or `KUBECONFIG=... make e2e` on a cluster of yours.
//!
//! usage: cluster-e2e [--list] [--all] [--keep] [--part=K/N] [NAME...]
//!
//! Without names all scenarios are played but those that take minutes each; with `--all` these too. A name is that
//! of a scenario or of a group. `--keep` leaves a throwaway cluster
//! running after the last one, and what is on a cluster of yours, which has nothing of Flotta otherwise, before and after. Prints a timeline; ends with the line `N passed, N failed`. A throwaway cluster needs root.

mod report;
mod scenarios;
mod stage;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cluster::timeline::Timeline;
use cluster::{Cluster, Image};
use scenarios::Scenario;
use stage::{Stage, State};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its last line says how it went"
)]
fn main() -> ExitCode {
    match run() {
        Ok(Count { passed, failed }) => {
            println!("{passed} passed, {failed} failed");
            ExitCode::from(u8::from(failed > 0))
        }
        Err(error) => {
            eprintln!("{error:#}");
            println!("0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
}

#[expect(clippy::print_stdout, reason = "a list, and what is left running")]
fn run() -> Result<Count> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    if flag("--list") {
        for scenario in scenarios::ALL {
            println!("{:32} {}", scenario.name, scenario.about);
        }
        return Ok(Count::default());
    }
    let chosen = part(chosen(&arguments)?, &arguments)?;

    let mut timeline = Timeline::default();
    let cluster = match Cluster::of_user()? {
        Some(cluster) => cluster,
        None => Cluster::up(&Image::ALL)?,
    };
    let cluster = cluster.with_quick_probes();
    timeline.reached("a cluster is up");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (stage, count) = runtime.block_on(async {
        let mut stage = Stage::new(cluster, timeline).await?;
        let count = play(&mut stage, &chosen).await;
        if !stage.cluster().is_throwaway() && !flag("--keep") {
            stage
                .leave()
                .await
                .context("the cluster could not be left as it was found")?;
        }
        anyhow::Ok((stage, count))
    })?;
    drop(runtime);
    let (cluster, mut timeline) = stage.into_cluster();
    if flag("--keep") {
        println!("{}", cluster.keep()?);
    } else if cluster.is_throwaway() {
        cluster.down()?;
        timeline.reached("the cluster is down");
    }
    Ok(count)
}

fn chosen(arguments: &[String]) -> Result<Vec<&'static Scenario>> {
    let names: Vec<_> = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let is_chosen = |scenario: &&Scenario, name: &str| {
        scenario.name == name
            || scenario
                .name
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    let everything = arguments.iter().any(|argument| argument == "--all");
    for name in &names {
        if !scenarios::ALL.iter().any(|scenario| is_chosen(&scenario, name)) {
            bail!("there is no scenario or group {name}; --list shows all");
        }
    }
    let all = scenarios::ALL.iter();
    let chosen = all.filter(|scenario| {
        names.iter().any(|name| is_chosen(scenario, name))
            || (names.is_empty() && (everything || !scenario.takes_long))
    });
    Ok(chosen.collect())
}

/// The K-th of N parts, for `parts.sh`. Neighbours stay together: one often leaves the cluster as the next one wants it.
fn part(chosen: Vec<&'static Scenario>, arguments: &[String]) -> Result<Vec<&'static Scenario>> {
    let Some(part) = arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("--part="))
    else {
        return Ok(chosen);
    };
    let numbers = part.split_once('/').and_then(|(part, parts)| {
        let (part, parts): (usize, usize) = (part.parse().ok()?, parts.parse().ok()?);
        (1..=parts).contains(&part).then_some((part, parts))
    });
    let (part, parts) = numbers.context("--part is written K/N, such as 1/3")?;
    let at = |part: usize| chosen.len() * part / parts;
    Ok(chosen[at(part - 1)..at(part)].to_vec())
}

/// Plays one after the other; a failure does not keep the others from being played.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "it is read by a person")]
async fn play(stage: &mut Stage, chosen: &[&Scenario]) -> Count {
    let mut count = Count::default();
    let mut failures = Vec::new();
    for scenario in chosen {
        let name = scenario.name;
        println!("\n=== {name}: {}", scenario.about);
        if scenario.touches_node && !stage.cluster().is_throwaway() {
            println!("--- {name}: skipped, since it changes the node and the cluster is yours");
            continue;
        }
        let start = Instant::now();
        let outcome = play_one(stage, scenario).await;
        let seconds = start.elapsed().as_secs();
        match outcome {
            Ok(()) => {
                count.passed += 1;
                println!("--- {name}: passed in {seconds} s");
            }
            Err(error) => {
                count.failed += 1;
                failures.push(name);
                eprintln!("{error:#}");
                report::print(stage.cluster());
                println!("--- {name}: FAILED after {seconds} s");
            }
        }
    }
    println!();
    for name in failures {
        println!("failed: {name}");
    }
    count
}

async fn play_one(stage: &mut Stage, scenario: &Scenario) -> Result<()> {
    stage
        .go_to(scenario.from)
        .await
        .context("before the scenario began")?;
    stage.is_now(State::Unknown);
    (scenario.run)(stage).await?;
    stage.is_now(scenario.leaves);
    Ok(())
}
