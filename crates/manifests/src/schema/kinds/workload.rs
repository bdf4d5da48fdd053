//! EdgeWorkload.

use super::{NOT_NEGATIVE, PORT, device::NAME_REF, structure};
use crate::schema::{
    DefaultValue, Schema, Structure, TEXT,
    pod::{LABEL_SELECTOR, POD_SPEC},
    pointer,
};

structure!(pub(super) EDGE_WORKLOAD, "EdgeWorkload",
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
