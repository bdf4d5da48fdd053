//! Core objects, and two of OpenShift, that the custom resources refer to.

use super::structure;
use crate::schema::{Schema, Structure, TEXT, pointer};

structure!(pub(super) CONFIG_MAP, "ConfigMap",
    [
        pointer("binaryData", Schema::Map(&Schema::Base64)),
        pointer("data", Schema::Map(&TEXT)),
        pointer("immutable", Schema::Boolean),
    ]
);

structure!(pub(super) SECRET, "Secret",
    [
        pointer("data", Schema::Map(&Schema::Base64)),
        pointer("immutable", Schema::Boolean),
        pointer("stringData", Schema::Map(&TEXT)),
        pointer("type", TEXT),
    ]
);

structure!(pub(super) OBJECT_BUCKET_CLAIM, "ObjectBucketClaim",
    [
        pointer("spec", Schema::Ignored),
        pointer("status", Schema::Ignored),
    ]
);

structure!(pub(super) ROUTE, "Route",
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
