//! Flotta's kinds (`management.project-flotta.io/v1alpha1`), and the core objects that they refer to.
//!
//! Of a status only what a person sets is known: `dataObc` of an EdgeDevice. The rest of it is written by controllers; it comes
//! with every exported object and is taken out without a word.

use super::{
    DefaultValue, INT64, Schema, Structure, TEXT,
    pod::{LABEL_SELECTOR, POD_SPEC},
    pointer,
};
use crate::Kind;

/// The shape of the objects of a kind, without `apiVersion`, `kind` and `metadata`.
pub fn of(kind: Kind) -> &'static Structure {
    match kind {
        Kind::ConfigMap => &CONFIG_MAP,
        Kind::EdgeConfig => &EDGE_CONFIG,
        Kind::EdgeDevice => &EDGE_DEVICE,
        Kind::EdgeDeviceSet => &EDGE_DEVICE_SET,
        Kind::EdgeDeviceSignedRequest => &SIGNED_REQUEST,
        Kind::EdgeWorkload => &EDGE_WORKLOAD,
        Kind::ObjectBucketClaim => &OBJECT_BUCKET_CLAIM,
        Kind::PlaybookExecution => &PLAYBOOK_EXECUTION,
        Kind::Route => &ROUTE,
        Kind::Secret => &SECRET,
    }
}

const NOT_NEGATIVE: Schema = Schema::Integer(0, i32::MAX as i64);
const PORT: Schema = Schema::Integer(0, 65_535);

macro_rules! structure {
    ($constant:ident, $name:literal, [$($field:expr),* $(,)?]) => {
        static $constant: Structure = Structure { name: $name, fields: &[$($field),*] };
    };
}

/// `metadata` of any of them, of which names, labels and annotations are read.
pub(crate) static METADATA: Structure = Structure {
    name: "ObjectMeta",
    fields: &[
        pointer("annotations", Schema::Map(&TEXT)),
        pointer("clusterName", Schema::Ignored),
        pointer("creationTimestamp", Schema::Ignored),
        pointer("deletionGracePeriodSeconds", Schema::Ignored),
        pointer("deletionTimestamp", Schema::Ignored),
        pointer("finalizers", Schema::Ignored),
        pointer("generateName", Schema::Ignored),
        pointer("generation", Schema::Ignored),
        pointer("labels", Schema::Map(&TEXT)),
        pointer("managedFields", Schema::Ignored),
        pointer("name", TEXT).required(),
        pointer("namespace", TEXT),
        pointer("ownerReferences", Schema::Ignored),
        pointer("resourceVersion", Schema::Ignored),
        pointer("selfLink", Schema::Ignored),
        pointer("uid", Schema::Ignored),
    ],
};

structure!(
    CONFIG_MAP,
    "ConfigMap",
    [
        pointer("binaryData", Schema::Map(&Schema::Base64)),
        pointer("data", Schema::Map(&TEXT)),
        pointer("immutable", Schema::Boolean),
    ]
);
structure!(
    SECRET,
    "Secret",
    [
        pointer("data", Schema::Map(&Schema::Base64)),
        pointer("immutable", Schema::Boolean),
        pointer("stringData", Schema::Map(&TEXT)),
        pointer("type", TEXT),
    ]
);
structure!(
    OBJECT_BUCKET_CLAIM,
    "ObjectBucketClaim",
    [
        pointer("spec", Schema::Ignored),
        pointer("status", Schema::Ignored),
    ]
);
structure!(
    ROUTE,
    "Route",
    [
        pointer("spec", Schema::Object(&ROUTE_SPEC)).required(),
        pointer("status", Schema::Ignored),
    ]
);
structure!(
    ROUTE_SPEC,
    "RouteSpec",
    [
        pointer("alternateBackends", Schema::Ignored),
        pointer("host", TEXT),
        pointer("httpHeaders", Schema::Ignored),
        pointer("path", Schema::Ignored),
        pointer("port", Schema::Ignored),
        pointer("subdomain", Schema::Ignored),
        pointer("tls", Schema::Ignored),
        pointer("to", Schema::Ignored),
        pointer("wildcardPolicy", Schema::Ignored),
    ]
);

structure!(
    EDGE_DEVICE,
    "EdgeDevice",
    [
        pointer("spec", Schema::Object(&EDGE_DEVICE_SPEC)),
        pointer("status", Schema::Object(&EDGE_DEVICE_STATUS)),
    ]
);
structure!(
    EDGE_DEVICE_STATUS,
    "EdgeDeviceStatus",
    [
        pointer("PlaybookExec", Schema::Ignored),
        pointer("dataObc", TEXT),
        pointer("hardware", Schema::Ignored),
        pointer("lastSyncedResourceVersion", Schema::Ignored),
        pointer("phase", Schema::Ignored),
        pointer("upgradeInformation", Schema::Ignored),
        pointer("workloads", Schema::Ignored),
    ]
);
structure!(
    EDGE_DEVICE_SPEC,
    "EdgeDeviceSpec",
    [
        pointer("heartbeat", Schema::Object(&HEARTBEAT)),
        pointer("logCollection", Schema::Map(&Schema::Object(&LOG_COLLECTION))),
        pointer("metrics", Schema::Object(&METRICS)),
        pointer("mounts", Schema::List(&Schema::Object(&MOUNT))),
        pointer("osInformation", Schema::Object(&OS_INFORMATION)),
        pointer("requestTime", Schema::DateTime),
        pointer("storage", Schema::Object(&STORAGE)),
    ]
);
structure!(
    EDGE_DEVICE_SET,
    "EdgeDeviceSet",
    [
        pointer("spec", Schema::Object(&EDGE_DEVICE_SET_SPEC)),
        pointer("status", Schema::Ignored),
    ]
);
structure!(
    EDGE_DEVICE_SET_SPEC,
    "EdgeDeviceSetSpec",
    [
        pointer("heartbeat", Schema::Object(&HEARTBEAT)),
        pointer("logCollection", Schema::Map(&Schema::Object(&LOG_COLLECTION))),
        pointer("metrics", Schema::Object(&METRICS)),
        pointer("mounts", Schema::List(&Schema::Object(&MOUNT))),
        pointer("osInformation", Schema::Object(&OS_INFORMATION)),
        pointer("storage", Schema::Object(&STORAGE)),
    ]
);
structure!(
    HEARTBEAT,
    "HeartbeatConfiguration",
    [
        pointer("hardwareProfile", Schema::Object(&HARDWARE_PROFILE)),
        pointer("periodSeconds", Schema::Integer(1, i64::MAX)),
    ]
);
structure!(
    HARDWARE_PROFILE,
    "HardwareProfileConfiguration",
    [pointer("include", Schema::Boolean), pointer("scope", TEXT),]
);
structure!(
    OS_INFORMATION,
    "OsInformation",
    [
        pointer("automaticallyUpgrade", Schema::Boolean),
        pointer("commitID", TEXT),
        pointer("hostedObjectsURL", TEXT),
    ]
);
structure!(STORAGE, "Storage", [pointer("s3", Schema::Object(&S3))]);
structure!(
    S3,
    "S3Storage",
    [
        pointer("configMapName", TEXT),
        pointer("createOBC", Schema::Boolean),
        pointer("secretName", TEXT),
    ]
);
structure!(
    METRICS,
    "MetricsConfiguration",
    [
        pointer("dataTransfer", Schema::Object(&COMPONENT_METRICS)),
        pointer("receiverConfiguration", Schema::Object(&METRICS_RECEIVER)),
        pointer("retention", Schema::Object(&RETENTION)),
        pointer("system", Schema::Object(&COMPONENT_METRICS)),
    ]
);
structure!(
    RETENTION,
    "Retention",
    [pointer("maxHours", NOT_NEGATIVE), pointer("maxMiB", NOT_NEGATIVE),]
);
structure!(
    COMPONENT_METRICS,
    "ComponentMetricsConfiguration",
    [
        pointer("allowList", Schema::Object(&NAME_REF)),
        pointer("disabled", Schema::Boolean),
        pointer("interval", NOT_NEGATIVE).default(DefaultValue::Integer(60)),
    ]
);
structure!(
    METRICS_RECEIVER,
    "MetricsReceiverConfiguration",
    [
        pointer("caSecretName", TEXT),
        pointer("requestNumSamples", INT64),
        pointer("timeoutSeconds", INT64),
        pointer("url", TEXT),
    ]
);
structure!(
    LOG_COLLECTION,
    "LogCollectionConfig",
    [
        pointer("bufferSize", Schema::Integer(1, i32::MAX as i64)).default(DefaultValue::Integer(12)),
        pointer("kind", Schema::Text(&["syslog"])),
        pointer("syslogConfig", Schema::Object(&NAME_REF)),
    ]
);
structure!(
    MOUNT,
    "Mount",
    [
        pointer("device", TEXT),
        pointer("folder", TEXT),
        pointer("options", TEXT),
        pointer("type", TEXT),
    ]
);
structure!(NAME_REF, "NameRef", [pointer("name", TEXT).required()]);

structure!(
    SIGNED_REQUEST,
    "EdgeDeviceSignedRequest",
    [
        pointer("spec", Schema::Object(&SIGNED_REQUEST_SPEC)),
        pointer("status", Schema::Ignored),
    ]
);
structure!(
    SIGNED_REQUEST_SPEC,
    "EdgeDeviceSignedRequestSpec",
    [
        pointer("approved", Schema::Boolean).default(DefaultValue::Boolean(false)),
        // Copied there by Flotta from what the device reported.
        pointer("features", Schema::Ignored),
        pointer("targetNamespace", TEXT).required(),
        pointer("targetSet", TEXT),
    ]
);

structure!(
    EDGE_WORKLOAD,
    "EdgeWorkload",
    [
        pointer("spec", Schema::Object(&EDGE_WORKLOAD_SPEC)),
        pointer("status", Schema::Ignored),
    ]
);
structure!(
    EDGE_WORKLOAD_SPEC,
    "EdgeWorkloadSpec",
    [
        pointer("data", Schema::Object(&DATA_CONFIGURATION)),
        pointer("device", TEXT),
        pointer("deviceSelector", Schema::Object(&LABEL_SELECTOR)),
        pointer("imageRegistries", Schema::Object(&IMAGE_REGISTRIES)),
        pointer("logCollection", TEXT),
        pointer("metrics", Schema::Object(&WORKLOAD_METRICS)),
        pointer("pod", Schema::Object(&POD)),
        pointer("type", TEXT).required(),
    ]
);
structure!(
    POD,
    "Pod",
    [pointer("spec", Schema::Object(&POD_SPEC)).required()]
);
structure!(
    DATA_CONFIGURATION,
    "DataConfiguration",
    [
        pointer("egress", Schema::List(&Schema::Object(&DATA_PATH))),
        pointer("ingress", Schema::List(&Schema::Object(&DATA_PATH))),
    ]
);
structure!(
    DATA_PATH,
    "DataPath",
    [
        pointer("source", TEXT).required(),
        pointer("target", TEXT).required(),
    ]
);
structure!(
    IMAGE_REGISTRIES,
    "ImageRegistriesConfiguration",
    [pointer("secretRef", Schema::Object(&NAME_REF)),]
);
structure!(
    WORKLOAD_METRICS,
    "ContainerMetricsConfiguration",
    [
        pointer("allowList", Schema::Object(&NAME_REF)),
        pointer("containers", Schema::Map(&Schema::Object(&CONTAINER_METRICS))),
        pointer("interval", NOT_NEGATIVE).default(DefaultValue::Integer(60)),
        pointer("path", TEXT).default(DefaultValue::Text("/")),
        pointer("port", PORT),
    ]
);
structure!(
    CONTAINER_METRICS,
    "MetricsConfigEntity",
    [
        pointer("disabled", Schema::Boolean),
        pointer("path", TEXT).default(DefaultValue::Text("/")),
        pointer("port", PORT),
    ]
);

structure!(
    EDGE_CONFIG,
    "EdgeConfig",
    [
        pointer("spec", Schema::Object(&EDGE_CONFIG_SPEC)),
        pointer("status", Schema::Ignored),
    ]
);
structure!(
    EDGE_CONFIG_SPEC,
    "EdgeConfigSpec",
    [pointer("edgePlaybook", Schema::Object(&EDGE_PLAYBOOK)),]
);
structure!(
    EDGE_PLAYBOOK,
    "EdgePlaybookSpec",
    [
        pointer("playbooks", Schema::NonEmptyList(&Schema::Object(&PLAYBOOK))),
        pointer("user", TEXT),
    ]
);
structure!(
    PLAYBOOK,
    "Playbook",
    [
        pointer("ansibleOptions", Schema::Object(&ANSIBLE_OPTIONS)),
        pointer("content", Schema::Base64).required(),
        pointer("executionStrategy", TEXT),
        pointer(
            "privilegeEscalationOptions",
            Schema::Object(&PRIVILEGE_ESCALATION)
        ),
        pointer("requiredPrivilegeLevel", Schema::Object(&PRIVILEGE_LEVEL)),
        pointer("timeoutSeconds", INT64),
    ]
);
structure!(
    ANSIBLE_OPTIONS,
    "AnsibleOptions",
    [pointer("check", Schema::Boolean)]
);
structure!(
    PRIVILEGE_ESCALATION,
    "PrivilegeEscalationOptions",
    [
        pointer("become", Schema::Boolean),
        pointer("becomeMethod", Schema::Text(&["sudo", "su"])),
        pointer("becomeUser", TEXT),
    ]
);
structure!(
    PRIVILEGE_LEVEL,
    "RequiredPrivilegeLevel",
    [
        pointer("capAdd", Schema::List(&INT64)),
        pointer("capDrop", Schema::List(&INT64)),
    ]
);
structure!(
    PLAYBOOK_EXECUTION,
    "PlaybookExecution",
    [
        pointer("spec", Schema::Object(&PLAYBOOK_EXECUTION_SPEC)),
        pointer("status", Schema::Ignored),
    ]
);
structure!(
    PLAYBOOK_EXECUTION_SPEC,
    "PlaybookExecutionSpec",
    [
        pointer("executionAttempt", Schema::Integer(0, i64::MAX)),
        pointer("playbook", Schema::Object(&PLAYBOOK)),
    ]
);
