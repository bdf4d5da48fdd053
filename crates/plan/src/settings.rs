//! The Edge API's settings: which it parses, which of them would end its process at the next start,
//! and which are ours.
//!
//! They are read once, at the start of the process. A value that somebody left malformed long ago
//! would surface at *our* restart; so all of them are looked at before it.

use std::collections::BTreeMap;

use crate::go;

/// Which backend the Edge API uses: `crd` or `remote`.
pub(crate) const BACKEND: &str = "BACKEND";
/// Where the remote backend is.
pub(crate) const URL: &str = "REMOTE_BACKEND_URL";
/// How long the Edge API would wait for it, if it did what it says.
pub(crate) const TIMEOUT: &str = "REMOTE_BACKEND_TIMEOUT";
/// The name under which Flotta's documentation has [`TIMEOUT`]; nothing reads it.
pub(crate) const MISSPELLED_TIMEOUT: &str = "REMOT_BACKEND_TIMEOUT";
/// Days that certificates of devices are valid.
pub(crate) const DAYS: &str = "CLIENT_CERT_EXPIRATION_DAYS";
/// The name that devices use.
pub(crate) const DOMAIN: &str = "DOMAIN";
/// Whether the host certificate has loopback addresses.
pub(crate) const LOCALHOST: &str = "TLS_LOCALHOST_ENABLED";

/// What [`DOMAIN`] is when it is not set.
pub(crate) const DEFAULT_DOMAIN: &str = "project-flotta.io";

/// Keys that can become ours.
pub(crate) const OWNABLE: [&str; 4] = [BACKEND, URL, TIMEOUT, DAYS];

/// Fewer days than this are warned of.
pub(crate) const FEW_DAYS: u32 = 365;

/// What is wrong with a setting, one sentence each, without the value: it may be anything.
pub(crate) fn faults(settings: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |key: &str, wanted: &str, good: &dyn Fn(&str) -> bool| {
        if let Some(value) = settings.get(key)
            && !good(value)
        {
            faults.push(format!(
                "setting {key} is not {wanted}, and the Edge API would end at its next start; correct it or remove it"
            ));
        }
    };
    check("HTTPS_PORT", "a port (0 to 65535)", &|value| {
        go::unsigned(value).is_some_and(|port| port <= 65535)
    });
    check(LOCALHOST, "true or false", &|value| go::boolean(value).is_some());
    check("METRICS_ADDR", "an address such as :8080", &|value| {
        value
            .rsplit_once(':')
            .is_some_and(|(_, port)| go::unsigned(port).is_some_and(|port| port <= 65535))
    });
    check(
        "LOG_LEVEL",
        "one of debug, info, warn, error, dpanic, panic, fatal",
        &|value| {
            matches!(
                value.to_ascii_lowercase().as_str(),
                "" | "debug" | "info" | "warn" | "warning" | "error" | "dpanic" | "panic" | "fatal"
            )
        },
    );
    check(DAYS, "a number of days", &|value| go::unsigned(value).is_some());
    check(TIMEOUT, "a duration with a unit, such as 5s", &go::is_duration);
    faults
}

/// Values for the ConfigMap, ours alone.
///
/// A user who followed Flotta's documentation has the timeout under its misspelled name; a
/// well-formed one is taken over unless the resource asks for another.
pub(crate) fn desired(
    spec: &crate::api::RemoteBackendSpec,
    found: &BTreeMap<String, String>,
) -> BTreeMap<&'static str, String> {
    let standard = crate::api::Backend::default().timeout;
    let timeout = match found.get(MISSPELLED_TIMEOUT) {
        Some(misspelled) if spec.backend.timeout == standard && go::is_duration(misspelled) => {
            misspelled.clone()
        }
        _ => spec.backend.timeout.clone(),
    };
    let mut values = BTreeMap::from([
        (BACKEND, "remote".to_owned()),
        (URL, spec.backend.url.clone()),
        (TIMEOUT, timeout),
    ]);
    if let Some(days) = spec.client_cert_expiration_days {
        values.insert(DAYS, days.to_string());
    }
    values
}

/// What should be known about the settings although nothing is blocked by it.
pub(crate) fn warnings(
    spec: &crate::api::RemoteBackendSpec,
    found: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(value) = found.get(MISSPELLED_TIMEOUT) {
        warnings.push(if go::is_duration(value) {
            format!("setting {MISSPELLED_TIMEOUT} is misspelled and read by nothing; its value was taken over into {TIMEOUT}, remove it")
        } else {
            format!("setting {MISSPELLED_TIMEOUT} is misspelled, read by nothing and no duration (such as 5s); remove it")
        });
    }
    let days = spec
        .client_cert_expiration_days
        .map(u64::from)
        .or_else(|| found.get(DAYS).map_or(Some(30), |value| go::unsigned(value)));
    if let Some(days) = days.filter(|days| *days < u64::from(FEW_DAYS)) {
        warnings.push(format!(
            "certificates of devices are valid for {days} days; a device that is off for longer can never come back by itself, \
             set spec.clientCertExpirationDays to {FEW_DAYS} or more"
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RemoteBackendSpec;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn flottas_own_settings_are_fine() {
        let found = map(&[
            ("METRICS_ADDR", ":8080"),
            ("PROBE_ADDR", ":8081"),
            ("LOG_LEVEL", "info"),
        ]);
        assert_eq!(faults(&found), Vec::<String>::new());
    }

    #[test]
    fn each_malformed_setting_is_named() {
        for (key, value) in [
            ("HTTPS_PORT", "https"),
            ("HTTPS_PORT", "65536"),
            ("TLS_LOCALHOST_ENABLED", "yes"),
            ("METRICS_ADDR", "8080"),
            ("LOG_LEVEL", "loud"),
            ("CLIENT_CERT_EXPIRATION_DAYS", "-1"),
            ("REMOTE_BACKEND_TIMEOUT", "5"),
        ] {
            let found = faults(&map(&[(key, value)]));
            assert_eq!(found.len(), 1, "{key}");
            assert!(found[0].contains(key), "{found:?}");
        }
    }

    #[test]
    fn a_misspelled_timeout_is_taken_over_when_it_is_one() {
        let spec = RemoteBackendSpec::default();
        assert_eq!(desired(&spec, &map(&[(MISSPELLED_TIMEOUT, "7s")]))[TIMEOUT], "7s");
        assert_eq!(desired(&spec, &map(&[(MISSPELLED_TIMEOUT, "7")]))[TIMEOUT], "5s");
        assert!(warnings(&spec, &map(&[(MISSPELLED_TIMEOUT, "7")]))[0].contains("no duration"));
        let mut spec = spec;
        spec.backend.timeout = "9s".into();
        assert_eq!(desired(&spec, &map(&[(MISSPELLED_TIMEOUT, "7s")]))[TIMEOUT], "9s");
    }

    #[test]
    fn short_lives_of_certificates_are_warned_of() {
        let mut spec = RemoteBackendSpec::default();
        assert!(warnings(&spec, &map(&[]))[0].contains("30 days"));
        spec.client_cert_expiration_days = Some(365);
        assert_eq!(warnings(&spec, &map(&[])), Vec::<String>::new());
        assert_eq!(desired(&spec, &map(&[]))[DAYS], "365");
    }
}
