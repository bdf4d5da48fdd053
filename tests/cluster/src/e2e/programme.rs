//! Which scenario comes next: in the order of the list, or, where several clusters share the work,
//! what suits this one.
//!
//! They share a folder that has a file for each scenario still to be played, under its name. Who
//! renames it plays it, and removes it when it passed; so what is there in the end did not pass, or
//! was never begun, whatever became of who played it. A range of the list for each was rejected:
//! one had the long ones, and the others were done in half the time.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::scenarios::Scenario;
use crate::stage::State;

/// What is to be played.
#[derive(Debug)]
pub(crate) struct Programme {
    todo: Vec<&'static Scenario>,
    queue: Option<Queue>,
}

impl Programme {
    /// All of these, in their order.
    pub(crate) fn alone(todo: Vec<&'static Scenario>) -> Self {
        Self { todo, queue: None }
    }

    /// Those of these that nobody else takes from this folder.
    pub(crate) fn shared(todo: Vec<&'static Scenario>, queue: &Path) -> Self {
        Self {
            todo,
            queue: Some(Queue(queue.to_owned())),
        }
    }

    /// Whether others play what this one does not.
    pub(crate) fn is_shared(&self) -> bool {
        self.queue.is_some()
    }

    /// The next one, on a cluster in this state.
    pub(crate) fn next(&mut self, state: State) -> Result<Option<&'static Scenario>> {
        let Some(queue) = &self.queue else {
            return Ok((!self.todo.is_empty()).then(|| self.todo.remove(0)));
        };
        while !self.todo.is_empty() {
            let scenario = self.todo.remove(most_suitable(&self.todo, state));
            if queue.take(scenario.name)? {
                return Ok(Some(scenario));
            }
        }
        Ok(None)
    }

    /// It passed.
    pub(crate) fn passed(&self, scenario: &Scenario) -> Result<()> {
        self.queue
            .as_ref()
            .map_or(Ok(()), |queue| queue.remove(scenario.name))
    }

    /// It could not be begun here.
    pub(crate) fn give_back(&self, scenario: &Scenario) -> Result<()> {
        self.queue
            .as_ref()
            .map_or(Ok(()), |queue| queue.give_back(scenario.name))
    }
}

/// Long ones first, so that none is begun when the others are done; then what begins with what is
/// there; then what needs no clearing, which takes a quarter of a minute; then any.
fn most_suitable(todo: &[&Scenario], state: State) -> usize {
    let needs_no_clearing =
        |from: State| state == State::Nothing || (state, from) == (State::Flotta, State::Switched);
    let rank = |scenario: &Scenario| match scenario.from {
        _ if scenario.is_long => 0,
        from if from == state => 1,
        from if needs_no_clearing(from) => 2,
        _ => 3,
    };
    let first = todo.iter().enumerate().min_by_key(|(_, scenario)| rank(scenario));
    first.map_or(0, |(at, _)| at)
}

/// The folder.
#[derive(Debug)]
struct Queue(PathBuf);

impl Queue {
    fn waiting(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn taken(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.taken"))
    }

    /// Whether it is ours now: of several renames of one file one succeeds.
    fn take(&self, name: &str) -> Result<bool> {
        match fs::rename(self.waiting(name), self.taken(name)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).with_context(|| format!("{name} cannot be taken from the queue")),
        }
    }

    fn give_back(&self, name: &str) -> Result<()> {
        fs::rename(self.taken(name), self.waiting(name))
            .with_context(|| format!("{name} cannot be given back to the queue"))
    }

    fn remove(&self, name: &str) -> Result<()> {
        fs::remove_file(self.taken(name)).with_context(|| format!("{name} cannot be removed from the queue"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::ALL;

    fn queue(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn all() -> Vec<&'static Scenario> {
        ALL.iter().collect()
    }

    #[test]
    fn alone_plays_the_list_as_it_is() {
        let mut programme = Programme::alone(all());
        let mut played = Vec::new();
        while let Some(scenario) = programme.next(State::Unknown).unwrap() {
            played.push(scenario.name);
        }
        assert_eq!(
            played,
            ALL.iter().map(|scenario| scenario.name).collect::<Vec<_>>()
        );
    }

    #[test]
    fn two_that_share_play_each_scenario_once() {
        let names: Vec<_> = ALL.iter().map(|scenario| scenario.name).collect();
        let folder = queue(&names);
        let mut two = [(), ()].map(|()| Programme::shared(all(), folder.path()));
        let mut states = [State::Nothing; 2];
        let mut played = Vec::new();
        let mut turn = 0;
        while let Some(scenario) = two[turn].next(states[turn]).unwrap() {
            two[turn].passed(scenario).unwrap();
            states[turn] = scenario.leaves;
            played.push(scenario.name);
            turn = 1 - turn;
        }
        let longs = ALL.iter().filter(|scenario| scenario.is_long).count();
        let is_long = |name: &&&str| {
            ALL.iter()
                .any(|scenario| scenario.name == **name && scenario.is_long)
        };
        assert_eq!(played.iter().take(longs).filter(is_long).count(), longs);
        played.sort_unstable();
        let mut names = names;
        names.sort_unstable();
        assert_eq!(played, names);
    }

    #[test]
    fn what_fits_the_state_comes_before_what_needs_clearing() {
        let short: Vec<_> = ALL.iter().filter(|scenario| !scenario.is_long).collect();
        for state in [State::Flotta, State::Switched] {
            assert_eq!(short[most_suitable(&short, state)].from, state);
        }
        let switched: Vec<_> = short
            .into_iter()
            .filter(|scenario| scenario.from != State::Flotta)
            .collect();
        assert_eq!(
            switched[most_suitable(&switched, State::Flotta)].from,
            State::Switched
        );
    }

    #[test]
    fn what_is_given_back_is_there_for_others_and_what_failed_stays_taken() {
        let names = [ALL[0].name, ALL[1].name];
        let folder = queue(&names);
        let mut programme = Programme::shared(all(), folder.path());
        let first = programme.next(State::Nothing).unwrap().unwrap();
        let second = programme.next(State::Unknown).unwrap().unwrap();
        programme.give_back(first).unwrap();
        let mut other = Programme::shared(all(), folder.path());
        assert_eq!(other.next(State::Nothing).unwrap().unwrap().name, first.name);
        assert!(other.next(State::Nothing).unwrap().is_none());
        assert!(folder.path().join(format!("{}.taken", second.name)).exists());
    }
}
