//! What must hold on a whole cluster, scenario by scenario.

use std::future::Future;
use std::pin::Pin;

use anyhow::Result;

use crate::stage::{Stage, State};

mod by_hand;
mod drift;
mod holds;
mod install;
mod refusal;

/// One of them.
pub(crate) struct Scenario {
    /// `group/what`, as the user names it.
    pub(crate) name: &'static str,
    /// What must hold, for a reader of the list.
    pub(crate) about: &'static str,
    /// What it begins with.
    pub(crate) from: State,
    /// What it leaves when it passes.
    pub(crate) leaves: State,
    /// Whether it touches the node, so that it cannot run on a cluster of the user's.
    pub(crate) touches_node: bool,
    /// Plays it.
    pub(crate) run: Run,
}

/// How a scenario is played.
pub(crate) type Run = for<'a> fn(&'a mut Stage) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;

impl Scenario {
    const fn new(name: &'static str, about: &'static str, from: State, leaves: State, run: Run) -> Self {
        Self {
            name,
            about,
            from,
            leaves,
            touches_node: false,
            run,
        }
    }
}

use State::{Flotta, Nothing, Switched, Unknown};

/// All of them, in the order in which they run. What leaves the cluster as the next one wants it saves a deployment.
pub(crate) const ALL: &[Scenario] = &[
    Scenario::new(
        "by-hand/switch",
        "by hand, with plain manifests: a device lives on either backend",
        Flotta,
        Unknown,
        |stage| Box::pin(by_hand::switch(stage)),
    ),
    Scenario::new(
        "install/https",
        "helm install on a running Flotta: one restart, verified, a device lives on our store",
        Flotta,
        Switched,
        |stage| Box::pin(install::https(stage)),
    ),
    Scenario::new(
        "drift/setting-edited",
        "BACKEND=crd by somebody is put right without a restart",
        Switched,
        Switched,
        |stage| Box::pin(drift::setting_edited(stage)),
    ),
    Scenario::new(
        "drift/settings-replaced",
        "the ConfigMap is replaced by Flotta's own: ours is back without a restart",
        Switched,
        Switched,
        |stage| Box::pin(drift::settings_replaced(stage)),
    ),
    Scenario::new(
        "drift/settings-emptied",
        "the ConfigMap is emptied: ours is back without a restart",
        Switched,
        Switched,
        |stage| Box::pin(drift::settings_emptied(stage)),
    ),
    Scenario::new(
        "drift/foreign-ca",
        "another CA pair by hand: no restart, said, devices served throughout",
        Switched,
        Switched,
        |stage| Box::pin(drift::foreign_ca(stage)),
    ),
    Scenario::new(
        "drift/mismatched-pair",
        "a certificate beside another's key: no restart, said, devices served throughout",
        Switched,
        Switched,
        |stage| Box::pin(drift::mismatched_pair(stage)),
    ),
    Scenario::new(
        "drift/emptied-ca",
        "flotta-ca without keys: no restart, said, devices served throughout",
        Switched,
        Switched,
        |stage| Box::pin(drift::emptied_ca(stage)),
    ),
    Scenario::new(
        "drift/deployment-applied",
        "Flotta's Deployment applied once more: our fields stay, no restart",
        Switched,
        Switched,
        |stage| Box::pin(drift::deployment_applied(stage)),
    ),
    Scenario::new(
        "drift/deployment-applied-server-side",
        "the same server-side and by force: our fields stay, no restart",
        Switched,
        Switched,
        |stage| Box::pin(drift::deployment_applied_server_side(stage)),
    ),
    Scenario::new(
        "drift/deployment-replaced",
        "the same by kubectl replace: our fields come back, nobody is told to disconnect",
        Switched,
        Switched,
        |stage| Box::pin(drift::deployment_replaced(stage)),
    ),
    Scenario::new(
        "drift/restarted-by-others",
        "a restart by somebody else is verified again",
        Switched,
        Switched,
        |stage| Box::pin(drift::restarted_by_others(stage)),
    ),
    Scenario::new(
        "drift/host-certificate-renewed",
        "a host certificate renewed properly by hand: one restart, and it is served",
        Switched,
        Switched,
        |stage| Box::pin(drift::host_certificate_renewed(stage)),
    ),
    Scenario::new(
        "drift/contested",
        "another program writes a key of ours back: named, and no more writes",
        Switched,
        Unknown,
        |stage| Box::pin(drift::contested(stage)),
    ),
    Scenario::new(
        "install/http",
        "over plain HTTP when asked for: verified, and said to be without identity",
        Flotta,
        Unknown,
        |stage| Box::pin(install::http(stage)),
    ),
    Scenario::new(
        "install/before-flotta",
        "the chart before Flotta: it waits, says so, and switches later",
        Nothing,
        Switched,
        |stage| Box::pin(install::before_flotta(stage)),
    ),
    Scenario::new(
        "install/helm-3",
        "helm install with Helm 3",
        Flotta,
        Unknown,
        |stage| Box::pin(install::helm_3(stage)),
    ),
    Scenario::new(
        "install/observe",
        "mode Observe says what it would do and does nothing",
        Flotta,
        Switched,
        |stage| Box::pin(install::observe(stage)),
    ),
    Scenario::new(
        "install/crd-set-before",
        "BACKEND=crd set by somebody before is what the way back restores",
        Flotta,
        Unknown,
        |stage| Box::pin(install::crd_set_before(stage)),
    ),
    Scenario::new(
        "install/devices-there",
        "no switch while custom resources hold devices, unless told so in so many words",
        Flotta,
        Unknown,
        |stage| Box::pin(install::devices_there(stage)),
    ),
    Scenario::new(
        "refusal/wrong-url",
        "a host that nobody answers at: nothing is touched, mended it goes on",
        Flotta,
        Switched,
        |stage| Box::pin(refusal::wrong_url(stage)),
    ),
    Scenario::new(
        "refusal/other-ca",
        "a server with a certificate of another CA: nothing is touched, mended it goes on",
        Flotta,
        Switched,
        |stage| Box::pin(refusal::other_ca(stage)),
    ),
    Scenario::new(
        "refusal/server-unreachable",
        "the server is not there: nothing is touched",
        Flotta,
        Switched,
        |stage| Box::pin(refusal::server_unreachable(stage)),
    ),
    Scenario::new(
        "refusal/permission-removed",
        "a right is missing: it is named, nothing is touched",
        Flotta,
        Unknown,
        |stage| Box::pin(refusal::permission_removed(stage)),
    ),
    Scenario::new(
        "refusal/malformed-setting",
        "a setting that would end the Edge API's next start is found before it",
        Flotta,
        Unknown,
        |stage| Box::pin(refusal::malformed_setting(stage)),
    ),
    Scenario::new(
        "refusal/rollout-never-finishes",
        "taken back, three times at most, then a person's word is awaited",
        Flotta,
        Unknown,
        |stage| Box::pin(refusal::rollout_never_finishes(stage)),
    ),
];
