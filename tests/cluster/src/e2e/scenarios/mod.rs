//! What must hold on a whole cluster, scenario by scenario.

use std::future::Future;
use std::pin::Pin;

use anyhow::Result;

use crate::stage::{Stage, State};
pub(crate) use list::ALL;

mod back;
mod by_hand;
mod companion;
mod drift;
mod holds;
mod install;
mod life;
mod list;
mod postgresql;
mod refusal;

/// One of them.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// `group/what`, as the user names it.
    pub(crate) name: &'static str,
    /// What must hold, for a reader of the list.
    pub(crate) about: &'static str,
    /// What it begins with.
    pub(crate) from: State,
    /// What it leaves when it passes.
    pub(crate) leaves: State,
    /// What it does that only a throwaway cluster allows, if anything: why it is not played on one
    /// of the user's.
    pub(crate) on_throwaway_only: Option<&'static str>,
    /// Whether it takes more than a minute, so that it is begun before others where clusters share
    /// the work.
    pub(crate) is_long: bool,
    /// Plays it.
    pub(crate) run: Run,
}

/// How a scenario is played.
pub(crate) type Run = for<'a> fn(&'a mut Stage) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

impl Scenario {
    const fn new(name: &'static str, about: &'static str, from: State, leaves: State, run: Run) -> Self {
        Self {
            name,
            about,
            from,
            leaves,
            on_throwaway_only: None,
            is_long: false,
            run,
        }
    }

    const fn long(mut self) -> Self {
        self.is_long = true;
        self
    }

    const fn on_throwaway_only(mut self, reason: &'static str) -> Self {
        self.on_throwaway_only = Some(reason);
        self
    }
}
