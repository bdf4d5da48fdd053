//! Playbooks, and who gets them: each device labelled for an EdgeConfig gets each of its playbooks,
//! once.

use contract::PlaybookExecution;

use crate::{
    Change, Context, Device, Digest, Report, State, Verdict,
    runs::{MAX_RUNS, Run, Runs},
};

/// A playbook of an EdgeConfig that a device is labelled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The EdgeConfig.
    pub config: &'a str,
    /// The playbook's text.
    pub content: &'a str,
    /// Its strategy is `RetryOnFailure`: it is run again where it failed or was interrupted.
    pub retry: bool,
}

/// What a device hears that asks for playbooks.
#[derive(Clone, Debug, PartialEq)]
pub enum PlaybookAnswer {
    /// These, or none.
    Serve(Vec<PlaybookExecution>),
    /// It is no approved device.
    NotApproved,
}

/// A device asks for playbooks; `wanted` are all of all EdgeConfigs that it is labelled for.
///
/// An offer must be durable before it is made, so the answer waits for the change.
pub fn poll(
    device: Option<&Device>,
    wanted: &[Wanted<'_>],
    context: &Context<'_>,
) -> Verdict<PlaybookAnswer> {
    let Some((device, gets)) = device.and_then(|device| Some((device, gets_any(device)?))) else {
        return Verdict::only(PlaybookAnswer::NotApproved);
    };
    if !gets {
        return Verdict::only(PlaybookAnswer::Serve(Vec::new()));
    }
    let mut runs = device.report.runs.clone();
    let offered = offer(&mut runs, device, &distinct(wanted), context);
    let report = (runs != device.report.runs).then(|| Report {
        runs,
        ..(*device.report).clone()
    });
    Verdict {
        answer: PlaybookAnswer::Serve(offered),
        change: Change {
            report,
            ..Change::default()
        },
    }
}

/// Whether the device has done all that these ask of it for this EdgeConfig. One whose device was
/// interrupted is not done.
pub fn is_done(report: &Report, config: &str, wanted: &[Wanted<'_>], context: &Context<'_>) -> bool {
    wanted
        .iter()
        .filter(|wanted| wanted.config == config)
        .all(|wanted| {
            report
                .runs
                .find(config, Digest::of(wanted.content.as_bytes()))
                .is_some_and(|run| run.is_done(context.policy))
        })
}

/// Whether an approved device gets what there is for it; `None` if it is not approved. It has to
/// have polled its configuration since, which only the holder of its certificate can, and an
/// adopted one keeps what it runs until it is released.
fn gets_any(device: &Device) -> Option<bool> {
    match &device.life.state {
        State::Approved {
            at,
            configuration_withheld,
            ..
        } => Some(!configuration_withheld && device.presence.polled.is_some_and(|polled| polled >= *at)),
        _ => None,
    }
}

/// Each once, with its digest. It is retried if any of the same content is.
fn distinct<'a>(wanted: &[Wanted<'a>]) -> Vec<(Wanted<'a>, Digest)> {
    let mut found: Vec<(Wanted<'a>, Digest)> = Vec::with_capacity(wanted.len());
    for &wanted in wanted {
        let digest = Digest::of(wanted.content.as_bytes());
        match found
            .iter_mut()
            .find(|(known, of)| known.config == wanted.config && *of == digest)
        {
            Some((known, _)) => known.retry |= wanted.retry,
            None => found.push((wanted, digest)),
        }
    }
    found
}

fn offer(
    runs: &mut Runs,
    device: &Device,
    wanted: &[(Wanted<'_>, Digest)],
    context: &Context<'_>,
) -> Vec<PlaybookExecution> {
    let (policy, now) = (context.policy, context.now);
    for run in &mut runs.list {
        let is_wanted = wanted
            .iter()
            .any(|(wanted, digest)| wanted.config == run.config && *digest == run.playbook);
        if is_wanted {
            run.unwanted_since = None;
        } else {
            run.unwanted_since.get_or_insert(now);
        }
    }
    runs.left_out = 0;
    let mut offered = Vec::new();
    for (wanted, digest) in wanted {
        let Some(run) = place(runs, device, wanted, *digest, context) else {
            runs.left_out += 1;
            continue;
        };
        run.retry = wanted.retry;
        if run.is_to_retry(policy) {
            run.retry(&device.id, now);
        }
        if run.is_to_offer(policy) {
            run.offer(now);
            offered.push(PlaybookExecution {
                name: run.name.clone(),
                ansible_playbook_string: wanted.content.to_owned(),
                ..PlaybookExecution::default()
            });
        }
    }
    offered
}

/// The run of a wanted playbook, begun if there is none. A full list drops the one that is unwanted
/// for longest.
fn place<'a>(
    runs: &'a mut Runs,
    device: &Device,
    wanted: &Wanted<'_>,
    digest: Digest,
    context: &Context<'_>,
) -> Option<&'a mut Run> {
    let known = runs
        .list
        .iter()
        .position(|run| run.config == wanted.config && run.playbook == digest);
    if let Some(index) = known {
        return runs.list.get_mut(index);
    }
    if runs.list.len() >= MAX_RUNS {
        let (oldest, _) = runs
            .list
            .iter()
            .enumerate()
            .filter_map(|(index, run)| Some((index, run.unwanted_since?)))
            .min_by_key(|&(_, since)| since)?;
        runs.list.remove(oldest);
    }
    runs.list.push(Run::new(
        &device.id,
        wanted.config,
        digest,
        wanted.retry,
        context.now,
    ));
    runs.list.last_mut()
}
