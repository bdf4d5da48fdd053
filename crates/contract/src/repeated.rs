//! All events of a heartbeat that tells of more than a list has room for: those of the same words
//! are one, with a count.
//!
//! A device that tries something again and again tells the same words every time, and how often is
//! what a person wants to know of it. So the events are read once more where their list was cut,
//! one by one, and of kinds beyond the bound the first are left out.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
};

use serde::{
    Deserializer, Serialize,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use sha256::Hashing;

use crate::{
    EventInfo, HeapSize,
    bounded::{Bounds, beginning},
};

/// An event, and how often it was told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeated {
    /// Its words, as far as they are kept.
    pub event: EventInfo,
    /// The kind of the words as they were told.
    pub kind: Kind,
    /// How often.
    pub count: u64,
}

impl HeapSize for Repeated {
    fn heap_size(&self) -> usize {
        self.event.heap_size()
    }
}

/// What events of the same words have in common: a hash of the whole of them, so that two that
/// differ only beyond what is kept are two, and no more than this is kept for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Kind(pub [u8; 16]);

impl Kind {
    /// That of an event whose words are whole.
    pub fn of(event: &EventInfo) -> Self {
        let mut hash = Hashing::default();
        for part in [&event.r#type, &event.reason, &event.message] {
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut kind = [0; 16];
        kind.copy_from_slice(&hash.finish().as_bytes()[..16]);
        Self(kind)
    }
}

/// At most so many bytes of a text, of which the last three say that something was cut off.
pub fn cut(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    format!("{}{CUT}", beginning(text, longest.saturating_sub(CUT.len())))
}

/// Stands for what was cut off.
const CUT: &str = "…";

/// Reads the events of a heartbeat and nothing else of it, and says whether all of their kinds are
/// there.
pub fn events(heartbeat: &[u8], bounds: Bounds) -> Result<(Vec<Repeated>, bool), serde_json::Error> {
    let mut tally = Tally {
        bounds,
        counts: HashMap::new(),
        order: VecDeque::new(),
        bytes: 0,
        whole: true,
    };
    serde_json::Deserializer::from_slice(heartbeat).deserialize_map(Fields(&mut tally))?;
    Ok(tally.finish())
}

struct Tally {
    bounds: Bounds,
    counts: HashMap<Kind, u64>,
    /// As they came first.
    order: VecDeque<(Kind, EventInfo)>,
    bytes: usize,
    whole: bool,
}

impl Tally {
    fn add(&mut self, mut event: EventInfo) {
        let kind = Kind::of(&event);
        if let Some(count) = self.counts.get_mut(&kind) {
            *count = count.saturating_add(1);
            return;
        }
        for text in [&mut event.r#type, &mut event.reason, &mut event.message] {
            if text.len() > self.bounds.text {
                self.whole = false;
                *text = cut(text, self.bounds.text);
            }
        }
        self.bytes += size(&event);
        self.counts.insert(kind, 1);
        self.order.push_back((kind, event));
        while self.bytes > self.bounds.list
            && let Some((kind, first)) = self.order.pop_front()
        {
            self.counts.remove(&kind);
            self.bytes -= size(&first);
            self.whole = false;
        }
    }

    fn finish(self) -> (Vec<Repeated>, bool) {
        let counts = self.counts;
        let told = self.order.into_iter().map(|(kind, event)| Repeated {
            count: counts.get(&kind).copied().unwrap_or(1),
            event,
            kind,
        });
        (told.collect(), self.whole)
    }
}

/// As [`crate::bounded`] counts an event.
fn size(event: &EventInfo) -> usize {
    size_of::<Option<EventInfo>>() + event.r#type.len() + event.reason.len() + event.message.len()
}

struct Fields<'t>(&'t mut Tally);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a heartbeat")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<String>()? {
            if name == "events" {
                fields.next_value_seed(List(self.0))?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct List<'t>(&'t mut Tally);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, list: D) -> Result<(), D::Error> {
        // Its list was cut, so it is one.
        list.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        while let Some(event) = events.next_element::<Option<EventInfo>>()? {
            if let Some(event) = event {
                self.0.add(event);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(count: usize, message: impl Fn(usize) -> String) -> Vec<u8> {
        let events: Vec<_> = (0..count)
            .map(|n| format!(r#"{{"message":"{}"}}"#, message(n)))
            .collect();
        format!(
            r#"{{"version":"1","events":[null,{}],"workloads":[]}}"#,
            events.join(",")
        )
        .into_bytes()
    }

    #[test]
    fn equal_events_are_one_with_a_count() {
        let (told, whole) = events(&heartbeat(45_000, |n| (n % 3).to_string()), Bounds::RECEIVED).unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|told| (&*told.event.message, told.count))
            .collect();
        assert_eq!(told, [("0", 15_000), ("1", 15_000), ("2", 15_000)]);
        assert!(whole);
    }

    #[test]
    fn of_more_kinds_than_there_is_room_for_the_last_are_kept() {
        let (told, whole) = events(&heartbeat(45_000, |n| n.to_string()), Bounds::RECEIVED).unwrap();
        assert!(!whole && (1000..5000).contains(&told.len()), "{}", told.len());
        let first: usize = told[0].event.message.parse().unwrap();
        assert_eq!(first + told.len(), 45_000);
        assert!(told.heap_size() < 1 << 20);
    }

    #[test]
    fn of_a_long_text_the_beginning_is_kept() {
        let (told, whole) = events(&heartbeat(2, |_| "x".repeat(5000)), Bounds::RECEIVED).unwrap();
        assert_eq!((told.len(), told[0].count, whole), (1, 2, false));
        assert_eq!(told[0].event.message.len(), Bounds::RECEIVED.text);
        assert!(told[0].event.message.ends_with("x…"));
    }

    #[test]
    fn texts_that_differ_only_beyond_what_is_kept_are_two_events() {
        let message = |n: usize| format!("{}{}", "é".repeat(3000), n % 2);
        let (told, whole) = events(&heartbeat(5, message), Bounds::RECEIVED).unwrap();
        let counts: Vec<_> = told.iter().map(|told| told.count).collect();
        assert_eq!((counts, whole), (vec![3, 2], false));
        assert_eq!(told[0].event, told[1].event);
        for (n, told) in told.iter().enumerate() {
            let event = EventInfo {
                message: message(n),
                ..EventInfo::default()
            };
            assert_eq!(told.kind, Kind::of(&event), "as of an event that is read whole");
            assert!(told.event.message.ends_with("é…"));
        }
    }
}
