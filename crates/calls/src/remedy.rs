//! What a person does about a fault: the second half of each error's sentence.

use crate::fault::{Callee, Fault, Step};

/// Where the URL of the backend is set.
const CORRECT_URL: &str = "correct spec.backend.url";

pub(crate) fn remedy(callee: &Callee, fault: &Fault) -> String {
    let fixed = match fault {
        Fault::Url(_) => "set spec.backend.url to https://HOST:PORT/api/flotta-backend/v1",
        Fault::Material { .. } => "repair the Secret that it comes from",
        Fault::NotResolved { .. } => "create the Service that it stands for, or correct spec.backend.url",
        Fault::NotTls => "use http:// in spec.backend.url, or give the server its certificate",
        Fault::NotTls13 => "permit TLS 1.3 there",
        Fault::Handshake(_) => "look at the log of the server, which says more",
        Fault::OtherCa { .. } => {
            "issue its certificate from flotta-ca, the one CA that the Edge API will be given for it"
        }
        Fault::UnusableCa { .. } => {
            "renew the CA in flotta-ca with the same key and subject, and issue the certificate anew"
        }
        Fault::WrongName { host, .. } => {
            return format!("issue its certificate for {host}, or call it by another name");
        }
        Fault::Expired { .. } | Fault::NotForServers { .. } => "issue its certificate anew",
        Fault::NotYetValid { .. } => "compare the clocks of the one who issued it and of this machine",
        Fault::BadCertificate(_) => "issue its certificate anew, from flotta-ca",
        Fault::OtherLeaf { .. } => "restart it, since it reads flotta-host-certificate at its start only",
        Fault::Withheld { .. } => "give it the ca.crt of flotta-ca as bundle of client CAs",
        Fault::CertificateRefused { alert, .. } => refused(alert),
        Fault::Http2 => "let it select http/1.1, or nothing at all",
        Fault::NotLetIn { method: "POST" } => {
            "its first CA certificate is not the one in flotta-ca; restart it, since it reads flotta-ca at its start only"
        }
        Fault::NotLetIn { .. } => {
            "it does not trust the CA in flotta-ca, or that CA has expired; restart it, since it reads flotta-ca at its start \
             only"
        }
        Fault::OtherStore { .. } => "let all of its pods work on one store, and compare again",
        fault => return of_callee(callee, fault),
    };
    fixed.to_owned()
}

/// By the alert that a server sends (RFC 8446, 6.2); ours tells these apart.
fn refused(alert: &str) -> &'static str {
    match alert {
        "UnknownCA" | "DecryptError" => "give it the ca.crt of flotta-ca as bundle of client CAs",
        "CertificateExpired" => "issue the certificate that was shown anew, and compare the clocks",
        _ => "add that public key to its pins",
    }
}

/// Where the same fault has another remedy with each of them.
fn of_callee(callee: &Callee, fault: &Fault) -> String {
    let fixed = match (callee, fault) {
        (Callee::Backend(_), Fault::Refused) => "start the server, or correct the port in spec.backend.url",
        (Callee::Backend(_), Fault::Status { status: 404, .. }) => {
            "correct the path in spec.backend.url; the server's is /api/flotta-backend/v1"
        }
        (
            Callee::Backend(_),
            Fault::Status {
                status: 300..=399, ..
            },
        ) => {
            "write the URL that it redirects to into spec.backend.url, since a redirected PUT or POST is lost"
        }
        (Callee::Backend(_), Fault::Status { status: 500.., .. } | Fault::Timeout(Step::Answer)) => {
            "see what the server's readiness and log say"
        }
        (Callee::Backend(_), Fault::NotHttp(_)) => {
            "use https:// in spec.backend.url if it speaks TLS, or correct the port"
        }
        (Callee::Backend(_), Fault::Closed) => {
            "look at the server's log; with http:// in spec.backend.url, see whether it speaks TLS"
        }
        (Callee::Backend(_), Fault::Unreachable(_) | Fault::Timeout(_)) => {
            "look at the Service, its endpoints and the network policies"
        }
        (Callee::Backend(_), _) => {
            return format!("something else than edge-config-server listens there; {CORRECT_URL}");
        }
        (_, Fault::Refused | Fault::Unreachable(_) | Fault::Timeout(Step::Connect)) => {
            "see whether the pod runs, and look at the network policies"
        }
        (_, Fault::Timeout(_) | Fault::Closed) => "look at the pod's log",
        (Callee::ServerPod(_), _) => "see whether the pod runs edge-config-server, of a version that fits",
        (Callee::EdgeApiPod(_), _) => "see whether the pod runs Flotta's Edge API, and look at its log",
    };
    fixed.to_owned()
}
