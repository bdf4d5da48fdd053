//! Who gets a configuration, and what a poll for it says. What is in it, the crate `configuration`
//! puts together.

use jiff::Timestamp;

use crate::{Change, Context, Device, Event, Life, Offered, Presence, Severity, State, Verdict, deletion};

/// Whether a device gets its configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationAnswer {
    /// It does.
    Serve,
    /// It is no approved device.
    NotApproved,
    /// It was adopted: what it runs is not known here, and a configuration without it would remove
    /// it. It keeps what it has until an administrator releases the configuration.
    Withheld,
}

/// A device polls its configuration: the one request that proves a usable device certificate.
///
/// `offered` is what it is about to be answered, or would be if that were not withheld; `None` if
/// there is no answer for it but an error. A poll that is to be answered as before changes nothing
/// but times.
pub fn poll(
    device: Option<&Device>,
    offered: Option<&Offered<'_>>,
    context: &Context<'_>,
) -> Verdict<ConfigurationAnswer> {
    let Some(device) = device else {
        return Verdict::only(ConfigurationAnswer::NotApproved);
    };
    if let State::Deleted(tombstone) = &device.life.state
        && deletion::rests(tombstone, &device.presence, context)
    {
        return Verdict::only(ConfigurationAnswer::NotApproved);
    }
    let mut change = Change {
        presence: Some(Presence::default().polled(context.now)),
        ..Change::default()
    };
    let answer = match &device.life.state {
        State::Approved {
            configuration_withheld,
            ..
        } => {
            let withheld = *configuration_withheld;
            change.life = heard(&device.life, offered, withheld, context.now);
            if withheld {
                ConfigurationAnswer::Withheld
            } else {
                ConfigurationAnswer::Serve
            }
        }
        State::Waiting { .. } | State::Rejected { .. } => ConfigurationAnswer::NotApproved,
        State::Deleted(before) => {
            if let Some(after) = deletion::polled(before, &device.presence, context) {
                let mut life = (*device.life).clone();
                life.state = State::Deleted(after);
                change.life = Some(life);
                change.events.push(Event::server(
                    Severity::Normal,
                    "Reappeared",
                    "the deleted device appeared again after a silence; it has a minute to enrol before it is told again",
                ));
            }
            ConfigurationAnswer::NotApproved
        }
    };
    Verdict { answer, change }
}

/// The life after an approved device was heard, if that changes it.
fn heard(life: &Life, offered: Option<&Offered<'_>>, withheld: bool, now: Timestamp) -> Option<Life> {
    let mut registration = life.registration.clone();
    let seen = registration.seen(now);
    let news = offered.filter(|offered| life.delivery.is_news(offered, withheld));
    if !seen && news.is_none() {
        return None;
    }
    let mut life = life.clone();
    if seen {
        life.registration = registration;
    }
    if let Some(offered) = news {
        life.delivery.poll(offered, withheld, now);
    }
    Some(life)
}
