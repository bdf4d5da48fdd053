//! Date-times as Flotta's models write and read them (go-openapi/strfmt 0.19).
//!
//! Written is RFC 3339 with exactly three fractional digits and the offset that was read. Go's zero
//! time stands for "no time", since Go cannot leave such a field out. A local time and its offset
//! are kept, not an instant: Go knows every year from 0 to 9999 in every offset, and instants at
//! both ends are beyond [`jiff::Timestamp`].

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil, fmt::temporal::Pieces, tz::Offset};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::absent::{Field, null_or};

/// A point in time in milliseconds with the offset in which it was told. Equal means equal in both.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    local: civil::DateTime,
    offset: Offset,
}

/// A text that is no date-time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a date-time such as 2022-10-06T13:32:29.000Z")]
pub struct InvalidDateTime;

impl DateTime {
    /// No time: Go's zero time, midnight of 1 January of the year 1, UTC.
    pub const ZERO: Self = Self {
        local: civil::date(1, 1, 1).at(0, 0, 0, 0),
        offset: Offset::UTC,
    };

    /// What an empty text is read as (strfmt's `NewDateTime`).
    const EPOCH: Self = Self {
        local: civil::date(1970, 1, 1).at(0, 0, 0, 0),
        offset: Offset::UTC,
    };

    /// Whether this is no time, in whatever offset it is told.
    pub fn is_zero(&self) -> bool {
        self.instant()
            .is_some_and(|instant| Some(instant) == Self::ZERO.instant())
    }

    /// The instant; `None` for [no time](Self::is_zero) and for what is beyond [`Timestamp`] (the
    /// last day of the year 9999).
    pub fn to_timestamp(&self) -> Option<Timestamp> {
        self.instant().filter(|_| !self.is_zero())
    }

    fn instant(&self) -> Option<Timestamp> {
        self.offset.to_timestamp(self.local).ok()
    }

    /// `None` for what could not be written: a year of more than four digits, an offset with
    /// seconds.
    fn new(local: civil::DateTime, offset: Offset) -> Option<Self> {
        let writable = (0..=9999).contains(&local.year()) && offset.seconds() % 60 == 0;
        let whole_millis = local.subsec_nanosecond() / 1_000_000 * 1_000_000;
        let local = local.with().subsec_nanosecond(whole_millis).build().ok()?;
        writable.then_some(Self { local, offset })
    }
}

impl Default for DateTime {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<Timestamp> for DateTime {
    /// In UTC; an instant before the year 0 becomes [no time](Self::ZERO).
    fn from(instant: Timestamp) -> Self {
        Self::new(Offset::UTC.to_datetime(instant), Offset::UTC).unwrap_or(Self::ZERO)
    }
}

impl FromStr for DateTime {
    type Err = InvalidDateTime;

    /// Reads RFC 3339 with any fraction, of which milliseconds are kept, and also without a zone,
    /// which means UTC.
    fn from_str(text: &str) -> Result<Self, InvalidDateTime> {
        if text.is_empty() {
            return Ok(Self::EPOCH);
        }
        let pieces = Pieces::parse(text).map_err(|_| InvalidDateTime)?;
        if pieces.time_zone_annotation().is_some() {
            return Err(InvalidDateTime);
        }
        let time = pieces.time().ok_or(InvalidDateTime)?;
        let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
        Self::new(pieces.date().to_datetime(time), offset).ok_or(InvalidDateTime)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.local.date(), self.local.time());
        write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())?;
        write!(
            f,
            "T{:02}:{:02}:{:02}.{:03}",
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )?;
        match self.offset.seconds() / 60 {
            0 => f.write_str("Z"),
            minutes => {
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.unsigned_abs();
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DateTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DateTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = DateTime;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date-time")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<DateTime, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl Field for DateTime {
    fn is_absent(&self) -> bool {
        false
    }
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        null_or(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, InvalidDateTime> {
        text.parse::<DateTime>().map(|time| time.to_string())
    }

    #[test]
    fn milliseconds_and_the_offset_are_kept() {
        for (text, again) in [
            ("2022-10-06T13:32:29Z", "2022-10-06T13:32:29.000Z"),
            ("2022-10-06T13:32:29.1239999Z", "2022-10-06T13:32:29.123Z"),
            ("2022-10-06T13:32:29.5+02:00", "2022-10-06T13:32:29.500+02:00"),
            ("2022-10-06T13:32:29.123-11:30", "2022-10-06T13:32:29.123-11:30"),
            ("2022-10-06T13:32:29+00:00", "2022-10-06T13:32:29.000Z"),
            ("2022-10-06T13:32:29", "2022-10-06T13:32:29.000Z"),
            ("2022-10-06T13:32:29.25", "2022-10-06T13:32:29.250Z"),
            ("9999-12-31T23:59:59.999-12:00", "9999-12-31T23:59:59.999-12:00"),
            ("0000-01-01T00:00:00.000+14:00", "0000-01-01T00:00:00.000+14:00"),
            // Go reads offsets up to +24:60 and writes that one so.
            ("2022-10-06T13:32:29.000+25:00", "2022-10-06T13:32:29.000+25:00"),
            ("", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(written(text).as_deref(), Ok(again), "{text}");
            assert_eq!(
                text.parse::<DateTime>(),
                again.parse(),
                "{text}: nothing is kept that is not written"
            );
        }
    }

    #[test]
    fn what_is_not_a_date_with_a_time_is_refused() {
        for text in [
            "2022-10-06",
            "13:32:29",
            "now",
            "2022-13-06T13:32:29Z",
            "2022-10-06T24:32:29Z",
            "-000001-10-06T13:32:29Z",
        ] {
            assert_eq!(written(text), Err(InvalidDateTime), "{text}");
        }
        assert_eq!(
            written("2022-10-06T13:32:29+02:00[Europe/Paris]"),
            Err(InvalidDateTime)
        );
        assert_eq!(written("2022-10-06T13:32:29+02:00:01"), Err(InvalidDateTime));
    }

    #[test]
    fn the_zero_time_is_no_time() {
        assert_eq!(DateTime::default().to_string(), "0001-01-01T00:00:00.000Z");
        for zero in ["0001-01-01T00:00:00.000Z", "0001-01-01T01:00:00.000+01:00"] {
            let zero: DateTime = zero.parse().unwrap();
            assert!(zero.is_zero());
            assert_eq!(zero.to_timestamp(), None);
        }
        let null: DateTime = serde_json::from_str::<crate::WorkloadStatus>(r#"{"last_data_upload":null}"#)
            .unwrap()
            .last_data_upload;
        assert_eq!(null, DateTime::ZERO);
    }

    #[test]
    fn an_instant_is_the_same_in_every_offset() {
        let instant: Timestamp = "2022-10-06T11:32:29.5Z".parse().unwrap();
        assert_eq!(
            "2022-10-06T13:32:29.5+02:00"
                .parse::<DateTime>()
                .unwrap()
                .to_timestamp(),
            Some(instant)
        );
        assert_eq!(DateTime::from(instant).to_string(), "2022-10-06T11:32:29.500Z");
        assert_eq!(
            "9999-12-31T00:00:00Z".parse::<DateTime>().unwrap().to_timestamp(),
            None
        );
    }
}
