//! Everything that was measured, as Markdown: durations, requests that failed, what the companion
//! costs.

use std::fmt::Write as _;
use std::time::Duration;

use cluster::watcher::Request;

use crate::durations;
use crate::pods::{Restart, restarts};
use crate::rounds::{Measured, Round, signed};

/// What the companion may hold resident, in MiB.
const RESIDENT: f64 = 30.0;
/// What it may use of a core, in percent.
const PROCESSOR: f64 = 1.0;

pub(crate) fn render(measured: &Measured) -> String {
    let mut text = durations::render(&measured.rounds, &measured.lives);
    text.push('\n');
    text.push_str(&requests(measured));
    text.push('\n');
    text.push_str(&companion(measured));
    text
}

fn requests(measured: &Measured) -> String {
    let restarts = restarts(&measured.lives);
    let at = |time: Duration| time + measured.watcher_began;
    let restart_of = |request: &Request| {
        restarts
            .iter()
            .find(|restart| restart.touches(at(request.begun), at(request.ended)))
    };
    let (inside, outside): (Vec<&Request>, Vec<&Request>) = measured
        .seen
        .failures()
        .partition(|request| restart_of(request).is_some());
    let mut text = format!(
        "Devices sent {} requests throughout all rounds, {} restarts of the Edge API in them. {} failed within a restart (from \
         the old container's SIGTERM until its pod was gone and the new one ready). Outside of restarts {} failed; none are \
         to.\n",
        measured.seen.requests.len(),
        restarts.len(),
        inside.len(),
        outside.len(),
    );
    for request in outside {
        let _ = writeln!(
            text,
            "* {:.1} to {:.1} s, {}, {}: {:?} of {}: {:?}",
            at(request.begun).as_secs_f64(),
            at(request.ended).as_secs_f64(),
            doing(&measured.rounds, at(request.begun)),
            nearest(&restarts, at(request.begun), at(request.ended)),
            request.call,
            request.device,
            request.outcome,
        );
    }
    text
}

/// How far from a restart.
fn nearest(restarts: &[Restart], begun: Duration, ended: Duration) -> String {
    let after = restarts
        .iter()
        .filter(|restart| restart.end() < begun)
        .map(|restart| {
            let gap = signed(restart.end(), begun);
            (gap, format!("{gap:.2} s after the end of a restart"))
        });
    let before = restarts
        .iter()
        .filter(|restart| ended < restart.old_still_wanted)
        .map(|restart| {
            let gap = signed(ended, restart.old_still_wanted);
            (gap, format!("{gap:.2} s before the SIGTERM of a restart"))
        });
    let nearest = after.chain(before).min_by(|one, other| one.0.total_cmp(&other.0));
    nearest.map_or("no restart seen".to_owned(), |(_, text)| text)
}

/// What was going on at a time.
fn doing(rounds: &[Round], time: Duration) -> String {
    for (round, number) in rounds.iter().zip(1..) {
        for (what, span) in [
            ("the plain restart", round.restart),
            ("the installation", round.install),
            ("the uninstallation", round.uninstall),
        ] {
            if time <= span.to {
                let when = if span.from <= time { "in" } else { "before" };
                return format!("{when} {what} of round {number}");
            }
        }
    }
    "after the last round".to_owned()
}

fn companion(measured: &Measured) -> String {
    let idle = measured.idle;
    let span = idle.span.as_secs_f64();
    let percent = idle.processor.as_secs_f64() / span * 100.0;
    let hourly = f64::from(u32::try_from(idle.requests).unwrap_or(u32::MAX)) / span * 3600.0;
    format!(
        "| The companion when nothing happens | Measured | Goal |\n|---|--:|---|\n\
         | Resident memory, MiB | {:.1} | under {RESIDENT}: {} |\n\
         | The most that was ever resident, MiB | {:.1} | - |\n\
         | Processor, % of a core | {percent:.2} | under {PROCESSOR}: {} |\n\
         | Requests to the API server per hour | {hourly:.0} | - |\n\n\
         Taken once, over {span:.0} s after the last installation: {} requests by the companion's own count, scaled to an hour.\n",
        mebibytes(idle.resident),
        durations::verdict(Some(mebibytes(idle.resident)), RESIDENT),
        mebibytes(idle.peak),
        durations::verdict(Some(percent), PROCESSOR),
        idle.requests,
    )
}

fn mebibytes(kibibytes: u64) -> f64 {
    f64::from(u32::try_from(kibibytes).unwrap_or(u32::MAX)) / 1024.0
}

#[cfg(test)]
mod tests {
    use cluster::watcher::{Call, Outcome, Seen};

    use super::*;
    use crate::pods::{Life, Role};
    use crate::resources::Idle;
    use crate::rounds::Span;

    const fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn span(from: u64, to: u64) -> Span {
        Span {
            from: second(from),
            to: second(to),
        }
    }

    fn life(role: Role, made: u64, ready: u64, end: Option<u64>) -> Life {
        Life {
            role,
            made: second(made),
            ready: Some(second(ready)),
            told_to_end: end.map(second),
            still_wanted: end.map(second),
            gone: end.map(|end| second(end + 1)),
        }
    }

    fn failure(at: u64) -> Request {
        Request {
            begun: second(at),
            ended: second(at),
            device: "d".to_owned(),
            call: Call::Control,
            outcome: Outcome::Status(500),
        }
    }

    fn measured() -> Measured {
        let round = Round {
            restart: span(10, 20),
            install: span(30, 45),
            helm_returned: second(32),
            uninstall: span(50, 60),
        };
        Measured {
            rounds: vec![round],
            lives: vec![
                life(Role::EdgeApi, 0, 5, Some(19)),
                life(Role::EdgeApi, 11, 18, Some(44)),
                life(Role::Server, 31, 34, None),
                life(Role::EdgeApi, 36, 43, None),
            ],
            seen: Seen {
                requests: vec![failure(17), failure(23), failure(42)],
                pod_changes: Vec::new(),
            },
            watcher_began: second(2),
            idle: Idle {
                span: second(60),
                resident: 20 * 1024,
                peak: 24 * 1024,
                processor: Duration::from_millis(900),
                requests: 10,
            },
        }
    }

    #[test]
    fn an_installation_is_compared_with_a_plain_restart() {
        let text = render(&measured());
        for line in [
            "| Plain restart: annotation changed to rollout complete | 10.0 | 10.0 | 10.0 | 1.00 |",
            "| `helm install` to `Ready=True` | 15.0 | 15.0 | 15.0 | 1.50 |",
            "| ... more than the plain restart of the same round | 5.0 | 5.0 | 5.0 | - |",
            "| `helm install` to the server's pod ready | 4.0 | 4.0 | 4.0 | - |",
            "| `helm install` to the Edge API's new pod made | 6.0 | 6.0 | 6.0 | - |",
            "| In the switch: the old container's SIGTERM to the new one ready | -1.0 | -1.0 | -1.0 | - |",
            "| Resident memory, MiB | 20.0 | under 30: reached |",
            "| Processor, % of a core | 1.50 | under 1: missed |",
            "| Requests to the API server per hour | 600 | - |",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn failures_outside_of_restarts_are_listed() {
        let text = requests(&measured());
        assert!(text.contains("2 failed within a restart"), "{text}");
        let listed: Vec<_> = text.lines().filter(|line| line.starts_with('*')).collect();
        assert_eq!(
            listed,
            [
                "* 25.0 to 25.0 s, before the installation of round 1, 5.00 s after the end of a restart: Control of d: Status(500)"
            ]
        );
    }
}
