//! Whether material that a start of the Edge API accepts is also fit for use.
//!
//! Apart from [`edge_api`](crate::edge_api) on purpose: an Edge API starts with an expired CA, or
//! with a host certificate of another CA, and then refuses devices, or is refused by them.

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    certificate::Facts,
    edge_api::{Ca, CaFacts},
    identity::Identity,
};

/// What is known of a pair of Secrets, without keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MaterialFacts {
    /// Of `flotta-ca`.
    pub ca: CaFacts,
    /// Of the certificate in `flotta-host-certificate`.
    pub host: Facts,
    /// Whether the certificate of the CA that signs issued the host certificate: verified, not
    /// guessed from names.
    pub host_issued_by_ca: bool,
}

/// The names that the Edge API writes into a host certificate, from its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNames {
    /// `DOMAIN`.
    pub domain: String,
    /// `TLS_LOCALHOST_ENABLED`.
    pub localhost: bool,
}

impl HostNames {
    /// Each name, as [`Facts::names`] has them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let localhost: &[&str] = if self.localhost {
            &["127.0.0.1", "::1"]
        } else {
            &[]
        };
        std::iter::once(self.domain.as_str()).chain(localhost.iter().copied())
    }
}

/// Why material is not fit for use, though a start accepts it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// A first certificate that is no CA.
    #[error(
        "the first certificate of ca.crt ({subject}) may not sign certificates, so every device is refused; put the CA \
         certificate first"
    )]
    CaMayNotSign {
        /// Its subject.
        subject: String,
    },
    /// The validity of the CA has passed.
    #[error(
        "the CA certificate ({subject}) expired at {at}, so devices cannot poll; renew it with the same key and subject"
    )]
    CaExpired {
        /// Its subject.
        subject: String,
        /// When.
        at: Timestamp,
    },
    /// The validity of the CA has not begun.
    #[error("the CA certificate ({subject}) is not valid before {at}; check the clock of whoever made it")]
    CaNotYetValid {
        /// Its subject.
        subject: String,
        /// When it begins.
        at: Timestamp,
    },
    /// A part of `ca.crt` that nothing is checked against, or not for certain.
    #[error(
        "block {block} of ca.crt is passed over by the Edge API or by other programs ({reason}), so they do not trust the same \
         CAs; repair or remove it"
    )]
    PassedOver {
        /// Its number, from 1.
        block: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A host certificate of another CA.
    #[error(
        "the host certificate ({subject}) was not issued by the first certificate of ca.crt ({ca}), so devices refuse the Edge \
         API; issue it anew"
    )]
    HostOfAnotherCa {
        /// The host certificate's subject.
        subject: String,
        /// The CA's.
        ca: String,
    },
    /// The validity of the host certificate has passed.
    #[error(
        "the host certificate ({subject}) expired at {at}, so devices refuse the Edge API; issue it anew"
    )]
    HostExpired {
        /// Its subject.
        subject: String,
        /// When.
        at: Timestamp,
    },
    /// The validity of the host certificate has not begun.
    #[error("the host certificate ({subject}) is not valid before {at}; check the clock of whoever made it")]
    HostNotYetValid {
        /// Its subject.
        subject: String,
        /// When it begins.
        at: Timestamp,
    },
    /// A name that devices call the Edge API by.
    #[error("the host certificate ({subject}) does not cover {name}; issue it anew with all names")]
    HostLacksName {
        /// Its subject.
        subject: String,
        /// The missing name.
        name: String,
    },
    /// A side of a connection that it may not be used on.
    #[error("the host certificate ({subject}) may not be used as {usage}; issue it anew with both usages")]
    HostLacksUsage {
        /// Its subject.
        subject: String,
        /// `serverAuth` (towards devices) or `clientAuth` (towards the backend).
        usage: &'static str,
    },
}

impl MaterialFacts {
    /// What is known of material that a start accepts.
    pub fn of(ca: &Ca, host: &Identity) -> Self {
        Self {
            ca: ca.facts().clone(),
            host: host.facts().clone(),
            host_issued_by_ca: host.leaf().is_issued_by(ca.signing()),
        }
    }

    /// All that makes it unfit at `now`: the CA's faults, then the host certificate's.
    pub fn faults(&self, names: &HostNames, now: Timestamp) -> Vec<Unfit> {
        let mut faults = self.ca.faults(now);
        let host = &self.host;
        let subject = || host.subject.clone();
        if !self.host_issued_by_ca {
            let ca = self.ca.signing.subject.clone();
            faults.push(Unfit::HostOfAnotherCa {
                subject: subject(),
                ca,
            });
        }
        if now > host.not_after {
            let at = host.not_after;
            faults.push(Unfit::HostExpired {
                subject: subject(),
                at,
            });
        } else if now < host.not_before {
            let at = host.not_before;
            faults.push(Unfit::HostNotYetValid {
                subject: subject(),
                at,
            });
        }
        let lacking = names.iter().filter(|name| !host.covers(name));
        faults.extend(lacking.map(|name| Unfit::HostLacksName {
            subject: subject(),
            name: name.to_owned(),
        }));
        for (has, usage) in [(host.server_auth, "serverAuth"), (host.client_auth, "clientAuth")] {
            if !has {
                faults.push(Unfit::HostLacksUsage {
                    subject: subject(),
                    usage,
                });
            }
        }
        faults
    }
}

impl CaFacts {
    /// All that makes the CA unfit at `now`, whatever the host certificate is.
    pub fn faults(&self, now: Timestamp) -> Vec<Unfit> {
        let signing = &self.signing;
        let subject = || signing.subject.clone();
        let mut faults = Vec::new();
        if !self.may_sign {
            faults.push(Unfit::CaMayNotSign { subject: subject() });
        }
        if now > signing.not_after {
            let at = signing.not_after;
            faults.push(Unfit::CaExpired {
                subject: subject(),
                at,
            });
        } else if now < signing.not_before {
            let at = signing.not_before;
            faults.push(Unfit::CaNotYetValid {
                subject: subject(),
                at,
            });
        }
        faults.extend(self.passed_over.iter().map(|passed| Unfit::PassedOver {
            block: passed.block,
            reason: passed.reason.clone(),
        }));
        faults
    }
}

impl Facts {
    /// Whether a client that calls this name accepts the certificate's names (RFC 9525): case does
    /// not matter, and `*` stands for one whole first label.
    pub fn covers(&self, name: &str) -> bool {
        self.names.iter().any(|held| {
            let wildcard = || {
                let parent = held.strip_prefix("*.")?;
                let (first, rest) = name.split_once('.')?;
                let address = name.parse::<std::net::IpAddr>().is_ok();
                (!first.is_empty() && !address).then(|| rest.eq_ignore_ascii_case(parent))
            };
            held.eq_ignore_ascii_case(name) || wildcard().unwrap_or(false)
        })
    }
}
