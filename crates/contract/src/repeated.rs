//! All events of a heartbeat that tells of more than a list has room for: those of the same words are one, with a count.
//!
//! A device that tries something again and again tells the same words every time, and how often is what a person wants to
//! know of it. So the events are read once more where their list was cut, one by one, and of kinds beyond the bound the
//! first are left out.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    rc::Rc,
};

use serde::{
    Deserializer, Serialize,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::{
    EventInfo, HeapSize,
    bounded::{Bounds, beginning},
};

/// An event, and how often it was told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repeated {
    /// Its words.
    pub event: EventInfo,
    /// How often.
    pub count: u64,
}

impl HeapSize for Repeated {
    fn heap_size(&self) -> usize {
        self.event.heap_size()
    }
}

/// Reads the events of a heartbeat and nothing else of it, and says whether all of their kinds are there.
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

/// Type, reason and message.
type Words = [String; 3];

struct Tally {
    bounds: Bounds,
    counts: HashMap<Rc<Words>, u64>,
    /// As they came first.
    order: VecDeque<Rc<Words>>,
    bytes: usize,
    whole: bool,
}

impl Tally {
    fn add(&mut self, event: EventInfo) {
        let mut words = [event.r#type, event.reason, event.message];
        for text in &mut words {
            let kept = beginning(text, self.bounds.text).len();
            self.whole &= kept == text.len();
            text.truncate(kept);
        }
        if let Some(count) = self.counts.get_mut(&words) {
            *count = count.saturating_add(1);
            return;
        }
        self.bytes += size(&words);
        let words = Rc::new(words);
        self.counts.insert(Rc::clone(&words), 1);
        self.order.push_back(words);
        while self.bytes > self.bounds.list
            && let Some(first) = self.order.pop_front()
        {
            self.counts.remove(&first);
            self.bytes -= size(&first);
            self.whole = false;
        }
    }

    fn finish(mut self) -> (Vec<Repeated>, bool) {
        let counts = self.counts;
        let told = self.order.drain(..).map(|words| {
            let count = counts.get(&words).copied().unwrap_or(1);
            let [r#type, reason, message] = (*words).clone();
            let event = EventInfo {
                r#type,
                reason,
                message,
            };
            Repeated { event, count }
        });
        (told.collect(), self.whole)
    }
}

/// As [`crate::bounded`] counts an event.
fn size(words: &Words) -> usize {
    size_of::<Option<EventInfo>>() + words.iter().map(String::len).sum::<usize>()
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
    }
}
