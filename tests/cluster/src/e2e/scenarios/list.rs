//! The scenarios by their names.

use super::{Scenario, back, by_hand, companion, drift, install, life, postgresql, refusal};
use crate::stage::State::{Flotta, Nothing, Switched, Unknown};

const KILLS: &str = "it kills a process on the node";
const STOPS: &str = "it stops a process on the node";
const API_SERVER: &str = "it kills kube-apiserver";
const DATABASE: &str = "it runs a PostgreSQL on this machine, which pods of another cannot reach";
const GATE: &str = "it stands between the companion and kube-apiserver, with the key of the cluster's CA";

/// All of them, in the order in which they run on one cluster. What leaves the cluster as the next
/// one wants it saves a deployment. Where clusters share the work any may follow any that leaves
/// what it begins with.
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
        "BACKEND=crd by somebody is reverted without a restart",
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
        "drift/ca-renewed",
        "a CA certificate of the same key by hand: one restart, devices go on",
        Switched,
        Switched,
        |stage| Box::pin(drift::ca_renewed(stage)),
    ),
    Scenario::new(
        "companion/killed",
        "killed while nothing happens: nobody notices",
        Switched,
        Switched,
        |stage| Box::pin(companion::killed(stage)),
    )
    .on_throwaway_only(KILLS),
    Scenario::new(
        "life/server-away",
        "the server is away: errors, nothing is rolled back, then served again",
        Switched,
        Switched,
        |stage| Box::pin(life::server_away(stage)),
    ),
    Scenario::new(
        "life/api-server-restarted",
        "kube-apiserver is killed: devices notice nothing",
        Switched,
        Switched,
        |stage| Box::pin(life::api_server_restarted(stage)),
    )
    .on_throwaway_only(API_SERVER),
    Scenario::new(
        "life/upgrade-and-rollback",
        "helm upgrade and rollback leave Edge API and devices alone",
        Switched,
        Switched,
        |stage| Box::pin(life::upgrade_and_rollback(stage)),
    ),
    Scenario::new(
        "drift/permission-removed",
        "a right is taken away: it is named, devices are served throughout",
        Switched,
        Switched,
        |stage| Box::pin(drift::permission_removed(stage)),
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
        "install/postgresql",
        "two servers on PostgreSQL: one deleted, both replaced, devices served throughout; installed again",
        Flotta,
        Unknown,
        |stage| Box::pin(postgresql::two_servers(stage)),
    )
    .on_throwaway_only(DATABASE)
    .long(),
    Scenario::new(
        "install/network-policies",
        "with NetworkPolicies: they let through all that is used, and no rule is idle",
        Flotta,
        Unknown,
        |stage| Box::pin(install::network_policies(stage)),
    ),
    Scenario::new(
        "install/plain-manifests",
        "deploy/ with kubectl alone: switched, applied once more, rolled back and removed",
        Flotta,
        Unknown,
        |stage| Box::pin(install::plain_manifests(stage)),
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
        Unknown,
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
        "a host that nobody answers at: nothing is touched, fixed it goes on",
        Flotta,
        Unknown,
        |stage| Box::pin(refusal::wrong_url(stage)),
    ),
    Scenario::new(
        "refusal/other-ca",
        "a server with a certificate of another CA: nothing is touched, fixed it goes on",
        Flotta,
        Unknown,
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
        "refusal/permission-missing",
        "the right to read devices is missing: it is named, nothing is touched",
        Flotta,
        Unknown,
        |stage| Box::pin(refusal::permission_missing(stage)),
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
        "rolled back, three times at most, then a person's decision is awaited",
        Flotta,
        Unknown,
        |stage| Box::pin(refusal::rollout_never_finishes(stage)),
    )
    .long(),
    Scenario::new(
        "back/crd-without-devices",
        "mode Crd: exactly as before, and switched again",
        Flotta,
        Unknown,
        |stage| Box::pin(back::crd_without_devices(stage)),
    ),
    Scenario::new(
        "back/uninstall-without-devices",
        "helm uninstall: exactly as before; installed again on the same store",
        Flotta,
        Unknown,
        |stage| Box::pin(back::uninstall_without_devices(stage)),
    ),
    Scenario::new(
        "back/uninstall-companion-dead",
        "helm uninstall with no companion that lives",
        Flotta,
        Unknown,
        |stage| Box::pin(back::uninstall_companion_dead(stage)),
    ),
    Scenario::new(
        "back/uninstall-server-dead",
        "helm uninstall with no server that lives",
        Flotta,
        Unknown,
        |stage| Box::pin(back::uninstall_server_dead(stage)),
    ),
    Scenario::new(
        "back/resource-deleted",
        "kubectl delete remotebackend rolls back first",
        Flotta,
        Unknown,
        |stage| Box::pin(back::resource_deleted(stage)),
    ),
    Scenario::new(
        "back/previous-lost",
        "what was before is lost: the companion asks and guesses nothing",
        Flotta,
        Unknown,
        |stage| Box::pin(back::previous_lost(stage)),
    ),
    Scenario::new(
        "companion/stopped-holder",
        "the acting one of two is stopped in the switch and continued: one restart",
        Flotta,
        Unknown,
        |stage| Box::pin(companion::stopped_holder(stage)),
    )
    .on_throwaway_only(STOPS),
    Scenario::new(
        "companion/api-server-restarted",
        "kube-apiserver is killed in the middle of the switch",
        Flotta,
        Switched,
        |stage| Box::pin(companion::api_server_restarted(stage)),
    )
    .on_throwaway_only(API_SERVER),
    Scenario::new(
        "life/lost-volume",
        "another store serves nobody until a person says so",
        Switched,
        Unknown,
        |stage| Box::pin(life::lost_volume(stage)),
    ),
    Scenario::new(
        "back/uninstall-with-devices",
        "helm uninstall removes nothing while devices would be disconnected, unless told so",
        Switched,
        Unknown,
        |stage| Box::pin(back::uninstall_with_devices(stage)),
    ),
    Scenario::new(
        "back/crd-with-devices",
        "mode Crd is refused while devices would be disconnected, unless told so",
        Switched,
        Unknown,
        |stage| Box::pin(back::crd_with_devices(stage)),
    ),
    Scenario::new(
        "back/uninstall-no-hooks",
        "helm uninstall --no-hooks: errors, nobody is disconnected; installed again; then the namespace goes too",
        Switched,
        Unknown,
        |stage| Box::pin(back::uninstall_without_hooks(stage)),
    ),
    Scenario::new(
        "back/uninstall-skipped",
        "helm uninstall told to leave the Edge API: errors, nobody is disconnected; installed again",
        Switched,
        Unknown,
        |stage| Box::pin(back::uninstall_skipped(stage)),
    ),
    Scenario::new(
        "back/namespace-deleted",
        "deletion of the namespace ends; then all is installed anew",
        Switched,
        Switched,
        |stage| Box::pin(back::namespace_deleted(stage)),
    ),
    Scenario::new(
        "companion/killed-before-every-write",
        "killed before each write of the switch and of the way back: finished by the next, with one restart",
        Flotta,
        Unknown,
        |stage| Box::pin(companion::killed_before_every_write(stage)),
    )
    .on_throwaway_only(GATE)
    .long(),
    Scenario::new(
        "companion/killed-before-every-reply",
        "killed when each write was done and before it heard so: finished by the next, with one restart",
        Flotta,
        Unknown,
        |stage| Box::pin(companion::killed_before_every_reply(stage)),
    )
    .on_throwaway_only(GATE)
    .long(),
];
