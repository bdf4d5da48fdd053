//! The PodSpec of `k8s.io/api` 0.23.5, as the EdgeWorkload definition has it.

mod affinity;
mod cloud;
mod container;
mod probe;
mod security;
mod volume;

pub(super) use affinity::LABEL_SELECTOR;

use super::{INT32, INT64, Schema, Structure, TEXT, always, omitted, pointer};
use affinity::{AFFINITY, TOLERATION, TOPOLOGY_SPREAD_CONSTRAINT};
use container::{CONTAINER, EPHEMERAL_CONTAINER};
use security::POD_SECURITY_CONTEXT;
use volume::VOLUME;

static POD_DNS_CONFIG_OPTION: Structure = Structure {
    name: "PodDNSConfigOption",
    fields: &[omitted("name", TEXT), pointer("value", TEXT)],
};

static POD_DNS_CONFIG: Structure = Structure {
    name: "PodDNSConfig",
    fields: &[
        omitted("nameservers", Schema::List(&TEXT)),
        omitted("options", Schema::List(&Schema::Object(&POD_DNS_CONFIG_OPTION))),
        omitted("searches", Schema::List(&TEXT)),
    ],
};

static HOST_ALIAS: Structure = Structure {
    name: "HostAlias",
    fields: &[omitted("hostnames", Schema::List(&TEXT)), omitted("ip", TEXT)],
};

static LOCAL_OBJECT_REFERENCE: Structure = Structure {
    name: "LocalObjectReference",
    fields: &[omitted("name", TEXT)],
};

static POD_OS: Structure = Structure {
    name: "PodOS",
    fields: &[always("name", TEXT).required()],
};

static POD_READINESS_GATE: Structure = Structure {
    name: "PodReadinessGate",
    fields: &[always("conditionType", TEXT).required()],
};

pub(crate) static POD_SPEC: Structure = Structure {
    name: "PodSpec",
    fields: &[
        pointer("activeDeadlineSeconds", INT64),
        pointer("affinity", Schema::Object(&AFFINITY)),
        pointer("automountServiceAccountToken", Schema::Boolean),
        always("containers", Schema::List(&Schema::Object(&CONTAINER))).required(),
        pointer("dnsConfig", Schema::Object(&POD_DNS_CONFIG)),
        omitted("dnsPolicy", TEXT),
        pointer("enableServiceLinks", Schema::Boolean),
        omitted(
            "ephemeralContainers",
            Schema::List(&Schema::Object(&EPHEMERAL_CONTAINER)),
        ),
        omitted("hostAliases", Schema::List(&Schema::Object(&HOST_ALIAS))),
        omitted("hostIPC", Schema::Boolean),
        omitted("hostNetwork", Schema::Boolean),
        omitted("hostPID", Schema::Boolean),
        omitted("hostname", TEXT),
        omitted(
            "imagePullSecrets",
            Schema::List(&Schema::Object(&LOCAL_OBJECT_REFERENCE)),
        ),
        omitted("initContainers", Schema::List(&Schema::Object(&CONTAINER))),
        omitted("nodeName", TEXT),
        omitted("nodeSelector", Schema::Map(&TEXT)),
        pointer("os", Schema::Object(&POD_OS)),
        omitted("overhead", Schema::Map(&Schema::Quantity)),
        pointer("preemptionPolicy", TEXT),
        pointer("priority", INT32),
        omitted("priorityClassName", TEXT),
        omitted(
            "readinessGates",
            Schema::List(&Schema::Object(&POD_READINESS_GATE)),
        ),
        omitted("restartPolicy", TEXT),
        pointer("runtimeClassName", TEXT),
        omitted("schedulerName", TEXT),
        pointer("securityContext", Schema::Object(&POD_SECURITY_CONTEXT)),
        omitted("serviceAccount", TEXT),
        omitted("serviceAccountName", TEXT),
        pointer("setHostnameAsFQDN", Schema::Boolean),
        pointer("shareProcessNamespace", Schema::Boolean),
        omitted("subdomain", TEXT),
        pointer("terminationGracePeriodSeconds", INT64),
        omitted("tolerations", Schema::List(&Schema::Object(&TOLERATION))),
        omitted(
            "topologySpreadConstraints",
            Schema::KeyedList(
                &Schema::Object(&TOPOLOGY_SPREAD_CONSTRAINT),
                &["topologyKey", "whenUnsatisfiable"],
            ),
        ),
        omitted("volumes", Schema::List(&Schema::Object(&VOLUME))),
    ],
};
