//! The URL of the backend, as far as the Edge API would stumble over it without saying so.
//!
//! An empty or unparsable URL gives an Edge API that starts, is ready, and closes every device's
//! connection without an answer; a wrong scheme gives errors to every device. Nothing of it is
//! logged at its start.

use std::net::IpAddr;

/// A URL that can work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BackendUrl {
    /// Whether connections are encrypted.
    pub https: bool,
    /// DNS name or address, without brackets.
    pub host: String,
    /// Port, also when it is not written.
    pub port: u16,
    /// The path, without a slash at its end.
    pub path: String,
}

/// Why a URL cannot work, one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backend's URL {url:?} {reason}")]
pub(crate) struct UnusableUrl {
    url: String,
    reason: &'static str,
}

impl BackendUrl {
    /// Reads a URL, or says why the Edge API could not use it.
    pub(crate) fn parse(url: &str) -> Result<Self, UnusableUrl> {
        read(url).map_err(|reason| UnusableUrl {
            // A user name and password in it would be told to whoever reads the status.
            url: if url.contains('@') {
                "(not shown)".to_owned()
            } else {
                url.to_owned()
            },
            reason,
        })
    }
}

fn read(url: &str) -> Result<BackendUrl, &'static str> {
    if url.is_empty() {
        return Err("is empty; set spec.backend.url to https://HOST:PORT/api/flotta-backend/v1");
    }
    if url
        .chars()
        .any(|c| c.is_ascii_control() || c == ' ' || !c.is_ascii())
    {
        return Err("has a space or another character that no URL has; remove it");
    }
    let (https, rest) = if let Some(rest) = url.strip_prefix("https://") {
        (true, rest)
    } else if let Some(rest) = url.strip_prefix("http://") {
        (false, rest)
    } else {
        return Err("begins with neither https:// nor http://; every call of the Edge API would fail");
    };
    if rest.contains(['?', '#']) {
        return Err("has a query or a fragment, which the Edge API would lose; remove it");
    }
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    if authority.contains('@') {
        return Err("has a user name in it, which the Edge API does not send; remove it");
    }
    let (host, port) = split(authority, https)?;
    if path.trim_matches('/').is_empty() {
        return Err("has no path; the Edge Configuration API is at /api/flotta-backend/v1");
    }
    if path.contains("//") || path.contains('%') || path.contains('\\') {
        return Err("has a path with //, % or \\; write it plainly");
    }
    Ok(BackendUrl {
        https,
        host,
        port,
        path: path.trim_end_matches('/').to_owned(),
    })
}

fn split(authority: &str, https: bool) -> Result<(String, u16), &'static str> {
    let scheme_port = if https { 443 } else { 80 };
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, behind) = rest
            .split_once(']')
            .ok_or("has an IPv6 address without its closing bracket")?;
        if host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("has brackets around something that is no IPv6 address");
        }
        match behind.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if behind.is_empty() => (host, None),
            None => return Err("has something behind the bracket that is no port"),
        }
    } else {
        match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err("has an IPv6 address without brackets; write [ADDRESS]:PORT");
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err("has no host");
    }
    let is_name = host.len() <= 253
        && host.trim_end_matches('.').split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        });
    if !is_name && host.parse::<IpAddr>().is_err() {
        return Err("has a host that is neither a DNS name nor an address");
    }
    let port = match port {
        None => scheme_port,
        Some(port) if port.chars().all(|c| c.is_ascii_digit()) => match port.parse() {
            Ok(0) | Err(_) => return Err("has a port that is none (1 to 65535)"),
            Ok(port) => port,
        },
        Some(_) => return Err("has a port that is none (1 to 65535)"),
    };
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_is_taken_apart() {
        let url =
            BackendUrl::parse("https://edge-config-server.flotta.svc:8443/api/flotta-backend/v1").unwrap();
        assert!(url.https);
        assert_eq!(
            (url.host.as_str(), url.port),
            ("edge-config-server.flotta.svc", 8443)
        );
        assert_eq!(url.path, "/api/flotta-backend/v1");
        let url = BackendUrl::parse("http://[fd00::7]/x/").unwrap();
        assert_eq!(
            (url.https, url.host.as_str(), url.port, url.path.as_str()),
            (false, "fd00::7", 80, "/x")
        );
    }

    #[test]
    fn what_fails_silently_in_the_edge_api_is_refused_in_words() {
        for (url, word) in [
            ("", "empty"),
            ("10.0.0.1:8080/x", "neither"),
            ("backend:8080/x", "neither"),
            ("ftp://backend/x", "neither"),
            ("HTTPS://backend/x", "neither"),
            ("https://", "no host"),
            ("https://:8443/x", "no host"),
            ("https://backend:0/x", "port"),
            ("https://backend:70000/x", "port"),
            ("https://backend:84 43/x", "space"),
            ("https://backend:8443", "no path"),
            ("https://backend:8443/", "no path"),
            ("https://fd00::7:8443/x", "brackets"),
            ("https://back_end!/x", "neither a DNS name"),
            ("https://backend/x?y=1", "query"),
            ("https://backend/x%zz", "%"),
        ] {
            let error = BackendUrl::parse(url).unwrap_err().to_string();
            assert!(error.contains(word), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let error = BackendUrl::parse("https://user:hunter2@backend/x").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}
