//! How long things took: medians over the rounds, beside the plain restart of the same round.

use std::fmt::Write as _;
use std::time::Duration;

use crate::pods::{Life, Restart, Role, restarts};
use crate::rounds::{Round, Span, signed};

/// What an installation may take longer than a plain restart, in seconds.
const MORE: f64 = 10.0;

/// Seconds of each round; none where something was not seen.
type Seconds = Vec<Option<f64>>;

#[derive(Debug)]
struct Row {
    what: String,
    seconds: Seconds,
    compared: bool,
}

impl Row {
    fn new(what: impl Into<String>, rounds: &[Round], seconds: impl Fn(&Round) -> Option<f64>) -> Self {
        Self {
            what: what.into(),
            seconds: rounds.iter().map(seconds).collect(),
            compared: false,
        }
    }

    fn compared(self) -> Self {
        Self {
            compared: true,
            ..self
        }
    }

    fn render(&self, plain: &[Round]) -> String {
        let ratios = self.seconds.iter().zip(plain);
        let ratios = ratios.map(|(own, plain)| Some((*own)? / plain.restart.seconds()));
        let ratio = self
            .compared
            .then(|| median(&ratios.collect::<Seconds>()))
            .flatten();
        let known = || self.seconds.iter().flatten().copied();
        format!(
            "| {} | {} | {} | {} | {} |\n",
            self.what,
            number(median(&self.seconds), 1),
            number(known().reduce(f64::min), 1),
            number(known().reduce(f64::max), 1),
            number(ratio, 2),
        )
    }
}

pub(crate) fn render(rounds: &[Round], lives: &[Life]) -> String {
    let restarts = restarts(lives);
    let more = Row::new(
        "... more than the plain restart of the same round",
        rounds,
        |round| Some(round.install.seconds() - round.restart.seconds()),
    );
    let goal = verdict(median(&more.seconds), MORE);
    let mut rows = vec![
        Row::new(
            "Plain restart: annotation changed to rollout complete",
            rounds,
            |round| Some(round.restart.seconds()),
        )
        .compared(),
        Row::new("`helm install` to `Ready=True`", rounds, |round| {
            Some(round.install.seconds())
        })
        .compared(),
        more,
    ];
    rows.extend(steps(rounds, lives, &restarts));
    rows.push(
        Row::new("`helm uninstall` to nothing of ours running", rounds, |round| {
            Some(round.uninstall.seconds())
        })
        .compared(),
    );
    rows.extend(of_restarts("plain restart", rounds, &restarts, |round| {
        round.restart
    }));
    rows.extend(of_restarts("switch", rounds, &restarts, |round| round.install));

    let mut text =
        String::from("| What | Median s | Least s | Most s | Of a plain restart |\n|---|--:|--:|--:|--:|\n");
    text.extend(rows.iter().map(|row| row.render(rounds)));
    // Every pod, also one that never got ready.
    let made_in = |span: Span| {
        let pods = lives.iter().filter(|life| life.role == Role::EdgeApi);
        pods.filter(|life| span.holds(life.made)).count().to_string()
    };
    let counts: Vec<_> = rounds.iter().map(|round| made_in(round.install)).collect();
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "\nMedians of {} rounds; a negative time means that the new one was ready before. An installation is to take at most \
         {MORE} s more than a plain restart: {goal}. New pods of the Edge API by each installation: {}.",
        rounds.len(),
        counts.join(", ")
    );
    text
}

/// Where the time of an installation goes.
fn steps(rounds: &[Round], lives: &[Life], restarts: &[Restart]) -> [Row; 4] {
    let row = |what: &str, reached: &dyn Fn(&Round) -> Option<Duration>| {
        Row::new(format!("`helm install` to {what}"), rounds, |round| {
            Some(signed(round.install.from, reached(round)?))
        })
    };
    let switch = |round: &Round| within(restarts, round.install).next();
    [
        row("its return", &|round| Some(round.helm_returned)),
        row("the server's pod ready", &|round| {
            server_ready(lives, round.install)
        }),
        row("the Edge API's new pod made", &|round| {
            Some(switch(round)?.new_made)
        }),
        row("that pod ready", &|round| Some(switch(round)?.new_ready)),
    ]
}

/// The restart itself.
fn of_restarts(
    which: &str,
    rounds: &[Round],
    restarts: &[Restart],
    span: impl Fn(&Round) -> Span,
) -> [Row; 3] {
    let row = |what: &str, seconds: &dyn Fn(&Restart) -> f64| {
        Row::new(format!("In the {which}: {what}"), rounds, |round| {
            within(restarts, span(round)).next().map(seconds)
        })
    };
    [
        row("the new pod made to ready", &|restart| {
            signed(restart.new_made, restart.new_ready)
        }),
        row("the old container's SIGTERM to the new one ready", &|restart| {
            signed(restart.old_told_to_end, restart.new_ready)
        }),
        row("the old container's SIGTERM to its pod gone", &|restart| {
            signed(restart.old_told_to_end, restart.old_gone)
        }),
    ]
}

/// Restarts whose new pod was made in this time.
fn within(restarts: &[Restart], span: Span) -> impl Iterator<Item = &Restart> {
    restarts
        .iter()
        .filter(move |restart| span.holds(restart.new_made))
}

fn server_ready(lives: &[Life], span: Span) -> Option<Duration> {
    let servers = lives
        .iter()
        .filter(|life| life.role == Role::Server && span.holds(life.made));
    servers.filter_map(|life| life.ready).min()
}

/// Whether a goal was reached.
pub(crate) fn verdict(value: Option<f64>, most: f64) -> &'static str {
    match value {
        Some(value) if value <= most => "reached",
        Some(_) => "missed",
        None => "not measured",
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.digits$}"))
}

fn median(values: &[Option<f64>]) -> Option<f64> {
    let mut values: Vec<_> = values.iter().flatten().copied().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len().is_multiple_of(2) {
        Some(f64::midpoint(values[middle - 1], upper))
    } else {
        Some(upper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&[Some(3.0), None, Some(1.0), Some(9.0)]), Some(3.0));
        assert_eq!(median(&[Some(3.0), Some(1.0)]), Some(2.0));
        assert_eq!(median(&[None]), None);
    }
}
