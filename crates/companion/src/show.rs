//! `plan`: what would be done, and why, from one look and the calls that prove something.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use plan::{
    Action, Plan,
    api::{ConditionStatus, ConditionType, RemoteBackend},
    observed::Evidence,
};
use tokio::time::timeout;

use crate::{
    cluster::{Surroundings, act, elder},
    control::{ACT, Parts, observe, surroundings},
};

/// Evidence is asked for so often at most.
const CALLS: usize = 12;

/// What `plan` prints, and whether there is nothing to do.
#[derive(Debug)]
pub struct Shown {
    /// For people.
    pub text: String,
    /// Whether everything is as it is asked for.
    pub settled: bool,
}

/// Looks at each resource and says what would be done. Changes nothing.
pub async fn show(parts: &Parts) -> anyhow::Result<Shown> {
    let resources = parts.cluster.resources().await?;
    if resources.is_empty() {
        bail!(
            "there is no RemoteBackend in namespace {}; install the chart, or create one",
            parts.cluster.namespace()
        );
    }
    let around = surroundings(&parts.cluster, false).await?;
    let mut shown = Shown {
        text: String::new(),
        settled: true,
    };
    for resource in &resources {
        let around = Surroundings {
            elder: elder(resource, &resources),
            ..around.clone()
        };
        let plan = decide(parts, resource, around).await?;
        shown.settled &= plan.action.is_none() && plan.status.blocked_by.is_empty() && is_ready(&plan);
        describe(&mut shown.text, resource, &plan).context("it cannot be written")?;
    }
    Ok(shown)
}

fn is_ready(plan: &Plan) -> bool {
    let ready = |condition: &&Condition| condition.type_ == ConditionType::Ready.as_str();
    let ready = plan.status.conditions.iter().find(ready);
    ready.is_some_and(|condition| condition.status == ConditionStatus::True.as_str())
}

/// Gathers evidence until a plan needs no more of it.
async fn decide(parts: &Parts, resource: &RemoteBackend, around: Surroundings) -> anyhow::Result<Plan> {
    let mut evidence = Evidence::default();
    let mut resource = resource.clone();
    for _ in 0..CALLS {
        let observed = observe(
            &parts.cluster,
            &*parts.calls,
            resource.clone(),
            around.clone(),
            &evidence,
        )
        .await?;
        let plan = plan::plan(&observed);
        match &plan.action {
            Some(action) if !action.writes() => {
                let work = Box::pin(act::perform(
                    &parts.cluster,
                    &*parts.calls,
                    action,
                    &observed,
                    &mut evidence,
                ));
                timeout(ACT, work)
                    .await
                    .with_context(|| format!("{} took too long", action.name()))?
                    .with_context(|| format!("{} failed", action.name()))?;
            }
            // Only something to be remembered: go on as if it were.
            None if plan.wake.is_zero() => {}
            _ => return Ok(plan),
        }
        resource.status = Some(plan.status);
    }
    bail!("no end was found within {CALLS} calls; the log of the running companion tells more")
}

fn describe(text: &mut String, resource: &RemoteBackend, plan: &Plan) -> std::fmt::Result {
    let status = &plan.status;
    writeln!(
        text,
        "RemoteBackend {}: {:?}, the Edge API uses {:?}",
        resource.name_any(),
        status.phase,
        status.backend
    )?;
    for condition in &status.conditions {
        writeln!(
            text,
            "  {:<17} {:<8} {}: {}",
            condition.type_, condition.status, condition.reason, condition.message
        )?;
    }
    for blocker in &status.blocked_by {
        writeln!(text, "  in the way: {blocker}")?;
    }
    match &plan.action {
        Some(action) => {
            writeln!(text, "  would do now: {}", action.name())?;
            describe_write(text, action)
        }
        None => writeln!(text, "  would do now: nothing; next: {}", status.next_action),
    }
}

fn describe_write(text: &mut String, action: &Action) -> std::fmt::Result {
    match action {
        Action::Write(write) => {
            let document = serde_json::to_string_pretty(&write.document).unwrap_or_default();
            writeln!(
                text,
                "  {:?} {} ({:?}):",
                write.kind,
                write.object.name(),
                write.how
            )?;
            document.lines().try_for_each(|line| writeln!(text, "    {line}"))
        }
        // The Debug form of the Secret shows no key.
        Action::WriteServerSecret(secret) => writeln!(text, "  {secret:?}"),
        _ => Ok(()),
    }
}
