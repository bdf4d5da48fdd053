//! Which configuration a device is to have, and whether it has it.
//!
//! What it is to have follows from its polls, what it has from its heartbeats. Nothing else is said
//! about it: the agent reports neither success nor failure of an update, only the version that it
//! applied last, and events.
//!
//! It is part of [`crate::Life`] and not of the report: it changes a few times per change of the
//! configuration, a life is a tenth of a report's size, and lists of devices read lives alone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock;

/// The period of heartbeats that the agent uses when it is told none, or none that is positive, in
/// seconds.
pub const DEFAULT_PERIOD: i64 = 60;

/// So many heartbeats after the hand-over that name a version of somebody else's show that the
/// content was equal.
const ECHOES: u32 = 2;

/// So many earlier configurations are remembered, since a device may apply one late.
const FORMER: usize = 4;

/// Longest version of a device that is kept, in characters; ours have 64.
const LONGEST_VERSION: usize = 128;

/// Longest message that is kept, in characters.
const LONGEST_MESSAGE: usize = 1024;

/// The configuration that a poll is about to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered<'a> {
    /// Its version: 64 lower-case hexadecimal digits, equal exactly when the agent finds the
    /// content equal.
    pub version: &'a str,
    /// The period of heartbeats in it, in seconds; what is not positive is [`DEFAULT_PERIOD`], as
    /// in the agent.
    pub period_seconds: i64,
}

/// Which configuration a device is to have, and which it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// The one that it is to have, as of its last poll that could be answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
    /// Those that it was handed before, latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
    /// The one that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// Its events since it is to have another one than it has. They can come with the old version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meanwhile: Option<Meanwhile>,
}

/// A configuration that a device is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// Its version.
    pub version: String,
    /// The period of heartbeats in it, in seconds.
    pub period_seconds: i64,
    /// Since which of the device's polls.
    pub since: Timestamp,
    /// When it was first handed over; absent while it is withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_over: Option<Timestamp>,
}

/// A configuration that a device was to have before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Former {
    /// Its version.
    pub version: String,
    /// The period of heartbeats in it, in seconds.
    pub period_seconds: i64,
}

/// What a device says that it has applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The version, of whichever backend. Cut at 128 characters.
    pub version: String,
    /// The first heartbeat with it.
    pub since: Timestamp,
    /// The period of heartbeats in it, in seconds, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_seconds: Option<i64>,
    /// Heartbeats with it although another one was handed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<Echo>,
}

/// A version that this server never issued and that a device keeps naming.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Echo {
    /// The version that was handed over.
    pub of: String,
    /// How many heartbeats since then named the other one; not counted beyond what is proof.
    pub count: u32,
    /// The last of them that was counted.
    pub at: Timestamp,
}

/// Events of a device that does not have what it is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meanwhile {
    /// How many.
    pub count: u64,
    /// The last one's message. Cut at 1024 characters.
    pub message: String,
    /// When that came.
    pub last: Timestamp,
}

/// How it is known that a device has what it is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppliedBy {
    /// It says so: it names the version.
    Version,
    /// It was handed over, and the device goes on naming the version of another backend: the agent
    /// found the content equal, and then it keeps its old version.
    Echo,
}

impl Delivery {
    /// How it is known that the device has what it is to have; `None` if it is not known.
    pub fn applied_by(&self) -> Option<AppliedBy> {
        let (wanted, applied) = (self.wanted.as_ref()?, self.applied.as_ref()?);
        if applied.version == wanted.version {
            return Some(AppliedBy::Version);
        }
        applied
            .echo
            .as_ref()
            .filter(|echo| echo.of == wanted.version && echo.proves())
            .map(|_| AppliedBy::Echo)
    }

    /// Since when the device is known to have what it is to have.
    pub fn applied_since(&self) -> Option<Timestamp> {
        let applied = self.applied.as_ref()?;
        match self.applied_by()? {
            AppliedBy::Version => Some(applied.since),
            AppliedBy::Echo => applied.echo.as_ref().map(|echo| echo.at),
        }
    }

    /// The device is to have another configuration than it has.
    pub fn is_pending(&self) -> bool {
        self.wanted.is_some() && self.applied_by().is_none()
    }

    /// The period of heartbeats that the device has applied, in seconds, where that is known.
    pub fn applied_period(&self) -> Option<i64> {
        self.applied.as_ref().and_then(|applied| applied.period_seconds)
    }

    /// Whether the device was ever given a configuration by this store, since it joined.
    pub fn was_handed_over(&self) -> bool {
        let wanted = self.wanted.as_ref();
        !self.former.is_empty() || wanted.is_some_and(|wanted| wanted.handed_over.is_some())
    }

    /// Whether a poll that is about to be answered with this changes anything.
    pub(crate) fn is_news(&self, offered: &Offered<'_>, withheld: bool) -> bool {
        self.wanted
            .as_ref()
            .filter(|wanted| wanted.version == offered.version)
            .is_none_or(|wanted| wanted.handed_over.is_none() && !withheld)
    }

    /// A poll is about to be answered with this, or would be if it were not withheld.
    pub(crate) fn poll(&mut self, offered: &Offered<'_>, withheld: bool, now: Timestamp) {
        let handed_over = (!withheld).then_some(now);
        if let Some(wanted) = self
            .wanted
            .as_mut()
            .filter(|wanted| wanted.version == offered.version)
        {
            wanted.handed_over = wanted.handed_over.or(handed_over);
            return;
        }
        let before = self.wanted.replace(Wanted {
            version: offered.version.to_owned(),
            period_seconds: period(offered.period_seconds),
            since: now,
            handed_over,
        });
        self.meanwhile = None;
        if let Some(applied) = &mut self.applied {
            // Echoes count from this hand-over.
            applied.echo = applied.echo.take().filter(Echo::proves);
            // It can have it already: a store that was restored knows less than the device.
            if applied.version == offered.version {
                applied.period_seconds = Some(period(offered.period_seconds));
            }
        }
        if let Some(before) = before.filter(|before| before.handed_over.is_some()) {
            self.former.retain(|former| former.version != before.version);
            self.former.insert(
                0,
                Former {
                    version: before.version,
                    period_seconds: before.period_seconds,
                },
            );
            self.former.truncate(FORMER);
        }
    }

    /// A heartbeat names this version and brings these messages of events, each so often.
    pub(crate) fn beat<'a>(
        &mut self,
        version: &str,
        messages: impl Iterator<Item = (&'a str, u64)>,
        now: Timestamp,
    ) {
        let pending = self.is_pending();
        let version: String = version.chars().take(LONGEST_VERSION).collect();
        if self.applied.as_ref().map(|applied| &applied.version) != Some(&version) {
            let known = self.period_of(&version);
            let kept = self.applied.as_ref().and_then(|applied| applied.period_seconds);
            self.applied = Some(Applied {
                version,
                since: now,
                period_seconds: known.or(kept),
                echo: None,
            });
        }
        self.echo(now);
        // Those of the heartbeat that ends the waiting happened before it.
        if pending || self.is_pending() {
            for (message, count) in messages {
                self.meanwhile = Some(Meanwhile {
                    count: self
                        .meanwhile
                        .as_ref()
                        .map_or(count, |meanwhile| meanwhile.count.saturating_add(count)),
                    message: message.chars().take(LONGEST_MESSAGE).collect(),
                    last: now,
                });
            }
        }
    }

    /// Makes each time what it counts as at `now`, see [`clock`].
    pub(crate) fn settle(&mut self, now: Timestamp) {
        if let Some(wanted) = &mut self.wanted {
            clock::settle(&mut wanted.since, now);
            clock::settle_all(&mut wanted.handed_over, now);
        }
        if let Some(applied) = &mut self.applied {
            clock::settle(&mut applied.since, now);
            clock::settle_all(applied.echo.as_mut().map(|echo| &mut echo.at), now);
        }
        clock::settle_all(self.meanwhile.as_mut().map(|meanwhile| &mut meanwhile.last), now);
    }

    /// Counts a heartbeat with somebody else's version. An empty one is no echo: its device never
    /// had a configuration, so it cannot have had an equal one. And equal content was equal to one
    /// configuration only: once that is shown, a further one is applied when the device names it.
    fn echo(&mut self, now: Timestamp) {
        let (Some(wanted), Some(applied)) = (&self.wanted, &mut self.applied) else {
            return;
        };
        let handed_over = wanted.handed_over.is_some_and(|handed_over| handed_over < now);
        if !handed_over || applied.version.is_empty() || is_ours(&applied.version) {
            return;
        }
        let count = match &applied.echo {
            Some(echo) if echo.proves() => return,
            Some(echo) if echo.of == wanted.version => echo.count.saturating_add(1),
            _ => 1,
        };
        let echo = Echo {
            of: wanted.version.clone(),
            count,
            at: now,
        };
        if echo.proves() {
            applied.period_seconds = Some(wanted.period_seconds);
        }
        applied.echo = Some(echo);
    }

    fn period_of(&self, version: &str) -> Option<i64> {
        let former = self
            .former
            .iter()
            .map(|former| (&former.version, former.period_seconds));
        self.wanted
            .iter()
            .map(|wanted| (&wanted.version, wanted.period_seconds))
            .chain(former)
            .find(|(known, _)| *known == version)
            .map(|(_, period)| period)
    }
}

impl Echo {
    fn proves(&self) -> bool {
        self.count >= ECHOES
    }
}

/// Whether this is the form of the versions that this server issues.
pub fn is_ours(version: &str) -> bool {
    version.len() == 64
        && version
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn period(seconds: i64) -> i64 {
    if seconds > 0 { seconds } else { DEFAULT_PERIOD }
}
