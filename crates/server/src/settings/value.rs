//! Values as people write them: `800ms`, `1MiB`, `automatic`. An error is what would be right.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use contract::Confidential;
use fleet::{Approval, UnknownKey};
use jiff::SignedDuration;
use manifests::UnknownFields;
use tracing_subscriber::EnvFilter;

use super::StoreLocation;
use crate::{sources::Share, telemetry::Format};

pub(super) type Parsed<T> = Result<T, String>;

/// A time span above zero.
pub(super) fn duration(text: &str) -> Parsed<Duration> {
    let reason = || "a duration is a number with a unit, such as 800ms, 10s or 1h".to_owned();
    let span: SignedDuration = text.parse().map_err(|_| reason())?;
    let span = Duration::try_from(span).map_err(|_| reason())?;
    if span.is_zero() {
        Err("it must be longer than zero".to_owned())
    } else {
        Ok(span)
    }
}

/// A time span in the form in which rules take it.
pub(super) fn signed_duration(text: &str) -> Parsed<SignedDuration> {
    SignedDuration::try_from(duration(text)?).map_err(|_| "it is too long".to_owned())
}

/// A number of bytes above zero.
pub(super) fn size(text: &str) -> Parsed<usize> {
    let reason = || "a size is a whole number of bytes, KiB, MiB or GiB, such as 65536 or 1MiB".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" => 1024,
        "MiB" => 1024 * 1024,
        "GiB" => 1024 * 1024 * 1024,
        _ => return Err(reason()),
    };
    let number: usize = number.parse().map_err(|_| reason())?;
    match number.checked_mul(factor) {
        None => Err(reason()),
        Some(0) => Err("it must be more than zero".to_owned()),
        Some(bytes) => Ok(bytes),
    }
}

/// A number above zero.
pub(super) fn count(text: &str) -> Parsed<usize> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it must be a whole number above zero".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// A number above zero that is repeated for each device.
pub(super) fn small(text: &str) -> Parsed<u32> {
    match text.parse() {
        Ok(number @ 1..=1000) => Ok(number),
        _ => Err("it must be a whole number from 1 to 1000".to_owned()),
    }
}

/// A share in whole percent.
pub(super) fn share(text: &str) -> Parsed<Share> {
    let percent = text
        .strip_suffix('%')
        .and_then(|number| number.trim_end().parse().ok());
    percent
        .and_then(Share::percent)
        .ok_or_else(|| "a share is a whole number of percent from 0% to 100%".to_owned())
}

/// An IP address with a port.
pub(super) fn address(text: &str) -> Parsed<SocketAddr> {
    text.parse()
        .map_err(|_| "an address is IP:PORT, such as 0.0.0.0:8443 or [::]:8443".to_owned())
}

/// A path that is not empty.
pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    if text.is_empty() {
        Err("it must be a path".to_owned())
    } else {
        Ok(PathBuf::from(text))
    }
}

pub(super) fn truth(text: &str) -> Parsed<bool> {
    text.parse().map_err(|_| "it must be true or false".to_owned())
}

pub(super) fn approval(text: &str) -> Parsed<Approval> {
    match text {
        "automatic" | "auto" => Ok(Approval::Automatic),
        "manual" => Ok(Approval::Manual),
        _ => Err("it must be automatic or manual".to_owned()),
    }
}

pub(super) fn unknown_key(text: &str) -> Parsed<UnknownKey> {
    match text {
        "accept-first" => Ok(UnknownKey::AcceptFirst),
        "require-permission" => Ok(UnknownKey::RequirePermission),
        _ => Err("it must be accept-first or require-permission".to_owned()),
    }
}

pub(super) fn unknown_fields(text: &str) -> Parsed<UnknownFields> {
    match text {
        "refuse" => Ok(UnknownFields::Refuse),
        "warn" => Ok(UnknownFields::Warn),
        _ => Err("it must be refuse or warn".to_owned()),
    }
}

pub(super) fn log_format(text: &str) -> Parsed<Format> {
    match text {
        "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("it must be text or json".to_owned()),
    }
}

/// A level, or directives as `info,edge_config_server=debug`. Kept as text: a filter cannot be
/// compared or copied.
pub(super) fn log_level(text: &str) -> Parsed<String> {
    // The reader of filters takes a misspelled level for the name of a module.
    let levels = ["off", "error", "warn", "info", "debug", "trace"];
    let known = text
        .split(',')
        .all(|part| part.contains('=') || levels.contains(&part));
    if known && EnvFilter::try_new(text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(
        "it must be error, warn, info, debug, trace or a list such as info,edge_config_server=debug"
            .to_owned(),
    )
}

pub(super) fn store(text: &str) -> Parsed<StoreLocation> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        return match path {
            "" | ":memory:" => Err("sqlite: must be followed by the path of a file".to_owned()),
            path => Ok(StoreLocation::Sqlite(path.into())),
        };
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return Ok(StoreLocation::Postgres(Confidential::from(text)));
    }
    Err("it must be sqlite:PATH or postgres://USER@HOST/DATABASE".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("800ms"), Ok(Duration::from_millis(800)));
        assert_eq!(duration("1h"), Ok(Duration::from_hours(1)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("PT1M"), Ok(Duration::from_mins(1)));
        for wrong in ["", "5", "-1s", "0s", "1 fortnight", "1month"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("1MiB"), Ok(1 << 20));
        assert_eq!(size("64 KiB"), Ok(1 << 16));
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("100"), Ok(100));
        for wrong in ["", "MiB", "1MB", "1Gi", "1.5MiB", "-1", "0", "99999999999999MiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn stores() {
        assert_eq!(
            store("sqlite:data/fleet.db"),
            Ok(StoreLocation::Sqlite("data/fleet.db".into()))
        );
        assert!(matches!(
            store("postgres://flotta@db/fleet"),
            Ok(StoreLocation::Postgres(_))
        ));
        for wrong in ["", "sqlite:", "sqlite::memory:", "mysql://db", "fleet.db"] {
            assert!(store(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn log_levels() {
        assert!(log_level("info").is_ok() && log_level("info,edge_config_server=debug").is_ok());
        assert!(log_level("").is_err() && log_level("inof").is_err() && log_level("a=b=c").is_err());
    }
}
