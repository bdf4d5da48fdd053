//! EdgeDevice, EdgeDeviceSet and EdgeDeviceSignedRequest.

use super::{NOT_NEGATIVE, structure};
use crate::schema::{DefaultValue, INT64, Schema, Structure, TEXT, pointer};

structure!(pub(super) EDGE_DEVICE, "EdgeDevice",
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

structure!(pub(super) EDGE_DEVICE_SET, "EdgeDeviceSet",
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

structure!(pub(super) NAME_REF, "NameRef", [pointer("name", TEXT).required()]);

structure!(pub(super) SIGNED_REQUEST, "EdgeDeviceSignedRequest",
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
