//! What must hold on a whole cluster: `make e2e`, or `KUBECONFIG=... make e2e` on a cluster of
//! yours.
//!
//! usage: cluster-e2e [--list] [--keep] [--queue=FOLDER] [NAME...]
//!
//! Without names all scenarios are played. A name is that of a scenario or of a group. `--keep`
//! leaves a throwaway cluster running after the last one, and what is on a cluster of yours, which
//! has nothing of Flotta otherwise, before and after. `--queue` is for `parts.sh`: several of this
//! program share the work. Prints a timeline; ends with the line `N passed, N failed`, and with
//! status 1 when a scenario failed, 2 when it is not a scenario that did. A throwaway cluster needs
//! root.

mod programme;
mod report;
mod scenarios;
mod stage;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cluster::timeline::Timeline;
use cluster::{Cluster, Helm, Image};
use programme::Programme;
use scenarios::Scenario;
use stage::{Stage, State};

/// What scenarios install with.
const HELMS: [Helm; 2] = [Helm::Four, Helm::Three];

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "its last line says how it went"
)]
fn main() -> ExitCode {
    match run() {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(Count { passed, failed })) => {
            println!("{passed} passed, {failed} failed");
            ExitCode::from(u8::from(failed > 0))
        }
        Err(error) => {
            eprintln!("{error:#}");
            println!("0 passed, 1 failed");
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
}

/// How many passed; none when it was asked for the list only.
#[expect(clippy::print_stdout, reason = "a list, and what is left running")]
fn run() -> Result<Option<Count>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let chosen = chosen(&arguments)?;
    if flag("--list") {
        let is_users = Cluster::is_named_by_user();
        for scenario in chosen {
            println!("{:36} {}", scenario.name, scenario.about);
            if let Some(reason) = scenario.on_throwaway_only.filter(|_| is_users) {
                println!("{:36} not on a cluster of yours: {reason}", "");
            }
        }
        return Ok(None);
    }
    let queue = arguments
        .iter()
        .find_map(|argument| argument.strip_prefix("--queue="));
    let mut programme = match queue {
        Some(folder) => Programme::shared(chosen, folder.as_ref()),
        None => Programme::alone(chosen),
    };

    let mut timeline = Timeline::default();
    let cluster = match Cluster::of_user(&HELMS)? {
        Some(cluster) => cluster,
        None => Cluster::up(&Image::ALL, &HELMS)?,
    };
    let cluster = cluster.with_quick_probes();
    timeline.reached("a cluster is up");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (stage, count) = runtime.block_on(async {
        let mut stage = Stage::new(cluster, timeline).await?;
        let count = play(&mut stage, &mut programme).await?;
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
    Ok(Some(count))
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
    for name in &names {
        if !scenarios::ALL.iter().any(|scenario| is_chosen(&scenario, name)) {
            bail!("there is no scenario or group {name}; --list shows all");
        }
    }
    let all = scenarios::ALL.iter();
    let chosen =
        all.filter(|scenario| names.is_empty() || names.iter().any(|name| is_chosen(scenario, name)));
    Ok(chosen.collect())
}

/// Plays one after the other; a failure does not keep the others from being played.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "it is read by a person")]
async fn play(stage: &mut Stage, programme: &mut Programme) -> Result<Count> {
    let mut count = Count::default();
    let mut failures = Vec::new();
    while let Some(scenario) = programme.next(stage.state())? {
        let name = scenario.name;
        println!("\n=== {name}: {}", scenario.about);
        if let Some(reason) = scenario.on_throwaway_only
            && !stage.cluster().is_throwaway()
        {
            println!("--- {name}: skipped on a cluster of yours, since {reason}");
            continue;
        }
        let start = Instant::now();
        let outcome = play_one(stage, scenario).await;
        let seconds = start.elapsed().as_secs();
        match outcome {
            Outcome::Passed => {
                count.passed += 1;
                programme.passed(scenario)?;
                println!("--- {name}: passed in {seconds} s");
            }
            Outcome::NotBegun(error) if programme.is_shared() => {
                eprintln!("{error:#}");
                report::print(stage.cluster());
                programme.give_back(scenario)?;
                println!(
                    "--- {name}: given back after {seconds} s, and nothing more is played on this cluster"
                );
                break;
            }
            Outcome::NotBegun(error) | Outcome::Failed(error) => {
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
    Ok(count)
}

enum Outcome {
    Passed,
    Failed(anyhow::Error),
    /// The cluster could not be cleared, or Flotta does not run on it: not for anything that is
    /// tested here.
    NotBegun(anyhow::Error),
}

async fn play_one(stage: &mut Stage, scenario: &Scenario) -> Outcome {
    if let Err(error) = stage.clear_for(scenario.from).await {
        return Outcome::NotBegun(error.context("before the scenario began"));
    }
    match play_on(stage, scenario).await {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(error),
    }
}

async fn play_on(stage: &mut Stage, scenario: &Scenario) -> Result<()> {
    stage
        .go_to(scenario.from)
        .await
        .context("before the scenario began")?;
    stage.is_now(State::Unknown);
    (scenario.run)(stage).await?;
    stage.is_now(scenario.leaves);
    Ok(())
}
