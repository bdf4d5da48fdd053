//! The backend's URL, read as the Edge API's client reads it.
//!
//! Whether a URL is sane, and what the Edge API would silently make of one that is not, is for
//! others to say before a call; here it only has to name somebody to call.

use http::Uri;

use crate::fault::{Callee, Fault};

/// Whom a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whether connections are encrypted.
    pub https: bool,
    /// DNS name or address, without brackets and without a dot at the end.
    pub host: String,
    /// Port, also when it is not written.
    pub port: u16,
    /// What the `Host` header says: host and port as they are written.
    pub authority: String,
    /// The path under which the API is.
    base: String,
}

impl Target {
    /// Reads a URL. Query and fragment are ignored, as by the Edge API.
    pub(crate) fn parse(url: &str) -> Result<Self, Fault> {
        let fault = |reason: &str| Fault::Url(reason.to_owned());
        let uri: Uri = url
            .parse()
            .map_err(|error| Fault::Url(format!("it is no URL ({error})")))?;
        let (https, scheme_port) = match uri.scheme_str() {
            Some("https") => (true, 443),
            Some("http") => (false, 80),
            _ => return Err(fault("it begins with neither https:// nor http://")),
        };
        let authority = uri.authority().ok_or_else(|| fault("it names no host"))?;
        let written = authority.as_str().rsplit('@').next().unwrap_or_default();
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches([']', '.']);
        if host.is_empty() {
            return Err(fault("it names no host"));
        }
        let port = match authority.port() {
            None if written.ends_with(':') => return Err(fault("it has a colon and no port")),
            None => scheme_port,
            Some(port) => port.as_u16(),
        };
        Ok(Self {
            https,
            host: host.to_owned(),
            port,
            authority: written.to_owned(),
            base: uri.path().to_owned(),
        })
    }

    /// The path of an operation. `rest` begins with a slash.
    pub(crate) fn path(&self, rest: &str) -> String {
        join(&self.base, rest)
    }

    /// How errors name it.
    pub(crate) fn callee(&self) -> Callee {
        let scheme = if self.https { "https" } else { "http" };
        Callee::Backend(format!("{scheme}://{}{}", self.authority, self.base))
    }
}

/// How errors name a URL that could not be read. What stands before an `@` may be a password.
pub(crate) fn callee_of_unread(url: &str) -> Callee {
    let shown = if url.contains('@') {
        "(its URL is not shown)"
    } else {
        url
    };
    Callee::Backend(format!("{shown:?}"))
}

/// Base path and operation in one, the base cleaned as Go's `path.Join` does: no empty segments, no
/// `.`, and `..` takes away what is before it. The operation's part is left as it is: an empty
/// namespace is an empty segment there.
fn join(base: &str, rest: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in base.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments
        .iter()
        .flat_map(|segment| ["/", segment])
        .chain([rest])
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_names_somebody() {
        let target =
            Target::parse("https://edge-config-server.flotta.svc:8443/api/flotta-backend/v1").unwrap();
        assert_eq!((target.https, target.port), (true, 8443));
        assert_eq!(target.host, "edge-config-server.flotta.svc");
        assert_eq!(target.authority, "edge-config-server.flotta.svc:8443");
        assert_eq!(
            target.path("/namespaces//devices"),
            "/api/flotta-backend/v1/namespaces//devices"
        );
    }

    #[test]
    fn what_is_not_written_has_a_default() {
        let target = Target::parse("http://[fd00::7]").unwrap();
        assert_eq!(
            (target.https, target.host.as_str(), target.port),
            (false, "fd00::7", 80)
        );
        assert_eq!(
            (target.authority.as_str(), target.path("/x").as_str()),
            ("[fd00::7]", "/x")
        );
        let target = Target::parse("https://backend.example./x?y=1#z").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("backend.example", 443));
        assert_eq!(
            (target.authority.as_str(), target.path("/y").as_str()),
            ("backend.example.", "/x/y")
        );
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for url in [
            "",
            "/x",
            "backend:8443/x",
            "ftp://backend/x",
            "https://",
            "https://:8443/x",
            "https://b:/x",
        ] {
            assert!(matches!(Target::parse(url), Err(Fault::Url(_))), "{url}");
        }
    }

    #[test]
    fn a_password_is_not_repeated() {
        let target = Target::parse("https://user:hunter2@backend:1/x").unwrap();
        assert_eq!(target.authority, "backend:1");
        assert!(!format!("{target:?} {}", target.callee()).contains("hunter2"));
        assert!(
            !callee_of_unread("ftp://user:hunter2@backend/x")
                .to_string()
                .contains("hunter2")
        );
    }

    proptest! {
        #[test]
        fn a_plain_base_is_kept(segments in prop::collection::vec("[a-z0-9][a-z0-9.-]{0,8}", 0..5)) {
            let base: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
            prop_assert_eq!(join(&base, "/rest//of/it/"), format!("{base}/rest//of/it/"));
        }

        #[test]
        fn detours_in_a_base_change_nothing(
            parts in prop::collection::vec(("[a-z0-9]{1,4}", prop::sample::select(vec!["/", "//", "/./", "/x/../", "/x//.././"])), 0..5),
            end in prop::sample::select(vec!["", "/", "/.", "/x/..", "//"]),
        ) {
            let plain: String = parts.iter().flat_map(|(segment, _)| ["/", segment]).collect();
            let mut winding: String = parts.iter().flat_map(|(segment, detour)| [detour, segment.as_str()]).collect();
            winding.push_str(end);
            prop_assert_eq!(join(&winding, "/rest"), join(&plain, "/rest"));
        }

        #[test]
        fn no_base_leads_above_the_root(ups in 0_usize..5, segment in "[a-z]{1,4}") {
            let base = format!("{}/{segment}", "/..".repeat(ups));
            prop_assert_eq!(join(&base, "/rest"), format!("/{segment}/rest"));
        }
    }
}
